// SPDX-License-Identifier: MIT
/*
 * Preloaded into update-img: makes system calls on chosen files fail, fall short
 * or be the last ones, and logs the calls that matter for what is on the disk.
 *
 * FAULT_DIRECTORY  only files below it
 * FAULT_RULES      `call name from to errno count;...`: that call on that file
 *                  fails where its offset is in [from, to), so many times
 * FAULT_SHORT      reads and writes are cut to 1000 bytes, every other one
 *                  fails with EINTR
 * FAULT_LOG        file for the log, `call name offset length` a line
 * FAULT_KILL       the process dies in place of the logged call of this number
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_int calls, interrupts;

/* The file's name below FAULT_DIRECTORY, or NULL. */
static const char *below(const char *path)
{
	const char *directory = getenv("FAULT_DIRECTORY");
	size_t length = directory ? strlen(directory) : 0;

	return length && strncmp(path, directory, length) == 0 &&
	       path[length] == '/' ? path + length + 1 : NULL;
}

static const char *name_of(int fd, char *path)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, PATH_MAX - 1);
	if (length < 0)
		return NULL;
	path[length] = 0;
	if (strcmp(path, getenv("FAULT_DIRECTORY") ?: "") == 0)
		return ".";
	return below(path);
}

static void note(const char *call, const char *name, long long offset,
		 size_t length)
{
	const char *log = getenv("FAULT_LOG");
	const char *kill_at = getenv("FAULT_KILL");
	char line[PATH_MAX + 100];
	int fd, number = atomic_fetch_add(&calls, 1);

	if (kill_at && number == atoi(kill_at))
		kill(getpid(), SIGKILL);
	if (!log)
		return;
	snprintf(line, sizeof(line), "%s %s %lld %zu\n", call, name, offset, length);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (REAL(write)(fd, line, strlen(line)) < 0)
		abort();
	close(fd);
}

/* The errno that a rule gives for this call, or 0. */
static int rule(const char *call, const char *name, long long offset)
{
	static atomic_int used[16];
	char rules[4096], *state = NULL;
	int i = 0;

	snprintf(rules, sizeof(rules), "%s", getenv("FAULT_RULES") ?: "");
	for (char *text = strtok_r(rules, ";", &state); text;
	     text = strtok_r(NULL, ";", &state), i++) {
		char of[32], file[256];
		long long from, to;
		int err, count;

		if (sscanf(text, "%31s %255s %lld %lld %d %d", of, file, &from,
			   &to, &err, &count) != 6)
			abort();
		if (strcmp(of, call) == 0 && strcmp(file, name) == 0 &&
		    offset >= from && offset < to &&
		    atomic_fetch_add(&used[i], 1) < count)
			return err;
	}
	return 0;
}

/* Of the engine's files: Node itself takes an EINTR for a failure. */
static int cut(const char *name)
{
	return getenv("FAULT_SHORT") &&
	       (strcmp(name, "image") == 0 || strcmp(name, "snapshot") == 0);
}

static int interrupted(const char *name)
{
	return cut(name) && atomic_fetch_add(&interrupts, 1) % 2;
}

static size_t shortened(const char *name, size_t length)
{
	return cut(name) && length > 1000 ? 1000 : length;
}

#define FAIL(err) do { errno = (err); return -1; } while (0)

ssize_t pread(int fd, void *to, size_t length, off_t offset)
{
	char path[PATH_MAX];
	const char *name = name_of(fd, path);

	if (name) {
		/* A range of the file, so that a read of many blocks hits a bad one. */
		for (off_t at = offset; at < offset + (off_t)length; at += 512) {
			int err = rule("pread", name, at);

			if (err)
				FAIL(err);
		}
		if (interrupted(name))
			FAIL(EINTR);
		length = shortened(name, length);
	}
	return REAL(pread)(fd, to, length, offset);
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t offset)
{
	char path[PATH_MAX];
	const char *name = name_of(fd, path);

	if (name) {
		for (off_t at = offset; at < offset + (off_t)length; at += 512) {
			int err = rule("pwrite", name, at);

			if (err)
				FAIL(err);
		}
		if (interrupted(name))
			FAIL(EINTR);
		length = shortened(name, length);
		note("pwrite", name, offset, length);
	}
	return REAL(pwrite)(fd, from, length, offset);
}

ssize_t write(int fd, const void *from, size_t length)
{
	char path[PATH_MAX];
	const char *name = fd > 2 ? name_of(fd, path) : NULL;

	if (name) {
		int err = rule("write", name, 0);

		if (err)
			FAIL(err);
		note("write", name, 0, length);
	}
	return REAL(write)(fd, from, length);
}

int fsync(int fd)
{
	char path[PATH_MAX];
	const char *name = name_of(fd, path);

	if (name) {
		int err = rule("fsync", name, 0);

		if (err)
			FAIL(err);
		note("fsync", name, 0, 0);
	}
	return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	char path[PATH_MAX];
	const char *name = name_of(fd, path);

	if (name) {
		int err = rule("fdatasync", name, 0);

		if (err)
			FAIL(err);
		note("fdatasync", name, 0, 0);
	}
	return REAL(fdatasync)(fd);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	char path[PATH_MAX];
	const char *name = name_of(fd, path);

	if (name) {
		int err = rule("fallocate", name, offset);

		if (err)
			FAIL(err);
		note("fallocate", name, offset, length);
	}
	return REAL(fallocate)(fd, mode, offset, length);
}

int ftruncate(int fd, off_t length)
{
	char path[PATH_MAX];
	const char *name = name_of(fd, path);

	if (name)
		note("ftruncate", name, length, 0);
	return REAL(ftruncate)(fd, length);
}

/* io_uring: setting it up, of a file called -, and what is submitted by it. */
long syscall(long number, ...)
{
	long args[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_io_uring_setup) {
		int err = rule("io_uring_setup", "-", 0);

		if (err)
			FAIL(err);
	}
	if (number == SYS_io_uring_enter && args[1])
		note("io_uring_enter", "-", args[1], 0);
	return REAL(syscall)(number, args[0], args[1], args[2], args[3], args[4],
			     args[5]);
}

/* Threads that the engine starts, of a file called -. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
		   void *(*run)(void *), void *argument)
{
	Dl_info caller;

	if (dladdr(__builtin_return_address(0), &caller) &&
	    strstr(caller.dli_fname, "dbd_copy")) {
		int err = rule("pthread_create", "-", 0);

		if (err)
			return err;
	}
	return REAL(pthread_create)(thread, attributes, run, argument);
}

int rename(const char *from, const char *to)
{
	if (below(to))
		note("rename", below(to), 0, 0);
	return REAL(rename)(from, to);
}

int unlink(const char *path)
{
	if (below(path))
		note("unlink", below(path), 0, 0);
	return REAL(unlink)(path);
}

/* Programs built for large files call these. */
ssize_t pread64(int fd, void *to, size_t length, off64_t offset)
{
	return pread(fd, to, length, offset);
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t offset)
{
	return pwrite(fd, from, length, offset);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	return fallocate(fd, mode, offset, length);
}

int ftruncate64(int fd, off64_t length)
{
	return ftruncate(fd, length);
}
