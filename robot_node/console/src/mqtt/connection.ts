/** One MQTT 5 connection over a WebSocket, from CONNECT to its end. That it comes back is the link's work. */

import {
  connect,
  DISCONNECT_NORMALLY,
  PacketReader,
  PINGREQ,
  puback,
  publish,
  subscribe,
  unsubscribe,
  type ConnectPacket,
  type Properties,
  type PublishPacket,
  type Received,
  type Subscription,
  type UserProperties,
} from "./packets";

export interface ConnectionOptions extends ConnectPacket {
  url: string;
  /** Limit until the broker has accepted the connection, in milliseconds. */
  timeoutMs: number;
}

/** Why the broker ended or refused the connection, in its words. */
export interface BrokerReason {
  packet: "connack" | "disconnect";
  code: number;
  text: string;
}

export interface ConnectionEvents {
  /** The broker has accepted the connection. */
  onConnected: (properties: UserProperties) => void;
  onMessage: (topic: string, payload: Uint8Array, retained: boolean) => void;
  /** The connection is gone, and was not ended by {@link MqttConnection.end}; called once. `reason` when the broker gave one. */
  onLost: (reason: BrokerReason | null) => void;
}

/** As many packets wait for their acknowledgement, at most, where the broker does not permit fewer (3.2.2.3.3). */
const PENDING_LIMIT = 1000;

/** The broker closes the connection after a DISCONNECT (3.14.4). mosquitto 2.0 loses what comes together with our closing. */
const CLOSE_MS = 200;

interface Pending {
  resolve: (codes: number[]) => void;
  reject: (error: Error) => void;
}

export class MqttConnection {
  private readonly socket: WebSocket;
  private readonly reader = new PacketReader();
  private readonly pending = new Map<number, Pending>();
  private connectTimer: ReturnType<typeof setTimeout> | undefined;
  private keepaliveTimer: ReturnType<typeof setInterval> | undefined;
  /** Nothing has come since the last PINGREQ. */
  private isSilent = false;
  private accepted = false;
  private over = false;
  private reason: BrokerReason | null = null;
  /** What the broker permits. */
  private maximumQos = 2;
  private pendingLimit = PENDING_LIMIT;
  private sizeLimit = Infinity;
  private lastId = 0;

  /** @throws {Error} The browser does not accept the URL. */
  constructor(
    private readonly options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {
    this.socket = new WebSocket(options.url, ["mqtt"]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send(connect(options));
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = () => this.finish();
    this.connectTimer = setTimeout(() => this.finish(), options.timeoutMs);
  }

  /** Resolves to the broker's answer to each subscription: below 0x80 it is granted (3.9.3). */
  subscribe(subscriptions: Subscription[]): Promise<number[]> {
    return this.acknowledged((id) => subscribe(id, subscriptions));
  }

  async unsubscribe(topics: string[]): Promise<void> {
    await this.acknowledged((id) => unsubscribe(id, topics));
  }

  /** With QoS 1 it resolves when the broker has the message. A reason code of 0x80 or more rejects it. */
  async publish(message: Omit<PublishPacket, "id">, qos: 0 | 1): Promise<void> {
    if (qos === 0 || this.maximumQos === 0) {
      this.send(publish(message));
      return;
    }
    const [code = 0] = await this.acknowledged((id) => publish({ ...message, id }));
    if (code >= 0x80) throw new Error(`The broker refuses the message (reason ${code}).`);
  }

  /** End it. The broker does not publish the will. */
  end(): void {
    if (this.over) return;
    if (this.accepted) this.send(DISCONNECT_NORMALLY);
    this.close();
  }

  private take(data: unknown): void {
    if (this.over) return;
    try {
      // MQTT is in binary frames only (6.0).
      for (const packet of this.reader.read(new Uint8Array(data as ArrayBuffer))) this.receive(packet);
    } catch {
      this.finish();
    }
  }

  private receive(packet: Received): void {
    this.isSilent = false;
    if (this.over) return;
    switch (packet.type) {
      case "connack":
        this.answered(packet.code, packet.properties);
        break;
      case "publish":
        if (packet.qos === 1) this.send(puback(packet.id));
        this.events.onMessage(packet.topic, packet.payload, packet.retained);
        break;
      case "puback":
      case "suback":
      case "unsuback":
        this.pending.get(packet.id)?.resolve(packet.codes);
        this.pending.delete(packet.id);
        break;
      case "disconnect":
        this.reason = { packet: "disconnect", code: packet.code, text: packet.properties.reason ?? `reason ${packet.code}` };
        this.finish();
        break;
      case "other":
        break;
    }
  }

  private answered(code: number, permitted: Properties): void {
    if (code !== 0) {
      this.reason = { packet: "connack", code, text: permitted.reason ?? `The broker refuses the connection (reason ${code}).` };
      this.finish();
      return;
    }
    clearTimeout(this.connectTimer);
    this.accepted = true;
    this.maximumQos = permitted.maximumQos ?? 2;
    this.pendingLimit = Math.min(permitted.receiveMaximum ?? PENDING_LIMIT, PENDING_LIMIT);
    this.sizeLimit = permitted.maximumPacketSize ?? Infinity;
    const seconds = permitted.keepaliveS ?? this.options.keepaliveS; // 3.2.2.3.14: the broker's wins
    if (seconds > 0) this.keepaliveTimer = setInterval(() => this.ping(), seconds * 1000);
    this.events.onConnected(permitted.user);
  }

  private ping(): void {
    if (this.isSilent) {
      this.finish();
      return;
    }
    this.isSilent = true;
    this.send(PINGREQ);
  }

  private acknowledged(packet: (id: number) => Uint8Array): Promise<number[]> {
    return new Promise((resolve, reject) => {
      if (this.pending.size >= this.pendingLimit) throw new Error("The broker has not acknowledged what was sent before.");
      do this.lastId = (this.lastId % 0xffff) + 1;
      while (this.pending.has(this.lastId));
      const bytes = packet(this.lastId);
      this.send(bytes);
      this.pending.set(this.lastId, { resolve, reject });
    });
  }

  private send(bytes: Uint8Array): void {
    if (bytes.length > this.sizeLimit) throw new Error(`The broker takes messages of at most ${this.sizeLimit} bytes.`);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes );
  }

  private finish(): void {
    if (this.over) return;
    this.close();
    this.events.onLost(this.reason);
  }

  private close(): void {
    this.over = true;
    clearTimeout(this.connectTimer);
    clearInterval(this.keepaliveTimer);
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (this.accepted) setTimeout(() => socket.close(), CLOSE_MS);
    else socket.close();
    for (const { reject } of this.pending.values()) reject(new Error("The connection to the broker is gone."));
    this.pending.clear();
  }
}
