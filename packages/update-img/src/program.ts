import { commandFactory, type Json, type Program, record, UsageError } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import manifest from '../package.json' with { type: 'json' };
import type { SnapshotNode } from './snapshot.js';
import type { UpdateReport, UpdateStart } from './update.js';

/** What update-img works with. */
export interface Tools {
  /** Loads the addon of the ioctls; only then is it needed. */
  readonly datto: () => Promise<Datto>;
  /** As in UpdateTools. */
  readonly locate?: (path: string) => Promise<SnapshotNode>;
}

const integer = (description: string) => ({ type: 'integer', description });
const text = (description: string) => ({ type: 'string', description });
const event = (name: string) => ({ const: name });

const update = commandFactory<Tools>()({
  name: 'update-img',
  summary: 'Bring a full copy of a block device up to date with its latest snapshot',
  description: [
    'Copies the blocks that changed since the snapshot that the image is a copy of. Which those are, the COW files tell that each `dbdctl transition-to-snapshot` since then left: one, or several of consecutive seqids in any order, which are merged. Nothing is written before all is checked: the snapshot is active and has not failed; the COW files are finished, whole, of the same series, and lead to the snapshot without a gap; the image is a copy of the snapshot that they start at, or of a later one, has the right size and is not on the device itself.',
    'With `--full` everything is copied, no COW file is given, and the image is created if need be. Blocks of zeros become holes in an image file.',
    'From the first write until all is on the disk, a journal beside the image says that the image is half way. A run that failed or was interrupted is repeated with the same arguments while the snapshot is there, and goes on from where the image is known to be on the disk, or from the beginning if the image was written since; or a later snapshot is taken and all COW files since are named.',
    'Of which snapshot the image is a copy, its manifest says, which each run writes once the image is on the disk. An image without one is taken to be of the snapshot that the COW files start at; so is, with a remark, one that is not as it was then (a file: of another size or time; a block device: with another first MiB).',
    'The image equals the snapshot on success only. With `--verify` what was copied is read again from the disk and compared, but for the blocks of the COW file that the snapshot is kept in: the driver writes there all the time, and to the file system of the image they mean nothing.',
    'With `--checksum` the whole image is read at the end. What was not copied must be as the checksums say that an earlier run with `--checksum` put into the manifest, as far as there are any; then all are written anew. A run without it keeps those of what it does not copy. An image that was found damaged ends each run with 8 until a full copy.',
  ],
  arguments: [
    {
      name: 'snapshot device',
      kind: 'file',
      summary: 'the snapshot, `/dev/datto<minor>`',
    },
    {
      name: 'cow file',
      kind: 'file',
      optional: true,
      repeated: true,
      summary: 'COW files that transition-to-snapshot left: the maps of what changed',
    },
    {
      name: 'image file',
      kind: 'file',
      summary: 'copy of an earlier snapshot, a file or block device',
    },
  ],
  options: [
    { name: 'full', kind: 'flag', summary: 'copy everything; needs no COW file and no image' },
    {
      name: 'resize',
      kind: 'flag',
      summary: "give the image the device's size; what it did not have is copied",
    },
    {
      name: 'verify',
      kind: 'flag',
      summary: 'read what was copied again, and compare it with the snapshot',
    },
    {
      name: 'checksum',
      kind: 'flag',
      summary: 'check the image against the checksums in its manifest, and write new ones',
    },
    {
      name: 'dry-run',
      letter: 'n',
      kind: 'flag',
      summary: 'make all checks, tell what would be copied, and change nothing',
    },
    {
      name: 'bwlimit',
      kind: 'size',
      unit: 'bytes',
      max: 2n ** 53n - 1n,
      value: 'RATE',
      summary: 'copy no more than so many bytes a second, such as 50MiB',
    },
    {
      name: 'state-directory',
      kind: 'file',
      value: 'DIR',
      summary: 'where journal and manifest are, when not beside the image',
    },
  ],
  examples: [
    {
      args: '--full /dev/datto0 /backup/sdb1.img',
      summary: 'makes the first copy',
    },
    { args: '/dev/datto0 /mnt/.datto1 /backup/sdb1.img', summary: 'copies what changed' },
    {
      args: '/dev/datto0 /mnt/.datto3 /mnt/.datto4 /backup/sdb1.img',
      summary: 'brings an image up to date that was left out once',
    },
  ],
  output: {
    schema: 'update-img.v1',
    stream: true,
    json: {
      oneOf: [
        record({
          event: event('start'),
          from_seqid: integer('of the snapshot the image was of; 0: a full copy'),
          to_seqid: integer('of the snapshot it becomes'),
          uuid: text('of the series'),
          device_bytes: integer('size of the device'),
          resumed_at: integer('byte offset that an earlier run reached'),
        }),
        record(
          {
            event: event('progress'),
            phase: { enum: ['copy', 'sync', 'verify', 'checksum'] },
            bytes: integer('done in this phase'),
            expected: integer('in this phase in all, as far as known; may be too much'),
          },
          ['expected'],
        ),
        record({
          event: event('fault'),
          kind: { enum: ['read', 'write', 'differs', 'map'] },
          offset: integer('bytes, on the device; for `map` in the COW file'),
          length: integer('bytes'),
          reason: text('such as EIO: i/o error'),
        }),
        record(
          {
            event: event('end'),
            dry_run: { type: 'boolean' },
            blocks: integer('changed blocks copied'),
            bytes: integer('their bytes'),
            zero_bytes: integer('of them, those that became holes'),
            runs: integer('runs of consecutive changed blocks'),
            verified: { type: 'boolean' },
            manifest: text('path of the manifest that was written'),
          },
          ['manifest'],
        ),
      ],
    },
  },
  run: async ({ values, tools, json, out, signal }) => {
    const { snapshotDevice, cowFile, imageFile, bwlimit } = values;
    if (values.full && cowFile.length > 0) {
      throw new UsageError('--full copies everything: give no COW file');
    }
    if (!values.full && cowFile.length === 0) {
      throw new UsageError('<cow file> is missing; a first copy is made with --full');
    }
    if (bwlimit === 0n) throw new UsageError('--bwlimit must be at least 1 byte a second');
    const [{ updateImage }, { ProgressLine }, { oneFault }] = await Promise.all([
      import('./update.js'),
      import('./progress.js'),
      import('./fault-text.js'),
    ]);
    const line = new ProgressLine(out.stderr);
    const event = (data: { readonly [key: string]: Json }) => json && out.record(data);
    let last = Number.NEGATIVE_INFINITY;
    try {
      const report = await updateImage(
        {
          ...values,
          cowFiles: cowFile,
          bytesPerSecond: bwlimit === undefined ? undefined : Number(bwlimit),
        },
        {
          datto: await tools.datto(),
          locate: tools.locate,
          signal,
          onStart: (start) => {
            event({ event: 'start', ...startJson(start) });
            if (start.resumedAt > 0) out.note(`goes on from byte ${start.resumedAt}`);
          },
          onNote: (note) => out.note(note),
          onProgress: ({ phase, bytes, expected }) => {
            line.show({ phase, bytes, expected });
            const now = Date.now();
            if (now - last < 1000) return;
            last = now;
            event({ event: 'progress', phase, bytes, expected });
          },
        },
      );
      line.clear();
      event({ event: 'end', ...reportJson(report) });
      if (!json) out.print(summaryOf(imageFile, snapshotDevice, report));
      return undefined;
    } catch (error) {
      line.clear();
      const faults = (error as { faults?: unknown }).faults;
      for (const fault of Array.isArray(faults) ? faults : []) {
        event({
          event: 'fault',
          kind: fault.kind,
          offset: fault.offset,
          length: fault.length,
          reason: fault.reason,
        });
        if (!json)
          out.note(
            oneFault(
              fault,
              cowFile.map((path) => ({ path })),
            ),
          );
      }
      throw error;
    }
  },
});

