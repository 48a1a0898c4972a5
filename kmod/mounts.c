// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/wait.h>

#include "dbd.h"
#include "device_impl.h"
#include "mounts.h"

/* Something to be looked at by the task that caused it. @sb: held, or NULL. */
struct event {
	struct callback_head work;
	struct dbd_device *dev;
	struct super_block *sb;
};

static atomic_t nr_events;
static DECLARE_WAIT_QUEUE_HEAD(no_events);
static bool had_events;
static bool following;

static void event_run(struct callback_head *work)
{
	struct event *e = container_of(work, struct event, work);

	mutex_lock(&e->dev->lock);
	if (!e->dev->dead)
		dbd_device_follow(e->dev, e->sb);
	mutex_unlock(&e->dev->lock);
	if (e->sb)
		deactivate_super(e->sb);
	dbd_device_put(e->dev);
	kfree(e);
	if (atomic_dec_and_test(&nr_events))
		wake_up_all(&no_events);
}

/*
 * The work runs in the present task before it returns to user space. False: it
 * has no such moment, or there is no memory. @sb: of a caller that holds it.
 */
static bool event_add(struct dbd_device *dev, struct super_block *sb, gfp_t gfp)
{
	struct event *e;

	/* A task that exits may take no more work. */
	if (current->flags & (PF_KTHREAD | PF_EXITING))
		return false;
	e = kmalloc(sizeof(*e), gfp);
	if (!e)
		return false;
	e->dev = dev;
	e->sb = sb;
	init_task_work(&e->work, event_run);
	kref_get(&dev->kref);
	if (sb)
		atomic_inc(&sb->s_active);
	WRITE_ONCE(had_events, true);
	atomic_inc(&nr_events);
	if (!WARN_ON_ONCE(task_work_add(current, &e->work, TWA_RESUME)))
		return true;
	/* None of these is the last one. */
	atomic_dec(&nr_events);
	if (sb)
		atomic_dec(&sb->s_active);
	refcount_dec(&dev->kref.refcount);
	kfree(e);
	return false;
}

void dbd_mounts_after_umount(struct dbd_device *dev)
{
	event_add(dev, NULL, GFP_NOFS);
	/* The task may be kept from that, as by a tracer. */
	dbd_device_settle(dev);
}

/* Of a caller that holds @sb; preemption may be off. */
static void sb_changed(struct super_block *sb)
{
	struct dbd_device *dev;

	if (!sb->s_bdev)
		return;
	rcu_read_lock();
	dev = dbd_device_on(sb->s_bdev->bd_dev);
	if (dev && !event_add(dev, sb, GFP_ATOMIC))
		dbd_device_settle(dev);
	rcu_read_unlock();
}

struct probed {
	struct fs_context *fc;
};

static int probe_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	((struct probed *)ri->data)->fc = (void *)regs_get_kernel_argument(regs, 0);
	return 0;
}
NOKPROBE_SYMBOL(probe_entry);

static int probe_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct fs_context *fc = ((struct probed *)ri->data)->fc;

	if (!regs_return_value(regs) && fc->root)
		sb_changed(fc->root->d_sb);
	return 0;
}
NOKPROBE_SYMBOL(probe_return);

static struct kretprobe probes[] = {
	{
		.kp.symbol_name = "vfs_get_tree",
		.entry_handler = probe_entry,
		.handler = probe_return,
		.data_size = sizeof(struct probed),
		.maxactive = 64,
	},
	{
		.kp.symbol_name = "reconfigure_super",
		.entry_handler = probe_entry,
		.handler = probe_return,
		.data_size = sizeof(struct probed),
		.maxactive = 64,
	},
};

static void follow_start(void)
{
	struct kretprobe *list[] = { &probes[0], &probes[1] };
	int ret = register_kretprobes(list, ARRAY_SIZE(list));

	following = !ret;
	if (ret)
		dbd_warn("mounts are not followed by themselves: kprobes: %d", ret);
}

static void follow_stop(void)
{
	struct kretprobe *list[] = { &probes[0], &probes[1] };

	if (following)
		unregister_kretprobes(list, ARRAY_SIZE(list));
}

static int reboot_event(struct notifier_block *nb, unsigned long action, void *data)
{
	dbd_devices_seal();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_block = {
	.notifier_call = reboot_event,
};

/*
 * What is written while the machine's memory is saved, or has been, the restored kernel does not know
 * of, nor that the COW file was sealed at the end.
 */
static int pm_event(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action != PM_HIBERNATION_PREPARE || !dbd_devices_any())
		return NOTIFY_DONE;
	dbd_err("no hibernation while a device is tracked: changes would be lost. Destroy the devices, or shut down");
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block pm_block = {
	.notifier_call = pm_event,
};

int dbd_mounts_init(bool follow)
{
	int ret = register_reboot_notifier(&reboot_block);

	if (ret)
		return ret;
	ret = register_pm_notifier(&pm_block);
	if (ret) {
		unregister_reboot_notifier(&reboot_block);
		return ret;
	}
	if (follow)
		follow_start();
	return 0;
}

void dbd_mounts_exit(void)
{
	follow_stop();
	unregister_pm_notifier(&pm_block);
	unregister_reboot_notifier(&reboot_block);
	wait_event(no_events, !atomic_read(&nr_events));
	/* The last one may still be on its way out of event_run(). */
	if (had_events)
		synchronize_rcu_tasks();
}
