import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";

/** Wait until a condition holds: something in another process has no event for us. */
export async function until<T>(condition: () => T | undefined | null | false, what: string, withinMs = 20_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface Heard {
  topic: string;
  text: string;
  properties: Record<string, unknown>;
}

/** An MQTT client that knows nothing of our code, and what it has heard. */
export async function outsider(url: string, ...topics: string[]): Promise<{ client: MqttClient; heard: Heard[] }> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, timerVariant: "native" });
  const heard: Heard[] = [];
  client.on("message", (topic: string, payload: Buffer, packet: IPublishPacket) => {
    heard.push({ topic, text: payload.toString(), properties: { ...packet.properties?.userProperties } });
  });
  if (topics.length) await client.subscribeAsync(topics);
  return { client, heard };
}

/** Use a hook as a component would. */
export function renderHook<R, P>(hook: (props: P) => R, props: P) {
  const result: { current: R } = { current: undefined as R };
  const root = createRoot(document.createElement("div"));
  function Component({ value }: { value: P }) {
    result.current = hook(value);
    return null;
  }
  const rerender = (value: P) => flushSync(() => root.render(<Component value={value} />));
  rerender(props);
  return { result, rerender, unmount: () => flushSync(() => root.unmount()) };
}
