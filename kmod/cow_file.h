/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The COW file: created through the file system, then pinned like a swap file
 * and written raw, handed back through the file system when it is finished.
 *
 * Life: cow_create() -> [raw I/O] -> cow_shrink() when incremental ->
 * finished when a successor exists, or cow_remove(). While pinned the inode
 * is S_SWAPFILE | S_IMMUTABLE, so nobody can write, move, cut or unlink it, but
 * no file or mount is held: unmounting is never blocked. At the end of the
 * super block the pin ends with a call to ->unmounted.
 */
#ifndef DBD_COW_FILE_H
#define DBD_COW_FILE_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mutex.h>

#include "cow_extents.h"
#include "cow_layout.h"
#include "map.h"
#include "mount_mark.h"

struct cow_pin;

/**
 * struct cow_file - one COW file
 * @kref: held by the device and by the pin
 * @layout: where its parts are
 * @fsize: present size, bytes
 * @fpos: next free block number, as the header will tell it
 * @run_end: from there on blocks are not free, or not known to be
 * @asked: size asked for, bytes
 * @seqid: of the snapshot it belongs to
 * @uuid: of the series
 * @extents: where it is on the device; constant while pinned
 * @track_lock: guards @track, @tried and @block; held across raw I/O on the header
 * @track: the tracking header as it is on disk; zeros: none was written
 * @tried: or this one: writing it failed, which does not tell what is on disk now. Zeros: none
 * @log_over: the log is not to be believed, whatever the header on disk says; guarded by @track_lock
 * @mount_logged: see cow_log_mount()
 * @watch: what to watch on the device, as cow_track_use() found it: see dbd_tracker_watch()
 * @block: a page for I/O on the header, see cow_track.h
 * @path: relative to the root of its file system, with leading '/'
 * @mnt_path: where it was mounted as the file was made, as seen by who did; or NULL
 * @lock: guards @inode and @owner against the end of the super block
 * @inode: pinned; NULL after the file system was unmounted
 * @owner: argument of @unmounted; NULL: nobody wants to know
 * @unmounted: called once, in the unmounting task, under @lock; may sleep, but
 *	takes no lock that is held while a super block is released
 */
struct cow_file {
	struct kref kref;
	struct cow_layout layout;
	u64 fsize;
	u64 fpos;
	u64 run_end;
	u64 asked;
	u64 seqid;
	u8 uuid[COW_UUID_SIZE];
	struct cow_extents extents;
	struct mutex track_lock;
	struct cow_track_header track, tried;
	bool log_over;
	bool mount_logged;
	struct dbd_watch watch;
	void *block;
	char *path;
	char *mnt_path;
	struct mutex lock;
	struct inode *inode;
	struct cow_pin *pin;
	void *owner;
	void (*unmounted)(void *owner);
};

/* Module load and unload; exit waits until no pin is left. */
int cow_file_init(void);
void cow_file_exit(void);

/*
 * The checks of a COW path that change nothing: -EISDIR for a directory,
 * -EINVAL for anything but a file on @sb, -EPERM for one in use.
 */
int cow_check_path(const char *path, struct super_block *sb);

/*
 * Creates, allocates, maps, verifies and pins a COW file of @size bytes. An
 * older file at @path is replaced. Ioctl context, the file system writable and
 * not frozen. On failure nothing is left; an older file
 * outlives a lack of room, but not a later failure. *@filp, when wanted, is a file open
 * for writing, whose mount serves to finish a predecessor.
 */
struct cow_file *cow_create(const char *path, struct super_block *sb, struct block_device *bdev,
			    u64 size, struct file **filp);

/*
 * A file known by its name only: @path is relative to the root of the file system
 * that will be mounted from @bdev. ERR_PTR.
 */
struct cow_file *cow_expect(const char *path, struct block_device *bdev);
/*
 * Finds the file on @sb, which is mounted, and pins it again. A file whose place
 * was known must lie where it did; of an expected one @extents and @fsize become
 * known. Context of a user process. -ENOENT; -EINVAL with a message.
 */
int cow_attach(struct cow_file *cow, struct super_block *sb);
/*
 * What the symbolic link @path, from the root of @sb, holds. To be freed; ERR_PTR, -EINVAL: it
 * is no link. Context of a user process.
 */
char *cow_read_record(struct super_block *sb, const char *path);
/* Undoes cow_attach(). */
void cow_detach(struct cow_file *cow);

/* Ends the interest of the owner and the pin. The file stays where it is. */
void cow_release(struct cow_file *cow);

/* Who wants to know of the unmount. -ESTALE: it has happened already. */
int cow_set_owner(struct cow_file *cow, void *owner, void (*unmounted)(void *owner));

/*
 * Keeps the file system from ending until deactivate_super(). ERR_PTR(-ESTALE):
 * it has ended, or is about to.
 */
struct super_block *cow_hold_sb(struct cow_file *cow);

/*
 * Gives back what is behind byte @size of the file, which nobody uses. Process
 * context, with write access to the file system (sb_start_write()).
 */
int cow_truncate(struct cow_file *cow, u64 size);
/*
 * Has the mount that the file was attached in, or created, log something, where that alone tells it from others (XFS).
 * Durable on return: before that no header may name it. Process context, nothing waits for its writes. Under the device's
 * lock: write access to the file system, which comes before the inode's lock, is only tried for; -EBUSY: frozen.
 */
int cow_log_mount(struct cow_file *cow);
/*
 * Incremental from now on: gives the data area back. Process context, nobody
 * does raw I/O.
 */
int cow_shrink(struct cow_file *cow);
/*
 * Write the index and then the header through the file system, each synced on
 * return, so that at no instant the file reads as valid with a map that is too
 * small. With the header the tracking header goes. @mnt: a mount of its file system.
 */
int cow_finish_index(struct cow_file *cow, const struct dbd_map *map, struct vfsmount *mnt);
int cow_finish_header(struct cow_file *cow, const struct dbd_map *map, struct vfsmount *mnt);
/* Undoes both, wherever they stopped: in use again, without a tracking header. */
int cow_unfinish(struct cow_file *cow, struct vfsmount *mnt);
/* Unpins, unlinks and releases. 0 as well when the file system is gone. */
int cow_remove(struct cow_file *cow);

#endif /* DBD_COW_FILE_H */
