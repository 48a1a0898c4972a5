/** The exit codes of all commands, in one table: help, manuals and documentation are made of it. */
export const EXIT_CODES = [
  { name: 'ok', code: 0, meaning: 'Done.' },
  { name: 'failure', code: 1, meaning: 'Failed for a reason that has no code of its own.' },
  { name: 'usage', code: 2, meaning: 'Called wrongly; nothing was done.' },
  { name: 'driver absent', code: 3, meaning: 'The dattobd driver is not loaded.' },
  {
    name: 'no such device',
    code: 4,
    meaning: 'There is no device with this minor or at this path, or it is no block device.',
  },
  { name: 'busy', code: 5, meaning: 'The device, minor or file is in use.' },
  { name: 'permission', code: 6, meaning: 'The caller may not do this; root is needed.' },
  {
    name: 'COW mismatch',
    code: 7,
    meaning:
      'The COW file is sound but not the one for this snapshot: other series, seqid or mode.',
  },
  {
    name: 'corrupt',
    code: 8,
    meaning:
      'The COW file is no COW file, is cut short, or was not closed in order; or the image is not what its manifest says.',
  },
  {
    name: 'partial copy',
    code: 9,
    meaning: 'The image is updated in part: resume or repeat the run, or make a full copy.',
  },
  { name: 'interrupted', code: 130, meaning: 'A signal ended it before it was done.' },
] as const;

/** Name of an exit code. */
export type ExitName = (typeof EXIT_CODES)[number]['name'];

/** Exit codes by their names. */
export const EXIT = Object.fromEntries(
  EXIT_CODES.map(({ name, code }) => [name, code]),
) as Readonly<Record<ExitName, number>>;
