import { useText } from "../../i18n/text";
import { shortened } from "../../json";
import { keyOf } from "../../mcp/robots";
import type { ServerAddress } from "../../mcp/topics";
import { notes } from "../fleet/says";
import { Icon } from "../icons";
import { isCapturing, type RobotStatus } from "../status";
import { NAME_LIMIT } from "./FindRobot";

interface Props {
  robot: ServerAddress & { description?: string };
  isOnline: boolean;
  isChosen: boolean;
  /** As far as it is known. */
  status: RobotStatus | null | undefined;
  choose: () => void;
}

/** A robot's tab: whether it is online, whether its camera is on, how many watch, and whether something does not work. */
export function Tab({ robot, isOnline, isChosen, status, choose }: Props) {
  const t = useText();
  const known = isOnline && status ? status : null;
  const isOn = known !== null && isCapturing(known.camera);
  const { viewers, faults } = known ? notes(known, t) : { viewers: "", faults: "" };
  const said = [isOnline ? t("online") : t("offline"), isOn && t("cameraIsOn"), viewers, faults].filter(Boolean).join(", ");
  return (
    <li data-robot={keyOf(robot)}>
      <button type="button" className="robot" aria-pressed={isChosen} title={[robot.description, faults].filter(Boolean).join("\n")} onClick={choose}>
        <span className={isOnline ? "dot on" : "dot"} aria-hidden="true" />
        <span>
          {shortened(robot.serverName, NAME_LIMIT)}
          <small>{shortened(robot.serverId, NAME_LIMIT)}</small>
        </span>
        {(isOn || viewers || faults) && (
          <span className="signs" aria-hidden="true">
            {isOn && <Icon name="camera" />}
            {viewers && <span>{known?.viewers}</span>}
            {faults && <span className="fault">!</span>}
          </span>
        )}
        <span className="visually-hidden">{said}</span>
      </button>
    </li>
  );
}
