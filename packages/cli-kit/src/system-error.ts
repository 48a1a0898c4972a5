/** What to do about a file that cannot be used, by errno. */
const NEXT_STEP: Readonly<Record<string, string>> = {
  ENOENT: 'Check the path',
  ENOTDIR: 'Check the path',
  ELOOP: 'Check the links in the path',
  EACCES: 'Run it as root',
  EPERM: 'Run it as root, and see whether the file is immutable (lsattr)',
  EROFS: 'Mount its file system read-write',
  EBUSY: 'It is mounted, or another program has it: end that first',
  ENOSPC: 'Free some space on its file system',
  EDQUOT: 'Free some space within the quota',
  EIO: 'Check the disk it is on',
  ENXIO: 'The device is gone: check it',
};

/** The message of an error, and the next step where its errno has one. No full stop at the end. */
export function systemErrorText(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  const { code } = (error ?? {}) as { code?: unknown };
  const next = typeof code === 'string' ? NEXT_STEP[code] : undefined;
  return next === undefined ? text : `${text}. ${next}`;
}
