/** Topics of MCP over MQTT (EMQX specification, 2025-03-26 revision). Pure. */

import { isDocument, member, parsed, shortened } from "../json";

/** The resource in which a robot says how it is. */
export const STATUS_URI = "robot://status";

export interface ServerAddress {
  /** MQTT client id of the server. */
  serverId: string;
  /** Its hierarchical name, e.g. `robot-node/kitchen`. */
  serverName: string;
}

export interface OnlineServer extends ServerAddress {
  description: string;
}

const PRESENCE = "$mcp-server/presence/";

export const DISCONNECTED = JSON.stringify({ jsonrpc: "2.0", method: "notifications/disconnected" });

export const controlTopic = ({ serverId, serverName }: ServerAddress) => `$mcp-server/${serverId}/${serverName}`;
export const presenceTopic = ({ serverId, serverName }: ServerAddress) => `${PRESENCE}${serverId}/${serverName}`;
export const capabilityTopic = ({ serverId, serverName }: ServerAddress) =>
  `$mcp-server/capability/${serverId}/${serverName}`;
export const rpcTopic = (clientId: string, { serverId, serverName }: ServerAddress) =>
  `$mcp-rpc/${clientId}/${serverId}/${serverName}`;
export const clientPresenceTopic = (clientId: string) => `$mcp-client/presence/${clientId}`;
export const presenceFilter = (nameFilter: string) => `${PRESENCE}+/${nameFilter}`;

/** Which server a presence topic speaks of; null for other topics. */
export function parsePresenceTopic(topic: string): ServerAddress | null {
  if (!topic.startsWith(PRESENCE)) return null;
  const rest = topic.slice(PRESENCE.length);
  const slash = rest.indexOf("/");
  return slash < 1 || slash === rest.length - 1
    ? null
    : { serverId: rest.slice(0, slash), serverName: rest.slice(slash + 1) };
}

const DESCRIPTION_LIMIT = 1000;

/** The description in a presence message; null when the payload is no announcement. */
export function parseAnnouncement(payload: string): string | null {
  const message = parsed(payload);
  if (!isDocument(message) || member(message, "method") !== "notifications/server/online") return null;
  const description = member(member(message, "params"), "description");
  return typeof description === "string" ? shortened(description, DESCRIPTION_LIMIT) : "";
}

/** A robot's address out of any JSON; null when it is none. */
export function readAddress(value: unknown): ServerAddress | null {
  const [serverId, serverName] = [member(value, "serverId"), member(value, "serverName")];
  return typeof serverId === "string" && typeof serverName === "string" ? { serverId, serverName } : null;
}

/** The name filters that the broker tells a client to use (`MCP-SERVER-NAME-FILTERS`), else all names. */
export function nameFilters(connackProperties: Record<string, string | string[]>): string[] {
  const property = connackProperties["MCP-SERVER-NAME-FILTERS"];
  const filters = typeof property === "string" ? parsed(property) : undefined;
  return Array.isArray(filters) ? filters.filter((filter): filter is string => typeof filter === "string") : ["#"];
}
