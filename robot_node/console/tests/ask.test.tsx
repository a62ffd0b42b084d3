// @vitest-environment jsdom
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Ask } from "../src/page/dialogs/Ask";
import { Confirm } from "../src/page/dialogs/Confirm";
import { readQuestions } from "../src/page/dialogs/openQuestions";
import { Questions } from "../src/page/dialogs/questions";

const QUESTIONS = [
  { id: "a1", text: "May the robot carry out drive?", asked_by: "bot", tool: "drive", choices: ["yes", "no"] },
  { id: "a2", text: "Which one?", asked_by: "bot", tool: "", choices: ["red", "blue"] },
  { id: "a3", text: "Where is the cat?", asked_by: "bot", tool: "", choices: [] },
  { id: "a4", text: "Mine", asked_by: "me", tool: "drive", choices: ["yes", "no"] },
];

let place: HTMLElement;
let root: Root;
let answers: [string, string][];
let questions: Questions;
let now = 0;

beforeEach(() => {
  // jsdom has no modal dialogs.
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    if (!this.open) return;
    this.open = false;
    this.dispatchEvent(new Event("close"));
  };
  vi.spyOn(performance, "now").mockImplementation(() => now);
  now = 0;
  answers = [];
  questions = new Questions();
  place = document.body.appendChild(document.createElement("div"));
  root = createRoot(place);
});
afterEach(() => {
  flushSync(() => root.unmount());
  place.remove();
  vi.restoreAllMocks();
});

function show(...ids: string[]) {
  const open = readQuestions({ questions: QUESTIONS.filter(({ id }) => ids.includes(id)) }, "me");
  const answer = ({ id }: { id: string }, text: string) => void answers.push([id, text]);
  flushSync(() => root.render(<Ask open={open} questions={questions} robot="toys/one" answer={answer} />));
}

const dialog = () => place.querySelector("dialog") as HTMLDialogElement;

function click(label: string, at: number) {
  const button = [...place.querySelectorAll("button")].find(({ textContent }) => textContent === label);
  if (!button) throw new Error(`there is no button ${label}`);
  const event = new MouseEvent("click", { bubbles: true });
  Object.defineProperty(event, "timeStamp", { value: at });
  flushSync(() => button.dispatchEvent(event));
}

test("one question after the other, each with its own answers; an own call is not asked about", () => {
  show("a1", "a2", "a4");
  expect(dialog().open).toBe(true);
  expect(dialog().textContent).toContain("May the robot carry out drive?");
  click("Allow", 1000);
  expect(dialog().textContent).toContain("Which one?");
  click("blue", 2000);
  expect(dialog().open).toBe(false);
  expect(answers).toEqual([
    ["a1", "yes"],
    ["a2", "blue"],
  ]);
});

test("a click before anybody can have read the question is not an answer to it", () => {
  show("a1", "a2");
  click("Allow", 100);
  expect(answers).toEqual([]);
  now = 1000;
  show("a2"); // answered elsewhere just now
  click("red", 1200);
  expect(answers).toEqual([]);
  click("red", 1600);
  expect(answers).toEqual([["a2", "red"]]);
});

test("nor is it a confirmation, also of the call after it", async () => {
  flushSync(() => root.render(<Confirm questions={questions} robot="toys/one" />));
  const asked = ["drive", "set_servo"].map((message) => questions.ask({ message, requestedSchema: { type: "object", properties: {} } }, new AbortController().signal));
  const shows = (text: string) => vi.waitFor(() => expect(dialog().textContent).toContain(text));
  await shows("drive");
  click("Allow", 100);
  expect(dialog().textContent).toContain("drive");
  now = 1000;
  click("Allow", 1000);
  await shows("set_servo");
  click("Allow", 1100);
  expect(dialog().open).toBe(true);
  click("Decline", 1600);
  expect((await Promise.all(asked)).map(({ action }) => action)).toEqual(["accept", "decline"]);
});

test("a question that is answered elsewhere goes; one that is left for others does not come again", () => {
  show("a1");
  show();
  expect(dialog().open).toBe(false);
  show("a2");
  click("Not now", 1000);
  show("a2");
  expect(dialog().open).toBe(false);
  expect(answers).toEqual([]);
});

test("an answer in one's own words", () => {
  show("a3");
  const input = place.querySelector("input") as HTMLInputElement;
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, " On the sofa ");
  flushSync(() => input.dispatchEvent(new Event("input", { bubbles: true })));
  const submit = new SubmitEvent("submit", { bubbles: true, cancelable: true });
  Object.defineProperty(submit, "timeStamp", { value: 1000 });
  flushSync(() => place.querySelector("form")?.dispatchEvent(submit));
  expect(answers).toEqual([["a3", "On the sofa"]]);
});

test("who does not want to be asked is not", () => {
  show("a1", "a2", "a3");
  click("None of 3 now", 1000);
  expect(dialog().open).toBe(false);
  show("a1", "a2", "a3");
  expect(dialog().open).toBe(false);
  flushSync(() => questions.askAgain());
  expect(dialog().open).toBe(true);
});
