/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a call was refused, in words.
 *
 * A call from user space collects the first thing that its own task says went
 * wrong, however deep: dbd_err() and dbd_refuse() find the call by the task, so
 * that no function needs an argument for it.
 */
#ifndef DBD_REASON_H
#define DBD_REASON_H

#include <linux/list.h>
#include <linux/sched.h>

#include "uapi/dattobd.h"

/**
 * struct dbd_call - one call from user space under way
 * @node: in the list of them
 * @task: whose it is
 * @text: the reason; empty: none was given
 */
struct dbd_call {
	struct list_head node;
	struct task_struct *task;
	char text[DATTO_REASON_SIZE];
};

/* Around a call, in its own task; @call may be on the stack. */
void dbd_call_begin(struct dbd_call *call);
void dbd_call_end(struct dbd_call *call);

/**
 * struct dbd_why - what is known of a device's first failure, beside its error
 * @block: of the device, where it happened
 * @text: lives as long as the module; set last, NULL for a moment after the error
 */
struct dbd_why {
	u64 block;
	const char *text;
};

/* By who set the error. */
static inline void dbd_why_set(struct dbd_why *why, const char *text, u64 block)
{
	why->block = block;
	smp_store_release(&why->text, text); /* pairs with dbd_device_failure() */
}

/* Why the call of this task, if there is one, is refused. Any context. */
__printf(1, 2) void dbd_refuse(const char *fmt, ...);

/*
 * A worker that does a part of a call, while the caller waits, says what went wrong in the call's
 * name: the caller's call, or NULL; from here on it is the current task's. To be taken back by the caller.
 */
struct dbd_call *dbd_call_own(void);
void dbd_call_take(struct dbd_call *call);

#endif /* DBD_REASON_H */
