/** Photos: what is read out of a result, the names of their files, and how many stay. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { excess, fileName, fileNames, isNearlyFull, LIMITS, readPhoto } from "../src/page/gallery/photo";

const text = (said: string) => ({ type: "text" as const, text: said });
const image = (data: string, mimeType = "image/jpeg") => ({ type: "image" as const, data, mimeType });
const sized = (id: number, bytes: number) => ({ id: String(id).padStart(4, "0"), picture: new Blob([new Uint8Array(bytes)]) });

test("a photo has the time when it was taken, as the robot says it, and that of the page without", () => {
  const said = "Taken 2026-11-28T20:31:07.412+01:00: 640x272 pixels, 3 bytes, quality 0.9.";
  expect(readPhoto([image("AAAA"), text(said)], 5)).toMatchObject({ taken: Date.UTC(2026, 10, 28, 19, 31, 7, 412) });
  expect(readPhoto([image("AAAA"), text(said)], 5)?.picture.size).toBe(3);
  for (const odd of ["", "Taken yesterday: x", "Taken 2026-99-28T20:31:07.412+00:00: x", "4 photos from 2026-11-28T20:31:07Z: x"]) {
    expect(readPhoto([image("AAAA"), text(odd)], 5)?.taken).toBe(5);
  }
});

test("what is no picture is none", () => {
  expect(readPhoto([], 5)).toBeNull();
  expect(readPhoto([text("no")], 5)).toBeNull();
  expect(readPhoto([image("~")], 5)).toBeNull();
  expect(readPhoto([image("AAAA", "image/svg+xml")], 5)).toBeNull();
  expect(readPhoto([image("AAAA", "toString")], 5)).toBeNull();
});

test("files are named by robot, camera and time, and each has a name of its own", () => {
  const photo = { robot: "lab/küche", camera: "", taken: Date.UTC(2026, 10, 28, 23, 15, 1, 250), picture: new Blob([], { type: "image/png" }) };
  expect(fileNames([photo, { ...photo, camera: "rear" }, photo])).toEqual([
    "lab-küche-20261128-231501-250.png",
    "lab-küche-rear-20261128-231501-250.png",
    "lab-küche-20261128-231501-250-2.png",
  ]);
});

test("whatever a robot is called, its files can be stored on any system", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (robot) => {
      const name = fileName(robot);
      expect(name).toMatch(/^[\p{L}\p{N}_][\p{L}\p{N}._-]*$/u);
      expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(200);
    }),
    { numRuns: 300 },
  );
  expect(fileName("../..")).toBe("robot");
  expect(fileName("字".repeat(300))).toBe("字".repeat(50)); // of at most 255 bytes, with its time
});

test("the oldest are too many, by number and by bytes, and the newest one is not", () => {
  const photos = [3, 1, 2].map((id) => sized(id, 10));
  expect(excess(photos, { count: 2, bytes: 1000 })).toEqual(["0001"]);
  expect(excess(photos, { count: 9, bytes: 20 })).toEqual(["0001"]);
  expect(excess(photos, { count: 9, bytes: 5 })).toEqual(["0002", "0001"]);
  expect(excess([], LIMITS)).toEqual([]);
  expect(isNearlyFull(photos, { count: 3, bytes: 1000 })).toBe(true);
  expect(isNearlyFull(photos, { count: 4, bytes: 1000 })).toBe(false);
});
