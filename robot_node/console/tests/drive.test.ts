/** Driving by hand: the table cell by cell, the calls that come of it in time, and what a gamepad and a robot's motors say. */
import { beforeEach, describe, expect, test } from "vitest";

import { Driver, RENEWED_MS, type Answer, type Shown } from "../src/page/controls/drive/Driver";
import { stickOf, type Pad } from "../src/page/controls/drive/gamepad";
import { motorsOf, speedsOf, type Motors, type Vehicle } from "../src/page/controls/drive/motors";
import { TABLE, type Event, type Order, type State } from "../src/page/controls/drive/table";

const STOPPING: Event[] = ["blur", "hide", "lose", "silence", "refuse", "ask", "stopAll"];
const EVENTS: Event[] = ["press", "steer", "release", "renew", ...STOPPING];

/** What is right in each cell, said once more and otherwise than in the table: by what must hold of it. */
function expected(state: State, event: Event): [State, Order] {
  if (event === "press") return ["driving", state === "driving" ? "goOn" : "drive"];
  if (state === "idle" || (state === "held" && event === "release")) return ["idle", null];
  if (state === "held") return ["held", null];
  if (event === "release") return ["idle", "stop"];
  return STOPPING.includes(event) ? ["held", "stop"] : ["driving", "goOn"];
}

describe.each(["idle", "driving", "held"] as const)("%s", (state) => {
  test.each(EVENTS)("%s", (event) => expect(TABLE[state][event]).toEqual(expected(state, event)));
  test("knows no other event", () => expect(Object.keys(TABLE[state]).sort()).toEqual([...EVENTS].sort()));
});

const WHEELS: Vehicle = { key: "wheels", motors: ["left", "right"] };
const ONE: Vehicle = { key: "motor wheel", motors: ["wheel"] };
const MOTORS: Motors = { vehicles: [ONE], fastest: 0.8, seconds: 0.3, renews: true };

/** A robot and a clock: calls are answered when the test says so. */
class World {
  now = 0;
  calls: { args: Record<string, unknown>; signal: AbortSignal | undefined; answer: (answer?: Partial<Answer>) => Promise<void> }[] = [];
  shown: Shown = { state: "idle", cause: null, reason: "" };
  isAsked = false;
  private job: (() => void) | null = null;
  readonly driver = new Driver({
    drive: (args, signal) =>
      new Promise((resolve) => {
        const answer = async (said: Partial<Answer> = {}) => {
          resolve({ isError: false, text: "", ...said });
          await Promise.resolve();
        };
        this.calls.push({ args, signal, answer });
      }),
    isAsked: () => this.isAsked,
    now: () => this.now,
    every: (_, job) => {
      this.job = job;
      return () => (this.job = null);
    },
    onChange: (shown) => (this.shown = shown),
  });

  get isTicking(): boolean {
    return this.job !== null;
  }

  tick(ms = RENEWED_MS): void {
    this.now += ms;
    this.job?.();
  }

  /** Answer what was called since the last time; returns the speeds. */
  async answered(answer: Partial<Answer> = {}): Promise<unknown[]> {
    const calls = this.calls.splice(0);
    for (const call of calls) await call.answer(answer);
    return calls.map(({ args }) => args["speed"]);
  }
}

let world: World;
const AHEAD = { x: 0, y: 1 };
const STILL = { x: 0, y: 0 };

beforeEach(() => {
  world = new World();
  world.driver.use(MOTORS, ONE);
});

const press = async () => {
  world.driver.steer("arrows", AHEAD);
  await world.answered();
};

describe("a hold", () => {
  test("is a first call, others that only go on every 100 ms, and a stop", async () => {
    world.driver.steer("arrows", AHEAD);
    expect(world.calls.map(({ args }) => args)).toEqual([{ name: "wheel", speed: 0.8, duration: 0.3 }]);
    await world.answered();
    world.tick();
    expect(world.calls.map(({ args }) => args)).toEqual([{ name: "wheel", speed: 0.8, duration: 0.3, renew: true }]);
    await world.answered();
    world.driver.steer("arrows", { x: 0, y: -0.5 });
    world.driver.setLimit(0.5);
    world.tick();
    expect(await world.answered()).toEqual([-0.4, -0.2]);
    world.driver.steer("arrows", STILL);
    expect(world.calls.map(({ args }) => args)).toEqual([{ name: "wheel", speed: 0, duration: 0.3, renew: true }]);
    expect(world.shown).toEqual({ state: "idle", cause: null, reason: "" });
    expect(world.isTicking).toBe(false);
  });

  test("goes on by plain calls at a robot that knows nothing else", async () => {
    world.driver.use({ ...MOTORS, renews: false }, ONE);
    await press();
    world.tick();
    expect(world.calls.map(({ args }) => args)).toEqual([{ name: "wheel", speed: 0.8, duration: 0.3 }]);
  });

  test("calls nothing more until the first call is answered", () => {
    world.driver.steer("arrows", AHEAD);
    world.tick();
    world.tick();
    expect(world.calls).toHaveLength(1);
  });

  test("drives both wheels, and turns", () => {
    world.driver.use(MOTORS, WHEELS);
    world.driver.steer("arrows", { x: 1, y: 1 });
    expect(world.calls.map(({ args }) => [args["name"], args["speed"]])).toEqual([
      ["left", 0.8],
      ["right", 0],
    ]);
  });
});

