/** Reads a command line, as getopt does: options stand anywhere, `--` ends them, the last one counts. */
import { parseArgs } from 'node:util';
import {
  argumentUsage,
  type Command,
  commandsOf,
  keyOf,
  type Option,
  optionsOf,
  type Program,
  singleCommand,
} from './definition.js';
import { didYouMean, UsageError } from './usage-error.js';
import { parseValue } from './values.js';

/** What a command line asks for. */
export type Parsed<Tools> =
  | { readonly kind: 'version' }
  /** Without a command: of the whole program. */
  | { readonly kind: 'help'; readonly command?: Command<Tools> }
  | {
      readonly kind: 'run';
      readonly command: Command<Tools>;
      readonly json: boolean;
      readonly values: Readonly<Record<string, unknown>>;
    };

/**
 * @param args without node and script
 * @throws UsageError
 */
export function parseCommandLine<Tools>(
  program: Program<Tools>,
  args: readonly string[],
): Parsed<Tools> {
  const single = singleCommand(program);
  if (single !== undefined) return parseCall(single, args);
  const leading = args.findIndex((arg) => !arg.startsWith('-'));
  const before = leading < 0 ? args : args.slice(0, leading);
  if (before.includes('--version')) return { kind: 'version' };
  if (before.some((arg) => arg === '--help' || arg === '-h')) return { kind: 'help' };
  const stray = before.find((arg) => arg !== '--json');
  if (stray !== undefined) throw new UsageError(`unknown option before the command: ${stray}`);
  const [verb, ...rest] = args.slice(before.length);
  if (verb === undefined) throw new UsageError(`a command is needed, see: ${program.name} help`);
  if (verb !== 'help') return parseCall(find(program, verb), [...before, ...rest]);
  const [topic] = rest;
  return topic === undefined ? { kind: 'help' } : { kind: 'help', command: find(program, topic) };
}

function find<Tools>(program: Program<Tools>, verb: string): Command<Tools> {
  const commands = commandsOf(program);
  const found = commands.find(({ name }) => name === verb);
  if (found !== undefined) return found;
  const hint = didYouMean(
    verb,
    commands.map(({ name }) => name),
  );
  throw new UsageError(`unknown command: ${verb}${hint}`);
}

function parseCall<Tools>(command: Command<Tools>, args: readonly string[]): Parsed<Tools> {
  const options = optionsOf(command);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(options.map((option) => [option.name, parseArgsOption(option)])),
    // The checks are our own: their messages are stable, and say more.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const places: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      const taker = options.find((one) => one.insteadOfArguments && given.has(one.name));
      if (taker === undefined) places.push(token.value);
      else given.get(taker.name)?.push(token.value);
    }
    if (token.kind !== 'option') continue;
    if (token.name === 'version' && token.rawName === '--version') return { kind: 'version' };
    const option = options.find(({ name }) => name === token.name);
    if (option === undefined) throw unknownOption(token.rawName, options);
    if (option.name === 'help') return { kind: 'help', command };
    const before = option.insteadOfArguments ? places.splice(0) : [];
    given.set(option.name, [
      ...(given.get(option.name) ?? []),
      ...before,
      optionText(option, token),
    ]);
  }
  const instead = options.some((one) => one.insteadOfArguments && given.has(one.name));
  const values = {
    ...(instead ? {} : argumentValues(command, places)),
    ...optionValues(command, given),
  };
  return { kind: 'run', command, json: given.has('json'), values };
}

function parseArgsOption({ kind, letter }: Option) {
  const type = kind === 'flag' ? ('boolean' as const) : ('string' as const);
  return letter === undefined ? { type } : { type, short: letter };
}

function optionText(
  { kind, value }: Option,
  token: { readonly rawName: string; readonly value?: string | undefined },
): string {
  if (kind === 'flag') {
    if (token.value === undefined) return '';
    throw new UsageError(`${token.rawName} takes no value`);
  }
  if (token.value !== undefined) return token.value;
  throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${value}`);
}

function unknownOption(rawName: string, options: readonly Option[]): UsageError {
  const names = options.map(({ name }) => `--${name}`);
  const hint = rawName.startsWith('--') ? didYouMean(rawName, names) : '';
  return new UsageError(`unknown option: ${rawName}${hint}`);
}

function argumentValues(command: Command, places: readonly string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const rest = [...places];
  const needed = command.arguments.filter(({ optional }) => !optional).length;
  let spare = places.length - needed;
  for (const argument of command.arguments) {
    const what = argumentUsage({ ...argument, optional: false, repeated: false });
    const key = keyOf(argument.name);
    if (argument.repeated) {
      const texts = rest.splice(0, Math.max(0, spare) + (argument.optional ? 0 : 1));
      spare = 0;
      if (texts.length === 0 && !argument.optional) throw new UsageError(`${what} is missing`);
      values[key] = texts.map((text) => parseValue(what, text, argument));
      continue;
    }
    if (argument.optional && spare-- <= 0) continue;
    const text = rest.shift();
    if (text === undefined) throw new UsageError(`${what} is missing`);
    values[key] = parseValue(what, text, argument);
  }
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  return values;
}

function optionValues(
  command: Command,
  given: ReadonlyMap<string, readonly string[]>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { kind, ...option } of command.options) {
    const texts = given.get(option.name) ?? [];
    const key = keyOf(option.name);
    if (kind === 'flag') {
      values[key] = texts.length > 0;
      continue;
    }
    const what = option.letter === undefined ? `--${option.name}` : `-${option.letter}`;
    const parsed = texts.map((text) => parseValue(what, text, { ...option, kind }));
    values[key] = option.repeated ? parsed : parsed.at(-1);
  }
  return values;
}
