/** What was heard, said and typed, as lines. Pure. */

import { shortened } from "../../json";
import type { BackendMessage } from "../../webrtc/signaling";

export interface Line {
  /** Of its own on this page, whatever the robot calls it. */
  id: string;
  who: "heard" | "said" | "you";
  text: string;
  /** Of a text that is said in pieces: whose pieces they are. */
  task?: string;
}

const LINES_KEPT = 200;
const TEXT_LIMIT = 10_000;

export const newId = (): string => crypto.getRandomValues(new Uint32Array(2)).join("-");

/** The line for a message; null when it is nothing that a person reads. */
export function lineOf(message: BackendMessage): Line | null {
  const id = newId();
  if (message.type === "asr_response") return { id, who: "heard", text: message.results };
  if (message.type === "tts_text") return { id, who: "said", text: message.text, task: message.task_id };
  if (message.type === "message" && typeof message.payload === "string") return { id, who: "said", text: message.payload };
  return null;
}

/** Add a line; the pieces of what is said become one. */
export function joined(lines: Line[], line: Line): Line[] {
  const last = lines.at(-1);
  if (last && last.task !== undefined && last.task === line.task) {
    return [...lines.slice(0, -1), { ...last, text: shortened(last.text + line.text, TEXT_LIMIT) }];
  }
  return [...lines.slice(1 - LINES_KEPT), { ...line, text: shortened(line.text, TEXT_LIMIT) }];
}
