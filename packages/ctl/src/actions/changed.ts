import { formatBytes, plural } from '@dbd/cli-kit';
import {
  changedRunBatches,
  formatUuid,
  type Run,
  requireCount,
  requireIncremental,
  runBytes,
} from '@dbd/cow-format';
import { type CowFile, withCowFile } from '../lib/cow-file.js';
import type { Context } from '../tools.js';

interface ChangedValues {
  readonly cowFile: string;
  readonly deviceSize: bigint | undefined;
  readonly format: 'text' | 'csv' | 'jsonl' | undefined;
}

/** A run, in blocks and in bytes. */
interface Range {
  readonly firstBlock: number;
  readonly blocks: number;
  readonly offset: number;
  readonly bytes: number;
}

interface Total {
  readonly runs: number;
  readonly blocks: number;
  readonly bytes: number;
}

/** How the runs are written. */
interface Writer {
  begin(file: CowFile): void;
  batch(ranges: readonly Range[]): void;
  end(total: Total): void;
}

export async function changed(context: Context<ChangedValues>) {
  const { values, json, out, tools } = context;
  const write = WRITERS[json ? 'jsonl' : (values.format ?? 'text')](out);
  await withCowFile(values.cowFile, values.deviceSize, tools, async (file) => {
    requireIncremental(file.header);
    write.begin(file);
    const total = { runs: 0, blocks: 0, bytes: 0 };
    for await (const runs of changedRunBatches(file.source, { device: file.layout })) {
      const ranges = runs.map((run) => rangeOf(file, run));
      for (const { blocks, bytes } of ranges) {
        total.runs++;
        total.blocks += blocks;
        total.bytes += bytes;
      }
      write.batch(ranges);
      await out.drained();
    }
    requireCount(file.header, total.blocks);
    write.end(total);
  });
  return undefined;
}

function rangeOf({ layout }: CowFile, run: Run): Range {
  const { offset, length } = runBytes(layout, run);
  return { firstBlock: run.start, blocks: run.count, offset, bytes: length };
}

type Out = Context<unknown>['out'];

const WRITERS: Readonly<Record<'text' | 'csv' | 'jsonl', (out: Out) => Writer>> = {
  text: (out) => ({
    begin: ({ layout, exact }) =>
      out.note(
        `device of ${exact ? '' : 'at most '}${formatBytes(layout.deviceBytes)}${exact ? '' : '; see --device-size'}`,
      ),
    batch: (ranges) => out.print(ranges.map(textOf).join('\n')),
    end: ({ runs, blocks, bytes }) =>
      out.note(`${plural(runs, 'run')}, ${plural(blocks, 'block')}, ${formatBytes(bytes)}`),
  }),
  csv: (out) => ({
    begin: () => out.print('first_block,blocks,offset,bytes'),
    batch: (ranges) =>
      out.print(
        ranges
          .map(({ firstBlock, blocks, offset, bytes }) =>
            [firstBlock, blocks, offset, bytes].join(','),
          )
          .join('\n'),
      ),
    end: () => {},
  }),
  jsonl: (out) => ({
    begin: ({ path, header, layout, exact }) =>
      out.record({
        type: 'file',
        cowFile: path,
        uuid: formatUuid(header.uuid),
        seqId: header.seqid,
        deviceBytes: layout.deviceBytes,
        deviceBytesExact: exact,
      }),
    batch: (ranges) => {
      for (const range of ranges) out.record({ type: 'run', ...range });
    },
    end: (total) => out.record({ type: 'end', ...total }),
  }),
};

/** `16-23: 8 blocks, 32 KiB at 64 KiB`. */
function textOf({ firstBlock, blocks, offset, bytes }: Range): string {
  const last = firstBlock + blocks - 1;
  const numbers = last === firstBlock ? `${firstBlock}` : `${firstBlock}-${last}`;
  return `${numbers}: ${plural(blocks, 'block')}, ${formatBytes(bytes)} at ${formatBytes(offset)}`;
}
