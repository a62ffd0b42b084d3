import type { OnlineServer, ServerAddress } from "../mcp/topics";
import { useText } from "../i18n/text";
import { Icon } from "./icons";

interface Props {
  robots: OnlineServer[];
  robot: ServerAddress | null;
  choose: (robot: ServerAddress) => void;
  openSettings: () => void;
}

const keyOf = ({ serverId, serverName }: ServerAddress) => `${serverId}/${serverName}`;

/** Who is online, and who is looked at. */
export function Header({ robots, robot, choose, openSettings }: Props) {
  const t = useText();
  const online = new Set(robots.map(keyOf));
  const shown: (ServerAddress & { description?: string })[] =
    robot && !online.has(keyOf(robot)) ? [robot, ...robots] : robots;
  return (
    <header className="header">
      <h1>
        <img src="icon.svg" alt="" width="28" height="28" />
        robot-node
      </h1>
      <ul className="robots" aria-label={t("robots")}>
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
                  {one.serverName}
                  <small>{one.serverId}</small>
                </span>
                <span className="visually-hidden">{isOnline ? t("online") : t("offline")}</span>
              </button>
            </li>
          );
        })}
      </ul>
      <button type="button" className="quiet" onClick={openSettings} aria-label={t("settings")} title={t("settings")}>
        <Icon name="settings" />
      </button>
    </header>
  );
}
