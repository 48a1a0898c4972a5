/** Kernel, and what building and loading a module for it takes. */
import type { Host } from '../lib/host.js';
import { type Finding, note, ok, problem } from './finding.js';

/** Series that the module is built and tested for. */
const TESTED = ['5.10', '6.1', '6.12', '7.2'];
const OLDEST = [5, 10] as const;

/** Series whose compiler is told to stop: kmod/compat. */
const REFUSED = /^(5\.1[1-7]|6\.[4-9])$/;

/** Options without which the module does not work. */
const NEEDED = ['MODULES', 'BLOCK', 'TRACEPOINTS', 'KPROBES', 'FSNOTIFY', 'PROC_FS'];
/** One with which it is not built: kmod/compat. */
const FORBIDDEN = 'PREEMPT_RT';

export async function checkKernel(host: Host): Promise<Finding[]> {
  const release = await kernelRelease(host);
  return [versionFinding(release), architecture(host), ...(await config(host, release))];
}

/** `6.1.0-18-amd64`. */
export async function kernelRelease(host: Host): Promise<string> {
  return ((await host.text('/proc/sys/kernel/osrelease')) ?? '').trim();
}

function versionFinding(release: string): Finding {
  const match = /^(\d+)\.(\d+)/.exec(release);
  if (match === null) {
    return problem('kernel', `its version is not known: "${release}"`, 'Run this on Linux');
  }
  const [series = '', major, minor] = match;
  const [oldMajor, oldMinor] = OLDEST;
  if (Number(major) < oldMajor || (Number(major) === oldMajor && Number(minor) < oldMinor)) {
    return problem(
      'kernel',
      `${release} is older than ${OLDEST.join('.')}`,
      `Boot a newer kernel; the module is tested on ${TESTED.join(', ')}`,
    );
  }
  if (TESTED.includes(series)) return ok('kernel', release);
  if (REFUSED.test(series)) {
    return problem('kernel', `the module cannot be built for ${release}`, howToGetModule(release));
  }
  return note(
    'kernel',
    `${release} is not one that the module is tested on, and DKMS builds none for it`,
    howToGetModule(release),
  );
}

/** Advice where there is no module for this kernel. */
export function howToGetModule(release: string): string {
  const series = /^\d+\.\d+/.exec(release)?.[0] ?? '';
  if (TESTED.includes(series))
    return 'Install the package dattobd-dkms, or build it (docs/install.md)';
  const boot = `Boot a kernel that is tested: ${TESTED.join(', ')}`;
  if (REFUSED.test(series)) return boot;
  return `${boot}; or try to build it from source, on a test machine first (docs/install.md)`;
}

function architecture({ arch }: Host): Finding {
  if (arch === 'x64') return ok('architecture', 'x86-64');
  return note('architecture', `${arch} is not tested`, 'Use x86-64, or try it on a test machine');
}

async function config(host: Host, release: string): Promise<Finding[]> {
  const text = await host.text(`/boot/config-${release}`);
  if (text === undefined) return [];
  const set = new Set(
    text.split('\n').flatMap((line) => /^CONFIG_(\w+)=[ym]$/.exec(line)?.slice(1) ?? []),
  );
  const missing = NEEDED.filter((name) => !set.has(name));
  if (set.has(FORBIDDEN)) {
    return [
      problem('kernel options', `CONFIG_${FORBIDDEN} is set`, 'Boot a kernel without real time'),
    ];
  }
  if (missing.length === 0) return [ok('kernel options', 'all that the module needs')];
  const names = missing.map((name) => `CONFIG_${name}`).join(', ');
  return [problem('kernel options', `${names} not set`, 'Boot a kernel that has them')];
}
