/** The real world around a call. */
import { EXIT } from './exit-code.js';
import type { Io } from './run.js';
import type { TextStream } from './terminal.js';

/**
 * Runs `main` with this process' streams and signals, and sets its exit code. SIGINT and SIGTERM end
 * the process at once, unless the command has asked for `io.signal`: then the first one aborts that.
 * A write to stdout that fails makes the exit code non-zero, as the caller did not get the result.
 */
export async function runInProcess(
  main: (args: readonly string[], io: Io) => Promise<number>,
): Promise<void> {
  const controller = new AbortController();
  const takeSignals = () => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => controller.abort());
    }
  };
  let taken = false;
  let failed: NodeJS.ErrnoException | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    failed ??= error;
    controller.abort();
  });
  // Without a reader of errors there is nobody to tell.
  process.stderr.on('error', () => {});
  const stdout: TextStream = {
    isTTY: process.stdout.isTTY,
    get columns() {
      return process.stdout.columns;
    },
    write: (text) => process.stdout.write(text),
    drained: async () => {
      if (failed === undefined && process.stdout.writableNeedDrain) {
        await new Promise<void>((resolve) => {
          process.stdout.once('drain', resolve).once('error', () => resolve());
        });
      }
      if (failed !== undefined) throw failed;
    },
  };
  const io: Io = {
    stdout,
    stderr: process.stderr,
    env: process.env,
    get signal() {
      if (!taken) takeSignals();
      taken = true;
      return controller.signal;
    },
  };
  const code = await main(process.argv.slice(2), io);
  await new Promise((resolve) => process.stdout.write('', resolve));
  if (failed !== undefined && failed.code !== 'EPIPE') {
    process.stderr.write(`cannot write the output: ${failed.message}\n`);
  }
  process.exitCode = code === EXIT.ok && failed !== undefined ? EXIT.failure : code;
}
