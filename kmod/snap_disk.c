// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a snapshot.
 *
 * A saved block comes from the COW file, any other from the origin. A read of
 * the origin may race with a write: it is believed only if the block is still
 * not saved when the read has ended, because a write goes on only after its
 * blocks' bits are set; else the read is done again from the COW file. An error
 * of the snapshot, also set before any write it lets pass, spoils every read.
 *
 * Reads are done by workers, one bio each; the bio may be somebody's clone, so
 * only its iterator is believed.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "dbd.h"
#include "snap_disk.h"

#define READS_AT_ONCE 32

/**
 * struct snap_disk - the disk of a snapshot
 * @snap: what it shows
 * @active: the device's: false gives EBUSY
 * @gendisk: the disk itself; its private_data is this, or NULL once it is being removed
 * @openers: files and kernel users that have it open
 * @closed: no more of them are let in
 * @wq: where reads are done
 * @read_mem: for struct snap_read
 * @clones: for the parts of a read
 */
struct snap_disk {
	struct dbd_snap *snap;
	const bool *active;
	struct gendisk *gendisk;
	unsigned int openers;
	bool closed;
	struct workqueue_struct *wq;
	mempool_t read_mem;
	struct bio_set clones;
};

struct snap_read {
	struct work_struct work;
	struct snap_disk *disk;
	struct bio *bio;
};

static int datto_major;

/*
 * Guards openers, closed and private_data of all disks. Who still has a gendisk in hand, or
 * open when a setup is undone, finds that it leads nowhere.
 */
static DEFINE_SPINLOCK(open_lock);

/* ---- reading ---- */

/* Reads the first @len bytes of @iter of @bio from the origin's byte @pos. */
static int read_part(struct snap_disk *disk, struct bio *bio, const struct bvec_iter *iter,
		     u64 pos, u64 len)
{
	struct bio *part = bio_alloc_clone(disk->snap->bdev, bio, GFP_NOIO, &disk->clones);
	int ret;

	part->bi_opf = REQ_OP_READ | REQ_SYNC;
	part->bi_iter = *iter;
	part->bi_iter.bi_size = len;
	part->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	dbd_bio_hide(part);
	ret = submit_bio_wait(part);
	bio_put(part);
	return ret;
}

/*
 * Reads from the COW file what is contiguous there, up to *@len bytes, from
 * @skip bytes into saved block @block. *@len becomes what was read.
 */
static int read_saved(struct snap_disk *disk, struct bio *bio, const struct bvec_iter *iter,
		      struct cow_index_reader *reader, u64 block, u64 skip, u64 *len)
{
	struct dbd_snap *snap = disk->snap;
	u64 end = block + DIV_ROUND_UP_ULL(skip + *len, COW_BLOCK_SIZE);
	u64 saved_end = dbd_map_next_clear(snap->map, block, end);
	u64 cow = 0, next, b, pos;
	int ret;

	for (b = block; b < saved_end; b++) {
		dbd_snap_wait_stored(snap, b);
		ret = cow_index_get(&snap->index, reader, b, &next);
		if (ret)
			return ret;
		if (b == block)
			cow = next;
		if (!next || next != cow + (b - block))
			break;
	}
	if (b == block) /* no entry: the snapshot has failed */
		return -EIO;
	*len = min(*len, ((b - block) << COW_BLOCK_SHIFT) - skip);
	/* Not among the arguments of read_part(): *len may be looked at first there. */
	pos = cow_extents_map(&snap->cow->extents, (cow << COW_BLOCK_SHIFT) + skip, len);
	/* What is in the index was on the disk, where anything may have happened to it. */
	if (!*len || cow > U64_MAX >> COW_BLOCK_SHIFT ||
	    cow < snap->cow->layout.data_start) {
		pr_err_ratelimited("datto: datto%u: block %llu is at no block %llu of the COW file: its index is damaged\n",
				   snap->minor, block, cow);
		return -EIO;
	}
	return read_part(disk, bio, iter, pos, *len);
}

