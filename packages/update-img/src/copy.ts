import { getSystemErrorMap } from 'node:util';
import {
  type CopyProgress,
  copyBinding,
  END,
  FAULT_KINDS,
  MODE,
  type RawFault,
  ZEROS,
} from './binding.js';

export type { CopyProgress } from './binding.js';

/** Blocks that failed, in one stretch. */
export interface Fault {
  /** `map`: the index of a COW file could not be read; its offset is one in that file. */
  readonly kind: (typeof FAULT_KINDS)[number];
  /** Byte offset on device and image. */
  readonly offset: number;
  readonly length: number;
  /** `EIO: i/o error`; `the file ended early`; `other content`. */
  readonly reason: string;
  /** Of `map`: which of the COW files. */
  readonly map: number;
}

export interface CopyJob {
  readonly mode: keyof typeof MODE;
  readonly zeros?: keyof typeof ZEROS;
  /** Open files. */
  readonly from: number;
  readonly to: number;
  readonly maps: readonly number[];
  readonly deviceBytes: number;
  /** The first block to look at; left out: 0. */
  readonly firstBlock?: number;
  /** From this block on all count as changed; left out: none do. */
  readonly allFrom?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  /** Start and count, in turn, of runs of blocks that may differ when comparing; ascending. */
  readonly ignored?: readonly number[];
}

export interface CopyControl {
  readonly signal?: AbortSignal | undefined;
  /** Called some times a second while it runs, and at its end. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** After so long the copy stops for {@link onPause}; left out: never. */
  readonly pauseMs?: number;
  /** What is done up to here may be made durable. */
  readonly onPause?: (progress: CopyProgress, faults: readonly Fault[]) => Promise<void>;
}

export interface CopyResult {
  readonly end: 'done' | 'stopped' | 'failed';
  readonly progress: CopyProgress;
  readonly faults: readonly Fault[];
}

const PROGRESS_MS = 100;

/** Runs the engine to its end. Never throws for what the engine meets: that is in the result. */
export async function runCopy(job: CopyJob, control: CopyControl = {}): Promise<CopyResult> {
  const { signal, onProgress, pauseMs = 0, onPause } = control;
  const copy = new (copyBinding().Copy)({
    from: job.from,
    to: job.to,
    maps: job.maps,
    mode: MODE[job.mode],
    zeros: ZEROS[job.zeros ?? 'write'],
    deviceBytes: job.deviceBytes,
    firstBlock: job.firstBlock ?? 0,
    allFrom: job.allFrom ?? Number.MAX_SAFE_INTEGER,
    bytesPerSecond: job.bytesPerSecond ?? 0,
    ignored: job.ignored ?? [],
  });
  const stop = () => copy.stop();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  const timer = setInterval(() => onProgress?.(copy.progress()), PROGRESS_MS);
  try {
    let end: number = END.paused;
    while (end === END.paused) {
      end = await copy.run(pauseMs);
      if (end === END.paused) await onPause?.(copy.progress(), copy.faults().map(toFault));
    }
    const progress = copy.progress();
    onProgress?.(progress);
    return {
      end: end === END.done ? 'done' : end === END.stopped ? 'stopped' : 'failed',
      progress,
      faults: copy.faults().map(toFault),
    };
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', stop);
  }
}

function toFault({ kind, errno, map, offset, length }: RawFault): Fault {
  const name = FAULT_KINDS[kind] ?? 'read';
  const system = getSystemErrorMap().get(-errno);
  const reason =
    errno !== 0
      ? (system?.join(': ') ?? `error ${errno}`)
      : name === 'differs'
        ? 'other content'
        : 'the file ended early';
  return { kind: name, offset, length, reason, map };
}
