import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './support.js';

let machine: Machine;

beforeEach(async () => {
  machine = new Machine();
  await machine.dbdctl('setup-snapshot', '-f', '100', '/dev/sdb1', '/mnt/.datto1', '3');
  machine.driver.change(3, 2560n);
});

describe('list', () => {
  it('is a table', async () => {
    expect(await machine.dbdctl('list')).toEqual({
      code: 0,
      stdout: [
        'MINOR  DEVICE     STATE                        COW  CHANGED  SEQ  COW FILE',
        '    3  /dev/sdb1  active snapshot  12 % of 100 MiB   10 MiB    1  /mnt/.datto1',
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  it('says on stderr that there is none', async () => {
    await machine.dbdctl('destroy', '3');
    expect(await machine.dbdctl('list')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'No device is tracked. Begin with: dbdctl setup-snapshot <block device> <cow file>\n',
    });
  });

  it('needs no root, but a driver', async () => {
    machine.driver.privileged = false;
    machine.host.uid = 1000;
    expect((await machine.dbdctl('list')).code).toBe(0);
    machine.driver.loaded = false;
    expect(await machine.dbdctl('list')).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'dbdctl: cannot get the state of the devices: the dattobd driver is not loaded (nothing ' +
        'answers at /proc/datto-info). Load it with: modprobe dattobd (ENOENT).\n',
    });
  });

  it('fits narrow terminals, and colours failures where colours may be', async () => {
    machine.driver.overflow(3);
    for (const columns of [20, 40, 60, 100]) {
      const { stdout } = await machine.run(['list'], { columns, env: { NO_COLOR: '1' } });
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
      expect(stdout).not.toContain('\x1b');
    }
    expect((await machine.run(['list'], { columns: 100 })).stdout).toContain(
      '\x1b[31mactive snapshot, EFBIG\x1b[0m',
    );
  });

  it('shows control characters of a path as what they are', async () => {
    machine.driver.blockDevices.set('/dev/\x1b[31mx', { bytes: 2 ** 20, mountPoint: '/x' });
    await machine.dbdctl('setup-snapshot', '/dev/\x1b[31mx', '/x/a', '1');
    expect((await machine.dbdctl('list')).stdout).toContain('/dev/\\x1b[31mx');
  });

  it('is JSON', async () => {
    expect(await machine.json('dbdctl.list.v1', 'list')).toEqual({
      schema: 'dbdctl.list.v1',
      driverVersion: '0.12.1',
      devices: [
        {
          minor: 3,
          state: 'active snapshot',
          stateCode: 3,
          blockDevice: '/dev/sdb1',
          blockDeviceBytes: 1073741824,
          snapshotDevice: '/dev/datto3',
          cowFile: '/mnt/.datto1',
          cowBytes: 104857600,
          // Header, 64 sections of the index, 2560 blocks.
          cowUsedBytes: 4096 + 64 * 32768 + 2560 * 4096,
          cacheBytes: 314572800,
          seqId: 1,
          uuid: expect.stringMatching(/^[0-9a-f]{32}$/),
          changedBlocks: 2560,
          autoExpand: null,
          persistent: null,
          error: null,
        },
      ],
    });
  });
});

describe('info', () => {
  it('shows all, by minor, device, link or snapshot', async () => {
    await machine.dbdctl('reconfigure-auto-expand', '-r', '2G', '512M', '3');
    const { stdout } = await machine.dbdctl('info', '3');
    expect(stdout.replace(/[0-9a-f]{32}/, 'UUID')).toBe(
      [
        'minor:        3',
        'device:       /dev/sdb1 (1 GiB)',
        'state:        active snapshot',
        'snapshot:     /dev/datto3',
        'COW file:     /mnt/.datto1',
        'COW size:     12 MiB of 100 MiB (12 %)',
        'auto-expand:  in steps of 512 MiB while 2 GiB stay free',
        'changed:      2560 blocks, 10 MiB (0.98 %)',
        'series:       UUID',
        'seq id:       1',
        'index memory: 300 MiB',
        '',
      ].join('\n'),
    );
    for (const ref of ['003', '/dev/sdb1', '/dev/disk/by-label/data', '/dev/datto3']) {
      expect((await machine.dbdctl('info', ref)).stdout).toBe(stdout);
    }
  });

  it('tells what failed', async () => {
    machine.driver.overflow(3);
    const reason = 'the COW file is full (EFBIG)';
    const error = { errno: 27, code: 'EFBIG', reason };
    expect((await machine.dbdctl('info', '3')).stdout).toContain(`failure:      ${reason}\n`);
    expect(await machine.json('dbdctl.info.v1', 'info', '3')).toMatchObject({ device: { error } });
    const list = await machine.dbdctl('list');
    expect(list.stderr).toBe(`minor 3 has failed: ${reason}\n`);
    expect(list.stdout.trim().split('\n')).toHaveLength(2);
    expect(await machine.json('dbdctl.list.v1', 'list')).toMatchObject({ devices: [{ error }] });
    const look = ['watch', '--count', '1'] as const;
    expect((await machine.dbdctl(...look)).stdout).toContain(`\nminor 3 has failed: ${reason}\n`);
    expect(await machine.json('dbdctl.watch.v1', ...look)).toMatchObject({
      devices: [{ device: { error }, secondsUntilFull: null }],
    });
    expect(await machine.json('dbdctl.change.v1', 'destroy', '3', '--dry-run')).toMatchObject({
      device: { error },
    });
  });

  it('of an unverified device is what is known', async () => {
    await machine.dbdctl('destroy', '3');
    machine.driver.blockDevices.set('/dev/sdb1', { bytes: 2 ** 30 });
    await machine.dbdctl('reload-incremental', '/dev/sdb1', '.datto1', '0');
    expect((await machine.dbdctl('info', '0')).stdout).toBe(
      [
        'minor:        0',
        'device:       /dev/sdb1 (1 GiB)',
        'state:        unverified incremental',
        'COW file:     .datto1',
        'index memory: 300 MiB',
        '',
      ].join('\n'),
    );
    expect(await machine.json('dbdctl.info.v1', 'info', '0')).toMatchObject({
      device: { cowBytes: null, uuid: null, snapshotDevice: null },
    });
  });

  it.each([
    ['5', 'there is no device with minor 5. See those there are with: dbdctl list.'],
    ['/dev/none', '/dev/none does not exist. Those tracked are: /dev/sdb1 (minor 3).'],
    ['/srv', '/srv is not tracked. Those tracked are: /dev/sdb1 (minor 3).'],
  ])('of %s says that there is none', async (ref, message) => {
    expect(await machine.dbdctl('info', ref)).toEqual({
      code: 4,
      stdout: '',
      stderr: `dbdctl: ${message}\n`,
    });
  });
});

describe('get-free-minor', () => {
  it('prints a number, or JSON', async () => {
    expect(await machine.dbdctl('get-free-minor')).toEqual({ code: 0, stdout: '0\n', stderr: '' });
    expect(await machine.json('dbdctl.get-free-minor.v1', 'get-free-minor')).toEqual({
      schema: 'dbdctl.get-free-minor.v1',
      minor: 0,
    });
  });

  it('ends with 5 when there is none', async () => {
    machine.driver.maxDevices = 0;
    expect(await machine.dbdctl('get-free-minor')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('all minors are in use'),
    });
  });
});

describe('watch', () => {
  it('tells rate and time until full', async () => {
    let blocks = 2560n;
    machine.onSleep = () => {
      blocks += 512n;
      machine.driver.change(3, blocks);
    };
    const { stdout, code } = await machine.run(['watch', '--json', '--count', '3', '-n', '4']);
    expect(code).toBe(0);
    const looks = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks.map(({ time }) => time)).toEqual([
      '2026-11-23T00:00:00.000Z',
      '2026-11-23T00:00:04.000Z',
      '2026-11-23T00:00:08.000Z',
    ]);
    expect(looks[0].devices[0]).toMatchObject({
      changedBytesPerSecond: null,
      secondsUntilFull: null,
    });
    // 2 MiB in 4 seconds.
    const free = 104857600 - (4096 + 64 * 32768 + 3584 * 4096);
    expect(looks[2].devices[0]).toMatchObject({
      changedBytesPerSecond: 524288,
      secondsUntilFull: free / 524288,
    });
  });

  it('counts what the COW file grew by, and what of it is of no use', async () => {
    const free = async () => {
      const { stdout } = await machine.run(['watch', '--json', '--count', '2', '-n', '1']);
      const [device] = JSON.parse(stdout.trim().split('\n')[1] ?? '').devices;
      // 1 MiB a second.
      return device.secondsUntilFull * 2 ** 20;
    };
    let blocks = 2560n;
    machine.onSleep = () => {
      blocks += 256n;
      machine.driver.change(3, blocks);
    };
    const before = await free();
    await machine.dbdctl('expand-cow-file', '64MiB', '3');
    expect(await free()).toBe(before + 63 * 2 ** 20);
    machine.driver.leave(3, 7n << 20n);
    expect(await free()).toBe(7 * 2 ** 20);
    expect(await machine.json('dbdctl.info.v1', 'info', '3')).toMatchObject({
      device: { cowBytes: 164 * 2 ** 20, cowUsedBytes: 157 * 2 ** 20 },
    });
    machine.driver.leave(3, 0n);
    expect(await free()).toBe(0);
    expect((await machine.dbdctl('watch', '--count', '1')).stdout).toContain('100 %');
  });

  it('draws over what it drew on a terminal, within its width', async () => {
    for (const columns of [30, 60, 120]) {
      const { stdout } = await machine.run(['watch', '--count', '2'], {
        columns,
        env: { NO_COLOR: '1' },
      });
      const [, second = ''] = stdout.split('\x1b[2A');
      expect(second).toContain('/dev/sdb1');
      for (const line of second
        .split('\x1b')
        .map((part) => part.replace(/^\[\d*[A-Z]/, ''))
        .join('')
        .split('\n')) {
        expect(line.length).toBeLessThanOrEqual(columns);
      }
    }
  });

  it('writes table after table elsewhere', async () => {
    const { stdout } = await machine.dbdctl('watch', '--count', '2');
    expect(stdout.match(/MINOR/g)).toHaveLength(2);
    expect(stdout).not.toContain('\x1b');
  });

  it('ends when it is interrupted', async () => {
    const controller = new AbortController();
    machine.onSleep = () => controller.abort();
    expect((await machine.run(['watch'], { signal: controller.signal })).code).toBe(0);
  });

  it('begins anew with another snapshot', async () => {
    machine.onSleep = () => machine.driver.change(3, 0n);
    const { stdout } = await machine.run(['watch', '--json', '--count', '2']);
    expect(JSON.parse(stdout.trim().split('\n')[1] ?? '').devices[0]).toMatchObject({
      changedBytesPerSecond: 0,
      secondsUntilFull: null,
    });
  });

  it.each([['0'], ['86401'], ['0.5'], ['x']])('refuses an interval of %s', async (text) => {
    expect((await machine.dbdctl('watch', '-n', text)).code).toBe(2);
  });
});
