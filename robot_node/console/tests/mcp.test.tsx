// @vitest-environment jsdom
import { afterEach, expect, inject, test } from "vitest";

import { useMcpMqtt, type UseMcpMqttOptions } from "../src/mcp/useMcpMqtt";
import { outsider, renderHook, until } from "./helpers";

const brokerUrl = inject("brokerUrl");
const ROBOT = { serverId: "demo-robot", serverName: "demo/robot" };
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function mcp(options: Partial<UseMcpMqttOptions> = {}) {
  const hook = renderHook((props: UseMcpMqttOptions) => useMcpMqtt(props), { brokerUrl, ...options });
  cleanups.push(hook.unmount);
  return hook;
}

test("tells which robots are online, live", async () => {
  const { result } = mcp();
  await until(() => result.current.robots.length === 1, "the robot appears");
  expect(result.current.connectionState).toBe("connected");
  expect(result.current.robots[0]).toMatchObject(ROBOT);
  expect(result.current.robots[0]?.description).toContain("camera");

  const { client } = await outsider(brokerUrl);
  cleanups.push(() => client.endAsync());
  const topic = "$mcp-server/presence/toy/toys/one";
  const online = { jsonrpc: "2.0", method: "notifications/server/online", params: { server_name: "toys/one", description: "A toy." } };
  await client.publishAsync(topic, JSON.stringify(online), { retain: true });
  await until(() => result.current.robots.some(({ serverId }) => serverId === "toy"), "the toy appears");
  await client.publishAsync(topic, "", { retain: true });
  await until(() => result.current.robots.length === 1, "the toy is gone");
});

test("calls tools of a real robot, and reads and follows its resources", async () => {
  const { result } = mcp(ROBOT);
  await until(() => result.current.sessionState === "open", "the session is open");
  expect(result.current.tools.map(({ name }) => name)).toContain("change_emotion");
  expect(JSON.parse(result.current.firstStatus ?? "")).toMatchObject({ camera: expect.any(String) as string });
  let changes = 0;
  cleanups.push(result.current.watchResource("robot://face", () => (changes += 1)));
  await result.current.callTool("change_emotion", { emotion: "shy" });
  await until(() => changes >= 2, "the change is told");
  const { contents } = await result.current.readResource("robot://face");
  expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ emotion: "shy" });
  const refused = await result.current.callTool("take_photo", { quality: 5 });
  expect(refused.isError).toBe(true);
});

test("speaks as the specification says, and leaves nothing behind when unmounted", async () => {
  const { client, heard } = await outsider(brokerUrl, "$mcp-server/demo-robot/#", "$mcp-rpc/#", "$mcp-client/presence/#");
  cleanups.push(() => client.endAsync());
  const { result, unmount } = mcp(ROBOT);
  await until(() => result.current.sessionState === "open", "the session is open");
  unmount();
  const goodbye = await until(() => heard.find(({ topic }) => topic.startsWith("$mcp-client/presence/")), "the goodbye");
  const clientId = goodbye.topic.split("/")[2];
  expect(clientId).toMatch(/^mcp-client-[0-9a-f]{16}$/);
  expect(JSON.parse(goodbye.text)).toEqual({ jsonrpc: "2.0", method: "notifications/disconnected" });
  const ours = heard.filter(({ properties }) => properties["MCP-MQTT-CLIENT-ID"] === clientId);
  expect(ours.every(({ properties }) => properties["MCP-COMPONENT-TYPE"] === "mcp-client")).toBe(true);
  const opening = ours.filter(({ topic }) => topic === "$mcp-server/demo-robot/demo/robot");
  expect(opening.map(({ text }) => (JSON.parse(text) as { method: string }).method)).toEqual(["initialize"]);
  const rpc = ours.filter(({ topic }) => topic === `$mcp-rpc/${clientId}/demo-robot/demo/robot`);
  expect((JSON.parse(rpc[0]?.text ?? "") as { method: string }).method).toBe("notifications/initialized");
  expect(ours.length).toBe(opening.length + rpc.length + 1);
});

test("a session that the robot ends is opened again", async () => {
  const { client, heard } = await outsider(brokerUrl, "$mcp-server/demo-robot/#");
  cleanups.push(() => client.endAsync());
  const { result } = mcp(ROBOT);
  await until(() => result.current.sessionState === "open" && heard.length === 1, "the session is open");
  const { clientId } = result.current;
  const ended = JSON.stringify({ jsonrpc: "2.0", method: "notifications/disconnected" });
  await client.publishAsync(`$mcp-rpc/${clientId}/demo-robot/demo/robot`, ended);
  await until(() => heard.length === 2, "it initializes again");
  await until(() => result.current.sessionState === "open", "the session is open again");
  expect((await result.current.callTool("get_status")).isError).toBeFalsy();
});

test("a robot that is not there is offline; a broker that is not there is said to be unreachable", async () => {
  const { result, rerender } = mcp({ serverId: "nobody", serverName: "no/body" });
  await until(() => result.current.connectionState === "connected", "connected");
  expect(result.current.sessionState).toBe("offline");
  await expect(async () => result.current.callTool("get_status")).rejects.toThrow("no session");
  rerender({ brokerUrl: "ws://127.0.0.1:1/mqtt" });
  await until(() => result.current.error, "the error");
  expect(result.current.connectionState).toBe("failed");
  expect(result.current.error?.problem).toBe("unreachable");
  expect(result.current.robots).toEqual([]);
  rerender({ brokerUrl });
  await until(() => result.current.robots.length === 1, "the robot is back");
});

test("an address that is none is said to be one", async () => {
  const { result } = mcp({ brokerUrl: "http://127.0.0.1/" });
  await until(() => result.current.error, "the error");
  expect(result.current.error?.problem).toBe("address");
});
