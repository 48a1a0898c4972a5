/** The part of JSON Schema (2020-12) that the outputs are described with. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly (string | number)[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
}

/** What can be written as JSON; `undefined` in an object leaves the key out. */
export type Json =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * As JSON.stringify, but a bigint is a bare integer, however large: JSON.stringify knows none.
 * @param indent spaces for each level; 0: all in one line
 */
export function toJson(value: Json, indent = 2): string {
  return write(value, indent, '\n');
}

function write(value: Json, indent: number, line: string): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === undefined) return 'null';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = line + ' '.repeat(indent);
  const parts = isArray(value)
    ? value.map((item) => write(item, indent, inner))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(
          ([key, item]) =>
            `${JSON.stringify(key)}:${indent > 0 ? ' ' : ''}${write(item, indent, inner)}`,
        );
  const [open, close] = isArray(value) ? '[]' : '{}';
  if (parts.length === 0) return `${open}${close}`;
  return indent > 0
    ? `${open}${inner}${parts.join(`,${inner}`)}${line}${close}`
    : `${open}${parts.join(',')}${close}`;
}

function isArray(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

/** An object schema all of whose properties are there, but for those that `optional` names. */
export function record(
  properties: Readonly<Record<string, JsonSchema>>,
  optional: readonly string[] = [],
): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((key) => !optional.includes(key)),
    additionalProperties: true,
  };
}

/** A schema as it is published: with the key `schema`, which every output has. */
export function schemaDocument(name: string, json: JsonSchema): JsonSchema & { title: string } {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: name,
    ...json,
    type: 'object',
    properties: { schema: { const: name }, ...json.properties },
    required: ['schema', ...(json.required ?? [])],
  } as JsonSchema & { title: string };
}
