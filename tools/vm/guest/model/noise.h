/* SPDX-License-Identifier: MIT */
/* What else goes on in a file system: files made, renamed and removed, directories, trims, freezes. */
#ifndef MODEL_NOISE_H
#define MODEL_NOISE_H

void noise_start(void);
void noise_stop(void);
/* So that what is frozen does not stay so when the process ends. */
void noise_thaw(void);
/* Leaves the file system, and returns to it. */
void noise_leave(void);
void noise_return(void);
/* No freezing between the two. */
void noise_hold(void);
void noise_release(void);
/* All files of the snapshot mounted at @dir that have their name are whole; -1 when it cannot be read. */
int noise_check(const char *dir);

#endif
