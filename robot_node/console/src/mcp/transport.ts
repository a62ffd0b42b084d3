/** A transport of the official MCP SDK over an open MQTT connection, to one server. */

import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ErrorCode, JSONRPCMessageSchema, type JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

import { member, parsed } from "../json";
import type { Link } from "../mqtt/link";
import { capabilityTopic, controlTopic, DISCONNECTED, rpcTopic, type ServerAddress } from "./topics";

const decoder = new TextDecoder();

/**
 * Life of a session: subscribe, then send the first message on the control topic, everything later on the RPC topic.
 * Whoever owns the connection hands in what arrives with {@link receive}, and calls {@link lost} when the connection
 * or the server is gone.
 */
export class MqttTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;

  private opened = false;
  private ended = false;
  private readonly rpc: string;
  private readonly capability: string;

  constructor(
    private readonly link: Link,
    private readonly server: ServerAddress,
  ) {
    this.rpc = rpcTopic(link.clientId, server);
    this.capability = capabilityTopic(server);
  }

  async start(): Promise<void> {
    await this.link.subscribe({ topic: this.capability }, { topic: this.rpc, noLocal: true });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.ended) throw new Error("The session with the robot is over.");
    const topic = this.opened ? this.rpc : controlTopic(this.server);
    this.opened = true;
    await this.link.publish(topic, JSON.stringify(message));
  }

  /** Leave this server only: its sessions with others, and the connection, stay. */
  async close(): Promise<void> {
    if (this.ended) return;
    const link = this.link;
    if (link.connected && this.opened) {
      try {
        await link.publish(this.rpc, DISCONNECTED, { qos: 1 });
        await link.unsubscribe(this.rpc, this.capability);
      } catch {
        // The connection is gone, and the session with it.
      }
    }
    this.lost();
  }

  /** The session is void: the connection or the server is gone. */
  lost(): void {
    if (this.ended) return;
    this.ended = true;
    this.onclose?.();
  }

  /** Take in a message of the connection. Returns whether it was for this session. */
  receive(topic: string, payload: Uint8Array): boolean {
    if (topic !== this.rpc && topic !== this.capability) return false;
    if (this.ended) return true;
    const document = parsed(decoder.decode(payload));
    const { success, data } = JSONRPCMessageSchema.safeParse(document);
    const message = success ? data : malformedAnswer(document);
    if (!message) {
      this.onerror?.(new Error("The robot sent something that is no JSON-RPC message."));
      return true;
    }
    if ("method" in message && message.method === "notifications/disconnected") this.lost();
    else this.onmessage?.(message);
    return true;
  }
}

/** The error that takes the place of an answer that is none: who asked need not wait for the time limit. */
function malformedAnswer(document: unknown): JSONRPCMessage | null {
  const id = member(document, "id");
  if (typeof id !== "number" || member(document, "method") !== undefined) return null;
  return { jsonrpc: "2.0", id, error: { code: ErrorCode.InternalError, message: "The robot's answer is malformed." } };
}
