// SPDX-License-Identifier: MIT
/*
 * Raw ioctls of the driver, for cases: prints OK or the errno's name, and passes on whatever it is
 * told without a check of its own. Exit status 0 for OK, 1 for an errno, 2 for bad usage.
 *
 *   dattoctl [-u] [-r] [-nN] COMMAND ...
 *        -u: without privilege (the node is opened before it is given up)
 *        -r: after an errno, the driver's reason in a second line
 *        -nN: the Nth allocation, or whatever else the kernel can let fail, fails within the call; then
 *             "failed" in a last line, "passed" if there were less
 *
 * A path may be @null (NULL), @bad (a pointer to nowhere) or @long (4096 bytes without an end).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "uapi/dattobd.h"

#define BAD_POINTER ((char *)8)

static const char usage[] =
	"usage: dattoctl [-u] setup BDEV COW MINOR [MIB [CACHE]]\n"
	"       dattoctl [-u] reload-snap|reload-inc BDEV COW MINOR [CACHE]\n"
	"       dattoctl [-u] resume BDEV RECORD MINOR [NEXT_RECORD]\n"
	"       dattoctl [-u] destroy|trans-inc MINOR\n"
	"       dattoctl [-u] trans-snap COW MINOR [MIB]\n"
	"       dattoctl [-u] reconfigure MINOR [CACHE]\n"
	"       dattoctl [-u] info MINOR [KEY]...    key=value lines, or the values of these in one\n"
	"       dattoctl [-u] free                the lowest free minor\n"
	"       dattoctl [-u] expand MIB MINOR\n"
	"       dattoctl [-u] auto-expand STEP_MIB RESERVED_MIB MINOR\n"
	"       dattoctl [-u] group BDEV COW MINOR MIB [BDEV COW MINOR MIB]...\n"
	"                                         with -r also the member that was refused, from 0\n"
	"       dattoctl [-u] force-inc MINOR\n"
	"       dattoctl [-u] failure MINOR       the device's error, block and reason\n"
	"       dattoctl [-u] words NUMBER WORD...   an ioctl on a struct of 32-bit words (hexadecimal)\n"
	"       dattoctl [-u] badptr COMMAND      COMMAND's ioctl with a bad pointer\n"
	"       dattoctl [-u] raw NUMBER POINTER  any ioctl number, hexadecimal\n";

static const struct {
	const char *name;
	unsigned long nr;
} commands[] = {
	{ "setup", IOCTL_SETUP_SNAP },
	{ "reload-snap", IOCTL_RELOAD_SNAP },
	{ "reload-inc", IOCTL_RELOAD_INC },
	{ "destroy", IOCTL_DESTROY },
	{ "trans-inc", IOCTL_TRANSITION_INC },
	{ "trans-snap", IOCTL_TRANSITION_SNAP },
	{ "reconfigure", IOCTL_RECONFIGURE },
	{ "info", IOCTL_DATTOBD_INFO },
	{ "free", IOCTL_GET_FREE },
	{ "expand", IOCTL_EXPAND_COW_FILE },
	{ "auto-expand", IOCTL_RECONFIGURE_AUTO_EXPAND },
	{ "force-inc", IOCTL_FORCE_TRANSITION_INC },
	{ "group", IOCTL_SETUP_GROUP },
	{ "failure", IOCTL_FAILURE },
	{ "resume", IOCTL_RESUME },
};

static const struct {
	int nr;
	const char *name;
} errnos[] = {
#define E(x) { x, #x }
	E(EPERM), E(ENOENT), E(EIO), E(ENXIO), E(E2BIG), E(EBADF), E(EAGAIN), E(ENOMEM), E(EACCES),
	E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST), E(EXDEV), E(ENODEV), E(ENOTDIR), E(EISDIR),
	E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY), E(ETXTBSY), E(EFBIG), E(ENOSPC), E(EROFS),
	E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOSYS), E(ELOOP), E(EOPNOTSUPP), E(EINTR),
	E(ETIMEDOUT), E(EOVERFLOW), E(ESTALE), E(EUCLEAN), E(ENODATA),
#undef E
};

static const char *errno_name(int err)
{
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].nr == err)
			return errnos[i].name;
	return strerror(err);
}

static int ask_reason = -1; /* the node, when reasons are wanted */

static void print_reason(void)
{
	struct datto_failure failure = { .size = sizeof(failure), .flags = DATTO_FAILURE_OF_CALL };

	if (ioctl(ask_reason, IOCTL_FAILURE, &failure) < 0)
		printf("no reason: %s\n", errno_name(errno));
	else
		printf("%s\n", failure.reason);
}

static char *fail_nth; /* NULL: nothing is to fail */

