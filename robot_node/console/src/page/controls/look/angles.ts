/** Where a head or camera looks: an angle for each axis, within its range. Pure. */

import { controlOf } from "../forms/control";
import { fieldsOf } from "../schema";

export interface Angles {
  pan: number;
  tilt: number;
}

interface Range {
  minimum: number;
  maximum: number;
}

export type Ranges = Readonly<Record<keyof Angles, Range>>;

/** Of the tool `look_at`; null when it is not as expected. */
export function rangesOf(inputSchema: unknown): Ranges | null {
  const fields = fieldsOf(inputSchema);
  const [pan, tilt] = ["pan", "tilt"].map((name) => {
    const field = fields.find((each) => each.name === name);
    const control = field && controlOf(field);
    return control?.kind === "slider" ? { minimum: control.minimum, maximum: control.maximum } : null;
  });
  const needsMore = fields.some(({ name, required }) => required && name !== "pan" && name !== "tilt");
  return pan && tilt && !needsMore ? { pan, tilt } : null;
}

const clamped = (value: number, { minimum, maximum }: Range) => Math.min(Math.max(value, minimum), maximum);

export const within = (ranges: Ranges, { pan, tilt }: Angles): Angles => ({ pan: clamped(pan, ranges.pan), tilt: clamped(tilt, ranges.tilt) });

/** Where a pad is touched, 0 to 1 from the left and from the top, as angles: tilt is up, and pan to the right. */
export const anglesAt = (ranges: Ranges, x: number, y: number): Angles =>
  within(ranges, {
    pan: Math.round(ranges.pan.minimum + x * span(ranges.pan)),
    tilt: Math.round(ranges.tilt.maximum - y * span(ranges.tilt)),
  });

/** The reverse of {@link anglesAt}. */
export const placeOf = (ranges: Ranges, { pan, tilt }: Angles): { x: number; y: number } => ({
  x: (pan - ranges.pan.minimum) / span(ranges.pan),
  y: (ranges.tilt.maximum - tilt) / span(ranges.tilt),
});

const span = ({ minimum, maximum }: Range) => maximum - minimum;

const KEYS: Readonly<Record<string, Angles>> = {
  ArrowLeft: { pan: -1, tilt: 0 },
  ArrowRight: { pan: 1, tilt: 0 },
  ArrowUp: { pan: 0, tilt: 1 },
  ArrowDown: { pan: 0, tilt: -1 },
};

/** Where a key leads: an arrow by a degree or by ten, Home to the middle; null for any other key. */
export function afterKey(ranges: Ranges, at: Angles, key: string, isLarge: boolean): Angles | null {
  if (key === "Home") return within(ranges, { pan: 0, tilt: 0 });
  const way = KEYS[key];
  const step = isLarge ? 10 : 1;
  return way ? within(ranges, { pan: at.pan + way.pan * step, tilt: at.tilt + way.tilt * step }) : null;
}
