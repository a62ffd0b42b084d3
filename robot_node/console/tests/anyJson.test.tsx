// @vitest-environment jsdom
/** Whatever JSON a robot sends, the page reads it, and every view shows what is left of it. */
import fc from "fast-check";
import type { ReactNode } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { expect, test, vi } from "vitest";

import { member, parsed, printed } from "../src/json";
import { readTools } from "../src/mcp/tools";
import { parseAnnouncement, parsePresenceTopic, readAddress } from "../src/mcp/topics";
import { Activity } from "../src/page/activity/Activity";
import { merged, readEvents } from "../src/page/activity/events";
import { Face } from "../src/page/face/Face";
import { readQuestions } from "../src/page/dialogs/openQuestions";
import { Header } from "../src/page/header/Header";
import { joined, lineOf, type Line } from "../src/page/activity/lines";
import { argumentsOf, fieldsOf, initialValue } from "../src/page/controls/schema";
import { Noticed } from "../src/page/video/Noticed";
import { loadSettings, readSettings } from "../src/page/settings";
import { SettingsDialog } from "../src/page/dialogs/SettingsDialog";
import { Conversation } from "../src/page/activity/Conversation";
import { readStatus, statusFields } from "../src/page/status";
import { Tools } from "../src/page/controls/Tools";
import { parseBackendMessage, parseSignal, parseViewerStatus } from "../src/webrtc/signaling";

/** As it is read from the wire. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

/** Names that mean something to a reader of JSON, and those that every JavaScript object has. */
const NAMES = ["type", "enum", "$ref", "anyOf", "items", "properties", "__proto__", "constructor", "toString", "valueOf", "hasOwnProperty"];
const name = fc.oneof(fc.constantFrom(...NAMES), fc.string({ unit: "binary" }));

/** Any JSON, as it comes out of `JSON.parse`: also with members that hide those of every object. */
const anyJson: fc.Arbitrary<unknown> = fc
  .letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(null, true, 0, -1, 1e300, "", "string", "#/$defs/constructor", "\ud800"),
      fc.string({ unit: "binary" }),
      fc.double(),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(name, tie("value"), { maxKeys: 4 }),
    ),
  }))
  .value.map((value) => asJson(value));

/** Mostly of a known form, at times missing or anything. */
const mostly = (value: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 12, arbitrary: value }, { weight: 1, arbitrary: anyJson }, { weight: 1, arbitrary: fc.constant(undefined) });

/** An object of a known form, each member of which is mostly as expected. */
const almost = (members: Record<string, fc.Arbitrary<unknown>>) =>
  mostly(fc.record(Object.fromEntries(Object.entries(members).map(([key, value]) => [key, mostly(value)])))).map((value) =>
    asJson(value ?? null),
  );

const text = fc.string({ unit: "binary" });
const property = almost({
  type: fc.oneof(fc.constantFrom("string", "integer", "number", "boolean", "object"), fc.array(fc.constantFrom("string", "null"))),
  description: text,
  default: anyJson,
  enum: fc.array(anyJson),
  minimum: fc.double(),
  maxLength: fc.integer(),
  anyOf: fc.array(almost({ type: fc.constantFrom("string", "null"), enum: fc.array(anyJson) })),
  $ref: fc.constantFrom("#/$defs/x", "#/$defs/toString"),
});
const schema = almost({
  type: fc.constant("object"),
  properties: fc.dictionary(name, property, { maxKeys: 5 }),
  required: fc.array(name),
  $defs: fc.record({ x: property }),
});
const tool = almost({ name, title: text, description: text, inputSchema: schema, annotations: almost({ title: text, readOnlyHint: fc.boolean() }) });
const block = almost({ type: fc.constantFrom("text", "image", "resource"), text, data: text, mimeType: text });
const result = almost({ content: fc.array(block), structuredContent: anyJson, isError: fc.boolean() });
const status = almost({
  camera: fc.constantFrom("on", "off"),
  camera_error: text,
  privacy: fc.boolean(),
  recording: fc.boolean(),
  emotion: fc.constantFrom("happy", "constructor"),
  display_error: text,
  volume: fc.integer(),
  muted: fc.boolean(),
  viewers: fc.integer(),
  motion: fc.dictionary(name, fc.boolean()),
  detected: fc.array(text),
  cameras: fc.dictionary(name, fc.constantFrom("on", "off")),
});

