/** From a command line to an exit code. */
import type { Program } from './definition.js';
import { EXIT } from './exit-code.js';
import { type Classify, describeFailure, failureJson } from './failure.js';
import { toJson } from './json.js';
import { Output } from './output.js';
import { parseCommandLine } from './parse.js';
import { type Environment, hasColor, painter, type TextStream, widthOf } from './terminal.js';

/** The world around a call. */
export interface Io {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly env: Environment;
  /** Who reads it takes the signals over: until then they end the process at once. */
  readonly signal: AbortSignal;
}

/**
 * Runs a program.
 * @param args without node and script
 * @returns the exit code
 */
export async function runProgram<Tools>(
  program: Program<Tools>,
  args: readonly string[],
  io: Io,
  tools: Tools,
  classify?: Classify,
): Promise<number> {
  let json = args.includes('--json');
  try {
    const parsed = parseCommandLine(program, args);
    if (parsed.kind === 'version') {
      io.stdout.write(`${program.version}\n`);
      return EXIT.ok;
    }
    if (parsed.kind === 'help') {
      const { commandHelp, programHelp } = await import('./help.js');
      const width = io.stdout.isTTY ? widthOf(io.stdout) : 100;
      const usageWidth = io.stdout.isTTY ? width : Number.POSITIVE_INFINITY;
      const style = { width, usageWidth, paint: painter(hasColor(io.stdout, io.env)) };
      const text =
        parsed.command === undefined
          ? programHelp(program, style)
          : commandHelp(program, parsed.command, style);
      io.stdout.write(`${text}\n`);
      return EXIT.ok;
    }
    const { command, values } = parsed;
    json = parsed.json;
    const out = new Output(io.stdout, io.stderr, io.env, command.output);
    const exit = await command.run({
      values,
      tools,
      json,
      out,
      get signal() {
        return io.signal;
      },
    });
    return EXIT[exit ?? 'ok'];
  } catch (error) {
    // Nobody reads the output any more, as in `... | head`: that needs no words.
    if ((error as { code?: unknown }).code === 'EPIPE') return EXIT.failure;
    const failure = describeFailure(error, classify);
    io.stderr.write(`${program.name}: ${failure.message}\n`);
    if (failure.exit === 'usage') io.stderr.write(`See: ${program.name} --help\n`);
    if (json) io.stdout.write(`${toJson(failureJson(failure), 0)}\n`);
    return EXIT[failure.exit];
  }
}
