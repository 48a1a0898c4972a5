// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interception by the block_bio_queue tracepoint.
 *
 * submit_bio_noacct() emits block_bio_queue once for each bio, after the
 * partition remap and before it reads which driver gets the bio. Our probe
 * points bio->bi_bdev at part0 of a private bio-based disk; the block core then
 * calls that disk's ->submit_bio in the submitter's context. To send the bio
 * on, bi_bdev is restored and submit_bio_noacct() called again:
 * BIO_TRACE_COMPLETION, set behind the tracepoint, keeps it from being seen
 * twice. That the driver is chosen after the tracepoint is proved at load by
 * dbd_intercept_selftest().
 *
 * Unload is provable: the probe is unregistered and waited for, no target is
 * left, and a target is only destroyed when nothing is diverted and its gate's
 * queue has been frozen once, so nobody is inside our ->submit_bio.
 */
#include <linux/bio.h>
#include <linux/blk-crypto.h>
#include <linux/blk-mq.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/tracepoint.h>
#include <trace/events/block.h>

#include "dbd.h"
#include "intercept.h"

static LIST_HEAD(targets); /* RCU; changed under targets_lock */
static DEFINE_MUTEX(targets_lock);
static struct tracepoint *queue_tracepoint;

/*
 * A bio with an encryption context would be encrypted for the gate instead of
 * the disk; compat knows of kernels that cannot divert at some moments.
 */
static bool can_divert(struct bio *bio)
{
	return !bio_has_crypt_ctx(bio) && dbd_compat_can_divert();
}

static void divert(struct dbd_target *t, struct bio *bio)
{
	/*
	 * The bio will be sent on by a worker: it may wait there, and nobody
	 * can poll our queue for it.
	 */
	bio->bi_opf &= ~REQ_NOWAIT;
	bio_clear_polled(bio);
	/* Also what jbd2 writes for others, or, as on 5.10, without saying so. A commit may be waited for. */
	if (current->flags & PF_KTHREAD && !strncmp(current->comm, "jbd2/", 5))
		bio->bi_opf |= REQ_META;
	atomic_inc(&t->nr_diverted);
	dbd_bio_set_gate(bio, t->gate);
}

static void DBD_PROBE_BIO_QUEUE(probe_bio_queue, struct bio *bio)
{
	struct dbd_target *t;
	sector_t first, end;

	if (!op_is_write(bio_op(bio)) || !bio_sectors(bio))
		return;

	rcu_read_lock();
	list_for_each_entry_rcu(t, &targets, node) {
		if (t->disk != dbd_bio_disk(bio))
			continue;
		first = max(bio->bi_iter.bi_sector, t->start);
		end = min(bio_end_sector(bio), t->start + t->nr);
		if (first >= end)
			continue;
		first -= t->start;
		end -= t->start;
		if (t->ops->filter(t, bio, first, end - first) == DBD_PASS)
			continue;
		if (!can_divert(bio)) {
			t->ops->missed(t, bio, first, end - first);
			continue;
		}
		/*
		 * One gate at a time: dbd_target_send() lets the others see
		 * the bio when this target is done with it.
		 */
		divert(t, bio);
		break;
	}
	rcu_read_unlock();
}

static void gate_submit(struct bio *bio)
{
	struct dbd_target *t = dbd_bio_disk(bio)->private_data;

	dbd_bio_restore(bio, t->bdev);
	t->ops->held(t, bio);
}

DBD_SUBMIT_BIO(gate_submit);

static const struct block_device_operations gate_fops = {
	.owner = THIS_MODULE,
	.submit_bio = gate_submit_op,
};

/* Whether a target other than @t covers a part of @bio. */
static bool others_cover(struct dbd_target *t, struct bio *bio)
{
	struct dbd_target *o;
	bool ret = false;

	rcu_read_lock();
	list_for_each_entry_rcu(o, &targets, node)
		ret |= o != t && o->disk == dbd_bio_disk(bio) &&
		       bio->bi_iter.bi_sector < o->start + o->nr &&
		       bio_end_sector(bio) > o->start;
	rcu_read_unlock();
	return ret;
}

