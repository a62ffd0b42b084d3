// @vitest-environment jsdom
/** What drives the robot's motors, and what lets go of them: buttons, keys, a gamepad, and a page that is not in front. */
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Drive } from "../src/page/controls/drive/Drive";
import type { Pad } from "../src/page/controls/drive/gamepad";

const SCHEMA = {
  properties: {
    name: { enum: ["left", "right"] },
    speed: { type: "number", minimum: -1, maximum: 1 },
    duration: { type: "number", maximum: 5 },
    renew: { type: "boolean", default: false },
  },
};

let place: HTMLElement;
let root: Root;
let speeds: unknown[];
let stick: [number, number] | null;
let hasFocus: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(document, "hasFocus").mockImplementation(() => hasFocus);
  // jsdom captures no pointers.
  HTMLElement.prototype.setPointerCapture = () => undefined;
  speeds = [];
  stick = null;
  hasFocus = true;
  place = document.body.appendChild(document.createElement("div"));
  root = createRoot(place);
});
afterEach(() => {
  flushSync(() => root.unmount());
  place.remove();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const quietly = (_: string, { name, speed }: Record<string, unknown>): Promise<CallToolResult> => {
  if (name === "right") speeds.push(speed); // the left wheel is in another test
  return Promise.resolve({ content: [] });
};
const pads = (): (Pad | null)[] => [stick && { axes: stick, buttons: [] }];
const CALLS = { quietly };
const never = () => false;
const show = ({ disabled = false, withPads = true, slot = null as HTMLElement | null } = {}) =>
  flushSync(() =>
    root.render(<Drive inputSchema={SCHEMA} disabled={disabled} calls={CALLS} isAsked={never} slot={slot} {...(withPads ? { pads } : {})} />),
  );
const button = (name: string) => place.querySelector(`button[aria-label=${name}]`) as HTMLButtonElement;
const pointer = (type: string, name: string) => flushSync(() => button(name).dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0 })));
const key = (type: string, name: string) =>
  flushSync(() => button("Ahead").dispatchEvent(new KeyboardEvent(type, { key: name, bubbles: true, cancelable: true })));
/** Let time pass; returns the different speeds that were called meanwhile. */
const after = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms);
  const called = [...new Set(speeds)];
  speeds = [];
  return called;
};

test("a button drives while it is held, and another one with it", async () => {
  show();
  pointer("pointerdown", "Ahead");
  expect(await after(500)).toEqual([0.5]);
  key("keydown", "ArrowLeft");
  expect(await after(500)).toEqual([0.5]); // ahead and left: this wheel alone
  pointer("pointerup", "Ahead");
  key("keyup", "ArrowLeft");
  expect((await after(500)).at(-1)).toBe(0);
  expect(await after(500)).toEqual([]);
});

test("a key that repeats is one press, and one that is not ours does nothing", async () => {
  show();
  key("keydown", "ArrowDown");
  expect(await after(100)).toEqual([-0.5]);
  key("keydown", "a");
  key("keyup", "a");
  expect(await after(100)).toEqual([-0.5]);
  key("keyup", "ArrowDown");
  expect(await after(100)).toEqual([0]);
});

test("a gamepad drives once its stick was in the middle, and not behind another window", async () => {
  show();
  stick = [0, -1];
  dispatchEvent(new Event("gamepadconnected"));
  expect(await after(300)).toEqual([]);
  stick = [0, 0];
  await after(60);
  stick = [0, -1];
  expect(await after(300)).toEqual([0.5]);
  hasFocus = false;
  flushSync(() => dispatchEvent(new Event("blur")));
  expect(await after(300)).toEqual([0]);
  hasFocus = true;
  expect(await after(300)).toEqual([]);
  stick = [0, 0];
  await after(60);
  stick = [0, 1];
  expect(await after(300)).toEqual([-0.5]);
  stick = null;
  dispatchEvent(new Event("gamepaddisconnected"));
  expect(await after(300)).toEqual([0]);
});

test("a hidden page, a lost session and a view that goes stop it; what was held is not held any more", async () => {
  show();
  pointer("pointerdown", "Ahead");
  await after(100);
  vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  flushSync(() => document.dispatchEvent(new Event("visibilitychange")));
  expect(await after(300)).toEqual([0]);
  pointer("pointerup", "Ahead");
  pointer("pointerdown", "Ahead");
  expect(await after(100)).toEqual([0.5]);
  show({ disabled: true });
  expect(await after(300)).toEqual([0]);
  show();
  expect(await after(300)).toEqual([]);
  pointer("pointerdown", "Ahead");
  expect(await after(100)).toEqual([0.5]);
  flushSync(() => root.render(null));
  expect(await after(300)).toEqual([0]);
});

test("a browser without gamepads, as on a page without https, drives all the same", async () => {
  expect("getGamepads" in navigator).toBe(false);
  show({ withPads: false });
  pointer("pointerdown", "Ahead");
  expect(await after(100)).toEqual([0.5]);
});

test("in a full screen the arrow keys drive from everywhere in it, but for what they move themselves", async () => {
  document.body.insertAdjacentHTML(
    "beforeend",
    '<section class="video"><div class="screen" tabindex="0"><div class="slot"></div></div><button>Photo</button></section><input class="elsewhere">',
  );
  const find = <T extends HTMLElement>(selector: string) => document.querySelector<T>(selector) as T;
  const slot = find(".slot");
  const press = async (on: HTMLElement, ms = 100) => {
    const sent = (type: string) => new KeyboardEvent(type, { key: "ArrowUp", bubbles: true, cancelable: true });
    flushSync(() => on.dispatchEvent(sent("keydown")));
    const driven = await after(ms);
    flushSync(() => on.dispatchEvent(sent("keyup")));
    return [...driven, ...(await after(ms))];
  };
  try {
    show();
    expect(await press(document.body)).toEqual([]);
    show({ slot });
    for (const on of [document.body, find(".video > button"), find(".screen"), find("[aria-label=Ahead]")]) {
      expect(await press(on)).toEqual([0.5, 0]);
    }
    expect(await press(find(".elsewhere"))).toEqual([]);
    expect(await press(find("[type=range]"))).toEqual([]);
    slot.dataset["arrows"] = "picture"; // it is zoomed
    expect(await press(find(".screen"))).toEqual([]);
    expect(await press(find(".video > button"))).toEqual([]);
    expect(await press(find("[aria-label=Ahead]"))).toEqual([0.5, 0]);

    slot.dataset["arrows"] = "drive";
    // The full screen ends while something is held.
    flushSync(() => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true })));
    expect(await after(100)).toEqual([0.5]);
    show();
    expect((await after(300)).at(-1)).toBe(0);
    expect(await after(300)).toEqual([]);
  } finally {
    for (const each of [find(".video"), find(".elsewhere")]) each.remove();
  }
});
