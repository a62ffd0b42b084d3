/** Which part of the picture is shown. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { bounded, FILLED, fitted, MAX_SCALE, moved, pinched, WHOLE, wheelFactor, zoomed, type Point, type View } from "../src/page/video/zoom";
import { readMirrored } from "../src/page/video/useMirror";

const SQUARE = { width: 100, height: 100 };
const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const point = fc.record({ x: fraction, y: fraction });
const anyView = fc.record({ scale: fc.double({ min: 0.01, max: 100, noNaN: true }), x: fc.double({ min: -9, max: 9, noNaN: true }), y: fc.double({ min: -9, max: 9, noNaN: true }) });

/** What of the picture is at a place of the frame. */
const seenAt = ({ scale, x, y }: View, at: Point) => ({ x: (at.x - x) / scale, y: (at.y - y) / scale });

describe("zoom", () => {
  test("what is under the pointer stays under it", () => {
    fc.assert(
      fc.property(anyView, fc.double({ min: 0.1, max: 10, noNaN: true }), point, (view, factor, at) => {
        const before = seenAt(view, at);
        const after = seenAt(zoomed(view, factor, at), at);
        expect(after.x).toBeCloseTo(before.x, 6);
        expect(after.y).toBeCloseTo(before.y, 6);
      }),
    );
  });

  test("a picture that fills the frame always does, and is never smaller than it", () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const { scale, x, y } = bounded(view, FILLED);
        expect(scale).toBeGreaterThanOrEqual(1);
        expect(scale).toBeLessThanOrEqual(MAX_SCALE);
        for (const offset of [x, y]) {
          expect(offset).toBeLessThanOrEqual(1e-9);
          expect(offset + scale).toBeGreaterThanOrEqual(1 - 1e-9);
        }
      }),
    );
    expect(bounded({ scale: 1, x: 0.4, y: -0.4 }, FILLED)).toEqual(WHOLE);
  });

  test("a flat picture is in the middle until it is as high as the frame, and then shows nothing above and below it", () => {
    const half = { width: 1, height: 0.5 };
    expect(bounded({ scale: 2, x: -0.5, y: 0 }, half)).toEqual({ scale: 2, x: -0.5, y: -0.5 });
    expect(bounded({ scale: 4, x: -1, y: 0 }, half)).toEqual({ scale: 4, x: -1, y: -1 });
    expect(bounded({ scale: 4, x: -9, y: -9 }, half)).toEqual({ scale: 4, x: -3, y: -2 });
  });

  test("it moves by drag", () => {
    expect(moved({ scale: 2, x: -0.5, y: -0.5 }, { x: 0.25, y: -0.25 })).toEqual({ scale: 2, x: -0.25, y: -0.75 });
  });
});

describe("pinch", () => {
  test("what is under the middle of the fingers stays there, and larger as they part", () => {
    const view = pinched(WHOLE, [{ x: 0.4, y: 0.5 }, { x: 0.6, y: 0.5 }], [{ x: 0.4, y: 0.7 }, { x: 0.8, y: 0.7 }], SQUARE);
    expect(view.scale).toBeCloseTo(2);
    const seen = seenAt(view, { x: 0.6, y: 0.7 });
    expect(seen.x).toBeCloseTo(0.5);
    expect(seen.y).toBeCloseTo(0.5);
  });

  test("distances are those on the screen, whatever the frame's shape", () => {
    const [before, after] = [[{ x: 0.5, y: 0.4 }, { x: 0.5, y: 0.6 }], [{ x: 0.4, y: 0.5 }, { x: 0.6, y: 0.5 }]] as [[Point, Point], [Point, Point]];
    expect(pinched(WHOLE, before, after, { width: 200, height: 100 }).scale).toBeCloseTo(2);
  });

  test("fingers at one point change no size", () => {
    const one = { x: 0.5, y: 0.5 };
    expect(pinched(WHOLE, [one, one], [one, { x: 0.7, y: 0.5 }], SQUARE).scale).toBe(1);
  });
});

test("a picture is shown whole, in the shape that it has", () => {
  expect(fitted({ width: 160, height: 90 }, { width: 640, height: 360 })).toEqual(FILLED);
  expect(fitted({ width: 160, height: 90 }, { width: 90, height: 90 })).toEqual({ width: 90 / 160, height: 1 });
  expect(fitted({ width: 100, height: 100 }, { width: 200, height: 50 })).toEqual({ width: 1, height: 0.25 });
  expect(fitted({ width: 100, height: 100 }, { width: 0, height: 0 })).toEqual(FILLED);
  expect(fitted({ width: 0, height: 0 }, { width: 100, height: 100 })).toEqual(FILLED);
});

test("a wheel enlarges away from the person, in whatever it counts, and never at a jump", () => {
  const wheel = (deltaY: number, deltaMode = 0, ctrlKey = false) => wheelFactor({ deltaY, deltaMode, ctrlKey });
  expect(wheel(-100)).toBeGreaterThan(1.2);
  expect(wheel(100)).toBeCloseTo(1 / wheel(-100));
  expect(wheel(-3, 1)).toBeCloseTo(wheel(-99));
  expect(wheel(-5, 0, true)).toBeGreaterThan(wheel(-5));
  expect(wheel(-1e6)).toBe(2);
  expect(wheel(1e6)).toBe(0.5);
});

test("which robots are mirrored is read from any JSON, and bounded", () => {
  expect(readMirrored(["a", 1, null, "b"])).toEqual(["a", "b"]);
  for (const json of [undefined, null, "a", { a: true }, 7]) expect(readMirrored(json)).toEqual([]);
  expect(readMirrored(Array.from({ length: 500 }, String))).toHaveLength(200);
});
