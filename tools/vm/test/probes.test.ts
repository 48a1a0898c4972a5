/** The module's questions to a kernel: an answer that nobody gave must stop the build. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { repoRoot } from '../src/paths.js';

const kmod = join(repoRoot, 'kmod');
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dbd-probes-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function sh(...args: string[]) {
  const { status, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
  return { status, stderr };
}

describe('probe.sh', () => {
  /** Writes the list, asks it of the compiler, returns what was said and the header if there is one. */
  function probe(stanzas: string, compiler = 'gcc') {
    const list = join(dir, 'probes.list');
    const header = join(dir, 'have.h');
    writeFileSync(list, `# a comment\n\n${stanzas}`);
    writeFileSync(header, 'from another kernel');
    const result = sh(join(kmod, 'compat/probe.sh'), list, header, compiler);
    return { ...result, header: existsSync(header) ? readFileSync(header, 'utf8') : undefined };
  }

  const absent = "DBD_HAVE_B\nerror: implicit declaration of function 'b'\nvoid f(void) { b(); }\n";

  it('answers 1 for what compiles and 0 for the error that is expected', () => {
    const result = probe(`DBD_HAVE_A\nerror: none\nint a;\n\n${absent}`);
    expect(result).toMatchObject({
      status: 0,
      header: '#define DBD_HAVE_A 1\n#define DBD_HAVE_B 0\n',
    });
  });

  it.each([
    ['a foreign error', 'void f(void) { return 1 }'],
    ['a foreign error beside the expected one', 'void f(void) { b(); c; }'],
    ['a header that is not there', '#include <no/such/header.h>\nvoid f(void) { b(); }'],
  ])('stops at %s', (_, code) => {
    const list = `DBD_HAVE_B\nerror: implicit declaration of function 'b'\n${code}\n`;
    const result = probe(list);
    expect(result.header).toBeUndefined();
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('the probe for DBD_HAVE_B failed, but not with an error that');
  });

  it('stops when the compiler cannot run', () => {
    expect(probe(absent, 'false')).toMatchObject({ status: 1, header: undefined });
    expect(probe(absent, 'no-such-compiler')).toMatchObject({ status: 1, header: undefined });
  });

  it('stops at two probes for one macro', () => {
    const result = probe(`${absent}\n${absent}`);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('two probes for DBD_HAVE_B');
  });
});

describe('lint.sh', () => {
  const lint = () => sh(join(dir, 'compat/lint.sh'), dir);

  function edit(file: string, change: (text: string) => string): void {
    const path = join(dir, file);
    const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const after = change(before);
    expect(after).not.toBe(before);
    writeFileSync(path, after);
  }

  beforeEach(() => {
    cpSync(join(kmod, 'compat'), join(dir, 'compat'), { recursive: true });
  });

  it('finds nothing to complain about in the module', () => {
    expect(sh(join(kmod, 'compat/lint.sh'))).toEqual({ status: 0, stderr: '' });
    expect(lint()).toEqual({ status: 0, stderr: '' });
  });

  it.each([
    [
      'a misspelt macro',
      'compat/compat.c',
      (text: string) => text.replace('DBD_HAVE_BDEV_FREEZE', 'DBD_HAVE_BDEV_FREEZ'),
      'not probed for:\nDBD_HAVE_BDEV_FREEZ\n',
    ],
    [
      'a probe that nobody uses',
      'compat/probes.list',
      (text: string) => `${text}\nDBD_HAVE_TEAPOT\nint a;\n`,
      'used nowhere:\nDBD_HAVE_TEAPOT\n',
    ],
    [
      '#ifdef, which a misspelling would pass',
      'compat/compat.h',
      (text: string) => text.replace('#if DBD_HAVE_RW_PAGE', '#ifdef DBD_HAVE_RW_PAGE'),
      'in another form',
    ],
    [
      'a version that is compared',
      'compat/compat.c',
      (text: string) => `${text}#if LINUX_VERSION_CODE > 1\n#endif\n`,
      'kernel versions are compared',
    ],
    [
      'a feature test outside compat/',
      'map.c',
      () => '#if DBD_HAVE_RW_PAGE\n#endif\n',
      'that is for compat/',
    ],
  ])('complains about %s', (_, file, change, complaint) => {
    edit(file, change);
    const result = lint();
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(complaint);
  });
});
