/* SPDX-License-Identifier: GPL-2.0-only */
/* /proc/datto-info. Module load and unload. */
#ifndef DBD_PROCFS_H
#define DBD_PROCFS_H

int dbd_procfs_init(void);
void dbd_procfs_exit(void);

#endif /* DBD_PROCFS_H */
