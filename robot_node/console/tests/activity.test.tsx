// @vitest-environment jsdom
/** What happens to a robot, as the page tells it. */
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, inject, test } from "vitest";

import { useMcpMqtt } from "../src/mcp/useMcpMqtt";
import { Activity } from "../src/page/activity/Activity";
import { EVENTS_KEPT, groupOf, merged, readEvents, type RobotEvent } from "../src/page/activity/events";
import { useEvents } from "../src/page/activity/useEvents";
import { renderHook, until } from "./helpers";

const event = (sequence: number, kind: string, text: string, more = {}) => ({
  sequence,
  time: `2026-07-28T12:00:${String(sequence % 60).padStart(2, "0")}.500+00:00`,
  kind,
  text,
  ...more,
});
const SOME = [
  event(1, "robot", "The robot has started."),
  event(2, "input", "Button doorbell was pressed.", { device: "doorbell" }),
  event(3, "camera", "The camera was switched on.", { by: "me" }),
  event(4, "camera", "The camera was switched off.", { by: "anna" }),
  event(5, "motion", "Motion began in door.", { device: "door" }),
  event(6, "fault", "The display failed: no answer at 0x3c."),
  event(7, "emotion", "The face shows happy."),
  event(8, "emotion", "The face shows constructor."),
  event(9, "steam", "Tea is ready."),
];
const read = (events: unknown[], last = events.length) => readEvents({ last, events })?.events ?? [];

let place: HTMLElement;
let root: Root;
beforeEach(() => {
  place = document.body.appendChild(document.createElement("div"));
  root = createRoot(place);
});
afterEach(() => {
  flushSync(() => root.unmount());
  place.remove();
});

function show(events: readonly RobotEvent[], more: { pictures?: Map<string, string>; isRefused?: boolean } = {}) {
  const activity = { events, pictures: new Map<string, string>(), isRefused: false, ...more };
  flushSync(() => root.render(<Activity activity={activity} ownId="me" />));
}

const texts = () => [...place.querySelectorAll("li p")].map(({ textContent }) => textContent?.trim());
const press = (label: string) => {
  const button = [...place.querySelectorAll("button")].find(({ textContent }) => textContent === label);
  flushSync(() => button?.click());
};

test("the newest comes first, with its time, who did it, and a picture where there is one", () => {
  const events = read(SOME);
  show(events, { pictures: new Map([[events[4]?.key ?? "", "data:image/jpeg;base64,AAAA"]]) });
  expect(texts()).toEqual([
    "Tea is ready.",
    "The face shows constructor.",
    "The face shows happy.",
    "The display failed: no answer at 0x3c.",
    "Motion began in door.",
    "The camera was switched off. anna",
    "The camera was switched on. You",
    "Button doorbell was pressed.",
    "The robot has started.",
  ]);
  expect(place.querySelector("li:last-child time")?.getAttribute("datetime")).toBe("2026-07-28T12:00:01.500Z");
  expect(place.querySelector("li[data-kind=motion] img")?.getAttribute("src")).toBe("data:image/jpeg;base64,AAAA");
  expect([...place.querySelectorAll("li[data-kind=emotion] img")].map((image) => image.getAttribute("src"))).toEqual(["faces/happy.png"]);
  expect(place.querySelectorAll("li p.problem-text").length).toBe(1);
});

test("a person sees what they look for", () => {
  show(read(SOME));
  expect([...place.querySelectorAll(".filters button")].map(({ textContent }) => textContent)).toEqual(["Senses", "Devices", "Faults", "Connection"]);
  press("Senses");
  expect(texts()).toEqual(["Motion began in door.", "Button doorbell was pressed."]);
  press("Faults");
  expect(texts().length).toBe(3);
  press("Senses");
  press("Faults");
  expect(texts().length).toBe(SOME.length);
  press("Faults");
  show(read(SOME.slice(0, 2)));
  expect(place.textContent).toContain("Nothing of this kind has happened.");
});

test("what may not be read is said calmly", () => {
  show([]);
  expect(place.textContent).toContain("What happens to the robot appears here.");
  show([], { isRefused: true });
  expect(place.textContent).toContain("This robot does not show you what happens to it");
  expect(place.querySelector(".problem-text")).toBeNull();
});

