import { expect, test, vi } from "vitest";

import { CLAIMED, nextClaim, SHORT_LIMIT, TAKEN, type Claim, type ClaimEvent } from "../src/mqtt/claim";
import { OtherWindows } from "../src/mqtt/otherWindows";
import { until } from "./helpers";

const KEPT: Claim = { state: "kept", short: 0 };

test.each<[Claim, ClaimEvent, Claim]>([
  [{ state: "claimed", short: 2 }, "wanted", CLAIMED],
  [{ state: "claimed", short: 0 }, "told", TAKEN],
  [{ state: "claimed", short: 2 }, "lived", KEPT],
  [{ state: "claimed", short: 1 }, "ended-soon", { state: "claimed", short: 2 }],
  [{ state: "claimed", short: 2 }, "ended-soon", TAKEN],
  [{ state: "claimed", short: 2 }, "unreachable", CLAIMED],
  [{ state: "kept", short: 1 }, "wanted", CLAIMED],
  [{ state: "kept", short: 0 }, "told", TAKEN],
  [{ state: "kept", short: 1 }, "lived", KEPT],
  [{ state: "kept", short: 0 }, "ended-soon", { state: "kept", short: 1 }],
  [{ state: "kept", short: 1 }, "ended-soon", TAKEN],
  [{ state: "kept", short: 1 }, "unreachable", KEPT],
  [TAKEN, "wanted", CLAIMED],
  [TAKEN, "told", TAKEN],
  [TAKEN, "lived", TAKEN],
  [TAKEN, "ended-soon", TAKEN],
  [TAKEN, "unreachable", TAKEN],
])("%j, %s: %j", (claim, event, next) => {
  expect(nextClaim(claim, event)).toEqual(next);
});

/** Two that take the connection from each other: `second` has just connected. */
function contest(first: Claim, second: Claim): [Claim, Claim] {
  let [on, off] = [second, first];
  for (let turn = 0; on.state !== "taken" && off.state !== "taken"; turn += 1) [on, off] = [nextClaim(off, turn === 0 && off.state === "kept" ? "lived" : "ended-soon"), on];
  // The one that is connected is never the one that gave up.
  return on.state === "taken" ? [on, off] : [off, on];
}

test("of two that nobody tells, the one that was connected first gives way, and one only", () => {
  for (const first of [KEPT, CLAIMED]) {
    const [gaveWay, stays] = contest(first, CLAIMED);
    expect(gaveWay).toEqual(TAKEN);
    expect(stays.state).toBe("claimed");
    expect(stays.short).toBeLessThan(SHORT_LIMIT.claimed);
  }
});

test("of the windows of one browser, the last one that wants an id has it", async () => {
  const taken: string[] = [];
  let time = 0;
  const now = () => time;
  const window = (name: string, id: string) => new OtherWindows(id, () => taken.push(name), now);
  const [first, second, third] = [window("first", "anna"), window("second", "anna"), window("third", "bert")];
  time = 1;
  first.claim();
  third.claim();
  time = 2;
  second.claim();
  await until(() => taken.length, "one is taken");
  time = 3;
  first.claim();
  await until(() => taken.length === 2, "and taken back");
  expect(taken).toEqual(["first", "second"]);
  for (const each of [first, second, third]) each.close();
});

test("of two windows that are opened at once exactly one stays", async () => {
  const taken = [vi.fn(), vi.fn()];
  const windows = taken.map((onTaken) => new OtherWindows("anna", onTaken, () => 5));
  for (const each of windows) each.claim();
  await until(() => taken.some((each) => each.mock.calls.length), "one gives way");
  const last = new OtherWindows("anna", vi.fn(), () => 4); // its message comes after theirs, and is older
  last.claim();
  const other = new OtherWindows("other", vi.fn());
  await new Promise<void>((resolve) => {
    const channel = new BroadcastChannel("robot-node.client-id");
    channel.onmessage = () => resolve(channel.close());
    other.claim();
  });
  expect(taken.filter((each) => each.mock.calls.length)).toHaveLength(1);
  for (const each of [...windows, last, other]) each.close();
});
