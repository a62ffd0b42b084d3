import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";

import type { OnlineServer, ServerAddress } from "../../mcp/topics";
import { keyOf } from "../../mcp/robots";
import { useText } from "../../i18n/text";
import type { FleetView } from "../fleet/useFleet";
import { useInSight } from "../fleet/useInSight";
import { Icon, Logo } from "../icons";
import { formatRoute } from "../route";
import type { RobotStatus } from "../status";
import { FindRobot, matching } from "./FindRobot";
import { Tab } from "./Tab";
import "./header.css";

interface Props {
  robots: OnlineServer[];
  robot: ServerAddress | null;
  /** How it is. */
  status: RobotStatus | null;
  /** How the others are. */
  fleet: Pick<FleetView, "seen" | "show">;
  /** The robots are shown side by side, in place of one of them. */
  isOverview: boolean;
  choose: (robot: ServerAddress) => void;
  openSettings: () => void;
  /** The red stop button: the header stays in sight. */
  stop?: ReactNode;
}

const SHOWN_LIMIT = 24;

/** Who is online, and who is looked at. Of many robots those are shown whose name or id holds the text looked for. */
export function Header({ robots, robot, status, fleet, isOverview, choose, openSettings, stop }: Props) {
  const t = useText();
  return (
    <header className="header">
      <h1>
        <Logo />
        robot-node
      </h1>
      {(robots.length > 1 || isOverview) && (
        <a
          className="button quiet"
          href={formatRoute({ at: "robots" })}
          aria-current={isOverview ? "page" : undefined}
          aria-label={t("allRobots")}
          title={t("allRobots")}
        >
          <Icon name="grid" />
        </a>
      )}
      {isOverview ? <div className="spring" /> : <Tabs robots={robots} robot={robot} status={status} fleet={fleet} choose={choose} />}
      <div className="stop-place">{stop}</div>
      <button type="button" className="quiet" onClick={openSettings} aria-label={t("settings")} title={t("settings")}>
        <Icon name="settings" />
      </button>
    </header>
  );
}

function Tabs({ robots, robot, status, fleet, choose }: Pick<Props, "robots" | "robot" | "status" | "fleet" | "choose">) {
  const t = useText();
  const [sought, setSought] = useState("");
  const isFleet = robots.length > SHOWN_LIMIT;
  const online = useMemo(() => new Set(robots.map(keyOf)), [robots]);
  const found = useMemo(() => matching(robots, isFleet ? sought : ""), [robots, isFleet, sought]);
  const shown: (ServerAddress & { description?: string })[] = found.slice(0, SHOWN_LIMIT);
  if (robot && !shown.some((one) => keyOf(one) === keyOf(robot))) {
    shown.unshift(robots.find((one) => keyOf(one) === keyOf(robot)) ?? robot);
  }
  const list = useRef<HTMLUListElement>(null);
  const chosen = robot && keyOf(robot);
  const { show } = fleet;
  const tell = useMemo(() => (keys: readonly string[]) => show("tabs", keys), [show]);
  useInSight(list, JSON.stringify(shown.map(keyOf)), tell);
  // Its tab is in sight, of however many.
  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const scroll = () => {
      const tab = element.querySelector<HTMLElement>("[aria-pressed=true]");
      if (tab) element.scrollLeft = tab.offsetLeft - (element.clientWidth - tab.offsetWidth) / 2;
    };
    scroll();
    addEventListener("resize", scroll);
    return () => removeEventListener("resize", scroll);
  }, [chosen, shown.length]);
  const hidden = found.length - Math.min(found.length, SHOWN_LIMIT);
  return (
    <>
      {isFleet && <FindRobot value={sought} change={setSought} />}
      <ul ref={list} className="robots" aria-label={t("robots")}>
        {shown.map((one) => (
          <Tab
            key={keyOf(one)}
            robot={one}
            isOnline={online.has(keyOf(one))}
            isChosen={keyOf(one) === chosen}
            status={keyOf(one) === chosen ? status : fleet.seen.get(keyOf(one))?.status}
            choose={() => choose(one)}
          />
        ))}
        {hidden > 0 && <li className="empty-text">{t("moreRobots", { count: String(hidden) })}</li>}
      </ul>
    </>
  );
}
