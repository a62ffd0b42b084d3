/** Which part of the picture is shown: arithmetic alone. All lengths are fractions of the frame that the picture is shown in. */

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** A point p of the frame is drawn at offset + scale * p. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export const WHOLE: View = { scale: 1, x: 0, y: 0 };
export const MIDDLE: Point = { x: 0.5, y: 0.5 };
/** A picture that fills its frame. */
export const FILLED: Size = { width: 1, height: 1 };
export const MAX_SCALE = 8;

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** The part of the frame that a picture takes which is shown whole, in the middle of it; sizes in any unit. */
export function fitted(frame: Size, picture: Size): Size {
  const scale = Math.min(frame.width / picture.width, frame.height / picture.height);
  if (!Number.isFinite(scale) || scale <= 0) return FILLED;
  return { width: (picture.width * scale) / frame.width, height: (picture.height * scale) / frame.height };
}

/** The nearest view in which the picture leaves no side of the frame empty that it can fill, and is in the middle where it cannot. */
export function bounded({ scale, x, y }: View, fit: Size): View {
  const to = clamp(scale, 1, MAX_SCALE);
  return { scale: to, x: boundedOffset(x, to, fit.width), y: boundedOffset(y, to, fit.height) };
}

function boundedOffset(offset: number, scale: number, part: number): number {
  if (scale * part <= 1) return (1 - scale) / 2;
  const margin = (scale * (1 - part)) / 2;
  return clamp(offset, 1 - scale + margin, -margin);
}

/** Larger by a factor, with what is at a point staying there. */
export function zoomed(view: View, factor: number, at: Point): View {
  const scale = clamp(view.scale * factor, 1, MAX_SCALE);
  const by = scale / view.scale;
  return { scale, x: at.x - by * (at.x - view.x), y: at.y - by * (at.y - view.y) };
}

export const moved = (view: View, by: Point): View => ({ ...view, x: view.x + by.x, y: view.y + by.y });

/** Two fingers: what was under each stays under it, as far as that goes without turning the picture. */
export function pinched(view: View, before: readonly [Point, Point], after: readonly [Point, Point], frame: Size): View {
  const [from, to] = [middle(before), middle(after)];
  const by = { x: to.x - from.x, y: to.y - from.y };
  // Fingers at one point have no distance that another could be compared with.
  const apart = distance(before, frame);
  return moved(zoomed(view, apart > 0 ? distance(after, frame) / apart : 1, from), by);
}

const middle = ([one, other]: readonly [Point, Point]): Point => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
const distance = ([one, other]: readonly [Point, Point], { width, height }: Size) => Math.hypot((one.x - other.x) * width, (one.y - other.y) * height);

/** By how much one event of a wheel or of a touch pad enlarges; browsers report a pinch on a touch pad as a wheel with Ctrl. */
export function wheelFactor({ deltaY, deltaMode, ctrlKey }: Pick<WheelEvent, "deltaY" | "deltaMode" | "ctrlKey">): number {
  const pixels = deltaY * ([1, 33, 400][deltaMode] ?? 1);
  return clamp(Math.exp(-pixels * (ctrlKey ? 0.01 : 0.0025)), 0.5, 2);
}
