/* SPDX-License-Identifier: MIT */
/* The driver's calls for the one device: 0, or a negative errno that was printed with its reason. */
#ifndef MODEL_CTL_H
#define MODEL_CTL_H

#include <stdint.h>
#include "uapi/dattobd.h"

void ctl_open(void);
int ctl_setup(const char *cow, uint64_t mib, uint64_t cache);
int ctl_trans_snap(const char *cow, uint64_t mib);
int ctl_trans_inc(void);
int ctl_force_inc(void);
int ctl_destroy(void);
int ctl_reconfigure(uint64_t cache);
int ctl_expand(uint64_t mib);
int ctl_auto_expand(uint64_t step, uint64_t reserved);
/* Ends the process when there is no such device. */
struct dattobd_info ctl_info(void);

#endif
