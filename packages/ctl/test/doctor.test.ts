import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './support.js';

let machine: Machine;
const RELEASE = '6.1.0-18-amd64';
const EFI = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** A machine on which all is well. */
beforeEach(() => {
  machine = new Machine();
  const { texts, files } = machine.host;
  texts.set('/proc/sys/kernel/osrelease', `${RELEASE}\n`);
  texts.set('/sys/module/dattobd/version', '0.12.1+dbd.1\n');
  files.set('/dev/datto-ctl', { kind: 'other', dev: '0:5', rdev: '10:57' });
});

function unload() {
  machine.driver.loaded = false;
  machine.host.texts.delete('/sys/module/dattobd/version');
}

/** Findings that are not `ok`, by name. */
async function findings(...args: string[]) {
  const { findings: all, healthy } = (await machine.json(
    'dbdctl.doctor.v1',
    'doctor',
    ...args,
  )) as unknown as {
    healthy: boolean;
    findings: { name: string; level: string; text: string; advice?: string }[];
  };
  expect(healthy).toBe(all.every(({ level }) => level !== 'problem'));
  for (const { level, advice } of all) expect(advice === undefined).toBe(level === 'ok');
  return Object.fromEntries(
    all
      .filter(({ level }) => level !== 'ok')
      .map(({ name, level, text }) => [name, `${level}: ${text}`]),
  );
}

