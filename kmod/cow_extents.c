// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping comes from the file system's own FIEMAP, which wants a buffer in
 * user space: a scratch mapping in the caller's address space serves. It is
 * believed only after one stamped sector of each extent was read back raw.
 */
#include <linux/bio.h>
#include <linux/buffer_head.h>
#include <linux/crc32.h>
#include <linux/fiemap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cow_extents.h"
#include "cow_layout.h"
#include "dbd.h"
#include "intercept.h"

#define FIEMAP_BATCH 512u
#define FIEMAP_USABLE (FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_MERGED)

void cow_extents_free(struct cow_extents *ext)
{
	kvfree(ext->list);
	*ext = (struct cow_extents){};
}

bool cow_extents_equal(const struct cow_extents *a, const struct cow_extents *b)
{
	return a->nr == b->nr && !memcmp(a->list, b->list, a->nr * sizeof(*a->list));
}

static int extents_append(struct cow_extents *ext, const struct cow_extent *e)
{
	struct cow_extent *last = ext->nr ? &ext->list[ext->nr - 1] : NULL;

	if (last && last->physical + last->length == e->physical) {
		last->length += e->length;
		return 0;
	}
	if (ext->nr == ext->capacity) {
		unsigned int capacity = max(64u, ext->capacity * 2);
		struct cow_extent *list = kvmalloc_array(capacity, sizeof(*list), GFP_KERNEL);

		if (!list)
			return -ENOMEM;
		if (ext->nr)
			memcpy(list, ext->list, ext->nr * sizeof(*list));
		kvfree(ext->list);
		ext->list = list;
		ext->capacity = capacity;
	}
	ext->list[ext->nr++] = *e;
	return 0;
}

static u64 extents_end(const struct cow_extents *ext)
{
	const struct cow_extent *last = ext->nr ? &ext->list[ext->nr - 1] : NULL;

	return last ? last->logical + last->length : 0;
}

/* Takes one FIEMAP record; the file must be covered without a gap. */
static int extents_take(struct cow_extents *ext, const struct fiemap_extent *fe, u64 size)
{
	u64 end = extents_end(ext);
	struct cow_extent e = {
		.logical = fe->fe_logical,
		.physical = fe->fe_physical,
		.length = fe->fe_length,
	};

	if (fe->fe_flags & ~FIEMAP_USABLE) {
		dbd_err("the COW file's extent at byte %llu has flags 0x%x: no raw I/O possible",
			e.logical, fe->fe_flags);
		return -EOPNOTSUPP;
	}
	if (e.logical < end) {
		/* A batch may begin inside an extent that is known already. */
		u64 known = end - e.logical;

		if (known >= e.length)
			return 0;
		e.logical += known;
		e.physical += known;
		e.length -= known;
	}
	if (e.logical != end || !IS_ALIGNED(e.physical | e.length, SECTOR_SIZE)) {
		dbd_err("the COW file has a hole or an unaligned extent at byte %llu", end);
		return -EOPNOTSUPP;
	}
	e.length = min(e.length, size - e.logical);
	return e.length ? extents_append(ext, &e) : 0;
}

static int extents_read_batch(struct cow_extents *ext, struct inode *inode, u64 size,
			      struct fiemap_extent __user *scratch)
{
	struct fiemap_extent_info info = {
		.fi_flags = FIEMAP_FLAG_SYNC,
		.fi_extents_max = FIEMAP_BATCH,
		.fi_extents_start = scratch,
	};
	u64 start = extents_end(ext);
	struct fiemap_extent fe;
	unsigned int i;
	int ret;

	ret = inode->i_op->fiemap(inode, &info, start, size - start);
	for (i = 0; !ret && i < info.fi_extents_mapped; i++) {
		if (copy_from_user(&fe, &scratch[i], sizeof(fe)))
			return -EFAULT;
		if (fe.fe_logical < size)
			ret = extents_take(ext, &fe, size);
	}
	if (!ret && extents_end(ext) == start) {
		dbd_err("the COW file is not mapped at byte %llu", start);
		ret = -EOPNOTSUPP;
	}
	return ret;
}

