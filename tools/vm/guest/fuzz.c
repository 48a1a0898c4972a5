// SPDX-License-Identifier: MIT
/*
 * Random and hostile calls of the driver, by several root threads and an unprivileged process at once.
 *
 *   fuzz [-v MODULE] -s SEED -t SECONDS -d DIRECTORY DEVICE MOUNT_POINT [DEVICE MOUNT_POINT]...
 *
 * -v: for races, calls that make sense, by processes that get signals, are killed and begun anew, and
 * open the control node for each call, so that the module, whose file is given, can go and come.
 * DIRECTORY is for what paths name that is no COW file: fifos, sockets, loops of links. What is asserted:
 * a call returns 0 or an errno that user space knows; the unprivileged get EPERM whatever they send;
 * no call writes to memory that is not its result's; /proc/datto-info can be read all the time;
 * in a long run each command is accepted now and then.
 * That nothing is left is for the case to see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "uapi/dattobd.h"
#include "random.h"

#define THREADS 3
#define RACERS 4
#define PAGE 4096
#define MIB (1 << 20)
#define MAX_PATHS 64
#define MAX_KNOWN_ERRNO 133 /* EHWPOISON */
#define LONG 100 /* seconds, after which each command must have been accepted */

struct origin {
	char *device, *mount;
};

/* What one caller has: its random numbers, and memory that ends where the next page is not mapped. */
struct caller {
	uint64_t rng;
	int tame; /* only what makes sense */
	int node; /* -1: opened for each call */
	char *page, *read_only;
	uint64_t calls, ok, by_errno[MAX_KNOWN_ERRNO + 1];
	uint64_t seen; /* bit i: command i of known[] was accepted at least once */
};

static const char *paths[MAX_PATHS];
static unsigned int nr_paths;
static struct origin origins[4];
static unsigned int nr_origins;
static char *endless; /* 1 MiB without a zero byte */
static time_t end;
static long seconds;

