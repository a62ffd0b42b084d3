import { useEffect, useRef, type PointerEvent } from "react";

/** A place on a pad: 0 to 1 from the left and from the top, beyond that where the pointer has left it. */
export interface Place {
  x: number;
  y: number;
}

type Handler = (event: PointerEvent<HTMLElement>) => void;

/** Handlers for a pad that follows one finger, or the mouse, while it is down; `follow` gets null at its end. */
export function useDrag(disabled: boolean, follow: (place: Place | null) => void): Record<
  "onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel" | "onLostPointerCapture",
  Handler
> {
  const pointer = useRef<number | null>(null);
  const letGo = useRef(() => undefined as void);
  useEffect(() => {
    letGo.current = () => {
      if (pointer.current !== null) follow(null);
    };
  });
  // The pad may be taken away while it is held.
  useEffect(() => () => letGo.current(), []);
  const at: Handler = (event) => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    follow({ x: (event.clientX - left) / width, y: (event.clientY - top) / height });
  };
  const end: Handler = ({ pointerId }) => {
    if (pointerId !== pointer.current) return;
    pointer.current = null;
    follow(null);
  };
  return {
    onPointerDown: (event) => {
      if (disabled || event.button !== 0 || pointer.current !== null) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      pointer.current = event.pointerId;
      at(event);
    },
    onPointerMove: (event) => event.pointerId === pointer.current && at(event),
    onPointerUp: end,
    onPointerCancel: end,
    onLostPointerCapture: end,
  };
}