/*
 * As read_saved(), for untouched blocks. *@len becomes 0 when one of them was
 * saved meanwhile: nothing is believed then.
 */
static int read_origin(struct snap_disk *disk, struct bio *bio, const struct bvec_iter *iter,
		       u64 block, u64 skip, u64 *len)
{
	struct dbd_snap *snap = disk->snap;
	u64 end = block + DIV_ROUND_UP_ULL(skip + *len, COW_BLOCK_SIZE);
	u64 stop = dbd_map_next_set(snap->map, block, end);
	int ret;

	if (stop == block) { /* saved since the caller looked */
		*len = 0;
		return 0;
	}
	*len = min(*len, ((stop - block) << COW_BLOCK_SHIFT) - skip);
	ret = read_part(disk, bio, iter, (block << COW_BLOCK_SHIFT) + skip, *len);
	smp_mb(); /* the data, then the bits; pairs with dbd_map_set() */
	if (!ret && dbd_map_next_set(snap->map, block, stop) < stop)
		*len = 0;
	return ret;
}

static int read_bio(struct snap_disk *disk, struct bio *bio)
{
	struct dbd_snap *snap = disk->snap;
	struct cow_index_reader reader = {};
	struct bvec_iter iter = bio->bi_iter;
	int ret = 0;

	while (!ret && iter.bi_size) {
		u64 pos = (u64)iter.bi_sector << SECTOR_SHIFT;
		u64 block = pos >> COW_BLOCK_SHIFT, skip = pos & (COW_BLOCK_SIZE - 1);
		u64 len = iter.bi_size;

		if (dbd_map_next_set(snap->map, block, block + 1) == block)
			ret = read_saved(disk, bio, &iter, &reader, block, skip, &len);
		else
			ret = read_origin(disk, bio, &iter, block, skip, &len);
		if (!ret && len)
			bio_advance_iter(bio, &iter, len);
	}
	cow_index_reader_done(&reader);
	smp_rmb(); /* the data, then its state; pairs with cmpxchg() in dbd_snap_fail() */
	return dbd_snap_keeping(snap) ? ret : -EIO;
}

static void read_work(struct work_struct *work)
{
	struct snap_read *read = container_of(work, struct snap_read, work);
	struct snap_disk *disk = read->disk;
	struct bio *bio = read->bio;

	mempool_free(read, &disk->read_mem);
	bio->bi_status = errno_to_blk_status(read_bio(disk, bio));
	bio_endio(bio);
}

static void end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
}

static void snap_submit(struct bio *bio)
{
	/* Not freed while this runs: dbd_snap_disk_remove() drains the queue. */
	struct snap_disk *disk = READ_ONCE(dbd_bio_disk(bio)->private_data);
	struct snap_read *read;

	if (!disk) {
		end_bio(bio, BLK_STS_IOERR);
	} else if (bio_op(bio) != REQ_OP_READ) {
		end_bio(bio, BLK_STS_NOTSUPP);
	} else if (!READ_ONCE(*disk->active)) {
		end_bio(bio, errno_to_blk_status(-EBUSY));
	} else if (READ_ONCE(*disk->snap->error)) {
		end_bio(bio, BLK_STS_IOERR);
	} else if (!bio_sectors(bio)) {
		end_bio(bio, BLK_STS_OK);
	} else {
		read = mempool_alloc(&disk->read_mem, GFP_NOIO);
		INIT_WORK(&read->work, read_work);
		read->disk = disk;
		read->bio = bio;
		queue_work(disk->wq, &read->work);
	}
}

DBD_SUBMIT_BIO(snap_submit);

/* ---- the disk ---- */

static int snap_open(struct gendisk *gendisk)
{
	struct snap_disk *disk;
	int ret = 0;

	spin_lock(&open_lock);
	disk = gendisk->private_data;
	if (!disk || disk->closed)
		ret = -ENXIO;
	else
		disk->openers++;
	spin_unlock(&open_lock);
	return ret;
}

