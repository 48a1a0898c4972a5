import { statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceNumber, systemHost } from '../src/lib/host.js';
import { parseMountinfo } from '../src/lib/mounts.js';

describe('this machine', () => {
  const host = systemHost();

  it('has files of all kinds', async () => {
    expect(await host.file('/dev/null')).toMatchObject({ kind: 'other', rdev: '1:3' });
    expect(await host.file('/proc')).toMatchObject({ kind: 'directory' });
    expect(await host.file('/proc/self/status')).toMatchObject({ kind: 'file' });
    expect(await host.file('/none')).toBeUndefined();
    expect(await host.text('/proc/sys/kernel/osrelease')).toMatch(/^\d+\.\d+/);
    expect(await host.text('/none')).toBeUndefined();
    expect(await host.resolve('/proc/self')).toBe(`/proc/${process.pid}`);
    expect(await host.resolve('/none')).toBe('/none');
    expect(await host.freeBytes('/')).toBeGreaterThan(0);
    expect(await host.freeBytes('/none')).toBeUndefined();
  });

  it('has a root file system among its mounts, with the number that stat gives', async () => {
    const mounts = parseMountinfo((await host.text('/proc/self/mountinfo')) ?? '');
    expect(mounts.find(({ mountPoint }) => mountPoint === '/proc')).toMatchObject({ type: 'proc' });
    const root = mounts.filter(({ mountPoint }) => mountPoint === '/').at(-1);
    expect(root?.dev).toBe(deviceNumber(statSync('/').dev));
  });
});

describe('numbers of devices', () => {
  it('are split as glibc does', () => {
    expect(deviceNumber(0x811)).toBe('8:17');
    fc.assert(
      fc.property(fc.nat(0xfff), fc.nat(0xfffff), (major, minor) => {
        // The kernel's and glibc's encoding for majors below 4096.
        const dev = (minor & 0xff) | (major << 8);
        const high = BigInt(minor & ~0xff) << 12n;
        expect(deviceNumber(Number(BigInt(dev) | high))).toBe(`${major}:${minor}`);
      }),
    );
  });
});

describe('mountinfo', () => {
  it('may have any number of optional fields, and escapes', () => {
    const text = [
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue',
      '37 35 8:17 / /a\\040b\\134c rw - xfs /dev/sd\\011b ro',
      'nonsense',
      '',
    ].join('\n');
    expect(parseMountinfo(text)).toEqual([
      {
        dev: '98:0',
        root: '/mnt1',
        mountPoint: '/mnt2',
        type: 'ext3',
        source: '/dev/root',
        writable: true,
        options: ['rw', 'noatime', 'rw', 'errors=continue'],
      },
      {
        dev: '8:17',
        root: '/',
        mountPoint: '/a b\\c',
        type: 'xfs',
        source: '/dev/sd\tb',
        writable: false,
        options: ['rw', 'ro'],
      },
    ]);
  });
});