test("each event is told once, over a restart of the robot too, and the list is bounded", () => {
  const first = read(SOME);
  expect(merged(first, first)).toEqual(first);
  const again = read([event(1, "robot", "The robot has started.", { time: "2026-07-28T13:00:00.000+00:00" })]);
  expect(merged(first, again).length).toBe(SOME.length + 1);
  const many = read(Array.from({ length: EVENTS_KEPT }, (_, index) => event(100 + index, "chat", "x", { time: String(index) })));
  expect(merged(first, many)).toEqual(many);
});

test("what is no event is passed over", () => {
  for (const value of [null, [], {}, { last: 1 }, { last: -1, events: [] }, { last: "1", events: [] }]) expect(readEvents(value)).toBeNull();
  const [odd, ...others] = read([{ sequence: 1, kind: "toString", time: "yesterday", text: 7, by: null }, { sequence: "2", kind: "x" }, { sequence: 3 }, 4, null]);
  expect(odd).toMatchObject({ kind: "toString", time: null, text: "", by: "" });
  expect(others).toEqual([]);
  expect(groupOf("toString")).toBe("devices");
  show(odd ? [odd] : []);
  expect(place.querySelector("li time")?.textContent).toBe("–");
});

test("the events of a real robot are there, and what happens now comes without polling", async () => {
  const hook = renderHook(
    () => {
      const mcp = useMcpMqtt({ brokerUrl: inject("brokerUrl"), serverId: "demo-robot", serverName: "demo/robot" });
      return { mcp, activity: useEvents("demo-robot", mcp) };
    },
    undefined,
  );
  try {
    const latest = () => hook.result.current.activity.events;
    await until(() => latest().some(({ text }) => text === "The robot has started."), "the first event");
    const before = latest().length;
    for (const emotion of ["neutral", "sad", "happy"]) await hook.result.current.mcp.callTool("change_emotion", { emotion });
    await until(() => latest().at(-1)?.text === "The face shows happy.", "what just happened");
    expect(latest().slice(before).map(({ text }) => text).slice(-2)).toEqual(["The face shows sad.", "The face shows happy."]);
    expect(latest().at(-1)?.by).toBe(hook.result.current.mcp.clientId);
  } finally {
    hook.unmount();
  }
});

test("a picture of motion belongs to the motion, and goes with it; a refusal is known as one", async () => {
  const resources = new Map<string, unknown>([["robot://events", { last: 9, events: SOME }]]);
  const changed = new Map<string, () => void>();
  const asked: string[] = [];
  const readResource = (uri: string) => {
    asked.push(uri);
    const [name = ""] = uri.split("?");
    const found = resources.get(name);
    if (found === undefined) return Promise.reject(Object.assign(new Error("Not for you."), { code: -32602 }));
    return Promise.resolve({ contents: [typeof found === "string" ? { uri, blob: found } : { uri, text: JSON.stringify(found) }] });
  };
  const watchResource = (uri: string, told: () => void) => {
    changed.set(uri, told);
    told();
    return () => changed.delete(uri);
  };
  resources.set("robot://motion.jpg", "AAAA");
  const mcp = { sessionState: "open", readResource, watchResource } as unknown as Parameters<typeof useEvents>[1];
  const hook = renderHook((id: string) => useEvents(id, mcp), "one");
  const activity = () => hook.result.current;
  await until(() => activity().pictures.size === 1, "the picture");
  expect(activity().pictures.get(activity().events[4]?.key ?? "")).toBe("data:image/jpeg;base64,AAAA");

  resources.set("robot://motion.jpg", "BBBB");
  resources.set("robot://events", { last: 10, events: [event(10, "motion", "Motion began in door.")] });
  changed.get("robot://motion.jpg")?.();
  await until(() => activity().pictures.size === 2, "the second picture");
  expect(asked).toContain("robot://events?after=9");
  expect(activity().pictures.get(activity().events.at(-1)?.key ?? "")).toBe("data:image/jpeg;base64,BBBB");

  resources.delete("robot://motion.jpg"); // privacy
  changed.get("robot://motion.jpg")?.();
  await until(() => activity().pictures.size === 0, "no picture");
  expect(activity().isRefused).toBe(false);

  resources.delete("robot://events");
  changed.get("robot://events")?.();
  await until(() => activity().isRefused, "the refusal");
  expect(activity().events).toEqual([]);
  hook.unmount();
  expect(changed.size).toBe(0);
});
