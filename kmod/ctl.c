// SPDX-License-Identifier: GPL-2.0-only
/* The control node: takes the arguments out of user space, checks their form. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "ctl.h"
#include "dbd.h"
#include "device.h"
#include "uapi/dattobd.h"

#define MIB_SHIFT 20
#define MIB_MAX ((u64)LLONG_MAX >> MIB_SHIFT)

static_assert(sizeof(struct setup_params) == 40);
static_assert(sizeof(struct reload_params) == 32);
static_assert(sizeof(struct transition_snap_params) == 24);
static_assert(sizeof(struct reconfigure_params) == 16);
static_assert(sizeof(struct expand_cow_file_params) == 16);
static_assert(sizeof(struct reconfigure_auto_expand_params) == 24);
static_assert(sizeof(struct dattobd_info) == 8272);
static_assert(sizeof(struct datto_force_inc) == 16);
static_assert(sizeof(struct datto_failure) == 280);
static_assert(sizeof(struct datto_group_member) == 40);
static_assert(sizeof(struct datto_setup_group) == 24);
static_assert(sizeof(struct datto_resume) == 48);

/* A path of the caller's: -EINVAL when null, empty or too long. */
static char *get_path(const char __user *user)
{
	char *path;

	if (!user)
		return ERR_PTR(-EINVAL);
	path = strndup_user(user, PATH_MAX);
	if (!IS_ERR(path) && !*path) {
		kfree(path);
		return ERR_PTR(-EINVAL);
	}
	return path;
}

struct path_pair {
	char *bdev;
	char *cow;
};

static void put_paths(struct path_pair *p)
{
	kfree(p->bdev);
	kfree(p->cow);
}

static int get_paths(struct path_pair *p, const char __user *bdev, const char __user *cow)
{
	p->cow = NULL;
	p->bdev = get_path(bdev);
	if (IS_ERR(p->bdev))
		return PTR_ERR(p->bdev);
	p->cow = get_path(cow);
	if (IS_ERR(p->cow)) {
		kfree(p->bdev);
		return PTR_ERR(p->cow);
	}
	return 0;
}

static int ioctl_setup(void __user *arg)
{
	struct setup_params params;
	struct dbd_member member;
	struct path_pair paths;
	unsigned int failed;
	int ret;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	ret = get_paths(&paths, (const char __user *)params.bdev, (const char __user *)params.cow);
	if (ret)
		return ret;
	member = (struct dbd_member){
		.bdev = paths.bdev,
		.cow = paths.cow,
		.size = (u64)params.fallocated_space << MIB_SHIFT,
		.cache = params.cache_size,
		.minor = params.minor,
	};
	ret = params.fallocated_space > MIB_MAX ? -EFBIG : dbd_setup(&member, 1, &failed);
	put_paths(&paths);
	return ret;
}

static int ioctl_reload(void __user *arg, bool snapshot)
{
	struct reload_params params;
	struct path_pair paths;
	int ret;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	ret = get_paths(&paths, (const char __user *)params.bdev, (const char __user *)params.cow);
	if (ret)
		return ret;
	ret = dbd_reload(paths.bdev, paths.cow, NULL, params.cache_size, params.minor, snapshot);
	put_paths(&paths);
	return ret;
}

static int ioctl_transition_snap(void __user *arg)
{
	struct transition_snap_params params;
	char *cow;
	int ret;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	cow = get_path((const char __user *)params.cow);
	if (IS_ERR(cow))
		return PTR_ERR(cow);
	if (params.fallocated_space > MIB_MAX)
		ret = -EFBIG;
	else
		ret = dbd_transition_snap(cow, (u64)params.fallocated_space << MIB_SHIFT,
					  params.minor);
	kfree(cow);
	return ret;
}

/*
 * A struct that begins with its own size, and flags of which only @known are
 * accepted. *@size: the caller's.
 */
