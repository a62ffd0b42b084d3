import { useEffect, useEffectEvent, useRef, useState, type PointerEvent, type RefObject } from "react";

import { bounded, FILLED, fitted, MIDDLE, moved, pinched, WHOLE, wheelFactor, zoomed, type Point, type Size, type View } from "./zoom";

const STEP = 1.5;
const KEY_MOVES: Record<string, Point> = {
  ArrowLeft: { x: 0.1, y: 0 },
  ArrowRight: { x: -0.1, y: 0 },
  ArrowUp: { x: 0, y: 0.1 },
  ArrowDown: { x: 0, y: -0.1 },
};

export interface Zoom {
  view: View;
  isZoomed: boolean;
  zoomIn: () => void;
  zoomOut: () => void;
  reset: () => void;
  /** Whether a key did something. */
  onKey: (key: string) => boolean;
  /** Of the element that is the frame. */
  onPointer: Record<"onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel", (event: PointerEvent) => void>;
}

/**
 * Zoom by wheel, pinch, keys and buttons; move by drag.
 *
 * @param frame What the picture is shown in.
 * @param video The picture, shown whole and in the middle of the frame.
 * @param isOnItsSide The page turns the picture by a quarter.
 * @param of Which picture it is: another one begins unzoomed.
 */
export function useZoom(frame: RefObject<HTMLElement | null>, video: RefObject<HTMLVideoElement | null>, isOnItsSide: boolean, of: unknown): Zoom {
  const [kept, setKept] = useState({ of, view: WHOLE });
  const [fit, setFit] = useState(FILLED);
  const pointers = useRef(new Map<number, Point>());
  const view = bounded(kept.of === of ? kept.view : WHOLE, fit);
  const isZoomed = view.scale > 1;
  const change = (next: (view: View) => View) =>
    setKept((last) => ({ of, view: bounded(next(last.of === of ? last.view : WHOLE), fit) }));

  useEffect(() => {
    const [box, picture] = [frame.current, video.current];
    if (!box || !picture) return;
    const measure = () => {
      const { videoWidth: width, videoHeight: height } = picture;
      setFit(fitted(sizeOf(box), isOnItsSide ? { width: height, height: width } : { width, height }));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    picture.addEventListener("resize", measure);
    return () => {
      observer.disconnect();
      picture.removeEventListener("resize", measure);
    };
  }, [frame, video, isOnItsSide]);

  const onWheel = useEffectEvent((box: HTMLElement, event: WheelEvent) => {
    const factor = wheelFactor(event);
    if (!event.ctrlKey && !isZoomed && factor <= 1) return; // The page scrolls.
    event.preventDefault();
    change((last) => zoomed(last, factor, placeIn(box, event)));
  });
  const onTouch = useEffectEvent((event: TouchEvent) => {
    if (event.cancelable && (isZoomed || event.touches.length > 1)) event.preventDefault();
  });
  // React listens passively: it cannot keep the browser from scrolling.
  useEffect(() => {
    const box = frame.current;
    if (!box) return;
    const wheel = (event: WheelEvent) => onWheel(box, event);
    const touch = (event: TouchEvent) => onTouch(event);
    box.addEventListener("wheel", wheel, { passive: false });
    box.addEventListener("touchmove", touch, { passive: false });
    return () => {
      box.removeEventListener("wheel", wheel);
      box.removeEventListener("touchmove", touch);
    };
  }, [frame]);

  const onPointerDown = (event: PointerEvent) => {
    const box = frame.current;
    if (!box || event.button !== 0 || pointers.current.size === 2) return;
    box.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, placeIn(box, event));
  };
  const onPointerMove = (event: PointerEvent) => {
    const box = frame.current;
    const from = pointers.current.get(event.pointerId);
    if (!box || !from) return;
    const before = [...pointers.current.values()];
    const to = placeIn(box, event);
    pointers.current.set(event.pointerId, to);
    const after = [...pointers.current.values()];
    if (isPair(before) && isPair(after)) change((last) => pinched(last, before, after, sizeOf(box)));
    else if (isZoomed) change((last) => moved(last, { x: to.x - from.x, y: to.y - from.y }));
  };
  const onPointerUp = (event: PointerEvent) => {
    pointers.current.delete(event.pointerId);
  };

  const zoomIn = () => change((last) => zoomed(last, STEP, MIDDLE));
  const zoomOut = () => change((last) => zoomed(last, 1 / STEP, MIDDLE));
  const reset = () => change(() => WHOLE);
  const onKey = (key: string) => {
    const move = KEY_MOVES[key];
    if (key === "+" || key === "=") zoomIn();
    else if (key === "-") zoomOut();
    else if (key === "0") reset();
    else if (move && isZoomed) change((last) => moved(last, move));
    else return false;
    return true;
  };
  return { view, isZoomed, zoomIn, zoomOut, reset, onKey, onPointer: { onPointerDown, onPointerMove, onPointerUp, onPointerCancel: onPointerUp } };
}

const isPair = (points: Point[]): points is [Point, Point] => points.length === 2;

const sizeOf = ({ clientWidth, clientHeight }: Element): Size => ({ width: clientWidth, height: clientHeight });

function placeIn(box: Element, { clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">): Point {
  const { left, top, width, height } = box.getBoundingClientRect();
  return { x: (clientX - left) / width, y: (clientY - top) / height };
}
