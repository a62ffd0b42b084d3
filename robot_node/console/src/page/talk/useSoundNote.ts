import { useText } from "../../i18n/text";
import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { PROBLEMS } from "../problems";
import type { RobotStatus } from "../status";
import { isMicrophoneOff, REFUSALS } from "./refusals";
import type { Talking } from "./useTalk";

/** What a person is told of Talk and Listen: why one does not work, or that it is on its way; empty when all is well. */
export function useSoundNote(call: UseWebRTCMqtt, { talk, hold, listen, refusal }: Talking, status: RobotStatus | null): string {
  const t = useText();
  if (refusal) return t(REFUSALS[refusal.why], { reason: refusal.reason });
  if (listen.isOn && call.connectionState === "failed" && call.error) {
    return `${t(PROBLEMS[call.error.problem], { reason: call.error.message })} ${t("triesAgain")}`;
  }
  if (listen.isOn && call.isConnected && !call.isHearing) return t("nothingToHear");
  if (listen.isOn && isMicrophoneOff(status)) return t("listenMicrophoneOff");
  if ((talk.isOn || hold.isWaiting) && call.isHeard && call.robot?.taken === "waits") return t("talkWaits");
  if (hold.isOn || (hold.isWaiting && call.isAudioEnabled)) return t("holdSpeak"); // what is said is kept until the robot takes it
  return talk.isWaiting || hold.isWaiting || listen.isWaiting ? t("videoConnecting") : "";
}
