import { useState, type PointerEvent } from "react";

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
  const [pointer, setPointer] = useState<number | null>(null);
  const move = (direction: Direction) => {
    setAt(direction);
    steer(direction);
  };
  const follow = (event: PointerEvent<HTMLDivElement>) => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    const x = turns ? (2 * (event.clientX - left)) / width - 1 : 0;
    const y = 1 - (2 * (event.clientY - top)) / height;
    const far = Math.max(1, Math.hypot(x, y));
    move({ x: x / far, y: y / far });
  };
  const end = ({ pointerId }: PointerEvent) => {
    if (pointerId !== pointer) return;
    setPointer(null);
    move(CENTRE);
  };
  return (
    <div
      className={disabled ? "joystick disabled" : "joystick"}
      aria-hidden="true"
      onPointerDown={(event) => {
        if (disabled || event.button !== 0 || pointer !== null) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setPointer(event.pointerId);
        follow(event);
      }}
      onPointerMove={(event) => event.pointerId === pointer && follow(event)}
      onPointerUp={end}
      onPointerCancel={end}
      onLostPointerCapture={end}
      onContextMenu={(event) => event.preventDefault()}
    >
      <span style={{ transform: `translate(${at.x * 44}px, ${-at.y * 44}px)` }} />
    </div>
  );
}
