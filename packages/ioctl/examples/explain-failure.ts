/** What to do about a call that failed. */
import { type Datto, DattoIoctlError } from '@dbd/ioctl';

/** Takes a snapshot; says in words why it could not, and whether it is worth trying again. */
export async function trySnapshot(
  datto: Datto,
  blockDevice: string,
  cowFile: string,
): Promise<{ readonly minor: number } | { readonly why: string; readonly again: boolean }> {
  try {
    const minor = await datto.getFreeMinor();
    await datto.setupSnapshot({ blockDevice, cowFile, minor });
    return { minor };
  } catch (error) {
    if (!(error instanceof DattoIoctlError)) throw error;
    if (error.driverAbsent) return { why: 'modprobe dattobd first', again: false };
    return { why: error.message, again: error.code === 'EBUSY' };
  }
}
