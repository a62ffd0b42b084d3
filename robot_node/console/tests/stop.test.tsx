// @vitest-environment jsdom
/** The stop button: on which robots it is, and what pressing it does. */
import type { CallToolResult, Tool } from "@modelcontextprotocol/sdk/types.js";
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { use } from "react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { canStop } from "../src/page/controls/stop/canStop";
import { StopArea } from "../src/page/controls/stop/StopArea";
import { StopButton } from "../src/page/controls/stop/StopButton";
import { StopContext } from "../src/page/controls/stop/stop";

const tool = (name: string, readOnlyHint?: boolean): Tool => ({
  name,
  inputSchema: { type: "object" },
  ...(readOnlyHint === undefined ? {} : { annotations: { readOnlyHint } }),
});

describe("a robot needs a stop button", () => {
  test.each<[string, boolean, Tool[]]>([
    ["that has wheels", true, [tool("stop_all"), tool("drive_motor")]],
    ["that turns its head", true, [tool("stop_all"), tool("look_at")]],
    ["that speaks", true, [tool("stop_all"), tool("say")]],
    ["with a device that the page does not know", true, [tool("stop_all"), tool("wave", false)]],
    ["not: with nothing but a camera, a face and a lamp", false, ["stop_all", "take_photo", "change_emotion", "set_led"].map((name) => tool(name))],
    ["not: with a sensor that is only read", false, [tool("stop_all"), tool("read_compass", true)]],
    ["not: that cannot be stopped, or not by this person", false, [tool("drive_motor")]],
    ["not: before its tools are known", false, []],
  ])("%s", (_, wanted, tools) => expect(canStop(tools)).toBe(wanted));
});

let place: HTMLElement;
let root: Root;
let happened: string[];
let answers: ((result: Partial<CallToolResult>) => void)[];

beforeEach(() => {
  happened = [];
  answers = [];
  place = document.body.appendChild(document.createElement("div"));
  root = createRoot(place);
});
afterEach(() => {
  flushSync(() => root.unmount());
  place.remove();
  vi.useRealTimers();
});

const act = (name: string) => {
  happened.push(name);
  return new Promise<CallToolResult>((resolve) => answers.push((result) => resolve({ content: [], ...result })));
};

let leave: () => void;

function Listener() {
  const { onPress } = use(StopContext);
  leave = onPress(() => happened.push("pressed"));
  return null;
}

const show = (robot = "one", names = ["stop_all", "drive_motor"]) =>
  flushSync(() =>
    root.render(
      <StopArea robot={robot} tools={names.map((name) => tool(name))} act={act}>
        <StopButton />
        <input />
      </StopArea>,
    ),
  );
const button = () => place.querySelector("button") as HTMLButtonElement;
const said = () => place.querySelector("[role=status]")?.textContent;
const answer = (result: Partial<CallToolResult>) => answers.shift()?.(result);
const key = (options: KeyboardEventInit, on: EventTarget = document.body) =>
  on.dispatchEvent(new KeyboardEvent("keydown", { key: ".", bubbles: true, cancelable: true, ...options }));

test("it stops when it is pressed, before it is released; with the keyboard too; each press is one call", () => {
  show();
  flushSync(() => button().dispatchEvent(new MouseEvent("pointerdown", { bubbles: true, button: 0 })));
  expect(happened).toEqual(["stop_all"]);
  flushSync(() => button().dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 })));
  expect(happened).toEqual(["stop_all"]);
  flushSync(() => button().click());
  expect(happened).toEqual(["stop_all", "stop_all"]);
  // A press that began with a finger and ended elsewhere takes nothing from the next one.
  flushSync(() => button().dispatchEvent(new MouseEvent("pointerdown", { bubbles: true, button: 0 })));
  flushSync(() => button().click());
  expect(happened).toHaveLength(4);
});

test("the keyboard stops from anywhere, once a press, and only a robot that can be stopped", () => {
  show();
  const field = place.querySelector("input") as HTMLInputElement;
  expect(key({ ctrlKey: true }, field)).toBe(false);
  key({ metaKey: true });
  expect(happened).toEqual(["stop_all", "stop_all"]);
  expect(key({}, field)).toBe(true);
  key({ ctrlKey: true, altKey: true });
  key({ ctrlKey: true, repeat: true });
  key({ ctrlKey: true, key: "," });
  expect(happened).toHaveLength(2);
  show("one", ["stop_all"]);
  key({ ctrlKey: true });
  expect(happened).toHaveLength(2);
  expect(button()).toBeNull();
});

test("what drives is told before the robot, so that it does not go on", () => {
  flushSync(() =>
    root.render(
      <StopArea robot="one" tools={[tool("stop_all"), tool("say")]} act={act}>
        <StopButton />
        <Listener />
      </StopArea>,
    ),
  );
  flushSync(() => button().click());
  expect(happened).toEqual(["pressed", "stop_all"]);
  leave();
  flushSync(() => button().click());
  expect(happened).toEqual(["pressed", "stop_all", "stop_all"]);
});

test("what came of it is said for a while, of the last press and of this robot", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  show();
  flushSync(() => button().click());
  flushSync(() => button().click());
  answer({ structuredContent: { stopped: ["left", "speech"] } });
  answer({ structuredContent: { stopped: ["neck", 1] } });
  await vi.waitFor(() => expect(said()).toBe("Stopped: neck"));
  show("another");
  expect(said()).toBe("");
  flushSync(() => button().click());
  answer({ isError: true });
  await vi.waitFor(() => expect(said()).toBe("It could not be stopped."));
  flushSync(() => button().click());
  answer({ structuredContent: { stopped: 1 } });
  await vi.waitFor(() => expect(said()).toBe("Nothing moved or sounded."));
  vi.advanceTimersByTime(5999);
  flushSync(() => undefined);
  expect(said()).toBe("Nothing moved or sounded.");
  vi.advanceTimersByTime(1);
  await vi.waitFor(() => expect(said()).toBe(""));
});
