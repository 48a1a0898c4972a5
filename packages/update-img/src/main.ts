import type { Datto } from '@dbd/ioctl';
import { UpdateError } from './error.js';
import { parse, UsageError } from './parser.js';
import { Progress, type Terminal } from './progress.js';
import type { SnapshotNode } from './snapshot.js';

/** The world around a call. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: Terminal;
  /** Makes the driver's commands available; called only when they are needed. */
  readonly datto: () => Promise<Datto>;
  /** As in UpdateTools. */
  readonly locate?: (path: string) => Promise<SnapshotNode>;
}

/** Failures after which the image may be neither the old nor the new snapshot. */
const HALFWAY = new Set(['ERR_UPDATE_READ', 'ERR_UPDATE_WRITE', 'ERR_UPDATE_SYNC']);

/**
 * Runs update-img.
 * @param args without node and script
 * @returns the exit code: 0 success, 1 the update failed, 2 it was called wrongly
 */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const progress = new Progress(io.stderr);
  try {
    const parsed = await parse(args);
    if (typeof parsed === 'string') {
      io.stdout(`${parsed}\n`);
      return 0;
    }
    const { updateImage } = await import('./update.js');
    const copied = await updateImage(parsed, {
      datto: await io.datto(),
      ...(io.locate === undefined ? {} : { locate: io.locate }),
      onProgress: (so, expected) => progress.show(so, expected),
    });
    progress.clear();
    io.stdout(
      `updated ${parsed.imageFile}: ${copied.blocks} blocks, ${copied.bytes} bytes in ${copied.runs} runs\n`,
    );
    return 0;
  } catch (error) {
    progress.clear();
    io.stderr.write(`update-img: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof UpdateError && HALFWAY.has(error.code)) {
      io.stderr.write(
        'The image may be updated in part. Mend the cause and run the same command again, ' +
          'while the snapshot is there; otherwise make a full copy.\n',
      );
    }
    if (!(error instanceof UsageError)) return 1;
    io.stderr.write('See: update-img --help\n');
    return 2;
  }
}
