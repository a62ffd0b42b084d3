/** One MCP connection to a broker: who is online, and a session with the robot that is asked for. Without React. */

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
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";

import { member } from "../json";
import { Link, randomId, type LinkError, type LinkStatus, type UserProperties } from "../mqtt/link";
import { Store } from "../mqtt/store";
import { onceAtATime } from "../onceAtATime";
import {
  clientPresenceTopic,
  DISCONNECTED,
  nameFilters,
  parseAnnouncement,
  parsePresenceTopic,
  presenceFilter,
  type OnlineServer,
  type ServerAddress,
} from "./topics";
import { keyOf, OnlineRobots } from "./robots";
import { SideSessions } from "./sideSessions";
import { readTools, TOOLS_LIMIT } from "./tools";
import { MqttTransport } from "./transport";

/** `taken`: it has stopped until {@link McpMqtt.retryNow}, as another window uses the client id. */
export type ConnectionState = "disconnected" | "connecting" | "connected" | "failed" | "taken";

/** `offline`: the robot that is asked for is not there; the session opens by itself when it comes. */
export type SessionState = "none" | "offline" | "opening" | "open" | "failed";

export interface McpState {
  /** As which client the robots know this page; empty before it has ever connected. */
  clientId: string;
  connectionState: ConnectionState;
  /** Why there is no connection to the broker, or why it does not tell who is online; tried again by itself. */
  error: LinkError | null;
  /** Robots online now, ordered by name. */
  robots: OnlineServer[];
  sessionState: SessionState;
  /** Why the last session could not be opened; tried again by itself. */
  sessionError: Error | null;
  /** Of the robot that is asked for, as of the last session with it. */
  tools: Tool[];
  /** Names of tools that are left out, because the robot lists them malformed or twice. */
  malformedTools: string[];
}

export interface BrokerAccess {
  brokerUrl: string;
  username?: string | undefined;
  password?: string | undefined;
  /** MQTT client id, where the broker's rules want a certain one; random by default. */
  clientId?: string | undefined;
}

export interface CallOptions {
  /** Limit in milliseconds; 60 s, as a person may have to confirm. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Asked when the robot wants a person's answer, e.g. to confirm a call; the signal says that it no longer waits for it. */
export type Elicit = (params: ElicitRequest["params"], signal: AbortSignal) => Promise<ElicitResult>;

const REQUEST_MS = 30_000;
const CALL_MS = 60_000;
const OPEN_MS = 10_000;
const RETRY_MS = 1000;
const RETRY_MAXIMUM_MS = 15_000;
const PAGES_LIMIT = 100;

const CONNECTION_STATES = { connecting: "connecting", connected: "connected", waiting: "failed", taken: "taken", closed: "disconnected" } as const;

const EMPTY: McpState = {
  clientId: "",
  connectionState: "disconnected",
  error: null,
  robots: [],
  sessionState: "none",
  sessionError: null,
  tools: [],
  malformedTools: [],
};

interface Session {
  key: string;
  client: Client;
  transport: MqttTransport;
  over: boolean;
}

export class McpMqtt extends Store<McpState> {
  private onElicit: Elicit | null = null;
  private link: Link | null = null;
  private readonly online = new OnlineRobots((robots) => this.update({ robots }));
  private target: ServerAddress | null = null;
  private session: Session | null = null;
  private readonly sides = new SideSessions();
  private steps: Promise<void> = Promise.resolve();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private lookAgain: { timer: ReturnType<typeof setTimeout>; look: () => void } | null = null;
  private delay = RETRY_MS;
  private readonly watchers = new Map<string, Set<() => void>>();

  constructor() {
    super(EMPTY);
  }

  /** Connect to a broker, instead of the one before. */
  start({ brokerUrl, username, password, clientId: wantedId }: BrokerAccess): void {
    this.stop();
    const clientId = wantedId || randomId("mcp-client-");
    const component = { "MCP-COMPONENT-TYPE": "mcp-client" };
    const link: Link = new Link(
      {
        url: brokerUrl,
        username,
        password,
        clientId,
        isShared: Boolean(wantedId),
        will: { topic: clientPresenceTopic(clientId), payload: DISCONNECTED },
        connectProperties: {
          ...component,
          "MCP-META": JSON.stringify({ version: "0.1.0", implementation: "robot-node console", location: "" }),
        },
        publishProperties: { ...component, "MCP-MQTT-CLIENT-ID": clientId },
      },
      {
        onStatus: (status) => this.link === link && this.follow(status),
        onConnected: (properties) => this.link === link && void this.look(link, properties),
        onMessage: (topic, payload) => this.link === link && this.receive(topic, payload),
      },
    );
    this.link = link;
    this.update({ clientId, connectionState: "connecting", error: null });
    link.start();
  }

