// npm test: set-up, build, checks, unit tests, the module on the oldest and the newest kernel, the kernel cases on
// one but the slow ones, and where the debug kernel has been built (that alone takes half an hour) failing allocations
// there. Its last line is the sum; `npm run test:matrix` does all cases on all kernels. No dependency may be imported here:
// on a fresh checkout there are none yet.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrap, heading, root, run, runVm } from './bootstrap.mjs';

const CASES_ON = 'bookworm-6.1';
const ALSO_BUILD_ON = ['bullseye-5.10', 'forky-7.2'];
const DEBUG_KERNEL = 'debug-6.12';

const reports = mkdtempSync(join(tmpdir(), 'dbd-test-'));
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));
let passed = 0;
let failed = 0;

/** One pass or one failure. */
function step(title, action) {
  const begin = Date.now();
  heading(title);
  const ok = action().status === 0;
  const seconds = ((Date.now() - begin) / 1000).toFixed(0);
  process.stdout.write(`${ok ? 'PASS' : 'FAIL'} ${title} (${seconds} s)\n`);
  if (ok) passed += 1;
  else failed += 1;
  return ok;
}

/** Adds what a report counts; a runner that wrote none counts as one failure. */
function count(file, read) {
  try {
    const [p, f] = read(JSON.parse(readFileSync(file, 'utf8')));
    passed += p;
    failed += f;
  } catch {
    process.stdout.write(`FAIL the tests did not run to their end\n`);
    failed += 1;
  }
}

function unitTests() {
  for (const group of ['packages', 'tools']) {
    for (const entry of readdirSync(join(root, group), { withFileTypes: true })) {
      const cwd = join(root, group, entry.name);
      if (!existsSync(join(cwd, 'package.json'))) continue;
      const manifest = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8'));
      if (!manifest.scripts?.test?.startsWith('vitest')) continue;
      heading(`unit tests of ${manifest.name}`);
      const report = join(reports, `${entry.name}.json`);
      const { status } = run(
        join(root, 'node_modules/.bin/vitest'),
        ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
        { cwd, mayFail: true },
      );
      count(report, (json) => {
        // A file that cannot be loaded fails without a test of it failing.
        const lost = status !== 0 && json.numFailedTests === 0 ? 1 : 0;
        return [json.numPassedTests, json.numFailedTests + lost];
      });
    }
  }
}

function kernelCases(kernel, ...options) {
  heading(`kernel cases on ${kernel}`);
  const report = join(reports, `${kernel}.json`);
  runVm(['test', `--kernel=${kernel}`, `--report=${report}`, ...options]);
  count(report, (json) => [json.passed, json.failed]);
}

const npm = (script) => run('npm', ['run', '--silent', script], { mayFail: true });

const begin = Date.now();
bootstrap();
if (step('build', () => npm('build'))) {
  step('checks', () => npm('check'));
  step('packages as published', () => npm('check:packages'));
  step('documentation of the libraries', () => npm('docs'));
  unitTests();
}
for (const kernel of ALSO_BUILD_ON) {
  step(`the module on ${kernel}`, () => runVm(['build', `--kernel=${kernel}`]));
}
kernelCases(CASES_ON, '--quick');
// All calls take twice as long as this may.
process.env.STRESS_CALLS = 'setup trans-inc random';
kernelCases(DEBUG_KERNEL, '--if-built', '--case=stress-alloc');
heading(`done in ${((Date.now() - begin) / 60_000).toFixed(1)} min`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
