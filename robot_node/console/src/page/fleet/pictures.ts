/** Small pictures of several robots in turn: bounded in rate and number at once. Pure. */

import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";

import { member } from "../../json";

/** A robot's picture is that old at least before the next one is fetched. */
export const EVERY_MS = 2000;
/** Fetched at the same time, from all robots. */
export const AT_ONCE = 3;
const RETRY_MS = 5000;
const RETRY_MAXIMUM_MS = 60_000;
const DATA_LIMIT = 200_000;

/** About 10 kB; the robot neither switches its camera on for it, nor keeps it on. */
export const PHOTO = { only_if_on: true, max_side: 320, quality: 0.5, max_bytes: 40_000 };

/** What is known of a robot's pictures. Times in milliseconds. */
export interface Turn {
  isUnderWay: boolean;
  /** From when on the next one may be fetched. */
  dueAt: number;
  /** In a row. */
  failures: number;
}

export const FIRST_TURN: Turn = { isUnderWay: false, dueAt: 0, failures: 0 };

/** Whose picture is fetched now: of those whose turn it is, the one that waits longest; null: nobody's. */
export function nextTurn(turns: ReadonlyMap<string, Turn>, wanted: readonly string[], now: number): string | null {
  if ([...turns.values()].filter(({ isUnderWay }) => isUnderWay).length >= AT_ONCE) return null;
  const turnOf = (key: string) => turns.get(key) ?? FIRST_TURN;
  const due = wanted.filter((key) => !turnOf(key).isUnderWay && turnOf(key).dueAt <= now);
  return due.length ? due.reduce((first, key) => (turnOf(key).dueAt < turnOf(first).dueAt ? key : first)) : null;
}

/** After a picture that took from `began` to `now`: a robot is busy with it for half of the time at most. */
export const succeeded = (began: number, now: number): Turn => ({
  isUnderWay: false,
  dueAt: Math.max(began + EVERY_MS, now + (now - began)),
  failures: 0,
});

export const failed = ({ failures }: Turn, now: number): Turn => ({
  isUnderWay: false,
  dueAt: now + Math.min(RETRY_MS * 2 ** failures, RETRY_MAXIMUM_MS),
  failures: failures + 1,
});

/** The picture in a result, as a data URL. Throws what the result says instead. */
export function pictureIn(result: CallToolResult): string {
  for (const block of result.isError ? [] : (result.content as unknown[])) {
    const [type, mimeType, data] = [member(block, "type"), member(block, "mimeType"), member(block, "data")];
    if (type !== "image" || (mimeType !== "image/jpeg" && mimeType !== "image/png") || typeof data !== "string") continue;
    if (data.length <= DATA_LIMIT && /^[\w+/]+=*$/.test(data)) return `data:${mimeType};base64,${data}`;
  }
  const text = member((result.content as unknown[])[0], "text");
  throw new Error(typeof text === "string" ? text : "The robot's picture is malformed.");
}
