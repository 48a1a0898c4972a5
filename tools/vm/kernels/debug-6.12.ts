import { defineKernel } from '../src/kernel.js';

const on = (...names: string[]) => names.map((name) => `CONFIG_${name}=y`);
const module = (...names: string[]) => names.map((name) => `CONFIG_${name}=m`);
const off = (...names: string[]) => names.map((name) => `# CONFIG_${name} is not set`);

/** Debian's sources with everything that finds mistakes, and little else: what the VMs and the cases need. */
export default defineKernel({
  suite: 'trixie',
  packages: [
    'linux-source-6.12',
    'bc',
    'bison',
    'flex',
    'libelf-dev',
    'libssl-dev',
    'perl',
    'xz-utils',
  ],
  version: /^6\.12\..*-dbd-debug$/,
  // Emulated, and slowed down further, ACPI's tables run into the time limit for their loops. Of all checks that of objects
  // costs most for what it finds beside KASAN: a quarter of a process's start.
  append: 'pci=noacpi no_debug_objects',
  slowdown: 5,
  source: {
    tarball: '/usr/src/linux-source-6.12.tar.xz',
    configs: ['x86_64_defconfig', 'kvm_guest.config'],
    options: [
      'CONFIG_LOCALVERSION="-dbd-debug"',
      'CONFIG_SYSTEM_TRUSTED_KEYS=""',
      ...on('DEBUG_INFO_NONE'),
      // Memory
      ...on(
        'KASAN',
        'KASAN_INLINE',
        'KASAN_VMALLOC',
        'DEBUG_KMEMLEAK',
        'SLUB_DEBUG',
        'DEBUG_OBJECTS',
      ),
      ...on(
        'DEBUG_OBJECTS_FREE',
        'DEBUG_OBJECTS_TIMERS',
        'DEBUG_OBJECTS_WORK',
        'DEBUG_OBJECTS_RCU_HEAD',
      ),
      ...on('DEBUG_LIST', 'DEBUG_SG', 'UBSAN', 'UBSAN_BOUNDS', 'UBSAN_SHIFT'),
      // Locks and contexts
      ...on(
        'PROVE_LOCKING',
        'DEBUG_ATOMIC_SLEEP',
        'DEBUG_RWSEMS',
        'WQ_WATCHDOG',
        'DETECT_HUNG_TASK',
      ),
      ...on('SOFTLOCKUP_DETECTOR', 'PREEMPT'),
      // What costs a slow machine most: ticks, stack traces, scans that nobody asked for.
      ...on('HZ_100', 'UNWINDER_FRAME_POINTER'),
      ...off('HZ_1000', 'UNWINDER_ORC', 'DEBUG_KMEMLEAK_AUTO_SCAN'),
      // Faults
      ...on(
        'FAULT_INJECTION',
        'FAILSLAB',
        'FAIL_PAGE_ALLOC',
        'FAIL_MAKE_REQUEST',
        'FAULT_INJECTION_DEBUG_FS',
      ),
      ...on('FAULT_INJECTION_USERCOPY', 'FAULT_INJECTION_STACKTRACE_FILTER', 'STACKTRACE'),
      // What the driver is built on
      ...on(
        'MODULES',
        'MODULE_UNLOAD',
        'KPROBES',
        'KRETPROBES',
        'TRACEPOINTS',
        'FTRACE',
        'FSNOTIFY',
        'IO_URING',
      ),
      // The VM: its start, disks, shares, root
      ...on(
        'PVH',
        'VIRTIO_PCI',
        'VIRTIO_BLK',
        'HW_RANDOM_VIRTIO',
        'NET_9P',
        'NET_9P_VIRTIO',
        '9P_FS',
        'OVERLAY_FS',
      ),
      ...on(
        'TMPFS',
        'TMPFS_XATTR',
        'DEVTMPFS',
        'SERIAL_8250_CONSOLE',
        'MAGIC_SYSRQ',
        'DEBUG_FS',
        'BINFMT_SCRIPT',
      ),
      // What cases stand on
      ...on(
        'EXT4_FS',
        'EXT4_FS_POSIX_ACL',
        'XFS_POSIX_ACL',
        'FUSE_FS',
        'SWAP',
        'ZONEFS_FS',
        'BLK_DEV_ZONED',
      ),
      ...on(
        'MD',
        'BLK_DEV_MD',
        'BLK_DEV_DM',
        'SCSI',
        'BLK_DEV_SD',
        'PARTITION_ADVANCED',
        'QUOTA',
        'QFMT_V2',
      ),
      ...module(
        'XFS_FS',
        'BTRFS_FS',
        'F2FS_FS',
        'VFAT_FS',
        'EXT2_FS',
        'BLK_DEV_LOOP',
        'BLK_DEV_RAM',
        'ZRAM',
      ),
      ...module(
        'BLK_DEV_NULL_BLK',
        'BLK_DEV_NBD',
        'SCSI_DEBUG',
        'MD_RAID0',
        'MD_RAID1',
        'MD_RAID10',
        'MD_RAID456',
      ),
      ...module(
        'DM_CRYPT',
        'DM_SNAPSHOT',
        'DM_THIN_PROVISIONING',
        'DM_CACHE',
        'DM_MIRROR',
        'DM_RAID',
        'DM_ZERO',
      ),
      ...module(
        'DM_DELAY',
        'DM_FLAKEY',
        'DM_DUST',
        'DM_LOG_WRITES',
        'DM_ERA',
        'DM_CLONE',
        'DM_WRITECACHE',
      ),
      ...off(
        'DRM',
        'SOUND',
        'WLAN',
        'WIRELESS',
        'ETHERNET',
        'USB_SUPPORT',
        'NFS_FS',
        'RANDOMIZE_BASE',
        'WERROR',
      ),
      ...off(
        'MODVERSIONS',
        'MODULE_SIG',
        'SECURITY_SELINUX',
        'HIBERNATION',
        'PHYLIB',
        'INPUT_MOUSE',
        'NETFILTER',
      ),
    ],
  },
});