static int call(int fd, unsigned long nr, void *arg)
{
	char left[16] = "";
	int ret, err, nth;

	if (!fail_nth)
		return ioctl(fd, nr, arg);
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (nth < 0 || write(nth, fail_nth, strlen(fail_nth)) < 0) {
		perror("fail-nth");
		exit(2);
	}
	ret = ioctl(fd, nr, arg);
	err = errno;
	if (pread(nth, left, sizeof(left) - 1, 0) < 0 || pwrite(nth, "0", 1, 0) < 0) {
		perror("fail-nth");
		exit(2);
	}
	close(nth);
	fail_nth = atoi(left) ? "passed" : "failed";
	errno = err;
	return ret;
}

static int report(int ret)
{
	if (ret >= 0) {
		puts("OK");
		return 0;
	}
	puts(errno_name(errno));
	if (ask_reason >= 0)
		print_reason();
	return 1;
}

static char *path(char *arg)
{
	static char endless[DATTO_PATH_SIZE + 1];

	if (!strcmp(arg, "@null"))
		return NULL;
	if (!strcmp(arg, "@bad"))
		return BAD_POINTER;
	if (!strcmp(arg, "@long")) {
		memset(endless, 'x', sizeof(endless) - 1);
		endless[0] = '/';
		return endless;
	}
	return arg;
}

static unsigned long number(const char *arg, int base)
{
	char *end;
	unsigned long n = strtoul(arg, &end, base);

	if (*arg == 0 || *end != 0) {
		fprintf(stderr, "not a number: %s\n", arg);
		exit(2);
	}
	return n;
}

/* All as key=value lines, or the values of these keys in one line. */
static int info(int fd, unsigned int minor, int nr_keys, char **keys)
{
	struct dattobd_info info;
	char *text, *value;
	size_t len;
	FILE *out;
	int ret;

	/* Whatever the driver does not fill in must not come back as it went in. */
	memset(&info, 0xee, sizeof(info));
	info.minor = minor;
	ret = call(fd, IOCTL_DATTOBD_INFO, &info);
	if (ret < 0)
		return report(ret);
	out = open_memstream(&text, &len);
	fprintf(out, "\nminor=%u\nstate=%lu\nerror=%d\ncache_size=%lu\nfalloc_size=%llu\nseqid=%llu\nuuid=",
		info.minor, info.state, info.error, info.cache_size, info.falloc_size, info.seqid);
	for (int i = 0; i < DATTO_UUID_SIZE; i++)
		fprintf(out, "%02x", (unsigned char)info.uuid[i]);
	fprintf(out, "\ncow=%.*s\nbdev=%.*s\nversion=%llu\nnr_changed_blocks=%llu\n", DATTO_PATH_SIZE,
		info.cow, DATTO_PATH_SIZE, info.bdev, info.version, info.nr_changed_blocks);
	fclose(out);
	if (nr_keys == 0)
		fputs(text + 1, stdout);
	for (int i = 0; i < nr_keys; i++) {
		char key[64];

		snprintf(key, sizeof(key), "\n%s=", keys[i]);
		value = strstr(text, key);
		if (!value) {
			fprintf(stderr, "INFO has no %s\n", keys[i]);
			return 2;
		}
		value += strlen(key);
		printf("%.*s%c", (int)strcspn(value, "\n"), value, i + 1 < nr_keys ? ' ' : '\n');
	}
	free(text);
	return 0;
}

static int failure(int fd, unsigned int minor)
{
	struct datto_failure f = { .size = sizeof(f), .minor = minor };
	int ret = call(fd, IOCTL_FAILURE, &f);

	if (ret < 0)
		return report(ret);
	printf("error=%d\nblock=%llu\nreason=%s\n", f.error, (unsigned long long)f.block,
	       f.reason);
	return 0;
}

static int group(int fd, int argc, char **argv)
{
	struct datto_group_member *members = calloc(argc, sizeof(*members));
	struct datto_setup_group g = {
		.size = sizeof(g),
		.nr = (argc - 1) / 4,
		.members = (uintptr_t)members,
	};
	int status;

	for (unsigned int i = 0; i < g.nr; i++) {
		char **arg = &argv[1 + 4 * i];

		members[i].bdev = (uintptr_t)path(arg[0]);
		members[i].cow = (uintptr_t)path(arg[1]);
		members[i].minor = (unsigned int)number(arg[2], 10);
		members[i].fallocated_space = number(arg[3], 10);
	}
	status = report(call(fd, IOCTL_SETUP_GROUP, &g));
	if (status && ask_reason >= 0)
		printf("member %u\n", g.failed);
	free(members);
	return status;
}

