/** The page's addresses: `#/robots`, and `#/robot/NAME` with `?id=ID` where several robots have one name. Pure. */

import type { ServerAddress } from "../mcp/topics";

/** The robots side by side, or one of them; `serverId` where the address has it. */
export type Route = { at: "robots" } | { at: "robot"; serverName: string; serverId?: string };

const ROBOTS = "#/robots";
const ROBOT = "#/robot/";

/** What the fragment of a URL addresses; null when it is none of the page's addresses. */
export function parseRoute(hash: string): Route | null {
  if (hash === ROBOTS) return { at: "robots" };
  if (!hash.startsWith(ROBOT)) return null;
  const [path = "", query = ""] = hash.slice(ROBOT.length).split(/\?(.*)/s);
  const serverName = decoded(path);
  const serverId = new URLSearchParams(query).get("id");
  if (!serverName) return null;
  return serverId ? { at: "robot", serverName, serverId } : { at: "robot", serverName };
}

/** The fragment of a route's URL. */
export function formatRoute(route: Route): string {
  if (route.at === "robots") return ROBOTS;
  const path = encoded(route.serverName).replaceAll("%2F", "/");
  return `${ROBOT}${path}${route.serverId ? `?id=${encoded(route.serverId)}` : ""}`;
}

/** The shortest route to a robot: without its id as long as no other robot of this name is online. */
export function routeTo({ serverId, serverName }: ServerAddress, online: readonly ServerAddress[]): Route {
  const isAmbiguous = online.some((other) => other.serverName === serverName && other.serverId !== serverId);
  return isAmbiguous && serverId ? { at: "robot", serverName, serverId } : { at: "robot", serverName };
}

/**
 * The robot that a route leads to: `last` while it is one of those meant, else the first that is online. With an empty
 * id when the route has none and no robot of this name is known. Null at the overview.
 */
export function robotAt(route: Route | null, online: readonly ServerAddress[], last: ServerAddress | null): ServerAddress | null {
  if (route === null) return last ?? addressOf(online[0]);
  if (route.at === "robots") return null;
  const { serverName, serverId } = route;
  if (serverId) return { serverId, serverName };
  const named = online.filter((one) => one.serverName === serverName).sort((a, b) => (a.serverId < b.serverId ? -1 : 1));
  const isLast = last?.serverName === serverName && (named.length === 0 || named.some((one) => one.serverId === last.serverId));
  return isLast ? last : (addressOf(named[0]) ?? { serverId: "", serverName });
}

const addressOf = (robot: ServerAddress | undefined): ServerAddress | null =>
  robot ? { serverId: robot.serverId, serverName: robot.serverName } : null;

/** Percent signs that encode nothing stand for themselves. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text; // half a character
  }
}
