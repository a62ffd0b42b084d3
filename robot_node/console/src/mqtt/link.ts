/** One MQTT 5 connection over WebSocket that comes back by itself. It knows no topic. */

import type { IConnackPacket } from "mqtt";

import { CLAIMED, nextClaim, type Claim, type ClaimEvent } from "./claim";
import { connect, type MqttClient } from "./client";
import { OtherWindows } from "./otherWindows";

export type UserProperties = Record<string, string | string[]>;

export interface LinkOptions {
  /** `ws://host:port/path` or `wss://...`; or several, separated by commas: the next one is tried when one fails. */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  clientId: string;
  /** A person chose the client id: other windows may use it too, and then only the last one stays connected. */
  isShared?: boolean;
  will?: { topic: string; payload: string };
  /** User properties of CONNECT. */
  connectProperties?: UserProperties;
  /** User properties of the will and of every PUBLISH. */
  publishProperties?: UserProperties;
  /** Limit for connecting, in milliseconds. */
  connectTimeoutMs?: number;
  /** Limit for subscribing and acknowledged publishing, each, in milliseconds. */
  stepTimeoutMs?: number;
  /** First delay before another attempt; doubles each time. */
  reconnectInitialMs?: number;
  reconnectMaximumMs?: number;
}

/** Why there is no connection. `taken`: another client uses the client id; `contested`: it seems so. */
export type LinkProblem = "address" | "unreachable" | "credentials" | "refused" | "taken" | "contested" | "lost" | "timeout";

export class LinkError extends Error {
  constructor(
    readonly problem: LinkProblem,
    message: string,
  ) {
    super(message);
    this.name = "LinkError";
  }
}

/** `taken`: it has stopped until {@link Link.retryNow}, as another client uses its client id. */
export type LinkState = "connecting" | "connected" | "waiting" | "taken" | "closed";

export interface LinkStatus {
  state: LinkState;
  /** Why the last attempt or connection ended; null while connected. */
  error: LinkError | null;
}

export interface LinkEvents {
  onStatus?: (status: LinkStatus) => void;
  /** Called each time that the connection is up, before anything else is received. */
  onConnected?: (connackProperties: UserProperties) => void;
  /** `retained`: the broker kept the message, which was sent before this connection subscribed. */
  onMessage?: (topic: string, payload: Uint8Array, retained: boolean) => void;
}

export interface Subscription {
  topic: string;
  qos?: 0 | 1;
  noLocal?: boolean;
}

// MQTT 5.0, 3.14.2.1: another client has connected with this client id.
const SESSION_TAKEN_OVER = 0x8e;

/** A connection that lived as long was a good one: the delays begin anew. */
const STABLE_MS = 10_000;

// MQTT 5.0, 3.2.2.2: bad user name or password, not authorized; and the same of MQTT 3.1.1.
const CREDENTIALS = new Set([0x86, 0x87, 4, 5]);

export class Link {
  private client: MqttClient | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private delay: number;
  private closed = false;
  private readonly urls: string[];
  /** Which one of them is used now. */
  private place = 0;
  private claim: Claim = CLAIMED;
  private readonly others: OtherWindows | null;
  private status: LinkStatus = { state: "connecting", error: null };

  constructor(
    private readonly options: LinkOptions,
    private readonly events: LinkEvents,
  ) {
    this.delay = options.reconnectInitialMs ?? 1000;
    this.urls = options.url.split(/,(?=\s*wss?:\/\/)/).map((url) => url.trim());
    const broker = options.url.replace(/\/\/[^/@]*@/g, "//"); // without a password
    this.others = options.isShared ? new OtherWindows(`${options.clientId} ${broker}`, () => this.giveWay()) : null;
  }

  private get url(): string {
    return this.urls[this.place % this.urls.length] ?? "";
  }

  /** Connect, and again whenever the connection is lost, until {@link close}. */
  start(): void {
    globalThis.addEventListener?.("online", this.goOn);
    this.others?.claim();
    this.open();
  }

  get clientId(): string {
    return this.options.clientId;
  }

  get connected(): boolean {
    return this.status.state === "connected";
  }

  /** A person does not want to wait any longer for the next attempt, or wants to use the client id here. */
  retryNow(): void {
    if (this.status.state !== "waiting" && this.status.state !== "taken") return;
    this.claim = nextClaim(this.claim, "wanted");
    this.others?.claim();
    this.reopen();
  }

  private readonly goOn = (): void => {
    if (this.status.state === "waiting") this.reopen();
  };

  private reopen(): void {
    clearTimeout(this.retry);
    this.open();
  }

  async subscribe(...subscriptions: Subscription[]): Promise<void> {
    const client = this.live();
    const wanted = Object.fromEntries(
      subscriptions.map(({ topic, qos = 0, noLocal = false }) => [topic, { qos, nl: noLocal }]),
    );
    await this.limited(
      new Promise<void>((resolve, reject) => {
        client.subscribe(wanted, (error, granted) => {
          const refused = granted?.find(({ qos }) => qos >= 0x80);
          if (error || refused) reject(new LinkError("refused", `The broker refuses the subscription${refused ? ` of ${refused.topic}` : ""}.`));
          else resolve();
        });
      }),
    );
  }

  async unsubscribe(...topics: string[]): Promise<void> {
    const client = this.live();
    await this.limited(new Promise<void>((resolve) => client.unsubscribe(topics, () => resolve())));
  }

