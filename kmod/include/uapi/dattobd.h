/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Interface of the dattobd driver to user space.
 *
 * The one definition of the ioctls, their structs and the COW file's constants
 * that user space may know. Struct and ioctl names are those that programs
 * written for dattobd 0.12.1 compile against. x86-64/arm64, LP64,
 * little-endian.
 *
 * Units differ from field to field for historical reasons and are given beside
 * each field. A block is 4096 bytes, a sector 512.
 */
#ifndef _UAPI_DATTOBD_H
#define _UAPI_DATTOBD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DATTOBD_VERSION "0.12.1"

/* Control node: a misc device, root only, opened read-only by clients. */
#define DATTO_CTL_NODE "/dev/datto-ctl"
#define DATTO_INFO_FILE "/proc/datto-info"

#define DATTO_IOCTL_MAGIC 0x91

#define DATTO_PATH_SIZE 4096
#define DATTO_UUID_SIZE 16

/* Bits of dattobd_info.state and of "state" in /proc/datto-info. */
#define DATTO_STATE_SNAPSHOT (1 << 0)
#define DATTO_STATE_ACTIVE (1 << 1)
#define DATTO_STATE_UNVERIFIED (1 << 2)

/**
 * struct setup_params - take a first snapshot of a mounted block device
 * @bdev: path of the block device, mounted read-write
 * @cow: absolute path of the COW file to create, on that block device
 * @fallocated_space: size of the COW file in MiB; 0: the module's default
 * @cache_size: memory for the index in bytes; 0: the module's default
 * @minor: number of the device to create
 */
struct setup_params {
	char *bdev;
	char *cow;
	unsigned long fallocated_space;
	unsigned long cache_size;
	unsigned int minor;
};

/**
 * struct reload_params - take up a device again after a reboot
 * @bdev: path of the block device, not mounted read-write
 * @cow: path of the COW file, relative to the root of its file system
 * @cache_size: memory for the index in bytes; 0: the module's default
 * @minor: number of the device to create
 */
struct reload_params {
	char *bdev;
	char *cow;
	unsigned long cache_size;
	unsigned int minor;
};

/**
 * struct transition_snap_params - take the next snapshot of a series
 * @cow: absolute path of the new COW file
 * @fallocated_space: its size in MiB; 0: as large as the last one asked for
 * @minor: number of the device
 */
struct transition_snap_params {
	char *cow;
	unsigned long fallocated_space;
	unsigned int minor;
};

/**
 * struct reconfigure_params - change the index memory
 * @cache_size: bytes; 0: the module's default
 * @minor: number of the device
 */
struct reconfigure_params {
	unsigned long cache_size;
	unsigned int minor;
};

/**
 * struct expand_cow_file_params - make the COW file larger
 * @size: by how much, in MiB
 * @minor: number of the device
 */
struct expand_cow_file_params {
	__u64 size;
	unsigned int minor;
};

/**
 * struct reconfigure_auto_expand_params - let the COW file grow by itself
 * @step_size: growth of one step in MiB; 0: no growth
 * @reserved_space: MiB that must stay free on the file system
 * @minor: number of the device
 */
struct reconfigure_auto_expand_params {
	__u64 step_size;
	__u64 reserved_space;
	unsigned int minor;
};

/**
 * struct dattobd_info - state of one device
 * @minor: in: which device
 * @state: DATTO_STATE_* bits
 * @error: 0, or the negative errno of the device's first failure
 * @cache_size: memory for the index in bytes
 * @falloc_size: present size of the COW file in bytes
 * @seqid: number of the snapshot in its series, from 1
 * @uuid: of the series
 * @cow: path of the COW file, relative to the root of its file system
 * @bdev: path of the block device
 * @version: of the COW file's header
 * @nr_changed_blocks: blocks changed since the snapshot
 */
struct dattobd_info {
	unsigned int minor;
	unsigned long state;
	int error;
	unsigned long cache_size;
	unsigned long long falloc_size;
	unsigned long long seqid;
	char uuid[DATTO_UUID_SIZE];
	char cow[DATTO_PATH_SIZE];
	char bdev[DATTO_PATH_SIZE];
	unsigned long long version;
	unsigned long long nr_changed_blocks;
};

#define IOCTL_SETUP_SNAP _IOW(DATTO_IOCTL_MAGIC, 1, struct setup_params)
#define IOCTL_RELOAD_SNAP _IOW(DATTO_IOCTL_MAGIC, 2, struct reload_params)
#define IOCTL_RELOAD_INC _IOW(DATTO_IOCTL_MAGIC, 3, struct reload_params)
#define IOCTL_DESTROY _IOW(DATTO_IOCTL_MAGIC, 4, unsigned int)
#define IOCTL_TRANSITION_INC _IOW(DATTO_IOCTL_MAGIC, 5, unsigned int)
#define IOCTL_TRANSITION_SNAP _IOW(DATTO_IOCTL_MAGIC, 6, struct transition_snap_params)
#define IOCTL_RECONFIGURE _IOW(DATTO_IOCTL_MAGIC, 7, struct reconfigure_params)
#define IOCTL_DATTOBD_INFO _IOR(DATTO_IOCTL_MAGIC, 8, struct dattobd_info)
#define IOCTL_GET_FREE _IOR(DATTO_IOCTL_MAGIC, 9, int)
#define IOCTL_EXPAND_COW_FILE _IOW(DATTO_IOCTL_MAGIC, 10, struct expand_cow_file_params)
#define IOCTL_RECONFIGURE_AUTO_EXPAND \
	_IOW(DATTO_IOCTL_MAGIC, 11, struct reconfigure_auto_expand_params)

