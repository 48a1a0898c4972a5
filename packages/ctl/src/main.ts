import type { Datto } from '@dbd/ioctl';
import manifest from '../package.json' with { type: 'json' };
import type { Command } from './command.js';
import { commands } from './commands/index.js';
import { parse } from './parser.js';
import { checkValues, UsageError } from './values.js';

/** The world around a call. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Makes the driver's commands available; called only when one is needed. */
  readonly datto: () => Promise<Datto>;
}

/**
 * Runs dbdctl.
 * @param args without node and script
 * @returns the exit code: 0 success, 1 the command failed, 2 it was called wrongly
 */
export async function main(args: readonly string[], io: Io): Promise<number> {
  try {
    const parsed = await parse(args, commands, manifest.version);
    if (parsed.kind === 'text') {
      io.stdout(`${parsed.text}\n`);
      return 0;
    }
    const { command, texts } = parsed;
    await run(command, texts, io);
    return 0;
  } catch (error) {
    io.stderr(`dbdctl: ${messageOf(error)}\n`);
    if (!(error instanceof UsageError)) return 1;
    io.stderr('See: dbdctl help\n');
    return 2;
  }
}

async function run(
  command: Command,
  texts: Readonly<Record<string, string | undefined>>,
  io: Io,
): Promise<void> {
  const values = checkValues(command, texts);
  await command.run({ values, datto: io.datto, print: (line) => io.stdout(`${line}\n`) });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
