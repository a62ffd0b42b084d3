/** Why nobody can talk to the robot, or hear it, and where that is known from. Pure. */

import type { TextKey } from "../../i18n/en";
import type { CallProblem, CallState } from "../../webrtc/state";
import { PROBLEMS } from "../problems";
import type { RobotStatus } from "../status";

/** Why the robot's speaker or the browser's microphone is not ours, beside what ends every session. */
export type Refusal =
  | "insecure"
  | "denied"
  | "no-microphone"
  | "microphone-busy"
  | "no-loudspeaker"
  | "may-not-speak"
  | "taken"
  | "not-taken"
  | "stopped"
  | "nothing-to-hear"
  | "unreachable"
  | CallProblem;

/** What a person reads. */
export const REFUSALS: Record<Refusal, TextKey> = {
  insecure: "talkInsecure",
  denied: "talkDenied",
  "no-microphone": "talkNoMicrophone",
  "microphone-busy": "talkMicrophoneBusy",
  "no-loudspeaker": "talkNoLoudspeaker",
  "may-not-speak": "talkMayNot",
  taken: "talkTaken",
  "not-taken": "talkNotTaken",
  stopped: "talkStopped",
  "nothing-to-hear": "nothingToHear",
  unreachable: "talkUnreachable",
  ...PROBLEMS,
};

/** The names of the browser's errors (Media Capture and Streams, 10.2). */
const OF_BROWSER = new Map<string, Refusal>([
  ["SecurityError", "insecure"],
  ["NotAllowedError", "denied"],
  ["NotFoundError", "no-microphone"],
  ["NotReadableError", "microphone-busy"],
  ["AbortError", "microphone-busy"],
]);

/** Why the browser does not give its microphone, by what it has thrown, or by the cause of that. */
export function browserRefusal(error: unknown): Refusal {
  const { name, cause } = (error ?? {}) as { name?: string; cause?: { name?: string } };
  return OF_BROWSER.get(cause?.name ?? name ?? "") ?? "media";
}

/** Why this robot takes nobody's sound; null when it does, or it is not known. */
export function talkUnavailable(status: RobotStatus | null): Refusal | null {
  if (status?.viewers_speak !== null) return null;
  return status.volume === null ? "no-loudspeaker" : "may-not-speak";
}

/** Why there is nothing to hear of this robot; null when there is, or it is not known. */
export const listenUnavailable = (status: RobotStatus | null): Refusal | null => (status?.viewers_hear === false ? "nothing-to-hear" : null);

/** The robot's microphone is switched off, by hand or by an agent: its voice may still be heard. */
export const isMicrophoneOff = (status: RobotStatus | null): boolean => status?.microphone_privacy === true || status?.microphone_enabled === false;

type Sending = Pick<CallState, "isAudioEnabled" | "connectionState" | "isHeard" | "error" | "robot">;

/** Why a microphone that is on is to be switched off; null while it is of use, or may soon be. */
export function talkRefusal({ isAudioEnabled, connectionState, isHeard, error, robot }: Sending, status: RobotStatus | null): Refusal | null {
  if (!isAudioEnabled) return null;
  if (connectionState === "failed") return error?.problem ?? "lost";
  if (isHeard && robot?.taken === "stopped") return "stopped";
  if (isHeard && robot?.taken === "no") return "taken";
  if (connectionState !== "connected" || isHeard) return null;
  return talkUnavailable(status) ?? (status?.viewers_speak === "taken" ? "taken" : "not-taken");
}
