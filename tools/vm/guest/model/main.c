// SPDX-License-Identifier: MIT
/*
 * The model check of the data path: writers (writers.c) that know what they wrote, in every way there is
 * of writing, while this goes through snapshots, reads them, makes the device incremental and takes the
 * next one, lets the COW file grow or overflow, unmounts and mounts. For each snapshot:
 *
 *   - each writer's sectors are what its first n operations leave, all those that had ended before the
 *     call and none that began after it, and there is one instant for all writers (shadow.c); with the
 *     writers paused there is one right answer for each sector
 *   - no sector ever changes while the snapshot is kept, read whole, in pieces, and as a mounted file system
 *   - each block that differs from the last snapshot is in the maps between the two
 *   - the image that update-img brings up to date with these maps equals the snapshot, and so do its files
 *
 * Left out of the last three, but not of the files, are blocks of the COW files, which the driver writes
 * itself. In a run of a hundred seconds or more nothing of this may be missing.
 *
 *   model -d DEVICE -m MOUNT_POINT -f ext4|xfs -r RAW_OFFSET -i IMAGE -t SECONDS -s SEED
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>
#include "blocks.h"
#include "ctl.h"
#include "model.h"
#include "noise.h"
#include "snapshot.h"
#include "writers.h"

#define COW_MIB 96
#define SMALL_COW_MIB 12
#define RESERVED_MIB 32 /* what the COW file's growth leaves to the writers */
#define MAX_CHAIN 4
#define LEAST 4 /* snapshots, however long they take */
#define LONG 100 /* seconds */

struct config config;
static uint64_t counts[NR_COUNTS];
static const char *const count_names[NR_COUNTS] = {
	"blocks compared", "sectors verified", "files verified", "snapshots", "snapshots with writers paused",
	"cycles", "images compared", "images mounted", "overflows", "forced transitions", "growths", "random reads", "ioctls",
	"remounts", "freezes", "writes", "sectors written", "zeroings", "discards",
};
static struct rng rng;
static uint64_t start;
static int small_blocks; /* of the file system */

/* The series of snapshots. Those that were lost before they were read leave a gap that their maps span. */
static struct {
	unsigned int k; /* number of the snapshot that is kept, or was last */
	char uuid[16];
	uint64_t seqid;
	uint64_t *hash, *last; /* of this snapshot, and of the last that was read */
	int have_last;
	set changed; /* since that one */
	set own; /* of any COW file since then */
	set cow; /* of the present one, as large as it ever was */
	set loose; /* where the image may differ */
	set gone; /* was loose, or a COW file's, when the last snapshot ended */
	unsigned int image; /* number of the snapshot that the image is, or 0 */
	unsigned int first_cow; /* the oldest COW file that is still there */
} series;

