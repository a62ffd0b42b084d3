/**
 * A session with one robot, by the official SDK. The SDK is the largest part of the page: this module, and what it alone
 * needs, is loaded with `import()`, while the page already connects to the broker.
 */

import "./strictCsp";

import * as z from "zod/v4";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import {
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
  type CallToolResult,
  type ElicitRequest,
  type ElicitResult,
  type ReadResourceResult,
} from "@modelcontextprotocol/sdk/types.js";

import { member } from "../json";
import type { Link } from "../mqtt/link";
import { onceAtATime } from "../onceAtATime";
import { keyOf } from "./robots";
import { readTools, TOOLS_LIMIT, type ListedTools } from "./tools";
import { STATUS_URI, type ServerAddress } from "./topics";
import { MqttTransport } from "./transport";

export interface CallOptions {
  /** Limit in milliseconds; 60 s, as a person may have to confirm. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Asked when the robot wants a person's answer, e.g. to confirm a call; the signal says that it no longer waits for it. */
export type Elicit = (params: ElicitRequest["params"], signal: AbortSignal) => Promise<ElicitResult>;

export interface RobotSessionEvents {
  /** The session is over, for whatever reason but {@link RobotSession.close}. */
  onClosed: () => void;
  /** The robot has other tools now. */
  onTools: (listed: ListedTools) => void;
  /** A resource that was subscribed to has changed. */
  onUpdated: (uri: string) => void;
  /** The robot's status when the session opened, JSON; never where it may not be read. */
  onStatus: (text: string) => void;
  /** Null: the robot learns that nobody is there to be asked. */
  onElicit: Elicit | null;
}

const REQUEST_MS = 30_000;
const CALL_MS = 60_000;
const OPEN_MS = 10_000;
const PAGES_LIMIT = 100;

const WHO = { name: "robot-node console", version: "0.1.0" };

export class RobotSession {
  readonly key: string;
  /** It is not used any more, or never was. */
  over = false;
  private readonly client: Client;
  private readonly transport: MqttTransport;

  constructor(
    link: Link,
    server: ServerAddress,
    private readonly events: RobotSessionEvents,
  ) {
    this.key = keyOf(server);
    this.transport = new MqttTransport(link, server);
    this.client = new Client(WHO, { capabilities: events.onElicit ? { elicitation: {} } : {} });
  }

  /** Open it, and list the robot's tools. Throws an error that a person can read. */
  async open(): Promise<ListedTools> {
    const { client, events } = this;
    const { onElicit } = events;
    let listed: ListedTools = { tools: [], malformed: [] };
    let isOpen = false;
    const list = onceAtATime(async () => {
      listed = await this.listTools();
      if (isOpen) events.onTools(listed);
    });
    client.onclose = () => {
      if (this.over) return;
      this.over = true;
      events.onClosed();
    };
    client.setNotificationHandler(ToolListChangedNotificationSchema, list);
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => events.onUpdated(params.uri));
    if (onElicit) client.setRequestHandler(ElicitRequestSchema, ({ params }, { signal }) => onElicit(params, signal));
    try {
      await client.connect(this.transport, { timeout: OPEN_MS });
      this.readStatus(); // Its answer comes with that of the list: the first view has both.
      await list();
    } catch (error) {
      throw readable(error);
    }
    isOpen = true;
    return listed;
  }

  /** Take in a message of the connection. Returns whether it was for this session. */
  receive(topic: string, payload: Uint8Array): boolean {
    return this.transport.receive(topic, payload);
  }

  /** The connection or the robot is gone, and the session with it. */
  lost(): void {
    this.transport.lost();
  }

  async close(): Promise<void> {
    this.over = true;
    await this.client.close().catch(() => undefined);
  }

  async callTool(name: string, args: Record<string, unknown>, { timeoutMs = CALL_MS, signal }: CallOptions): Promise<CallToolResult> {
    try {
      return (await this.client.callTool({ name, arguments: args }, undefined, { timeout: timeoutMs, ...(signal ? { signal } : {}) })) as CallToolResult;
    } catch (error) {
      throw readable(error);
    }
  }

  readResource(uri: string): Promise<ReadResourceResult> {
    return this.client.readResource({ uri }, { timeout: REQUEST_MS });
  }

  /** Where it is refused, e.g. to a role that may not, changes are not announced, and the resource is only read. */
  subscribe(uri: string): void {
    if (!this.client.getServerCapabilities()?.resources?.subscribe) return;
    this.client.subscribeResource({ uri }, { timeout: REQUEST_MS }).catch(() => undefined);
  }

  unsubscribe(uri: string): void {
    this.client.unsubscribeResource({ uri }).catch(() => undefined);
  }

  private readStatus(): void {
    if (!this.client.getServerCapabilities()?.resources) return;
    this.readResource(STATUS_URI)
      .then(({ contents: [content] }) => content && "text" in content && this.events.onStatus(content.text))
      .catch(() => undefined); // The page reads it again, and knows other ways.
  }

  private async listTools(): Promise<ListedTools> {
    const listed: unknown[] = [];
    if (this.client.getServerCapabilities()?.tools) {
      let cursor: unknown;
      for (let page = 0; page < PAGES_LIMIT; page += 1) {
        const params = typeof cursor === "string" ? { cursor } : {};
        // Not the client's own listTools: it refuses the whole list for one malformed tool.
        const answer = await this.client.request({ method: "tools/list", params }, z.unknown(), { timeout: REQUEST_MS });
        const tools = member(answer, "tools");
        if (!Array.isArray(tools)) throw new Error("The robot's list of tools is malformed.");
        listed.push(...(tools as unknown[]));
        cursor = member(answer, "nextCursor");
        if (typeof cursor !== "string" || listed.length > TOOLS_LIMIT) break;
      }
    }
    return readTools(listed);
  }
}

/** Open a session with a robot without anybody to be asked: a call that a person must confirm is refused. Returns the SDK's client. */
export async function openSideSession(transport: MqttTransport): Promise<Client> {
  const client = new Client(WHO);
  try {
    await client.connect(transport, { timeout: OPEN_MS });
  } catch (error) {
    await transport.close();
    throw error;
  }
  return client;
}

export { MqttTransport };

/** An answer that does not fit its schema is said to be one in a sentence: zod lists each member, as JSON. */
function readable(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error instanceof z.ZodError ? new Error("The robot's answer is malformed.", { cause: error }) : error;
}
