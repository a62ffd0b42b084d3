import { expect, test } from "vitest";

import { LiveChoice, RETRY_MS, type LiveWish } from "../src/page/fleet/live";

const wish = (changes: Partial<LiveWish> = {}): LiveWish => ({
  inSight: ["a", "b", "c", "d"],
  pointed: "",
  places: () => 5,
  limit: 3,
  ...changes,
});

test("the first robots in sight are live, and the one that the mouse or the keyboard is at", () => {
  const choice = new LiveChoice();
  expect(choice.choose(wish(), 0)).toEqual(["a", "b", "c"]);
  expect(choice.choose(wish({ pointed: "d" }), 0)).toEqual(["d", "a", "b"]);
  expect(choice.choose(wish({ pointed: "out of sight" }), 0)).toEqual(["a", "b", "c"]);
  expect(choice.choose(wish({ inSight: [] }), 0)).toEqual([]);
});

test("pointing at one that is live already changes nothing", () => {
  const choice = new LiveChoice();
  const before = choice.choose(wish(), 0);
  expect(choice.choose(wish({ pointed: "c" }), 0)).toBe(before);
});

test("without a small video, or without a place for it, a robot is not live; one that is keeps its place", () => {
  const choice = new LiveChoice();
  const places: Record<string, number | null> = { a: null, b: 0, c: 1, d: 2 };
  const of = () => wish({ places: (key) => places[key] ?? null });
  expect(choice.choose(of(), 0)).toEqual(["c", "d"]);
  places["c"] = 0; // ours
  expect(choice.choose(of(), 0)).toEqual(["c", "d"]);
  places["c"] = null; // the camera is off
  expect(choice.choose(of(), 0)).toEqual(["d"]);
});

test("a robot whose video ended is shown by pictures for a while, and another one is live instead", () => {
  const choice = new LiveChoice();
  choice.choose(wish(), 0);
  choice.refused("a", 0);
  expect(choice.choose(wish(), RETRY_MS - 1)).toEqual(["b", "c", "d"]);
  expect(choice.choose(wish(), RETRY_MS)).toEqual(["a", "b", "c"]);
  choice.refused("a", RETRY_MS);
  choice.keep(() => false);
  expect(choice.choose(wish(), RETRY_MS)).toEqual(["a", "b", "c"]);
});
