/** One MCP connection to a broker: who is online, and a session with the robot that is asked for. Without React. */

import type { CallToolResult, ReadResourceResult, Tool } from "@modelcontextprotocol/sdk/types.js";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";

import { Link, randomId, type LinkError, type LinkStatus, type UserProperties } from "../mqtt/link";
import { Store } from "../mqtt/store";
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
import type { CallOptions, Elicit, RobotSession } from "./robotSession";
import { SideSessions } from "./sideSessions";

export type { CallOptions, Elicit };

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
  /** What the robot said of itself when the session opened, JSON; null when it has not. */
  firstStatus: string | null;
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

const RETRY_MS = 1000;
const RETRY_MAXIMUM_MS = 15_000;

const CONNECTION_STATES = { connecting: "connecting", connected: "connected", waiting: "failed", taken: "taken", closed: "disconnected" } as const;

const EMPTY: McpState = {
  clientId: "",
  connectionState: "disconnected",
  error: null,
  robots: [],
  sessionState: "none",
  sessionError: null,
  firstStatus: null,
  tools: [],
  malformedTools: [],
};

/** See there; loaded once, while the connection comes about. */
const loadSdk = () => import("./robotSession");

export class McpMqtt extends Store<McpState> {
  private onElicit: Elicit | null = null;
  private link: Link | null = null;
  /** What the connection was started with. */
  private access = "";
  private readonly online = new OnlineRobots((robots) => this.update({ robots }));
  private target: ServerAddress | null = null;
  private session: RobotSession | null = null;
  private readonly sides = new SideSessions();
  private steps: Promise<void> = Promise.resolve();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private lookAgain: { timer: ReturnType<typeof setTimeout>; look: () => void } | null = null;
  private delay = RETRY_MS;
  private readonly watchers = new Map<string, Set<() => void>>();

  constructor() {
    super(EMPTY);
  }

  /** Connect to a broker, instead of the one before; nothing happens when it is the same. */
  start(access: BrokerAccess): void {
    const { brokerUrl, username, password, clientId: wantedId } = access;
    const key = JSON.stringify([brokerUrl, username, password, wantedId]);
    if (this.link && key === this.access) return;
    this.stop();
    this.access = key;
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
    loadSdk().catch(() => undefined); // It is missed when a session is opened.
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
    void session?.close();
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
    this.update({ sessionState: target ? "offline" : "none", sessionError: null, firstStatus: null, tools: [], malformedTools: [] });
    this.reconcile();
  }

  /** Open a session with another robot that is online; `onClosed` as for {@link SideSessions.start}. */
  async openSideSession(server: ServerAddress, onClosed: () => void): Promise<Client> {
    const sdk = await loadSdk();
    await this.steps; // a session with this robot may be ending
    const { link, target, session } = this;
    const key = keyOf(server);
    // Two sessions with one robot would be one to it.
    if (!link?.connected || !this.online.has(server) || key === session?.key || (target && key === keyOf(target))) {
      throw new Error("There can be no further session with this robot.");
    }
    return this.sides.start(sdk, link, server, onClosed);
  }

  async callTool(name: string, args: Record<string, unknown> = {}, options: CallOptions = {}): Promise<CallToolResult> {
    return this.open().callTool(name, args, options);
  }

  readResource(uri: string): Promise<ReadResourceResult> {
    return this.open().readResource(uri);
  }

  /**
   * Call `changed` at each new session, and whenever the robot says that the resource has changed.
   * Returns a function that ends it.
   */
  watchResource(uri: string, changed: () => void): () => void {
    const watchers = this.watchers.get(uri) ?? new Set();
    this.watchers.set(uri, watchers.add(changed));
    if (this.getSnapshot().sessionState === "open" && this.session) {
      if (watchers.size === 1) this.session.subscribe(uri);
      changed();
    }
    return () => {
      watchers.delete(changed);
      if (watchers.size > 0 || this.watchers.get(uri) !== watchers) return;
      this.watchers.delete(uri);
      if (this.session && !this.session.over) this.session.unsubscribe(uri);
    };
  }

  private open(): RobotSession {
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
    this.session?.lost();
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
    if (this.session?.receive(topic, payload) || this.sides.receive(topic, payload)) return;
    const server = parsePresenceTopic(topic);
    if (!server) return;
    const key = keyOf(server);
    const isTarget = this.target !== null && key === keyOf(this.target);
    const description = payload.length ? parseAnnouncement(new TextDecoder().decode(payload)) : null;
    if (description === null) {
      this.online.delete(server);
      if (this.session?.key === key) this.session.lost();
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
      await current.close();
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
    let session: RobotSession | null = null;
    // Whoever changes it has asked for a further step.
    const isWanted = () => this.target === target && this.link === link && link.connected && this.online.has(target);
    this.update({ sessionState: "opening", firstStatus: null });
    try {
      const { RobotSession } = await loadSdk();
      if (!isWanted()) return;
      session = new RobotSession(link, target, {
        onClosed: () => this.session === session && this.reconcile(),
        onTools: ({ tools, malformed }) => this.session === session && this.update({ tools, malformedTools: malformed }),
        onStatus: (firstStatus) => this.session === session && this.update({ firstStatus }),
        onUpdated: (uri) => this.watchers.get(uri)?.forEach((changed) => changed()),
        onElicit: this.onElicit && ((params, signal) => this.onElicit?.(params, signal) ?? Promise.resolve({ action: "cancel" })),
      });
      this.session = session;
      const { tools, malformed } = await session.open();
      if (this.session !== session || session.over) return;
      this.delay = RETRY_MS;
      this.update({ sessionState: "open", sessionError: null, tools, malformedTools: malformed });
      for (const [uri, watchers] of this.watchers) {
        session.subscribe(uri);
        for (const changed of watchers) changed();
      }
    } catch (error) {
      if (this.session !== session) return;
      this.session = null;
      await session?.close();
      if (!isWanted()) return;
      this.update({ sessionState: "failed", sessionError: error instanceof Error ? error : new Error(String(error)) });
      this.retry = setTimeout(() => this.reconcile(), this.delay);
      this.delay = Math.min(2 * this.delay, RETRY_MAXIMUM_MS);
    }
  }
}
