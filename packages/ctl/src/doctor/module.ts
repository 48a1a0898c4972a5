/** The module: loaded, or able to be. */
import type { Host } from '../lib/host.js';
import { type Finding, note, ok, problem } from './finding.js';
import { howToGetModule, kernelRelease } from './kernel.js';

export async function checkModule(host: Host): Promise<Finding[]> {
  const loaded = (await host.text('/sys/module/dattobd/version'))?.trim();
  if (loaded !== undefined) return [loadedFinding(loaded), await controlNode(host)];
  return [...(await installed(host)), ...(await mayLoad(host))];
}

function loadedFinding(version: string): Finding {
  if (version.startsWith('0.12.')) return ok('module', `loaded, version ${version}`);
  return note(
    'module',
    `loaded, version ${version}, which is not 0.12`,
    'These commands were made for 0.12; load that one',
  );
}

async function controlNode(host: Host): Promise<Finding> {
  const file = await host.file('/dev/datto-ctl');
  if (file?.kind === 'other') return ok('control node', '/dev/datto-ctl');
  return problem(
    'control node',
    '/dev/datto-ctl is not there, though the module is loaded',
    'In a container, give it the device; else see whether devtmpfs is mounted on /dev',
  );
}

async function installed(host: Host): Promise<Finding[]> {
  const release = await kernelRelease(host);
  const found = ((await host.text(`/lib/modules/${release}/modules.dep`)) ?? '')
    .split('\n')
    .find((line) => /(^|\/)dattobd\.ko(\.\w+)?:/.test(line));
  if (found !== undefined) {
    const advice = 'Load it: modprobe dattobd';
    return [problem('module', `installed (${found.split(':')[0]}) but not loaded`, advice)];
  }
  const missing = problem(
    'module',
    `not loaded, and not installed for ${release}`,
    howToGetModule(release),
  );
  return [missing, await headers(host, release)];
}

async function headers(host: Host, release: string): Promise<Finding> {
  const build = `/lib/modules/${release}/build`;
  if ((await host.file(build))?.kind === 'directory') return ok('kernel headers', build);
  return problem(
    'kernel headers',
    `${build} is not there, so the module cannot be built`,
    `On Debian: apt-get install linux-headers-${release}`,
  );
}

/** Secure boot and lockdown refuse a module without a signature that the kernel knows. */
async function mayLoad(host: Host): Promise<Finding[]> {
  const lockdown = /\[(\w+)\]/.exec((await host.text('/sys/kernel/security/lockdown')) ?? '')?.[1];
  const enforced = (await host.text('/sys/module/module/parameters/sig_enforce'))?.trim() === 'Y';
  const secure = await secureBoot(host);
  const sign =
    'Sign the module with a key that is enrolled (mokutil --import), or turn secure boot off in the firmware';
  if (enforced || (lockdown !== undefined && lockdown !== 'none')) {
    const why = enforced ? 'the kernel takes signed modules only' : `lockdown is ${lockdown}`;
    return [problem('module signature', why, sign)];
  }
  if (secure) return [note('secure boot', 'it is on, and unsigned modules may be refused', sign)];
  return [ok('secure boot', 'off; unsigned modules may be loaded')];
}

/** The variable is 4 bytes of attributes and 1 of value. */
async function secureBoot(host: Host): Promise<boolean> {
  const guid = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
  const value = await host.text(`/sys/firmware/efi/efivars/SecureBoot-${guid}`);
  return value !== undefined && value.charCodeAt(value.length - 1) === 1;
}
