/** The recordings that a robot lists in `robot://clips`, read from any JSON. Pure. */

import { isDocument, member, shortened } from "../../json";
import { fileName, fileTime } from "./photo";

export interface Clip {
  name: string;
  uri: string;
  /** When it was begun, by the robot's clock, in ms since 1970; null when that is no time. */
  began: number | null;
  bytes: number;
  /** In how many parts it is read through the broker. */
  chunks: number;
  /** Null when it is not known. */
  seconds: number | null;
  cause: Cause | null;
  /** It is still being recorded. */
  isGrowing: boolean;
}

/** A client id, or the event of a rule. */
export type Cause = { by: string } | { when: string };

export interface ClipList {
  /** The newest first. */
  clips: readonly Clip[];
  /** Where they are on the robot. */
  folder: string;
}

const CLIPS_SHOWN = 200;
const TEXT_LIMIT = 1000;
const CAUSE_LIMIT = 100;

/** Null when the value is no list of recordings. */
export function readClips(value: unknown): ClipList | null {
  const listed = member(value, "clips");
  if (!Array.isArray(listed)) return null;
  const clips = (listed as unknown[]).slice(-CLIPS_SHOWN).flatMap((each) => readClip(each) ?? []);
  const first = new Map([...clips].reverse().map((clip) => [clip.name, clip]));
  return { clips: [...first.values()], folder: textOf(value, "folder") };
}

function readClip(value: unknown): Clip | null {
  const [name, uri] = [textOf(value, "name"), textOf(value, "uri")];
  const [bytes, chunks, seconds] = ["bytes", "chunks", "seconds"].map((each) => member(value, each));
  if (!isDocument(value) || !name || !uri || !isCount(bytes) || !isCount(chunks)) return null;
  const began = Date.parse(textOf(value, "began"));
  return {
    name,
    uri,
    began: isNaN(began) ? null : began,
    bytes,
    chunks,
    seconds: typeof seconds === "number" && seconds >= 0 ? seconds : null,
    cause: causeOf(textOf(value, "cause")),
    isGrowing: member(value, "recording") === true,
  };
}

function causeOf(text: string): Cause | null {
  const [, kind, of = ""] = /^(by|when) (.+)$/.exec(text) ?? [];
  return kind === "by" ? { by: shortened(of, CAUSE_LIMIT) } : kind === "when" ? { when: shortened(of, CAUSE_LIMIT) } : null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function textOf(value: unknown, name: string): string {
  const text = member(value, name);
  return typeof text === "string" ? shortened(text, TEXT_LIMIT) : "";
}

/** The name of its file here, as that of a photo: robot and time; `clip-...` on the robot. */
export const clipFileName = (robot: string, { began, name }: Clip): string =>
  began === null ? `${fileName(robot)}-${fileName(name)}` : `${fileName(robot)}-${fileTime(began)}.mp4`;

/** A length as a clock shows it, e.g. `1:05`. */
export function lengthOf(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
