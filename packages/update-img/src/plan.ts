/** What to do about an image that an earlier run may have left half way. */
import { BLOCK_SIZE } from '@dbd/cow-format';
import { UpdateError } from './error.js';
import type { JournalState, RunState } from './journal.js';

/** What this run is asked for. */
export interface Intent {
  readonly mode: 'update' | 'full';
  readonly uuid: string;
  /** Seqid of the oldest COW file: the image must be of that snapshot, or a later one; 0 in mode `full`. */
  readonly base: bigint;
  readonly target: bigint;
  readonly deviceBytes: number;
  /** Blocks that the image had when it was found; the others must be copied, changed or not. */
  readonly kept: number;
  /** The image was made by this run. */
  readonly created: boolean;
  /** It is as the journal of the earlier run says, if there is one. */
  readonly intact: boolean;
}

/** Where to begin. */
export interface Plan {
  readonly state: RunState;
  /** Goes on where an earlier run stopped. */
  readonly resumed: boolean;
  /** The image is half way from an earlier run. */
  readonly halfway: boolean;
}

/**
 * @param image for messages
 * @throws UpdateError ERR_UPDATE_HALFWAY when the image is half way and this run would not mend it
 */
export function planRun(image: string, intent: Intent, earlier: JournalState | undefined): Plan {
  const { created, kept, intact, ...rest } = intent;
  const whole = kept >= Math.ceil(intent.deviceBytes / BLOCK_SIZE);
  const missing = intent.mode === 'full' ? 0 : whole ? null : kept;
  const fresh: RunState = { ...rest, allFrom: missing, position: 0, empty: created };
  if (earlier === undefined || created) return { state: fresh, resumed: false, halfway: false };
  const same =
    earlier.mode === intent.mode &&
    earlier.uuid === intent.uuid &&
    earlier.target === intent.target &&
    earlier.base === intent.base &&
    earlier.deviceBytes === intent.deviceBytes;
  const allFrom = least(earlier.allFrom, missing);
  if (same) {
    const { mode, uuid, base, target, deviceBytes } = earlier;
    const position = intact ? Math.min(earlier.position, kept) : 0;
    const empty = intact && earlier.empty;
    const state = { mode, uuid, base, target, deviceBytes, allFrom, position, empty };
    return { state, resumed: intact, halfway: true };
  }
  if (intent.mode === 'full') return { state: fresh, resumed: false, halfway: true };
  requireMending(image, intent, earlier);
  // What the image was of before the first of all these runs stays true.
  return { state: { ...fresh, base: earlier.base, allFrom }, resumed: false, halfway: true };
}

/** A copy of other blocks mends the image if it copies all that may be wrong in it, and newer ones. */
function requireMending(image: string, intent: Intent, earlier: JournalState): void {
  const full = 'Make a full copy (--full).';
  if (earlier.mode === 'full') {
    throw halfway(image, 'it is an unfinished full copy. Finish it with --full, or begin anew');
  }
  if (earlier.uuid !== intent.uuid) {
    throw halfway(image, `it belongs to another series of snapshots, ${earlier.uuid}. ${full}`);
  }
  if (earlier.deviceBytes !== intent.deviceBytes) {
    throw halfway(image, `the device had ${earlier.deviceBytes} bytes then. ${full}`);
  }
  const between = `it is between snapshots ${earlier.base} and ${earlier.target}`;
  if (earlier.target > intent.target) {
    throw halfway(image, `${between}, and this one is ${intent.target}. ${full}`);
  }
  if (earlier.base < intent.base) {
    throw halfway(
      image,
      `${between}. Name the COW files from seqid ${earlier.base} on, not only from ${intent.base}`,
    );
  }
}

function halfway(image: string, reason: string): UpdateError {
  return new UpdateError(
    'ERR_UPDATE_HALFWAY',
    `cannot update the image ${image}: an earlier run did not finish, and ${reason.replace(/\.$/, '')}.`,
  );
}

function least(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
