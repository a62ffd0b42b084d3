// @vitest-environment jsdom
/** Why Talk goes out again, and for how long a conversation has a session. */
import { useSyncExternalStore } from "react";
import { flushSync } from "react-dom";
import { expect, test } from "vitest";

import { TEXTS } from "../src/i18n/all";
import { translator, type Language } from "../src/i18n/text";
import { Store } from "../src/mqtt/store";
import { conversationNote } from "../src/page/activity/conversationNote";
import { readStatus, type RobotStatus } from "../src/page/status";
import { browserRefusal, isMicrophoneOff, listenUnavailable, REFUSALS, talkRefusal, talkUnavailable, type Refusal } from "../src/page/talk/refusals";
import { useConversing, useEndWhenUnused } from "../src/page/talk/useConversing";
import { useTalk, type Talking } from "../src/page/talk/useTalk";
import { CallError, IDLE, type CallConnectionState, type CallProblem, type CallState } from "../src/webrtc/state";
import type { UseWebRTCMqtt } from "../src/webrtc/useWebRTCMqtt";
import { renderHook, until } from "./helpers";

const robot = (fields: object) => readStatus(fields);
const SPEAKS = { volume: 50, viewers_speak: "free" };
const ROBOTS: Record<string, RobotStatus | null> = {
  "not known": null,
  "of an older version": robot({ volume: 50 }),
  free: robot(SPEAKS),
  taken: robot({ volume: 50, viewers_speak: "taken" }),
  "not allowed": robot({ volume: 50, viewers_speak: null }),
  "no loudspeaker": robot({ volume: null, viewers_speak: null }),
};
const UNHEARD: Record<string, Refusal> = {
  "not known": "not-taken",
  "of an older version": "not-taken",
  free: "not-taken",
  taken: "taken",
  "not allowed": "may-not-speak",
  "no loudspeaker": "no-loudspeaker",
};
const STATES: CallConnectionState[] = ["disconnected", "connecting", "connected", "failed", "closed"];
const PROBLEMS: CallProblem[] = ["broker", "no-answer", "no-path", "loopback", "lost", "refused", "limit", "media"];

test.each(Object.keys(ROBOTS))("a microphone that is on is of use, or says why not: %s", (name) => {
  const status = ROBOTS[name] ?? null;
  for (const connectionState of STATES) {
    for (const isHeard of [false, true]) {
      const sending = { isAudioEnabled: true, connectionState, isHeard, error: null, robot: null };
      const expected = connectionState === "failed" ? "lost" : connectionState === "connected" && !isHeard ? UNHEARD[name] : null;
      expect(talkRefusal(sending, status), `${connectionState} ${isHeard}`).toBe(expected);
      expect(talkRefusal({ ...sending, isAudioEnabled: false }, status)).toBeNull();
    }
  }
  for (const problem of PROBLEMS) {
    const sending = { isAudioEnabled: true, connectionState: "failed" as const, isHeard: false, error: new CallError(problem, ""), robot: null };
    expect(talkRefusal(sending, status)).toBe(problem);
  }
});

test.each([
  ["yes", null],
  ["waits", null],
  ["stopped", "stopped"],
  ["no", "taken"],
] as const)("a robot that takes our sound, or no longer, says so: %s", (taken, why) => {
  const told = { camera: "off", camera_error: "", privacy: false, taken } as const;
  const sending = { isAudioEnabled: true, connectionState: "connected", isHeard: true, error: null, robot: told } as const;
  expect(talkRefusal(sending, robot({ viewers_speak: "taken" }))).toBe(why);
  expect(talkRefusal({ ...sending, isHeard: false }, robot({ viewers_speak: "free" }))).toBe("not-taken"); // of the session before
});

