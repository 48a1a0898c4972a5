import { writeFile } from 'node:fs/promises';
import { CommandError, formatBytes, plural, printable, systemErrorText, wrap } from '@dbd/cli-kit';
import { type CowHeader, encodeFlags, formatUuid } from '@dbd/cow-format';
import { type CowFile, withCowFile } from '../lib/cow-file.js';
import { heatMap } from '../lib/heat-map.js';
import { type Survey, surveyOf } from '../lib/survey.js';
import type { Context } from '../tools.js';

interface InspectValues {
  readonly cowFile: string;
  readonly deviceSize: bigint | undefined;
  readonly html: string | undefined;
}

export async function inspect(context: Context<InspectValues>) {
  const { values, json, out, tools } = context;
  const { html } = values;
  await withCowFile(values.cowFile, values.deviceSize, tools, async (file) => {
    const survey = await surveyOf(file);
    const notes = notesOn(file, survey);
    if (html !== undefined) {
      const { page } = await import('../lib/page.js');
      await writeFile(html, page(file, survey, notes, describe(file, survey))).catch((cause) => {
        const message = `cannot write the page ${html}: ${systemErrorText(cause)}.`;
        throw new CommandError('failure', cause.code ?? 'ERR_WRITE', message, cause);
      });
    }
    if (json) out.document(jsonOf(file, survey, notes));
    else if (html === undefined) out.print(textOf(context, file, survey, notes));
  });
  return undefined;
}

/** Names and values, as they are shown. */
export function describe(file: CowFile, survey: Survey): [name: string, value: string][] {
  const { header, layout, exact } = file;
  const part = ((survey.bytes / layout.deviceBytes) * 100).toFixed(2);
  return [
    ['file', `${printable(file.path)} (${formatBytes(file.bytes)})`],
    ['series', formatUuid(header.uuid)],
    [
      'seq id',
      `${header.seqid}: changes between snapshots ${header.seqid} and ${header.seqid + 1n}`,
    ],
    ['flags', flagsText(header)],
    ['version', versionText(header)],
    ['next free', `block ${header.fpos} of the file`],
    ['size noted', formatBytes(header.fsize)],
    [
      'device',
      `${exact ? '' : 'at most '}${formatBytes(layout.deviceBytes)}, ${plural(layout.blocks, 'block')}`,
    ],
    ['changed', `${plural(survey.blocks, 'block')}, ${formatBytes(survey.bytes)} (${part} %)`],
    ['runs', runsText(survey)],
  ];
}

function flagsText({ flags }: CowHeader): string {
  const names = [
    flags.clean ? 'clean (closed in order)' : 'not clean (in use, or not closed in order)',
    flags.indexOnly ? 'index only (incremental)' : 'with data (snapshot mode)',
    ...(flags.driverPrivate ? ["the driver's own bit"] : []),
    ...(flags.unknown === 0 ? [] : [`unknown bits 0x${flags.unknown.toString(16)}`]),
  ];
  return `0x${encodeFlags(flags).toString(16)}: ${names.join(', ')}`;
}

function versionText({ version, nrChangedBlocks }: CowHeader): string {
  return version === 0n ? '0' : `${version}: ${plural(nrChangedBlocks, 'changed block')} counted`;
}

function runsText({ runs, blocks, longestRun }: Survey): string {
  if (runs === 0) return 'none';
  const mean = (blocks / runs).toFixed(1);
  return `${runs}, ${mean} blocks on average, the longest ${plural(longestRun, 'block')}`;
}

/** What the user should know before trusting the file. */
function notesOn({ header, exact, layout }: CowFile, survey: Survey): string[] {
  const { flags, version, nrChangedBlocks, seqid } = header;
  return [
    ...(flags.clean
      ? []
      : [
          'The file is in use or was not closed in order: the map may lack changes. Do not copy by it.',
        ]),
    ...(flags.indexOnly
      ? []
      : [
          'The file is of a device in snapshot mode: the map shows what was written since the snapshot.',
        ]),
    ...(flags.unknown === 0 ? [] : ['There are flags that this program does not know.']),
    ...(version > 0n && nrChangedBlocks !== BigInt(survey.blocks)
      ? [
          `The header counts ${plural(nrChangedBlocks, 'changed block')}, the index has ${survey.blocks}.`,
        ]
      : []),
    ...(seqid === 0n ? ['A seq id of 0 is not one that the driver gives.'] : []),
    ...(exact
      ? []
      : [
          `The size of the device is not known; it is what the file has room for, ${formatBytes(layout.deviceBytes)}, or somewhat less. Give it with --device-size.`,
        ]),
  ];
}

function textOf(
  { out }: Context<unknown>,
  file: CowFile,
  survey: Survey,
  notes: readonly string[],
): string {
  const rows = describe(file, survey).map(([name, value]) => {
    const indent = ' '.repeat(12);
    return out.paint('bold', `${name}:`.padEnd(12)) + wrap(value, out.width, indent).slice(12);
  });
  const map = heatMap(survey, file.layout, out);
  const lengths = lengthBars(survey, out.width);
  const remarks = notes.map((note) => out.paint('yellow', wrap(`Note: ${note}`, out.width)));
  return [...rows, '', ...map, ...(lengths.length > 0 ? ['', ...lengths] : []), ...remarks].join(
    '\n',
  );
}

/** Runs by length, a bar for each class. */
function lengthBars({ runLengths }: Survey, width: number): string[] {
  if (runLengths.length === 0) return [];
  const most = Math.max(...runLengths.map(({ runs }) => runs));
  const room = Math.max(4, Math.min(40, width - 28));
  return [
    'runs by length in blocks:',
    ...runLengths.map(({ from, to, runs }) => {
      const name = from === to ? `${from}` : `${from}-${to}`;
      const bar = '#'.repeat(Math.ceil((runs / most) * room));
      return `${name.padStart(13)} ${bar.padEnd(room)} ${runs}`;
    }),
  ];
}

function jsonOf(file: CowFile, survey: Survey, notes: readonly string[]) {
  const { header, layout, exact } = file;
  return {
    cowFile: file.path,
    uuid: formatUuid(header.uuid),
    seqId: header.seqid,
    deviceBytes: layout.deviceBytes,
    deviceBytesExact: exact,
    fileBytes: file.bytes,
    header: {
      flags: { ...header.flags },
      fpos: header.fpos,
      fsize: header.fsize,
      version: header.version,
      changedBlocks: header.nrChangedBlocks,
      extended: header.extension.some((byte) => byte !== 0),
    },
    changed: {
      blocks: survey.blocks,
      bytes: survey.bytes,
      runs: survey.runs,
      longestRun: survey.longestRun,
    },
    runLengths: survey.runLengths.map((one) => ({ ...one })),
    map: { blocksPerCell: survey.blocksPerCell, cells: survey.cells },
    notes,
  };
}
