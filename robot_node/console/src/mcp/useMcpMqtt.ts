import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

import { McpMqtt, type BrokerAccess, type CallOptions, type Elicit, type McpState } from "./session";
import type { ServerAddress } from "./topics";

export interface UseMcpMqttOptions extends BrokerAccess {
  /** The robot to have a session with; without it the hook only tells who is online. */
  serverId?: string | undefined;
  serverName?: string | undefined;
  /** Connect when mounted; true by default. */
  autoConnect?: boolean;
  /** Asked when the robot wants a person's answer, e.g. to confirm a call. It must be there from the first render on. */
  onElicit?: Elicit;
  /** Use this connection, which may have been started already, in place of a new one. It must be there from the first render on. */
  mcp?: McpMqtt;
}

export interface UseMcpMqtt extends McpState {
  connect: () => void;
  disconnect: () => void;
  /** Try again now, instead of when the delay is over. */
  retryNow: () => void;
  callTool: McpMqtt["callTool"];
  readResource: McpMqtt["readResource"];
  /** Call a function at each new session and each change of a resource; returns what ends it. */
  watchResource: McpMqtt["watchResource"];
  /** A session with another robot beside this one. */
  openSideSession: McpMqtt["openSideSession"];
}

/**
 * MCP over MQTT in a React page, on an MQTT connection of its own: which robots are online, and a session with one.
 * Connection and session come back by themselves. On unmount the session is ended and the client disconnects.
 */
export function useMcpMqtt(options: UseMcpMqttOptions): UseMcpMqtt {
  const { brokerUrl, username, password, clientId, serverId, serverName, autoConnect = true, onElicit } = options;
  const [mcp] = useState(() => options.mcp ?? new McpMqtt());
  const state = useSyncExternalStore(mcp.subscribe, mcp.getSnapshot);

  const connect = useCallback(() => mcp.start({ brokerUrl, username, password, clientId }), [mcp, brokerUrl, username, password, clientId]);
  const disconnect = useCallback(() => mcp.stop(), [mcp]);
  const retryNow = useCallback(() => mcp.retryNow(), [mcp]);
  const callTool = useCallback(
    (name: string, args?: Record<string, unknown>, callOptions?: CallOptions) => mcp.callTool(name, args, callOptions),
    [mcp],
  );
  const readResource = useCallback((uri: string) => mcp.readResource(uri), [mcp]);
  const openSideSession = useCallback((server: ServerAddress, onClosed: () => void) => mcp.openSideSession(server, onClosed), [mcp]);
  const watchResource = useCallback((uri: string, changed: () => void) => mcp.watchResource(uri, changed), [mcp]);

  useEffect(() => {
    mcp.setElicit(onElicit ?? null);
  }, [mcp, onElicit]);
  useEffect(() => {
    mcp.use(serverId && serverName ? { serverId, serverName } : null);
  }, [mcp, serverId, serverName]);
  useEffect(() => {
    if (autoConnect) connect();
    return disconnect;
  }, [autoConnect, connect, disconnect]);

  return { ...state, connect, disconnect, retryNow, callTool, readResource, watchResource, openSideSession };
}
