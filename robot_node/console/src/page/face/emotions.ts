/** The emotions that a robot knows. Pure. */

import { fieldsOf } from "../controls/schema";

const EMOTIONS_LIMIT = 64;

/** The choices of `change_emotion`, neutral last. */
export function emotionsOf(schema: unknown): string[] {
  const choices = fieldsOf(schema).find(({ name }) => name === "emotion")?.choices ?? [];
  const names = [...new Set(choices.filter((choice): choice is string => typeof choice === "string"))].slice(0, EMOTIONS_LIMIT);
  return [...names.filter((name) => name !== "neutral"), ...names.filter((name) => name === "neutral")];
}
