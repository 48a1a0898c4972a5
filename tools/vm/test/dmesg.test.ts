import { describe, expect, it } from 'vitest';
import { findProblems } from '../src/dmesg.js';

describe('the kernel log', () => {
  it.each([
    '[    1.0] WARNING: CPU: 0 PID: 1 at fs/inode.c:1 iput+0x1/0x2',
    '[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000028',
    '[    1.0] Oops: 0000 [#1] PREEMPT SMP NOPTI',
    '[    1.0] INFO: task dattoctl:1 blocked for more than 30 seconds.',
    '[    1.0] WARNING: possible circular locking dependency detected',
    '[    1.0] BUG: KASAN: slab-use-after-free in dbd_map_set',
    '[    1.0] refcount_t: underflow; use-after-free.',
    '[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU',
    '[    1.0] I/O error, dev vda, sector 1 op 0x1:(WRITE)',
    '[    1.0] EXT4-fs error (device vda): ext4_lookup:1',
    '[    1.0] general protection fault, probably for non-canonical address',
    '[    1.0] critical medium error, dev vda, sector 8 op 0x1:(WRITE) flags 0x800 phys_seg 1',
    '[    1.0] Aborting journal on device vda-8.',
    '[    1.0] UBSAN: array-index-out-of-bounds in copy.c:1:2',
    '[    1.0] BUG: sleeping function called from invalid context at mm/slab.h:1',
    '[    1.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!',
    '[    1.0] list_add corruption. prev->next should be next (0), but was 1. WARNING',
    '[    1.0] ODEBUG: Out of memory. ODEBUG disabled',
    '[    1.0] kmemleak: Kernel memory leak detector disabled',
    '[    1.0] kmemleak: Memory pool empty, consider increasing CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE',
    '[    1.0] Disabling lock debugging due to kernel taint',
  ])('has a problem: %s', (line) => {
    expect(findProblems(`[    0.9] fine\n${line}\n`)).toEqual([line]);
  });

  it.each([
    '[    1.0] dattobd: loading out-of-tree module taints kernel.',
    '[    1.0] EXT4-fs (vda): mounted filesystem with ordered data mode. Quota mode: none.',
    '[    1.0] XFS (vda): Ending clean mount',
    '[    1.0] datto: /dev/datto0: snapshot 1 of /dev/vda',
  ])('has none: %s', (line) => {
    expect(findProblems(line)).toEqual([]);
  });

  it('may have what a case allows, and no more', () => {
    const log = '[1] I/O error, dev datto0, sector 0\n[1] I/O error, dev vda, sector 0';
    expect(findProblems(log, /I\/O error.*datto0/)).toEqual(['[1] I/O error, dev vda, sector 0']);
  });
});
