// SPDX-License-Identifier: MIT
/*
 * One window of pieces: reading what enters it is begun, many at a time in the
 * order and depth the device likes; what leaves it is written. So one thread
 * keeps the device busy. Reading past the page cache costs least, see ring.h.
 * Where that is not to be had, and for the image that is compared, the kernel
 * is told to read ahead into the page cache.
 *
 * Where the pages are in memory already, both are a waste: a read that may not
 * wait tells. Then a second thread reads, see reader.h. On newer kernels that
 * look brings in what it looks for, so this is given back, and it is not done at
 * every refill.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "reader.h"
#include "ring.h"
#include "scan.h"

#define PIECE_BYTES ((size_t)DBD_PIECE_BLOCKS * DBD_BLOCK)
#define WINDOW_PIECES 1024u
/* So many pieces are read past the page cache before it is looked at again. */
#define LOOK_PIECES 1024u
#define WINDOW_BYTES (16u << 20)
/* Longest sleep for the rate limit, in ns: so soon a stop is seen. */
#define NAP 50000000

enum ahead {
	/* Read when its turn comes. */
	AHEAD_NOT,
	AHEAD_ANNOUNCED,
	AHEAD_RING,
	AHEAD_THREAD,
};

struct window_piece {
	struct dbd_piece piece;
	enum ahead ahead;
};

struct dbd_copy {
	struct dbd_copy_options options;
	int maps[DBD_MAX_MAPS];
	struct dbd_block_run *ignored;
	struct dbd_scan scan;
	bool scan_ended;

	/* The window, a ring. */
	struct window_piece window[WINDOW_PIECES];
	unsigned int head, count;
	uint64_t window_bytes, max_window_bytes;
	enum ahead ahead;	/* of what enters it now */
	unsigned int unseen;	/* pieces since the page cache was looked at */
	struct dbd_ring *ring;	/* NULL: not open */
	bool no_ring;		/* it cannot be had, or is of no use */
	struct dbd_reader *reader;	/* NULL: not open */
	bool no_reader;		/* it cannot be had */
	uint64_t forgotten;	/* blocks whose pages were given back */
	struct dbd_piece looked_at;	/* count 0: its page was given back */

	unsigned char *buffer, *other;
	uint64_t last_end;	/* block after the last piece; to count runs */
	uint64_t rate_start, rate_bytes;	/* ns, and bytes since */
	uint64_t paused_at;	/* ns; 0: not yet */

	struct dbd_fault faults[DBD_MAX_FAULTS];
	unsigned int nr_faults;
	uint64_t faulty_blocks;

	atomic_bool stop;
	/* Written by the running thread alone. */
	_Atomic uint64_t position, blocks, bytes, zero_bytes, runs;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * UINT64_C(1000000000) + time.tv_nsec;
}

static void add(_Atomic uint64_t *counter, uint64_t number)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + number, memory_order_relaxed);
}

struct dbd_copy *dbd_copy_new(const struct dbd_copy_options *options)
{
	uint64_t blocks = (options->device_bytes + DBD_BLOCK - 1) / DBD_BLOCK;
	struct dbd_copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->options = *options;
	memcpy(copy->maps, options->maps, options->nr_maps * sizeof(int));
	copy->options.maps = copy->maps;
	copy->buffer = aligned_alloc(DBD_BLOCK, PIECE_BYTES);
	if (options->mode == DBD_VERIFY)
		copy->other = aligned_alloc(DBD_BLOCK, PIECE_BYTES);
	copy->ignored = malloc((options->nr_ignored + 1) * sizeof(*copy->ignored));
	if (copy->ignored && options->nr_ignored)
		memcpy(copy->ignored, options->ignored,
		       options->nr_ignored * sizeof(*copy->ignored));
	copy->max_window_bytes = WINDOW_BYTES;
	copy->last_end = UINT64_MAX;
	copy->position = options->first_block;
	copy->forgotten = options->first_block;
	if (dbd_scan_init(&copy->scan, copy->maps, options->nr_maps, blocks,
			  options->first_block, options->all_from) ||
	    !copy->buffer || !copy->ignored || (options->mode == DBD_VERIFY && !copy->other)) {
		dbd_copy_free(copy);
		return NULL;
	}
	if (options->bytes_per_second) {
		/* Pieces of a quarter of a second, so that the rate is even. */
		uint64_t piece = options->bytes_per_second / 4 / DBD_BLOCK;

		if (piece < DBD_PIECE_BLOCKS)
			copy->scan.max_piece = piece ? piece : 1;
		/* What is read ahead counts against nobody's rate but once. */
		if (options->bytes_per_second / 2 < WINDOW_BYTES)
			copy->max_window_bytes = options->bytes_per_second / 2;
	}
	return copy;
}

