import { useText } from "../../i18n/text";
import type { RobotStatus } from "../status";

/** What the robot notices in its camera's picture: zones in which something moves, and objects. */
export function Noticed({ status: { motion, detected } }: { status: Pick<RobotStatus, "motion" | "detected"> }) {
  const t = useText();
  const zones = Object.keys(motion).filter((zone) => motion[zone]);
  const texts = [...(zones.length > 0 ? [t("motionIn", { zones: zones.join(", ") })] : []), ...detected];
  if (texts.length === 0) return null;
  return (
    <span className="noticed" role="status">
      {texts.join(" · ")}
    </span>
  );
}
