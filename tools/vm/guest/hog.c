// SPDX-License-Identifier: MIT
/*
 * hog MIB: takes and locks memory until so much is available in all, prints what it took, and keeps
 * it until it is killed, which it is the first to be when memory runs out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP (2 << 20)

static long available_mib(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib / 1024;
}

int main(int argc, char **argv)
{
	long keep = argc == 2 ? atol(argv[1]) : 0, steps = 0;
	FILE *adj = fopen("/proc/self/oom_score_adj", "w");

	if (keep <= 0 || !adj || fputs("1000", adj) < 0 || fclose(adj))
		return 2;
	while (available_mib() > keep) {
		char *p = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || mlock(p, STEP))
			break;
		memset(p, 1, STEP);
		steps++;
	}
	printf("%ld MiB\n", steps * (STEP >> 20));
	fflush(stdout);
	pause();
	return 0;
}
