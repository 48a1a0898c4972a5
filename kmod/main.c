// SPDX-License-Identifier: GPL-2.0-only
/*
 * dattobd: snapshots of mounted block devices, and tracking of changed blocks.
 *
 * Loading, unloading and module parameters. Unloading is refused while a device
 * is active or a snapshot open; devices at rest go with the module and can be
 * reloaded.
 */
#include <linux/module.h>

#include "copy.h"
#include "cow_file.h"
#include "cow_grow.h"
#include "cow_index.h"
#include "ctl.h"
#include "dbd.h"
#include "device.h"
#include "intercept.h"
#include "mounts.h"
#include "procfs.h"
#include "snap_disk.h"
#include "uapi/dattobd.h"

static int may_hook_syscalls = 1;
module_param(may_hook_syscalls, int, 0444);
MODULE_PARM_DESC(may_hook_syscalls, "follow mount and umount automatically (0: never)");

unsigned long dbd_cache_default = 300UL << 20;
module_param_named(cow_max_memory_default, dbd_cache_default, ulong, 0444);
MODULE_PARM_DESC(cow_max_memory_default, "bytes of index memory a device, when the caller says 0");

unsigned int dbd_cow_percent_default = 10;
module_param_named(cow_fallocate_percentage_default, dbd_cow_percent_default, uint, 0444);
MODULE_PARM_DESC(cow_fallocate_percentage_default,
		 "size of the COW file in percent of the device, when the caller says 0");

unsigned int dbd_max_devices = 24;
module_param_named(max_snap_devices, dbd_max_devices, uint, 0444);
MODULE_PARM_DESC(max_snap_devices, "number of minors, 1 to 255");

int dbd_debug;
module_param_named(debug, dbd_debug, int, 0644);
MODULE_PARM_DESC(debug, "log what is done");

unsigned int dbd_saved_memory_mib = 32;
module_param_named(saved_memory_mib, dbd_saved_memory_mib, uint, 0444);
MODULE_PARM_DESC(saved_memory_mib,
		 "MiB a device for old blocks on their way to the COW file, 16 to 64");

bool dbd_intent_log = true;
module_param_named(intent_log, dbd_intent_log, bool, 0644);
MODULE_PARM_DESC(intent_log,
		 "keep what changed through a crash, for snapshots and reloads from now on");

unsigned int dbd_intent_idle_seconds = 30;
module_param_named(intent_idle_seconds, dbd_intent_idle_seconds, uint, 0444);
MODULE_PARM_DESC(intent_idle_seconds,
		 "seconds after the last write to a region until a crash costs no copy of it, 1 to 3600");

static void check_params(void)
{
	if (!dbd_max_devices || dbd_max_devices > 255) {
		unsigned int use = dbd_max_devices ? 255 : 24;

		dbd_warn("max_snap_devices=%u is not in 1..255, using %u", dbd_max_devices, use);
		dbd_max_devices = use;
	}
	if (!dbd_cow_percent_default || dbd_cow_percent_default > 100) {
		dbd_warn("cow_fallocate_percentage_default=%u is not in 1..100, using 10",
			 dbd_cow_percent_default);
		dbd_cow_percent_default = 10;
	}
	dbd_intent_idle_seconds = clamp(dbd_intent_idle_seconds, 1u, 3600u);
	dbd_saved_memory_mib = clamp(dbd_saved_memory_mib, 16u, 64u);
}

static int __init dattobd_init(void)
{
	int ret;

	BUILD_BUG_ON(PAGE_SIZE != COW_BLOCK_SIZE);
	check_params();
	ret = dbd_copy_init();
	if (ret)
		return ret;
	ret = cow_index_module_init();
	if (ret)
		goto exit_copy;
	ret = cow_file_init();
	if (ret)
		goto exit_index;
	ret = dbd_grow_init();
	if (ret)
		goto exit_cow_file;
	ret = dbd_snap_disk_init();
	if (ret)
		goto exit_grow;
	ret = dbd_intercept_init();
	if (ret)
		goto exit_snap_disk;
	ret = dbd_mounts_init(may_hook_syscalls);
	if (ret)
		goto exit_intercept;
	ret = dbd_procfs_init();
	if (ret)
		goto exit_mounts;
	ret = dbd_ctl_init();
	if (ret)
		goto exit_procfs;
	return 0;
exit_procfs:
	dbd_procfs_exit();
exit_mounts:
	dbd_mounts_exit();
exit_intercept:
	dbd_intercept_exit();
exit_snap_disk:
	dbd_snap_disk_exit();
exit_grow:
	dbd_grow_exit();
exit_cow_file:
	cow_file_exit();
exit_index:
	cow_index_module_exit();
exit_copy:
	dbd_copy_exit();
	return ret;
}

static void __exit dattobd_exit(void)
{
	dbd_ctl_exit();
	dbd_procfs_exit();
	dbd_devices_exit();
	dbd_mounts_exit();
	dbd_intercept_exit();
	dbd_snap_disk_exit();
	dbd_grow_exit();
	cow_file_exit();
	cow_index_module_exit();
	dbd_copy_exit();
}

module_init(dattobd_init);
module_exit(dattobd_exit);

MODULE_DESCRIPTION("Snapshots of mounted block devices and changed-block tracking");
MODULE_AUTHOR("the dbd authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(DATTOBD_VERSION);
