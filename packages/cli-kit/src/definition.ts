/** What a command is, as data. Parser, help, manual, completion and documentation are made of it. */
import type { Context } from './context.js';
import type { ExitName } from './exit-code.js';
import type { JsonSchema } from './json.js';

/**
 * What a value is; decides how it is checked, its type, and how a shell completes it:
 * - `text` any text but the empty one
 * - `file` a path; `absolute-path` one that begins with a slash; `block-device` one of a block device
 * - `number` digits; a `bigint`
 * - `size` digits, or a number with a unit (`2GiB`, `512M`); a `bigint` in `unit`
 * - `minor` digits up to 2^32-1; a `number`
 * - `device` a minor, or the path of a tracked device or its snapshot; a {@link DeviceRef}
 * - `new-device` a device to be tracked, its COW file and perhaps its minor; a {@link NewDeviceRef}
 * - `choice` one of `choices`
 */
export type Kind =
  | 'text'
  | 'file'
  | 'absolute-path'
  | 'block-device'
  | 'number'
  | 'size'
  | 'minor'
  | 'device'
  | 'new-device'
  | 'choice';

/** A device as the user names it. */
export type DeviceRef = { readonly minor: number } | { readonly path: string };

/** A device that is to be tracked, in one word: `/dev/sdb1:/mnt/.datto1:0`. */
export interface NewDeviceRef {
  readonly blockDevice: string;
  /** Absolute path. */
  readonly cowFile: string;
  readonly minor: number | undefined;
}

interface Parameter {
  /** Lower-case words. The value's key is this in camelCase: `cow file` is `cowFile`. */
  readonly name: string;
  readonly kind: Kind;
  /** A phrase without a full stop. */
  readonly summary: string;
  /** Of `choice`. */
  readonly choices?: readonly string[];
  /** Of `number` and `size`: the least and the largest; 0 and 2^64-1 when left out. */
  readonly min?: bigint;
  readonly max?: bigint;
  /** Of `size`: what a bare number counts, and what the value is in. */
  readonly unit?: 'bytes' | 'MiB';
}

/** A value that is given by its place. */
export interface Argument extends Parameter {
  /** How it is shown, when not by its name: `MIB`. */
  readonly label?: string;
  readonly optional?: boolean;
  /** One or more, or any number when optional; no more than one argument of a command. */
  readonly repeated?: boolean;
}

/** A value, or a flag, that is given by a word or a letter. */
export interface Option extends Omit<Parameter, 'kind'> {
  readonly kind: Kind | 'flag';
  readonly letter?: string;
  /** How the value is shown: `BYTES`. Not for a flag. */
  readonly value?: string;
  readonly repeated?: boolean;
  /**
   * Of a repeated option: with it the command has no arguments, words in their places are more of
   * its values.
   */
  readonly insteadOfArguments?: boolean;
  /** What `--json` writes with it, where that is not what the command writes. */
  readonly output?: JsonOutput;
}

/** An example: arguments as typed in a shell, and what it does. */
export interface Example {
  readonly args: string;
  readonly summary: string;
}

/** What `--json` writes: one document, or a line for each record when `stream` is set. */
export interface JsonOutput {
  /** Name and version: `dbdctl.info.v1`. A change that could break a reader raises the version. */
  readonly schema: string;
  readonly stream?: boolean;
  /** Of the document, or of a line; without the `schema` key, which is added. */
  readonly json: JsonSchema;
}

/** A command whose types of values are forgotten, as parser and generators see it. */
export interface Command<Tools = unknown> {
  /** The verb; for a program of one command the program's name. */
  readonly name: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  /** Paragraphs for the manual. `Words` in backticks are literal. */
  readonly description?: readonly string[];
  readonly arguments: readonly Argument[];
  readonly options: readonly Option[];
  readonly examples: readonly Example[];
  /** Gives the command `--json`. */
  readonly output?: JsonOutput;
  /** Import what is heavy in here, so that help stays fast. */
  // biome-ignore lint/suspicious/noExplicitAny: each command has its own values.
  run(context: Context<any, Tools>): Promise<ExitName | undefined>;
}

type Camel<S extends string> = S extends `${infer Head} ${infer Tail}`
  ? `${Camel<Head>}${Capitalize<Camel<Tail>>}`
  : S extends `${infer Head}-${infer Tail}`
    ? `${Head}${Capitalize<Camel<Tail>>}`
    : S;

type Plain<P> = P extends { kind: 'flag' }
  ? boolean
  : P extends { kind: 'choice'; choices: readonly (infer Choice)[] }
    ? Choice
    : P extends { kind: 'number' | 'size' }
      ? bigint
      : P extends { kind: 'minor' }
        ? number
        : P extends { kind: 'device' }
          ? DeviceRef
          : P extends { kind: 'new-device' }
            ? NewDeviceRef
            : string;

type ArgumentValue<P> = P extends { repeated: true }
  ? readonly Plain<P>[]
  : P extends { optional: true }
    ? Plain<P> | undefined
    : Plain<P>;

