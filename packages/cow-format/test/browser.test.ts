/** The package as bundlers take it, in a real browser. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureDirectory, readFixture } from './support.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let browser: Browser;
let script: string;

beforeAll(async () => {
  const entry = `
    import * as cow from '@dbd/cow-format';
    export * from '${fileURLToPath(new URL('../examples/browser-page.ts', import.meta.url))}';
    export { cow };`;
  const result = await build({
    stdin: { contents: entry, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    globalName: 'bundle',
    platform: 'browser',
    logLevel: 'error',
  });
  script = result.outputFiles[0]?.text ?? '';
  browser = await chromium
    .launch({ executablePath: '/usr/bin/chromium', args: FLAGS, timeout: 120_000 })
    .catch((cause: unknown) => {
      throw new Error('cannot start the browser. On Debian: apt-get install chromium', { cause });
    });
}, 150_000);
afterAll(() => browser?.close());

declare const bundle: typeof import('../examples/browser-page.js') & {
  readonly cow: typeof import('../src/index.js');
};

/** A page of nothing but the bundle; `policy` is its content security policy. */
async function open(policy: string) {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.route('**/*', (route) => {
    const { pathname } = new URL(route.request().url());
    const body = pathname === '/bundle.js' ? script : '<script src="/bundle.js"></script>';
    const contentType = pathname === '/bundle.js' ? 'text/javascript' : 'text/html';
    return route.fulfill({ body, contentType, headers: { 'content-security-policy': policy } });
  });
  await page.goto('http://page.test/');
  return { page, complaints };
}

describe.each([
  ['as usual', "script-src 'self' 'wasm-unsafe-eval'"],
  // Then the scan is done in JavaScript.
  ['without WebAssembly', "script-src 'self'"],
])('in a browser %s', (_, policy) => {
  it('reads a file of the driver that the user chose', { timeout: 60_000 }, async () => {
    const { page, complaints } = await open(policy);
    for (const name of JSON.parse(readFileSync(`${fixtureDirectory}index.json`, 'utf8'))) {
      const { file, facts } = readFixture(name);
      const result = await page.evaluate(
        async ([base64, bytes]) => {
          const content = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
          return bundle.summarise(new File([content], 'a.datto'), bytes);
        },
        [Buffer.from(file).toString('base64'), facts.deviceBytes] as const,
      );
      expect(result).toMatchObject({
        uuid: facts.uuid,
        seqid: String(facts.seqid),
        runs: facts.changedRuns.length,
        blocks: facts.changedRuns.reduce((sum, [, count]) => sum + count, 0),
      });
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('finds one changed block among many, and refuses what is no COW file', async () => {
    const { page } = await open(policy);
    const found = await page.evaluate(async () => {
      const blocks = 300_000;
      const bytes = new Uint8Array(4096 + blocks * 8);
      bytes[4096 + 234_567 * 8] = 1;
      const source = bundle.cow.blobSource(new Blob([bytes]));
      const runs = [];
      for await (const run of bundle.cow.changedRuns(source, { device: blocks * 4096 }))
        runs.push(run);
      const error = await bundle.cow.readHeader(source).catch((reason) => reason);
      return { runs, code: error.code, known: error instanceof bundle.cow.CowFormatError };
    });
    expect(found).toEqual({
      runs: [{ start: 234_567, count: 1 }],
      code: 'ERR_COW_MAGIC',
      known: true,
    });
    await page.close();
  });
});

it('is small', () => expect(script.length).toBeLessThan(20_000));
