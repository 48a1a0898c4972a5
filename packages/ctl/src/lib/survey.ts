/** What an index says, in numbers: one pass over it, in bounded memory. */
import { changedRunBatches, type Run } from '@dbd/cow-format';
import type { CowFile } from './cow-file.js';

/** Runs of `from` to `to` blocks. */
export interface LengthClass {
  readonly from: number;
  readonly to: number;
  readonly runs: number;
  readonly blocks: number;
}

export interface Survey {
  readonly blocks: number;
  readonly bytes: number;
  readonly runs: number;
  readonly longestRun: number;
  /** By powers of two, from 1 to the longest. */
  readonly runLengths: readonly LengthClass[];
  readonly blocksPerCell: number;
  /** Changed blocks in each part of the device. */
  readonly cells: readonly number[];
}

/** Cells that a survey has at most. */
export const MAX_CELLS = 4096;

export async function surveyOf({ source, layout }: CowFile): Promise<Survey> {
  const blocksPerCell = Math.max(1, Math.ceil(layout.blocks / MAX_CELLS));
  const cells = new Array<number>(Math.ceil(layout.blocks / blocksPerCell)).fill(0);
  const classes: { runs: number; blocks: number }[] = [];
  let blocks = 0;
  let runs = 0;
  let longestRun = 0;
  let lastBlock = -1;
  for await (const batch of changedRunBatches(source, { device: layout })) {
    for (const run of batch) {
      runs++;
      blocks += run.count;
      longestRun = Math.max(longestRun, run.count);
      lastBlock = run.start + run.count - 1;
      const power = Math.floor(Math.log2(run.count));
      while (classes.length <= power) classes.push({ runs: 0, blocks: 0 });
      const found = classes[power] as { runs: number; blocks: number };
      found.runs++;
      found.blocks += run.count;
      addRun(cells, blocksPerCell, run);
    }
  }
  const partial = lastBlock === layout.blocks - 1 ? 4096 - layout.lastBlockBytes : 0;
  return {
    blocks,
    bytes: blocks * 4096 - partial,
    runs,
    longestRun,
    runLengths: classes.map((one, power) => ({
      from: 2 ** power,
      to: 2 ** (power + 1) - 1,
      ...one,
    })),
    blocksPerCell,
    cells,
  };
}

function addRun(cells: number[], blocksPerCell: number, { start, count }: Run): void {
  const end = start + count;
  for (let at = start; at < end; ) {
    const cell = Math.floor(at / blocksPerCell);
    const next = Math.min(end, (cell + 1) * blocksPerCell);
    cells[cell] = (cells[cell] as number) + next - at;
    at = next;
  }
}

/** How much of each cell has changed, 0..1; neighbours joined so that there are at most `count`. */
export function fractions(
  { cells, blocksPerCell }: Survey,
  blocks: number,
  count: number,
): { readonly values: number[]; readonly blocksPerCell: number } {
  const join = Math.max(1, Math.ceil(cells.length / count));
  const values: number[] = [];
  for (let i = 0; i < cells.length; i += join) {
    const changed = cells.slice(i, i + join).reduce((sum, one) => sum + one, 0);
    const size = Math.min(join * blocksPerCell, blocks - i * blocksPerCell);
    values.push(changed / size);
  }
  return { values, blocksPerCell: join * blocksPerCell };
}
