import { useState } from "react";

import { useDrag } from "../useDrag";
import type { Direction } from "./motors";

const CENTRE: Direction = { x: 0, y: 0 };

interface Props {
  turns: boolean;
  disabled: boolean;
  steer: (direction: Direction) => void;
}

/** A stick for a finger or a mouse. The keyboard has the arrows, which do the same: this is not for who does not see it. */
export function Joystick({ turns, disabled, steer }: Props) {
  const [at, setAt] = useState(CENTRE);
  const drag = useDrag(disabled, (place) => {
    const x = place && turns ? 2 * place.x - 1 : 0;
    const y = place ? 1 - 2 * place.y : 0;
    const far = Math.max(1, Math.hypot(x, y));
    const direction = { x: x / far, y: y / far };
    setAt(direction);
    steer(direction);
  });
  return (
    <div
      className={disabled ? "joystick disabled" : "joystick"}
      aria-hidden="true"
      {...drag}
      onContextMenu={(event) => event.preventDefault()}
    >
      <span style={{ transform: `translate(${at.x * 44}px, ${-at.y * 44}px)` }} />
    </div>
  );
}
