/** What must not stand in the kernel log after a case. */
const PROBLEM =
  /WARNING|\bBUG\b|Oops|lockdep|lock debugging|possible (circular|recursive) locking|inconsistent lock state|KASAN|UBSAN|KCSAN|ODEBUG|kmemleak:.*([Dd]isabled|pool empty)|hung task|blocked for more than|general protection|Call Trace|refcount|scheduling while atomic|sleeping function called|unable to handle|Kernel panic|soft lockup|hard LOCKUP|rcu.*(stall|self-detected)|I\/O error| error, dev |access beyond end of device|EXT4-fs error|XFS .*([Cc]orruption|[Ee]rror)|Buffer I\/O|JBD2: .*[Ee]rror|Aborting journal/;

/**
 * Lines that show a problem. A case may expect some: `# dmesg-allow: REGEX` in its header,
 * for instance the I/O errors that reading a failed snapshot has to give.
 */
export function findProblems(dmesg: string, allowed?: RegExp): string[] {
  return dmesg
    .split('\n')
    .filter((line) => PROBLEM.test(line) && !NOISE.test(line) && !allowed?.test(line));
}

/** Said by every boot of some kernel and no fault of the driver. */
const NOISE =
  /loading out-of-tree module taints kernel|module verification failed|RCU lockdep checking is enabled/;
