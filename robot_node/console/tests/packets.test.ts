/** Our packets, read and written by another implementation: MQTT.js' mqtt-packet. */
import fc from "fast-check";
import mqttPacket, { type Packet } from "mqtt-packet";
import { expect, test } from "vitest";

import { connect, DISCONNECT_NORMALLY, MalformedPacket, PacketReader, PINGREQ, puback, publish, subscribe, unsubscribe, type Received } from "../src/mqtt/packets";

function understood(bytes: Uint8Array): Packet {
  const found: Packet[] = [];
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  parser.on("packet", (packet) => found.push(packet));
  parser.on("error", (error: Error) => {
    throw error;
  });
  expect(parser.parse(Buffer.from(bytes))).toBe(0);
  expect(found).toHaveLength(1);
  return found[0] as Packet;
}

const sent = (packet: Packet): Uint8Array => mqttPacket.generate(packet, { protocolVersion: 5 });

const plain = (packet: Received | undefined) => (packet && "payload" in packet ? { ...packet, payload: new TextDecoder().decode(packet.payload) } : packet);

test("another implementation understands what we send", () => {
  const userProperties = { "MCP-COMPONENT-TYPE": "mcp-client", several: ["a", "b"] };
  expect(
    understood(
      connect({
        clientId: "c",
        keepaliveS: 300,
        username: "anna",
        password: "Grüße",
        userProperties,
        will: { topic: "gone", payload: "{}" },
        willUserProperties: userProperties,
      }),
    ),
  ).toMatchObject({
    cmd: "connect",
    protocolVersion: 5,
    clean: true,
    keepalive: 300,
    clientId: "c",
    username: "anna",
    password: Buffer.from("Grüße"),
    properties: { userProperties },
    will: { topic: "gone", payload: Buffer.from("{}"), qos: 1, retain: false, properties: { userProperties } },
  });
  expect(understood(connect({ clientId: "c", keepaliveS: 30 }))).toMatchObject({ cmd: "connect", clientId: "c" });
  const long = "ä".repeat(100_000);
  const published = understood(publish({ topic: "t/ö", payload: long, id: 0xfffe, userProperties }));
  expect("payload" in published && published.payload.toString() === long).toBe(true);
  expect({ ...published, payload: "" }).toMatchObject({ cmd: "publish", qos: 1, retain: false, topic: "t/ö", messageId: 0xfffe, properties: { userProperties } });
  expect(understood(publish({ topic: "t", payload: "x" }))).toMatchObject({ qos: 0, topic: "t", payload: Buffer.from("x") });
  expect(understood(subscribe(7, [{ topic: "a/#", qos: 1 }, { topic: "b", noLocal: true }]))).toMatchObject({
    cmd: "subscribe",
    messageId: 7,
    subscriptions: [
      { topic: "a/#", qos: 1, nl: false, rap: false, rh: 0 },
      { topic: "b", qos: 0, nl: true, rap: false, rh: 0 },
    ],
  });
  expect(understood(unsubscribe(8, ["a", "b"]))).toMatchObject({ cmd: "unsubscribe", messageId: 8, unsubscriptions: ["a", "b"] });
  expect(understood(puback(9))).toMatchObject({ cmd: "puback", messageId: 9 });
  expect(understood(PINGREQ).cmd).toBe("pingreq");
  expect(understood(DISCONNECT_NORMALLY)).toMatchObject({ cmd: "disconnect" });
});

const FROM_A_BROKER: [Packet, object][] = [
  [
    {
      cmd: "connack",
      sessionPresent: false,
      reasonCode: 0,
      properties: { serverKeepAlive: 20, receiveMaximum: 5, maximumQoS: 1, maximumPacketSize: 70_000, assignedClientIdentifier: "x", userProperties: { a: ["1", "2"] } },
    },
    { type: "connack", code: 0, properties: { keepaliveS: 20, receiveMaximum: 5, maximumQos: 1, maximumPacketSize: 70_000, user: { a: ["1", "2"] } } },
  ],
  [{ cmd: "connack", sessionPresent: false, reasonCode: 0x87, properties: { reasonString: "no" } }, { type: "connack", code: 0x87, properties: { reason: "no" } }],
  [
    { cmd: "publish", topic: "t", payload: "für dich", qos: 0, dup: false, retain: true, properties: { contentType: "x", correlationData: Buffer.from("y"), subscriptionIdentifier: 300 } },
    { type: "publish", topic: "t", payload: "für dich", qos: 0, retained: true },
  ],
  [{ cmd: "publish", topic: "t", payload: "", qos: 1, dup: true, retain: false, messageId: 600 }, { type: "publish", payload: "", qos: 1, id: 600, retained: false }],
  [{ cmd: "puback", messageId: 1 }, { type: "puback", id: 1, codes: [0] }],
  [{ cmd: "puback", messageId: 1, reasonCode: 0x97, properties: { reasonString: "quota" } }, { type: "puback", id: 1, codes: [0x97] }],
  [{ cmd: "suback", messageId: 2, granted: [1, 0x87], properties: { reasonString: "no" } }, { type: "suback", id: 2, codes: [1, 0x87] }],
  [{ cmd: "unsuback", messageId: 3, granted: [0] }, { type: "unsuback", id: 3, codes: [0] }],
  [{ cmd: "pingresp" }, { type: "other" }],
  [{ cmd: "disconnect", reasonCode: 0x8e, properties: { reasonString: "taken" } }, { type: "disconnect", code: 0x8e, properties: { reason: "taken" } }],
];

test("what a broker sends is read, wherever it is cut", () => {
  const stream = Buffer.concat(FROM_A_BROKER.map(([packet]) => sent(packet)));
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
      const reader = new PacketReader();
      const found: Received[] = [];
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length];
      for (const [index, end] of places.slice(1).entries()) found.push(...reader.read(new Uint8Array(stream.subarray(places[index], end))));
      expect(found).toHaveLength(FROM_A_BROKER.length);
      for (const [index, [, expected]] of FROM_A_BROKER.entries()) expect(plain(found[index])).toMatchObject(expected);
    }),
    { numRuns: 50 },
  );
});

test("CONNACK and DISCONNECT of a broker of MQTT 3.1.1 have no properties", () => {
  const read = (...bytes: number[]) => [...new PacketReader().read(Uint8Array.from(bytes))];
  expect(read(0x20, 2, 0, 5)).toEqual([{ type: "connack", code: 5, properties: { user: {} } }]);
  expect(read(0xe0, 0)).toEqual([{ type: "disconnect", code: 0, properties: { user: {} } }]);
  expect(read(0xe0, 1, 0x8b)).toEqual([{ type: "disconnect", code: 0x8b, properties: { user: {} } }]);
});

test("anything else is malformed, and nothing else is thrown", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        for (const packet of new PacketReader().read(bytes)) expect(packet.type).toBeTruthy();
      } catch (error) {
        if (!(error instanceof MalformedPacket)) throw error;
      }
    }),
    { numRuns: 500 },
  );
  expect(() => [...new PacketReader().read(Uint8Array.of(0x20, 0xff, 0xff, 0xff, 0xff, 1))]).toThrow(MalformedPacket);
  expect(() => publish({ topic: "t".repeat(70_000), payload: "" })).toThrow("too long");
});
