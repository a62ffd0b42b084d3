/** One MQTT 5 connection over WebSocket that comes back by itself. It knows no topic. */

import { MqttConnection, type BrokerReason, type ConnectionEvents } from "./connection";
import type { Subscription, UserProperties, Will } from "./packets";

export type { Subscription, UserProperties } from "./packets";

export interface LinkOptions {
  /** `ws://host:port/path` or `wss://...`; or several, separated by commas: the next one is tried when one fails. */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  clientId: string;
  will?: Will;
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

/** Why there is no connection. */
export type LinkProblem = "address" | "unreachable" | "credentials" | "refused" | "taken" | "lost" | "timeout";

export class LinkError extends Error {
  constructor(
    readonly problem: LinkProblem,
    message: string,
  ) {
    super(message);
    this.name = "LinkError";
  }
}

export type LinkState = "connecting" | "connected" | "waiting" | "closed";

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

// MQTT 5.0, 3.14.2.1: another client has connected with this client id.
const SESSION_TAKEN_OVER = 0x8e;

/** A connection that lived as long was a good one: the delays begin anew. Two clients with one id never get there. */
const STABLE_MS = 10_000;

const KEEPALIVE_S = 30;

// MQTT 5.0, 3.2.2.2: bad user name or password, not authorized; and the same of MQTT 3.1.1.
const CREDENTIALS = new Set([0x86, 0x87, 4, 5]);

export class Link {
  private connection: MqttConnection | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private delay: number;
  private closed = false;
  private readonly urls: string[];
  /** Which one of them is used now. */
  private place = 0;
  /** Connections in a row that ended soon. */
  private shortLived = 0;
  private status: LinkStatus = { state: "connecting", error: null };

  constructor(
    private readonly options: LinkOptions,
    private readonly events: LinkEvents,
  ) {
    this.delay = options.reconnectInitialMs ?? 1000;
    this.urls = options.url.split(/,(?=\s*wss?:\/\/)/).map((url) => url.trim());
  }

  private get url(): string {
    return this.urls[this.place % this.urls.length] ?? "";
  }

  /** Connect, and again whenever the connection is lost, until {@link close}. */
  start(): void {
    globalThis.addEventListener?.("online", this.retryNow);
    this.open();
  }

  get clientId(): string {
    return this.options.clientId;
  }

  get connected(): boolean {
    return this.status.state === "connected";
  }

  /** Don't wait any longer for the next attempt. */
  readonly retryNow = (): void => {
    if (this.status.state !== "waiting") return;
    clearTimeout(this.retry);
    this.open();
  };

  async subscribe(...subscriptions: Subscription[]): Promise<void> {
    const codes = await this.limited(this.live().subscribe(subscriptions));
    const refused = subscriptions.find((_, place) => (codes[place] ?? 0) >= 0x80);
    if (refused) throw new LinkError("refused", `The broker refuses the subscription of ${refused.topic}.`);
  }

  async unsubscribe(...topics: string[]): Promise<void> {
    await this.limited(this.live().unsubscribe(topics));
  }

  async publish(topic: string, payload: string, { qos = 0 }: { qos?: 0 | 1 } = {}): Promise<void> {
    await this.limited(this.live().publish({ topic, payload, userProperties: this.options.publishProperties }, qos));
  }

  /** End for good, with a DISCONNECT: the broker does not publish the will. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.retry);
    globalThis.removeEventListener?.("online", this.retryNow);
    this.connection?.end();
    this.connection = null;
    this.tell({ state: "closed", error: null });
  }

  private open(): void {
    this.tell({ state: "connecting", error: this.status.error });
    let connectedAt: number | null = null;
    const events: ConnectionEvents = {
      onConnected: (properties) => {
        connectedAt = performance.now();
        this.tell({ state: "connected", error: null });
        this.events.onConnected?.(properties);
      },
      onMessage: (topic, payload, retained) => this.events.onMessage?.(topic, payload, retained),
      onLost: (reason) => {
        this.connection = null;
        if (connectedAt !== null) this.judge(performance.now() - connectedAt);
        const where = this.url;
        this.wait(
          reason ? this.inWords(reason) : connectedAt === null ? new LinkError("unreachable", `No broker answers at ${where}.`) : this.lost(),
        );
      },
    };
    try {
      this.connection = this.connect(events);
    } catch (error) {
      this.wait(new LinkError("address", error instanceof Error ? error.message : String(error)));
    }
  }

  /** Whether a connection was a good one, by how long it lived. Over WebSocket mosquitto 2.0 does not say why it ended. */
  private judge(livedMs: number): void {
    if (livedMs < STABLE_MS) {
      this.shortLived += 1;
    } else {
      this.shortLived = 0;
      this.delay = this.options.reconnectInitialMs ?? 1000;
    }
  }

  private inWords({ packet, code, text }: BrokerReason): LinkError {
    if (packet === "connack") return new LinkError(CREDENTIALS.has(code) ? "credentials" : "refused", text);
    if (code === SESSION_TAKEN_OVER) return this.takenOver();
    return new LinkError("lost", `The broker ended the connection (${text}).`);
  }

  private lost(): LinkError {
    if (this.shortLived > 1) return this.takenOver();
    return new LinkError("lost", `The connection to ${this.url} was lost.`);
  }

  private takenOver(): LinkError {
    return new LinkError("taken", `Perhaps another window uses the client id ${this.options.clientId}.`);
  }

  private connect(events: ConnectionEvents): MqttConnection {
    const { clientId, will, connectProperties, publishProperties, connectTimeoutMs = 4000 } = this.options;
    const url = new URL(this.url);
    if (url.protocol !== "ws:" && url.protocol !== "wss:") throw new Error(`${this.url} does not begin with ws:// or wss://.`);
    const username = this.options.username || decodeURIComponent(url.username);
    const password = this.options.password || decodeURIComponent(url.password);
    url.username = url.password = url.hash = "";
    return new MqttConnection(
      {
        url: url.href,
        timeoutMs: connectTimeoutMs,
        clientId,
        keepaliveS: KEEPALIVE_S,
        username: username || undefined,
        password: (username && password) || undefined,
        userProperties: connectProperties,
        will,
        willUserProperties: publishProperties,
      },
      events,
    );
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

  private live(): MqttConnection {
    if (!this.connection || !this.connected) throw new LinkError("lost", "There is no connection to the broker.");
    return this.connection;
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
