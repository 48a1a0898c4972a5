import { describe, expect, it, vi } from 'vitest';
import {
  parseSamples,
  parseStats,
  replayCommand,
  roundSeed,
  stressCases,
  stressHeader,
  stressTable,
} from '../src/stress.js';

const run = (kernel: string, seed: number, failures: string[] = []) => ({
  name: 'stress-model@xfs',
  kernel,
  seed,
  release: `${kernel}-amd64`,
  seconds: 61.2,
  failures,
  stats: { 'blocks compared': 1000, cycles: 2 },
  samples: { 'extra blocks': seed === 77 ? [9, 1] : [3] },
});

describe('stress', () => {
  it('has cases for a suite, or one file system of it', () => {
    expect(stressCases(['model']).map((one) => one.name)).toEqual([
      'stress-model@ext4',
      'stress-model@xfs',
    ]);
    expect(stressCases(['model@xfs']).map((one) => one.name)).toEqual(['stress-model@xfs']);
    expect(stressCases([]).length).toBeGreaterThanOrEqual(2);
    expect(() => stressCases(['none'])).toThrow();
  });

  it('adds up what a case counted', () => {
    expect(
      parseStats('x\nstat cycles: 2\nstat blocks compared: 40\nstat cycles: 3\nstatus: 1'),
    ).toEqual({
      cycles: 5,
      'blocks compared': 40,
    });
  });

  it('keeps what a case measured', () => {
    expect(parseSamples('sample a: 2\nsample b: 7\nsamples: 1\nsample a: 1')).toEqual({
      a: [2, 1],
      b: [7],
    });
  });

  it('gives each round and kernel a seed of its own, the same for the same', () => {
    const seeds = [0, 1, 2].flatMap((round) => ['a', 'b'].map((k) => roundSeed(7, round, k)));
    expect(new Set(seeds).size).toBe(6);
    expect(roundSeed(7, 1, 'b')).toBe(seeds[3]);
  });

  it('says how a failure is seen again', () => {
    expect(replayCommand(run('old-1.0', 77, ['blocks differ']), 240)).toBe(
      'npm run test:stress -- --kernel old-1.0 --suite model@xfs --seed 77 --seconds 240',
    );
  });

  it('repeats what was narrowed down in the same way', () => {
    vi.stubEnv('STRESS_CALLS', 'setup resume');
    expect(replayCommand(run('old-1.0', 77), 240)).toMatch(
      /^STRESS_CALLS='setup resume' npm run test:stress -- /,
    );
    vi.unstubAllEnvs();
  });

  it('heads the report with commit and kernels', () => {
    expect(stressHeader('0123abc and changes', [run('a', 1), run('b', 2), run('a', 3)])).toBe(
      '# Stress\n\nCommit 0123abc and changes\n\n- a: Linux a-amd64\n- b: Linux b-amd64\n\n',
    );
  });

  it('reports sums, medians, seeds and kernels', () => {
    expect(stressTable([run('old-1.0', 77), run('new-2.0', 78, ['blocks differ'])])).toBe(
      [
        '## stress-model@xfs',
        '',
        '2 runs, 2.0 minutes',
        '',
        '| counted | |',
        '| --- | --- |',
        '| blocks compared | 2000 |',
        '| cycles | 4 |',
        '| extra blocks, median | 3 |',
        '',
        '| kernel | seed | time | |',
        '| --- | --- | --- | --- |',
        '| old-1.0 | 77 | 61 s | passed |',
        '| new-2.0 | 78 | 61 s | **FAILED** |',
        '',
        '',
      ].join('\n'),
    );
  });
});
