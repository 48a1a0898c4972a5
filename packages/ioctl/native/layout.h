/* SPDX-License-Identifier: MIT */
/*
 * The driver's structs have the sizes and offsets, and its ioctls the numbers,
 * that programs written for dattobd 0.12.1 were compiled with.
 */
#ifndef DBD_LAYOUT_H
#define DBD_LAYOUT_H

#include <assert.h>
#include <stddef.h>

#include "uapi/dattobd.h"

#define FIELD(type, field, offset, size)                         \
	static_assert(offsetof(struct type, field) == (offset) && \
			      sizeof(((struct type *)0)->field) == (size), \
		      #type "." #field)
#define SIZE(type, size) static_assert(sizeof(struct type) == (size), #type)
#define NUMBER(name, number) static_assert((name) == (number), #name)

SIZE(setup_params, 40);
FIELD(setup_params, bdev, 0, 8);
FIELD(setup_params, cow, 8, 8);
FIELD(setup_params, fallocated_space, 16, 8);
FIELD(setup_params, cache_size, 24, 8);
FIELD(setup_params, minor, 32, 4);

SIZE(reload_params, 32);
FIELD(reload_params, bdev, 0, 8);
FIELD(reload_params, cow, 8, 8);
FIELD(reload_params, cache_size, 16, 8);
FIELD(reload_params, minor, 24, 4);

SIZE(transition_snap_params, 24);
FIELD(transition_snap_params, cow, 0, 8);
FIELD(transition_snap_params, fallocated_space, 8, 8);
FIELD(transition_snap_params, minor, 16, 4);

SIZE(reconfigure_params, 16);
FIELD(reconfigure_params, cache_size, 0, 8);
FIELD(reconfigure_params, minor, 8, 4);

SIZE(expand_cow_file_params, 16);
FIELD(expand_cow_file_params, size, 0, 8);
FIELD(expand_cow_file_params, minor, 8, 4);

SIZE(reconfigure_auto_expand_params, 24);
FIELD(reconfigure_auto_expand_params, step_size, 0, 8);
FIELD(reconfigure_auto_expand_params, reserved_space, 8, 8);
FIELD(reconfigure_auto_expand_params, minor, 16, 4);

SIZE(dattobd_info, 8272);
FIELD(dattobd_info, minor, 0, 4);
FIELD(dattobd_info, state, 8, 8);
FIELD(dattobd_info, error, 16, 4);
FIELD(dattobd_info, cache_size, 24, 8);
FIELD(dattobd_info, falloc_size, 32, 8);
FIELD(dattobd_info, seqid, 40, 8);
FIELD(dattobd_info, uuid, 48, 16);
FIELD(dattobd_info, cow, 64, 4096);
FIELD(dattobd_info, bdev, 4160, 4096);
FIELD(dattobd_info, version, 8256, 8);
FIELD(dattobd_info, nr_changed_blocks, 8264, 8);

SIZE(datto_force_inc, 16);
FIELD(datto_force_inc, size, 0, 4);
FIELD(datto_force_inc, flags, 4, 4);
FIELD(datto_force_inc, minor, 8, 4);
FIELD(datto_force_inc, pad, 12, 4);

SIZE(datto_group_member, 40);
FIELD(datto_group_member, bdev, 0, 8);
FIELD(datto_group_member, cow, 8, 8);
FIELD(datto_group_member, fallocated_space, 16, 8);
FIELD(datto_group_member, cache_size, 24, 8);
FIELD(datto_group_member, minor, 32, 4);
FIELD(datto_group_member, pad, 36, 4);

SIZE(datto_setup_group, 24);
FIELD(datto_setup_group, size, 0, 4);
FIELD(datto_setup_group, flags, 4, 4);
FIELD(datto_setup_group, nr, 8, 4);
FIELD(datto_setup_group, failed, 12, 4);
FIELD(datto_setup_group, members, 16, 8);

SIZE(datto_failure, 280);
FIELD(datto_failure, size, 0, 4);
FIELD(datto_failure, flags, 4, 4);
FIELD(datto_failure, minor, 8, 4);
FIELD(datto_failure, error, 12, 4);
FIELD(datto_failure, block, 16, 8);
FIELD(datto_failure, reason, 24, 256);

NUMBER(IOCTL_SETUP_SNAP, 0x40289101);
NUMBER(IOCTL_RELOAD_SNAP, 0x40209102);
NUMBER(IOCTL_RELOAD_INC, 0x40209103);
NUMBER(IOCTL_DESTROY, 0x40049104);
NUMBER(IOCTL_TRANSITION_INC, 0x40049105);
NUMBER(IOCTL_TRANSITION_SNAP, 0x40189106);
NUMBER(IOCTL_RECONFIGURE, 0x40109107);
NUMBER(IOCTL_DATTOBD_INFO, 0xa0509108);
NUMBER(IOCTL_GET_FREE, 0x80049109);
NUMBER(IOCTL_EXPAND_COW_FILE, 0x4010910a);
NUMBER(IOCTL_RECONFIGURE_AUTO_EXPAND, 0x4018910b);
NUMBER(IOCTL_FORCE_TRANSITION_INC, 0x9140);
NUMBER(IOCTL_SETUP_GROUP, 0x9141);
NUMBER(IOCTL_FAILURE, 0x9142);

#undef FIELD
#undef SIZE
#undef NUMBER

#endif