void dbd_copy_free(struct dbd_copy *copy)
{
	if (!copy)
		return;
	dbd_scan_free(&copy->scan);
	free(copy->buffer);
	free(copy->other);
	free(copy->ignored);
	free(copy);
}

void dbd_copy_stop(struct dbd_copy *copy)
{
	atomic_store(&copy->stop, true);
}

struct dbd_copy_progress dbd_copy_progress(const struct dbd_copy *copy)
{
	return (struct dbd_copy_progress){
		.position = atomic_load(&copy->position),
		.blocks = atomic_load(&copy->blocks),
		.bytes = atomic_load(&copy->bytes),
		.zero_bytes = atomic_load(&copy->zero_bytes),
		.runs = atomic_load(&copy->runs),
	};
}

const struct dbd_fault *dbd_copy_faults(const struct dbd_copy *copy,
					unsigned int *count)
{
	*count = copy->nr_faults;
	return copy->faults;
}

/* Notes a fault, joined with the last one where it goes on. False: too many. */
static bool fault(struct dbd_copy *copy, enum dbd_fault_kind kind,
		  uint64_t offset, uint64_t length, int err)
{
	struct dbd_fault *last =
		copy->nr_faults ? &copy->faults[copy->nr_faults - 1] : NULL;

	if (copy->nr_faults == DBD_MAX_FAULTS)
		return false;
	copy->faulty_blocks += (length + DBD_BLOCK - 1) / DBD_BLOCK;
	if (last && last->kind == kind && last->err == err &&
	    last->offset + last->length == offset) {
		last->length += length;
	} else {
		copy->faults[copy->nr_faults++] = (struct dbd_fault){
			.kind = kind, .err = err, .offset = offset, .length = length,
		};
	}
	return copy->nr_faults < DBD_MAX_FAULTS &&
	       copy->faulty_blocks < DBD_MAX_FAULTY_BLOCKS;
}

/* Bytes read; fewer than asked for at an error or the end, *err says which. */
static size_t read_all(int fd, unsigned char *to, size_t length,
		       uint64_t offset, int *err)
{
	size_t done = 0;

	*err = 0;
	while (done < length) {
		ssize_t got = pread(fd, to + done, length - done, offset + done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			*err = got < 0 ? errno : 0;
			break;
		}
		done += got;
	}
	return done;
}

