/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/datto-ctl. Module load and unload. */
#ifndef DBD_CTL_H
#define DBD_CTL_H

int dbd_ctl_init(void);
void dbd_ctl_exit(void);

#endif /* DBD_CTL_H */