describe("a dead man's stop", () => {
  test.each<[string, Event, () => void]>([
    ["another window", "blur", () => world.driver.tell("blur")],
    ["a hidden page", "hide", () => world.driver.tell("hide")],
    ["a lost session", "lose", () => world.driver.use(null, null)],
    ["the stop button", "stopAll", () => world.driver.tell("stopAll")],
  ])("%s: stops, and drives again only when it was let go and pressed", async (_, cause, happen) => {
    await press();
    happen();
    expect(await world.answered()).toEqual([0]);
    expect(world.shown).toEqual({ state: "held", cause, reason: "" });
    expect(world.isTicking).toBe(false);
    world.driver.use(MOTORS, ONE);
    world.driver.steer("arrows", { x: 0, y: 0.9 });
    expect(world.calls).toEqual([]);
    world.driver.steer("arrows", STILL);
    expect(world.shown.state).toBe("idle");
    world.driver.steer("arrows", AHEAD);
    expect(await world.answered()).toEqual([0.8]);
  });

  test("a robot that is silent for more than 300 ms", async () => {
    await press();
    for (let count = 0; count < 3; count += 1) world.tick();
    expect(world.shown.state).toBe("driving");
    world.tick();
    expect(world.shown.cause).toBe("silence");
    expect((await world.answered()).at(-1)).toBe(0);
  });

  test("a robot that never answers the first call: it is taken back", () => {
    world.driver.steer("arrows", AHEAD);
    for (let ms = 0; ms < 1000; ms += 100) world.tick();
    expect(world.shown.state).toBe("driving");
    world.tick();
    expect(world.shown.cause).toBe("silence");
    expect(world.calls[0]?.signal?.aborted).toBe(true);
    expect(world.calls.at(-1)?.args["speed"]).toBe(0);
  });

  test("a page whose own clock stood still", async () => {
    await press();
    world.tick(301);
    expect(world.shown.cause).toBe("silence");
  });

  test("a robot that refuses: its reason is shown, and late answers change nothing", async () => {
    await press();
    world.tick();
    world.tick();
    const [first, second] = world.calls.splice(0);
    await first?.answer({ isError: true, text: "others have stopped it" });
    expect(world.shown).toEqual({ state: "held", cause: "refuse", reason: "others have stopped it" });
    expect(await world.answered()).toEqual([0]);
    await second?.answer({ isError: true, text: "late" });
    expect(world.shown.reason).toBe("others have stopped it");
    expect(world.calls).toEqual([]);
  });

  test("an answer to an earlier hold is none to this one", async () => {
    world.driver.steer("arrows", AHEAD);
    world.driver.steer("arrows", STILL);
    const [old] = world.calls.splice(0);
    world.driver.steer("arrows", AHEAD);
    await old?.answer({ isError: true });
    expect(world.shown.state).toBe("driving");
    world.calls.splice(0);
    await old?.answer();
    world.tick();
    expect(world.calls, "it goes on before its own first answer").toEqual([]);
  });

  test("a robot that asks a person first: the call is taken back, and nothing else is asked about", () => {
    world.driver.steer("arrows", AHEAD);
    world.isAsked = true;
    world.tick();
    expect(world.shown.cause).toBe("ask");
    expect(world.calls).toHaveLength(1);
    expect(world.calls[0]?.signal?.aborted).toBe(true);
    world.driver.steer("arrows", STILL);
    expect(world.shown).toEqual({ state: "idle", cause: "ask", reason: "" });
  });

  test("a robot that asks, whose dialog lets go what was held", () => {
    world.driver.steer("arrows", AHEAD);
    world.isAsked = true;
    world.driver.steer("arrows", STILL);
    expect(world.shown).toEqual({ state: "idle", cause: "ask", reason: "" });
    expect(world.calls).toHaveLength(1);
    expect(world.calls[0]?.signal?.aborted).toBe(true);
    world.isAsked = false;
    world.driver.steer("arrows", AHEAD);
    expect(world.shown.cause).toBeNull();
  });

  test("another vehicle: the one before stops", async () => {
    world.driver.use(MOTORS, WHEELS);
    await press();
    world.driver.use(MOTORS, ONE);
    expect(world.calls.map(({ args }) => [args["name"], args["speed"]])).toEqual([
      ["left", 0],
      ["right", 0],
    ]);
  });

  test("the page is left", async () => {
    await press();
    world.driver.close();
    expect(await world.answered()).toEqual([0]);
    expect(world.isTicking).toBe(false);
  });
});