/*
 * Commands that dattobd 0.12.1 does not have, numbered from 0x40. Each takes a
 * pointer to a struct that begins with @size, the struct's size as the caller
 * knows it, and @flags. A struct may grow later: what the caller's lacks reads
 * as zero, and what the driver does not know must be zero (E2BIG). Flags that
 * are not known and padding that is not zero are refused (EINVAL).
 */

/**
 * struct datto_force_inc - make a failed snapshot incremental
 * @size: of this struct
 * @flags: none yet
 * @minor: number of the device, whose snapshot has failed (or whose last
 *	transition to incremental has)
 * @pad: zero
 *
 * What was tracked until now stays tracked, so that the next transition to
 * snapshot gives a map of all changes since the failed one was taken. EINVAL
 * when nothing has failed, or when the map is not complete.
 */
struct datto_force_inc {
	__u32 size;
	__u32 flags;
	__u32 minor;
	__u32 pad;
};

/**
 * struct datto_group_member - one device of a group
 * @bdev: pointer to the path of the block device, as in setup_params
 * @cow: pointer to the path of the COW file, as there
 * @fallocated_space: size of the COW file in MiB; 0: the module's default
 * @cache_size: memory for the index in bytes; 0: the module's default
 * @minor: number of the device to create
 * @pad: zero
 */
struct datto_group_member {
	__u64 bdev;
	__u64 cow;
	__u64 fallocated_space;
	__u64 cache_size;
	__u32 minor;
	__u32 pad;
};

/**
 * struct datto_setup_group - first snapshots of several devices at one instant
 * @size: of this struct
 * @flags: none yet
 * @nr: number of members, 1 to max_snap_devices
 * @failed: out: the member that was refused, or @nr when it is due to none
 * @members: pointer to struct datto_group_member, @nr of them
 *
 * All or none of the devices are set up. No write to a file system that was begun
 * after another had returned is in a snapshot without that other one. They are
 * frozen in the order given: one that stands on a file of another (a loop device)
 * comes before that; if not, ETIMEDOUT after half a minute.
 */
struct datto_setup_group {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 failed;
	__u64 members;
};

#define DATTO_REASON_SIZE 256

/* For the last call on this file descriptor that was refused; @minor is zero. */
#define DATTO_FAILURE_OF_CALL (1 << 0)

/**
 * struct datto_failure - why a device failed, or a call was refused
 * @size: in: of this struct
 * @flags: in: DATTO_FAILURE_*
 * @minor: in: number of the device
 * @error: out: 0, or the negative errno
 * @block: out: the block of the device it happened at, 0 where that says nothing
 * @reason: out: text, ends with a zero byte; empty when there is no more to say
 */
struct datto_failure {
	__u32 size;
	__u32 flags;
	__u32 minor;
	__s32 error;
	__u64 block;
	char reason[DATTO_REASON_SIZE];
};

/**
 * struct datto_resume - take up a device again by what is recorded on it
 * @size: of this struct
 * @flags: none yet
 * @bdev: pointer to the path of the block device, not mounted read-write
 * @record: pointer to the path of a symbolic link on the device's file system, from
 *	its root; the link holds the path of the COW file, from that root as well
 * @next: as @record, or 0: for the next COW file, while a transition is under way
 * @cache_size: memory for the index in bytes; 0: the module's default
 * @minor: number of the device to create
 * @pad: zero
 *
 * As IOCTL_RELOAD_INC, but the COW file is looked up when the file system is mounted,
 * and may be that of a snapshot: the snapshot ends, what changed since is kept. @next
 * counts when @record leads to the finished predecessor of that file.
 */
struct datto_resume {
	__u32 size;
	__u32 flags;
	__u64 bdev;
	__u64 record;
	__u64 next;
	__u64 cache_size;
	__u32 minor;
	__u32 pad;
};

#define IOCTL_FORCE_TRANSITION_INC _IO(DATTO_IOCTL_MAGIC, 0x40)
#define IOCTL_SETUP_GROUP _IO(DATTO_IOCTL_MAGIC, 0x41)
#define IOCTL_FAILURE _IO(DATTO_IOCTL_MAGIC, 0x42)
#define IOCTL_RESUME _IO(DATTO_IOCTL_MAGIC, 0x43)

#endif /* _UAPI_DATTOBD_H */
