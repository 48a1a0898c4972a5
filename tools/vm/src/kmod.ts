/** Builds the driver, and the guest's own tools, inside a root file system at native speed. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { chrootRun } from './chroot.js';
import { onCleanup } from './cleanup.js';
import { withLock } from './lock.js';
import { note } from './log.js';
import { cacheRoot, repoRoot, toolRoot } from './paths.js';
import type { RootFs } from './rootfs.js';

export interface Build {
  readonly dir: string;
  /** Compiler output; kept so that a cached build still shows its warnings. */
  readonly log: string;
  /** False when the compiler said nothing that looks like a warning. */
  readonly warnings: boolean;
}

export interface ModuleSource {
  readonly dir: string;
  readonly module: string;
}

export interface ModuleBuild extends Build {
  /** In `dir`. */
  readonly file: string;
}

export const driver: ModuleSource = { dir: join(repoRoot, 'kmod'), module: 'dattobd.ko' };
/** A disk for cases. */
const erasable: ModuleSource = { dir: join(toolRoot, 'modules/erasable'), module: 'erasable.ko' };

/** The module, built against this kernel; an unchanged source is not built twice. */
export async function buildModule(
  rootFs: RootFs,
  source: ModuleSource = driver,
): Promise<ModuleBuild> {
  const built = await build({
    rootFs,
    name: source.module.replace(/\.ko$/, ''),
    source: source.dir,
    // W=1 is for our own code only; the headers of some kernels are noisy at W=2.
    command: `make -C /mnt/src KDIR=/lib/modules/${rootFs.version}/build W=1 -j"$(nproc)" 2>&1`,
    product: source.module,
  });
  return { ...built, file: source.module };
}

/** The driver and what cases load beside it. */
export async function buildModules(rootFs: RootFs): Promise<ModuleBuild[]> {
  return [await buildModule(rootFs), await buildModule(rootFs, erasable)];
}

/** The C tools under guest/, for cases. They include the driver's uapi header. */
export function buildGuestTools(rootFs: RootFs): Promise<Build> {
  return build({
    rootFs,
    name: 'guest-tools',
    source: join(toolRoot, 'guest'),
    extra: join(repoRoot, 'kmod/include'),
    // A directory with sources is one tool too.
    command:
      'cd /mnt/src && mkdir -p bin && for tool in *.c */; do ' +
      'set -- $tool; [ -f $tool ] || set -- $tool*.c; [ -f $1 ] || continue; ' +
      'gcc -O2 -g -Wall -Wextra -Werror -std=gnu11 -I/mnt/extra -o bin/$(basename $tool .c) "$@" ' +
      '-lpthread || exit 1; done 2>&1',
    product: 'bin',
  });
}

interface BuildRequest {
  readonly rootFs: RootFs;
  readonly name: string;
  readonly source: string;
  readonly extra?: string;
  readonly command: string;
  readonly product: string;
}

async function build(request: BuildRequest): Promise<Build> {
  const { rootFs, name, source, extra, command } = request;
  const hash = createHash('sha256').update(JSON.stringify([rootFs.key, rootFs.version, command]));
  for (const dir of extra === undefined ? [source] : [source, extra]) hashTree(hash, dir);
  const parent = join(cacheRoot, 'build', `${rootFs.kernel.name}-${rootFs.key}`);
  const dir = join(parent, `${name}-${hash.digest('hex').slice(0, 12)}`);
  await withLock(dir, async () => {
    if (!existsSync(dir)) await compile(request, dir, extra);
  });
  keepNewest(parent, `${name}-`, dir);
  const log = readFileSync(join(dir, 'build.log'), 'utf8');
  return { dir, log, warnings: /\bwarning:/i.test(log) };
}

async function compile(request: BuildRequest, dir: string, extra?: string): Promise<void> {
  const { rootFs, name, source, command, product } = request;
  note(`building ${name} for ${rootFs.version}`);
  const partial = `${dir}.partial`;
  const remove = () => rmSync(partial, { recursive: true, force: true });
  remove();
  mkdirSync(partial, { recursive: true });
  const forget = onCleanup(remove);
  try {
    cpSync(source, partial, { recursive: true, filter: (path) => !isBuildOutput(path) });
    const binds = [{ from: partial, to: '/mnt/src' }];
    if (extra !== undefined) binds.push({ from: extra, to: '/mnt/extra' });
    const result = await chrootRun(
      rootFs.root,
      binds,
      `{ ${command} ; } > /mnt/src/build.log 2>&1`,
      { anyExit: true },
    );
    if (result.code !== 0 || !existsSync(join(partial, product))) {
      const log = readFileSync(join(partial, 'build.log'), 'utf8');
      throw new Error(`building ${name} for ${rootFs.version} failed:\n${log}${result.stderr}`);
    }
    renameSync(partial, dir);
  } finally {
    forget();
    remove();
  }
}

const BUILD_OUTPUT =
  /(\.(o|ko|mod|mod\.c|cmd|d|a)|compat\/have\.h|\.built-for|Module\.symvers|modules\.order|\.tmp_versions)$/;

function isBuildOutput(path: string): boolean {
  return BUILD_OUTPUT.test(path);
}

function hashTree(hash: ReturnType<typeof createHash>, dir: string): void {
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name);
    if (isBuildOutput(path)) continue;
    const stat = statSync(path);
    if (stat.isDirectory()) hashTree(hash, path);
    else hash.update(`${path.slice(repoRoot.length)}\0${stat.mode}\0`).update(readFileSync(path));
  }
}

const KEPT_BUILDS = 6;

function keepNewest(parent: string, prefix: string, current: string): void {
  const builds = readdirSync(parent)
    .filter((name) => name.startsWith(prefix) && !name.includes('.'))
    .map((name) => join(parent, name))
    .filter((path) => path !== current)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of builds.slice(KEPT_BUILDS)) rmSync(path, { recursive: true, force: true });
}