/** What a person sees of a view; breaking, or leaving React in doubt, it fails. */
async function seen(view: ReactNode, act: (place: HTMLElement) => unknown = () => undefined): Promise<string> {
  const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const errors: unknown[] = [];
  const place = document.createElement("div");
  document.body.append(place);
  const root = createRoot(place, { onUncaughtError: (error) => errors.push(error), onCaughtError: (error) => errors.push(error) });
  try {
    flushSync(() => root.render(view));
    await act(place);
    return place.textContent;
  } finally {
    flushSync(() => root.unmount());
    place.remove();
    expect(errors).toEqual([]);
    expect(complaints.mock.calls).toEqual([]);
    complaints.mockRestore();
  }
}

const nothing = () => undefined;

test("a list of tools is forms, each of which can be opened and sent", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(tool, { maxLength: 4 }), result, async (listed, answer) => {
      const { tools, malformed } = readTools(listed);
      expect(tools.length + malformed.length).toBe(listed.length);
      const calls: unknown[] = [];
      const run = (_: string, args: object) => {
        calls.push(args);
        return Promise.resolve({ content: [], ...(answer as object) });
      };
      await seen(<Tools tools={tools} malformed={malformed} emotions={[]} disabled={false} run={run} report={nothing} />, async (place) => {
        for (const details of place.querySelectorAll("details")) {
          details.open = true;
          flushSync(() => details.dispatchEvent(new Event("toggle")));
        }
        expect(place.querySelectorAll("form").length).toBe(tools.length);
        for (const form of place.querySelectorAll("form")) form.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
        await Promise.resolve();
      });
    }),
    { numRuns: 60 },
  );
});

test("a schema is fields whose first values are arguments that are JSON", () => {
  fc.assert(
    fc.property(schema, (any) => {
      const fields = fieldsOf(any);
      const first = new Map(fields.map((field) => [field.name, initialValue(field)]));
      const args = argumentsOf(fields, first);
      expect(Object.getPrototypeOf(args)).toBe(Object.prototype);
      expect(parsed(JSON.stringify(args))).toEqual(args);
    }),
    { numRuns: 500 },
  );
});

test("a status is one of known values", async () => {
  await fc.assert(
    fc.asyncProperty(status, fc.array(text), async (any, emotions) => {
      const read = readStatus(any);
      expect(["on", "starting", "off", "stopping", "failed", undefined]).toContain(read?.camera);
      expect(typeof (read?.emotion ?? "")).toBe("string");
      const { volume } = { ...read, ...statusFields(any) };
      expect(volume ?? 0).toBeGreaterThanOrEqual(0);
      for (const camera of Object.values(read?.cameras ?? {})) expect(["on", "starting", "off", "stopping", "failed"]).toContain(camera);
      await seen(<Face status={read} picture={null} emotions={[...new Set(emotions)]} disabled={false} show={nothing} />);
      if (read) await seen(<Noticed status={read} />);
    }),
    { numRuns: 60 },
  );
});

