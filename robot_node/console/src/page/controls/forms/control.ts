/** Which control a field of a tool's form is. Pure. */

import type { Field } from "../schema";

export type Control =
  | { kind: "switch" }
  /** All choices in sight; `yesNo`: those of something that may also be left as it is. */
  | { kind: "segments"; of: "choices" | "yesNo" }
  | { kind: "select" }
  | { kind: "slider"; minimum: number; maximum: number; step: number }
  | { kind: "number" }
  | { kind: "colour" }
  | { kind: "text" }
  | { kind: "json" };

const SEGMENTS_LIMIT = 5;
const LETTERS_LIMIT = 28;
/** A slider of more steps than pixels cannot be set. */
const STEPS_LIMIT = 1000;
const COLOUR = /^\^?#\[[0-9a-f-]+\]\{6\}\$?$/i;

export function controlOf(field: Field): Control {
  const { kind, required, default: preset, choices } = field;
  switch (kind) {
    case "boolean":
      return required || typeof preset === "boolean" ? { kind: "switch" } : { kind: "segments", of: "yesNo" };
    case "choice":
      return areShort(choices) ? { kind: "segments", of: "choices" } : { kind: "select" };
    case "integer":
    case "number":
      return sliderOf(field) ?? { kind: "number" };
    case "text":
      return COLOUR.test(field.pattern) ? { kind: "colour" } : { kind: "text" };
    case "json":
      return { kind: "json" };
  }
}

const areShort = (choices: unknown[]) =>
  choices.length <= SEGMENTS_LIMIT &&
  choices.every((choice) => typeof choice === "string" || typeof choice === "number") &&
  choices.join("").length <= LETTERS_LIMIT;

function sliderOf({ kind, minimum, maximum, step }: Field): Control | null {
  if (minimum === undefined || maximum === undefined) return null;
  const span = maximum - minimum;
  if (!(span > 0) || !Number.isFinite(span)) return null;
  const fine = step !== undefined && step > 0 ? step : kind === "integer" ? 1 : niceStep(span);
  return span / fine <= STEPS_LIMIT ? { kind: "slider", minimum, maximum, step: fine } : null;
}

/** 1, 2 or 5 of a decimal place, a hundred steps or more in all. */
function niceStep(span: number): number {
  const place = 10 ** Math.floor(Math.log10(span / 100));
  const found = [5, 2, 1].find((count) => span / (count * place) >= 100) ?? 1;
  return Number((found * place).toPrecision(1));
}

/** A field that takes an emotion, as that of `say`, has those of the robot's face as its choices. */
export const withEmotions = (fields: Field[], emotions: string[]): Field[] =>
  fields.map((field) =>
    field.name === "emotion" && field.kind === "text" && emotions.length > 0 ? { ...field, kind: "choice", choices: emotions } : field,
  );
