/** Driving by hand, with a dead man's stop: the robot moves only while a person holds something. One table. Pure. */

/** `held`: it was stopped, and what drove it is still held; that must be let go before it drives again. */
export type State = "idle" | "driving" | "held";

export type Event =
  /** A person takes hold of a button, key or stick … */
  | "press"
  /** … moves it … */
  | "steer"
  /** … and lets go. */
  | "release"
  /** It is time for the next call: each is for a fraction of a second only. */
  | "renew"
  /** The window no longer has the keyboard. */
  | "blur"
  /** The page is not seen any more. */
  | "hide"
  /** There is no session with the robot. */
  | "lose"
  /** The robot, or the page itself, was silent for too long. */
  | "silence"
  /** The robot refused a call: it was stopped by others, say. */
  | "refuse"
  /** The robot wants a person's confirmation first. */
  | "ask"
  /** The stop button was pressed. */
  | "stopAll";

/** What to call: drive anew, go on, stop; null: nothing. */
export type Order = "drive" | "goOn" | "stop" | null;

type Row = Readonly<Record<Event, readonly [State, Order]>>;

const STILL: readonly [State, Order] = ["idle", null];
const WAITS: readonly [State, Order] = ["held", null];
const STOPS: readonly [State, Order] = ["held", "stop"];

export const TABLE: Readonly<Record<State, Row>> = {
  idle: {
    press: ["driving", "drive"],
    steer: STILL,
    release: STILL,
    renew: STILL,
    blur: STILL,
    hide: STILL,
    lose: STILL,
    silence: STILL,
    refuse: STILL,
    ask: STILL,
    stopAll: STILL,
  },
  driving: {
    press: ["driving", "goOn"],
    steer: ["driving", "goOn"],
    release: ["idle", "stop"],
    renew: ["driving", "goOn"],
    blur: STOPS,
    hide: STOPS,
    lose: STOPS,
    silence: STOPS,
    refuse: STOPS,
    ask: STOPS,
    stopAll: STOPS,
  },
  held: {
    press: ["driving", "drive"],
    steer: WAITS,
    release: STILL,
    renew: WAITS,
    blur: WAITS,
    hide: WAITS,
    lose: WAITS,
    silence: WAITS,
    refuse: WAITS,
    ask: WAITS,
    stopAll: WAITS,
  },
};
