// Makes a fresh checkout on a machine that has only node, npm and apt ready to build. No dependency
// may be imported here: there are none yet.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a program in the checkout, its output shown; ends this process when it fails, unless told not to. */
export function run(command, args, options = {}) {
  const { mayFail = false, quiet = false, ...rest } = options;
  const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'];
  const result = spawnSync(command, args, {
    cwd: root,
    stdio,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...rest,
  });
  if (result.error) fail(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0 && !mayFail) {
    if (quiet) process.stderr.write(`${result.stdout}${result.stderr}`);
    fail(`${command} ${args.join(' ')} failed (${result.signal ?? `exit ${result.status}`})`);
  }
  return result;
}

/** Runs tools/vm's command line. It ends, and its VMs with it, when this process is killed outright. */
export function runVm(args) {
  const node = [process.execPath, '--import', 'tsx', 'tools/vm/src/cli.ts'];
  return run('setpriv', ['--pdeathsig', 'TERM', '--', ...node, ...args], { mayFail: true });
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

export function heading(text) {
  process.stdout.write(`\n=== ${text}\n`);
}

/** What the addon's build, the checks and the unit tests need from Debian, each with a file that shows it is there. */
const PACKAGES = [
  ['/usr/bin/g++', 'g++'],
  ['/usr/bin/make', 'make'],
  ['/usr/bin/python3', 'python3'],
  ['/usr/bin/mandoc', 'mandoc'],
  ['/usr/bin/zsh', 'zsh'],
  ['/usr/bin/fish', 'fish'],
  ['/usr/bin/chromium', 'chromium'],
];

export function installPackages(packages = PACKAGES) {
  const missing = packages.filter(([file]) => !existsSync(file)).map(([, name]) => name);
  if (missing.length === 0) return;
  if (process.getuid() !== 0)
    fail(`missing: ${missing.join(' ')}. Run this as root, or install them.`);
  if (!existsSync('/usr/bin/apt-get'))
    fail(`missing: ${missing.join(' ')}, and there is no apt-get`);
  heading(`installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env, quiet: true });
  run(
    'apt-get',
    [
      'install',
      '-y',
      '-qq',
      '--no-install-recommends',
      '-o',
      'DPkg::Lock::Timeout=600',
      ...missing,
    ],
    { env, quiet: true },
  );
}

/** `npm ci`, unless node_modules was installed from this very lock file. */
export function installModules() {
  const stamp = join(root, 'node_modules', '.dbd-lock');
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  const npms = join(root, 'node_modules', '.package-lock.json');
  const current =
    existsSync(npms) && statSync(npms).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
  if (!current) {
    heading('npm ci');
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  writeFileSync(stamp, lock);
}

/** Everything up to a built checkout. */
export function bootstrap() {
  installPackages();
  installModules();
}
