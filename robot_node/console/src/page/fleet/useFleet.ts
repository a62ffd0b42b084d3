import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { keyOf } from "../../mcp/robots";
import type { OnlineServer, ServerAddress } from "../../mcp/topics";
import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import { Fleet, type Place, type Seen } from "./fleet";

export interface FleetView {
  /** How robots are, by their keys, as far as it is known. */
  seen: ReadonlyMap<string, Seen>;
  /** Which robots a part of the page shows in sight. */
  show: (place: Place, keys: readonly string[]) => void;
  /** Those of the grid to be shown live, by their keys. */
  live: readonly string[];
  /** Of the live pictures, and of the mouse or the keyboard, which come to one: see {@link Fleet}. */
  tell: Pick<Fleet, "pointAt" | "setPlaying" | "liveFailed">;
}

/**
 * Follow how the robots are that are in sight, but for the one that has the page's session.
 *
 * @param liveLimit At most so many are shown live.
 */
export function useFleet(
  robots: readonly OnlineServer[],
  robot: ServerAddress | null,
  openSideSession: UseMcpMqtt["openSideSession"],
  liveLimit: number,
): FleetView {
  const [fleet] = useState(() => new Fleet(openSideSession, () => document.visibilityState === "visible"));
  const { seen, live } = useSyncExternalStore(fleet.subscribe, fleet.getSnapshot);
  const own = robot ? keyOf(robot) : "";
  const others = useMemo(() => robots.filter((one) => keyOf(one) !== own), [robots, own]);
  useEffect(() => fleet.setOnline(others), [fleet, others]);
  useEffect(() => fleet.limitLive(liveLimit), [fleet, liveLimit]);
  useEffect(() => {
    const changed = () => fleet.visibilityChanged();
    document.addEventListener("visibilitychange", changed);
    return () => {
      document.removeEventListener("visibilitychange", changed);
      fleet.stop();
    };
  }, [fleet]);
  const show = useCallback((place: Place, keys: readonly string[]) => fleet.show(place, keys), [fleet]);
  return useMemo(() => ({ seen, show, live, tell: fleet }), [seen, show, live, fleet]);
}
