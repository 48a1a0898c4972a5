import { formatBytes, formatDuration, formatRate, LiveLines, type TextStream } from '@dbd/cli-kit';
import type { Phase, UpdateProgress } from './update.js';

const INTERVAL_MS = 200;
/** Seconds over which the rate is taken. */
const RATE_SPAN = 10;

const DOING: Readonly<Record<Phase, string>> = {
  copy: 'copied',
  sync: 'bringing it to the disk',
  verify: 'compared',
  checksum: 'checksums of',
};

/** A line that is written over and over on a terminal, and not at all elsewhere. */
export class ProgressLine {
  readonly #live: LiveLines;
  readonly #width: () => number;
  readonly #now: () => number;
  /** Time in ms, and bytes at that time. */
  #samples: { readonly time: number; readonly bytes: number }[] = [];
  #phase: Phase | undefined;
  #last = Number.NEGATIVE_INFINITY;

  constructor(terminal: TextStream, now: () => number = Date.now) {
    this.#live = new LiveLines(terminal);
    this.#width = () => terminal.columns ?? 80;
    this.#now = now;
  }

  show(progress: UpdateProgress): void {
    const time = this.#now();
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#samples = [{ time, bytes: 0 }];
      this.#last = Number.NEGATIVE_INFINITY;
    }
    if (time - this.#last < INTERVAL_MS) return;
    this.#last = time;
    this.#samples = this.#samples.filter((sample) => time - sample.time < RATE_SPAN * 1000);
    this.#samples.push({ time, bytes: progress.bytes });
    this.#live.show([progressText(progress, this.#rate(), this.#width())]);
  }

  /** Takes the line away, before anything else is written. */
  clear(): void {
    this.#live.clear();
  }

  /** Bytes a second, lately. */
  #rate(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.time <= first.time) return 0;
    return ((last.bytes - first.bytes) * 1000) / (last.time - first.time);
  }
}

/** `copied 12 MiB of 300 MiB (4 %), 95 MiB/s, 3s left`, or less of it where there is no room. */
export function progressText(
  { phase, bytes, expected }: UpdateProgress,
  rate: number,
  width: number,
): string {
  if (phase === 'sync') return DOING.sync.slice(0, width - 1);
  const known = expected !== undefined && expected > 0 && expected >= bytes;
  const parts = [`${DOING[phase]} ${formatBytes(bytes)}`];
  if (known) {
    parts[0] += ` of ${formatBytes(expected)} (${Math.floor((bytes / expected) * 100)} %)`;
  }
  if (rate > 0) parts.push(formatRate(rate));
  if (rate > 0 && known) parts.push(`${formatDuration((expected - bytes) / rate)} left`);
  while (parts.length > 1 && parts.join(', ').length >= width) parts.pop();
  return parts.join(', ').slice(0, width - 1);
}