static int get_sized(void *params, size_t ksize, const void __user *arg, u32 known, u32 *size)
{
	u32 head[2];
	int ret;

	if (copy_from_user(head, arg, sizeof(head)))
		return -EFAULT;
	*size = head[0];
	if (*size < sizeof(head))
		return -EINVAL;
	if (*size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(params, ksize, arg, *size);
	if (ret)
		return ret;
	/* Looked at in the copy: the caller's may have changed since. */
	memcpy(head, params, sizeof(head));
	return head[0] != *size || head[1] & ~known ? -EINVAL : 0;
}

static int ioctl_force_inc(void __user *arg)
{
	struct datto_force_inc params;
	u32 size;
	int ret = get_sized(&params, sizeof(params), arg, 0, &size);

	if (ret)
		return ret;
	return params.pad ? -EINVAL : dbd_force_inc(params.minor);
}

/* On failure nothing of it is the caller's. */
static int get_member(struct dbd_member *m, const struct datto_group_member __user *arg)
{
	struct datto_group_member params;
	struct path_pair paths;
	int ret;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	if (params.pad)
		return -EINVAL;
	if (params.fallocated_space > MIB_MAX)
		return -EFBIG;
	ret = get_paths(&paths, u64_to_user_ptr(params.bdev), u64_to_user_ptr(params.cow));
	if (ret)
		return ret;
	*m = (struct dbd_member){
		.bdev = paths.bdev,
		.cow = paths.cow,
		.size = params.fallocated_space << MIB_SHIFT,
		.cache = params.cache_size,
		.minor = params.minor,
	};
	return 0;
}

static int setup_members(struct datto_setup_group *params, struct dbd_member *members)
{
	const struct datto_group_member __user *arg = u64_to_user_ptr(params->members);
	unsigned int n;
	int ret = 0;

	for (n = 0; !ret && n < params->nr; n++) {
		params->failed = n;
		ret = get_member(&members[n], &arg[n]);
	}
	if (!ret)
		ret = dbd_setup(members, params->nr, &params->failed);
	for (n = 0; n < params->nr; n++) {
		kfree(members[n].bdev);
		kfree(members[n].cow);
	}
	return ret;
}

static int ioctl_setup_group(void __user *arg)
{
	struct datto_setup_group __user *user = arg;
	struct datto_setup_group params;
	struct dbd_member *members;
	u32 size;
	int ret = get_sized(&params, sizeof(params), arg, 0, &size);

	if (ret)
		return ret;
	if (size < sizeof(params) || !params.nr || params.nr > dbd_max_devices) {
		dbd_refuse("a group has 1 to %u members", dbd_max_devices);
		return -EINVAL;
	}
	members = kvcalloc(params.nr, sizeof(*members), GFP_KERNEL);
	if (!members)
		return -ENOMEM;
	ret = setup_members(&params, members);
	kvfree(members);
	if (ret && put_user(params.failed, &user->failed))
		ret = -EFAULT;
	return ret;
}

static int ioctl_resume(void __user *arg)
{
	struct datto_resume params;
	struct path_pair paths;
	char *next;
	u32 size;
	int ret = get_sized(&params, sizeof(params), arg, 0, &size);

	if (ret)
		return ret;
	if (params.pad)
		return -EINVAL;
	ret = get_paths(&paths, u64_to_user_ptr(params.bdev), u64_to_user_ptr(params.record));
	if (ret)
		return ret;
	next = params.next ? get_path(u64_to_user_ptr(params.next)) : kstrdup("", GFP_KERNEL);
	if (IS_ERR_OR_NULL(next)) {
		ret = next ? PTR_ERR(next) : -ENOMEM;
	} else {
		ret = dbd_reload(paths.bdev, paths.cow, next, params.cache_size, params.minor, false);
		kfree(next);
	}
	put_paths(&paths);
	return ret;
}

/* An open control node. */
struct ctl_file {
	spinlock_t lock; /* guards the others */
	int error; /* of the last call that was refused */
	char reason[DATTO_REASON_SIZE];
};

static int ioctl_failure(struct ctl_file *ctl, void __user *arg)
{
	struct datto_failure params;
	u32 size;
	int ret = get_sized(&params, sizeof(params), arg, DATTO_FAILURE_OF_CALL, &size);

	if (ret)
		return ret;
	params.error = 0;
	params.block = 0;
	memset(params.reason, 0, sizeof(params.reason));
	if (!(params.flags & DATTO_FAILURE_OF_CALL)) {
		ret = dbd_device_failure(params.minor, &params);
	} else if (params.minor) {
		ret = -EINVAL;
	} else {
		spin_lock(&ctl->lock);
		params.error = ctl->error;
		memcpy(params.reason, ctl->reason, sizeof(params.reason));
		spin_unlock(&ctl->lock);
	}
	if (!ret && copy_to_user(arg, &params, min_t(size_t, size, sizeof(params))))
		ret = -EFAULT;
	return ret;
}

static int ioctl_minor(void __user *arg, int (*call)(unsigned int minor))
{
	unsigned int minor;

	if (copy_from_user(&minor, arg, sizeof(minor)))
		return -EFAULT;
	return call(minor);
}

static int ioctl_reconfigure(void __user *arg)
{
	struct reconfigure_params params;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	return dbd_reconfigure(params.cache_size, params.minor);
}

static int ioctl_expand(void __user *arg)
{
	struct expand_cow_file_params params;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	if (params.size > MIB_MAX)
		return -EFBIG;
	return dbd_expand(params.size << MIB_SHIFT, params.minor);
}

static int ioctl_auto_expand(void __user *arg)
{
	struct reconfigure_auto_expand_params params;

	if (copy_from_user(&params, arg, sizeof(params)))
		return -EFAULT;
	if (params.step_size > MIB_MAX || params.reserved_space > MIB_MAX)
		return -EFBIG;
	return dbd_auto_expand(params.step_size << MIB_SHIFT, params.reserved_space << MIB_SHIFT,
			       params.minor);
}

static int ioctl_info(void __user *arg)
{
	struct dbd_view *view;
	unsigned int minor;
	int ret;

	if (copy_from_user(&minor, arg, sizeof(minor)))
		return -EFAULT;
	view = kvmalloc(sizeof(*view), GFP_KERNEL);
	if (!view)
		return -ENOMEM;
	ret = dbd_device_view(minor, view);
	if (!ret && copy_to_user(arg, &view->info, sizeof(view->info)))
		ret = -EFAULT;
	kvfree(view);
	return ret;
}

static int ioctl_get_free(void __user *arg)
{
	int minor = dbd_free_minor();

	if (minor < 0)
		return minor;
	return copy_to_user(arg, &minor, sizeof(minor)) ? -EFAULT : 0;
}

static int ctl_call(unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case IOCTL_SETUP_SNAP:
		return ioctl_setup(arg);
	case IOCTL_RELOAD_SNAP:
		return ioctl_reload(arg, true);
	case IOCTL_RELOAD_INC:
		return ioctl_reload(arg, false);
	case IOCTL_DESTROY:
		return ioctl_minor(arg, dbd_destroy);
	case IOCTL_TRANSITION_INC:
		return ioctl_minor(arg, dbd_transition_inc);
	case IOCTL_TRANSITION_SNAP:
		return ioctl_transition_snap(arg);
	case IOCTL_RECONFIGURE:
		return ioctl_reconfigure(arg);
	case IOCTL_DATTOBD_INFO:
		return ioctl_info(arg);
	case IOCTL_GET_FREE:
		return ioctl_get_free(arg);
	case IOCTL_EXPAND_COW_FILE:
		return ioctl_expand(arg);
	case IOCTL_RECONFIGURE_AUTO_EXPAND:
		return ioctl_auto_expand(arg);
	case IOCTL_SETUP_GROUP:
		return ioctl_setup_group(arg);
	case IOCTL_FORCE_TRANSITION_INC:
		return ioctl_force_inc(arg);
	case IOCTL_RESUME:
		return ioctl_resume(arg);
	default:
		return -EINVAL;
	}
}

