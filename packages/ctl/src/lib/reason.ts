import type { Datto, DeviceStatus } from '@dbd/ioctl';

/** The driver's own words for a device's failure; undefined when it has none to say to us. */
export async function failureReason(
  _datto: Datto,
  _device: DeviceStatus,
): Promise<string | undefined> {
  return undefined;
}
