/** What a robot tells of itself in `robot://events`, read from any JSON. Pure. */

import { isDocument, member, shortened } from "../../json";

export interface RobotEvent {
  /** Of its own in the list, over restarts of the robot too. */
  key: string;
  sequence: number;
  /** By the robot's clock; null when that is no time. */
  time: Date | null;
  kind: string;
  text: string;
  /** Client id of who caused it; empty when nobody is known. */
  by: string;
  /** Which device, zone or label it is about; empty where the kind says it. */
  device: string;
}

/** What people look for together, in the order of the filters. */
export const GROUPS = ["senses", "talk", "people", "devices", "faults", "system"] as const;
export type Group = (typeof GROUPS)[number];

const GROUP_OF: Partial<Record<string, Group>> = Object.assign(Object.create(null) as object, {
  input: "senses",
  motion: "senses",
  detection: "senses",
  heard: "talk",
  wake_word: "talk",
  stop_word: "talk",
  turn: "talk",
  interrupted: "talk",
  conversation: "talk",
  speech: "talk",
  chat: "talk",
  message: "talk",
  question: "talk",
  confirmation: "talk",
  viewers: "people",
  call: "people",
  camera: "devices",
  privacy: "devices",
  microphone: "devices",
  volume: "devices",
  emotion: "devices",
  recording: "devices",
  publish: "devices",
  stopped: "devices",
  fault: "faults",
  recovered: "faults",
  robot: "system",
  link: "system",
});

/** The group of a kind; that of devices for kinds that a robot has beyond ours. */
export const groupOf = (kind: string): Group => GROUP_OF[kind] ?? "devices";

/** As many as the robot itself keeps. */
export const EVENTS_KEPT = 200;
const TEXT_LIMIT = 500;
const NAME_LIMIT = 64;

/** The number of the newest event, and the events, the oldest first; null when the value is no list of events. */
export function readEvents(value: unknown): { last: number; events: RobotEvent[] } | null {
  const [last, listed] = [member(value, "last"), member(value, "events")];
  if (!isCount(last) || !Array.isArray(listed)) return null;
  const events = (listed as unknown[]).slice(-EVENTS_KEPT).flatMap((each) => readEvent(each) ?? []);
  return { last, events: events.filter(({ key }, place) => events.findIndex((one) => one.key === key) === place) };
}

function readEvent(value: unknown): RobotEvent | null {
  const [sequence, kind] = [member(value, "sequence"), member(value, "kind")];
  if (!isDocument(value) || !isCount(sequence) || typeof kind !== "string") return null;
  const said = textOf(value, "time", NAME_LIMIT);
  const time = new Date(said);
  return {
    // Numbers begin anew with each start of the robot, times do not.
    key: `${sequence} ${said}`,
    sequence,
    time: Number.isNaN(time.getTime()) ? null : time,
    kind: shortened(kind, NAME_LIMIT),
    text: textOf(value, "text", TEXT_LIMIT),
    by: textOf(value, "by", NAME_LIMIT),
    device: textOf(value, "device", NAME_LIMIT),
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const textOf = (value: unknown, name: string, limit: number): string => {
  const text = member(value, name);
  return typeof text === "string" ? shortened(text, limit) : "";
};

/** Events and newer ones, each once; the oldest are dropped first. */
export function merged(before: readonly RobotEvent[], newer: readonly RobotEvent[]): RobotEvent[] {
  const known = new Set(before.map(({ key }) => key));
  return [...before, ...newer.filter(({ key }) => !known.has(key))].slice(-EVENTS_KEPT);
}

/** The emotion that an event of the face is about; empty when it is none. */
export const emotionOf = ({ kind, text }: RobotEvent): string =>
  kind === "emotion" ? (/^The face shows (\w+)\.$/.exec(text)?.[1] ?? "") : "";
