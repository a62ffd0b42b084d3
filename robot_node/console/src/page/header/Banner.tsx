import type { McpState } from "../../mcp/session";
import type { ServerAddress } from "../../mcp/topics";
import { useText, type TextKey } from "../../i18n/text";
import "./header.css";

interface Props {
  mcp: McpState;
  brokerUrl: string;
  robot: ServerAddress | null;
  retry: () => void;
  openSettings: () => void;
}

const BROKER_PROBLEMS: Record<string, TextKey> = {
  address: "brokerAddress",
  unreachable: "brokerUnreachable",
  timeout: "brokerUnreachable",
  refused: "brokerRefused",
  taken: "brokerTaken",
  contested: "brokerContested",
  lost: "brokerLost",
};

/** What stands between the person and the robot, and what helps; nothing when all is well. */
export function Banner({ mcp, brokerUrl, robot, retry, openSettings }: Props) {
  const t = useText();
  const name = robot?.serverName ?? "";
  let tone: "calm" | "problem" = "calm";
  let text = "";
  let hint = "";
  let settings = false;
  const isTaken = mcp.connectionState === "taken";
  const canRetry = mcp.error !== null || mcp.sessionState === "failed";
  if (mcp.connectionState !== "connected" || mcp.error) {
    if (mcp.error) {
      tone = "problem";
      text = t(BROKER_PROBLEMS[mcp.error.problem] ?? "brokerUnreachable", { url: brokerUrl, id: mcp.clientId, reason: mcp.error.message });
      hint = t(isTaken ? "brokerTakenHint" : "triesAgain");
      settings = true;
    } else {
      text = t("brokerConnecting", { url: brokerUrl });
    }
  } else if (!robot) {
    if (mcp.robots.length === 0) {
      text = t("noRobots");
      hint = t("noRobotsHint");
    }
  } else if (mcp.sessionState === "offline" || !robot.serverId) {
    tone = "problem";
    text = t("robotOffline", { robot: name });
    hint = t("robotOfflineHint");
  } else if (mcp.sessionState === "failed") {
    tone = "problem";
    text = t("sessionFailed", { robot: name, reason: mcp.sessionError?.message ?? "" });
    hint = t("triesAgain");
  } else if (mcp.sessionState === "opening") {
    text = t("sessionOpening", { robot: name });
  }
  return (
    <div className="banner-place" role="status">
      {text && (
        <div className={`banner ${tone}`}>
          <p>
            <strong>{text}</strong> {hint}
          </p>
          {canRetry && (
            <button type="button" onClick={retry}>
              {t(isTaken ? "useHere" : "retry")}
            </button>
          )}
          {settings && (
            <button type="button" onClick={openSettings}>
              {t("settings")}
            </button>
          )}
        </div>
      )}
    </div>
  );
}