test.each([
  ["not known", null, null],
  ["of an older version", null, null],
  ["free", null, null],
  ["taken", null, null],
  ["not allowed", "may-not-speak", null],
  ["no loudspeaker", "no-loudspeaker", null],
] as const)("what a robot never does is known before anybody is asked: %s", (name, talk, listen) => {
  expect(talkUnavailable(ROBOTS[name] ?? null)).toBe(talk);
  expect(listenUnavailable(ROBOTS[name] ?? null)).toBe(listen);
});

test("there may be nothing to hear", () => {
  expect(listenUnavailable(robot({ viewers_hear: false }))).toBe("nothing-to-hear");
  expect(listenUnavailable(robot({ viewers_hear: true }))).toBeNull();
});

test("a microphone that a hand or an agent has switched off is known", () => {
  for (const status of [null, robot({}), robot({ microphone_enabled: null }), robot({ microphone_enabled: true, microphone_privacy: false })]) {
    expect(isMicrophoneOff(status)).toBe(false);
  }
  expect(isMicrophoneOff(robot({ microphone_enabled: false }))).toBe(true);
  expect(isMicrophoneOff(robot({ microphone_enabled: true, microphone_privacy: true }))).toBe(true);
});

test.each([
  ["SecurityError", "insecure"],
  ["NotAllowedError", "denied"],
  ["NotFoundError", "no-microphone"],
  ["NotReadableError", "microphone-busy"],
  ["AbortError", "microphone-busy"],
  ["OverconstrainedError", "media"],
])("the browser's %s", (name, refusal) => {
  const cause = new DOMException("No.", name);
  expect(browserRefusal(cause)).toBe(refusal);
  expect(browserRefusal(new CallError("media", "No.", undefined, { cause }))).toBe(refusal);
  expect(browserRefusal("nonsense")).toBe("media");
});

test.each(Object.keys(TEXTS) as Language[])("each reason has words of its own in %s", (language) => {
  const texts = Object.values(REFUSALS).map((key) => TEXTS[language][key]);
  expect(new Set(texts).size).toBe(texts.length);
});

/** A call, in which a test says what the browser and the robot do. */
class Calling extends Store<CallState> {
  microphone: Promise<unknown> = Promise.resolve();

  toggleAudio = async () => {
    const { isAudioEnabled } = this.getSnapshot();
    if (!isAudioEnabled) await this.microphone;
    this.update({ isAudioEnabled: !isAudioEnabled });
  };

  holdToTalk = async (isHeld: boolean) => {
    if (isHeld) await this.microphone;
    this.update({ isAudioEnabled: isHeld });
  };

  toggleListening = () => this.update({ isListening: !this.getSnapshot().isListening });

  becomes = (changes: Partial<CallState>) => flushSync(() => this.update(changes));
}

function talkingTo(status: RobotStatus | null, isReachable = true) {
  const calling = new Calling(IDLE);
  const wishes: string[] = [];
  const { result, rerender } = renderHook<Talking, string>((serverId) => {
    const state = useSyncExternalStore(calling.subscribe, calling.getSnapshot);
    const isConnecting = state.connectionState === "connecting";
    const isConnected = state.connectionState === "connected";
    const { toggleAudio, toggleListening, holdToTalk } = calling;
    const call = { ...state, isConnecting, isConnected, canTalk: true, toggleAudio, toggleListening, holdToTalk };
    return useTalk({ call: call as UseWebRTCMqtt, serverId, status, isReachable, converse: () => void wishes.push(serverId) });
  }, "kitchen");
  return { result, choose: rerender, calling, wishes, state: calling.getSnapshot };
}

const TALKS: Partial<CallState> = { connectionState: "connected", isHeard: true };

async function talking() {
  const page = talkingTo(ROBOTS["free"] ?? null);
  const { result } = page;
  result.current.talk.press();
  await until(() => result.current.talk.isOn, "Talk");
  expect(page.wishes).toEqual(["kitchen"]);
  expect(result.current.talk.isWaiting).toBe(true);
  return page;
}

