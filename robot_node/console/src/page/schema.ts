/** What kind of field a property of a tool's input schema needs. Pure. */

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  properties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxLength?: number;
}

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
  maxLength: number | undefined;
}

/** The fields of a form for a tool, in the schema's order. */
export function fieldsOf(schema: Schema): Field[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const resolved = resolve(property, schema.$defs ?? {});
    const choices = resolved.enum ?? (resolved.const === undefined ? [] : [resolved.const]);
    return {
      name,
      kind: kindOf(resolved, choices),
      required: required.has(name),
      description: property.description ?? resolved.description ?? "",
      default: property.default,
      choices,
      minimum: resolved.minimum ?? resolved.exclusiveMinimum,
      maximum: resolved.maximum ?? resolved.exclusiveMaximum,
      maxLength: resolved.maxLength,
    };
  });
}

/** Follow `$ref`, and take the one alternative beside null, as pydantic writes what is optional. */
function resolve(schema: Schema, definitions: Record<string, Schema>, depth = 0): Schema {
  if (depth > 8) return schema;
  const name = schema.$ref?.replace("#/$defs/", "");
  const target = name ? definitions[name] : undefined;
  if (target) return resolve({ ...target, ...without(schema, "$ref") }, definitions, depth + 1);
  const alternatives = (schema.anyOf ?? schema.oneOf ?? schema.allOf)?.filter(({ type }) => type !== "null");
  const [only] = alternatives ?? [];
  if (only && alternatives?.length === 1) {
    return resolve({ ...only, ...without(without(without(schema, "anyOf"), "oneOf"), "allOf") }, definitions, depth + 1);
  }
  return schema;
}

function without(schema: Schema, key: keyof Schema): Schema {
  const copy = { ...schema };
  delete copy[key];
  return copy;
}

function kindOf({ type }: Schema, choices: unknown[]): FieldKind {
  if (choices.length) return "choice";
  const types = [type].flat().filter((name) => name !== "null");
  if (types.length !== 1) return "json";
  if (types[0] === "boolean" || types[0] === "integer" || types[0] === "number") return types[0];
  return types[0] === "string" ? "text" : "json";
}

/** What the fields hold, as texts; an empty one is left out. Throws when a JSON field holds none. */
export function argumentsOf(fields: Field[], values: Record<string, string>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const field of fields) {
    const text = values[field.name] ?? "";
    if (text === "" && !(field.kind === "text" && field.required)) continue;
    if (field.kind === "boolean") result[field.name] = text === "true";
    else if (field.kind === "integer" || field.kind === "number") result[field.name] = Number(text);
    else if (field.kind === "choice") result[field.name] = field.choices[Number(text)];
    else result[field.name] = field.kind === "json" ? (JSON.parse(text) as unknown) : text;
  }
  return result;
}

/** What a field holds at first. */
export function initialValue(field: Field): string {
  if (field.kind === "choice") {
    const index = field.choices.indexOf(field.default);
    return index >= 0 ? String(index) : field.required ? "0" : "";
  }
  if (field.kind === "boolean" && field.required) return String(field.default === true);
  const { default: preset } = field;
  if (preset === undefined || preset === null) return "";
  return field.kind !== "json" && typeof preset === "string" ? preset : JSON.stringify(preset);
}
