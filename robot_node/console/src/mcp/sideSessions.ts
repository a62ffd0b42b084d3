/** Sessions with further robots on the MQTT connection of the page, e.g. to see how they are. Bounded. Without React. */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";

import type { Link } from "../mqtt/link";
import { keyOf } from "./robots";
import type { ServerAddress } from "./topics";
import { MqttTransport } from "./transport";

const LIMIT = 32;
const OPEN_MS = 10_000;

export class SideSessions {
  private readonly open = new Map<string, { client: Client; transport: MqttTransport }>();

  /** Open a session; `onClosed` is called once, when it is over for whatever reason, also when it never was. */
  async start(link: Link, server: ServerAddress, onClosed: () => void): Promise<Client> {
    const key = keyOf(server);
    if (this.open.has(key) || this.open.size >= LIMIT) throw new Error("There are too many sessions.");
    // Nobody is asked: a call that a person must confirm is refused.
    const client = new Client({ name: "robot-node console", version: "0.1.0" });
    const transport = new MqttTransport(link, server);
    const session = { client, transport };
    this.open.set(key, session);
    transport.onclose = () => {
      if (this.open.get(key) === session) this.open.delete(key);
      onClosed();
    };
    try {
      await client.connect(transport, { timeout: OPEN_MS });
    } catch (error) {
      await transport.close();
      throw error;
    }
    return client;
  }

  /** Take in a message of the connection. Returns whether it was for one of the sessions. */
  receive(topic: string, payload: Uint8Array): boolean {
    for (const { transport } of this.open.values()) if (transport.receive(topic, payload)) return true;
    return false;
  }

  /** The robot is gone, or, without a key, the connection. */
  lost(key?: string): void {
    for (const [each, { transport }] of [...this.open]) if (key === undefined || each === key) transport.lost();
  }

  /** End a session, if there is one. */
  async close(key: string): Promise<void> {
    await this.open.get(key)?.transport.close();
  }
}