static const unsigned long known[] = {
	IOCTL_SETUP_SNAP, IOCTL_RELOAD_SNAP, IOCTL_RELOAD_INC, IOCTL_DESTROY, IOCTL_TRANSITION_INC,
	IOCTL_TRANSITION_SNAP, IOCTL_RECONFIGURE, IOCTL_DATTOBD_INFO, IOCTL_GET_FREE, IOCTL_EXPAND_COW_FILE,
	IOCTL_RECONFIGURE_AUTO_EXPAND, IOCTL_FORCE_TRANSITION_INC, IOCTL_SETUP_GROUP, IOCTL_FAILURE, IOCTL_RESUME,
};
#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
	va_list ap;

	printf("FAILED fuzz: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static uint64_t next(struct caller *c)
{
	return random_next(&c->rng);
}

static uint64_t below(struct caller *c, uint64_t n)
{
	return random_below(&c->rng, n);
}

static uint64_t pick(struct caller *c, const uint64_t *from, size_t n)
{
	return from[below(c, n)];
}
#define PICK(c, ...) pick(c, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

/* Once in @n times, but never when tame. */
static int odd(struct caller *c, uint64_t n)
{
	return !c->tame && below(c, n) == 0;
}

static uint64_t size_of(struct caller *c)
{
	if (!odd(c, 3))
		return PICK(c, 0, 8, 16, 24, 32);
	return PICK(c, 1, 2, 1000, 1 << 20, 1ULL << 32, 1ULL << 43, 1ULL << 44, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX,
		    next(c), next(c) >> below(c, 64));
}

static uint64_t cache_of(struct caller *c)
{
	if (!odd(c, 3))
		return PICK(c, 0, 65536, 1 << 20);
	return PICK(c, 1, 4095, 4096, 1ULL << 31, 1ULL << 40, 1ULL << 63, UINT64_MAX, next(c));
}

static uint32_t minor_of(struct caller *c)
{
	if (!odd(c, 12))
		return (uint32_t)below(c, 3);
	return (uint32_t)PICK(c, 23, 24, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff, next(c));
}

/* Places where a caller may point to without harm to this process. */
static uint64_t hostile_pointer(struct caller *c)
{
	return PICK(c, 0, 1, 8, 0xffffffff81000000ULL, 0xffff888000001000ULL, 0x7ffffffff000ULL, 0x8000000000000000ULL,
		    UINT64_MAX, (uint64_t)(uintptr_t)c->page + PAGE, (uint64_t)(uintptr_t)c->page + PAGE - 4,
		    (uint64_t)(uintptr_t)c->read_only);
}

static uint64_t path_of(struct caller *c)
{
	static const char *const ends[] = { "", "/", "/.", "/../", "/cow\n\"\\\t\x01\xff" };
	unsigned int dice = (unsigned int)below(c, 40);

	if (dice == 0)
		return hostile_pointer(c);
	if (dice == 1)
		return (uint64_t)(uintptr_t)endless + below(c, MIB - 1);
	if (dice == 2) {
		/* The page ends before the path does. */
		memset(c->page + PAGE - 16, 'p', 16);
		return (uint64_t)(uintptr_t)c->page + PAGE - 1 - below(c, 15);
	}
	if (dice == 3) {
		/* Never freed: a call may be looking at it; there are not many. */
		char *p;

		if (asprintf(&p, "%s%s", paths[below(c, nr_paths)], ends[below(c, 5)]) < 0)
			die("out of memory");
		return (uint64_t)(uintptr_t)p;
	}
	return (uint64_t)(uintptr_t)paths[below(c, nr_paths)];
}

/* A device and a place for its COW file, mostly such as belong together. */
static void pair_of(struct caller *c, uint64_t *device, uint64_t *cow)
{
	static char cows[4][3][64];
	unsigned int o = (unsigned int)below(c, nr_origins), n = (unsigned int)below(c, 3);

	if (!cows[o][n][0])
		snprintf(cows[o][n], sizeof(cows[o][n]), "%s/cow%u", origins[o].mount, n);
	*device = odd(c, 5) ? path_of(c) : (uint64_t)(uintptr_t)origins[o].device;
	*cow = odd(c, 5) ? path_of(c) : (uint64_t)(uintptr_t)cows[o][n];
}

static size_t make_group(struct caller *c, struct datto_setup_group *g)
{
	/* Kept: the driver reads the members while this runs on. */
	static struct datto_group_member members[RACERS][4];
	struct datto_group_member *m = members[(c->rng >> 7) % RACERS];

	g->size = (uint32_t)(odd(c, 8) ? PICK(c, 0, 4, 12, 23, 25, 4096, 4097, UINT32_MAX, next(c)) : sizeof(*g));
	g->flags = (uint32_t)(odd(c, 10) ? next(c) : 0);
	g->nr = (uint32_t)(odd(c, 8) ? PICK(c, 0, 24, 25, UINT32_MAX, next(c)) : 1 + below(c, 3));
	g->members = odd(c, 10) ? hostile_pointer(c) : (uint64_t)(uintptr_t)m;
	for (int i = 0; i < 4; i++) {
		pair_of(c, (uint64_t *)&m[i].bdev, (uint64_t *)&m[i].cow);
		m[i].fallocated_space = size_of(c);
		m[i].cache_size = cache_of(c);
		m[i].minor = minor_of(c);
		m[i].pad = odd(c, 10) ? (uint32_t)next(c) : 0;
	}
	return sizeof(*g);
}

/* As pair_of, but from the root of the device's file system: COW files of ours, or records of them. */
static void pair_from_root(struct caller *c, uint64_t *device, uint64_t *path, int record)
{
	static const char *const cows[] = { "/cow0", "/cow1", "/cow2" };
	static const char *const records[] = { "/live", "/next", "/none", "/endless", "/to-dir", "/outside", "/cow0",
					       "/spare" };

	pair_of(c, device, path);
	if (record)
		*path = odd(c, 5) ? path_of(c) : (uint64_t)(uintptr_t)records[below(c, odd(c, 2) ? 8 : 2)];
	else if (!odd(c, 5))
		*path = (uint64_t)(uintptr_t)cows[below(c, 3)];
}

static size_t make_resume(struct caller *c, struct datto_resume *r)
{
	uint64_t other;

	r->size = (uint32_t)(odd(c, 8) ? PICK(c, 0, 4, 8, 47, 49, 56, 4096, 4097, UINT32_MAX, next(c)) : sizeof(*r));
	r->flags = (uint32_t)(odd(c, 10) ? next(c) : 0);
	pair_from_root(c, (uint64_t *)&r->bdev, (uint64_t *)&r->record, 1);
	if (below(c, 2))
		pair_from_root(c, &other, (uint64_t *)&r->next, 1);
	r->cache_size = cache_of(c);
	r->minor = minor_of(c);
	r->pad = odd(c, 10) ? (uint32_t)next(c) : 0;
	return sizeof(*r);
}

/* The struct of a command, well formed but for its values. Returns its size. */
static size_t make_struct(struct caller *c, unsigned long cmd, uint64_t *w)
{
	memset(w, 0, 64);
	switch (cmd) {
	case IOCTL_SETUP_SNAP:
		pair_of(c, &w[0], &w[1]);
		w[2] = size_of(c);
		w[3] = cache_of(c);
		w[4] = minor_of(c);
		return sizeof(struct setup_params);
	case IOCTL_RELOAD_SNAP:
	case IOCTL_RELOAD_INC:
		pair_from_root(c, &w[0], &w[1], 0);
		w[2] = cache_of(c);
		w[3] = minor_of(c);
		return sizeof(struct reload_params);
	case IOCTL_TRANSITION_SNAP:
		pair_of(c, &w[1], &w[0]);
		w[1] = size_of(c);
		w[2] = minor_of(c);
		return sizeof(struct transition_snap_params);
	case IOCTL_RECONFIGURE:
		w[0] = cache_of(c);
		w[1] = minor_of(c);
		return sizeof(struct reconfigure_params);
	case IOCTL_EXPAND_COW_FILE:
		w[0] = size_of(c);
		w[1] = minor_of(c);
		return sizeof(struct expand_cow_file_params);
	case IOCTL_RECONFIGURE_AUTO_EXPAND:
		w[0] = size_of(c);
		w[1] = size_of(c);
		w[2] = minor_of(c);
		return sizeof(struct reconfigure_auto_expand_params);
	case IOCTL_SETUP_GROUP:
		return make_group(c, (struct datto_setup_group *)w);
	case IOCTL_RESUME:
		return make_resume(c, (struct datto_resume *)w);
	case IOCTL_FORCE_TRANSITION_INC:
	case IOCTL_FAILURE:
		((uint32_t *)w)[0] = (uint32_t)(odd(c, 6) ? PICK(c, 0, 8, 12, 17, 280, 4096, 4097, next(c)) : 16);
		((uint32_t *)w)[1] = (uint32_t)(odd(c, 6) ? PICK(c, 1, next(c)) : 0);
		((uint32_t *)w)[2] = minor_of(c);
		((uint32_t *)w)[3] = (uint32_t)(odd(c, 6) ? next(c) : 0);
		return cmd == IOCTL_FAILURE ? sizeof(struct datto_failure) : sizeof(struct datto_force_inc);
	case IOCTL_DATTOBD_INFO:
		w[0] = minor_of(c);
		return sizeof(struct dattobd_info);
	default:
		w[0] = minor_of(c);
		return 4;
	}
}

static unsigned long number_of(struct caller *c, int *known_index)
{
	unsigned int dice = c->tame ? 2 : (unsigned int)below(c, 20);
	unsigned long cmd = known[below(c, NR_KNOWN)];

	if (dice == 0)
		cmd = (uint32_t)next(c);
	if (dice == 1) /* of ours, with another size or direction */
		cmd = (uint32_t)((next(c) & 0xffff0000u) | DATTO_IOCTL_MAGIC << 8 | below(c, 80));
	*known_index = (int)NR_KNOWN;
	while (--*known_index >= 0 && known[*known_index] != cmd)
		;
	return cmd;
}

/* Once more as far as the unloaded module lets us. */
static int call_by_name(unsigned long cmd, unsigned long arg)
{
	int node, ret;

	while ((node = open(DATTO_CTL_NODE, O_RDONLY | O_CLOEXEC)) < 0) {
		if (errno != ENOENT && errno != ENODEV && errno != ENXIO && errno != EINTR)
			die("%s: %s", DATTO_CTL_NODE, strerror(errno));
		if (time(NULL) >= end)
			return EINTR;
		usleep(20000);
	}
	ret = ioctl(node, cmd, arg) < 0 ? errno : 0;
	close(node);
	return ret;
}

/* One call. Returns its errno, or 0. */
static int call(struct caller *c)
{
	static __thread uint64_t room[2 * PAGE / 8 + 64];
	uint64_t words[8];
	size_t bytes;
	int index, ret;
	unsigned long cmd = number_of(c, &index), arg;
	unsigned int dice = c->tame ? 2 : (unsigned int)below(c, 16);

	bytes = make_struct(c, cmd, words);
	if (dice == 0) {
		arg = hostile_pointer(c);
	} else if (dice == 1) {
		/* It ends where nothing is mapped, now and then too early. */
		arg = (uintptr_t)c->page + PAGE - (bytes < PAGE ? bytes : 64) + below(c, 3) * below(c, bytes < 64 ? bytes : 64);
		for (size_t i = 0; i < 64 && arg + i < (uintptr_t)c->page + PAGE; i++)
			*(char *)(arg + i) = ((char *)words)[i];
	} else {
		memset(room, 0xa5, sizeof(room));
		memcpy(room, words, bytes < sizeof(words) ? bytes : sizeof(words));
		arg = (uintptr_t)room;
	}
	ret = c->node < 0 ? call_by_name(cmd, arg) : ioctl(c->node, cmd, arg) < 0 ? errno : 0;
	if (arg == (uintptr_t)room && index >= 0 && cmd != IOCTL_FAILURE)
		for (size_t i = (bytes + 7) / 8; i < sizeof(room) / 8; i++)
			if (room[i] != 0xa5a5a5a5a5a5a5a5ULL)
				die("command %lx wrote byte %zu, behind its struct of %zu", cmd, i * 8, bytes);
	if (ret < 0 || ret > MAX_KNOWN_ERRNO)
		die("command %lx gave errno %d", cmd, ret);
	if (index >= 0 && !ret)
		c->seen |= 1ULL << index;
	if (index < 0 && !ret)
		die("command %lx, which there is not, was accepted", cmd);
	c->calls++;
	c->ok += !ret;
	c->by_errno[ret]++;
	return ret;
}

static void caller_init(struct caller *c, uint64_t seed)
{
	c->rng = seed;
	c->node = open(DATTO_CTL_NODE, O_RDONLY | O_CLOEXEC);
	c->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	c->read_only = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->node < 0 || c->page == MAP_FAILED || c->read_only == MAP_FAILED)
		die("%s: %s", DATTO_CTL_NODE, strerror(errno));
	munmap(c->page + PAGE, PAGE);
}

