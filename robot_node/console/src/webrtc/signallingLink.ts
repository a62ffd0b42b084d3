/** The MQTT connection of a call. Pure. */

import type { LinkOptions } from "../mqtt/link";
import type { CallOptions } from "./state";

/**
 * How a call's signalling connects. No will: media does not pass through the broker, and a broker that restarts must not
 * end a session. The other side misses whoever vanishes by its silence.
 */
export const signallingLink = (options: CallOptions, clientId: string): LinkOptions => ({
  url: options.brokerUrl,
  username: options.username,
  password: options.password,
  clientId,
  ...(options.isSmall ? { publishProperties: { video: "small" } } : {}),
  ...(options.connectTimeoutMs ? { connectTimeoutMs: options.connectTimeoutMs } : {}),
  ...(options.stepTimeoutMs ? { stepTimeoutMs: options.stepTimeoutMs } : {}),
  ...(options.reconnectInitialMs ? { reconnectInitialMs: options.reconnectInitialMs } : {}),
  ...(options.reconnectMaximumMs ? { reconnectMaximumMs: options.reconnectMaximumMs } : {}),
});
