// SPDX-License-Identifier: MIT
/*
 * blkpg add DEVICE NUMBER FIRST_SECTOR SECTORS | blkpg del DEVICE NUMBER: a partition that is in no table.
 * addpart(8) does so too, but not every Debian has it.
 */
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	struct blkpg_partition part = { 0 };
	struct blkpg_ioctl_arg arg = { .datalen = sizeof(part), .data = &part };
	int fd;

	if (argc == 6 && !strcmp(argv[1], "add")) {
		arg.op = BLKPG_ADD_PARTITION;
		part.start = strtoll(argv[4], NULL, 10) * 512;
		part.length = strtoll(argv[5], NULL, 10) * 512;
	} else if (argc == 4 && !strcmp(argv[1], "del")) {
		arg.op = BLKPG_DEL_PARTITION;
	} else {
		return 2;
	}
	part.pno = atoi(argv[3]);
	fd = open(argv[2], O_RDONLY);
	if (fd < 0 || ioctl(fd, BLKPG, &arg)) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