static void *as_root(void *arg)
{
	struct caller *c = arg;
	char info[512];

	while (time(NULL) < end) {
		call(c);
		if (c->tame)
			usleep((useconds_t)below(c, 10000));
		if (below(c, 50) == 0) {
			int fd = open(DATTO_INFO_FILE, O_RDONLY);

			if (fd < 0 && c->tame)
				continue;
			if (fd < 0 || (read(fd, info, sizeof(info)) < 20 && !c->tame) || close(fd))
				die("%s: %s", DATTO_INFO_FILE, strerror(errno));
		}
	}
	return NULL;
}

/* A process of its own: credentials are a process's. */
static pid_t start_nobody(uint64_t seed)
{
	pid_t pid = fork();
	struct caller c = { 0 };

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	caller_init(&c, seed);
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		die("setuid: %s", strerror(errno));
	while (time(NULL) < end) {
		int ret = call(&c);

		if (ret != EPERM)
			die("without privilege: %s", strerror(ret));
		usleep(500);
	}
	printf("stat calls without privilege: %" PRIu64 "\n", c.calls);
	fflush(stdout);
	_exit(0);
}

static void add_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void add_path(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	if (nr_paths == MAX_PATHS || vasprintf(&p, fmt, ap) < 0)
		die("too many paths");
	va_end(ap);
	paths[nr_paths++] = p;
}

