/** The stick of a gamepad. Pure but for {@link browserPads}. */

import type { Direction } from "./motors";

export interface Pad {
  axes: readonly number[];
  buttons: readonly { pressed: boolean }[];
}

/** The gamepads now; null where there is none. */
export type Pads = () => readonly (Pad | null)[];

/** Browsers have none on pages that come neither from this machine nor by https. */
export const browserPads: Pads = () => ("getGamepads" in navigator ? navigator.getGamepads() : []);

/** A stick that nobody touches is seldom exactly in the middle. */
const DEAD_ZONE = 0.15;
/** Up, down, left, right, on gamepads of the standard mapping. */
const CROSS = [12, 13, 14, 15] as const;

/** Where the first gamepad that is moved points: its left stick, or its cross. */
export function stickOf(pads: readonly (Pad | null)[]): Direction {
  for (const pad of pads) {
    if (!pad) continue;
    const [up, down, left, right] = CROSS.map((place) => (pad.buttons[place]?.pressed ? 1 : 0));
    const cross = { x: (right ?? 0) - (left ?? 0), y: (up ?? 0) - (down ?? 0) };
    if (cross.x || cross.y) return cross;
    const stick = outsideDeadZone(pad.axes[0], pad.axes[1]);
    if (stick) return stick;
  }
  return { x: 0, y: 0 };
}

function outsideDeadZone(x = 0, down = 0): Direction | null {
  const size = Math.hypot(x, down);
  if (!(size > DEAD_ZONE)) return null;
  // From the edge of the zone on it begins slowly, and full is full.
  const scale = (Math.min(size, 1) - DEAD_ZONE) / (1 - DEAD_ZONE) / size;
  return { x: x * scale, y: -down * scale || 0 };
}
