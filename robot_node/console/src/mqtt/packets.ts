/** The packets of MQTT 5.0 that a client of QoS 0 and 1 sends and receives, as bytes. Sections are those of the specification. Pure. */

export type UserProperties = Record<string, string | string[]>;

export interface Will {
  topic: string;
  payload: string;
}

export interface Subscription {
  topic: string;
  qos?: 0 | 1;
  noLocal?: boolean;
}

export interface ConnectPacket {
  clientId: string;
  keepaliveS: number;
  username?: string | undefined;
  password?: string | undefined;
  userProperties?: UserProperties | undefined;
  /** Published with QoS 1, not retained. */
  will?: Will | undefined;
  willUserProperties?: UserProperties | undefined;
}

export interface PublishPacket {
  topic: string;
  payload: string;
  /** Of QoS 1; without it QoS 0. */
  id?: number | undefined;
  userProperties?: UserProperties | undefined;
}

/** What a broker sends. Packets of other types than these are `other`. */
export type Received =
  | { type: "connack"; code: number; properties: Properties }
  | { type: "publish"; topic: string; payload: Uint8Array; qos: number; id: number; retained: boolean }
  | { type: "puback" | "suback" | "unsuback"; id: number; codes: number[] }
  | { type: "disconnect"; code: number; properties: Properties }
  | { type: "other" };

/** The properties that are read, of any packet. */
export interface Properties {
  reason?: string;
  keepaliveS?: number;
  maximumQos?: number;
  receiveMaximum?: number;
  maximumPacketSize?: number;
  user: UserProperties;
}

export class MalformedPacket extends Error {}

// 2.1.2
const CONNECT = 1;
const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBSCRIBE = 8;
const SUBACK = 9;
const UNSUBSCRIBE = 10;
const UNSUBACK = 11;
const DISCONNECT = 14;

// 2.2.2.2: how the value of each property is written.
const BYTE = [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a];
const TWO_BYTES = [0x13, 0x21, 0x22, 0x23];
const FOUR_BYTES = [0x02, 0x11, 0x18, 0x27];
const TEXT = [0x03, 0x08, 0x12, 0x15, 0x1a, 0x1c, 0x1f];
const BINARY = [0x09, 0x16];
const SUBSCRIPTION_ID = 0x0b;
const SERVER_KEEP_ALIVE = 0x13;
const REASON_STRING = 0x1f;
const RECEIVE_MAXIMUM = 0x21;
const MAXIMUM_QOS = 0x24;
const USER_PROPERTY = 0x26;
const MAXIMUM_PACKET_SIZE = 0x27;

const TEXT_LIMIT = 65_535;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const PINGREQ = Uint8Array.of(0xc0, 0);
/** Normal: the broker does not publish the will (3.14.2.1). */
export const DISCONNECT_NORMALLY = Uint8Array.of(0xe0, 0);

/** A clean start, and no session afterwards. */
export function connect({ clientId, keepaliveS, username, password, userProperties, will, willUserProperties }: ConnectPacket): Uint8Array {
  const flags = 0x02 | (will ? 0x0c : 0) | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  return packet(CONNECT, 0, [
    ...text("MQTT"),
    Uint8Array.of(5, flags),
    twoBytes(keepaliveS),
    ...properties(userProperties),
    ...text(clientId),
    ...(will ? [...properties(willUserProperties), ...text(will.topic), ...text(will.payload)] : []),
    ...(username === undefined ? [] : text(username)),
    ...(password === undefined ? [] : text(password)),
  ]);
}

export function publish({ topic, payload, id, userProperties }: PublishPacket): Uint8Array {
  return packet(PUBLISH, id === undefined ? 0 : 0x02, [
    ...text(topic),
    ...(id === undefined ? [] : [twoBytes(id)]),
    ...properties(userProperties),
    encoder.encode(payload),
  ]);
}

export const puback = (id: number): Uint8Array => packet(PUBACK, 0, [twoBytes(id)]);

export function subscribe(id: number, subscriptions: Subscription[]): Uint8Array {
  const filters = subscriptions.flatMap(({ topic, qos = 0, noLocal = false }) => [...text(topic), Uint8Array.of(qos | (noLocal ? 0x04 : 0))]);
  return packet(SUBSCRIBE, 0x02, [twoBytes(id), ...properties(), ...filters]);
}

export const unsubscribe = (id: number, topics: string[]): Uint8Array =>
  packet(UNSUBSCRIBE, 0x02, [twoBytes(id), ...properties(), ...topics.flatMap(text)]);

function packet(type: number, flags: number, parts: Uint8Array[]): Uint8Array {
  const length = size(parts);
  return joined([Uint8Array.of((type << 4) | flags, ...variableInteger(length)), ...parts]);
}

