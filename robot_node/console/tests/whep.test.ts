// @vitest-environment jsdom
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { linkedServers, WhepPlayer, whepUrl } from "../src/webrtc/whep";
import { until } from "./helpers";

interface Request {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}
type Answer = [status: number, body: string, headers?: Record<string, string>];

const OFFER = "v=0 offer\r\na=ice-ufrag:some\r\na=ice-pwd:thing\r\n";
const SESSION: Answer = [201, "v=0 answer", { Location: "/session/1", Link: '<stun:s.example:3478>; rel="ice-server"' }];

/** What jsdom lacks: a browser's peer connection, as far as signalling sees it. Real ones: tests/console. */
class Peer {
  static all: Peer[] = [];
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  remoteDescription: unknown = null;
  configuration: RTCConfiguration;
  closed = false;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;

  constructor(configuration: RTCConfiguration) {
    this.configuration = configuration;
    Peer.all.push(this);
  }

  addTransceiver = () => ({ currentDirection: "recvonly", receiver: { track: {} } });
  getReceivers = () => [];
  getConfiguration = () => this.configuration;
  setConfiguration = (configuration: RTCConfiguration) => (this.configuration = configuration);
  createOffer = () => Promise.resolve({ type: "offer", sdp: OFFER });

  setLocalDescription(offer: { sdp: string }): Promise<void> {
    this.localDescription = offer;
    this.onicecandidate?.({ candidate: { candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host", sdpMid: "0" } });
    return Promise.resolve();
  }

  setRemoteDescription(description: unknown): Promise<void> {
    this.remoteDescription = description;
    return Promise.resolve();
  }

  close = () => (this.closed = true);

  becomes(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

let server: Server;
let url: string;
let requests: Request[];
let answers: Answer[];
/** Answers wait for it. */
let mayAnswer: Promise<void>;
const player = new WhepPlayer();
const asked = (method: string) => until(() => requests.find((request) => request.method === method), method);

beforeEach(async () => {
  [Peer.all, requests, answers, mayAnswer] = [[], [], [], Promise.resolve()];
  vi.stubGlobal("RTCPeerConnection", Peer);
  vi.stubGlobal("MediaStream", class {});
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      requests.push({ method, path, headers, body });
      const [status, text, more] = method === "POST" ? (answers.shift() ?? SESSION) : ([204, ""] as Answer);
      void mayAnswer.then(() => response.writeHead(status, more).end(text));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/robot/whep`;
});

afterEach(async () => {
  player.disconnect();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  vi.unstubAllGlobals();
});

test("a session is asked for, gets its candidates, and is deleted", async () => {
  player.connect({ url, token: "word" });
  const { body: fragment } = await asked("PATCH");
  const [offer] = requests;
  expect(offer).toMatchObject({ path: "/robot/whep", body: OFFER, headers: { "content-type": "application/sdp", authorization: "Bearer word" } });
  expect(fragment).toBe(
    "a=ice-ufrag:some\r\na=ice-pwd:thing\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n",
  );
  const [peer] = Peer.all;
  expect(peer?.remoteDescription).toEqual({ type: "answer", sdp: "v=0 answer" });
  expect(peer?.configuration.iceServers).toEqual([{ urls: "stun:s.example:3478" }]);
  peer?.becomes("connected");
  expect(player.getSnapshot()).toMatchObject({ connectionState: "connected", isHearing: true, error: null });

  player.disconnect();
  expect(await asked("DELETE")).toMatchObject({ path: "/session/1", headers: { authorization: "Bearer word" } });
  expect(peer?.closed).toBe(true);
  expect(player.getSnapshot().connectionState).toBe("closed");
});

test("a refusal is told, and asked again", async () => {
  answers.push([404, "no stream"], [406, "v=0", { "Content-Type": "application/sdp" }]);
  player.connect({ url, reconnectInitialMs: 50 });
  const error = await until(() => player.getSnapshot().error, "an error");
  expect(error).toMatchObject({ problem: "server-refused", message: "404, no stream" });
  const counter = await until(() => player.getSnapshot().error?.message.includes("406") && player.getSnapshot().error, "another error");
  expect(counter).toMatchObject({ problem: "server-refused", message: "406, with an offer of its own, which this page does not answer" });
  await until(() => Peer.all.at(-1)?.remoteDescription, "another attempt");
  Peer.all.at(-1)?.becomes("connected");
  expect(player.getSnapshot()).toMatchObject({ connectionState: "connected", error: null });
});

test("a server that is not there, or leads nowhere, is told", async () => {
  player.connect({ url: "http://127.0.0.1:1/whep" });
  expect((await until(() => player.getSnapshot().error, "an error")).problem).toBe("server");
  player.connect({ url });
  await until(() => Peer.all.at(-1)?.remoteDescription, "an answer");
  Peer.all.at(-1)?.becomes("failed");
  expect(player.getSnapshot().error?.problem).toBe("no-path");
  expect(await asked("DELETE")).toMatchObject({ path: "/session/1" });
});

test("a session that nobody wants any more when the answer comes is deleted", async () => {
  let answer = () => undefined as void;
  mayAnswer = new Promise((resolve) => (answer = resolve));
  player.connect({ url });
  await asked("POST");
  player.disconnect();
  answer();
  expect(await asked("DELETE")).toMatchObject({ path: "/session/1" });
  expect(Peer.all[0]?.remoteDescription).toBeNull();
});

test("an address is for the robot that it names", () => {
  expect(whepUrl({ url: "https://sfu.example/{server_id}/whep", serverId: "" }, "a b")).toBe("https://sfu.example/a%20b/whep");
  expect(whepUrl({ url: "/whep", serverId: "robot" }, "robot")).toBe(`${location.origin}/whep`);
  expect(whepUrl({ url: "https://sfu.example/x", serverId: "robot" }, "another")).toBe("");
  expect(whepUrl({ url: "", serverId: "" }, "robot")).toBe("");
  expect(whepUrl({ url: "https://sfu.example/x", serverId: "" }, undefined)).toBe("");
});

test("servers come from Link headers, several in one", () => {
  const header =
    '<turn:t.example?transport=udp>; rel="ice-server"; username="u;s,er"; credential="pa\\"ss"; credential-type="password", ' +
    '<stun:s.example>; rel=ice-server, <https://x.example/ext>; rel="urn:ietf:params:whep:ext:core:layer"';
  expect(linkedServers(header)).toEqual([{ urls: "turn:t.example?transport=udp", username: "u;s,er", credential: 'pa"ss' }, { urls: "stun:s.example" }]);
  expect(linkedServers("")).toEqual([]);
});