type OptionValue<P> = P extends { kind: 'flag' }
  ? boolean
  : P extends { repeated: true }
    ? readonly Plain<P>[]
    : Plain<P> | undefined;

/** Undefined where an option of the command can stand instead of all its arguments. */
type Unless<O extends readonly Option[]> = [
  Extract<O[number], { insteadOfArguments: true }>,
] extends [never]
  ? never
  : undefined;

/** The checked values of a call. A flag that is not given is false, an option undefined. */
export type Values<A extends readonly Argument[], O extends readonly Option[]> = {
  readonly [P in A[number] as Camel<P['name']>]: ArgumentValue<P> | Unless<O>;
} & { readonly [P in O[number] as Camel<P['name']>]: OptionValue<P> };

/** A command as it is written down; `run` gets values of the types that its parameters say. */
export interface Definition<A extends readonly Argument[], O extends readonly Option[], Tools>
  extends Omit<Command<Tools>, 'arguments' | 'options' | 'run'> {
  readonly arguments: A;
  readonly options: O;
  run(context: Context<Values<A, O>, Tools>): Promise<ExitName | undefined>;
}

/** Gives the function that a program defines its commands with; all have the same tools. */
export function commandFactory<Tools>() {
  return <const A extends readonly Argument[], const O extends readonly Option[]>(
    definition: Definition<A, O, Tools>,
  ): Command<Tools> => definition;
}

/** A program: what goes around its commands. */
export interface Program<Tools = unknown> {
  readonly name: string;
  readonly version: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  /** Paragraphs for the manual. */
  readonly description: readonly string[];
  /** Verbs, in the order of the help; or the one command of a program without verbs. */
  readonly commands: readonly Command<Tools>[] | Command<Tools>;
  /** Date of the manual: `November 23, 2026`. */
  readonly revised: string;
  readonly files: readonly (readonly [path: string, meaning: string])[];
  readonly environment: readonly (readonly [name: string, meaning: string])[];
  /** Manuals: `['update-img', '8']`. */
  readonly seeAlso: readonly (readonly [name: string, section: string])[];
}

/** All commands of a program. */
export function commandsOf<Tools>({ commands }: Program<Tools>): readonly Command<Tools>[] {
  return isList(commands) ? commands : [commands];
}

/** The one command of a program without verbs. */
export function singleCommand<Tools>({ commands }: Program<Tools>): Command<Tools> | undefined {
  return isList(commands) ? undefined : commands;
}

// Array.isArray does not narrow a readonly array.
function isList<T>(value: readonly T[] | T): value is readonly T[] {
  return Array.isArray(value);
}

/** What every command has besides its own options. */
export function optionsOf(command: Command): readonly Option[] {
  return command.output === undefined
    ? [...command.options, HELP]
    : [...command.options, JSON_OPTION, HELP];
}

export const HELP: Option = {
  name: 'help',
  letter: 'h',
  kind: 'flag',
  summary: 'print help, and do nothing else',
};

const JSON_OPTION: Option = {
  name: 'json',
  kind: 'flag',
  summary: 'print JSON with a versioned schema, errors too',
};

/** The key of a parameter's value. */
export function keyOf(name: string): string {
  return name.replace(/[ -](.)/g, (_, letter: string) => letter.toUpperCase());
}

/** `<cow file>`, `[<minor>]`, `<cow file>...`. */
export function argumentUsage({ label, name, optional, repeated }: Argument): string {
  const text = `<${label ?? name}>${repeated ? '...' : ''}`;
  return optional ? `[${text}]` : text;
}

/** `-c BYTES`, `--json`, `--group MEMBER...`. */
export function optionUsage({ letter, name, value, insteadOfArguments }: Option): string {
  const flag = letter === undefined ? `--${name}` : `-${letter}`;
  if (value === undefined) return flag;
  return `${flag} ${value}${insteadOfArguments ? '...' : ''}`;
}

/** One way to call a command: its options, and what comes after them. */
export interface Form {
  readonly options: readonly Option[];
  readonly rest: readonly Argument[] | Option;
}

/** With arguments, and with each option that can stand instead of them. */
export function formsOf({ options, arguments: places }: Command): readonly Form[] {
  const common = options.filter(({ insteadOfArguments }) => !insteadOfArguments);
  return [
    { options: common, rest: places },
    ...options
      .filter(({ insteadOfArguments }) => insteadOfArguments)
      .map((rest) => ({ options: common, rest })),
  ];
}

/** `setup-snapshot [-c BYTES] <block device>`, as lines of help. */
export function usagesOf(command: Command): string[] {
  return formsOf(command).map(({ options, rest }) =>
    [
      command.name,
      ...options.map((option) => `[${optionUsage(option)}]`),
      ...('name' in rest ? [optionUsage(rest)] : rest.map(argumentUsage)),
    ].join(' '),
  );
}

/** What a command's `--json` can write. */
export function outputsOf({ output, options }: Command): readonly JsonOutput[] {
  return [output, ...options.map((option) => option.output)].filter((one) => one !== undefined);
}
