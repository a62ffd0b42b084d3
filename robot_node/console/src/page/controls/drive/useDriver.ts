import { use, useEffect, useMemo, useState } from "react";

import { textOf, type Calls } from "../../useCalls";
import { StopContext } from "../stop/stop";
import { Driver, type Answer, type Ports, type Shown } from "./Driver";
import { browserPads, stickOf, type Pads } from "./gamepad";
import type { Direction, Motors, Vehicle } from "./motors";

export const DRIVE = "drive_motor";
const ANSWERED_MS = 5000;
const POLLED_MS = 50;

const BROWSER_CLOCK: Pick<Ports, "now" | "every"> = {
  now: () => performance.now(),
  every: (ms, job) => {
    const timer = setInterval(job, ms);
    return () => clearInterval(timer);
  },
};

interface Options {
  /** The same functions in each render, as those of `isAsked` and `pads`. */
  calls: Pick<Calls, "quietly">;
  /** Null: there is nothing to drive now, for want of a session, say. */
  motors: Motors | null;
  vehicle: Vehicle | null;
  /** The share of the greatest speed. */
  limit: number;
  isAsked: () => boolean;
  pads?: Pads;
}

/** Drive a vehicle; it stops when the page is no longer in front of a person. */
export function useDriver({ calls: { quietly }, motors, vehicle, limit, isAsked, pads = browserPads }: Options): {
  shown: Shown;
  steer: (source: string, direction: Direction) => void;
} {
  const [shown, setShown] = useState<Shown>({ state: "idle", cause: null, reason: "" });
  const driver = useMemo(
    () =>
      new Driver({
        drive: async (args, signal) => answerOf(await quietly(DRIVE, args, { timeoutMs: ANSWERED_MS, ...(signal ? { signal } : {}) })),
        isAsked,
        ...BROWSER_CLOCK,
        onChange: setShown,
      }),
    [quietly, isAsked],
  );
  const { onPress } = use(StopContext);

  useEffect(() => driver.use(motors, vehicle), [driver, motors, vehicle]);
  useEffect(() => driver.setLimit(limit), [driver, limit]);
  useEffect(() => onPress(() => driver.tell("stopAll")), [driver, onPress]);
  useEffect(() => {
    const blurred = () => driver.tell("blur");
    const hidden = () => document.visibilityState === "hidden" && driver.tell("hide");
    const left = () => driver.tell("hide");
    addEventListener("blur", blurred);
    addEventListener("pagehide", left);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      removeEventListener("blur", blurred);
      removeEventListener("pagehide", left);
      document.removeEventListener("visibilitychange", hidden);
      driver.close();
    };
  }, [driver]);
  useGamepad(driver, pads);
  return { shown, steer: (source, direction) => driver.steer(source, direction) };
}

const answerOf = (result: Awaited<ReturnType<Calls["quietly"]>>): Answer => ({
  isError: result.isError === true,
  text: result.isError ? textOf(result) : "",
});

/** Read the gamepads while there are any. One that is held when the window gets the keyboard drives only once it was let go. */
function useGamepad(driver: Driver, pads: Pads): void {
  useEffect(() => {
    let timer: ReturnType<typeof setInterval> | undefined;
    let isFree = false;
    const read = () => {
      if (!document.hasFocus()) {
        isFree = false;
        return;
      }
      const direction = stickOf(pads());
      isFree ||= direction.x === 0 && direction.y === 0;
      if (isFree) driver.steer("gamepad", direction);
    };
    const look = () => {
      const isThere = pads().some((pad) => pad !== null);
      if (isThere && timer === undefined) timer = setInterval(read, POLLED_MS);
      if (isThere || timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      isFree = false;
      driver.steer("gamepad", { x: 0, y: 0 });
    };
    look();
    addEventListener("gamepadconnected", look);
    addEventListener("gamepaddisconnected", look);
    return () => {
      clearInterval(timer);
      removeEventListener("gamepadconnected", look);
      removeEventListener("gamepaddisconnected", look);
    };
  }, [driver, pads]);
}
