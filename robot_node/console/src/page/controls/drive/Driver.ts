/** Drives motors while a person holds something: short calls, one after the other, each for {@link HELD_S} at most. */

import { speedsOf, type Direction, type Motors, type Vehicle } from "./motors";
import { TABLE, type Event, type Order, type State } from "./table";

export const RENEWED_MS = 100;
/** For so long neither the robot's answers nor the page's own clock may be away. */
export const SILENT_MS = 300;
/** The first answer may take longer: the robot takes the pins then, and stops by itself anyway. */
const FIRST_MS = 1000;
export interface Answer {
  isError: boolean;
  /** Why it was refused. */
  text: string;
}

export interface Ports {
  /** Call `drive_motor`; it never rejects. The first calls of a hold can be taken back by their signal. */
  drive: (args: Record<string, unknown>, first?: AbortSignal) => Promise<Answer>;
  /** The robot has asked the person something, which is not answered yet. */
  isAsked: () => boolean;
  /** Milliseconds, of a clock that only goes ahead. */
  now: () => number;
  /** Do a job regularly; returns what ends it. */
  every: (ms: number, job: () => void) => () => void;
  onChange: (shown: Shown) => void;
}

export interface Shown {
  state: State;
  /** Why it stopped while it was held; null when it did not. `ask` stays until it drives again. */
  cause: Event | null;
  /** What the robot said, when it refused. */
  reason: string;
}

const IDLE: Shown = { state: "idle", cause: null, reason: "" };
const NOWHERE: Direction = { x: 0, y: 0 };

export class Driver {
  private shown = IDLE;
  private vehicle: Vehicle | null = null;
  private direction = NOWHERE;
  private motors: Motors | null = null;
  private limit = 1;
  private readonly active = new Set<string>();
  private endTicks: () => void = () => undefined;
  private tickedAt = 0;
  private silentFrom = 0;
  /** Takes the first calls of the hold back; answers to the calls of an earlier hold mean nothing any more. */
  private hold = new AbortController();
  private isAnswered = false;

  constructor(private readonly ports: Ports) {}

  /** What to drive; with another vehicle, or none, the one before stops. */
  use(motors: Motors | null, vehicle: Vehicle | null): void {
    if (this.vehicle && vehicle?.key !== this.vehicle.key) this.tell("lose");
    this.motors = motors;
    this.vehicle = vehicle;
  }

  /** The share of the greatest speed, 0 to 1. */
  setLimit(limit: number): void {
    this.limit = limit;
  }

  /** Where a person steers with a source, such as the keys or a stick: nowhere, when nothing is held there. */
  steer(source: string, direction: Direction): void {
    const was = this.active.has(source);
    if (!this.vehicle && !was) return;
    if (direction.x === 0 && direction.y === 0) {
      this.active.delete(source);
      if (was) this.tell("release");
      return;
    }
    this.active.add(source);
    // Where it was stopped it stays so, until what drives is let go and held again.
    if (this.shown.state !== "held" || !was) this.direction = direction;
    this.tell(was ? "steer" : "press");
  }

  /** Something happened that the robot must stop for, or the person let go. */
  tell(event: Event, reason = ""): void {
    // Its dialog takes the keyboard and the pointer from what is held, before the next tick.
    if (event === "release" && this.isAskedFirst()) this.tell("ask");
    const before = this.shown.state;
    const [state, order] = TABLE[before][event];
    if (order) this.carryOut(order);
    const stops = order === "stop";
    if (stops) this.endTicks();
    if (before === state && !stops) return;
    // That it wants to be asked another way is still to be read when nothing is held any more.
    const isKept = state === "held" || (state === "idle" && this.shown.cause === "ask");
    const cause = !isKept ? null : stops ? event : this.shown.cause;
    this.shown = { state, cause, reason: state === "held" ? reason : "" };
    this.ports.onChange(this.shown);
  }

  /** The page is left. */
  close(): void {
    this.tell("lose");
    this.endTicks();
  }

  private carryOut(order: Exclude<Order, null>): void {
    const { motors, vehicle, ports } = this;
    if (!motors || !vehicle) return;
    if (order === "drive") this.begin();
    if (order === "goOn" && !this.isAnswered) return;
    const { hold } = this;
    if (order === "stop" && !this.isAnswered) {
      hold.abort();
      // To stop would be asked about too; what was not begun needs none.
      if (ports.isAsked()) return;
    }
    const direction = order === "stop" ? NOWHERE : this.direction;
    for (const [name, speed] of speedsOf(vehicle, direction, motors.fastest * this.limit)) {
      const renew = motors.renews && order !== "drive" ? { renew: true } : {};
      const args = { name, speed, duration: motors.seconds, ...renew };
      void ports.drive(args, order === "drive" ? hold.signal : undefined).then((answer) => {
        if (hold !== this.hold || this.shown.state !== "driving") return;
        if (answer.isError) {
          this.tell("refuse", answer.text);
          return;
        }
        this.isAnswered = true;
        this.silentFrom = ports.now() + SILENT_MS;
      });
    }
  }

  private isAskedFirst(): boolean {
    return this.shown.state === "driving" && !this.isAnswered && this.ports.isAsked();
  }

  private begin(): void {
    const { ports } = this;
    this.endTicks();
    this.hold = new AbortController();
    this.isAnswered = false;
    this.tickedAt = ports.now();
    this.silentFrom = this.tickedAt + FIRST_MS;
    this.endTicks = ports.every(RENEWED_MS, () => this.tick());
  }

  private tick(): void {
    const now = this.ports.now();
    const isLate = now - this.tickedAt > SILENT_MS;
    this.tickedAt = now;
    if (this.isAskedFirst()) this.tell("ask");
    else this.tell(isLate || now > this.silentFrom ? "silence" : "renew");
  }
}
