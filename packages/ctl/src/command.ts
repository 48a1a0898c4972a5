import type { Datto } from '@dbd/ioctl';

/** A value that is given by its place. */
export interface Argument {
  readonly name: string;
  readonly kind: 'path' | 'absolute-path' | 'number';
  /** Largest number; 2^64-1 when left out. */
  readonly max?: bigint;
  readonly summary: string;
}

/** A number that is given by a letter, or by a word. */
export interface Option {
  /** Long name. */
  readonly name: string;
  readonly letter: string;
  /** The value in the help, with its unit. */
  readonly value: string;
  readonly summary: string;
}

/** The checked values of a call, by the names of arguments and options. */
export interface Values {
  path(name: string): string;
  /** A u64; undefined when the option was left out. */
  number(name: string): bigint | undefined;
  /** A number that the command's arguments limit to 2^32-1. */
  minor(): number;
}

/** What a handler works with. */
export interface Context {
  readonly values: Values;
  /** Loads the addon; only then is it needed. */
  readonly datto: () => Promise<Datto>;
  /** A line of output. */
  readonly print: (line: string) => void;
}

/** A verb of dbdctl, as data: the parser, the help and the manual are all made of it. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly arguments: readonly Argument[];
  readonly options: readonly Option[];
  /** Arguments of a call, and what it does. */
  readonly examples: readonly (readonly [args: string, summary: string])[];
  readonly run: (context: Context) => Promise<void>;
}

/** `name [-c BYTES] <block device>`, as the help shows it. */
export function usageOf(command: Command): string {
  return [
    command.name,
    ...command.options.map(({ letter, value }) => `[-${letter} ${value}]`),
    ...command.arguments.map(({ name }) => `<${name}>`),
  ].join(' ');
}
