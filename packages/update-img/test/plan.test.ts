import { describe, expect, it } from 'vitest';
import type { JournalState } from '../src/journal.js';
import { type Intent, planRun } from '../src/plan.js';

const BLOCKS = 1000;
const intent: Intent = {
  mode: 'update',
  uuid: 'a',
  base: 3n,
  target: 5n,
  deviceBytes: BLOCKS * 4096,
  kept: BLOCKS,
  created: false,
  intact: true,
};
const earlier: JournalState = {
  mode: 'update',
  uuid: 'a',
  base: 3n,
  target: 5n,
  deviceBytes: BLOCKS * 4096,
  position: 400,
  allFrom: null,
  empty: false,
  image: '',
};
const full = { mode: 'full', base: 0n } as const;
const plan = (change: Partial<Intent> = {}, journal?: JournalState) =>
  planRun('/image', { ...intent, ...change }, journal);

describe('without a journal', () => {
  it.each<[Partial<Intent>, Partial<JournalState>]>([
    [{}, { base: 3n, allFrom: null, empty: false }],
    [{ kept: 600 }, { allFrom: 600 }],
    [full, { base: 0n, allFrom: 0 }],
    [
      { ...full, created: true, kept: 0 },
      { allFrom: 0, empty: true },
    ],
  ])('%o begins at the beginning', (change, state) => {
    expect(plan(change)).toMatchObject({ resumed: false, state: { position: 0, ...state } });
  });
});

describe('the same run again', () => {
  it.each<[string, Partial<Intent>, Partial<JournalState>, Partial<JournalState>]>([
    ['goes on', {}, {}, { position: 400, allFrom: null }],
    ['keeps what is to be copied whole', {}, { allFrom: 200 }, { position: 400, allFrom: 200 }],
    ['goes back where the image was cut', { kept: 300 }, {}, { position: 300, allFrom: 300 }],
    [
      'goes on with a full copy',
      full,
      { ...full, allFrom: 0, empty: true },
      { position: 400, empty: true },
    ],
    [
      'begins anew in an image that is not what the journal says',
      { ...full, intact: false },
      { ...full, allFrom: 0, empty: true },
      { position: 0, empty: false },
    ],
  ])('%s', (_, change, journal, state) => {
    expect(plan(change, { ...earlier, ...journal })).toMatchObject({
      resumed: change.intact ?? true,
      halfway: true,
      state,
    });
  });
});

describe('another run', () => {
  it('to a later snapshot begins at the beginning, and remembers what the image was of', () => {
    expect(plan({ base: 2n, target: 7n }, { ...earlier, allFrom: 900 })).toMatchObject({
      resumed: false,
      state: { base: 3n, target: 7n, position: 0, allFrom: 900 },
    });
  });

  it('with more COW files than needed begins at the beginning', () => {
    expect(plan({ base: 2n }, earlier)).toMatchObject({ resumed: false, state: { base: 3n } });
  });

  it('that copies everything, or into a new image, may be any', () => {
    expect(plan({ ...full, uuid: 'b', deviceBytes: 4096 }, earlier)).toMatchObject({
      resumed: false,
      state: { position: 0, empty: false },
    });
    expect(plan({ ...full, created: true, kept: 0 }, { ...earlier, ...full })).toMatchObject({
      resumed: false,
      state: { position: 0, empty: true },
    });
  });

  it.each<[RegExp, Partial<Intent>, Partial<JournalState>]>([
    [
      /between snapshots 3 and 5\. Name the COW files from seqid 3 on, not only from 4/,
      { base: 4n },
      {},
    ],
    [/between snapshots 3 and 6, and this one is 5/, {}, { target: 6n }],
    [/another series of snapshots, b/, {}, { uuid: 'b' }],
    [/the device had 4096 bytes then/, {}, { deviceBytes: 4096 }],
    [/unfinished full copy/, {}, full],
  ])('is refused: %s', (message, change, journal) => {
    expect(() => plan(change, { ...earlier, ...journal })).toThrowError(
      expect.objectContaining({
        code: 'ERR_UPDATE_HALFWAY',
        message: expect.stringMatching(message),
      }),
    );
  });
});