test("Talk is on until it is pressed again, and then nothing is said", async () => {
  const { result, calling, state } = await talking();
  calling.becomes(TALKS);
  expect(result.current.talk).toMatchObject({ isOn: true, isWaiting: false });
  result.current.talk.press();
  await until(() => !result.current.talk.isOn, "off");
  expect(state().isAudioEnabled).toBe(false);
  expect(result.current.refusal).toBeNull();
});

test.each([
  ["the robot does not take it", { connectionState: "connected", isHeard: false }, "not-taken"],
  ["there is no room", { connectionState: "failed", error: new CallError("limit", "Two.") }, "limit"],
  ["the robot is lost", { connectionState: "failed", error: new CallError("lost", "") }, "lost"],
  ["the robot is gone", { ...IDLE, connectionState: "closed" }, "lost"],
  ["the microphone is unplugged", { connectionState: "connected", isAudioEnabled: false }, "no-microphone"],
] as [string, Partial<CallState>, Refusal][])("Talk goes out, releases the microphone and says so: %s", async (_, changes, why) => {
  const { result, calling, state } = await talking();
  calling.becomes(TALKS);
  calling.becomes(changes);
  await until(() => !state().isAudioEnabled, "the microphone is released");
  expect(result.current.talk.isOn).toBe(false);
  expect(result.current.refusal?.why).toBe(why);
  calling.becomes({ connectionState: "connecting", error: null }); // what the session does then is no news
  calling.becomes({ connectionState: "connected" });
  expect(result.current.refusal?.why).toBe(why);
});

test("what the browser refuses wants no session, and another try forgets it", async () => {
  const { result, wishes, calling } = talkingTo(ROBOTS["free"] ?? null);
  const cause = new DOMException("", "NotAllowedError");
  calling.microphone = Promise.reject(new CallError("media", "Permission denied", undefined, { cause }));
  result.current.talk.press();
  await until(() => result.current.refusal, "why");
  expect(result.current.refusal).toEqual({ why: "denied", reason: "Permission denied" });
  expect(wishes).toEqual([]);
  result.current.listen.press();
  await until(() => result.current.listen.isOn, "Listen");
  expect(result.current.refusal).toBeNull();
  expect(wishes).toEqual(["kitchen"]);
});

test.each([
  ["may-not-speak", ROBOTS["not allowed"] ?? null, true],
  ["no-loudspeaker", ROBOTS["no loudspeaker"] ?? null, true],
  ["unreachable", ROBOTS["free"] ?? null, false],
] as const)("nobody is asked for a microphone that is of no use: %s", async (why, status, isReachable) => {
  const { result, wishes, state } = talkingTo(status, isReachable);
  result.current.talk.press();
  await until(() => result.current.refusal?.why === why, "why");
  expect(result.current.talk.isUnavailable).toBe(why !== "unreachable");
  expect(state().isAudioEnabled).toBe(false);
  expect(wishes).toEqual([]);
});

test("another robot knows nothing of it", async () => {
  const { result, calling, choose } = await talking();
  choose("garage");
  expect(result.current).toMatchObject({ talk: { isOn: false }, refusal: null });
  calling.becomes({ ...IDLE, connectionState: "closed" });
  expect(result.current.refusal).toBeNull();
});

test("a microphone that is allowed after another robot was chosen is not switched on for it", async () => {
  const { result, choose, calling, state } = talkingTo(ROBOTS["free"] ?? null);
  let allow = () => undefined as void;
  calling.microphone = new Promise<void>((resolve) => (allow = resolve));
  result.current.talk.press();
  await until(() => result.current.talk.isWaiting, "asked");
  choose("garage");
  allow();
  await until(() => !result.current.talk.isWaiting, "answered");
  await until(() => !state().isAudioEnabled, "released");
  expect(result.current).toMatchObject({ talk: { isOn: false }, refusal: null });
});

