import { describe, expect, it } from 'vitest';
import { diskPool, loadCases, parseCase, pickDisks } from '../src/cases.js';

const MIB = 2 ** 20;

describe('a case', () => {
  it('has defaults for all that its header does not say', () => {
    expect(parseCase('/x/plain.sh', '# Says nothing.\ntrue\n')).toEqual([
      {
        name: 'plain',
        file: '/x/plain.sh',
        disks: [512 * MIB],
        fs: 'ext4',
        mkfs: '',
        timeout: 120,
        start: 'fs',
        boots: 1,
        power: 'off',
        slow: false,
      },
    ]);
  });

  it('runs once for each file system', () => {
    const cases = parseCase('/x/both.sh', '# fs: ext4 xfs\n# disks: 1G 67110400\n');
    expect(cases.map((one) => one.name)).toEqual(['both@ext4', 'both@xfs']);
    expect(cases[0]?.disks).toEqual([1024 * MIB, 67110400]);
  });

  it('is slow as a whole, or on some of its file systems', () => {
    const slow = (text: string) => parseCase('/x/s.sh', text).map((one) => one.slow);
    expect(slow('# fs: ext4 xfs\n# slow: yes\n')).toEqual([true, true]);
    expect(slow('# fs: ext4 xfs\n# slow: xfs\n')).toEqual([false, true]);
  });

  it.each([
    '# slow: no\n',
    '# disk: 1G\n',
    '# start: later\n',
    '# timeout: soon\n',
    '# disks: 1X\n',
  ])('with a header that is wrong is refused: %j', (text) => {
    expect(() => parseCase('/x/wrong.sh', text)).toThrow();
  });

  it('may be for some kernels only', () => {
    const [one] = parseCase('/x/some.sh', '# kernels: debug-*\n');
    expect(one?.kernels?.test('debug-6.12')).toBe(true);
    expect(one?.kernels?.test('debian-6.12')).toBe(false);
  });

  it('takes its disks from a pool that is enough for each', () => {
    const cases = [
      ...parseCase('/x/a.sh', '# disks: 1G 1G\n'),
      ...parseCase('/x/b.sh', '# disks: 2G 1G\n'),
    ];
    const pool = diskPool(cases);
    expect(pool).toEqual([1024 * MIB, 1024 * MIB, 2048 * MIB]);
    expect(cases.map((one) => pickDisks(pool, one))).toEqual([
      [0, 1],
      [2, 0],
    ]);
  });

  it('is found by a pattern, on all its file systems', () => {
    expect(loadCases(['cycle']).map((one) => one.name)).toEqual(['cycle@ext4', 'cycle@xfs']);
    expect(loadCases(['*@xfs']).every((one) => one.fs === 'xfs')).toBe(true);
    expect(loadCases(['no-such-case'])).toEqual([]);
  });
});