static long ctl_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct ctl_file *ctl = file->private_data;
	void __user *arg = (void __user *)user;
	struct dbd_call call;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (cmd == IOCTL_FAILURE)
		return ioctl_failure(ctl, arg);
	dbd_call_begin(&call);
	ret = ctl_call(cmd, arg);
	dbd_call_end(&call);
	if (ret < 0) {
		spin_lock(&ctl->lock);
		ctl->error = ret;
		strscpy_pad(ctl->reason, call.text, sizeof(ctl->reason));
		spin_unlock(&ctl->lock);
	}
	return ret;
}

static int ctl_open(struct inode *inode, struct file *file)
{
	struct ctl_file *ctl = kzalloc(sizeof(*ctl), GFP_KERNEL);

	if (!ctl)
		return -ENOMEM;
	spin_lock_init(&ctl->lock);
	file->private_data = ctl;
	return nonseekable_open(inode, file);
}

static int ctl_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static const struct file_operations ctl_fops = {
	.owner = THIS_MODULE,
	.open = ctl_open,
	.release = ctl_release,
	.unlocked_ioctl = ctl_ioctl,
};

static struct miscdevice ctl_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "datto-ctl",
	.fops = &ctl_fops,
	.mode = 0600,
};

int dbd_ctl_init(void)
{
	return misc_register(&ctl_device);
}

void dbd_ctl_exit(void)
{
	misc_deregister(&ctl_device);
}
