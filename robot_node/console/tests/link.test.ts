// @vitest-environment jsdom
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, expect, inject, test } from "vitest";

import { Link, randomId, type LinkStatus } from "../src/mqtt/link";
import { until } from "./helpers";

// RFC 6455, 1.3
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const open: Link[] = [];
afterEach(() => open.splice(0).forEach((link) => link.close()));

interface Window {
  link: Link;
  seen: LinkStatus[];
}

function openWindow(clientId: string, url: string = inject("brokerUrl")): Window {
  const seen: LinkStatus[] = [];
  const link = new Link({ url, clientId, isShared: true, reconnectInitialMs: 20 }, { onStatus: (status) => seen.push(status) });
  open.push(link);
  link.start();
  return { link, seen };
}

const is = ({ seen }: Window, state: LinkStatus["state"]) => until(() => seen.at(-1)?.state === state, `it is ${state}`);

test("of two windows of a browser with one client id, the one that is wanted last is connected", async () => {
  const clientId = randomId("twin-");
  const first = openWindow(clientId);
  await is(first, "connected");
  const second = openWindow(clientId);
  await is(first, "taken");
  await is(second, "connected");
  expect(first.seen.at(-1)?.error).toMatchObject({ problem: "taken", message: `Another window uses the client id ${clientId}.` });
  globalThis.dispatchEvent(new Event("online"));
  expect(first.seen.at(-1)?.state).toBe("taken");
  first.link.retryNow();
  await is(first, "connected");
  await is(second, "taken");
  expect(second.seen.some(({ state }) => state === "waiting")).toBe(false);
});

test("of two browsers with one client id too, though the broker does not say why it ends a connection", async () => {
  const clientId = randomId("twin-");
  const first = openWindow(clientId);
  await is(first, "connected");
  // Another address of the broker: as another browser's, the window does not hear of this one.
  const second = openWindow(clientId, inject("brokerUrl").replace("127.0.0.1", "localhost"));
  await is(first, "taken");
  await is(second, "connected");
  expect(first.seen.at(-1)?.error?.problem).toBe("contested");
  first.link.retryNow();
  await is(second, "taken");
  await is(first, "connected");
});

test("who is told by the broker that it was taken over stops at once", async () => {
  const broker = createServer();
  let connections = 0;
  broker.on("upgrade", ({ headers }, socket) => {
    connections += 1;
    const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${WEBSOCKET_GUID}`).digest("base64");
    socket.write(`HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`);
    // After its CONNECT: CONNACK, and DISCONNECT with the reason "session taken over", each in a frame.
    socket.once("data", () => socket.end(Buffer.from([0x82, 5, 0x20, 3, 0, 0, 0, 0x82, 4, 0xe0, 2, 0x8e, 0])));
  });
  await new Promise<void>((resolve) => broker.listen(0, "127.0.0.1", resolve));
  const { seen, link } = openWindow(randomId("random-"), `ws://127.0.0.1:${(broker.address() as AddressInfo).port}/mqtt`);
  await until(() => seen.at(-1)?.state === "taken", "it has stopped");
  expect(seen.map(({ state }) => state)).toEqual(["connecting", "connected", "taken"]);
  expect(connections).toBe(1);
  link.close();
  broker.close();
});

test("the next broker is tried when one does not answer", async () => {
  const seen: LinkStatus[] = [];
  const link = new Link(
    { url: `ws://127.0.0.1:1/mqtt, ${inject("brokerUrl")}`, clientId: randomId("several-"), reconnectInitialMs: 10 },
    { onStatus: (status) => seen.push(status) },
  );
  open.push(link);
  link.start();
  await until(() => seen.at(-1)?.state === "connected", "it is connected to the second one");
  expect(seen.find(({ state }) => state === "waiting")?.error?.message).toBe("No broker answers at ws://127.0.0.1:1/mqtt.");
});