static void hold_done(struct dbd_target *t)
{
	if (atomic_dec_and_test(&t->nr_diverted))
		wake_up_all(&t->idle);
}

void dbd_target_send(struct dbd_target *t, struct bio *bio)
{
	/* Seen again, by us too: our filter passes what it has let go. */
	if (others_cover(t, bio))
		bio_clear_flag(bio, BIO_TRACE_COMPLETION);
	submit_bio_noacct(bio);
	hold_done(t);
}

void dbd_target_end(struct dbd_target *t, struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
	hold_done(t);
}

int dbd_target_init(struct dbd_target *t, struct block_device *bdev,
		    const struct dbd_target_ops *ops)
{
	INIT_LIST_HEAD(&t->node);
	t->ops = ops;
	t->bdev = bdev;
	t->disk = bdev->bd_disk;
	t->start = get_start_sect(bdev);
	t->nr = bdev_nr_sectors(bdev);
	atomic_set(&t->nr_diverted, 0);
	init_waitqueue_head(&t->idle);
	t->gate = dbd_alloc_disk(&gate_fops, NULL);
	if (IS_ERR(t->gate))
		return PTR_ERR(t->gate);
	t->gate->private_data = t;
	snprintf(t->gate->disk_name, DISK_NAME_LEN, "datto-gate");
	dbd_disk_never_added(t->gate);
	return 0;
}

void dbd_target_destroy(struct dbd_target *t)
{
	WARN_ON_ONCE(!list_empty(&t->node) || atomic_read(&t->nr_diverted));
	/* Nobody is inside gate_submit_bio() any more. */
	dbd_queue_drain(t->gate->queue, MAX_SCHEDULE_TIMEOUT);
	dbd_put_disk(t->gate);
}

void dbd_target_arm(struct dbd_target *t)
{
	mutex_lock(&targets_lock);
	list_add_tail_rcu(&t->node, &targets);
	mutex_unlock(&targets_lock);
}

void dbd_target_disarm(struct dbd_target *t)
{
	mutex_lock(&targets_lock);
	list_del_rcu(&t->node);
	mutex_unlock(&targets_lock);
	synchronize_rcu_expedited();
	INIT_LIST_HEAD(&t->node);
}

void dbd_target_sync(struct dbd_target *t)
{
	synchronize_rcu_expedited();
}

void dbd_target_wait_held(struct dbd_target *t)
{
	dbd_target_sync(t);
	wait_event(t->idle, !atomic_read(&t->nr_diverted));
}

int dbd_target_drain(struct dbd_target *t, unsigned long timeout)
{
	dbd_target_sync(t);
	return dbd_queue_drain(bdev_get_queue(t->bdev), timeout) ? 0 : -ETIMEDOUT;
}

static void find_tracepoint(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "block_bio_queue"))
		*(struct tracepoint **)data = tp;
}

int dbd_intercept_init(void)
{
	int ret;

	check_trace_callback_type_block_bio_queue(probe_bio_queue);
	for_each_kernel_tracepoint(find_tracepoint, &queue_tracepoint);
	if (!queue_tracepoint) {
		dbd_err("this kernel has no block_bio_queue tracepoint (CONFIG_TRACEPOINTS)");
		return -EOPNOTSUPP;
	}
	/* Lowest priority: other probes still see the bio's own device. */
	ret = tracepoint_probe_register_prio(queue_tracepoint, probe_bio_queue, NULL, INT_MIN);
	if (ret) {
		dbd_err("cannot register the block_bio_queue probe: %d", ret);
		return ret;
	}
	ret = dbd_intercept_selftest();
	if (ret)
		dbd_intercept_exit();
	return ret;
}

void dbd_intercept_exit(void)
{
	WARN_ON_ONCE(!list_empty(&targets));
	tracepoint_probe_unregister(queue_tracepoint, probe_bio_queue, NULL);
	tracepoint_synchronize_unregister();
	/* The probe's RCU sections, where the tracepoint itself is preemptible. */
	synchronize_rcu();
}
