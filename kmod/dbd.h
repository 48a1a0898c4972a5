/* SPDX-License-Identifier: GPL-2.0-only */
/* What every part of the module uses: messages and module parameters. */
#ifndef DBD_H
#define DBD_H

#include <linux/printk.h>
#include <linux/types.h>

#include "reason.h"

#define DBD_SECTOR_SHIFT 9

extern int dbd_debug;
extern unsigned int dbd_max_devices; /* 1..255, constant after load */
extern unsigned long dbd_cache_default; /* bytes */
extern unsigned int dbd_cow_percent_default;
extern unsigned int dbd_saved_memory_mib; /* MiB for each device */
extern bool dbd_intent_log;
extern unsigned int dbd_intent_idle_seconds; /* 1..3600 */

#define dbd_info(fmt, ...) pr_info("datto: " fmt "\n", ##__VA_ARGS__)
#define dbd_warn(fmt, ...) pr_warn("datto: " fmt "\n", ##__VA_ARGS__)
/* Told to the caller as well, if a call is what went wrong. */
#define dbd_err(fmt, ...)                             \
	do {                                          \
		pr_err("datto: " fmt "\n", ##__VA_ARGS__); \
		dbd_refuse(fmt, ##__VA_ARGS__);       \
	} while (0)
#define dbd_dbg(fmt, ...)                      \
	do {                                   \
		if (READ_ONCE(dbd_debug))      \
			dbd_info(fmt, ##__VA_ARGS__); \
	} while (0)

#endif /* DBD_H */