  /** Leave the robot and the broker. */
  stop(): void {
    const { link, session } = this;
    this.link = null;
    this.session = null;
    clearTimeout(this.retry);
    this.stopLooking();
    this.online.clear();
    this.sides.lost();
    if (session) {
      session.over = true;
      void session.client.close().catch(() => undefined);
    }
    if (link) {
      // The broker forgets our subscriptions with the connection.
      if (link.connected) link.publish(clientPresenceTopic(link.clientId), DISCONNECTED, { qos: 1 }).catch(() => undefined);
      link.close();
    }
    const { tools, malformedTools } = this.getSnapshot();
    this.update({ ...EMPTY, sessionState: this.target ? "offline" : "none", tools, malformedTools });
  }

  /** Whom to ask when a robot wants a person's answer; sessions opened from now on say that somebody is there. */
  setElicit(onElicit: Elicit | null): void {
    this.onElicit = onElicit;
  }

  retryNow(): void {
    this.link?.retryNow();
    this.delay = RETRY_MS;
    this.lookAgain?.look();
    if (this.link?.connected) this.reconcile();
  }

  /** Have a session with this robot, whenever it is online; with none for null. */
  use(target: ServerAddress | null): void {
    if ((target && keyOf(target)) === (this.target && keyOf(this.target))) return;
    this.target = target;
    this.delay = RETRY_MS;
    this.update({ sessionState: target ? "offline" : "none", sessionError: null, tools: [], malformedTools: [] });
    this.reconcile();
  }

  /** Open a session with another robot that is online; `onClosed` as for {@link SideSessions.start}. */
  async openSideSession(server: ServerAddress, onClosed: () => void): Promise<Client> {
    await this.steps; // a session with this robot may be ending
    const { link, target, session } = this;
    const key = keyOf(server);
    // Two sessions with one robot would be one to it.
    if (!link?.connected || !this.online.has(server) || key === session?.key || (target && key === keyOf(target))) {
      throw new Error("There can be no further session with this robot.");
    }
    return this.sides.start(link, server, onClosed);
  }

