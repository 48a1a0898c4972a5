import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const files = fileURLToPath(new URL('../files', import.meta.url));
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'package-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('dkms.conf', () => {
  const conf = join(files, 'dattobd-dkms/root/usr/src/dattobd-@VERSION@/dkms.conf');
  /** What it says to DKMS, a bash script that was called like this. */
  const asked = (name: string, ...dkms: string[]) =>
    execFileSync('bash', ['-c', `. "${conf}"; printf %s "$${name}"`, ...dkms], {
      env: { ...process.env, kernel_source_dir: '/headers' },
      encoding: 'utf8',
    });
  const value = asked('BUILD_EXCLUSIVE_KERNEL');
  // As dkms does it: bash's own match.
  const builds = (kernel: string) =>
    spawnSync('bash', ['-c', '[[ $1 =~ $2 ]]', 'bash', kernel, value]).status === 0;

  it.each([
    '5.10.0-39-amd64',
    '6.1.0-18-amd64',
    '6.12.107+deb13-amd64',
    '6.12.9',
    '7.2.12-amd64',
    '6.1-r1',
  ])('builds for %s', (kernel) => {
    expect(builds(kernel)).toBe(true);
    expect(asked('AUTOINSTALL', 'dkms', 'autoinstall', '--kernelver', kernel)).toBe('yes');
  });

  it.each([
    '4.19.0-27-amd64',
    '5.4.0-200-generic',
    '5.15.0-100-generic',
    '5.19.17',
    '6.4.16',
    '6.5.0-1-amd64',
    '6.8.0-50-generic',
    '6.11.0-9-generic',
    '6.13.0-1-amd64',
    '6.20.1',
    '7.1.0',
    '7.3.0-rc1',
    '7.20.0',
    '15.10.0',
    '6.1.0-18-rt-amd64',
    '6.12.107+deb13-rt-amd64',
  ])('leaves %s alone', (kernel) => {
    expect(builds(kernel)).toBe(false);
    expect(asked('AUTOINSTALL', 'dkms', 'autoinstall', '--kernelver', kernel)).toBe('');
    expect(asked('AUTOINSTALL', 'dkms', 'autoinstall', '-k', kernel)).toBe('');
  });

  it('is for the one architecture that it has run on', () => {
    expect(asked('BUILD_EXCLUSIVE_ARCH')).toBe('^x86_64$');
  });

  it('is built by itself when no kernel is named', () => {
    expect(asked('AUTOINSTALL', 'dkms', 'status')).toBe('yes');
  });
});

describe('what regenerates an initramfs', () => {
  const uuid = '4f2d1c5e-6a77-4d3b-9d56-0f1e2d3c4b5a';
  it.each([
    '../../boot/initramfs-tools/hooks/dbd',
    '../../boot/dracut/90dbd/module-setup.sh',
    'files/dattobd.spec',
  ])('%s counts what is to be tracked only', (file) => {
    const text = readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), 'utf8');
    const globs = [...text.matchAll(/\/etc\/dbd\/devices\/([^\s;']+)/g)];
    expect(globs.length).toBeGreaterThan(0);
    for (const [, glob] of globs) {
      const matching = 'for name in "$2" "$2.idle"; do [[ $name != $1 ]] || echo "$name"; done';
      const found = execFileSync('bash', ['-c', matching, 'bash', glob ?? '', uuid]);
      expect(found.toString()).toBe(`${uuid}\n`);
    }
  });
});

describe('launch', () => {
  const launch = join(files, 'dattobd-utils/root/usr/lib/dattobd/launch');
  /** A Node that says what version it is, and what it was called with. */
  const node = (version: string) => {
    const path = join(directory, `node-${version}`);
    writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && echo ${version} || echo "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  };
  /** Only the Nodes that are named here: the usual places are those of this machine. */
  const call = (name: string, nodes: string | undefined) => {
    const path = join(directory, name);
    const text = readFileSync(launch, 'utf8').replace(/ \/usr\/[^\s;]*node[^\s;]*/g, '');
    writeFileSync(join(directory, 'launch'), text);
    rmSync(path, { force: true });
    symlinkSync('launch', path);
    const env = { PATH: '/none', ...(nodes === undefined ? {} : { DATTOBD_NODE: nodes }) };
    return spawnSync('/bin/sh', [path, 'one', 'two words'], { env, encoding: 'utf8' });
  };

  it.each([
    ['dbdctl', 'ctl', 'v20.0.0'],
    ['update-img', 'update-img', 'v104.1.2'],
  ])('runs %s', (name, pkg, version) => {
    const { status, stdout } = call(name, node(version));
    expect(stdout).toBe(`/usr/lib/dattobd/node_modules/@dbd/${pkg}/bin/${name}.js one two words\n`);
    expect(status).toBe(0);
  });

  it('says that Node is too old', () => {
    const { status, stderr } = call('dbdctl', node('v18.20.4'));
    expect(stderr).toMatch(/^dbdctl: the Node here is v18.20.4, and 20 or newer is needed.\n/);
    expect(status).toBe(1);
  });

  it('says that there is none', () => {
    const { status, stderr } = call('update-img', undefined);
    expect(stderr).toMatch(/^update-img: there is no Node here, and 20 or newer is needed.\n/);
    expect(status).toBe(1);
  });

  it('takes no word for a version', () => {
    expect(call('dbdctl', node('nonsense')).status).toBe(1);
  });
});
