/** What the robot notices in its picture: read from its status, and shown over the picture. */

import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { Noticed } from "../src/page/video/Noticed";
import { readStatus } from "../src/page/status";

const shown = (json: unknown) => {
  const status = readStatus(json);
  return status && renderToStaticMarkup(<Noticed status={status} />).replace(/<[^>]*>/g, "");
};

test("zones in which something moves and objects are shown, others are not", () => {
  expect(shown({ motion: { door: true, path: false, yard: true }, detected: ["cat", "person"] })).toBe("Motion: door, yard · cat · person");
  expect(shown({ motion: { door: false }, detected: [] })).toBe("");
  expect(shown({})).toBe("");
});

test("what is no motion and no label is left out", () => {
  expect(shown({ motion: { door: "yes" }, detected: [1] })).toBe("");
  expect(shown({ motion: ["door"], detected: "cat" })).toBe("");
  expect(shown({ detected: Array.from({ length: 51 }, () => "cat") })).toBe("");
});
