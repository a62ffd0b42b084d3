import { useText } from "../../i18n/text";
import { Icon } from "../icons";
import type { Sound } from "./useTalk";
import "./talk.css";

/** Talk or Listen. Where the robot has no use for it, it is dimmed, and says why when it is pressed. */
export function SoundButton({ name, sound: { isOn, isWaiting, isUnavailable, press } }: { name: "listen" | "talk"; sound: Sound }) {
  const t = useText();
  return (
    <button type="button" aria-pressed={isOn} aria-busy={isWaiting} aria-disabled={isUnavailable} onClick={press}>
      <Icon name={name} /> <span className="label">{t(name)}</span>
    </button>
  );
}
