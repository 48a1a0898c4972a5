/** The one place that knows yargs: makes a parser of the commands, and texts of a command line. */
import yargs from 'yargs';
import { type Command, usageOf } from './command.js';
import { UsageError } from './values.js';

/** What a command line asks for. */
export type Parsed =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'command';
      readonly command: Command;
      readonly texts: Readonly<Record<string, string | undefined>>;
    };

/**
 * Reads a command line.
 * @throws UsageError
 */
export async function parse(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
): Promise<Parsed> {
  let parsed: Parsed | undefined;
  const parser = createParser(commands, version, (found) => {
    parsed = found;
  });
  let text = '';
  let failure: Error | null | undefined;
  await parser.parseAsync(normalise(args, commands), {}, (error, _argv, output) => {
    failure = error;
    text = output;
  });
  if (failure) throw failure;
  if (parsed === undefined) return { kind: 'text', text };
  return parsed;
}

function createParser(
  commands: readonly Command[],
  version: string,
  found: (parsed: Parsed) => void,
) {
  const parser = yargs()
    .scriptName('dbdctl')
    .locale('en')
    .usage(
      '$0 <command>\n\nDrives the dattobd driver: snapshots and incremental backup of block devices.',
    )
    .version(version)
    .help()
    .alias({ h: 'help' })
    .strict()
    .demandCommand(1, 'a command is needed, see: dbdctl help')
    .exitProcess(false)
    .wrap(100)
    .fail((message, error) => {
      // yargs calls its own errors YError, and exports no class for them.
      if (error && error.name !== 'YError') throw error;
      throw new UsageError(lowerFirst(message || error.message));
    })
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'boolean-negation': false,
      // The last one counts, as with getopt.
      'duplicate-arguments-array': false,
    });
  for (const command of commands) {
    parser.command(
      [command.name, ...command.arguments.map(({ name }) => `<${keyOf(name)}>`)].join(' '),
      command.summary,
      (builder) => {
        builder.usage(`$0 ${usageOf(command)}\n\n${command.summary}`);
        for (const { name, summary } of command.arguments) {
          builder.positional(keyOf(name), { type: 'string', describe: summary });
        }
        for (const { name, letter, summary } of command.options) {
          builder.option(name, {
            alias: letter,
            type: 'string',
            requiresArg: true,
            describe: summary,
          });
        }
        for (const [example, summary] of command.examples) {
          builder.example(`$0 ${command.name} ${example}`, summary);
        }
      },
      (argv) => found({ kind: 'command', command, texts: textsOf(command, argv) }),
    );
  }
  return parser;
}

/** What getopt and users know and yargs does not. */
function normalise(args: readonly string[], commands: readonly Command[]): string[] {
  const [verb, topic, ...rest] = args;
  if (verb === 'help') {
    if (topic === undefined) return ['--help'];
    if (!commands.some(({ name }) => name === topic)) {
      throw new UsageError(`unknown command: ${topic}`);
    }
    return [topic, ...rest, '--help'];
  }
  // yargs does not hand what follows `--` to a command; it is only needed before a dash.
  const end = args.indexOf('--');
  const after = args.slice(end + 1);
  if (end < 0 || after.some((text) => text.startsWith('-'))) return [...args];
  return [...args.slice(0, end), ...after];
}

/** yargs takes no spaces in a name. */
function keyOf(name: string): string {
  return name.replaceAll(' ', '-');
}

function textsOf(
  command: Command,
  argv: Readonly<Record<string, unknown>>,
): Record<string, string | undefined> {
  const texts: Record<string, string | undefined> = {};
  for (const { name } of [...command.arguments, ...command.options]) {
    const value = argv[keyOf(name)];
    if (typeof value === 'string') texts[name] = value;
  }
  return texts;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
