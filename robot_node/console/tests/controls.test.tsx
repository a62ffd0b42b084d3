// @vitest-environment jsdom
/** Which control each field of a tool's form is, what it sends, and where a robot looks. */
import type { CallToolResult, Tool } from "@modelcontextprotocol/sdk/types.js";
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { controlOf, withEmotions, type Control } from "../src/page/controls/forms/control";
import { afterKey, anglesAt, placeOf, rangesOf, type Ranges } from "../src/page/controls/look/angles";
import { Look } from "../src/page/controls/look/Look";
import { fieldsOf, initialValue, type Field } from "../src/page/controls/schema";
import { Tools } from "../src/page/controls/Tools";

const fieldOf = (property: object, required = false): Field =>
  fieldsOf({ properties: { it: property }, required: required ? ["it"] : [] })[0] as Field;
const slider = (minimum: number, maximum: number, step: number): Control => ({ kind: "slider", minimum, maximum, step });

describe("a field is", () => {
  test.each<[string, object, Control]>([
    ["a whole number of a range: a slider", { type: "integer", minimum: 0, maximum: 100 }, slider(0, 100, 1)],
    ["an angle: a slider in steps of a degree", { type: "number", minimum: -60, maximum: 60 }, slider(-60, 60, 1)],
    ["a brightness: a slider in hundredths", { type: "number", minimum: 0, maximum: 1 }, slider(0, 1, 0.01)],
    ["a speed", { type: "number", minimum: -0.8, maximum: 0.8 }, slider(-0.8, 0.8, 0.01)],
    ["a wide range", { type: "number", minimum: 0, maximum: 30_000 }, slider(0, 30_000, 200)],
    ["a range with a step of its own", { type: "number", minimum: 0, maximum: 2, multipleOf: 0.25 }, slider(0, 2, 0.25)],
    ["a range that may be left out", { anyOf: [{ type: "number", minimum: 0, maximum: 1 }, { type: "null" }] }, slider(0, 1, 0.01)],
    ["bounded on one side: a number", { type: "number", maximum: 30 }, { kind: "number" }],
    ["of more steps than a slider has", { type: "integer", minimum: 0, maximum: 1_000_000 }, { kind: "number" }],
    ["a range the wrong way round", { type: "integer", minimum: 5, maximum: 5 }, { kind: "number" }],
    ["a range without end", { type: "number", minimum: -1.7e308, maximum: 1.7e308 }, { kind: "number" }],
    ["a colour", { type: "string", pattern: "^#[0-9a-fA-F]{6}$" }, { kind: "colour" }],
    ["another text with a pattern", { type: "string", pattern: "^[a-z]+$" }, { kind: "text" }],
    ["a text", { type: "string" }, { kind: "text" }],
    ["few short choices: all in sight", { enum: ["lamp", "eyes"] }, { kind: "segments", of: "choices" }],
    ["many choices", { enum: ["a", "b", "c", "d", "e", "f"] }, { kind: "select" }],
    ["long choices", { enum: ["the first of two", "the second of two"] }, { kind: "select" }],
    ["choices that are no words", { enum: [null, { a: 1 }] }, { kind: "select" }],
    ["yes or no by default", { type: "boolean", default: false }, { kind: "switch" }],
    ["yes, no, or as it is", { anyOf: [{ type: "boolean" }, { type: "null" }], default: null }, { kind: "segments", of: "yesNo" }],
    ["anything else", { type: "array" }, { kind: "json" }],
  ])("%s", (_, property, control) => expect(controlOf(fieldOf(property))).toEqual(control));

  test("a switch, when it is needed", () => expect(controlOf(fieldOf({ type: "boolean" }, true))).toEqual({ kind: "switch" }));

  test("one of the face's emotions, when it takes one", () => {
    const [emotion, text] = withEmotions(fieldsOf({ properties: { emotion: { type: "string" }, text: { type: "string" } } }), ["happy", "sad"]);
    expect(emotion && controlOf(emotion)).toEqual({ kind: "segments", of: "choices" });
    expect(text?.kind).toBe("text");
    expect(withEmotions([fieldOf({ type: "string" })], [])[0]?.kind).toBe("text");
  });
});

test.each<[object, boolean, string]>([
  [{ type: "number", minimum: -60, maximum: 60 }, true, "0"],
  [{ type: "integer", minimum: 1, maximum: 10 }, true, "1"],
  [{ type: "number", minimum: -9, maximum: -1 }, true, "-1"],
  [{ type: "number", minimum: 0, maximum: 1 }, false, ""],
  [{ type: "number", maximum: 30 }, true, ""],
])("a slider of %j begins at %s", (property, required, value) => expect(initialValue(fieldOf(property, required))).toBe(value));

let place: HTMLElement;
let root: Root;
let calls: [string, unknown][];

beforeEach(() => {
  calls = [];
  place = document.body.appendChild(document.createElement("div"));
  root = createRoot(place);
});
afterEach(() => {
  flushSync(() => root.unmount());
  place.remove();
  vi.useRealTimers();
});

const run = (name: string, args: Record<string, unknown>): Promise<CallToolResult> => {
  calls.push([name, args]);
  return Promise.resolve({ content: [] });
};
const one = <T extends HTMLElement = HTMLInputElement>(selector: string) => place.querySelector(selector) as T;

function fill(selector: string, value: string) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(one(selector), value);
  flushSync(() => one(selector).dispatchEvent(new Event("input", { bubbles: true })));
}