  async publish(topic: string, payload: string, { qos = 0, also = {} }: { qos?: 0 | 1; also?: UserProperties } = {}): Promise<void> {
    const client = this.live();
    const userProperties = { ...this.options.publishProperties, ...also };
    const properties = Object.keys(userProperties).length > 0 ? { userProperties } : {};
    await this.limited(
      new Promise<void>((resolve, reject) => {
        client.publish(topic, payload, { qos, properties }, (error) => {
          if (error) reject(new LinkError("lost", error.message));
          else resolve();
        });
      }),
    );
  }

  /** End for good, with a DISCONNECT: the broker does not publish the will. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.retry);
    globalThis.removeEventListener?.("online", this.goOn);
    this.others?.close();
    const client = this.client;
    this.client = null;
    if (client) {
      const connected = client.connected;
      client.removeAllListeners("message");
      client.end(!connected);
    }
    this.tell({ state: "closed", error: null });
  }

  private open(): void {
    this.tell({ state: "connecting", error: this.status.error });
    let problem: LinkError | null = null;
    let connectedAt: number | null = null;
    let client: MqttClient;
    try {
      client = this.connect();
    } catch (error) {
      this.wait(new LinkError("address", error instanceof Error ? error.message : String(error)));
      return;
    }
    this.client = client;
    client.on("connect", (packet: IConnackPacket) => {
      if (this.client !== client) return;
      connectedAt = performance.now();
      this.tell({ state: "connected", error: null });
      this.events.onConnected?.((packet.properties?.userProperties as UserProperties | undefined) ?? {});
    });
    client.on("message", (topic, payload, { retain }) => {
      if (this.client === client) this.events.onMessage?.(topic, payload, retain);
    });
    client.on("error", (error) => {
      const code = "code" in error && typeof error.code === "number" ? error.code : 0;
      if (CREDENTIALS.has(code)) problem = new LinkError("credentials", error.message);
      else if (code > 0) problem = new LinkError("refused", error.message);
      if (problem) client.end(true);
    });
    client.on("disconnect", (packet) => {
      const reason = packet.properties?.reasonString ?? `reason ${packet.reasonCode ?? 0}`;
      problem =
        packet.reasonCode === SESSION_TAKEN_OVER
          ? this.takenOver("taken")
          : new LinkError("lost", `The broker ended the connection (${reason}).`);
    });
    client.on("close", () => {
      if (this.client !== client) return;
      this.client = null;
      client.end(true);
      if (problem?.problem === "taken") return this.end("told", problem);
      if (connectedAt === null) return this.end("unreachable", problem ?? new LinkError("unreachable", `No broker answers at ${this.url}.`));
      const isStable = performance.now() - connectedAt >= STABLE_MS;
      if (isStable) this.delay = this.options.reconnectInitialMs ?? 1000;
      this.end(isStable ? "lived" : "ended-soon", problem ?? new LinkError("lost", `The connection to ${this.url} was lost.`));
    });
  }

  /** After a connection, or an attempt: try again, or stop when another client uses the client id. */
  private end(event: ClaimEvent, error: LinkError): void {
    // A random client id is nobody else's.
    if (event === "told" || this.options.isShared) this.claim = nextClaim(this.claim, event);
    if (this.claim.state !== "taken") this.wait(error);
    // Over WebSocket mosquitto 2.0 does not say why it ends a connection.
    else this.tell({ state: "taken", error: event === "told" ? error : this.takenOver("contested") });
  }

  private giveWay(): void {
    if (this.closed || this.status.state === "taken") return;
    clearTimeout(this.retry);
    const { client, connected } = this;
    this.client = null;
    client?.end(!connected);
    this.end("told", this.takenOver("taken"));
  }

  private takenOver(problem: "taken" | "contested"): LinkError {
    return new LinkError(problem, `Another window uses the client id ${this.options.clientId}.`);
  }

  private connect(): MqttClient {
    const { username, password, clientId, will, connectProperties, publishProperties } = this.options;
    return connect(new URL(this.url), {
      protocolVersion: 5,
      clientId,
      ...(username ? { username } : {}),
      ...(username && password ? { password } : {}),
      clean: true,
      keepalive: 30,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      connectTimeout: this.options.connectTimeoutMs ?? 4000,
      // Its other timers come from a worker made of a blob, which the Content-Security-Policy forbids: vite.config.ts leaves them out.
      timerVariant: "native",
      properties: {
        sessionExpiryInterval: 0,
        ...(connectProperties ? { userProperties: connectProperties } : {}),
      },
      ...(will
        ? {
            will: {
              topic: will.topic,
              payload: will.payload as unknown as Buffer,
              qos: 1 as const,
              retain: false,
              ...(publishProperties ? { properties: { userProperties: publishProperties } } : {}),
            },
          }
        : {}),
    });
  }

  private wait(error: LinkError): void {
    if (this.closed) return;
    this.place += 1;
    this.retry = setTimeout(() => this.open(), this.delay);
    // A round of all brokers, then longer.
    if (this.place % this.urls.length === 0) this.delay = Math.min(this.delay * 2, this.options.reconnectMaximumMs ?? 15_000);
    this.tell({ state: "waiting", error });
  }

  private tell(status: LinkStatus): void {
    if (this.closed && status.state !== "closed") return;
    this.status = status;
    this.events.onStatus?.(status);
  }

  private live(): MqttClient {
    if (!this.client || !this.connected) throw new LinkError("lost", "There is no connection to the broker.");
    return this.client;
  }

  private limited<T>(work: Promise<T>): Promise<T> {
    const limit = this.options.stepTimeoutMs ?? 5000;
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new LinkError("timeout", `The broker did not answer within ${limit / 1000} s.`)), limit);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  }
}

/** `prefix` and random characters: a client id of its own for each page and mount. */
export function randomId(prefix: string): string {
  // Not crypto.randomUUID: browsers offer that to https and localhost only.
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
