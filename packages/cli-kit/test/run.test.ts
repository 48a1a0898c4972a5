import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandError, describeFailure, EXIT, type Program, runProgram } from '../src/index.js';
import { capture, type World } from '../src/testing/index.js';
import { single, type Tools, verbs } from './programs.js';

async function call(program: Program<Tools>, args: readonly string[], world: World = {}) {
  const seen: unknown[] = [];
  const result = await capture(
    (io) => runProgram(program, args, io, { seen: (...what) => void seen.push(what) }),
    world,
  );
  return { ...result, seen };
}

describe('a program with verbs', () => {
  it('gives the values their names and types', async () => {
    const args = [
      'begin',
      '-f2GiB',
      '--show',
      '/dev/a',
      '/b',
      '3',
      '--mode=safe',
      '-t',
      'x',
      '-ty',
    ];
    expect(await call(verbs, args)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
      seen: [
        [
          'begin',
          {
            blockDevice: '/dev/a',
            cowFile: '/b',
            minor: 3,
            cowSize: 2048n,
            mode: 'safe',
            show: true,
            tag: ['x', 'y'],
            many: [],
          },
        ],
      ],
    });
  });

  it('leaves out what is optional', async () => {
    expect((await call(verbs, ['begin', '/dev/a', '/b'])).seen).toEqual([
      ['begin', { blockDevice: '/dev/a', cowFile: '/b', show: false, tag: [], many: [] }],
    ]);
    expect((await call(verbs, ['begin', '/dev/a', '--', '/-b'])).code).toBe(0);
  });

  it('takes an option, and words, instead of the arguments', async () => {
    const many = (...words: string[]) => call(verbs, ['begin', '--show', ...words]);
    const a = { blockDevice: '/dev/a', cowFile: '/b', minor: undefined };
    const c = { blockDevice: '/dev/c', cowFile: '/d:1:x', minor: 7 };
    const { seen } = await many('--many', '/dev/a:/b', '/dev/c:/d:1:x:7');
    expect(seen).toEqual([['begin', { show: true, tag: [], many: [a, c] }]]);
    for (const words of [
      ['--many=/dev/a:/b', '--many', '/dev/c:/d:1:x:007'],
      ['/dev/a:/b:', '--many', '/dev/c:/d:1:x:7'],
      ['/dev/a:/b', '--many', '/dev/c:/d:1:x:7', '--'],
    ]) {
      expect((await many(...words)).seen).toEqual(seen);
    }
    const byPath = '/dev/disk/by-path/pci-0000:00:1f.2-ata-1';
    expect((await many('--many', `${byPath}:/b:1:`)).seen).toMatchObject([
      ['begin', { many: [{ blockDevice: byPath, cowFile: '/b:1', minor: undefined }] }],
    ]);
    expect(await many('--many')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--many needs a value: --many DEV:COW'),
    });
    for (const word of ['/dev/a', 'a:b', ':/b', '/dev/a:/b:4294967296', '']) {
      expect([word, (await many('--many', '/dev/a:/b', word)).code]).toEqual([word, 2]);
    }
  });

  it('takes a device as minor or path', async () => {
    expect((await call(verbs, ['end', '007'])).seen).toEqual([['end', { device: { minor: 7 } }]]);
    expect((await call(verbs, ['end', '/dev/x'])).seen).toEqual([
      ['end', { device: { path: '/dev/x' } }],
    ]);
    expect(await call(verbs, ['end', 'x'])).toMatchObject({ code: 2, seen: [] });
  });

  it('ends with the code that the command names', async () => {
    expect((await call(verbs, ['end', '9'])).code).toBe(9);
  });

  it.each([
    [[], 'a command is needed, see: demo help'],
    [['begni'], 'unknown command: begni; did you mean begin?'],
    [['xyzzy'], 'unknown command: xyzzy'],
    [['begin'], '<block device> is missing'],
    [['begin', '/a', '/b', '1', '2'], 'unexpected argument: 2'],
    [
      ['begin', '/a', 'b'],
      '<cow file> must be an absolute path, beginning with the mount point, not "b"',
    ],
    [['begin', '--shwo', '/a', '/b'], 'unknown option: --shwo; did you mean --show?'],
    [['begin', '-x', '/a', '/b'], 'unknown option: -x'],
    [['begin', '--show=1', '/a', '/b'], '--show takes no value'],
    [['begin', '/a', '/b', '-f'], '-f needs a value: -f MIB'],
    [['begin', '/a', '/b', '--mode', 'slow'], '--mode must be one of fast, safe, not "slow"'],
    [['begin', '/a', '/b', '-f', '1KiB'], '-f must be a whole number of MiB, not "1KiB"'],
    [['begin', '/a', '/b', '-t', ''], '-t must not be empty'],
    [['--frob', 'begin'], 'unknown option before the command: --frob'],
  ])('refuses %j', async (args, message) => {
    expect(await call(verbs, args)).toEqual({
      code: 2,
      stdout: '',
      stderr: `demo: ${message}\nSee: demo --help\n`,
      seen: [],
    });
  });

  it('writes JSON with its schema, and errors as JSON', async () => {
    expect(await call(verbs, ['begin', '--json', '-f', '1', '/a', '/b'])).toMatchObject({
      stdout: '{\n  "schema": "demo.begin.v1",\n  "minor": 7,\n  "size": 1\n}\n',
    });
    const failed = await call(verbs, ['--json', 'begin', '/a']);
    expect(failed.stderr).toBe('demo: <cow file> is missing\nSee: demo --help\n');
    expect(JSON.parse(failed.stdout)).toEqual({
      schema: 'dbd.error.v1',
      error: {
        exit: 'usage',
        exitCode: 2,
        code: 'ERR_USAGE',
        message: '<cow file> is missing',
      },
    });
  });

  it('helps', async () => {
    for (const args of [['help'], ['--help'], ['-h'], ['--json', '-h']]) {
      const { code, stdout, stderr } = await call(verbs, args);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toContain('demo begin [-f MIB] [--mode MODE] [-s] [-t TAG]');
      expect(stdout).toContain('3    driver absent: the dattobd driver is not loaded.');
    }
    const help = await call(verbs, ['help', 'begin']);
    expect(help.stdout).toMatch(
      /^Usage: demo begin .*\[<minor>\]\n {7}demo begin .* \[-t TAG\] --many DEV:COW\.\.\.\n/,
    );
    expect((await call(verbs, ['begin', '--help', '--nonsense'])).stdout).toBe(help.stdout);
    expect((await call(verbs, ['--version'])).stdout).toBe('1.2.3\n');
    expect((await call(verbs, ['begin', '--version'])).stdout).toBe('1.2.3\n');
  });

  it.each([20, 40, 60, 80, 200])('helps on a terminal of %d columns', async (columns) => {
    for (const args of [['help'], ['help', 'begin']]) {
      const { stdout } = await call(verbs, args, { columns, env: { NO_COLOR: '1' } });
      const long = stdout.split('\n').filter((line) => line.length > Math.max(columns, 30));
      // An example is not broken: it is to be copied.
      expect(long.filter((line) => !line.includes('demo begin /dev/sdb1'))).toEqual([]);
      expect(stdout).not.toContain('\x1b');
    }
  });

  it('colours on terminals only, and not where NO_COLOR or TERM=dumb stands', async () => {
    expect((await call(verbs, ['help'], { columns: 80 })).stdout).toContain('\x1b[1mCommands:');
    for (const world of [{}, { columns: 80, env: { TERM: 'dumb' } }]) {
      expect((await call(verbs, ['help'], world)).stdout).not.toContain('\x1b');
    }
  });
});

