import fc from "fast-check";
import { expect, test } from "vitest";

import { translator } from "../src/i18n/text";
import { AT_ONCE, EVERY_MS, failed, FIRST_TURN, nextTurn, pictureIn, succeeded, type Turn } from "../src/page/fleet/pictures";
import { notes, whyNoPicture } from "../src/page/fleet/says";
import { readStatus } from "../src/page/status";

const underWay: Turn = { ...FIRST_TURN, isUnderWay: true };
const due = (dueAt: number): Turn => ({ ...FIRST_TURN, dueAt });

test("the robot that waits longest has its picture taken, of those whose turn it is and that are wanted", () => {
  const turns = new Map([["a", due(5)], ["b", due(3)], ["c", due(9)], ["d", underWay], ["e", due(1)]]);
  expect(nextTurn(turns, ["a", "b", "c", "d"], 8)).toBe("b");
  expect(nextTurn(turns, ["a", "c", "d"], 8)).toBe("a");
  expect(nextTurn(turns, ["c", "d"], 8)).toBeNull();
  expect(nextTurn(turns, ["c", "new"], 8)).toBe("new");
  expect(nextTurn(turns, [], 8)).toBeNull();
});

test("never more pictures are under way than allowed, of robots that are no longer wanted too", () => {
  const busy = Array.from({ length: AT_ONCE }, (_, number) => [`busy ${number}`, underWay] as const);
  expect(nextTurn(new Map(busy), ["a"], 0)).toBeNull();
  expect(nextTurn(new Map(busy.slice(1)), ["a"], 0)).toBe("a");
});

test("a quick robot is asked every two seconds, a slow one for half of its time, one that refuses ever less", () => {
  expect(succeeded(1000, 1100)).toEqual(due(1000 + EVERY_MS));
  expect(succeeded(1000, 4000)).toEqual(due(7000));
  let turn = FIRST_TURN;
  const delays = Array.from({ length: 6 }, () => (turn = failed(turn, 0)).dueAt);
  expect(delays).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
});

test("a picture is taken out of a result, and nothing else", () => {
  const image = { type: "image", mimeType: "image/jpeg", data: "/9j/4A==" } as const;
  const text = { type: "text", text: "The camera is off." } as const;
  expect(pictureIn({ content: [image, text] })).toBe("data:image/jpeg;base64,/9j/4A==");
  expect(() => pictureIn({ content: [text], isError: true })).toThrow("The camera is off.");
  expect(() => pictureIn({ content: [] })).toThrow("malformed");
  for (const odd of [{ mimeType: "image/svg+xml" }, { data: '"><b>' }, { data: "A".repeat(300_000) }, { type: "audio" }]) {
    expect(() => pictureIn({ content: [{ ...image, ...odd } as never] })).toThrow("malformed");
  }
});

test.each([
  [undefined, "", "videoConnecting"],
  [null, "", "stateUnknown"],
  [{ camera: "off" }, "", "cameraIsOff"],
  [{ camera: "stopping" }, "", "cameraIsOff"],
  [{ camera: "starting" }, "", "cameraStarting"],
  [{ camera: "failed" }, "", "cameraFailed"],
  [{ camera: "off", privacy: true }, "", "privacyEngaged"],
  [{ camera: "on" }, "", "videoConnecting"],
  [{ camera: "on" }, "The robot is busy.", "videoFailed"],
])("without a picture, a robot with the status %j says so: %s %s", (status, problem, key) => {
  expect(whyNoPicture({ status: status && readStatus(status), problem, isBeyondLimit: false })).toBe(key);
  expect(whyNoPicture({ status: status && readStatus(status), problem, isBeyondLimit: true })).toBe("tooManyInSight");
});

test("a tab says how many watch, and the names of a few faults", () => {
  const t = translator("en");
  expect(notes({ viewers: 0, faults: {} }, t)).toEqual({ viewers: "", faults: "" });
  expect(notes({ viewers: 2, faults: { display: "x", camera: "y" } }, t)).toEqual({ viewers: "2 watching", faults: "Fault: display, camera" });
  const { faults } = notes({ viewers: 0, faults: { a: "", b: "", c: "", d: "" } }, t);
  expect(faults).toBe("Fault: a, b, c …");
});

test("whatever a robot says of its faults, they are a table of texts", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (faults) => {
      const status = readStatus({ faults });
      expect(Object.values(status?.faults ?? {}).every((reason) => typeof reason === "string")).toBe(true);
    }),
  );
});