  async callTool(name: string, args: Record<string, unknown> = {}, options: CallOptions = {}): Promise<CallToolResult> {
    const result = this.open().client.callTool({ name, arguments: args }, undefined, {
      timeout: options.timeoutMs ?? CALL_MS,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    return (await result.catch(inWords)) as CallToolResult;
  }

  readResource(uri: string): Promise<ReadResourceResult> {
    return this.open().client.readResource({ uri }, { timeout: REQUEST_MS });
  }

  /**
   * Call `changed` at each new session, and whenever the robot says that the resource has changed.
   * Returns a function that ends it.
   */
  watchResource(uri: string, changed: () => void): () => void {
    const watchers = this.watchers.get(uri) ?? new Set();
    this.watchers.set(uri, watchers.add(changed));
    if (this.getSnapshot().sessionState === "open" && this.session) {
      if (watchers.size === 1) this.subscribeTo(this.session, uri);
      changed();
    }
    return () => {
      watchers.delete(changed);
      if (watchers.size > 0 || this.watchers.get(uri) !== watchers) return;
      this.watchers.delete(uri);
      if (this.session && !this.session.over) this.session.client.unsubscribeResource({ uri }).catch(() => undefined);
    };
  }

  private open(): Session {
    if (!this.session || this.session.over || this.getSnapshot().sessionState !== "open") {
      throw new Error("There is no session with the robot.");
    }
    return this.session;
  }

  private follow({ state, error }: LinkStatus): void {
    if (state === "connected") {
      this.update({ connectionState: "connected", error: null });
      return;
    }
    this.session?.transport.lost();
    this.sides.lost();
    this.stopLooking();
    this.online.clear();
    this.update({ connectionState: state === "connecting" && error ? "failed" : CONNECTION_STATES[state], error, robots: [] });
    this.reconcile();
  }

  private async look(link: Link, properties: UserProperties, delay = RETRY_MS): Promise<void> {
    this.stopLooking();
    try {
      const filters = nameFilters(properties);
      if (filters.length) await link.subscribe(...filters.map((filter) => ({ topic: presenceFilter(filter), qos: 1 as const })));
      if (this.link === link && link.connected) this.update({ error: null });
    } catch (error) {
      if (this.link !== link || !link.connected) return;
      this.update({ error: error as LinkError });
      const look = () => void this.look(link, properties, Math.min(2 * delay, RETRY_MAXIMUM_MS));
      this.lookAgain = { timer: setTimeout(look, delay), look };
    }
  }

  private stopLooking(): void {
    clearTimeout(this.lookAgain?.timer);
    this.lookAgain = null;
  }

  private receive(topic: string, payload: Uint8Array): void {
    if (this.session?.transport.receive(topic, payload) || this.sides.receive(topic, payload)) return;
    const server = parsePresenceTopic(topic);
    if (!server) return;
    const key = keyOf(server);
    const isTarget = this.target !== null && key === keyOf(this.target);
    const description = payload.length ? parseAnnouncement(new TextDecoder().decode(payload)) : null;
    if (description === null) {
      this.online.delete(server);
      if (this.session?.key === key) this.session.transport.lost();
      this.sides.lost(key);
    } else {
      this.online.add({ ...server, description }, isTarget);
    }
    if (isTarget) this.reconcile();
  }

  /** Bring the session to what is asked for and possible; one step after the other. */
  private reconcile(): void {
    clearTimeout(this.retry);
    this.steps = this.steps.then(() => this.step());
  }

  private async step(): Promise<void> {
    const { link, target } = this;
    const key = link?.connected && target && this.online.has(target) ? keyOf(target) : null;
    const current = this.session;
    if (current && (current.over || current.key !== key)) {
      this.session = null;
      current.over = true;
      this.update({ sessionState: target ? "offline" : "none" });
      await current.client.close().catch(() => undefined);
    }
    if (!link || !target || !key) {
      if (!this.session && link) this.update({ sessionState: target ? "offline" : "none" });
      return;
    }
    if (this.session) return;
    await this.sides.close(key);
    await this.openSession(link, target);
  }

  private async openSession(link: Link, target: ServerAddress): Promise<void> {
    const client = new Client(
      { name: "robot-node console", version: "0.1.0" },
      { capabilities: this.onElicit ? { elicitation: {} } : {} },
    );
    const session: Session = { key: keyOf(target), client, transport: new MqttTransport(link, target), over: false };
    const listTools = onceAtATime(() => this.listTools(session));
    this.session = session;
    this.update({ sessionState: "opening" });
    client.onclose = () => {
      if (session.over) return;
      session.over = true;
      if (this.session === session) this.reconcile();
    };
    client.setNotificationHandler(ToolListChangedNotificationSchema, listTools);
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      for (const changed of this.watchers.get(params.uri) ?? []) changed();
    });
    if (this.onElicit) {
      client.setRequestHandler(
        ElicitRequestSchema,
        ({ params }, { signal }) => this.onElicit?.(params, signal) ?? Promise.resolve({ action: "cancel" }),
      );
    }
    try {
      await client.connect(session.transport, { timeout: OPEN_MS });
      await listTools();
      if (this.session !== session || session.over) return;
      this.delay = RETRY_MS;
      this.update({ sessionState: "open", sessionError: null });
      for (const [uri, watchers] of this.watchers) {
        this.subscribeTo(session, uri);
        for (const changed of watchers) changed();
      }
    } catch (error) {
      if (this.session !== session) return;
      session.over = true;
      this.session = null;
      await client.close().catch(() => undefined);
      if (this.target !== target || this.link !== link || !link.connected || !this.online.has(target)) return;
      this.update({ sessionState: "failed", sessionError: readable(error) });
      this.retry = setTimeout(() => this.reconcile(), this.delay);
      this.delay = Math.min(2 * this.delay, RETRY_MAXIMUM_MS);
    }
  }

  private async listTools(session: Session): Promise<void> {
    const listed: unknown[] = [];
    if (session.client.getServerCapabilities()?.tools) {
      let cursor: unknown;
      for (let page = 0; page < PAGES_LIMIT; page += 1) {
        const params = typeof cursor === "string" ? { cursor } : {};
        // Not the client's own listTools: it refuses the whole list for one malformed tool.
        const answer = await session.client.request({ method: "tools/list", params }, z.unknown(), { timeout: REQUEST_MS });
        const tools = member(answer, "tools");
        if (!Array.isArray(tools)) throw new Error("The robot's list of tools is malformed.");
        listed.push(...(tools as unknown[]));
        cursor = member(answer, "nextCursor");
        if (typeof cursor !== "string" || listed.length > TOOLS_LIMIT) break;
      }
    }
    const { tools, malformed } = readTools(listed);
    if (this.session === session) this.update({ tools, malformedTools: malformed });
  }

  private subscribeTo(session: Session, uri: string): void {
    if (!session.client.getServerCapabilities()?.resources?.subscribe) return;
    // Refused, e.g. to a role that may not: then it is only read.
    session.client.subscribeResource({ uri }, { timeout: REQUEST_MS }).catch(() => undefined);
  }
}

/** An answer that does not fit its schema is said to be one in a sentence: zod lists each member, as JSON. */
function readable(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error instanceof z.ZodError ? new Error("The robot's answer is malformed.", { cause: error }) : error;
}

function inWords(error: unknown): never {
  throw readable(error);
}