test("a session is wanted until it is not used for a while, the robot goes, or another one is chosen", async () => {
  const none: { serverId?: string; isGone?: boolean; isInUse?: boolean } = {};
  const hook = renderHook(
    ({ serverId = "kitchen", isGone = false, isInUse = false }) => {
      const conversing = useConversing(serverId, isGone);
      useEndWhenUnused(conversing, isInUse, 30);
      return conversing;
    },
    none,
  );
  const { result, rerender } = hook;
  const begin = () => {
    result.current.converse();
    return until(() => result.current.wish, "a session is wanted");
  };
  await begin();
  await until(() => !result.current.wish, "not used");
  rerender({ isInUse: true });
  await begin();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(result.current.wish).not.toBeNull();
  rerender({ isInUse: true, serverId: "garage" });
  expect(result.current.wish).toBeNull();
  rerender({ isInUse: true });
  expect(result.current.wish, "back at the first one").toBeNull();
  await begin();
  rerender({ isInUse: true, isGone: true });
  expect(result.current.wish).toBeNull();
  hook.unmount();
});

test("what is not sent yet says why", () => {
  const t = translator("en");
  const writing = { canTalk: true, unsentChat: ["Hello"], connectionState: "connecting" as const, error: null };
  expect(conversationNote(t, { ...writing, unsentChat: [] })).toBe("");
  expect(conversationNote(t, writing)).toBe("Sent as soon as the robot answers.");
  const failed = { ...writing, connectionState: "failed" as const, error: new CallError("no-answer", "") };
  expect(conversationNote(t, failed)).toContain("The robot does not answer. Trying again by itself.");
  expect(conversationNote(t, { ...writing, canTalk: false })).toContain("media server");
});

const TOLD = { camera: "off", camera_error: "", privacy: false } as const;

test("Talk is not lit while the robot takes nothing of what is said, and goes out when that was stopped", async () => {
  const { result, calling } = await talking();
  calling.becomes({ ...TALKS, robot: { ...TOLD, taken: "yes" } });
  expect(result.current.talk).toMatchObject({ isOn: true, isWaiting: false });
  calling.becomes({ robot: { ...TOLD, taken: "waits" } });
  expect(result.current.talk).toMatchObject({ isOn: true, isWaiting: true });
  calling.becomes({ robot: { ...TOLD, taken: "stopped" } });
  expect(result.current.refusal?.why).toBe("stopped");
  expect(result.current.talk.isOn).toBe(false);
  await until(() => !calling.getSnapshot().isAudioEnabled, "the microphone is off");
});

test("a button is held to speak to a robot that understands its viewers, and to no other", async () => {
  expect(talkingTo(ROBOTS["free"] ?? null).result.current.hold.set).toBeNull();
  const { result, calling, wishes } = talkingTo(robot({ ...SPEAKS, viewers_heard: true }));
  const hold = (isHeld: boolean) => flushSync(() => result.current.hold.set?.(isHeld));
  hold(true);
  expect(result.current.hold).toMatchObject({ isOn: false, isWaiting: true });
  await until(() => calling.getSnapshot().isAudioEnabled, "the microphone is on");
  expect(wishes).toEqual(["kitchen"]);
  calling.becomes(TALKS);
  expect(result.current.hold).toMatchObject({ isOn: true, isWaiting: false });
  expect(result.current.talk.isOn).toBe(false);
  hold(false);
  expect(result.current.hold).toMatchObject({ isOn: false, isWaiting: false });
  expect(calling.getSnapshot().isAudioEnabled).toBe(false);

  calling.becomes({ connectionState: "connected", isHeard: false });
  hold(true);
  await until(() => result.current.refusal !== null, "somebody else speaks");
  expect(result.current.refusal?.why).toBe("not-taken");
  expect(result.current.hold.isWaiting).toBe(false);
  await until(() => !calling.getSnapshot().isAudioEnabled, "the microphone is off");

  calling.microphone = Promise.reject(new DOMException("No.", "NotAllowedError"));
  hold(true);
  await until(() => result.current.refusal?.why === "denied", "the browser refuses");
  expect(result.current.hold.isWaiting).toBe(false);
});