/* 0 or errno. */
static int write_all(int fd, const unsigned char *from, size_t length,
		     uint64_t offset)
{
	while (length > 0) {
		ssize_t put = pwrite(fd, from, length, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? errno : EIO;
		from += put;
		offset += put;
		length -= put;
	}
	return 0;
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
	/* Equal to itself, shifted by one, and beginning with 0. */
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* Length of the stretch at the beginning whose blocks are all zeros, or all not. */
static size_t stretch(const unsigned char *bytes, size_t length, bool *zero)
{
	size_t end = 0;

	while (end < length) {
		size_t block = length - end < DBD_BLOCK ? length - end : DBD_BLOCK;
		bool is = is_zero(bytes + end, block);

		if (end == 0)
			*zero = is;
		else if (is != *zero)
			break;
		end += block;
	}
	return end;
}

/* Makes a hole; 0 or errno. */
static int punch(int fd, uint64_t offset, size_t length)
{
	int result;

	do {
		result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   offset, length);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? errno : 0;
}

/* Zeros into the image without writing them. EOPNOTSUPP: they must be written. */
static int put_zeros(struct dbd_copy *copy, size_t length, uint64_t offset)
{
	int err = copy->options.zeros == DBD_ZEROS_PUNCH ?
		  punch(copy->options.to, offset, length) : 0;

	if (err == EOPNOTSUPP || err == ENOSYS) {
		copy->options.zeros = DBD_ZEROS_WRITE;
		return EOPNOTSUPP;
	}
	if (err == 0)
		add(&copy->zero_bytes, length);
	return err;
}

/* Brings blocks into the image; 0 or errno. */
static int put(struct dbd_copy *copy, const unsigned char *bytes, size_t length,
	       uint64_t offset)
{
	while (length > 0) {
		bool zero = false;
		size_t part = length;
		int err;

		if (copy->options.zeros != DBD_ZEROS_WRITE)
			part = stretch(bytes, length, &zero);
		err = zero ? put_zeros(copy, part, offset) : EOPNOTSUPP;
		if (err == EOPNOTSUPP)
			err = write_all(copy->options.to, bytes, part, offset);
		if (err)
			return err;
		bytes += part;
		offset += part;
		length -= part;
	}
	return 0;
}

/*
 * A piece that failed, block by block: what can be copied is. Other errors of
 * writing than EIO (no space, read-only) would come again at the next block.
 */
static bool salvage(struct dbd_copy *copy, uint64_t offset, size_t length)
{
	for (size_t done = 0; done < length; done += DBD_BLOCK) {
		size_t block = length - done < DBD_BLOCK ? length - done : DBD_BLOCK;
		uint64_t at = offset + done;
		int err;

		if (atomic_load_explicit(&copy->stop, memory_order_relaxed))
			return false;
		if (read_all(copy->options.from, copy->buffer, block, at, &err) <
		    block) {
			if (!fault(copy, DBD_FAULT_READ, at, block, err))
				return false;
			continue;
		}
		err = put(copy, copy->buffer, block, at);
		if (err && (!fault(copy, DBD_FAULT_WRITE, at, block, err) ||
			    err != EIO))
			return false;
	}
	return true;
}

/* The snapshot's bytes of the window's first piece; NULL: not all can be read. */
static const unsigned char *take(struct dbd_copy *copy, uint64_t offset,
				 size_t length)
{
	const unsigned char *bytes = NULL;
	enum ahead ahead = copy->window[copy->head].ahead;
	int err;

	if (ahead == AHEAD_RING)
		bytes = dbd_ring_end(copy->ring);
	if (ahead == AHEAD_THREAD)
		bytes = dbd_reader_end(copy->reader);
	if (!bytes &&
	    read_all(copy->options.from, copy->buffer, length, offset, &err) ==
	    length) {
		bytes = copy->buffer;
		copy->no_ring |= ahead == AHEAD_RING;
	}
	return bytes;
}

static bool copy_piece(struct dbd_copy *copy, uint64_t offset, size_t length)
{
	const unsigned char *bytes = take(copy, offset, length);
	int err;

	if (!bytes)
		return salvage(copy, offset, length);
	err = put(copy, bytes, length, offset);
	if (err == EIO)
		return salvage(copy, offset, length);
	if (err) {
		fault(copy, DBD_FAULT_WRITE, offset, length, err);
		return false;
	}
	return true;
}

static bool is_ignored(const struct dbd_copy *copy, uint64_t block)
{
	unsigned int low = 0, high = copy->options.nr_ignored;

	/* The first run that ends after the block. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (copy->ignored[middle].start + copy->ignored[middle].count <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low < copy->options.nr_ignored && copy->ignored[low].start <= block;
}

static bool compare_piece(struct dbd_copy *copy, uint64_t offset, size_t length)
{
	int from_err, to_err;
	const unsigned char *bytes = take(copy, offset, length);
	size_t from, to = read_all(copy->options.to, copy->other, length, offset,
				   &to_err);

	if (bytes && to == length && memcmp(bytes, copy->other, length) == 0)
		return true;
	for (size_t done = 0; done < length; done += DBD_BLOCK) {
		size_t block = length - done < DBD_BLOCK ? length - done : DBD_BLOCK;
		uint64_t at = offset + done;
		bool same;

		if (is_ignored(copy, at / DBD_BLOCK))
			continue;
		from = read_all(copy->options.from, copy->buffer, block, at,
				&from_err);
		to = read_all(copy->options.to, copy->other, block, at, &to_err);
		same = from == block && to == block &&
		       memcmp(copy->buffer, copy->other, block) == 0;
		/* The image's own read error is a difference with an errno. */
		if (from < block ?
		    !fault(copy, DBD_FAULT_READ, at, block, from_err) :
		    !same && !fault(copy, DBD_FAULT_DIFFERS, at, block,
				    to < block ? to_err : 0))
			return false;
	}
	return true;
}

/* Whether the beginning of a piece is in memory already. */
static bool is_cached(struct dbd_copy *copy, const struct dbd_piece *piece)
{
	struct iovec vector = { copy->buffer, 512 };

	return preadv2(copy->options.from, &vector, 1, piece->start * DBD_BLOCK,
		       RWF_NOWAIT) > 0;
}

/* Gives the pages back that were brought in here, and used: the machine has other work. */
static void forget_copied(struct dbd_copy *copy)
{
	uint64_t position = copy->position;
	struct dbd_piece *piece = &copy->looked_at;

	if (copy->ahead == AHEAD_ANNOUNCED && position > copy->forgotten)
		posix_fadvise(copy->options.from, copy->forgotten * DBD_BLOCK,
			      (position - copy->forgotten) * DBD_BLOCK,
			      POSIX_FADV_DONTNEED);
	copy->forgotten = position;
	if (copy->ahead == AHEAD_RING && piece->count && piece->start < position) {
		posix_fadvise(copy->options.from, piece->start * DBD_BLOCK,
			      (off_t)piece->count * DBD_BLOCK, POSIX_FADV_DONTNEED);
		piece->count = 0;
	}
}

static bool has_reader(struct dbd_copy *copy)
{
	if (!copy->reader && !copy->no_reader) {
		copy->reader = dbd_reader_open(copy->options.from);
		copy->no_reader = !copy->reader;
	}
	return copy->reader;
}

/* How what is about to enter the window is best read. */
static enum ahead choose_ahead(struct dbd_copy *copy,
			       const struct dbd_piece *piece)
{
	if (copy->ahead == AHEAD_RING && !copy->no_ring &&
	    copy->unseen < LOOK_PIECES)
		return AHEAD_RING;
	copy->unseen = 0;
	if (is_cached(copy, piece))
		return has_reader(copy) ? AHEAD_THREAD : AHEAD_NOT;
	copy->looked_at = *piece;
	if (!copy->ring && !copy->no_ring) {
		copy->ring = dbd_ring_open(copy->options.from);
		copy->no_ring = !copy->ring;
	}
	return copy->no_ring ? AHEAD_ANNOUNCED : AHEAD_RING;
}

static void announce(int fd, uint64_t offset, uint64_t length)
{
	posix_fadvise(fd, offset, length, POSIX_FADV_WILLNEED);
}

/* Bytes of the device, whose last block may be partial. */
static uint64_t piece_bytes(const struct dbd_copy *copy,
			    const struct dbd_piece *piece)
{
	uint64_t left = copy->options.device_bytes - piece->start * DBD_BLOCK;
	uint64_t length = (uint64_t)piece->count * DBD_BLOCK;

	return length < left ? length : left;
}

/* Whether so many bytes more can be read the way that was chosen. */
static bool has_room(const struct dbd_copy *copy, uint64_t length)
{
	if (copy->ahead == AHEAD_RING)
		return dbd_ring_has_room(copy->ring, length);
	return copy->ahead != AHEAD_THREAD ||
	       dbd_reader_has_room(copy->reader, length);
}

/* Begins to read a piece that enters the window. */
static void begin(struct dbd_copy *copy, struct window_piece *entry)
{
	uint64_t offset = entry->piece.start * DBD_BLOCK;
	uint64_t length = piece_bytes(copy, &entry->piece);

	entry->ahead = has_room(copy, length) ? copy->ahead : AHEAD_NOT;
	if (entry->ahead == AHEAD_RING)
		dbd_ring_begin(copy->ring, length, offset);
	if (entry->ahead == AHEAD_THREAD)
		dbd_reader_begin(copy->reader, length, offset);
	if (entry->ahead == AHEAD_ANNOUNCED)
		announce(copy->options.from, offset, length);
	if (copy->options.mode == DBD_VERIFY &&
	    (copy->ahead == AHEAD_ANNOUNCED || copy->ahead == AHEAD_RING))
		announce(copy->options.to, offset, length);
}

/* So that another way is soon taken where the first does not fit any more. */
static unsigned int max_pieces(const struct dbd_copy *copy)
{
	return copy->ahead == AHEAD_ANNOUNCED ? WINDOW_PIECES : DBD_RING_READS;
}

static uint64_t max_bytes(const struct dbd_copy *copy)
{
	return copy->ahead == AHEAD_THREAD && copy->max_window_bytes > DBD_READER_BYTES ?
	       DBD_READER_BYTES : copy->max_window_bytes;
}

static bool window_has_room(const struct dbd_copy *copy)
{
	if (copy->count == 0)
		return true;
	return copy->count < max_pieces(copy) &&
	       copy->window_bytes < max_bytes(copy) && has_room(copy, PIECE_BYTES);
}

/* Fills the window when it is half empty. False: a map cannot be read. */
static bool refill(struct dbd_copy *copy)
{
	bool first = true;

	if (copy->count > max_pieces(copy) / 2 ||
	    copy->window_bytes > max_bytes(copy) / 2)
		return true;
	forget_copied(copy);
	while (!copy->scan_ended && window_has_room(copy)) {
		struct window_piece *entry =
			&copy->window[(copy->head + copy->count) % WINDOW_PIECES];
		struct dbd_piece *piece = &entry->piece;
		int more = dbd_scan_next(&copy->scan, piece);

		if (more < 0) {
			fault(copy, DBD_FAULT_MAP, copy->scan.failed_offset, 0,
			      copy->scan.err);
			copy->faults[copy->nr_faults - 1].map =
				copy->scan.failed_map;
			return false;
		}
		if (more == 0) {
			copy->scan_ended = true;
			break;
		}
		if (first)
			copy->ahead = choose_ahead(copy, piece);
		first = false;
		copy->count++;
		copy->unseen++;
		copy->window_bytes += (uint64_t)piece->count * DBD_BLOCK;
		begin(copy, entry);
	}
	if (copy->ring)
		dbd_ring_submit(copy->ring);
	if (copy->reader)
		dbd_reader_submit(copy->reader);
	return true;
}

/* What was begun and not taken is read when its turn comes. */
static void end_reads(struct dbd_copy *copy)
{
	dbd_ring_close(copy->ring);
	copy->ring = NULL;
	dbd_reader_close(copy->reader);
	copy->reader = NULL;
	for (unsigned int i = 0; i < copy->count; i++)
		copy->window[(copy->head + i) % WINDOW_PIECES].ahead = AHEAD_NOT;
	copy->ahead = AHEAD_NOT;
}

/* Waits until so many more bytes fit the rate. False: stopped. */
static bool wait_for_rate(struct dbd_copy *copy, size_t bytes)
{
	uint64_t rate = copy->options.bytes_per_second;
	uint64_t due;

	if (!rate)
		return true;
	/* In double: bytes * 10^9 leaves 64 bits after 18 GB. */
	due = copy->rate_start +
	      (uint64_t)((double)copy->rate_bytes * 1e9 / (double)rate);
	copy->rate_bytes += bytes;
	for (;;) {
		uint64_t time = now();
		struct timespec nap = { 0, NAP };

		if (atomic_load(&copy->stop))
			return false;
		if (time >= due)
			return true;
		if (due - time < NAP)
			nap.tv_nsec = due - time;
		nanosleep(&nap, NULL);
	}
}

/* Deals with the window's first piece. False: stopped or failed. */
static bool step(struct dbd_copy *copy)
{
	struct dbd_piece piece = copy->window[copy->head].piece;
	uint64_t offset = piece.start * DBD_BLOCK;
	uint64_t length = piece_bytes(copy, &piece);
	uint64_t end = piece.start + piece.count;

	if (!wait_for_rate(copy, length))
		return false;
	if (copy->options.mode == DBD_COPY ?
	    !copy_piece(copy, offset, length) :
	    !compare_piece(copy, offset, length))
		return false;
	copy->head = (copy->head + 1) % WINDOW_PIECES;
	copy->count--;
	copy->window_bytes -= (uint64_t)piece.count * DBD_BLOCK;
	add(&copy->blocks, piece.count);
	add(&copy->bytes, length);
	add(&copy->runs, piece.start != copy->last_end);
	copy->last_end = end;
	atomic_store_explicit(&copy->position, end, memory_order_relaxed);
	return true;
}

static enum dbd_end count(struct dbd_copy *copy)
{
	struct dbd_piece piece;
	int more;

	while ((more = dbd_scan_next(&copy->scan, &piece)) > 0) {
		uint64_t end = piece.start + piece.count;

		if (atomic_load_explicit(&copy->stop, memory_order_relaxed))
			return DBD_STOPPED;
		add(&copy->blocks, piece.count);
		add(&copy->bytes, piece_bytes(copy, &piece));
		add(&copy->runs, piece.start != copy->last_end);
		copy->last_end = end;
	}
	if (more == 0)
		return DBD_DONE;
	fault(copy, DBD_FAULT_MAP, copy->scan.failed_offset, 0, copy->scan.err);
	copy->faults[copy->nr_faults - 1].map = copy->scan.failed_map;
	return DBD_FAILED;
}

static enum dbd_end run(struct dbd_copy *copy, uint32_t milliseconds)
{
	uint64_t start = now();
	uint64_t end = start + milliseconds * UINT64_C(1000000);

	/* What a pause took is not made up for. */
	copy->rate_start += start - copy->paused_at;
	for (;;) {
		if (atomic_load(&copy->stop))
			return DBD_STOPPED;
		if (!refill(copy))
			return DBD_FAILED;
		if (copy->count == 0)
			return DBD_DONE;
		if (!step(copy))
			return atomic_load(&copy->stop) ? DBD_STOPPED : DBD_FAILED;
		if (milliseconds && now() >= end) {
			copy->paused_at = now();
			return DBD_PAUSED;
		}
	}
}

enum dbd_end dbd_copy_run(struct dbd_copy *copy, uint32_t milliseconds)
{
	enum dbd_end end;

	if (copy->options.mode == DBD_COUNT)
		return count(copy);
	end = run(copy, milliseconds);
	/* So that nothing is under way, and the snapshot not held, without its caller. */
	end_reads(copy);
	return end;
}

int dbd_lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
}

void dbd_forget(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
