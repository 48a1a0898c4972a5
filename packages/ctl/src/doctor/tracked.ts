/** Devices that are tracked now. */
import { printable } from '@dbd/cli-kit';
import type { Datto } from '@dbd/ioctl';
import { type Device, readDevices } from '../lib/devices.js';
import type { Tools } from '../tools.js';
import { type Finding, note, ok, problem } from './finding.js';

/** Part of a COW file in use from which on it is worth a word. */
const NEARLY_FULL = 0.8;

export async function checkTracked(datto: Datto, tools: Tools): Promise<Finding[]> {
  const devices = await readDevices(datto, tools);
  return devices.map(checkDevice);
}

function checkDevice(device: Device): Finding {
  const { minor, state, failure, cow } = device;
  const name = `minor ${minor} (${printable(device.blockDevice)})`;
  if (failure !== undefined) {
    return problem(
      name,
      `has failed: ${failure}`,
      `${state.active ? `Go on with what it tracked (dbdctl transition-to-incremental --force ${minor}); or destroy` : 'Destroy'} it (dbdctl destroy ${minor}), set it up again, make a full copy`,
    );
  }
  if (!state.active) {
    const advice = 'Mount its file system read-write; if it cannot be, destroy the device';
    return note(name, `is ${state.text}`, advice);
  }
  if (cow !== undefined && cow.used >= cow.size * NEARLY_FULL) {
    const percent = Math.floor((cow.used / cow.size) * 100);
    return note(
      name,
      `its COW file is ${percent} % full; the snapshot is lost when it is full`,
      `End the snapshot soon, or make it larger: dbdctl expand-cow-file 1GiB ${minor}`,
    );
  }
  return ok(name, state.text);
}
