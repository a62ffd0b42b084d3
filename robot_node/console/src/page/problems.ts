import type { TextKey } from "../i18n/en";
import type { CallProblem } from "../webrtc/state";

/** Why there is no session with the robot, as a person reads it. */
export const PROBLEMS: Record<CallProblem, TextKey> = {
  broker: "problemBroker",
  "no-answer": "problemNoAnswer",
  "no-path": "problemNoPath",
  loopback: "problemLoopback",
  lost: "problemLost",
  refused: "problemRefused",
  limit: "videoLimitHint",
  media: "problemMedia",
  server: "problemServer",
  "server-refused": "problemServerRefused",
};
