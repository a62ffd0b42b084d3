// @vitest-environment jsdom
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Boundary } from "../src/page/Boundary";
import { Questions, WAITING_LIMIT } from "../src/page/dialogs/questions";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined));
afterEach(() => vi.restoreAllMocks());

test("a view that breaks leaves the others, says what broke, and is shown again when asked", () => {
  let reason: unknown = new Error("no such thing");
  const View = () => {
    if (reason !== null) throw reason; // eslint-disable-line @typescript-eslint/only-throw-error -- anything can be thrown
    return <p>It works.</p>;
  };
  const reports: string[] = [];
  const place = document.createElement("div");
  const root = createRoot(place);
  const show = () =>
    flushSync(() =>
      root.render(
        <>
          <Boundary view="Face" report={(text) => reports.push(text)}>
            <View />
          </Boundary>
          <p>The others.</p>
        </>,
      ),
    );
  show();
  expect(place.textContent).toContain("“Face” cannot be shown");
  expect(place.textContent).toContain("no such thing");
  expect(place.textContent).toContain("The others.");
  expect(reports).toEqual(["Face: no such thing"]);

  const again = () => flushSync(() => place.querySelector("button")?.click());
  reason = { toString: null };
  again();
  expect(place.textContent).toContain('{"toString":null}');
  reason = undefined;
  again();
  expect(place.textContent).toContain("“Face” cannot be shown");
  reason = null;
  again();
  expect(place.textContent).toBe("It works.The others.");
  root.unmount();
});

const ask = (questions: Questions, message: string, signal = new AbortController().signal) =>
  questions.ask({ message, mode: "form", requestedSchema: { type: "object", properties: {} } }, signal);

test("2000 questions are a bounded queue that is declined at once, and stays so until the person wants it", async () => {
  const questions = new Questions();
  const answers = Array.from({ length: 2000 }, (_, index) => ask(questions, `Question ${index}`));
  expect(questions.getSnapshot().waiting.length).toBe(WAITING_LIMIT);
  questions.declineAll();
  expect(questions.getSnapshot().waiting).toEqual([]);
  const actions = (await Promise.all(answers)).map(({ action }) => action);
  expect(actions.filter((action) => action === "decline").length).toBe(WAITING_LIMIT);
  expect(actions.filter((action) => action === "cancel").length).toBe(2000 - WAITING_LIMIT);
  expect(await ask(questions, "Again")).toEqual({ action: "decline" });
  questions.askAgain();
  void ask(questions, "And again");
  expect(questions.getSnapshot().waiting.map(({ message }) => message)).toEqual(["And again"]);
});

test("questions are answered one after the other; one that the robot takes back is gone", async () => {
  const questions = new Questions();
  const takenBack = new AbortController();
  const answers = [ask(questions, "first"), ask(questions, "second", takenBack.signal), ask(questions, "third")];
  const first = () => questions.getSnapshot().waiting[0];
  first()?.answer(true);
  takenBack.abort();
  expect(first()?.message).toBe("third");
  first()?.answer(false);
  expect(await Promise.all(answers)).toEqual([{ action: "accept", content: {} }, { action: "cancel" }, { action: "decline" }]);
});
