import { createContext } from "react";

export interface Outcome {
  text: string;
  isError: boolean;
}

export interface Stop {
  /** This robot has something to stop. */
  isOffered: boolean;
  /** Stop everything that moves or sounds; each press is a call of its own. */
  press: () => void;
  /** What came of the last press, for a while. */
  outcome: Outcome | null;
  /** Call a function at each press, before the robot is called; returns what ends it. */
  onPress: (listener: () => void) => () => void;
}

/** The stop of the robot that the page shows; without a robot there is none. */
export const StopContext = createContext<Stop>({
  isOffered: false,
  press: () => undefined,
  outcome: null,
  onPress: () => () => undefined,
});
