import { useEffect, useRef, useState } from "react";

import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { Log } from "./log";

/** As many are named when they come online at once. */
const NAMED_LIMIT = 10;

/** The page's log. */
export function useLog(): Log {
  const [log] = useState(() => new Log());
  return log;
}

interface Options {
  log: Log;
  brokerUrl: string;
  serverId: string | undefined;
  mcp: UseMcpMqtt;
  call: Pick<UseWebRTCMqtt, "connectionState" | "error">;
}

/** Write into the log what the page's connections do, and who comes online. */
export function useConnectionLog({ log, brokerUrl, serverId, mcp, call }: Options): void {
  const { robots, sessionState, connectionState } = mcp;
  useEffect(() => {
    log.add("mqtt", `${connectionState} ${brokerUrl}${mcp.error ? `: ${mcp.error.message}` : ""}`, { isError: mcp.error !== null });
  }, [log, connectionState, brokerUrl, mcp.error]);
  useEffect(() => {
    if (sessionState === "open") log.add("mcp", `session open: ${serverId}`);
    if (sessionState === "failed") log.add("mcp", `session failed: ${mcp.sessionError?.message ?? ""}`, { isError: true });
  }, [log, sessionState, serverId, mcp.sessionError]);
  useEffect(() => {
    log.add("webrtc", `${call.connectionState}${call.error ? `: ${call.error.message}` : ""}`, { isError: call.error !== null });
  }, [log, call.connectionState, call.error]);
  const seen = useRef("");
  const online = connectionState === "connected" ? named(robots.map(({ serverId }) => serverId)) : "";
  useEffect(() => {
    if (online !== seen.current) log.add("app", online ? `online: ${online}` : "no robot is known to be online");
    seen.current = online;
  }, [log, online]);
}

const named = (ids: string[]): string =>
  ids.slice(0, NAMED_LIMIT).join(", ") + (ids.length > NAMED_LIMIT ? ` and ${ids.length - NAMED_LIMIT} more` : "");
