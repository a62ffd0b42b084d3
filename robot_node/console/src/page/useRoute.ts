import { useEffect, useState, useSyncExternalStore } from "react";

import { keyOf } from "../mcp/robots";
import type { OnlineServer, ServerAddress } from "../mcp/topics";
import { keepRobot, lastRobot } from "./lastRobot";
import { formatRoute, parseRoute, robotAt, routeTo, type Route } from "./route";

export interface Routing {
  /** The robot that is looked at; its id is empty while none of this name was ever online. Null: none, or the overview. */
  robot: ServerAddress | null;
  isOverview: boolean;
  /** Go to another address; the browser's "back" leads here again. */
  open: (route: Route) => void;
  /** To be called at each render with the robots that are online. */
  resolve: (online: readonly OnlineServer[]) => void;
}

/** The page's address, and the robot that it leads to; without an address the robot that was looked at last. */
export function useRoute(): Routing {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  const [robot, setRobot] = useState(() => robotAt(parseRoute(location.hash), [], lastRobot()));
  const [last, setLast] = useState(() => robot ?? lastRobot());
  const [address, setAddress] = useState("");

  const resolve = (online: readonly OnlineServer[]) => {
    const route = parseRoute(hash);
    const found = robotAt(route, online, last);
    if (keyOrEmpty(found) !== keyOrEmpty(robot)) setRobot(found);
    if (found?.serverId && keyOrEmpty(found) !== keyOrEmpty(last)) setLast(found);
    // An id that the address has stays: it is somebody's bookmark.
    const wanted = found && !(route?.at === "robot" && route.serverId) ? formatRoute(routeTo(found, online)) : "";
    if (wanted !== address) setAddress(wanted);
  };
  useEffect(() => {
    if (address && address !== location.hash && !isSame(address, location.hash)) location.replace(address);
  }, [address, hash]);
  useEffect(() => {
    if (last) keepRobot(last);
  }, [last]);

  return {
    robot,
    isOverview: parseRoute(hash)?.at === "robots",
    open: (route) => {
      location.hash = formatRoute(route);
    },
    resolve,
  };
}

const keyOrEmpty = (robot: ServerAddress | null) => (robot ? keyOf(robot) : "");

/** One address may be written in several ways: browsers escape more or less. */
const isSame = (one: string, other: string) => JSON.stringify(parseRoute(one)) === JSON.stringify(parseRoute(other));

function subscribe(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}
