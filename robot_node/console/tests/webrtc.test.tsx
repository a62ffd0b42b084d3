// @vitest-environment jsdom
import { afterEach, beforeEach, expect, inject, test, vi } from "vitest";
import type { MqttClient } from "mqtt";

import { CHAT_LIMIT } from "../src/webrtc/state";
import { useWebRTCMqtt, type UseWebRTCMqttOptions } from "../src/webrtc/useWebRTCMqtt";
import { outsider, renderHook, until, type Heard } from "./helpers";

const brokerUrl = inject("brokerUrl");
const cleanups: (() => unknown)[] = [];

const OFFER = "v=0 offer\r\na=ice-ufrag:fragment\r\n";

/** What jsdom lacks: a browser's peer connection, as far as signalling sees it. Real ones: tests/console. */
class Peer {
  static all: Peer[] = [];
  connectionState = "new";
  signalingState = "stable";
  localDescription: { type: string; sdp: string } | null = null;
  remoteDescription: unknown = null;
  candidates: unknown[] = [];
  channels = new Map<string, { onopen: (() => void) | null; onmessage: ((event: { data: unknown }) => void) | null }>();
  closed = false;
  onicecandidate: ((event: { candidate: { candidate: string; toJSON: () => object } | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;

  constructor() {
    Peer.all.push(this);
  }

  kinds: string[] = [];

  addTransceiver = (track: string | { kind: string }) => {
    this.kinds.push(typeof track === "string" ? track : track.kind);
    return { currentDirection: "recvonly" };
  };
  getReceivers = () => [];

  createDataChannel(label: string) {
    const channel = { onopen: null, onmessage: null };
    this.channels.set(label, channel);
    return channel;
  }

  setLocalDescription(): Promise<void> {
    this.localDescription = { type: "offer", sdp: OFFER };
    this.signalingState = "have-local-offer";
    this.onicecandidate?.({ candidate: { candidate: "candidate:1", toJSON: () => ({ candidate: "candidate:1", sdpMid: "0" }) } });
    this.onicecandidate?.({ candidate: null });
    return Promise.resolve();
  }

  setRemoteDescription(description: unknown): Promise<void> {
    this.remoteDescription = description;
    this.signalingState = "stable";
    return Promise.resolve();
  }

  addIceCandidate(candidate: unknown): Promise<void> {
    this.candidates.push(candidate);
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
  }

  becomes(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

beforeEach(() => {
  Peer.all = [];
  vi.stubGlobal("RTCPeerConnection", Peer);
  vi.stubGlobal("MediaStream", class {});
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  vi.unstubAllGlobals();
});

const typeOf = ({ text }: Heard) => (JSON.parse(text) as { type: string }).type;

/** Somebody who answers calls to an id, and the hook that calls it. */
async function calling(answerer: string, options: Partial<UseWebRTCMqttOptions> = {}) {
  const { client, heard } = await outsider(brokerUrl, `$webrtc/+/${answerer}`);
  cleanups.push(() => client.endAsync());
  const hook = renderHook((props: UseWebRTCMqttOptions) => useWebRTCMqtt(props), {
    brokerUrl,
    serverId: answerer,
    autoConnect: true,
    reconnectInitialMs: 20,
    ...options,
  });
  cleanups.push(hook.unmount);
  const offer = await until(() => heard.find((message) => typeOf(message) === "sdp_offer"), "the offer");
  return { ...hook, client, heard, clientId: offer.topic.split("/")[1] ?? "" };
}

const tell = (client: MqttClient, topic: string, message: object) => client.publishAsync(topic, JSON.stringify(message));

test("offers, trickles after the offer, and takes early candidates after the answer", async () => {
  const { result, client, heard, clientId } = await calling("answerer-1");
  expect(clientId).toMatch(/^webrtc_client_[0-9a-f]{16}$/);
  await until(() => heard.length === 3, "offer and candidates");
  expect(heard.map(({ text }) => JSON.parse(text) as unknown)).toEqual([
    { type: "sdp_offer", data: { type: "offer", sdp: OFFER } },
    { type: "ice_candidate", data: { candidate: "candidate:1", sdpMid: "0" } },
    { type: "ice_candidate", data: null },
  ]);
  expect(result.current.isConnecting).toBe(true);
  const topic = `$webrtc/${clientId}`;
  const candidate = { candidate: "candidate:2", sdpMid: "0" };
  await tell(client, topic, { type: "ice_candidate", data: candidate });
  await tell(client, topic, { type: "sdp_answer", data: "v=0 answer" });
  const peer = Peer.all[0];
  await until(() => peer?.candidates.length, "the candidate");
  expect(peer?.remoteDescription).toEqual({ type: "answer", sdp: "v=0 answer" });
  expect(peer?.candidates).toEqual([candidate]);
  peer?.becomes("connected");
  await until(() => result.current.isConnected, "connected");
  expect(result.current.mqttConnected).toBe(true);
});

test("a retained message is of another session", async () => {
  const { client } = await outsider(brokerUrl);
  const topics = ["$webrtc/page-9", "$message/page-9"];
  cleanups.push(async () => {
    for (const topic of topics) await client.publishAsync(topic, "", { retain: true });
    await client.endAsync();
  });
  const retain = (topic: string, message: object) => client.publishAsync(topic, JSON.stringify(message), { retain: true });
  await retain("$webrtc/page-9", { type: "webrtc_terminated", reason: "long ago" });
  await retain("$message/page-9", { type: "asr_response", results: "long ago" });
  const said: unknown[] = [];
  const { result, client: answerer } = await calling("answerer-9", {
    clientId: "page-9",
    onASRResponse: (results) => said.push(results),
  });
  const again = setInterval(() => void tell(answerer, "$message/page-9", { type: "asr_response", results: "now" }), 20);
  await until(() => said.length, "what is said now").finally(() => clearInterval(again));
  expect(said[0]).toBe("now");
  expect(result.current.isConnecting).toBe(true);
  expect(Peer.all.length).toBe(1);
});

test("what is heard and said reaches the callbacks, what is typed the other side", async () => {
  const said: unknown[] = [];
  const { result, client, heard, clientId } = await calling("answerer-2", {
    onASRResponse: (results) => said.push(results),
    onTTSText: (text, taskId) => said.push([text, taskId]),
  });
  const topic = `$message/${clientId}`;
  // The hook's subscription to this topic may still be on its way.
  const again = setInterval(() => void tell(client, topic, { type: "asr_response", results: "hello" }), 20);
  await until(() => said.includes("hello"), "what was heard").finally(() => clearInterval(again));
  await tell(client, topic, { type: "tts_text", task_id: "t", text: "hi" });
  await until(() => said.some((item) => Array.isArray(item)), "the text");
  expect(said).toContainEqual(["hi", "t"]);
  result.current.sendChatMessage("typed");
  Peer.all[0]?.channels.get("status")?.onopen?.();
  await until(() => heard.some(({ text }) => text === '{"type":"chat","data":"typed"}'), "the chat message");
});

test("what is typed and switched on before the call is part of it, and what the robot cannot receive yet waits", async () => {
  const { client, heard } = await outsider(brokerUrl, "$webrtc/+/answerer-13");
  cleanups.push(() => client.endAsync());
  const sent: string[] = [];
  const options: UseWebRTCMqttOptions = { brokerUrl, serverId: "answerer-13", onChatSent: (text) => sent.push(text) };
  const { result, rerender, unmount } = renderHook(useWebRTCMqtt, options);
  cleanups.push(unmount);
  const typed = Array.from({ length: CHAT_LIMIT + 1 }, (_, index) => result.current.sendChatMessage(`typed ${index}`));
  expect(typed.indexOf(false)).toBe(CHAT_LIMIT);
  result.current.toggleListening();
  rerender({ ...options, autoConnect: true });
  await until(() => heard.some((message) => typeOf(message) === "sdp_offer"), "the offer");
  expect(result.current.isListening).toBe(true);
  expect(result.current.unsentChat.length).toBe(CHAT_LIMIT);
  expect(Peer.all[0]?.kinds).toEqual(["video", "audio"]);
  Peer.all[0]?.becomes("connected");
  expect(sent).toEqual([]);
  Peer.all[0]?.channels.get("status")?.onopen?.();
  expect(sent).toEqual(["typed 0", "typed 1", "typed 2", "typed 3", "typed 4"]);
  await until(() => heard.filter((message) => typeOf(message) === "chat").length === CHAT_LIMIT, "what was typed");
  await until(() => result.current.unsentChat.length === 0, "nothing waits");
  rerender(options);
  await until(() => result.current.connectionState === "closed", "hung up");
  expect(result.current.isListening).toBe(false);
});

test("the other side need not open a data channel to be written to", async () => {
  const { result, heard } = await calling("answerer-14");
  Peer.all[0]?.becomes("connected");
  result.current.sendChatMessage("typed");
  await until(() => heard.some((message) => typeOf(message) === "chat"), "the chat message");
});

test("what the robot says beside the picture is told, until the session ends", async () => {
  const { result, client, clientId } = await calling("answerer-7", { reconnectInitialMs: 60_000 });
  const say = (data: unknown) => Peer.all[0]?.channels.get("status")?.onmessage?.({ data });
  expect(result.current.robot).toBeNull();
  for (const nonsense of ["{", "[]", '{"type":"status"}', '{"camera":1,"privacy":0}', new ArrayBuffer(2)]) say(nonsense);
  expect(result.current.robot).toBeNull();
  say('{"type":"status","camera":"off","privacy":true,"emotion":"shy","bitrate":0,"frame_age_ms":null}');
  await until(() => result.current.robot?.privacy, "privacy");
  expect(result.current.robot).toEqual({ camera: "off", camera_error: "", privacy: true });
  say('{"type":"status","camera":"on","camera_error":"No encoder.","privacy":false}');
  await until(() => result.current.robot?.camera_error, "the camera's error");
  expect(result.current.robot).toEqual({ camera: "on", camera_error: "No encoder.", privacy: false });
  say('{"type":"status","camera":"on","camera_error":"","privacy":false,"recording":true}');
  await until(() => result.current.robot?.recording, "recording");
  say('{"type":"status","camera":"on","camera_error":"","privacy":false,"rotation":90}');
  await until(() => result.current.robot?.rotation === 90, "the rotation");
  say('{"type":"status","camera":"on","camera_error":"","privacy":false,"rotation":270}');
  await until(() => result.current.robot?.rotation === 270, "another rotation");
  say('{"type":"status","camera":"on","camera_error":"","privacy":false,"rotation":45}');
  await until(() => result.current.robot?.rotation !== 270, "none");
  expect(result.current.robot).toEqual({ camera: "on", camera_error: "", privacy: false });
  await tell(client, `$webrtc/${clientId}`, { type: "webrtc_terminated", reason: "The robot is leaving." });
  await until(() => result.current.robot === null, "the end");
});

test("a session that is up goes on until the one that replaces it is answered; an answer to another offer is passed over", async () => {
  const { result, client, heard, clientId } = await calling("answerer-10");
  const answer = (more = {}) => tell(client, `$webrtc/${clientId}`, { type: "sdp_answer", data: "v=0 answer", ...more });
  await answer();
  await until(() => Peer.all[0]?.remoteDescription, "the answer");
  Peer.all[0]?.becomes("connected");
  await until(() => result.current.isConnected, "connected");

  result.current.toggleListening();
  await until(() => heard.filter((message) => typeOf(message) === "sdp_offer").length === 2, "another offer");
  expect(heard.every(({ topic }) => topic === `$webrtc/${clientId}/answerer-10`)).toBe(true);
  expect(heard.some((message) => typeOf(message) === "webrtc_terminated")).toBe(false);
  const [first, second] = Peer.all;
  expect(first?.closed).toBe(false);
  await answer({ offer: "another" });
  await answer({ offer: "fragment" });
  await until(() => second?.remoteDescription, "the second answer");
  expect(first?.closed).toBe(true);
  second?.becomes("connected");
  await until(() => result.current.isConnected, "connected again");
});

test("when no connection comes about it is told what was tried", async () => {
  const { result, client, clientId } = await calling("answerer-11", { reconnectInitialMs: 60_000 });
  const data = `v=0\r\na=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\n`;
  await tell(client, `$webrtc/${clientId}`, { type: "sdp_answer", data });
  await until(() => Peer.all[0]?.remoteDescription, "the answer");
  Peer.all[0]?.becomes("failed");
  await until(() => result.current.error, "the error");
  expect(result.current.error).toMatchObject({ problem: "loopback", tried: { remote: ["127.0.0.1 (host, udp)"], onlyLoopback: true } });
});

test("an ICE server that is no URL is an error that says so", async () => {
  vi.stubGlobal("RTCPeerConnection", function () {
    throw new SyntaxError("'nonsense' is not a valid URL.");
  });
  const hook = renderHook((props: UseWebRTCMqttOptions) => useWebRTCMqtt(props), { brokerUrl, serverId: "answerer-12", autoConnect: true });
  cleanups.push(hook.unmount);
  await until(() => hook.result.current.error, "the error");
  expect(hook.result.current.error).toMatchObject({ problem: "media", message: "'nonsense' is not a valid URL." });
});

test("silence, a refusal and a lost path are told apart, and each is tried again", async () => {
  const { result, client, heard, clientId } = await calling("answerer-3", { stepTimeoutMs: 150, reconnectMaximumMs: 50 });
  await until(() => result.current.error?.problem === "no-answer", "nobody answers");
  const offers = () => heard.filter((message) => typeOf(message) === "sdp_offer").length;
  await until(() => offers() >= 2, "another offer");
  const refuse = { type: "webrtc_terminated", reason: "The robot already has 2 viewers, as many as it takes." };
  // Again and again: one that comes between two offers is passed over, and the next silence hides it.
  const refusing = setInterval(() => void tell(client, `$webrtc/${clientId}`, refuse), 20);
  cleanups.unshift(() => clearInterval(refusing));
  await until(() => result.current.error?.problem === "limit", "the limit");
  clearInterval(refusing);
  const before = offers();
  await until(() => offers() > before, "another offer after the limit");
  expect(Peer.all.slice(0, -1).every(({ closed }) => closed)).toBe(true);
});

test("unmounting tells the other side, closes the peer and ends the client", async () => {
  const { client, heard, unmount, clientId } = await calling("answerer-4");
  unmount();
  const goodbye = await until(() => heard.find((message) => typeOf(message) === "webrtc_terminated"), "the goodbye");
  expect(goodbye.topic).toBe(`$webrtc/${clientId}/answerer-4`);
  expect(Peer.all.every(({ closed }) => closed)).toBe(true);
  const count = heard.length;
  await tell(client, `$webrtc/${clientId}`, { type: "sdp_answer", data: "v=0" });
  await client.publishAsync(`$webrtc/marker/answerer-4`, '{"type":"marker"}');
  await until(() => heard.some((message) => typeOf(message) === "marker"), "the marker");
  expect(heard.length).toBe(count + 1);
});

test("a microphone that may not be used is an error that can be shown, and nothing changes", async () => {
  const { result } = await calling("answerer-5");
  await expect(result.current.toggleAudio()).rejects.toMatchObject({ problem: "media" });
  expect(result.current.isAudioEnabled).toBe(false);
});

test("microphone tracks are released when switched off and when unmounted", async () => {
  const stops: string[] = [];
  let opened = 0;
  const track = () => ({ kind: "audio", stop: () => stops.push(`track ${(opened += 1)}`) });
  const stream = () => {
    const own = track();
    return { getTracks: () => [own], getAudioTracks: () => [own], getVideoTracks: () => [] };
  };
  Object.defineProperty(navigator, "mediaDevices", {
    configurable: true,
    value: { getUserMedia: () => Promise.resolve(stream()) },
  });
  cleanups.push(() => Reflect.deleteProperty(navigator, "mediaDevices"));
  const { result, unmount } = await calling("answerer-6");
  await result.current.toggleAudio();
  await until(() => result.current.isAudioEnabled, "on");
  await result.current.toggleAudio();
  await until(() => !result.current.isAudioEnabled, "off");
  expect(stops.length).toBe(1);
  await result.current.toggleAudio();
  await until(() => result.current.isAudioEnabled, "on again");
  unmount();
  expect(stops.length).toBe(2);
});
