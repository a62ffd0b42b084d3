/** Sessions with further robots on the MQTT connection of the page, e.g. to see how they are. Bounded. Without React. */

import type { Client } from "@modelcontextprotocol/sdk/client/index.js";

import type { Link } from "../mqtt/link";
import { keyOf } from "./robots";
import type { ServerAddress } from "./topics";
import type { MqttTransport } from "./transport";

const LIMIT = 32;

type Sdk = typeof import("./robotSession");

export class SideSessions {
  private readonly open = new Map<string, MqttTransport>();

  /** Open a session; `onClosed` is called once, when it is over for whatever reason, also when it never was. */
  async start({ MqttTransport, openSideSession }: Sdk, link: Link, server: ServerAddress, onClosed: () => void): Promise<Client> {
    const key = keyOf(server);
    if (this.open.has(key) || this.open.size >= LIMIT) throw new Error("There are too many sessions.");
    const transport = new MqttTransport(link, server);
    this.open.set(key, transport);
    transport.onclose = () => {
      if (this.open.get(key) === transport) this.open.delete(key);
      onClosed();
    };
    return openSideSession(transport);
  }

  /** Take in a message of the connection. Returns whether it was for one of the sessions. */
  receive(topic: string, payload: Uint8Array): boolean {
    for (const transport of this.open.values()) if (transport.receive(topic, payload)) return true;
    return false;
  }

  /** The robot is gone, or, without a key, the connection. */
  lost(key?: string): void {
    for (const [each, transport] of [...this.open]) if (key === undefined || each === key) transport.lost();
  }

  /** End a session, if there is one. */
  async close(key: string): Promise<void> {
    await this.open.get(key)?.close();
  }
}
