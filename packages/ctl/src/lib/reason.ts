import type { Datto, DeviceStatus } from '@dbd/ioctl';

/** The driver's own words for a device's failure; undefined when it has none to say to us. */
export async function failureReason(
  datto: Datto,
  { minor, errorName }: DeviceStatus,
): Promise<string | undefined> {
  if (errorName === null) return undefined;
  // Without root, or of an older driver, there is no answer.
  const failure = await datto.failure(minor).catch(() => null);
  if (failure === null || failure.reason === '') return undefined;
  const where = failure.block === 0n ? '' : ` at block ${failure.block}`;
  return `${failure.reason}${where} (${failure.code})`;
}
