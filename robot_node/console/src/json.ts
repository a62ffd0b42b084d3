/** JSON of strangers: members and texts out of it, and text of any value again. Nothing here throws. Pure. */

export type Document = Record<string, unknown>;

export const isDocument = (value: unknown): value is Document =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A member of a JSON object; undefined when it has none of this name, whatever every object inherits. */
export const member = (value: unknown, name: string): unknown =>
  isDocument(value) && Object.hasOwn(value, name) ? value[name] : undefined;

/** The value that a text holds; undefined when the text is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A text of at most `limit` characters; what is cut off leaves an ellipsis. */
export const shortened = (text: string, limit: number): string =>
  text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;

const PRINTED_LIMIT = 100_000;

/** A value as JSON, shortened. */
export function printed(value: unknown, indent?: number): string {
  try {
    return shortened(JSON.stringify(value, null, indent) ?? "", PRINTED_LIMIT);
  } catch {
    return "…"; // nested more deeply than the stack is high
  }
}

/** What an error says, shortened; anything can be thrown. */
export function messageOf(error: unknown, limit = 1000): string {
  return shortened(error instanceof Error ? error.message : typeof error === "string" ? error : printed(error), limit);
}