int cow_extents_read(struct cow_extents *ext, struct inode *inode, u64 size)
{
	size_t bytes = PAGE_ALIGN(FIEMAP_BATCH * sizeof(struct fiemap_extent));
	unsigned long scratch;
	int ret = 0;

	*ext = (struct cow_extents){};
	if (!inode->i_op->fiemap)
		return -EOPNOTSUPP;
	scratch = vm_mmap(NULL, 0, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(scratch))
		return (int)scratch;
	while (!ret && extents_end(ext) < size) {
		ret = extents_read_batch(ext, inode, size, (void __user *)scratch);
		if (!ret && extents_end(ext) < size && fatal_signal_pending(current))
			ret = -EINTR;
	}
	vm_munmap(scratch, bytes);
	if (ret)
		cow_extents_free(ext);
	return ret;
}

u64 cow_extents_map(const struct cow_extents *ext, u64 pos, u64 *len)
{
	const struct cow_extent *list, *e;
	unsigned int lo = 0, hi;
	u64 disk, end;

	rcu_read_lock();
	/* The number, then the list: pairs with cow_extents_replace(). */
	hi = smp_load_acquire(&ext->nr);
	list = READ_ONCE(ext->list);

	while (hi - lo > 1) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (list[mid].logical <= pos)
			lo = mid;
		else
			hi = mid;
	}
	e = &list[lo];
	end = e->logical + e->length;
	*len = pos < end ? min(*len, end - pos) : 0;
	disk = e->physical + (pos - e->logical);
	rcu_read_unlock();
	return disk;
}

void cow_extents_cut(struct cow_extents *ext, u64 size)
{
	struct cow_extent *last;

	while (ext->nr && ext->list[ext->nr - 1].logical >= size)
		ext->nr--;
	if (!ext->nr)
		return;
	last = &ext->list[ext->nr - 1];
	last->length = min(last->length, size - last->logical);
}

u32 cow_extents_crc(const struct cow_extents *ext, u64 size)
{
	const struct cow_extent *list;
	unsigned int i, nr;
	u32 crc = ~0u;

	rcu_read_lock();
	nr = smp_load_acquire(&ext->nr); /* as in cow_extents_map() */
	list = READ_ONCE(ext->list);
	for (i = 0; i < nr && list[i].logical < size; i++) {
		const struct cow_extent *e = &list[i];
		__le64 place[] = {
			cpu_to_le64(e->logical),
			cpu_to_le64(e->physical),
			cpu_to_le64(min(e->length, size - e->logical)),
		};

		crc = crc32_le(crc, (const void *)place, sizeof(place));
	}
	rcu_read_unlock();
	return crc;
}

void cow_extents_await_old(const struct cow_extents *ext, struct super_block *sb, u64 first)
{
	u32 size = block_size(sb->s_bdev);
	unsigned int i;

	for (i = 0; i < ext->nr; i++) {
		const struct cow_extent *e = &ext->list[i];
		u64 skip = first > e->logical ? first - e->logical : 0;

		if (skip < e->length)
			clean_bdev_aliases(sb->s_bdev, (e->physical + skip) / size,
					   DIV_ROUND_UP_ULL(e->length - skip, size));
	}
}

bool cow_extents_overlap(const struct cow_extents *ext, u64 pos, u64 len)
{
	const struct cow_extent *list;
	unsigned int i, nr;
	bool ret = false;

	rcu_read_lock();
	nr = smp_load_acquire(&ext->nr); /* as in cow_extents_map() */
	list = READ_ONCE(ext->list);
	for (i = 0; i < nr && !ret; i++)
		ret = list[i].physical < pos + len && list[i].physical + list[i].length > pos;
	rcu_read_unlock();
	return ret;
}

#define RAW_VECS 32u

/* One bio from byte @skip of the buffers on; what it did, in bytes, or an error. */
static int raw_io_once(const struct cow_extents *ext, struct block_device *bdev, blk_opf_t opf,
		       u64 pos, void *const *bufs, u64 skip, u64 end)
{
	u64 len = min(end - skip, (u64)(RAW_VECS - 1) << COW_BLOCK_SHIFT);
	u64 disk = cow_extents_map(ext, pos + skip, &len), done = 0;
	struct bio_vec vecs[RAW_VECS];
	struct bio bio;
	int ret;

	dbd_bio_init(&bio, bdev, vecs, RAW_VECS, opf | REQ_SYNC | REQ_IDLE);
	bio.bi_iter.bi_sector = disk >> SECTOR_SHIFT;
	dbd_bio_hide(&bio);
	while (done < len) {
		void *buf = bufs[(skip + done) >> COW_BLOCK_SHIFT];
		unsigned int off = (skip + done) & (COW_BLOCK_SIZE - 1);
		unsigned int n = min_t(u64, len - done, COW_BLOCK_SIZE - off);

		if (bio_add_page(&bio, virt_to_page(buf), n, offset_in_page(buf) + off) != n)
			break;
		done += n;
	}
	ret = done ? submit_bio_wait(&bio) : -EIO;
	bio_uninit(&bio);
	return ret ?: (int)done;
}