void die(const char *fmt, ...)
{
	va_list ap;

	printf("FAILED model: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	noise_thaw();
	_exit(1);
}

void say(const char *fmt, ...)
{
	va_list ap;

	printf("%7.1f ", (double)(now_ns() - start) / 1e9);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t rng_size(struct rng *r, uint64_t max)
{
	unsigned int bits = 63 - (unsigned int)__builtin_clzll(max);
	uint64_t most = 1ULL << rng_below(r, bits + 1);

	return 1 + rng_below(r, most);
}

void count(enum count what, uint64_t n)
{
	__atomic_fetch_add(&counts[what], n, __ATOMIC_RELAXED);
}

static void pause_ms(uint64_t ms)
{
	usleep((useconds_t)ms * 1000);
}

static const char *cow_path(unsigned int k)
{
	static char path[2][4096];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/cow%u", config.mount, k);
	return path[which];
}

static void expect(int ret, const char *what)
{
	if (ret)
		die("%s: %s", what, strerror(-ret));
}

/* Nothing but a full COW file is a reason to lose a snapshot. */
static int overflowed(void)
{
	struct dattobd_info info = ctl_info();

	if (info.error && info.error != -EFBIG)
		die("the snapshot failed: error %d", info.error);
	return info.error != 0;
}

static void lost_unless(int ret, int *lost, const char *what)
{
	if (!ret || *lost)
		return;
	if (!overflowed())
		die("%s, and the snapshot has not failed", what);
	*lost = 1;
}

/* What is chosen next follows from the seed, however many choices the time left room for before. */
static void choices_of(unsigned int step)
{
	rng.state = (config.seed << 24) + step;
	random_next(&rng.state);
}

static void take(int quiet, uint64_t mib, int new_series)
{
	const char *cow = cow_path(++series.k);
	struct dattobd_info info;

	if (quiet)
		writers_pause(FILES | RAW);
	noise_hold();
	writers_open();
	expect(new_series ? ctl_setup(cow, mib, chance(&rng, 30) ? 65536 : 0) : ctl_trans_snap(cow, mib), cow);
	writers_close();
	noise_release();
	info = ctl_info();
	if (info.state != 3)
		die("state %lu after a snapshot", info.state);
	if (new_series) {
		memcpy(series.uuid, info.uuid, 16);
		series.seqid = 0;
		series.have_last = 0;
		series.image = 0;
		series.first_cow = series.k;
		set_clear(series.loose);
		set_clear(series.gone);
	}
	if (memcmp(series.uuid, info.uuid, 16) || info.seqid != ++series.seqid)
		die("uuid or seqid %llu, expected %" PRIu64, info.seqid, series.seqid);
	count(SNAPSHOTS, 1);
	count(EXACT_SNAPSHOTS, quiet);
}

/* The map between the last snapshot and this one, now that its file is finished. */
static void join_map(void)
{
	set changed = set_new();

	add_changed(changed, cow_path(series.k - 1), series.uuid, series.seqid - 1);
	set_add(series.changed, changed);
	for (uint64_t b = 0; b < nr_blocks; b++)
		series.gone[b] = series.gone[b] && !changed[b];
	free(changed);
	count(CYCLES, 1);
}

/* What the COW file occupies now. */
static void note_cow(void)
{
	add_extents(series.cow, cow_path(series.k));
	set_add(series.own, series.cow);
	memcpy(series.loose, series.gone, nr_blocks);
	set_add(series.loose, series.cow);
}

static void compare_with_last(void)
{
	uint64_t differ = 0, wrong = 0;

	for (uint64_t b = 0; b < nr_blocks; b++) {
		uint64_t first = b * SECTORS_A_BLOCK, n = nr_sectors - first;

		if (!memcmp(series.last + first, series.hash + first, (n < SECTORS_A_BLOCK ? n : SECTORS_A_BLOCK) * 8))
			continue;
		differ++;
		if (!series.changed[b] && !series.own[b] && wrong++ < 20)
			printf("block %" PRIu64 " differs from the last snapshot and is not in the map\n", b);
	}
	if (wrong)
		die("%" PRIu64 " of %" PRIu64 " blocks that differ are not in the map", wrong, differ);
	count(BLOCKS_COMPARED, nr_blocks);
}

static void finish_image(int lost)
{
	/* A copy that was cut short is none. */
	series.image = lost ? 0 : series.k;
	if (lost)
		return;
	note_cow();
	image_check(series.hash, series.loose);
	image_files();
	while (series.first_cow < series.k)
		unlink(cow_path(series.first_cow++));
}

static void update_image(int *lost)
{
	char command[3 * 4096];
	int n = snprintf(command, sizeof(command), "update-img --verify /dev/datto%u", config.minor), status;

	for (unsigned int k = series.image; k < series.k; k++)
		n += snprintf(command + n, sizeof(command) - (size_t)n, " %s", cow_path(k));
	snprintf(command + n, sizeof(command) - (size_t)n, " %s", config.image);
	say("%s", command);
	status = system(command);
	lost_unless(status, lost, "update-img failed");
	if (status) {
		unlink(config.image);
		snprintf(command, sizeof(command), "rm -f %s.*", config.image);
		if (system(command))
			die("%s", command);
	}
	finish_image(*lost);
}

/* Reads the new snapshot for the first time and judges it. Returns whether it was lost before. */
static int judge(int quiet)
{
	struct instant t = { 0, UINT64_MAX, "", "" };
	int image = -1, lost = 0;

	if (!series.image) {
		image = open(config.image, O_RDWR | O_CREAT | O_TRUNC, 0644);
		if (image < 0)
			die("%s: %s", config.image, strerror(errno));
	}
	note_cow();
	lost_unless(snapshot_read(series.hash, image), &lost, "the snapshot cannot be read");
	if (!lost) {
		writers_check_raw(&t);
		lost_unless(snapshot_files(&t), &lost, "the snapshot's files cannot be read");
	}
	if (quiet)
		writers_resume();
	if (image >= 0) {
		close(image);
		finish_image(lost);
	}
	if (lost)
		return 1;
	if (t.after > t.before)
		die("%s shows a write that began %" PRIu64 " ns after one had ended that %s does not show", t.after_name,
		    t.after - t.before, t.before_name);
	note_cow();
	if (series.have_last) {
		compare_with_last();
		if (image < 0 && (series.k - series.image >= MAX_CHAIN || series.k == 2 || chance(&rng, 30)))
			update_image(&lost);
	}
	return lost;
}

static void make_known_as_last(void)
{
	uint64_t *hash = series.last;

	series.last = series.hash;
	series.hash = hash;
	series.have_last = 1;
	set_clear(series.changed);
	set_clear(series.own);
	note_cow();
}

static void grow(void)
{
	int ret;

	if (chance(&rng, 50))
		ret = ctl_auto_expand(chance(&rng, 80) ? 4 + rng_below(&rng, 12) : 0, RESERVED_MIB);
	else
		ret = ctl_expand(1 + rng_below(&rng, 8));
	if (ret == -EINVAL && overflowed())
		return;
	/* It is for whole blocks only. */
	if (ret == -EOPNOTSUPP && small_blocks)
		return;
	/* No room, or frozen. */
	if (ret && ret != -ENOSPC && ret != -EFBIG && ret != -EBUSY)
		die("growth: %s", strerror(-ret));
	count(GROWTHS, !ret);
}

/*
 * The file system is unmounted, and mounted again: the device is dormant meanwhile, sealed when it is quiet
 * for a second, while the raw area may be written.
 */
static void remount(int state)
{
	struct dattobd_info info;

	writers_pause(FILES);
	noise_leave();
	writers_leave_files();
	if (umount(config.mount))
		die("umount %s: %s", config.mount, strerror(errno));
	info = ctl_info();
	if (info.state != (unsigned long)state - 2)
		die("state %lu without a file system", info.state);
	if (chance(&rng, 50)) {
		writers_pause(RAW);
		pause_ms(1000 + rng_below(&rng, 1000));
	} else {
		pause_ms(rng_below(&rng, 2000));
	}
	if (mount(config.device, config.mount, config.fs, 0, ""))
		die("mount %s: %s", config.mount, strerror(errno));
	info = ctl_info();
	if (info.state != (unsigned long)state || (info.error && info.error != -EFBIG))
		die("state %lu, error %d when it is mounted again", info.state, info.error);
	writers_return_to_files();
	noise_return();
	writers_resume();
	count(REMOUNTS, 1);
}

/* The time that a snapshot is kept. */
static void keep(int *lost, int overflow)
{
	static const uint64_t caches[] = { 0, 65536, 1 << 20 };
	uint64_t end = now_ns() + (1 + rng_below(&rng, 4)) * 1000000000ULL;
	struct own own = { series.cow, cow_path(series.k) };

	while (!*lost && now_ns() < end) {
		lost_unless(snapshot_pieces(series.last, &own, &rng, 20), lost, "a piece cannot be read");
		if (!overflow && (chance(&rng, 20) || !counts[GROWTHS]))
			grow();
		if (!overflow && chance(&rng, 5))
			remount(3);
		if (chance(&rng, 20)) {
			int ret = ctl_reconfigure(caches[rng_below(&rng, 3)]);

			if (ret != -EINVAL || !overflowed())
				expect(ret, "reconfigure");
		}
	}
	if (!*lost && !overflow)
		lost_unless(snapshot_files(NULL), lost, "the files cannot be read again");
	if (!*lost && !overflow)
		lost_unless(snapshot_again(series.last, &own, chance(&rng, 20)), lost, "it cannot be read again");
	if (!overflow)
		return;
	for (int i = 0; i < 600 && !overflowed(); i++) {
		lost_unless(snapshot_pieces(series.last, &own, &rng, 5), lost, "a piece cannot be read");
		pause_ms(50);
	}
	if (!overflowed())
		say("no overflow in half a minute");
}

/* A frozen file system is a reason to refuse; it does not stay so. */
static int when_thawed(int (*call)(void))
{
	int ret = call();

	for (int i = 0; i < 500 && ret == -EBUSY; i++) {
		pause_ms(20);
		ret = call();
	}
	return ret;
}

static void forced(void)
{
	struct own own = { series.cow, cow_path(series.k) };

	count(OVERFLOWS, 1);
	if (!snapshot_pieces(series.last, &own, &rng, 1))
		die("a snapshot that overflowed can be read");
	pause_ms(rng_below(&rng, 1000));
	expect(when_thawed(ctl_force_inc), "the forced transition");
	count(FORCED, 1);
}

/* Ends the snapshot: incremental, or gone. Returns whether a new series is to begin. */
static int leave(void)
{
	int ret;

	choices_of(2 * series.k + 1);
	note_cow();
	/* For the next image: what is a COW file's now may be anything, until it is written. */
	set_add(series.gone, series.cow);
	set_clear(series.cow);
	if (series.k >= LEAST && chance(&rng, 12)) {
		expect(when_thawed(ctl_destroy), "destroy");
		while (series.first_cow < series.k)
			unlink(cow_path(series.first_cow++));
		return 1;
	}
	if (overflowed()) {
		forced();
		return 0;
	}
	ret = when_thawed(ctl_trans_inc);
	if (ret == -EFBIG || (ret == -EINVAL && overflowed()))
		forced();
	else
		expect(ret, "transition to incremental");
	return 0;
}

static void cycle(int new_series)
{
	int overflow, quiet, lost;
	uint64_t mib;

	choices_of(2 * series.k);
	/* The first ones are of each kind, however short the run. */
	overflow = series.k < LEAST ? series.k == 2 : chance(&rng, 20);
	quiet = chance(&rng, 35) || overflow || series.k == 0;
	mib = overflow ? SMALL_COW_MIB : COW_MIB - rng_below(&rng, COW_MIB / 4);
	take(quiet, mib, new_series);
	if (!new_series)
		join_map();
	say("snapshot %u, seqid %" PRIu64 ", COW file of %" PRIu64 " MiB%s%s", series.k, series.seqid, mib,
	    quiet ? ", writers paused" : "", overflow ? ", to overflow" : "");
	lost = judge(quiet);
	if (!lost) {
		make_known_as_last();
		keep(&lost, overflow);
	}
	if (lost)
		say("overflow");
}

static void allocate(void)
{
	struct statfs fs;

	snapshot_init();
	series.hash = calloc(nr_sectors, 8);
	series.last = calloc(nr_sectors, 8);
	series.changed = set_new();
	series.own = set_new();
	series.cow = set_new();
	series.loose = set_new();
	series.gone = set_new();
	if (!series.hash || !series.last)
		die("out of memory");
	if (statfs(config.mount, &fs))
		die("%s: %s", config.mount, strerror(errno));
	small_blocks = fs.f_bsize < BLOCK;
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "d:m:f:r:i:t:s:")) != -1) {
		switch (c) {
		case 'd': config.device = optarg; break;
		case 'm': config.mount = optarg; break;
		case 'f': config.fs = optarg; break;
		case 'i': config.image = optarg; break;
		case 'r': config.raw = strtoull(optarg, NULL, 10); break;
		case 't': config.seconds = strtoull(optarg, NULL, 10); break;
		case 's': config.seed = strtoull(optarg, NULL, 10); break;
		default: exit(2);
		}
	}
	if (!config.device || !config.mount || !config.fs || !config.image || !config.raw)
		die("usage: see the top of main.c");
}

