/** A COW file that is open for reading, and the size of the device that it is of. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { CommandError, systemErrorText } from '@dbd/cli-kit';
import {
  CowFormatError,
  type CowHeader,
  type CowLayout,
  cowLayout,
  ENTRY_SIZE,
  formatUuid,
  HEADER_SIZE,
  readHeader,
  requireWholeIndex,
  SECTION_SIZE,
  type Source,
} from '@dbd/cow-format';
import { handleSource } from '@dbd/cow-format/node';
import type { Tools } from '../tools.js';
import { blockDeviceBytes } from './devices.js';

export interface CowFile {
  readonly path: string;
  readonly bytes: number;
  readonly header: CowHeader;
  readonly source: Source;
  readonly layout: CowLayout;
  /** False: the device may end earlier than the layout says, as other things may follow the index. */
  readonly exact: boolean;
}

/**
 * Opens a COW file for `body`, and closes it.
 * @param deviceSize in bytes; else that of the tracked device of the same series, else what the file
 *   has room for
 * @throws CommandError, with the CowFormatError as cause
 */
export async function withCowFile<T>(
  path: string,
  deviceSize: bigint | undefined,
  tools: Tools,
  body: (file: CowFile) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    // Before it is opened: opening a FIFO would wait for its other end.
    if (!(await stat(path)).isFile()) throw new Error(`it is not a regular file. ${NAME_IT}`);
    handle = await open(path, 'r');
    const { fd } = handle;
    // Holes are skipped where the addon can be had.
    const datto = await tools.datto().catch(() => undefined);
    const source = await handleSource(
      handle,
      datto === undefined ? {} : { seekData: (offset) => datto.seekData(fd, offset) },
    );
    const header = await readHeader(source);
    const { layout, exact } = await layoutOf(path, header, source.size, deviceSize, tools);
    requireWholeIndex(layout, source.size);
    return await body({ path, bytes: source.size, header, source, layout, exact });
  } catch (cause) {
    throw cowError(path, cause);
  } finally {
    await handle?.close();
  }
}

async function layoutOf(
  path: string,
  header: CowHeader,
  size: number,
  given: bigint | undefined,
  tools: Tools,
): Promise<{ layout: CowLayout; exact: boolean }> {
  if (given !== undefined) return { layout: cowLayout(given), exact: true };
  const tracked = await trackedBytes(formatUuid(header.uuid), tools);
  if (tracked !== undefined) return { layout: cowLayout(tracked), exact: true };
  if (!header.flags.indexOnly) {
    throw new CommandError(
      'usage',
      'ERR_USAGE',
      `${path} is of a device in snapshot mode and does not tell the device's size. Give it with --device-size.`,
    );
  }
  if (BigInt(size) < header.fsize) {
    throw new CowFormatError('ERR_COW_TRUNCATED', 'COW file', {
      offset: size,
      expected: `${header.fsize} bytes, as its header says`,
      found: `${size} bytes`,
      advice: 'The file is cut short; copy it again.',
    });
  }
  const sections = Math.floor((size - HEADER_SIZE) / SECTION_SIZE);
  const blocks = (sections * SECTION_SIZE) / ENTRY_SIZE;
  return { layout: cowLayout(blocks * 4096), exact: false };
}

/** Size of the tracked device that a series is of; undefined when there is none, or no driver. */
async function trackedBytes(uuid: string, { datto, host }: Tools): Promise<number | undefined> {
  const devices = await (await datto()).status().then(
    (status) => status.devices,
    () => [],
  );
  const device = devices.find(({ verified }) => verified?.uuid === uuid);
  return device === undefined ? undefined : blockDeviceBytes(host, device.blockDevice);
}

const NAME_IT = 'Name the COW file that transition-to-snapshot has left';

/** Puts the path before a reason that does not have it. */
function cowError(path: string, cause: unknown): unknown {
  if (cause instanceof CommandError || (cause as { code?: unknown }).code === 'EPIPE') return cause;
  const { code } = cause as { code?: unknown };
  if (code === 'ENOENT') {
    const message = `${path} does not exist. Check the path.`;
    return new CommandError('failure', 'ENOENT', message, cause);
  }
  const reason = systemErrorText(cause);
  return new CowFileError(typeof code === 'string' ? code : 'ERR_COW_FILE', path, reason, cause);
}

/** A COW file cannot be read; the exit code is that of the cause. */
class CowFileError extends Error {
  override readonly name = 'CowFileError';
  readonly code: string;

  constructor(code: string, path: string, reason: string, cause: unknown) {
    super(`cannot read the COW file ${path}: ${reason}.`, { cause });
    this.code = code;
  }
}