/* The struct lies at the end of a page, the words the caller gives are all there is. */
static int words(int fd, int argc, char **argv)
{
	uint32_t *struct_end = (uint32_t *)((char *)mmap(NULL, 8192, PROT_READ | PROT_WRITE,
							 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096);
	int n = argc - 2;

	munmap(struct_end, 4096);
	for (int i = 0; i < n; i++)
		struct_end[i - n] = (uint32_t)number(argv[2 + i], 16);
	return report(call(fd, number(argv[1], 16), struct_end - n));
}

static int run(int fd, int argc, char **argv)
{
	const char *cmd = argv[0];
	unsigned int minor;
	size_t i;

#define ARG(n, fallback) (argc > (n) ? number(argv[n], 10) : (fallback))
	if (!strcmp(cmd, "setup") && argc >= 4) {
		struct setup_params p = { path(argv[1]), path(argv[2]), ARG(4, 0), ARG(5, 0),
					  (unsigned int)number(argv[3], 10) };

		return report(call(fd, IOCTL_SETUP_SNAP, &p));
	}
	if (!strncmp(cmd, "reload-", 7) && argc >= 4) {
		struct reload_params p = { path(argv[1]), path(argv[2]), ARG(4, 0),
					   (unsigned int)number(argv[3], 10) };

		return report(call(fd, !strcmp(cmd, "reload-inc") ? IOCTL_RELOAD_INC :
								     IOCTL_RELOAD_SNAP, &p));
	}
	if (!strcmp(cmd, "resume") && argc >= 4) {
		struct datto_resume p = {
			.size = sizeof(p),
			.bdev = (uintptr_t)path(argv[1]),
			.record = (uintptr_t)path(argv[2]),
			.next = argc > 4 ? (uintptr_t)path(argv[4]) : 0,
			.minor = (unsigned int)number(argv[3], 10),
		};

		return report(call(fd, IOCTL_RESUME, &p));
	}
	if (!strcmp(cmd, "trans-snap") && argc >= 3) {
		struct transition_snap_params p = { path(argv[1]), ARG(3, 0),
						    (unsigned int)number(argv[2], 10) };

		return report(call(fd, IOCTL_TRANSITION_SNAP, &p));
	}
	if (!strcmp(cmd, "expand") && argc == 3) {
		struct expand_cow_file_params p = { number(argv[1], 10),
						    (unsigned int)number(argv[2], 10) };

		return report(call(fd, IOCTL_EXPAND_COW_FILE, &p));
	}
	if (!strcmp(cmd, "auto-expand") && argc == 4) {
		struct reconfigure_auto_expand_params p = { number(argv[1], 10), number(argv[2], 10),
							    (unsigned int)number(argv[3], 10) };

		return report(call(fd, IOCTL_RECONFIGURE_AUTO_EXPAND, &p));
	}
	if (!strcmp(cmd, "reconfigure") && argc >= 2) {
		struct reconfigure_params p = { ARG(2, 0), (unsigned int)number(argv[1], 10) };

		return report(call(fd, IOCTL_RECONFIGURE, &p));
	}
	if (!strcmp(cmd, "free")) {
		int free_minor = -1;
		int ret = call(fd, IOCTL_GET_FREE, &free_minor);

		if (ret < 0)
			return report(ret);
		printf("%d\n", free_minor);
		return 0;
	}
	if (!strcmp(cmd, "raw") && argc == 3)
		return report(call(fd, number(argv[1], 16), (void *)number(argv[2], 16)));
	if (!strcmp(cmd, "group") && argc >= 5 && argc % 4 == 1)
		return group(fd, argc, argv);
	if (!strcmp(cmd, "words") && argc >= 3)
		return words(fd, argc, argv);
	if (!strcmp(cmd, "badptr") && argc == 2) {
		for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (!strcmp(argv[1], commands[i].name))
				return report(call(fd, commands[i].nr, BAD_POINTER));
	}
	if (!strcmp(cmd, "info") && argc >= 2)
		return info(fd, (unsigned int)number(argv[1], 10), argc - 2, argv + 2);
	if (argc == 2) {
		minor = (unsigned int)number(argv[1], 10);
		if (!strcmp(cmd, "destroy"))
			return report(call(fd, IOCTL_DESTROY, &minor));
		if (!strcmp(cmd, "failure"))
			return failure(fd, minor);
		if (!strcmp(cmd, "force-inc")) {
			struct datto_force_inc p = { .size = sizeof(p), .minor = minor };

			return report(call(fd, IOCTL_FORCE_TRANSITION_INC, &p));
		}
		if (!strcmp(cmd, "trans-inc"))
			return report(call(fd, IOCTL_TRANSITION_INC, &minor));
	}
	fputs(usage, stderr);
	return 2;
}

int main(int argc, char **argv)
{
	int unprivileged = 0, reasons = 0, fd, status;

	for (argc--, argv++; argc && argv[0][0] == '-'; argc--, argv++) {
		unprivileged |= argv[0][1] == 'u';
		reasons |= argv[0][1] == 'r';
		if (argv[0][1] == 'n')
			fail_nth = argv[0] + 2;
	}
	if (argc < 1) {
		fputs(usage, stderr);
		return 2;
	}
	fd = open(DATTO_CTL_NODE, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", DATTO_CTL_NODE, strerror(errno));
		return 2;
	}
	if (unprivileged && (setgroups(0, NULL) || setgid(65534) || setuid(65534))) {
		perror("setuid");
		return 2;
	}
	if (reasons)
		ask_reason = fd;
	status = run(fd, argc, argv);
	if (fail_nth)
		puts(fail_nth);
	return status;
}