describe("several that steer", () => {
  test("the last one counts, and whichever is let go stops it", async () => {
    await press();
    world.driver.steer("gamepad", { x: 0, y: -1 });
    expect(await world.answered()).toEqual([-0.8]);
    world.driver.steer("arrows", STILL);
    expect(await world.answered()).toEqual([0]);
    world.driver.steer("gamepad", { x: 0, y: -0.9 });
    expect(world.calls).toEqual([]);
  });

  test("one that is not held lets nothing go", async () => {
    await press();
    world.driver.steer("gamepad", STILL);
    expect(world.shown.state).toBe("driving");
  });

  test("without anything to drive nothing is called, nor later by what is still held", () => {
    world.driver.use(null, null);
    world.driver.steer("arrows", AHEAD);
    expect(world.shown.state).toBe("idle");
    expect(world.calls).toEqual([]);
  });
});

test.each<[string, number, number, number[], number[]]>([
  ["ahead", 0, 1, [0.8, 0.8], [0.8]],
  ["back", 0, -1, [-0.8, -0.8], [-0.8]],
  ["turning on the spot", 1, 0, [0.8, -0.8], [0]],
  ["half left", -0.5, 0, [-0.4, 0.4], [0]],
  ["ahead and right", 1, 1, [0.8, 0], [0.8]],
  ["still", 0, 0, [0, 0], [0]],
])("%s", (_, x, y, wheels, one) => {
  expect(speedsOf(WHEELS, { x, y }, 0.8).map(([, speed]) => speed)).toEqual(wheels);
  expect(speedsOf(ONE, { x, y }, 0.8).map(([, speed]) => speed)).toEqual(one);
});

const tool = (names: unknown, changes: object = {}) => ({
  properties: {
    name: { enum: names },
    speed: { type: "number", minimum: -0.6, maximum: 0.6 },
    duration: { type: "number", maximum: 5 },
    ...changes,
  },
});

describe("the motors of a robot", () => {
  test.each<[string, string[], string[]]>([
    ["one", ["wheel"], ["wheel"]],
    ["a pair by its names", ["arm", "motor_right", "motor_left"], ["motor_left+motor_right", "arm", "motor_right", "motor_left"]],
    ["a pair in German", ["links", "rechts"], ["links+rechts", "links", "rechts"]],
    ["two that are no pair", ["lift", "belt"], ["lift", "belt"]],
  ])("%s", (_, names, vehicles) => expect(motorsOf(tool(names))?.vehicles.map(({ motors }) => motors.join("+"))).toEqual(vehicles));

  test("keep to the robot's limits", () => {
    expect(motorsOf(tool(["wheel"]))).toMatchObject({ fastest: 0.6, seconds: 0.3, renews: false });
    expect(motorsOf(tool(["wheel"], { duration: { type: "number", maximum: 0.2 }, renew: { type: "boolean" } }))).toMatchObject({
      seconds: 0.2,
      renews: true,
    });
  });

  test.each([null, {}, tool("wheel"), tool([]), tool([1]), tool(["wheel"], { speed: { type: "string" } })])("are none of %j", (schema) =>
    expect(motorsOf(schema)).toBeNull(),
  );
});

describe("a gamepad", () => {
  const pad = (axes: number[], ...pressed: number[]): Pad => ({
    axes,
    buttons: Array.from({ length: 17 }, (_, place) => ({ pressed: pressed.includes(place) })),
  });
  test.each<[string, (Pad | null)[], { x: number; y: number }]>([
    ["that is not there", [null], STILL],
    ["whose stick is not quite in the middle", [pad([0.1, -0.1])], STILL],
    ["pushed ahead", [pad([0, -1])], AHEAD],
    ["pushed to the right corner", [pad([1, 1])], { x: Math.SQRT1_2, y: -Math.SQRT1_2 }],
    ["whose cross is pressed", [pad([0, 0], 13, 14)], { x: -1, y: -1 }],
    ["the second, while nobody touches the first", [null, pad([0, 0]), pad([0, -1])], AHEAD],
    ["without a stick", [{ axes: [], buttons: [] }], STILL],
    ["with nonsense", [pad([NaN, NaN])], STILL],
  ])("%s", (_, pads, { x, y }) => {
    const found = stickOf(pads);
    expect(found.x).toBeCloseTo(x);
    expect(found.y).toBeCloseTo(y);
  });
});
