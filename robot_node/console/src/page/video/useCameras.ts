import { useState } from "react";

import type { CameraState, RobotStatus } from "../status";

export interface Cameras {
  /** The state of each, by name, where there are several. */
  states: Record<string, CameraState>;
  names: string[];
  /** The place of the one that is shown large. */
  large: number;
  enlarge: (name: string) => void;
  /** The argument of tools that says which one is meant. */
  argument: { camera?: string };
}

/** A robot's cameras, and which one is shown large. */
export function useCameras(status: RobotStatus | null): Cameras {
  const [enlarged, enlarge] = useState("");
  const states = status?.cameras ?? {};
  const names = Object.keys(states);
  const large = Math.max(0, names.indexOf(enlarged));
  const name = names[large];
  return { states, names, large, enlarge, argument: names.length > 1 && name !== undefined ? { camera: name } : {} };
}
