import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { metricsText } from '../src/lib/metrics.js';
import { Machine } from './support.js';

let machine: Machine;
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ctl-metrics-'));
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(async () => {
  machine = new Machine();
  await machine.dbdctl('setup-snapshot', '-f', '100', '/dev/sdb1', '/mnt/.datto1', '3');
  machine.driver.change(3, 2560n);
});

const OF = '{minor="3",device="/dev/sdb1"}';

/** The lines that are samples. */
async function samples(): Promise<string[]> {
  const { code, stdout } = await machine.dbdctl('metrics');
  expect(code).toBe(0);
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics', () => {
  it('has all that list has, in base units', async () => {
    await machine.dbdctl('reconfigure-auto-expand', '512M', '3');
    expect((await samples()).map((line) => line.replace(/[0-9a-f]{32}/, 'UUID'))).toEqual([
      'dattobd_up 1',
      'dattobd_driver_info{version="0.12.1"} 1',
      'dattobd_device_info{minor="3",device="/dev/sdb1",cow_file="/mnt/.datto1",uuid="UUID"} 1',
      `dattobd_device_error${OF} 0`,
      `dattobd_device_snapshot${OF} 1`,
      `dattobd_device_active${OF} 1`,
      `dattobd_device_unverified${OF} 0`,
      `dattobd_device_size_bytes${OF} 1073741824`,
      `dattobd_device_cow_size_bytes${OF} 104857600`,
      `dattobd_device_cow_used_bytes${OF} ${4096 + 64 * 32768 + 2560 * 4096}`,
      `dattobd_device_changed_bytes${OF} ${2560 * 4096}`,
      `dattobd_device_snapshot_seqid${OF} 1`,
      `dattobd_device_index_memory_bytes${OF} 314572800`,
      `dattobd_device_auto_expand_step_bytes${OF} 536870912`,
    ]);
  });

  it('tells type and meaning of each once, before its samples', async () => {
    machine.addMounted('/dev/sdc1', '8:33', '/data');
    await machine.dbdctl('setup-snapshot', '/dev/sdc1', '/data/.datto1', '4');
    const { stdout } = await machine.dbdctl('metrics');
    expect(stdout).toMatch(/(^|\n)# HELP dattobd_up .+\n# TYPE dattobd_up gauge\ndattobd_up 1\n/);
    const typed = [...stdout.matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name);
    expect(new Set(typed).size).toBe(typed.length);
    const used = [...stdout.matchAll(/^(dattobd_\w+)/gm)].map(([, name]) => name);
    expect([...new Set(used)]).toEqual(typed);
    expect(stdout.endsWith('\n')).toBe(true);
    expect(stdout).not.toMatch(/\n\n/);
  });

  it('leaves out what a device does not have', async () => {
    await machine.dbdctl('transition-to-incremental', '3');
    const lines = await samples();
    expect(lines).toContain(`dattobd_device_snapshot${OF} 0`);
    expect(lines.join()).not.toContain('cow_used');
    machine.driver.blockDevices.set('/dev/sdb2', { bytes: 2 ** 30 });
    await machine.dbdctl('reload-incremental', '/dev/sdb2', '.datto1', '0');
    const unverified = (await samples()).filter((line) => line.includes('/dev/sdb2'));
    expect(unverified).toContain('dattobd_device_unverified{minor="0",device="/dev/sdb2"} 1');
    expect(unverified.join()).not.toMatch(/cow_size|changed|seqid|device_size/);
  });

  it('has the errno of a failure, positive', async () => {
    machine.driver.overflow(3);
    expect(await samples()).toContain(`dattobd_device_error${OF} 27`);
  });

  it('says that there is no driver, without failing', async () => {
    machine.driver.loaded = false;
    expect(await samples()).toEqual(['dattobd_up 0']);
  });

  it('needs no root', async () => {
    machine.driver.privileged = false;
    machine.host.uid = 1000;
    expect(await samples()).toContain(`dattobd_device_active${OF} 1`);
  });

  it('escapes labels, and keeps integers beyond 2^53', () => {
    const labels = { device: 'a"b\\c\nd' };
    const value = 2n ** 63n + 1n;
    expect(metricsText([{ name: 'm', help: 'h', samples: [{ labels, value }] }])).toBe(
      '# HELP m h\n# TYPE m gauge\nm{device="a\\"b\\\\c\\nd"} 9223372036854775809\n',
    );
  });

  it('replaces a file as a whole, readable by all', async () => {
    const file = join(directory, 'dattobd.prom');
    expect(await machine.dbdctl('metrics', '-o', file)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const first = statSync(file);
    expect(first.mode & 0o777).toBe(0o644);
    expect(readFileSync(file, 'utf8')).toBe((await machine.dbdctl('metrics')).stdout);
    await machine.dbdctl('metrics', '--output', file);
    expect(statSync(file).ino).not.toBe(first.ino);
    expect(readdirSync(directory)).toEqual(['dattobd.prom']);
  });

  it('says when the file cannot be written, and leaves nothing', async () => {
    const file = join(directory, 'none', 'dattobd.prom');
    expect(await machine.dbdctl('metrics', '-o', file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`cannot write the metrics to ${file}: `),
    });
    expect(existsSync(file)).toBe(false);
    expect((await machine.dbdctl('metrics', '-o', directory)).code).toBe(1);
    const beside = readdirSync(dirname(directory));
    expect(beside.filter((name) => name.startsWith(`${basename(directory)}.`))).toEqual([]);
  });

  it('is JSON', async () => {
    const { metrics } = await machine.json('dbdctl.metrics.v1', 'metrics');
    expect(metrics).toContainEqual({
      name: 'dattobd_device_changed_bytes',
      help: 'Changed since the snapshot.',
      samples: [{ labels: { minor: '3', device: '/dev/sdb1' }, value: 2560 * 4096 }],
    });
  });
});
