/** The package as it is built, for both kinds of modules. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as source from '../src/index.js';

const cwd = fileURLToPath(new URL('..', import.meta.url));

describe.each([
  [
    'module',
    "const [main, node] = [await import('@dbd/cow-format'), await import('@dbd/cow-format/node')];",
  ],
  [
    'commonjs',
    "const [main, node] = [require('@dbd/cow-format'), require('@dbd/cow-format/node')];",
  ],
] as const)('as %s', (type, load) => {
  it('has all it exports, and one class of errors', () => {
    const code = `${load}
      node.handleSource({}, { size: -1 }).catch((error) => console.log(JSON.stringify([
        Object.keys(main).sort(), error instanceof main.CowFormatError, error.code])));`;
    const text = execFileSync(process.execPath, [`--input-type=${type}`, '-e', code], { cwd });
    expect(JSON.parse(text.toString())).toEqual([
      Object.keys(source).sort(),
      true,
      'ERR_COW_RANGE',
    ]);
  });
});
