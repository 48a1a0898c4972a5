/** The page of `inspect --html`, in a real browser. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from './support.js';

const fixtures = fileURLToPath(new URL('../../cow-format/test/fixtures/', import.meta.url));
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let directory: string;
let browser: Browser;
/** Whatever the page complains about or asks the network for. */
let complaints: string[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ctl-page-'));
  browser = await chromium
    .launch({ executablePath: '/usr/bin/chromium', args: FLAGS, timeout: 120_000 })
    .catch((cause: unknown) => {
      throw new Error('cannot start the browser. On Debian: apt-get install chromium', { cause });
    });
}, 150_000);
afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true });
});

async function open(name: string, as: string, options: Parameters<Browser['newPage']>[0] = {}) {
  const cow = join(directory, as);
  const html = join(directory, `${name}.html`);
  writeFileSync(cow, gunzipSync(readFileSync(`${fixtures}${name}.datto.gz`)));
  const { code, stdout, stderr } = await new Machine().dbdctl('inspect', '--html', html, cow);
  expect([code, stdout, stderr]).toEqual([0, '', '']);
  const page = await browser.newPage(options);
  complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== pathToFileURL(html).href) complaints.push(request.url());
  });
  await page.goto(pathToFileURL(html).href);
  return page;
}

const contexts: Page[] = [];
afterEach(async () => {
  for (const page of contexts.splice(0)) await page.close();
});

describe('the page', () => {
  it('shows header, map and histogram, and needs nothing else', async () => {
    const page = await open('runs-alternate', 'datto1');
    contexts.push(page);
    expect(complaints).toEqual([]);
    expect(await page.title()).toBe(`COW file ${directory}/datto1`);
    expect(await page.locator('table').innerText()).toContain('252 blocks, 1008 KiB (1.54 %)');
    // 4096 places of 4 blocks each; those with a change, by the numbers of the fixture.
    const { changedRuns } = JSON.parse(readFileSync(`${fixtures}runs-alternate.json`, 'utf8'));
    const places = new Set<number>();
    for (const [start, count] of changedRuns) {
      for (let block = start; block < start + count; block++) places.add(Math.floor(block / 4));
    }
    expect(await page.locator('#map rect').count()).toBe(places.size);
    expect(await page.locator('#lengths g').count()).toBe(6);
    expect(await page.locator('#map rect title').first().textContent()).toBe(
      '0 B: 50 % of blocks 0-3',
    );
  });

  it('draws each place where it belongs, in the colour of its share', async () => {
    const page = await open('runs-alternate', 'datto1', { viewport: { width: 900, height: 2400 } });
    contexts.push(page);
    const box = await page.locator('#map').boundingBox();
    if (box === null) throw new Error('no map');
    const colourAt = (place: number) =>
      page.evaluate<string>(
        `getComputedStyle(document.elementFromPoint(${box.x + (((place % 64) + 0.45) / 64) * box.width},
          ${box.y + ((Math.floor(place / 64) + 0.45) / 64) * box.height})).fill`,
      );
    expect(box.height / box.width).toBeCloseTo(1, 1);
    // Blocks 1120-1123: 4 of 4 changed; 800-803: none; 4120-4123: every other one.
    expect(await colourAt(280)).toBe('rgb(8, 48, 107)');
    expect(await colourAt(200)).toBe('rgb(238, 241, 244)');
    expect(await colourAt(1030)).toBe('rgb(66, 146, 198)');
  });

  it('is as wide as the window, be it a telephone', async () => {
    const page = await open('runs-alternate', 'datto1', { viewport: { width: 320, height: 640 } });
    contexts.push(page);
    const width = await page.evaluate<number>('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(320);
  });

  it('is dark where the reader wants it', async () => {
    const page = await open('index-hole', 'datto1', { colorScheme: 'dark' });
    contexts.push(page);
    const background = await page.evaluate<string>(
      'getComputedStyle(document.body).backgroundColor',
    );
    expect(background).toBe('rgb(21, 24, 28)');
  });

  it('takes a file name for text', async () => {
    const page = await open('index-hole', '<script>alert(1)</script>&"\''.replaceAll('/', '|'));
    contexts.push(page);
    expect(complaints).toEqual([]);
    expect(await page.locator('h1').innerText()).toContain('<script>alert(1)<|script>&"\'');
    expect(await page.locator('script').count()).toBe(0);
  });
});