function startJson(start: UpdateStart) {
  return {
    from_seqid: start.from,
    to_seqid: start.to,
    uuid: start.uuid,
    device_bytes: start.deviceBytes,
    resumed_at: start.resumedAt,
  };
}

function reportJson({ copied, dryRun, verified, manifest: path }: UpdateReport) {
  return {
    dry_run: dryRun,
    blocks: copied.blocks,
    bytes: copied.bytes,
    zero_bytes: copied.zeroBytes,
    runs: copied.runs,
    verified,
    manifest: path,
  };
}

/** The first words are those of earlier versions; scripts may look for them. */
function summaryOf(image: string, snapshot: string, report: UpdateReport): string {
  const { blocks, bytes, runs } = report.copied;
  const amount = `${blocks} blocks, ${bytes} bytes in ${runs} runs`;
  if (report.dryRun) return `would update ${image} from ${snapshot}: ${amount}`;
  return `updated ${image}: ${amount}${report.verified ? ', verified' : ''}`;
}

/** update-img as data; `npm run gen` makes manual, completions, reference and schema of it. */
export const program: Program<Tools> = {
  name: 'update-img',
  version: manifest.version,
  summary: 'Brings a full copy of a block device up to date from a dattobd snapshot',
  description: [
    'The image is a copy of a whole device: `--full` makes the first one, and later runs bring it up to date.',
  ],
  commands: update,
  revised: 'November 23, 2026',
  files: [
    ['IMAGE.journal', 'There while the image is half way between two snapshots.'],
    ['IMAGE.manifest', 'What the image is a copy of; with `--checksum`, checksums of it.'],
    ['/var/lib/update-img', 'Both of these, for images on block devices.'],
    ['/dev/dattoN', 'Snapshot with minor N.'],
  ],
  environment: [['NO_COLOR', 'When set and not empty, there are no colours.']],
  seeAlso: [['dbdctl', '8']],
};