/* What was never done was not checked. */
static void judge_counts(void)
{
	static const enum count needed[] = { OVERFLOWS, FORCED, IMAGES, IMAGES_MOUNTED, REMOUNTS, GROWTHS };

	for (unsigned int i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!counts[needed[i]] && !(needed[i] == GROWTHS && small_blocks))
			die("no %s in %" PRIu64 " seconds", count_names[needed[i]], config.seconds);
}

int main(int argc, char **argv)
{
	int new_series = 1;

	start = now_ns();
	options(argc, argv);
	rng.state = config.seed * 64 + 62;
	ctl_open();
	allocate();
	writers_start();
	noise_start();
	while (now_ns() - start < config.seconds * 1000000000ULL || series.k < LEAST) {
		cycle(new_series);
		new_series = leave();
		if (!new_series && (chance(&rng, 15) || series.k == 1))
			remount(2);
		if (!new_series)
			pause_ms(rng_below(&rng, 10) < 2 ? 0 : rng_below(&rng, 2000));
	}
	writers_stop();
	noise_stop();
	if (!new_series)
		expect(ctl_destroy(), "destroy");
	for (unsigned int i = 0; i < NR_COUNTS; i++)
		printf("stat %s: %" PRIu64 "\n", count_names[i], counts[i]);
	if (config.seconds >= LONG)
		judge_counts();
	return 0;
}
