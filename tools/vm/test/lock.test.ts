import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

test('processes that take a lock and leave it all the time never hold it together', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'dbd-lock-'));
  const count = join(dir, 'count');
  writeFileSync(count, '0');
  const script = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { withLock } from '${new URL('../src/lock.ts', import.meta.url).pathname}';
    for (let i = 0; i < 150; i++)
      await withLock('${dir}/lock', async () => {
        const before = Number(readFileSync('${count}', 'utf8'));
        await new Promise((done) => setImmediate(done));
        writeFileSync('${count}', String(before + 1));
      }, undefined, 1);`;
  const node = ['--import', 'tsx', '--input-type=module', '--eval', script];
  await Promise.all(Array.from({ length: 4 }, () => run(process.execPath, node)));
  expect(readFileSync(count, 'utf8')).toBe('600');
  expect(readdirSync(dir)).toEqual(['count']);
  rmSync(dir, { recursive: true });
}, 60_000);
