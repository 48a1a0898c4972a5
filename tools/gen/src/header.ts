/**
 * Reads the driver's uapi header: the part of C that it uses, and no more. Anything else is an
 * error, so that a change of the header cannot be missed.
 */

/** A field of a struct; offset and size in bytes. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

export interface Struct {
  readonly size: number;
  readonly align: number;
  readonly fields: readonly Field[];
}

export interface Header {
  /** Plain constants: numbers and texts. */
  readonly constants: ReadonlyMap<string, number | string>;
  readonly structs: ReadonlyMap<string, Struct>;
  /** ioctl numbers. */
  readonly ioctls: ReadonlyMap<string, number>;
}

/** Sizes on LP64; each type is aligned to its size. */
const TYPES: Readonly<Record<string, number>> = {
  char: 1,
  int: 4,
  'unsigned int': 4,
  __u32: 4,
  __s32: 4,
  'unsigned long': 8,
  'unsigned long long': 8,
  __u64: 8,
  __s64: 8,
};

const DIRECTIONS: Readonly<Record<string, number>> = { _IO: 0, _IOW: 1, _IOR: 2, _IOWR: 3 };

export function parseHeader(source: string): Header {
  const text = source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\\\n\s*/g, ' ')
    .replace(/^#(ifndef|include|endif).*$/gm, '');
  const constants = new Map<string, number | string>();
  const structs = new Map<string, Struct>();
  const ioctls = new Map<string, number>();
  const rest = text.replace(/struct (\w+) \{([^}]*)\};/g, (_, name: string, body: string) => {
    structs.set(name, parseStruct(name, body, constants, text));
    return '';
  });
  for (const line of rest.split('\n').filter((line) => line.trim() !== '')) {
    const define = /^#define (\w+)(?:\s+(.*\S))?\s*$/.exec(line);
    if (define === null) throw new Error(`uapi header: not understood: ${line}`);
    const [, name = '', value = ''] = define;
    if (value === '') continue;
    const ioctl = /^(_IO|_IO[WR]+)\((\w+), (\w+)(?:, ([\w ]+))?\)$/.exec(value);
    if (ioctl === null) constants.set(name, parseValue(value));
    else ioctls.set(name, ioctlNumber(ioctl, constants, structs));
  }
  return { constants, structs, ioctls };
}

function parseStruct(
  name: string,
  body: string,
  constants: ReadonlyMap<string, number | string>,
  text: string,
): Struct {
  const fields: Field[] = [];
  let at = 0;
  let align = 1;
  for (const line of body.split(';').map((part) => part.trim())) {
    if (line === '') continue;
    const match = /^([\w ]+?)\s*(\*?)\s*(\w+)(?:\[(\w+)\])?$/.exec(line);
    if (match === null) throw new Error(`uapi header: struct ${name}: not understood: ${line}`);
    const [, type = '', pointer, field = '', length] = match;
    const unit = pointer === '*' ? 8 : TYPES[type];
    if (unit === undefined) throw new Error(`uapi header: struct ${name}: unknown type ${type}`);
    const offset = Math.ceil(at / unit) * unit;
    const size = unit * (length === undefined ? 1 : lengthOf(length, constants, text));
    fields.push({ name: field, offset, size });
    at = offset + size;
    align = Math.max(align, unit);
  }
  return { size: Math.ceil(at / align) * align, align, fields };
}

function lengthOf(
  length: string,
  constants: ReadonlyMap<string, number | string>,
  text: string,
): number {
  const literal = /^\d/.test(length)
    ? length
    : new RegExp(`^#define ${length}\\s+(\\w+)\\s*$`, 'm').exec(text)?.[1];
  const value = constants.get(length) ?? (literal === undefined ? undefined : Number(literal));
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new Error(`uapi header: array length ${length} is not known`);
  }
  return value;
}

function parseValue(value: string): number | string {
  const text = /^"([^"]*)"$/.exec(value);
  if (text !== null) return text[1] ?? '';
  const shift = /^\((\d+) << (\d+)\)$/.exec(value);
  if (shift !== null) return Number(shift[1]) * 2 ** Number(shift[2]);
  if (/^(\d+|0x[\da-fA-F]+)$/.test(value)) return Number(value);
  throw new Error(`uapi header: value not understood: ${value}`);
}

/** As asm-generic/ioctl.h lays it out: direction 2 bits, size 14, magic 8, number 8. */
function ioctlNumber(
  [, direction = '', magic = '', number = '', type = '']: RegExpExecArray,
  constants: ReadonlyMap<string, number | string>,
  structs: ReadonlyMap<string, Struct>,
): number {
  const magicValue = constants.get(magic);
  const bits = DIRECTIONS[direction];
  const size =
    direction === '_IO' && type === ''
      ? 0
      : type.startsWith('struct ')
        ? structs.get(type.slice('struct '.length))?.size
        : TYPES[type];
  if (size === undefined || typeof magicValue !== 'number' || bits === undefined) {
    throw new Error(
      `uapi header: ioctl not understood: ${direction}(${[magic, number, type].join(', ')})`,
    );
  }
  return ((bits << 30) | (size << 16) | (magicValue << 8) | Number(number)) >>> 0;
}
