import { expect, it } from 'vitest';
import { checkMaintainer } from '../src/maintainer.js';

it('takes a name and an address', () => {
  expect(() => checkMaintainer('Ann Other <ann@example.org>')).not.toThrow();
});

it.each([
  'the dbd authors <dbd@users.noreply.github.com>',
  '',
  'Ann Other',
  'ann@example.org',
  'Ann <ann>',
  '<ann@example.org>',
])('releases nothing of "%s"', (maintainer) => {
  expect(() => checkMaintainer(maintainer)).toThrow(
    'set MAINTAINER in tools/package/src/maintainer.ts',
  );
});
