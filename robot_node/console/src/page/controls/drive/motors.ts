/** Which motors a robot has, and how fast each turns to drive somewhere. Pure. */

import { fieldsOf } from "../schema";

/** Where to drive: each -1 to 1; `y` is ahead, `x` to the right. */
export interface Direction {
  x: number;
  y: number;
}

/** What can be driven: one motor, or a pair of wheels; with a pair it turns too. */
export interface Vehicle {
  key: string;
  motors: readonly [string] | readonly [left: string, right: string];
}

export interface Motors {
  vehicles: Vehicle[];
  /** The greatest speed that the tool takes, at most 1. */
  fastest: number;
  /** Seconds of each call. */
  seconds: number;
  /** Calls can be such that they only go on with the one before. */
  renews: boolean;
}

/** 300 ms without a call, and the robot stops by itself. */
export const HELD_S = 0.3;

const LEFT = /left|links|左/i;
const RIGHT = /right|rechts|右/i;

/** Of the tool `drive_motor`; null when it is not as expected. */
export function motorsOf(inputSchema: unknown): Motors | null {
  const fields = new Map(fieldsOf(inputSchema).map((field) => [field.name, field]));
  const [name, speed, duration, renew] = ["name", "speed", "duration", "renew"].map((each) => fields.get(each));
  const names = (name?.choices ?? []).filter((choice) => typeof choice === "string");
  if (names.length === 0 || speed?.kind !== "number" || duration?.kind !== "number") return null;
  return {
    vehicles: vehiclesOf(names),
    fastest: inRange(speed.maximum, 1),
    seconds: inRange(duration.maximum, HELD_S),
    renews: renew?.kind === "boolean",
  };
}

const inRange = (limit: number | undefined, most: number) => (limit !== undefined && limit > 0 ? Math.min(limit, most) : most);

function vehiclesOf(names: string[]): Vehicle[] {
  const single = names.map((name): Vehicle => ({ key: `motor ${name}`, motors: [name] }));
  const left = names.find((name) => LEFT.test(name));
  const right = names.find((name) => RIGHT.test(name));
  return left !== undefined && right !== undefined && left !== right ? [{ key: "wheels", motors: [left, right] }, ...single] : single;
}

/** The speed of each motor of a vehicle, of at most `fastest`. */
export function speedsOf({ motors }: Vehicle, { x, y }: Direction, fastest: number): [motor: string, speed: number][] {
  const [left, right] = motors;
  if (right === undefined) return [[left, rounded(clamped(y) * fastest)]];
  // Both are slowed down alike where one would be too fast: the direction stays.
  const scale = fastest / Math.max(1, Math.abs(y + x), Math.abs(y - x));
  return [
    [left, rounded((y + x) * scale)],
    [right, rounded((y - x) * scale)],
  ];
}

const clamped = (value: number) => Math.min(1, Math.max(-1, value));
// Never beyond the limit; -0 is 0.
const rounded = (speed: number) => Math.trunc(speed * 1000) / 1000 || 0;
