import type { Command, Values } from './command.js';

/** The call is wrong as it was typed. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const U64_MAX = 2n ** 64n - 1n;

/**
 * Checks the texts of a call against its command.
 * @param texts by the names of arguments and options; what was left out is undefined
 * @throws UsageError
 */
export function checkValues(
  command: Command,
  texts: Readonly<Record<string, string | undefined>>,
): Values {
  const paths = new Map<string, string>();
  const numbers = new Map<string, bigint>();
  for (const { name, kind, max } of command.arguments) {
    const text = texts[name] ?? '';
    if (kind === 'number') numbers.set(name, parseNumber(`<${name}>`, text, max ?? U64_MAX));
    else paths.set(name, parsePath(`<${name}>`, text, kind === 'absolute-path'));
  }
  for (const { name, letter } of command.options) {
    const text = texts[name];
    if (text !== undefined) numbers.set(name, parseNumber(`-${letter}`, text, U64_MAX));
  }
  return {
    path: (name) => paths.get(name) ?? '',
    number: (name) => numbers.get(name),
    minor: () => Number(numbers.get('minor')),
  };
}

/** Digits only: no sign, no unit, no other base, no spaces; refused when too large, not wrapped. */
function parseNumber(what: string, text: string, max: bigint): bigint {
  if (!/^[0-9]+$/.test(text)) {
    throw new UsageError(`${what} must be a number in digits, not ${JSON.stringify(text)}`);
  }
  const number = BigInt(text);
  if (number > max) throw new UsageError(`${what} must be at most ${max}, not ${text}`);
  return number;
}

function parsePath(what: string, text: string, absolute: boolean): string {
  if (text === '') throw new UsageError(`${what} must not be empty`);
  if (absolute && !text.startsWith('/')) {
    throw new UsageError(
      `${what} must be an absolute path, beginning with the mount point, not ${JSON.stringify(text)}`,
    );
  }
  return text;
}
