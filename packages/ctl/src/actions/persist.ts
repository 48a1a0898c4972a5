/** Tracking over reboots: on and off. */
import { CommandError, type DeviceRef } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import { checkState, requireRoot } from '../lib/checks.js';
import { findMinor } from '../lib/devices.js';
import { findVolume, turnOff, turnOn } from '../lib/records.js';
import type { Context } from '../tools.js';

interface Values {
  readonly device: DeviceRef;
  readonly off: boolean;
  readonly dryRun: boolean;
}

export async function persist(context: Context<Values>) {
  const { values, json, out, tools } = context;
  const datto = await tools.datto();
  requireRoot(tools.host);
  const { blockDevice, plan, run } = await (values.off ? planOff : planOn)(context, datto);
  const remark = values.dryRun ? undefined : await run();
  if (json) out.document({ dryRun: values.dryRun, blockDevice, persistent: !values.off, plan });
  else if (values.dryRun) out.print(`would ${plan}`);
  if (remark !== undefined) out.note(remark);
  return undefined;
}

async function planOn({ values, tools }: Context<Values>, datto: Datto) {
  const minor = await findMinor(values.device, datto, tools.host);
  const device = await checkState(minor, 'any that has not failed', await datto.status(), datto);
  const { blockDevice, state } = device;
  if (!state.active) {
    throw new CommandError(
      'failure',
      'EINVAL',
      `the device with minor ${minor} (${blockDevice}) is ${state.text}. Mount its file system read-write first.`,
    );
  }
  return {
    blockDevice,
    plan: `have ${blockDevice} tracked again as minor ${minor} after a reboot`,
    run: async () => {
      const { mountPoint } = await turnOn(minor, datto, tools);
      return IN_INITRAMFS.has(mountPoint)
        ? 'The initramfs must know of it, since it mounts this file system: update-initramfs -u, or dracut -f'
        : undefined;
    },
  };
}

const IN_INITRAMFS = new Set(['/', '/usr']);

async function planOff({ values, tools }: Context<Values>, datto: Datto) {
  const blockDevice = await blockDeviceOf(values.device, datto, tools.host);
  return {
    blockDevice,
    plan: `leave ${blockDevice} alone after a reboot`,
    run: async () => {
      const volume = await findVolume(blockDevice, tools);
      if (volume === undefined) {
        throw new CommandError(
          'failure',
          'EINVAL',
          `${blockDevice} carries no file system whose UUID can be read. Remove its file in /etc/dbd/devices by hand.`,
        );
      }
      await turnOff(volume, tools.files);
      return undefined;
    },
  };
}

/** Of a minor, or a device that need not be tracked any more. */
async function blockDeviceOf(
  ref: DeviceRef,
  datto: Datto,
  host: Context<Values>['tools']['host'],
): Promise<string> {
  try {
    const minor = await findMinor(ref, datto, host);
    return (await checkState(minor, 'any', await datto.status(), datto)).blockDevice;
  } catch (error) {
    if (!('path' in ref) || (await host.file(ref.path))?.kind !== 'block') throw error;
    return host.resolve(ref.path);
  }
}
