import type { Translate } from "../../i18n/text";
import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { PROBLEMS } from "../problems";

type Writing = Pick<UseWebRTCMqtt, "canTalk" | "unsentChat" | "connectionState" | "error">;

/** Why nothing can be written, or why it is not sent yet; empty when all is well. Pure. */
export function conversationNote(t: Translate, { canTalk, unsentChat, connectionState, error }: Writing): string {
  if (!canTalk) return t("chatElsewhere");
  if (unsentChat.length === 0) return "";
  if (connectionState === "failed" && error) return `${t("chatUnsent")} ${t(PROBLEMS[error.problem], { reason: error.message })} ${t("triesAgain")}`;
  return t("chatUnsent");
}
