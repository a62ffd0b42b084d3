/** MQTT.js as a page needs it: its client and its WebSocket. Its whole build has sockets, TLS and a worker's timers too, and is 30 kB larger. */

import "./globals";

import type { IClientOptions } from "mqtt";
import MqttClient from "mqtt/lib/client";
import { browserStreamBuilder } from "mqtt/lib/connect/ws";

export type { MqttClient };

/** Connect to `ws://` or `wss://`; user name and password may be in the URL. Throws when it cannot be a broker's. */
export function connect(url: URL, options: IClientOptions): MqttClient {
  const protocol = url.protocol.slice(0, -1);
  if (protocol !== "ws" && protocol !== "wss") throw new Error(`${url.href} does not begin with ws:// or wss://.`);
  const { hostname, port, pathname, search, username, password } = url;
  return new MqttClient((client) => browserStreamBuilder(client, client.options), {
    protocol,
    hostname,
    ...(port ? { port: Number(port) } : {}),
    path: pathname + search,
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(username && password ? { password: decodeURIComponent(password) } : {}),
    // 65536 buffers in advance, one for each number that a packet may have, are a tenth of all work until the page is usable.
    writeCache: false,
    ...options,
  });
}