describe('the order of options and arguments', () => {
  const options = [
    ['-f', '9'],
    ['-f9'],
    ['--cow-size=9'],
    ['--mode', 'safe'],
    ['--mode=fast'],
    ['-s'],
    ['--show'],
    ['-t', 'a'],
    ['--tag=b'],
    ['-st', 'c'],
  ];

  it('does not matter, but for those given twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...options), fc.nat(3)), { maxLength: 6 }),
        async (placed) => {
          const args: string[] = [];
          ['/dev/a', '/b', '3', ''].forEach((argument, place) => {
            args.push(...placed.filter(([, at]) => at === place).flatMap(([option]) => option));
            if (argument !== '') args.push(argument);
          });
          const inOrder = [0, 1, 2, 3].flatMap((place) =>
            placed.filter(([, at]) => at === place).flatMap(([option]) => option),
          );
          const mixed = await call(verbs, ['begin', ...args]);
          const plain = await call(verbs, ['begin', ...inOrder, '--', '/dev/a', '/b', '3']);
          expect(mixed).toEqual(plain);
          expect(mixed.code).toBe(0);
        },
      ),
    );
  });

  it('any words at all end with 0 or 2, and never with a stack', async () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'begin',
        'end',
        'help',
        '--',
        '-',
        '--json',
        '-f',
        '9',
        '/a',
        '--mode',
        '--help',
        '-h',
        '--version',
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (args) => {
        const { code, stderr } = await call(verbs, args);
        expect([0, 2, 9]).toContain(code);
        expect(stderr).not.toMatch(/\n {4}at /);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a program of one command', () => {
  it('takes several in the middle', async () => {
    const { seen } = await call(single, ['a', '--rate', '10M', 'b', 'c', 'd', 'e']);
    expect(seen).toEqual([
      [
        'demo-copy',
        { from: 'a', map: ['b', 'c', 'd'], maps: ['b', 'c', 'd'], to: 'e', rate: 10485760n },
      ],
    ]);
    expect(await call(single, ['a', 'b'])).toMatchObject({
      code: 2,
      stderr: 'demo-copy: <to> is missing\nSee: demo-copy --help\n',
    });
  });

  it('helps', async () => {
    const { stdout } = await call(single, ['--help']);
    expect(stdout).toMatch(
      /^Usage: demo-copy \[--rate BYTES\] \[--mode MODE\] <from> <map>\.\.\. <to>\n/,
    );
    expect(stdout).toContain('130  interrupted');
  });
});

