/** What came of each case on each kernel, as one table. */
import type { CaseResult } from './runner.js';

/** Markdown; a cell is the seconds that a passed case took, or FAIL, or empty where it did not run. */
export function matrixTable(results: readonly CaseResult[]): string {
  const kernels = [...new Set(results.map((result) => result.kernel))];
  const cases = [...new Set(results.map((result) => result.name))].sort();
  const cells = new Map(results.map((result) => [`${result.name} ${result.kernel}`, cell(result)]));
  const rows = cases.map((name) => [
    name,
    ...kernels.map((kernel) => cells.get(`${name} ${kernel}`) ?? ''),
  ]);
  const totals = kernels.map((kernel) => total(results.filter((one) => one.kernel === kernel)));
  const lines = [['case', ...kernels], ['---', ...kernels.map(() => '---')], ...rows];
  return [...lines, ['', ...totals]].map((line) => `| ${line.join(' | ')} |\n`).join('');
}

function cell(result: CaseResult): string {
  return result.failures.length === 0 ? `${result.seconds.toFixed(0)} s` : '**FAIL**';
}

function total(results: readonly CaseResult[]): string {
  const failed = results.filter((result) => result.failures.length > 0).length;
  return `${results.length - failed} passed, ${failed} failed`;
}