/** 1.5.5 */
function variableInteger(value: number): number[] {
  if (value > 268_435_455) throw new Error("A message of more than 256 MB cannot be sent.");
  const bytes: number[] = [];
  do {
    bytes.push((value % 128) | (value > 127 ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return bytes;
}

const twoBytes = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

/** 1.5.4: its length, then UTF-8. */
function text(value: string): Uint8Array[] {
  const bytes = encoder.encode(value);
  if (bytes.length > TEXT_LIMIT) throw new Error(`A text of ${bytes.length} bytes is too long for MQTT.`);
  return [twoBytes(bytes.length), bytes];
}

function properties(user: UserProperties = {}): Uint8Array[] {
  const parts = Object.entries(user).flatMap(([name, values]) =>
    [values].flat().flatMap((value) => [Uint8Array.of(USER_PROPERTY), ...text(name), ...text(value)]),
  );
  return [Uint8Array.from(variableInteger(size(parts))), ...parts];
}

const size = (parts: Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(size(parts));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Cuts what arrives into packets, wherever the pieces end. */
export class PacketReader {
  private pieces: Uint8Array[] = [];
  private length = 0;
  /** As many bytes must be there for the next packet, or for its header. */
  private needed = 2;

  /** @throws {MalformedPacket} What arrives is not MQTT. */
  *read(piece: Uint8Array): Generator<Received> {
    this.pieces.push(piece);
    this.length += piece.length;
    while (this.length >= this.needed) {
      const bytes = this.pieces.length === 1 && this.pieces[0] ? this.pieces[0] : joined(this.pieces);
      this.pieces = [bytes];
      const header = fixedHeader(bytes);
      const end = header ? header.start + header.length : this.length + 1;
      if (!header || end > bytes.length) {
        this.needed = end;
        return;
      }
      this.pieces = [bytes.subarray(end)];
      this.length -= end;
      this.needed = 2;
      yield decode(bytes[0] ?? 0, bytes.subarray(header.start, end));
    }
  }
}

/** Where the packet's content starts, and its length; null while the header is not complete. */
function fixedHeader(bytes: Uint8Array): { start: number; length: number } | null {
  let length = 0;
  for (let place = 1; place < bytes.length; place += 1) {
    const byte = bytes[place] ?? 0;
    length += (byte & 0x7f) * 128 ** (place - 1);
    if (byte < 0x80) return { start: place + 1, length };
    if (place === 4) throw new MalformedPacket("The length of a packet has more than four bytes.");
  }
  return null;
}

function decode(first: number, content: Uint8Array): Received {
  const fields = new Fields(content);
  switch (first >> 4) {
    case CONNACK:
      fields.byte();
      return { type: "connack", code: fields.byte(), properties: fields.properties() };
    case PUBLISH: {
      const qos = (first >> 1) & 0x03;
      const topic = fields.text();
      const id = qos ? fields.twoBytes() : 0;
      fields.properties();
      return { type: "publish", topic, payload: fields.rest(), qos, id, retained: (first & 0x01) === 1 };
    }
    case PUBACK: // 3.4.2.1: without a reason code it is success
      return { type: "puback", id: fields.twoBytes(), codes: fields.atEnd ? [0] : [fields.byte()] };
    case SUBACK:
    case UNSUBACK: {
      const id = fields.twoBytes();
      fields.properties();
      return { type: first >> 4 === SUBACK ? "suback" : "unsuback", id, codes: [...fields.rest()] };
    }
    case DISCONNECT:
      return { type: "disconnect", code: fields.atEnd ? 0 : fields.byte(), properties: fields.properties() };
    default:
      return { type: "other" };
  }
}

class Fields {
  private place = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get atEnd(): boolean {
    return this.place === this.bytes.length;
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  twoBytes(): number {
    return this.byte() * 256 + this.byte();
  }

  text(): string {
    return decoder.decode(this.take(this.twoBytes()));
  }

  rest(): Uint8Array {
    return this.take(this.bytes.length - this.place);
  }

  /** None where the packet ends: CONNACK of a broker of MQTT 3.1.1, DISCONNECT with a reason code alone (3.14.2.2.1). */
  properties(): Properties {
    const found: Properties = { user: {} };
    if (this.atEnd) return found;
    const fields = new Fields(this.take(this.variableInteger()));
    while (!fields.atEnd) fields.property(found);
    return found;
  }

  private property(found: Properties): void {
    const id = this.byte();
    if (id === USER_PROPERTY) {
      const name = this.text();
      const value = this.text();
      const before = Object.hasOwn(found.user, name) ? found.user[name] : undefined;
      // Not an assignment: a broker may send "__proto__".
      Object.defineProperty(found.user, name, {
        value: before === undefined ? value : [before, value].flat(),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    } else if (BYTE.includes(id)) {
      const value = this.byte();
      if (id === MAXIMUM_QOS) found.maximumQos = value;
    } else if (TWO_BYTES.includes(id)) {
      const value = this.twoBytes();
      if (id === SERVER_KEEP_ALIVE) found.keepaliveS = value;
      if (id === RECEIVE_MAXIMUM) found.receiveMaximum = value;
    } else if (FOUR_BYTES.includes(id)) {
      const value = this.twoBytes() * 65_536 + this.twoBytes();
      if (id === MAXIMUM_PACKET_SIZE) found.maximumPacketSize = value;
    } else if (TEXT.includes(id)) {
      const value = this.text();
      if (id === REASON_STRING) found.reason = value;
    } else if (BINARY.includes(id)) {
      this.take(this.twoBytes());
    } else if (id === SUBSCRIPTION_ID) {
      this.variableInteger();
    } else {
      throw new MalformedPacket(`There is no property ${id}.`);
    }
  }

  private variableInteger(): number {
    let value = 0;
    for (let place = 0; place < 4; place += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * 128 ** place;
      if (byte < 0x80) return value;
    }
    throw new MalformedPacket("A variable byte integer has more than four bytes.");
  }

  private take(count: number): Uint8Array {
    if (this.place + count > this.bytes.length) throw new MalformedPacket("A packet ends too soon.");
    this.place += count;
    return this.bytes.subarray(this.place - count, this.place);
  }
}
