/** What kind of field a property of a tool's input schema needs, for any schema. Pure. */

import { isDocument, member, printed, shortened, type Document } from "../../json";

export type FieldKind = "boolean" | "choice" | "integer" | "number" | "text" | "json";

export interface Field {
  name: string;
  kind: FieldKind;
  required: boolean;
  description: string;
  default: unknown;
  choices: unknown[];
  minimum: number | undefined;
  maximum: number | undefined;
  /** What a number is a multiple of. */
  step: number | undefined;
  maxLength: number | undefined;
  /** The regular expression of a text. */
  pattern: string;
}

const FIELDS_LIMIT = 200;
const CHOICES_LIMIT = 1000;
const DESCRIPTION_LIMIT = 4000;
const DEPTH_LIMIT = 8;

/** The fields of a form for a tool, in the schema's order; what cannot be read as JSON Schema is a field for any JSON. */
export function fieldsOf(schema: unknown): Field[] {
  const properties = member(schema, "properties");
  const required = new Set(listOf(member(schema, "required")));
  const definitions = member(schema, "$defs");
  return Object.entries(isDocument(properties) ? properties : {})
    .slice(0, FIELDS_LIMIT)
    .map(([name, property]) => {
      const resolved = resolve(isDocument(property) ? property : {}, definitions);
      const constant = member(resolved, "const");
      const listed = listOf(member(resolved, "enum"));
      const choices = listed.length ? listed : constant === undefined ? [] : [constant];
      return {
        name,
        kind: kindOf(resolved, choices),
        required: required.has(name),
        description: textOf(member(property, "description")) || textOf(member(resolved, "description")),
        default: member(property, "default"),
        choices: choices.slice(0, CHOICES_LIMIT),
        minimum: numberOf(member(resolved, "minimum")) ?? numberOf(member(resolved, "exclusiveMinimum")),
        maximum: numberOf(member(resolved, "maximum")) ?? numberOf(member(resolved, "exclusiveMaximum")),
        step: numberOf(member(resolved, "multipleOf")),
        maxLength: lengthOf(member(resolved, "maxLength")),
        pattern: textOf(member(resolved, "pattern")),
      };
    });
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const textOf = (value: unknown): string => (typeof value === "string" ? shortened(value, DESCRIPTION_LIMIT) : "");
const numberOf = (value: unknown): number | undefined => (Number.isFinite(value) ? (value as number) : undefined);
const lengthOf = (value: unknown): number | undefined =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31 ? (value as number) : undefined;

/** Follow `$ref`, and take the one alternative beside null, as pydantic writes what is optional. */
function resolve(schema: Document, definitions: unknown, depth = 0): Document {
  if (depth > DEPTH_LIMIT) return schema;
  const reference = member(schema, "$ref");
  const target = typeof reference === "string" ? member(definitions, reference.replace("#/$defs/", "")) : undefined;
  if (isDocument(target)) return resolve({ ...target, ...without(schema, "$ref") }, definitions, depth + 1);
  const alternatives = ["anyOf", "oneOf", "allOf"]
    .map((key) => member(schema, key))
    .find(Array.isArray)
    ?.filter((each) => member(each, "type") !== "null");
  const only: unknown = alternatives?.[0];
  if (isDocument(only) && alternatives?.length === 1) {
    return resolve({ ...only, ...without(schema, "anyOf", "oneOf", "allOf") }, definitions, depth + 1);
  }
  return schema;
}

function without(schema: Document, ...keys: string[]): Document {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => !keys.includes(key)));
}

function kindOf(schema: Document, choices: unknown[]): FieldKind {
  if (choices.length > CHOICES_LIMIT) return "json";
  if (choices.length) return "choice";
  const types = [member(schema, "type")].flat().filter((name) => name !== "null");
  const [only] = types;
  if (types.length !== 1) return "json";
  if (only === "boolean" || only === "integer" || only === "number") return only;
  return only === "string" ? "text" : "json";
}

/** What the fields hold, as texts by name; an empty one is left out. Throws when a JSON field holds none. */
export function argumentsOf(fields: Field[], values: ReadonlyMap<string, string>): Record<string, unknown> {
  const filled = fields
    .map((field) => [field, values.get(field.name) ?? ""] as const)
    .filter(([{ kind, required }, text]) => text !== "" || (kind === "text" && required));
  return Object.fromEntries(filled.map(([field, text]) => [field.name, argumentOf(field, text)]));
}

function argumentOf({ kind, choices }: Field, text: string): unknown {
  if (kind === "boolean") return text === "true";
  if (kind === "integer" || kind === "number") return Number(text);
  if (kind === "choice") return choices[Number(text)];
  return kind === "json" ? (JSON.parse(text) as unknown) : text;
}

/** What a field holds at first: its default, where that is of the field's kind. */
export function initialValue(field: Field): string {
  const { kind, default: preset } = field;
  if (kind === "choice") {
    const index = field.choices.indexOf(preset);
    return index >= 0 ? String(index) : field.required ? "0" : "";
  }
  if (kind === "boolean") return typeof preset === "boolean" || field.required ? String(preset === true) : "";
  if (kind === "text") return typeof preset === "string" ? preset : "";
  if (kind === "json") return preset === undefined || preset === null ? "" : printed(preset);
  if (Number.isFinite(preset)) return String(preset);
  const { minimum, maximum } = field;
  // Of a range a person sees where it begins.
  return field.required && minimum !== undefined && maximum !== undefined ? String(Math.min(Math.max(0, minimum), maximum)) : "";
}
