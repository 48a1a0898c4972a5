/** The package as it is built, for both kinds of modules. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const cwd = fileURLToPath(new URL('..', import.meta.url));
const node = (type: 'module' | 'commonjs', code: string) =>
  JSON.parse(
    execFileSync(process.execPath, [`--input-type=${type}`, '-e', code], { cwd, encoding: 'utf8' }),
  );

const CODE = `
  const driver = new testing.MemoryDriver();
  const datto = new main.Datto(driver);
  datto.destroy(3).catch((error) => console.log(JSON.stringify([
    error instanceof main.DattoIoctlError, error.code, typeof main.loadBinding().deviceSize,
    Object.keys(main).sort(), testing.contract.length > 5,
  ])));`;

describe.each([
  [
    'module',
    "const [main, testing] = [await import('@dbd/ioctl'), await import('@dbd/ioctl/testing')];",
  ],
  ['commonjs', "const [main, testing] = [require('@dbd/ioctl'), require('@dbd/ioctl/testing')];"],
] as const)('as %s', (type, load) => {
  it('has the same classes in both entries, and finds its addon', () => {
    const [same, code, addon, names, cases] = node(type, load + CODE);
    expect([same, code, addon, cases]).toEqual([true, 'ENOENT', 'function', true]);
    expect(names).toEqual(
      expect.arrayContaining(['Datto', 'DattoArgumentError', 'DattoIoctlError', 'parseStatus']),
    );
  });
});
