import { memo, useCallback, useMemo, useRef, useState } from "react";

import { useText } from "../../i18n/text";
import { shortened } from "../../json";
import { keyOf } from "../../mcp/robots";
import type { OnlineServer } from "../../mcp/topics";
import { FindRobot, matching, NAME_LIMIT } from "../header/FindRobot";
import { formatRoute, routeTo } from "../route";
import type { Settings } from "../settings";
import { FOLLOWED_LIMIT, type Seen } from "./fleet";
import { LivePicture } from "./LivePicture";
import { EVERY_MS } from "./pictures";
import { notes, whyNoPicture } from "./says";
import type { FleetView } from "./useFleet";
import { useInSight } from "./useInSight";
import "./fleet.css";

const TILES_LIMIT = 100;
/** More robots than that get a field to find one. */
const FIND_FROM = 12;
const UNSEEN: Seen = { status: undefined, picture: "", problem: "", isBeyondLimit: false };

/** The robots side by side, each with a small video, or with small pictures, while its camera is on. */
export function Overview({ robots, fleet, settings }: { robots: OnlineServer[]; fleet: FleetView; settings: Settings }) {
  const t = useText();
  const [sought, setSought] = useState("");
  const found = useMemo(() => matching(robots, sought), [robots, sought]);
  const shown = found.slice(0, TILES_LIMIT);
  const list = useRef<HTMLUListElement>(null);
  const { show } = fleet;
  const tell = useMemo(() => (keys: readonly string[]) => show("grid", keys), [show]);
  useInSight(list, JSON.stringify(shown.map(keyOf)), tell);
  return (
    <>
      <div className="row wrap overview-head">
        <h2>{t("robots")}</h2>
        <span className="spring" />
        {robots.length > FIND_FROM && <FindRobot value={sought} change={setSought} />}
      </div>
      <ul ref={list} className="tiles" aria-label={t("robots")}>
        {shown.map((robot) => (
          <Tile
            key={keyOf(robot)}
            robot={robot}
            address={formatRoute(routeTo(robot, robots))}
            seen={fleet.seen.get(keyOf(robot)) ?? UNSEEN}
            isLive={fleet.live.includes(keyOf(robot))}
            tell={fleet.tell}
            settings={settings}
          />
        ))}
      </ul>
      {found.length > shown.length && <p className="empty-text">{t("moreRobots", { count: String(found.length - shown.length) })}</p>}
    </>
  );
}

interface TileProps {
  robot: OnlineServer;
  address: string;
  seen: Seen;
  /** Its video is wanted; until it is there, pictures are shown. */
  isLive: boolean;
  tell: FleetView["tell"];
  settings: Settings;
}

const Tile = memo(function Tile({ robot, address, seen, isLive, tell, settings }: TileProps) {
  const t = useText();
  const key = keyOf(robot);
  const [isPlaying, setPlaying] = useState(false);
  const play = useCallback(
    (playing: boolean) => {
      setPlaying(playing);
      tell.setPlaying(key, playing);
    },
    [tell, key],
  );
  const fail = useCallback(() => tell.liveFailed(key), [tell, key]);
  const pointAt = () => tell.pointAt(key);
  const { status, picture, problem } = seen;
  const { viewers, faults } = status ? notes(status, t) : { viewers: "", faults: "" };
  return (
    <li data-robot={key}>
      <a className="tile" href={address} title={robot.description} onPointerEnter={pointAt} onFocus={pointAt}>
        <span className={isPlaying ? "preview playing" : "preview"}>
          {isLive && <LivePicture settings={settings} serverId={robot.serverId} setPlaying={play} onFailed={fail} />}
          {!isPlaying &&
            (picture ? <img src={picture} alt={t("smallPicture")} /> : <span>{t(whyNoPicture(seen), { count: String(FOLLOWED_LIMIT) })}</span>)}
          {(isPlaying || picture) && <span className="badge">{isPlaying ? t("live") : t("pictureEvery", { seconds: String(EVERY_MS / 1000) })}</span>}
        </span>
        <span className="about">
          <strong>{shortened(robot.serverName, NAME_LIMIT)}</strong>
          <small>{shortened(robot.serverId, NAME_LIMIT)}</small>
          {viewers && <small>{viewers}</small>}
          {faults && <small className="problem-text">{faults}</small>}
          {problem && !picture && <small>{problem}</small>}
        </span>
      </a>
    </li>
  );
});
