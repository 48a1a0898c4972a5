/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Notices mounts, remounts and the reboot.
 *
 * No system call is hooked: both mount interfaces end in vfs_get_tree() and
 * reconfigure_super(), whose returns are probed. What is to be done then is done
 * by the mounting process itself before it returns to user space, with no lock
 * held. It looks at how things are, not at what has happened: events may be
 * lost, come twice or out of order.
 */
#ifndef DBD_MOUNTS_H
#define DBD_MOUNTS_H

struct dbd_device;

/*
 * Module load. Without kprobes a device becomes active again with the next
 * command for it; loading goes on. @follow: false: never by itself.
 */
int dbd_mounts_init(bool follow);
/* No event comes when this returns, and none is on its way. */
void dbd_mounts_exit(void);

/*
 * The file system of @dev is ending in this task: @dev follows that when the task
 * is done with it, before it returns to user space; or soon after.
 */
void dbd_mounts_after_umount(struct dbd_device *dev);

#endif /* DBD_MOUNTS_H */
