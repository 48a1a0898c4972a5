// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include <linux/spinlock.h>

#include "dbd.h"
#include "reason.h"

static LIST_HEAD(calls);
static DEFINE_SPINLOCK(calls_lock); /* guards @calls */

void dbd_call_begin(struct dbd_call *call)
{
	unsigned long flags;

	call->task = current;
	call->text[0] = '\0';
	spin_lock_irqsave(&calls_lock, flags);
	list_add(&call->node, &calls);
	spin_unlock_irqrestore(&calls_lock, flags);
}

void dbd_call_end(struct dbd_call *call)
{
	unsigned long flags;

	spin_lock_irqsave(&calls_lock, flags);
	list_del(&call->node);
	spin_unlock_irqrestore(&calls_lock, flags);
}

/* An interrupt that came in between runs on the task's account: not its call. */
struct dbd_call *dbd_call_own(void)
{
	struct dbd_call *call, *found = NULL;
	unsigned long flags;

	if (!in_task())
		return NULL;
	spin_lock_irqsave(&calls_lock, flags);
	list_for_each_entry(call, &calls, node)
		if (call->task == current)
			found = call;
	spin_unlock_irqrestore(&calls_lock, flags);
	return found;
}

void dbd_call_take(struct dbd_call *call)
{
	unsigned long flags;

	if (!call)
		return;
	spin_lock_irqsave(&calls_lock, flags);
	call->task = current;
	spin_unlock_irqrestore(&calls_lock, flags);
}

void dbd_refuse(const char *fmt, ...)
{
	struct dbd_call *call = dbd_call_own();
	va_list args;

	if (!call || call->text[0])
		return;
	va_start(args, fmt);
	vscnprintf(call->text, sizeof(call->text), fmt, args);
	va_end(args);
}
