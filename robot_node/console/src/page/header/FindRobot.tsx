import { useText } from "../../i18n/text";
import { keyOf } from "../../mcp/robots";
import type { ServerAddress } from "../../mcp/topics";

/** Of a robot's name and id, as many characters are shown. */
export const NAME_LIMIT = 100;

/** The robots whose name or id holds the text. */
export function matching<Robot extends ServerAddress>(robots: Robot[], sought: string): Robot[] {
  const text = sought.trim().toLowerCase();
  return text ? robots.filter((one) => keyOf(one).toLowerCase().includes(text)) : robots;
}

/** The field to find a robot. */
export function FindRobot({ value, change }: { value: string; change: (text: string) => void }) {
  const t = useText();
  return (
    <input
      type="search"
      className="find"
      aria-label={t("findRobot")}
      placeholder={t("findRobot")}
      value={value}
      onChange={(event) => change(event.target.value)}
    />
  );
}
