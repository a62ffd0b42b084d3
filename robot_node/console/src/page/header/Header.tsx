import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";

import type { OnlineServer, ServerAddress } from "../../mcp/topics";
import { useText } from "../../i18n/text";
import { shortened } from "../../json";
import { Icon } from "../icons";
import "./header.css";

interface Props {
  robots: OnlineServer[];
  robot: ServerAddress | null;
  choose: (robot: ServerAddress) => void;
  openSettings: () => void;
  /** The red stop button: the header stays in sight. */
  stop?: ReactNode;
}

const SHOWN_LIMIT = 24;
const NAME_LIMIT = 100;

const keyOf = ({ serverId, serverName }: ServerAddress) => `${serverId}/${serverName}`;

/** Who is online, and who is looked at. Of many robots those are shown whose name or id holds the text looked for. */
export function Header({ robots, robot, choose, openSettings, stop }: Props) {
  const t = useText();
  const [sought, setSought] = useState("");
  const isFleet = robots.length > SHOWN_LIMIT;
  const online = useMemo(() => new Set(robots.map(keyOf)), [robots]);
  const matching = useMemo(() => {
    const text = isFleet ? sought.trim().toLowerCase() : "";
    return text ? robots.filter((one) => keyOf(one).toLowerCase().includes(text)) : robots;
  }, [robots, isFleet, sought]);
  const shown: (ServerAddress & { description?: string })[] = matching.slice(0, SHOWN_LIMIT);
  if (robot && !shown.some((one) => keyOf(one) === keyOf(robot))) {
    shown.unshift(robots.find((one) => keyOf(one) === keyOf(robot)) ?? robot);
  }
  const list = useRef<HTMLUListElement>(null);
  const chosen = robot && keyOf(robot);
  // Its tab is in sight, of however many.
  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const show = () => {
      const tab = element.querySelector<HTMLElement>("[aria-pressed=true]");
      if (tab) element.scrollLeft = tab.offsetLeft - (element.clientWidth - tab.offsetWidth) / 2;
    };
    show();
    addEventListener("resize", show);
    return () => removeEventListener("resize", show);
  }, [chosen, shown.length]);
  const hidden = matching.length - Math.min(matching.length, SHOWN_LIMIT);
  return (
    <header className="header">
      <h1>
        <img src="icon.svg" alt="" width="28" height="28" />
        robot-node
      </h1>
      {isFleet && (
        <input
          type="search"
          className="find"
          aria-label={t("findRobot")}
          placeholder={t("findRobot")}
          value={sought}
          onChange={(event) => setSought(event.target.value)}
        />
      )}
      <ul ref={list} className="robots" aria-label={t("robots")}>
        {shown.map((one) => {
          const isOnline = online.has(keyOf(one));
          return (
            <li key={keyOf(one)}>
              <button
                type="button"
                className="robot"
                aria-pressed={robot !== null && keyOf(one) === keyOf(robot)}
                title={one.description}
                onClick={() => choose(one)}
              >
                <span className={isOnline ? "dot on" : "dot"} aria-hidden="true" />
                <span>
                  {shortened(one.serverName, NAME_LIMIT)}
                  <small>{shortened(one.serverId, NAME_LIMIT)}</small>
                </span>
                <span className="visually-hidden">{isOnline ? t("online") : t("offline")}</span>
              </button>
            </li>
          );
        })}
        {hidden > 0 && <li className="empty-text">{t("moreRobots", { count: String(hidden) })}</li>}
      </ul>
      <div className="stop-place">{stop}</div>
      <button type="button" className="quiet" onClick={openSettings} aria-label={t("settings")} title={t("settings")}>
        <Icon name="settings" />
      </button>
    </header>
  );
}
