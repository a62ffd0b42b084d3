/** What the page says of a robot in few words. Pure. */

import type { TextKey, Translate } from "../../i18n/text";
import type { RobotStatus } from "../status";
import type { Seen } from "./fleet";

const NAMED_LIMIT = 3;

/** Viewers, and faults by their names: what a tab and a tile have beside the camera's state. */
export function notes({ viewers, faults }: Pick<RobotStatus, "viewers" | "faults">, t: Translate): { viewers: string; faults: string } {
  const names = Object.keys(faults);
  const named = names.slice(0, NAMED_LIMIT).join(", ") + (names.length > NAMED_LIMIT ? " …" : "");
  return {
    viewers: viewers > 0 ? t("watchedBy", { count: String(viewers) }) : "",
    faults: names.length > 0 ? t("faultOf", { names: named }) : "",
  };
}

/** Why there is no picture. */
export function whyNoPicture({ status, problem, isBeyondLimit }: Omit<Seen, "picture">): TextKey {
  if (isBeyondLimit) return "tooManyInSight";
  if (status === undefined) return "videoConnecting";
  if (status === null) return "stateUnknown";
  if (status.privacy) return "privacyEngaged";
  switch (status.camera) {
    case "failed":
      return "cameraFailed";
    case "starting":
      return "cameraStarting";
    case "on":
      return problem ? "videoFailed" : "videoConnecting";
    default:
      return "cameraIsOff";
  }
}