describe('doctor', () => {
  it('finds nothing where all is well', async () => {
    await machine.dbdctl('setup-snapshot', '/dev/sdb1', '/mnt/a', '0');
    expect(await machine.dbdctl('doctor')).toEqual({
      code: 0,
      stdout: [
        `ok      kernel: ${RELEASE}`,
        'ok      architecture: x86-64',
        'ok      module: loaded, version 0.12.1+dbd.1',
        'ok      control node: /dev/datto-ctl',
        'ok      minor 0 (/dev/sdb1): active snapshot',
        'ok      /dev/sdb1: ext4 at /mnt, 500 MiB free of 1 GiB',
        '',
      ].join('\n'),
      stderr: '',
    });
    expect(await findings()).toEqual({});
  });

  it('says what is wrong and what to do, and ends with 1', async () => {
    unload();
    machine.host.uid = 1000;
    expect(await machine.dbdctl('doctor')).toEqual({
      code: 1,
      stdout: expect.stringContaining(
        [
          'PROBLEM module: not loaded, and not installed for 6.1.0-18-amd64',
          '        -> Install the package dattobd-dkms, or build it (docs/install.md).',
        ].join('\n'),
      ),
      stderr: '',
    });
    expect(await findings()).toMatchObject({ user: 'note: not root, so not all can be seen' });
  });

  it.each([
    ['5.4.0-1', 'problem: 5.4.0-1 is older than 5.10'],
    ['4.19.0', 'problem: 4.19.0 is older than 5.10'],
    ['5.15.0-100-generic', 'problem: the module cannot be built for 5.15.0-100-generic'],
    ['6.8.0-50-generic', 'problem: the module cannot be built for 6.8.0-50-generic'],
    ['5.11.0', 'problem: the module cannot be built for 5.11.0'],
    ['6.9.12', 'problem: the module cannot be built for 6.9.12'],
    ['6.10.0', 'note: 6.10.0 is not one that the module is tested on, and DKMS builds none for it'],
    ['5.18.1', 'note: 5.18.1 is not one that the module is tested on, and DKMS builds none for it'],
    ['6.4.9', 'problem: the module cannot be built for 6.4.9'],
    ['7.3.0', 'note: 7.3.0 is not one that the module is tested on, and DKMS builds none for it'],
    ['', 'problem: its version is not known: ""'],
  ])('looks at the kernel: %s', async (release, text) => {
    machine.host.texts.set('/proc/sys/kernel/osrelease', release);
    expect(await findings()).toEqual({ kernel: text });
  });

  it.each([
    ['6.1.0-18-amd64', 'Install the package dattobd-dkms, or build it (docs/install.md).'],
    ['6.8.0-50-generic', 'Boot a kernel that is tested: 5.10, 6.1, 6.12, 7.2.'],
    ['6.13.1', 'or try to build it from source, on a test machine first (docs/install.md).'],
  ])('says where a module for %s comes from', async (release, advice) => {
    unload();
    machine.host.texts.set('/proc/sys/kernel/osrelease', release);
    const { stdout } = await machine.dbdctl('doctor');
    const [, module = ''] = stdout.split('PROBLEM module: ');
    expect(module.replace(/\s+/g, ' ').split(/(PROBLEM|ok) /)[0]).toContain(advice);
  });

  it('looks at what the kernel was built with, and for what', async () => {
    const needed = ['MODULES', 'BLOCK', 'TRACEPOINTS', 'KPROBES', 'FSNOTIFY', 'PROC_FS'];
    const lines = needed.map((name) => `CONFIG_${name}=y`);
    machine.host.texts.set(`/boot/config-${RELEASE}`, lines.join('\n'));
    expect(await findings()).toEqual({});
    lines[3] = '# CONFIG_KPROBES is not set';
    machine.host.texts.set(`/boot/config-${RELEASE}`, lines.join('\n'));
    machine.host.arch = 'arm64';
    expect(await findings()).toEqual({
      'kernel options': 'problem: CONFIG_KPROBES not set',
      architecture: 'note: arm64 is not tested',
    });
    machine.host.arch = 'x64';
    lines[3] = 'CONFIG_KPROBES=y\nCONFIG_PREEMPT_RT=y';
    machine.host.texts.set(`/boot/config-${RELEASE}`, lines.join('\n'));
    expect(await findings()).toEqual({ 'kernel options': 'problem: CONFIG_PREEMPT_RT is set' });
  });

  it('tells a module that is installed from one that is not', async () => {
    unload();
    expect(await findings()).toMatchObject({
      module: expect.stringContaining('not installed'),
      'kernel headers': expect.stringContaining('cannot be built'),
    });
    machine.addDirectory(`/lib/modules/${RELEASE}/build`, '8:1');
    expect(Object.keys(await findings())).toEqual(['module']);
    const dep = 'kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko\nupdates/dattobd.ko.xz:\n';
    machine.host.texts.set(`/lib/modules/${RELEASE}/modules.dep`, dep);
    expect(await findings()).toEqual({
      module: 'problem: installed (updates/dattobd.ko.xz) but not loaded',
    });
  });

  it('knows what refuses a module', async () => {
    unload();
    const { texts } = machine.host;
    texts.set(EFI, '\x06\0\0\0\x01');
    expect(await findings()).toMatchObject({ 'secure boot': expect.stringContaining('note') });
    texts.set(EFI, '\x06\0\0\0\0');
    expect(await findings()).not.toHaveProperty('secure boot');
    texts.set('/sys/kernel/security/lockdown', 'none [integrity] confidentiality\n');
    expect(await findings()).toMatchObject({
      'module signature': 'problem: lockdown is integrity',
    });
    texts.set('/sys/module/module/parameters/sig_enforce', 'Y\n');
    expect(await findings()).toMatchObject({
      'module signature': 'problem: the kernel takes signed modules only',
    });
  });

  it('misses the control node, and another version', async () => {
    machine.host.files.delete('/dev/datto-ctl');
    machine.host.texts.set('/sys/module/dattobd/version', '0.10.0');
    expect(await findings()).toEqual({
      module: 'note: loaded, version 0.10.0, which is not 0.12',
      'control node': 'problem: /dev/datto-ctl is not there, though the module is loaded',
    });
  });

  it('looks at tracked devices', async () => {
    await machine.dbdctl('setup-snapshot', '-f', '100', '/dev/sdb1', '/mnt/a', '0');
    machine.driver.change(0, 24_000n);
    const name = 'minor 0 (/dev/sdb1)';
    expect((await findings())[name]).toMatch(/^note: its COW file is 95 % full/);
    machine.driver.overflow(0);
    expect((await findings())[name]).toBe('problem: has failed: the COW file is full (EFBIG)');
    expect((await machine.dbdctl('doctor')).stdout.replace(/\s+/g, ' ')).toContain(
      'Go on with what it tracked (dbdctl transition-to-incremental --force 0); or destroy it',
    );
    await machine.dbdctl('destroy', '0');
    machine.driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
    await machine.dbdctl('reload-snapshot', '/dev/sdb1', 'a', '0');
    expect((await findings())[name]).toBe('note: is unverified snapshot');
  });

  it.each([
    ['btrfs', 'rw', 'problem: btrfs cannot be tracked'],
    ['vfat', 'rw', 'problem: vfat cannot be tracked'],
    ['xfs', 'rw,dax=always', 'problem: is mounted with DAX'],
    ['ext4', 'ro', 'problem: is mounted read-only at /mnt'],
  ])('looks at the file system of a device: %s %s', async (type, options, text) => {
    machine.mount('8:17', '/mnt', 'relatime', type, '/dev/sdb1', options);
    expect(await findings('/dev/sdb1')).toEqual({ '/dev/sdb1': text });
  });

  it.each(['ext2', 'ext3', 'ext4', 'xfs'])('takes %s', async (type) => {
    machine.mount('8:17', '/mnt', 'relatime', type, '/dev/sdb1', 'rw');
    expect(await findings('/dev/sdb1')).toEqual({});
  });

  it('looks for room, and at the disk', async () => {
    machine.host.free.set('/mnt', 50 * 2 ** 20);
    expect((await findings())['/dev/sdb1']).toMatch(/50 MiB free of 1 GiB: too little .* 102 MiB$/);
    machine.host.texts.set(
      '/sys/module/dattobd/parameters/cow_fallocate_percentage_default',
      '4\n',
    );
    expect(await findings()).toEqual({});
    machine.host.texts.set('/sys/dev/block/8:17/../queue/zoned', 'host-managed\n');
    expect(await findings('/dev/sdb1')).toEqual({
      '/dev/sdb1': 'problem: is a zoned device (host-managed)',
    });
  });

  it('takes several devices', async () => {
    machine.host.texts.set('/proc/self/mountinfo', '');
    expect(await findings('/dev/sdb1', '/srv', '/dev/none')).toEqual({
      '/dev/sdb1': 'problem: is not mounted',
      '/srv': 'problem: is not a block device',
      '/dev/none': 'problem: does not exist',
    });
    expect(await findings()).toMatchObject({ 'file systems': expect.stringContaining('none is') });
  });

  it.each([30, 80])('fits a terminal of %d columns', async (columns) => {
    unload();
    const { stdout } = await machine.run(['doctor'], { columns, env: { NO_COLOR: '1' } });
    for (const line of stdout.split('\n')) {
      // Paths and names of packages are not broken.
      if (!/\/|linux-headers/.test(line)) expect(line.length).toBeLessThanOrEqual(columns);
    }
  });
});
