import { describe, expect, test } from "vitest";

import { argumentsOf, fieldsOf, initialValue } from "../src/page/controls/schema";
import { Log } from "../src/page/log/log";
import { formatIceServers, parseIceServers } from "../src/page/settings";
import { VideoMeter } from "../src/webrtc/stats";

describe("a tool's schema becomes a form", () => {
  const schema = {
    $defs: { Emotion: { type: "string", enum: ["happy", "sad"], description: "A feeling." } },
    properties: {
      emotion: { $ref: "#/$defs/Emotion", default: "sad" },
      enabled: { type: "boolean" },
      volume: { anyOf: [{ type: "integer", minimum: 0, maximum: 100 }, { type: "null" }], default: null, description: "Loudness." },
      quality: { type: "number", default: 0.9 },
      text: { type: "string" },
      points: { type: "array" },
      source: { const: "local", default: "local" },
    },
    required: ["enabled", "text"],
  };
  const fields = fieldsOf(schema);

  test("with a kind of field for each property", () => {
    expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
      ["emotion", "choice"],
      ["enabled", "boolean"],
      ["volume", "integer"],
      ["quality", "number"],
      ["text", "text"],
      ["points", "json"],
      ["source", "choice"],
    ]);
    expect(fields[2]).toMatchObject({ minimum: 0, maximum: 100, required: false, description: "Loudness." });
    expect(fields.map(initialValue)).toEqual(["1", "false", "", "0.9", "", "", "0"]);
  });

  test("whose values become arguments; what is empty is left out", () => {
    const values = { emotion: "0", enabled: "true", volume: "7", quality: "", text: "", points: "[1, 2]", source: "" };
    expect(argumentsOf(fields, new Map(Object.entries(values)))).toEqual({ emotion: "happy", enabled: true, volume: 7, text: "", points: [1, 2] });
    expect(() => argumentsOf(fields, new Map([["points", "[1"]]))).toThrow();
  });
});

test("ICE servers are written as in the robot's settings", () => {
  const lines = "stun:a.example:3478\nturn:user:p%40ss@b.example:3478?transport=tcp";
  const servers = parseIceServers(`\n ${lines} \n`);
  expect(servers).toEqual([
    { urls: "stun:a.example:3478" },
    { urls: "turn:b.example:3478?transport=tcp", username: "user", credential: "p@ss" },
  ]);
  expect(formatIceServers(servers)).toBe(lines);
});

test("the log is bounded, and silent when switched off", () => {
  const log = new Log();
  for (let index = 0; index < 600; index += 1) log.add("app", String(index));
  expect(log.getSnapshot().entries.length).toBe(500);
  expect(log.getSnapshot().entries.at(-1)?.text).toBe("599");
  log.record(false);
  log.add("app", "unheard");
  expect(log.getSnapshot().entries.at(-1)?.text).toBe("599");
});

test("figures of the video are those of the time between two reports", () => {
  const meter = new VideoMeter("front");
  const report = (second: number) => [
    {
      id: "v",
      type: "inbound-rtp",
      kind: "video",
      timestamp: second * 1000,
      bytesReceived: second * 125_000,
      packetsReceived: second * 90,
      packetsLost: second * 10,
      framesDecoded: second * 30,
      jitterBufferDelay: second * 0.3,
      jitterBufferEmittedCount: second * 30,
      frameWidth: 1280,
      frameHeight: 720,
    },
    { id: "p", type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.01 },
  ];
  expect(meter.measure(report(1))).toBeNull();
  const stats = meter.measure(report(3));
  expect(stats).toMatchObject({ width: 1280, height: 720, framesPerSecond: 30, bitsPerSecond: 1_000_000, loss: 0.1 });
  expect(stats?.latencyMs).toBeCloseTo(15);
  expect(meter.measure(report(1))).toBeNull();
  expect(meter.measure([])).toBeNull();
});

test("figures of the video are those of one track among several", () => {
  const meter = new VideoMeter("front");
  const video = (trackIdentifier: string, second: number, frameWidth: number) => ({
    ...{ id: trackIdentifier, type: "inbound-rtp", kind: "video", trackIdentifier },
    ...{ timestamp: second * 1000, bytesReceived: second * frameWidth, frameWidth },
  });
  meter.measure([video("front", 1, 640), video("rear", 1, 320)]);
  expect(meter.measure([video("front", 2, 640), video("rear", 2, 320)])).toMatchObject({ width: 640, bitsPerSecond: 640 * 8 });
  expect(meter.measure([video("rear", 3, 320)])).toBeNull();
});