/* What @dir holds: each thing of another kind, and links to those. */
static void make_places(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char long_path[DATTO_PATH_SIZE];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (chdir(dir) || mkfifo("fifo", 0600) || symlink("loop2", "loop1") || symlink("loop1", "loop2") ||
	    symlink("nowhere", "dangling") || symlink(origins[0].device, "to-device") || mkdir("dir", 0755) ||
	    mknod("zero", S_IFCHR | 0600, 1 << 8 | 5) || mknod("no-device", S_IFBLK | 0600, 250 << 8 | 3))
		die("%s: %s", dir, strerror(errno));
	strcpy(addr.sun_path, "socket");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || close(open("file", O_RDWR | O_CREAT, 0600)))
		die("%s: %s", dir, strerror(errno));
	for (const char *const *n = (const char *const[]){ "fifo", "socket", "loop1", "dangling", "to-device", "dir",
							    "dir/none/none", "file", "file/x", "zero", "no-device", NULL };
	     *n; n++)
		add_path("%s/%s", dir, *n);
	for (const char *const *n = (const char *const[]){ "", ".", "/", "relative", "cow0", "/cow0", "../cow1", "/dev/null",
							    "/dev/full", "/dev/datto0", "/dev/datto-ctl", "/dev/loop0",
							    "/dev/vdz", "/proc/self/mem", "/proc/self/exe", "/proc/datto-info",
							    "/proc/kmsg", "/proc/self/fd/0", "/sys/power/state", "/sys/kernel",
							    "pipe:[1]", "/dev/fd/9", NULL };
	     *n; n++)
		add_path("%s", *n);
	for (unsigned int i = 0; i < nr_origins; i++) {
		add_path("%s", origins[i].device);
		add_path("%s", origins[i].mount);
		/* A call that is accepted makes a COW file of it. */
		add_path("%s/spare", origins[i].mount);
		add_path("%s/dir/deep", origins[i].mount);
		add_path("%s/link", origins[i].mount);
	}
	/* As long as may be, and one more; components that are too long. */
	memset(long_path, 'x', sizeof(long_path));
	for (unsigned int i = 0; i < sizeof(long_path); i += 2)
		long_path[i] = '/';
	add_path("%.*s", DATTO_PATH_SIZE - 1, long_path);
	add_path("%.*s", DATTO_PATH_SIZE, long_path);
	memset(long_path + 1, 'y', sizeof(long_path) - 1);
	add_path("%.*s", 300, long_path);
	endless = malloc(MIB + 1);
	memset(endless, 'z', MIB);
	endless[MIB] = 0;
	/* Now there is nothing that no call made. */
	if (close(open("ready", O_RDWR | O_CREAT, 0600)))
		die("%s: %s", dir, strerror(errno));
}

