// @vitest-environment jsdom
import { afterEach, expect, inject, test } from "vitest";

import { Link, randomId, type LinkStatus } from "../src/mqtt/link";
import { until } from "./helpers";

const open: Link[] = [];
afterEach(() => open.splice(0).forEach((link) => link.close()));

function connect(clientId: string): LinkStatus[] {
  const seen: LinkStatus[] = [];
  const link = new Link({ url: inject("brokerUrl"), clientId, reconnectInitialMs: 100 }, { onStatus: (status) => seen.push(status) });
  open.push(link);
  link.start();
  return seen;
}

test("two windows with one client id take turns ever more slowly, and say why", async () => {
  const clientId = randomId("twin-");
  const first = connect(clientId);
  await until(() => first.at(-1)?.state === "connected", "the first window is connected");
  const began = performance.now();
  connect(clientId);
  const losses = () => first.filter(({ state }) => state === "waiting");
  await until(() => losses().length >= 4, "it was taken four times");
  // Its own delays between the four: 100, 200 and 400 ms. At full speed it would be 300 ms, and the other window's the same.
  expect(performance.now() - began).toBeGreaterThan(690);
  expect(losses().slice(1).map(({ error }) => error?.problem)).toEqual(["taken", "taken", "taken"]);
  expect(losses()[1]?.error?.message).toBe(`Perhaps another window uses the client id ${clientId}.`);
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
