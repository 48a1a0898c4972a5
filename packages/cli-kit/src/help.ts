/** The help that a program prints. */
import {
  argumentUsage,
  type Command,
  commandsOf,
  type Option,
  optionsOf,
  type Program,
  singleCommand,
  usagesOf,
} from './definition.js';
import { EXIT_CODES } from './exit-code.js';
import { type Paint, wrap } from './terminal.js';

export interface HelpStyle {
  readonly width: number;
  /** Of the lines that show a usage. */
  readonly usageWidth: number;
  readonly paint: Paint;
}

/** Help on one command. */
export function commandHelp<Tools>(
  program: Program<Tools>,
  command: Command<Tools>,
  style: HelpStyle,
): string {
  const single = singleCommand(program) !== undefined;
  const prefix = single ? '' : `${program.name} `;
  const { width, usageWidth, paint } = style;
  const parts = [
    usagesOf(command)
      .map((usage, i) => hanging(`${i === 0 ? 'Usage: ' : '       '}${prefix}${usage}`, usageWidth))
      .join('\n'),
    wrap(`${command.summary}.`, width),
    ...(command.description ?? []).map((text) => wrap(plain(text), width)),
    section(
      'Arguments',
      command.arguments.map((argument) => [argumentUsage(argument), argument.summary]),
      style,
    ),
    section(
      'Options',
      optionsOf(command).map((option) => [optionLong(option), option.summary]),
      style,
    ),
  ];
  const name = single ? program.name : `${program.name} ${command.name}`;
  if (command.examples.length > 0) {
    const lines = command.examples.map(
      ({ args, summary }) => `  ${`${name} ${args}`.trim()}\n${wrap(summary, width, '      ')}`,
    );
    parts.push([paint('bold', 'Examples:'), ...lines].join('\n'));
  }
  if (single) parts.push(exitCodes(style));
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Help on a program with verbs. */
export function programHelp<Tools>(program: Program<Tools>, style: HelpStyle): string {
  const { width, usageWidth, paint } = style;
  const { name } = program;
  const verbs = commandsOf(program).map((command) =>
    [
      ...usagesOf(command).map((usage) => hanging(`  ${name} ${usage}`, usageWidth)),
      wrap(command.summary, width, '      '),
    ].join('\n'),
  );
  return [
    hanging(`Usage: ${name} <command> [options] [arguments]`, usageWidth),
    wrap(`${program.summary}.`, width),
    [paint('bold', 'Commands:'), ...verbs].join('\n'),
    exitCodes(style),
    wrap(`\`${name} help <command>\` tells more on one.`.replaceAll('`', ''), width),
  ].join('\n\n');
}

function exitCodes(style: HelpStyle): string {
  return section(
    'Exit codes',
    EXIT_CODES.map(({ name, code, meaning }) => [`${code}`, `${name}: ${lowerFirst(meaning)}`]),
    style,
  );
}

/** Names beside their meanings, or above them where there is no room. */
function section(
  title: string,
  rows: readonly (readonly [string, string])[],
  { width, paint }: HelpStyle,
): string {
  if (rows.length === 0) return '';
  const column = Math.max(...rows.map(([name]) => name.length)) + 4;
  const lines = rows.map(([name, text]) => {
    if (column > width / 2) return `  ${name}\n${wrap(text, width, '      ')}`;
    const indent = ' '.repeat(column);
    return `  ${name}`.padEnd(column) + wrap(text, width, indent).slice(column);
  });
  return [paint('bold', `${title}:`), ...lines].join('\n');
}

function optionLong({ letter, name, value }: Option): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`;
  return letter === undefined ? `    ${long}` : `-${letter}, ${long}`;
}

/** Long usages go on below, further in. */
function hanging(text: string, width: number): string {
  const indent = /^\s*/.exec(text)?.[0] ?? '';
  // An option and its value are not torn apart.
  const glued = text.trim().replace(/[[<][^\]>]*[\]>]/g, (part) => part.replaceAll(' ', '\u00a0'));
  const [first = '', ...rest] = wrap(glued, width - indent.length).split('\n');
  const lines = wrap(rest.join(' '), width - indent.length - 8, '').split('\n');
  const tail = rest.length === 0 ? [] : lines.map((line) => `${indent}        ${line}`);
  return [indent + first, ...tail].join('\n').replaceAll('\u00a0', ' ');
}

function plain(text: string): string {
  return text.replaceAll('`', '');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
