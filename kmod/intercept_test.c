// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-test of the interception, at module load.
 *
 * A write is sent to a private disk that is a target. The mechanism is sound on
 * this kernel if a diverted write reaches ->held exactly once and, when sent
 * on, the disk's own driver exactly once; and if a passed one goes to the
 * driver alone.
 */
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "dbd.h"
#include "intercept.h"

#define TEST_SECTORS 8

struct selftest {
	struct dbd_target target;
	enum dbd_verdict verdict;
	unsigned int seen, held, missed, arrived;
	bool restored; /* ->held got the bio with its own device */
};

static struct selftest *test_of(struct dbd_target *t)
{
	return container_of(t, struct selftest, target);
}

static enum dbd_verdict test_filter(struct dbd_target *t, struct bio *bio, sector_t first,
				    sector_t nr)
{
	test_of(t)->seen++;
	return test_of(t)->verdict;
}

static void test_missed(struct dbd_target *t, struct bio *bio, sector_t first, sector_t nr)
{
	test_of(t)->missed++;
}

static void test_held(struct dbd_target *t, struct bio *bio)
{
	struct selftest *st = test_of(t);

	st->held++;
	st->restored = dbd_bio_disk(bio) == t->disk;
	dbd_target_send(t, bio);
}

static const struct dbd_target_ops test_ops = {
	.filter = test_filter,
	.missed = test_missed,
	.held = test_held,
};

static void driver_submit(struct bio *bio)
{
	struct selftest *st = dbd_bio_disk(bio)->private_data;

	st->arrived++;
	bio_endio(bio);
}

DBD_SUBMIT_BIO(driver_submit);

static const struct block_device_operations driver_fops = {
	.owner = THIS_MODULE,
	.submit_bio = driver_submit_op,
};

static int test_write(struct selftest *st, struct page *page, enum dbd_verdict verdict)
{
	struct bio_vec vec;
	struct bio bio;
	int ret;

	st->verdict = verdict;
	st->seen = 0;
	st->held = 0;
	st->missed = 0;
	st->arrived = 0;
	st->restored = false;
	dbd_bio_init(&bio, st->target.bdev, &vec, 1, REQ_OP_WRITE);
	bio.bi_iter.bi_sector = 0;
	if (bio_add_page(&bio, page, TEST_SECTORS << SECTOR_SHIFT, 0) == 0)
		return -EIO;
	ret = submit_bio_wait(&bio);
	bio_uninit(&bio);
	if (ret)
		return ret;
	if (st->seen != 1 || st->arrived != 1 || st->missed)
		return -EOPNOTSUPP;
	if (verdict == DBD_DIVERT)
		return st->held == 1 && st->restored ? 0 : -EOPNOTSUPP;
	return st->held ? -EOPNOTSUPP : 0;
}

/* On a kernel thread, so that the bios belong to the root cgroup. */
static long run_test(void *data)
{
	struct selftest *st = data;
	struct gendisk *disk;
	struct page *page;
	int ret = -ENOMEM;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return ret;
	disk = dbd_alloc_disk(&driver_fops, NULL);
	if (IS_ERR(disk)) {
		ret = PTR_ERR(disk);
		goto free_page;
	}
	disk->private_data = st;
	snprintf(disk->disk_name, DISK_NAME_LEN, "datto-selftest");
	dbd_disk_never_added(disk);
	set_capacity(disk, TEST_SECTORS);

	ret = dbd_target_init(&st->target, dbd_disk_bdev(disk), &test_ops);
	if (ret)
		goto put_disk;
	dbd_target_arm(&st->target);
	ret = test_write(st, page, DBD_PASS);
	if (!ret)
		ret = test_write(st, page, DBD_DIVERT);
	if (ret)
		dbd_err("self-test: a %s write was seen %u, held %u, delivered %u times: %d",
			st->verdict == DBD_PASS ? "passed" : "diverted", st->seen, st->held,
			st->arrived, ret);
	dbd_target_disarm(&st->target);
	dbd_target_destroy(&st->target);
put_disk:
	dbd_queue_drain(disk->queue, MAX_SCHEDULE_TIMEOUT);
	dbd_put_disk(disk);
free_page:
	__free_page(page);
	return ret;
}

int dbd_intercept_selftest(void)
{
	struct selftest *st = kzalloc(sizeof(*st), GFP_KERNEL);
	int ret;

	if (!st)
		return -ENOMEM;
	ret = work_on_cpu(raw_smp_processor_id(), run_test, st);
	kfree(st);
	if (ret)
		dbd_err("this kernel does not let writes be intercepted; not loading: %d", ret);
	return ret;
}
