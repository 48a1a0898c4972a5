import { expect, it } from 'vitest';
import { matrixTable } from '../src/matrix.js';

it('shows what passed, what failed and what did not run', () => {
  const result = (name: string, kernel: string, failures: string[] = []) => ({
    name,
    kernel,
    seconds: 12.4,
    failures,
  });
  const table = matrixTable([
    result('b@xfs', 'old-1.0'),
    result('a', 'old-1.0', ['blocks differ']),
    result('a', 'new-2.0'),
  ]);
  expect(table).toBe(
    [
      '| case | old-1.0 | new-2.0 |',
      '| --- | --- | --- |',
      '| a | **FAIL** | 12 s |',
      '| b@xfs | 12 s |  |',
      '|  | 1 passed, 1 failed | 1 passed, 0 failed |',
      '',
    ].join('\n'),
  );
});