int cow_raw_io(const struct cow_extents *ext, struct block_device *bdev, blk_opf_t opf, u64 pos,
	       void *const *bufs, unsigned int nr)
{
	u64 end = (u64)nr << COW_BLOCK_SHIFT, done = 0;

	while (done < end) {
		int n = raw_io_once(ext, bdev, opf, pos, bufs, done, end);

		if (n < 0)
			return n;
		done += n;
	}
	return 0;
}

int cow_raw_read(struct block_device *bdev, u64 pos, struct page *page, unsigned int len)
{
	struct bio_vec vec;
	struct bio bio;
	int ret;

	dbd_bio_init(&bio, bdev, &vec, 1, REQ_OP_READ);
	bio.bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	ret = bio_add_page(&bio, page, len, 0) == len ? submit_bio_wait(&bio) : -EIO;
	bio_uninit(&bio);
	return ret;
}

/* A short write is one whose end met an error: the next one tells which. */
int cow_file_write(struct file *file, const void *buf, size_t len, loff_t pos)
{
	ssize_t n;

	for (; len; buf += n, len -= n) {
		n = kernel_write(file, buf, len, &pos);
		if (n <= 0)
			return n ? (int)n : -EIO;
	}
	return 0;
}

/* A nonce, so that what an earlier file left on the disk does not pass. */
static void make_stamp(u64 *stamp, unsigned int len, u64 nonce, unsigned int extent)
{
	unsigned int i;

	for (i = 0; i < len / sizeof(*stamp); i++)
		stamp[i] = nonce + ((u64)extent << 16) + i;
}

int cow_extents_verify(const struct cow_extents *ext, struct file *file,
		       struct block_device *bdev, u64 clear_below)
{
	unsigned int len = bdev_logical_block_size(bdev);
	struct page *page = alloc_page(GFP_KERNEL);
	void *stamp = kmalloc(PAGE_SIZE, GFP_KERNEL);
	u64 nonce = get_random_u64();
	unsigned int i;
	int ret = -ENOMEM;

	if (!page || !stamp)
		goto out;
	ret = len <= PAGE_SIZE ? 0 : -EOPNOTSUPP;
	/*
	 * The journal would put old contents over ours after a crash. Where the kernel does not
	 * tell, stamps give it away: there fsync leaves them in the journal.
	 */
	if (dbd_file_without_dio(file)) {
		dbd_err("the file system of %pg journals or encrypts what is in the COW file, or keeps it elsewhere: it cannot hold one",
			bdev);
		ret = -EOPNOTSUPP;
	}
	for (i = 0; !ret && i < ext->nr; i++) {
		make_stamp(stamp, len, nonce, i);
		ret = cow_file_write(file, stamp, len, ext->list[i].logical);
	}
	if (!ret)
		ret = vfs_fsync(file, 0);
	for (i = 0; !ret && i < ext->nr; i++) {
		make_stamp(stamp, len, nonce, i);
		ret = cow_raw_read(bdev, ext->list[i].physical, page, len);
		if (!ret && memcmp(page_address(page), stamp, len)) {
			dbd_err("the COW file's byte %llu is not at byte %llu of %pg: its file system cannot hold a COW file",
				ext->list[i].logical, ext->list[i].physical, bdev);
			ret = -EOPNOTSUPP;
		}
	}
	memset(stamp, 0, len);
	for (i = 0; !ret && i < ext->nr && ext->list[i].logical < clear_below; i++)
		ret = cow_file_write(file, stamp, len, ext->list[i].logical);
	if (!ret)
		ret = vfs_fsync(file, 0);
out:
	kfree(stamp);
	if (page)
		__free_page(page);
	return ret;
}