static void snap_release(struct gendisk *gendisk)
{
	struct snap_disk *disk;

	spin_lock(&open_lock);
	disk = gendisk->private_data;
	if (disk)
		disk->openers--;
	spin_unlock(&open_lock);
}

DBD_DISK_OPEN(snap_open);
DBD_DISK_RELEASE(snap_release);

static const struct block_device_operations snap_fops = {
	.owner = THIS_MODULE,
	.submit_bio = snap_submit_op,
	.open = snap_open_op,
	.release = snap_release_op,
};

bool dbd_snap_disk_close(struct snap_disk *disk)
{
	bool ret = true;

	if (!disk)
		return ret;
	spin_lock(&open_lock);
	if (disk->openers)
		ret = false;
	else
		disk->closed = true;
	spin_unlock(&open_lock);
	return ret;
}

void dbd_snap_disk_reopen(struct snap_disk *disk)
{
	if (!disk)
		return;
	spin_lock(&open_lock);
	disk->closed = false;
	spin_unlock(&open_lock);
}

static int add_gendisk(struct snap_disk *disk)
{
	struct gendisk *g = dbd_alloc_disk(&snap_fops, disk->snap->bdev);
	int ret;

	if (IS_ERR(g))
		return PTR_ERR(g);
	g->major = datto_major;
	g->first_minor = disk->snap->minor;
	g->minors = 1;
	g->flags |= GENHD_FL_NO_PART;
	g->private_data = disk;
	snprintf(g->disk_name, DISK_NAME_LEN, "datto%u", disk->snap->minor);
	set_capacity(g, disk->snap->dev_bytes >> SECTOR_SHIFT);
	set_disk_ro(g, true);
	disk->gendisk = g;
	ret = dbd_add_disk(g);
	if (ret)
		dbd_put_disk(g);
	return ret;
}

struct snap_disk *dbd_snap_disk_add(struct dbd_snap *snap, const bool *active)
{
	struct snap_disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	int ret;

	if (!disk)
		return ERR_PTR(-ENOMEM);
	disk->snap = snap;
	disk->active = active;
	ret = mempool_init_kmalloc_pool(&disk->read_mem, READS_AT_ONCE, sizeof(struct snap_read));
	if (ret)
		goto free;
	ret = bioset_init(&disk->clones, READS_AT_ONCE, 0, 0);
	if (ret)
		goto exit_mempool;
	disk->wq = alloc_workqueue("datto_read%u", WQ_UNBOUND | WQ_MEM_RECLAIM, READS_AT_ONCE,
				   snap->minor);
	if (!disk->wq) {
		ret = -ENOMEM;
		goto exit_bioset;
	}
	ret = add_gendisk(disk);
	if (ret)
		goto destroy_wq;
	return disk;
destroy_wq:
	destroy_workqueue(disk->wq);
exit_bioset:
	bioset_exit(&disk->clones);
exit_mempool:
	mempool_exit(&disk->read_mem);
free:
	kfree(disk);
	return ERR_PTR(ret);
}

void dbd_snap_disk_remove(struct snap_disk *disk)
{
	if (!disk)
		return;
	spin_lock(&open_lock);
	WRITE_ONCE(disk->gendisk->private_data, NULL);
	spin_unlock(&open_lock);
	dbd_queue_drain(disk->gendisk->queue, MAX_SCHEDULE_TIMEOUT);
	del_gendisk(disk->gendisk);
	destroy_workqueue(disk->wq);
	dbd_put_disk(disk->gendisk);
	bioset_exit(&disk->clones);
	mempool_exit(&disk->read_mem);
	kfree(disk);
}

dev_t dbd_snap_disk_dev(unsigned int minor)
{
	return MKDEV(datto_major, minor);
}

int dbd_snap_disk_init(void)
{
	int ret = register_blkdev(0, "datto");

	if (ret < 0)
		return ret;
	datto_major = ret;
	return 0;
}

void dbd_snap_disk_exit(void)
{
	unregister_blkdev(datto_major, "datto");
}