test("questions to people are those that a person can read and answer", () => {
  const question = almost({ id: text, text, asked_by: fc.constantFrom("me", "bot"), tool: text, choices: fc.array(text) });
  fc.assert(
    fc.property(almost({ questions: fc.array(question) }), (any) => {
      const read = readQuestions(any, "me");
      expect(read.length).toBeLessThanOrEqual(20);
      expect(new Set(read.map(({ id }) => id)).size).toBe(read.length);
      for (const { id, askedBy, choices } of read) {
        expect(id).not.toBe("");
        expect(askedBy).not.toBe("me");
        expect(choices.every((choice) => typeof choice === "string")).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("presence makes robots of announcements only", async () => {
  const presence = almost({ method: fc.constant("notifications/server/online"), params: almost({ description: text }) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, presence)), async (announced) => {
      const robots = new Map<string, { serverId: string; serverName: string; description: string }>();
      for (const [topic, payload] of announced) {
        const server = parsePresenceTopic(`$mcp-server/presence/${topic}`);
        const description = parseAnnouncement(JSON.stringify(payload));
        if (server && description !== null) robots.set(`${server.serverId}/${server.serverName}`, { ...server, description });
      }
      await seen(<Header robots={[...robots.values()]} robot={null} status={null} fleet={{ seen: new Map(), show: () => undefined }} isOverview={false} choose={nothing} openSettings={nothing} />);
    }),
    { numRuns: 60 },
  );
});

test("what is said is lines", async () => {
  const message = almost({
    type: fc.constantFrom("asr_response", "tts_begin", "tts_text", "tts_complete", "tts_terminate", "message", "constructor"),
    results: text,
    format: fc.constant("raw"),
    task_id: fc.oneof(text, fc.nat()),
    text,
    payload: anyJson,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(message), async (messages) => {
      const lines = messages.reduce<Line[]>((before, any) => {
        const read = parseBackendMessage(JSON.stringify(any));
        const line = read && lineOf(read);
        return line ? joined(before, line) : before;
      }, []);
      await seen(<Conversation lines={lines} unsent={[]} note="" canSend begin={nothing} send={() => true} />);
    }),
    { numRuns: 60 },
  );
});

test("what happens to a robot is a list of events", async () => {
  const event = almost({
    sequence: fc.nat(3),
    time: fc.constantFrom("2026-07-28T12:00:01.500+00:00", "yesterday"),
    kind: fc.constantFrom("input", "emotion", "motion", "constructor"),
    text: fc.oneof(text, fc.constantFrom("The face shows happy.", "The face shows toString.")),
    by: text,
    device: text,
  });
  await fc.assert(
    fc.asyncProperty(almost({ last: fc.nat(), events: fc.array(event) }), almost({ last: fc.nat(), events: fc.array(event) }), async (any, more) => {
      const events = merged(readEvents(any)?.events ?? [], readEvents(more)?.events ?? []);
      expect(new Set(events.map(({ key }) => key)).size).toBe(events.length);
      const shown = await seen(<Activity activity={{ events, pictures: new Map(), isRefused: false }} ownId="me" />);
      for (const { text: told } of events) expect(shown).toContain(told);
    }),
    { numRuns: 60 },
  );
});

test("signalling and the robot's status beside the picture are read or passed over", () => {
  const data = fc.oneof(almost({ candidate: text, sdpMid: text, sdpMLineIndex: fc.nat(), sdp: text }), text);
  const signal = almost({ type: fc.constantFrom("sdp_answer", "ice_candidate", "webrtc_terminated", "toString"), data, reason: text });
  fc.assert(
    fc.property(signal, fc.oneof(status, anyJson), (any, said) => {
      const read = parseSignal(JSON.stringify(any));
      if (read?.type === "sdp_answer") expect(typeof read.sdp).toBe("string");
      if (read?.type === "ice_candidate") expect(typeof (read.candidate?.candidate ?? "")).toBe("string");
      expect(typeof (parseViewerStatus(JSON.stringify(said))?.camera ?? "")).toBe("string");
    }),
    { numRuns: 500 },
  );
});

test("what is kept in the browser, and served, is settings or nothing", async () => {
  const ice = almost({ urls: fc.oneof(text, fc.array(text)), username: text, credential: text });
  const kept = almost({ brokerUrl: text, username: text, password: text, iceServers: fc.array(ice), language: fc.constantFrom("en", "zh", "toString") });
  await fc.assert(
    fc.asyncProperty(kept, kept, async (stored, served) => {
      localStorage.setItem("robot-node.settings", JSON.stringify(stored));
      const settings = loadSettings(readSettings(served));
      readAddress(stored);
      await seen(<SettingsDialog ref={{ current: null }} settings={settings} standard={settings} save={nothing} />);
    }),
    { numRuns: 60 },
  );
});

test("what is nested more deeply than the stack is high costs the robot that tool only", () => {
  let deep: unknown = {};
  for (let depth = 0; depth < 50_000; depth += 1) deep = { properties: { x: deep }, anyOf: [deep] };
  expect(printed(deep)).toBe("…");
  const { tools } = readTools([
    { name: "deep", inputSchema: { type: "object", properties: { x: { default: deep } } } },
    { name: "nod", inputSchema: { type: "object" } },
  ]);
  expect(tools.map((each) => each.name)).toContain("nod");
  for (const each of tools) for (const field of fieldsOf(each.inputSchema)) expect(typeof initialValue(field)).toBe("string");
});

test("a document has the members that were sent, not those of every object", () => {
  expect(["constructor", "toString", "__proto__"].map((each) => member({}, each))).toEqual([undefined, undefined, undefined]);
  expect(member(parsed('{"toString": 1}'), "toString")).toBe(1);
});

test("long texts are cut", async () => {
  const long = "x".repeat(1_000_000);
  const { tools } = readTools([{ name: "long", title: long, description: long, inputSchema: { type: "object" } }, { name: long, inputSchema: { type: "object" } }]);
  expect(tools.map((each) => each.name)).toEqual(["long"]);
  const shown = await seen(<Tools tools={tools} malformed={[]} emotions={[]} disabled={false} run={() => Promise.reject(new Error())} report={nothing} />, (place) =>
    flushSync(() => place.querySelector("details")?.dispatchEvent(new Event("toggle"))),
  );
  expect(shown.length).toBeLessThan(10_000);
  expect(readStatus({ camera_error: long })?.camera_error.length).toBeLessThan(2000);
});