static void on_signal(int sig)
{
	(void)sig;
}

static pid_t start_racer(struct caller *c)
{
	struct sigaction action = { .sa_handler = on_signal };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL); /* calls are not begun again */
	as_root(c);
	_exit(0);
}

/* Returns whether the module could be unloaded; then it is loaded again. */
static int reload_module(struct caller *me, const char *file)
{
	int fd;

	if (syscall(SYS_delete_module, "dattobd", O_NONBLOCK)) {
		if (errno != EAGAIN && errno != EBUSY && errno != EWOULDBLOCK)
			die("unloading: %s", strerror(errno));
		return 0;
	}
	usleep((useconds_t)below(me, 20000));
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("%s: %s", file, strerror(errno));
	close(fd);
	return 1;
}

/* Processes that get signals; those that are killed are begun anew. Their counts are in shared memory. */
static void race(struct caller *callers, uint64_t seed, const char *module)
{
	struct caller me = { .rng = seed };
	uint64_t killed = 0, interrupted = 0, reloaded = 0;
	pid_t pids[RACERS];
	int status;

	for (int i = 0; i < RACERS; i++) {
		caller_init(&callers[i], seed + 1 + (uint64_t)i);
		close(callers[i].node);
		callers[i].node = -1;
		callers[i].tame = 1;
		pids[i] = start_racer(&callers[i]);
	}
	while (time(NULL) < end) {
		unsigned int i = (unsigned int)below(&me, RACERS);

		for (int tries = 0; tries < 20; tries++) {
			usleep((useconds_t)below(&me, 10000));
			reloaded += (uint64_t)reload_module(&me, module);
		}
		if (below(&me, 3)) {
			interrupted += !kill(pids[i], SIGUSR1);
			continue;
		}
		kill(pids[i], SIGKILL);
		/* It may have come to its end by itself, but not with a failure. */
		if (waitpid(pids[i], &status, 0) != pids[i] || (status && status != SIGKILL))
			die("a caller that was to be killed ended with status %d", status);
		killed++;
		callers[i].rng += seed;
		pids[i] = start_racer(&callers[i]);
	}
	for (int i = 0; i < RACERS; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			die("a caller ended with status %d", status);
	printf("stat callers killed: %" PRIu64 "\nstat signals: %" PRIu64 "\n", killed, interrupted);
	printf("stat times the module was unloaded: %" PRIu64 "\n", reloaded);
	if (!reloaded && seconds >= LONG)
		die("the module was never unloaded");
}

static void fuzz(struct caller *callers, uint64_t seed)
{
	pthread_t threads[THREADS];
	pid_t nobody = start_nobody(seed);
	int status;

	for (int i = 0; i < THREADS; i++) {
		caller_init(&callers[i], seed + 1 + (uint64_t)i);
		if (pthread_create(&threads[i], NULL, as_root, &callers[i]))
			die("no thread");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (waitpid(nobody, &status, 0) != nobody || status)
		die("the unprivileged caller ended with status %d", status);
}

/* @all: each command is to have been accepted, else any. */
static void report(const struct caller *callers, int all)
{
	uint64_t calls = 0, ok = 0, seen = 0;

	for (int e = 0; e <= MAX_KNOWN_ERRNO; e++) {
		uint64_t n = 0;

		for (int i = 0; i < RACERS; i++)
			n += callers[i].by_errno[e];
		if (n)
			printf("%s: %" PRIu64 "\n", e ? strerror(e) : "accepted", n);
	}
	for (int i = 0; i < RACERS; i++) {
		calls += callers[i].calls;
		ok += callers[i].ok;
		seen |= callers[i].seen;
	}
	printf("stat calls as root: %" PRIu64 "\nstat of them accepted: %" PRIu64 "\n", calls, ok);
	if (!ok && seconds >= LONG)
		die("no call was accepted");
	for (unsigned int i = 0; i < NR_KNOWN; i++) {
		if (seen & 1ULL << i)
			continue;
		printf("never accepted: command %lx\n", known[i]);
		/* Snapshots do not live long enough here to fail. */
		if (all && known[i] != IOCTL_FORCE_TRANSITION_INC && seconds >= LONG)
			die("command %lx was never accepted", known[i]);
	}
}

int main(int argc, char **argv)
{
	struct caller *callers = mmap(NULL, RACERS * sizeof(*callers), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *dir = NULL;
	uint64_t seed = 1;
	const char *module = NULL;
	int c;

	while ((c = getopt(argc, argv, "v:s:t:d:")) != -1) {
		switch (c) {
		case 'v': module = optarg; break;
		case 's': seed = strtoull(optarg, NULL, 10); break;
		case 't':
			seconds = atol(optarg);
			end = time(NULL) + seconds;
			break;
		case 'd': dir = optarg; break;
		default: return 2;
		}
	}
	for (; optind + 1 < argc && nr_origins < 4; optind += 2)
		origins[nr_origins++] = (struct origin){ argv[optind], argv[optind + 1] };
	if (!dir || !nr_origins || callers == MAP_FAILED)
		die("usage: see the top of fuzz.c");
	make_places(dir);
	if (module)
		race(callers, seed * 8, module);
	else
		fuzz(callers, seed * 8);
	report(callers, !module);
	return 0;
}
