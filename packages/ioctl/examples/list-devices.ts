/** All devices, a line for each; needs no privilege. */
import type { Datto } from '@dbd/ioctl';

export async function listDevices(datto: Datto): Promise<string[]> {
  const { devices } = await datto.status();
  return devices.map(({ minor, blockDevice, state, errorName }) =>
    [minor, blockDevice, state.text, errorName ?? 'sound'].join(' '),
  );
}
