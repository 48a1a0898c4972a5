import type { Device } from './devices.js';

interface Sample {
  readonly time: number;
  readonly blocks: number;
}

/** How many looks the rate is taken from. */
const WINDOW = 10;

/** How fast devices change, from looks at them. */
export class Rates {
  readonly #samples = new Map<string, Sample[]>();

  /** @param time in milliseconds */
  add(time: number, devices: readonly Device[]): void {
    for (const device of devices) {
      const samples = this.#samples.get(keyOf(device)) ?? [];
      samples.push({ time, blocks: Number(device.verified?.nrChangedBlocks ?? 0n) });
      this.#samples.set(keyOf(device), samples.slice(-WINDOW));
    }
  }

  /** Bytes a second, and seconds until the COW file is full; undefined where there is no saying. */
  of(device: Device): {
    readonly rate: number | undefined;
    readonly untilFull: number | undefined;
  } {
    const samples = this.#samples.get(keyOf(device)) ?? [];
    const [first] = samples;
    const last = samples.at(-1);
    if (first === undefined || last === undefined || last.time <= first.time) {
      return { rate: undefined, untilFull: undefined };
    }
    const rate = Math.max(
      0,
      ((last.blocks - first.blocks) * 4096 * 1000) / (last.time - first.time),
    );
    const { cow, errorName } = device;
    const grows = cow !== undefined && errorName === null && rate > 0;
    return { rate, untilFull: grows ? (cow.size - cow.used) / rate : undefined };
  }
}

/** Another snapshot, or another device with that minor, begins anew. */
function keyOf({ minor, verified, state }: Device): string {
  return [minor, verified?.uuid, verified?.seqid, state.snapshot].join();
}