describe('errors become exit codes', () => {
  const named = (name: string, fields: object) => Object.assign(new Error('x'), { name }, fields);
  const datto = (code: string, operation = 'destroy', driverAbsent = false) =>
    named('DattoIoctlError', { code, operation, driverAbsent });
  it.each([
    [new Error('x'), 'failure'],
    ['x', 'failure'],
    [new CommandError('busy', 'EX', 'x'), 'busy'],
    [datto('ENOENT', 'destroy', true), 'driver absent'],
    [datto('ENOENT'), 'no such device'],
    [datto('ENOENT', 'getFreeMinor'), 'busy'],
    [datto('ENOTTY'), 'failure'],
    [datto('ENOTTY', 'deviceSize'), 'no such device'],
    [datto('EBUSY'), 'busy'],
    [datto('EPERM'), 'permission'],
    [datto('EACCES', 'info'), 'permission'],
    [datto('EINVAL'), 'failure'],
    [named('DattoArgumentError', {}), 'usage'],
    [named('CowFormatError', { code: 'ERR_COW_SERIES' }), 'COW mismatch'],
    [named('CowFormatError', { code: 'ERR_COW_SEQID' }), 'COW mismatch'],
    [named('CowFormatError', { code: 'ERR_COW_MAGIC' }), 'corrupt'],
    [named('CowFormatError', { code: 'ERR_COW_NOT_CLEAN' }), 'corrupt'],
    [
      named('CowFormatError', { code: 'ERR_COW_READ', cause: named('E', { code: 'EACCES' }) }),
      'permission',
    ],
    [
      named('Other', {
        code: 'ERR_OTHER',
        cause: named('CowFormatError', { code: 'ERR_COW_TRUNCATED' }),
      }),
      'corrupt',
    ],
    [named('AbortError', {}), 'interrupted'],
    [named('Error', { code: 'EACCES' }), 'permission'],
  ] as const)('%o', (error, exit) => expect(describeFailure(error).exit).toBe(exit));

  it('asks the program first', () => {
    expect(describeFailure(new Error('x'), () => 'partial copy').exit).toBe('partial copy');
  });

  it('has a code for each name, none twice', () => {
    expect(new Set(Object.values(EXIT)).size).toBe(11);
    expect(EXIT).toMatchObject({ ok: 0, failure: 1, usage: 2, interrupted: 130 });
  });
});