describe("a form", () => {
  const open = (properties: object, required: string[] = [], emotions: string[] = []) => {
    const tool = { name: "it", inputSchema: { type: "object", properties, required } } as Tool;
    flushSync(() => root.render(<Tools tools={[tool]} malformed={[]} emotions={emotions} disabled={false} run={run} report={() => undefined} />));
    one<HTMLDetailsElement>("details").open = true;
    flushSync(() => one("details").dispatchEvent(new Event("toggle")));
  };
  const sent = () => {
    flushSync(() => one("form").dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true })));
    return calls.pop()?.[1];
  };

  test("slider and number are one value; what is exact stays exact; it can be left out again", () => {
    open({ brightness: { type: "number", minimum: 0, maximum: 1 } });
    expect(sent()).toEqual({});
    fill("[type=range]", "0.3");
    expect(one("[type=number]").value).toBe("0.3");
    fill("[type=number]", "0.333");
    expect(Number(one("[type=range]").value)).toBeCloseTo(0.333, 1);
    expect(sent()).toEqual({ brightness: 0.333 });
    flushSync(() => one("button.quiet").click());
    expect(sent()).toEqual({});
  });

  test("colour and its text are one value", () => {
    open({ colour: { type: "string", pattern: "^#[0-9a-fA-F]{6}$" } });
    expect(sent()).toEqual({});
    fill("[type=color]", "#00ff80");
    expect(one(".field input:not([type=color])").value).toBe("#00ff80");
    fill(".field input:not([type=color])", "#FF0000");
    expect(one("[type=color]").value).toBe("#ff0000");
    expect(sent()).toEqual({ colour: "#FF0000" });
  });

  test("a switch is on or off, and what may be left as it is has three choices", () => {
    open({ on: { anyOf: [{ type: "boolean" }, { type: "null" }] }, interrupt: { type: "boolean", default: false } });
    expect(sent()).toEqual({ interrupt: false });
    flushSync(() => one("[role=switch]").click());
    expect(one("[role=switch]").getAttribute("aria-checked")).toBe("true");
    flushSync(() => (place.querySelectorAll("[type=radio]")[2] as HTMLInputElement).click());
    expect(sent()).toEqual({ on: false, interrupt: true });
  });

  test("an emotion is chosen by its name", () => {
    open({ emotion: { anyOf: [{ type: "string" }, { type: "null" }], default: null } }, [], ["happy", "sad"]);
    expect([...place.querySelectorAll(".segments span")].map(({ textContent }) => textContent)).toEqual(["as it is", "happy", "sad"]);
    flushSync(() => (place.querySelectorAll("[type=radio]")[2] as HTMLInputElement).click());
    expect(sent()).toEqual({ emotion: "sad" });
  });
});

const RANGES: Ranges = { pan: { minimum: -60, maximum: 60 }, tilt: { minimum: -20, maximum: 30 } };
const LOOK_AT = {
  properties: { pan: { type: "number", minimum: -60, maximum: 60 }, tilt: { type: "number", minimum: -20, maximum: 30 }, duration: { type: "number" } },
  required: ["pan", "tilt"],
};

describe("where a robot looks", () => {
  test("is within the ranges of its tool", () => {
    expect(rangesOf(LOOK_AT)).toEqual(RANGES);
    expect(rangesOf({ properties: { pan: LOOK_AT.properties.pan } })).toBeNull();
    expect(rangesOf({ ...LOOK_AT, required: ["pan", "tilt", "duration"] })).toBeNull();
    expect(rangesOf(null)).toBeNull();
  });

  test.each([
    [0, 0, -60, 30],
    [1, 1, 60, -20],
    [0.5, 0.6, 0, 0],
    [2, -1, 60, 30],
  ])("a pad that is touched at %d, %d", (x, y, pan, tilt) => {
    const angles = anglesAt(RANGES, x, y);
    expect(angles.pan).toBeCloseTo(pan);
    expect(angles.tilt).toBeCloseTo(tilt);
    const back = placeOf(RANGES, { pan, tilt });
    if (x >= 0 && x <= 1) expect([back.x, back.y].map((each) => Number(each.toFixed(6)))).toEqual([x, y]);
  });

  test.each([
    ["ArrowLeft", false, { pan: 58, tilt: 0 }],
    ["ArrowRight", true, { pan: 60, tilt: 0 }],
    ["ArrowUp", false, { pan: 59, tilt: 1 }],
    ["ArrowDown", true, { pan: 59, tilt: -10 }],
    ["Home", false, { pan: 0, tilt: 0 }],
    ["Enter", false, null],
  ])("%s", (key, isLarge, angles) => expect(afterKey(RANGES, { pan: 59, tilt: 0 }, key, isLarge)).toEqual(angles));

  test("is sent at once, then the latest at most every 150 ms; not while the robot asks", () => {
    vi.useFakeTimers();
    let isAsked = false;
    flushSync(() => root.render(<Look inputSchema={LOOK_AT} disabled={false} act={run} isAsked={() => isAsked} />));
    const key = (name: string) => flushSync(() => one("[role=slider]").dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true })));
    key("ArrowLeft");
    key("ArrowLeft");
    key("ArrowUp");
    expect(calls).toEqual([["look_at", { pan: -1, tilt: 0 }]]);
    vi.advanceTimersByTime(150);
    expect(calls.slice(1)).toEqual([["look_at", { pan: -2, tilt: 1 }]]);
    vi.advanceTimersByTime(1000);
    expect(calls).toHaveLength(2);
    isAsked = true;
    key("ArrowUp");
    expect(calls).toHaveLength(2);
    expect(one("[role=slider]").getAttribute("aria-valuetext")).toBe("pan -2°, tilt 2°");
  });
});
