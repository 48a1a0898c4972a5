/* SPDX-License-Identifier: MIT */
/* The threads that write. */
#ifndef MODEL_WRITERS_H
#define MODEL_WRITERS_H

#include <stdint.h>
#include "shadow.h"

/* Fills the files and the raw area, and starts a thread for each writer. */
void writers_start(void);
void writers_stop(void);

#define FILES 1
#define RAW 2

/* Lets all of the kinds in @which come to the end of what they do, all of it on disk where that takes an
 * fsync, and holds them there; resume lets everybody go on. */
void writers_pause(unsigned int which);
void writers_resume(void);
/* Closes the files of those that are paused, and opens them again. */
void writers_leave_files(void);
void writers_return_to_files(void);
int writers_stopping(void);

/* Around the call that takes a snapshot. */
void writers_open(void);
void writers_close(void);

/* What was read of the snapshot: @count sectors from sector @first of the device. */
void writers_feed_raw(const void *sectors, uint64_t first, uint64_t count);
void writers_check_raw(struct instant *t);
/* The files of the snapshot that is mounted at @dir; -1 when they cannot be read. */
int writers_check_files(const char *dir, struct instant *t);
/* The same files once more, or those of an image: no sector may be another than at the check. */
int writers_check_again(const char *dir);

#endif
