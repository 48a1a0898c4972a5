// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status file: JSON, one key a line, tabs. Made anew at each read from a
 * copy of each device's state, so that a reader holds nothing.
 */
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "dbd.h"
#include "device.h"
#include "procfs.h"

#define INFO_NAME "datto-info"

static void put_string(struct seq_file *m, const char *key, const char *value)
{
	seq_printf(m, "\t\t\t\"%s\": \"", key);
	for (; *value; value++) {
		unsigned char c = *value;

		if (c == '"' || c == '\\')
			seq_printf(m, "\\%c", c);
		else if (c < 0x20)
			seq_printf(m, "\\u%04x", c);
		else
			seq_putc(m, c);
	}
	seq_puts(m, "\",\n");
}

static void put_number(struct seq_file *m, const char *key, u64 value)
{
	seq_printf(m, "\t\t\t\"%s\": %llu,\n", key, value);
}

static void put_dev(struct seq_file *m, const struct dbd_view *view)
{
	const struct dattobd_info *info = &view->info;

	seq_puts(m, "\t\t{\n");
	put_number(m, "minor", info->minor);
	put_string(m, "cow_file", info->cow);
	put_string(m, "block_device", info->bdev);
	put_number(m, "max_cache", info->cache_size);
	if (!(info->state & DATTO_STATE_UNVERIFIED)) {
		put_number(m, "fallocate", round_down(view->asked, 1 << 20));
		put_number(m, "cow_size_current", info->falloc_size);
		put_number(m, "seq_id", info->seqid);
		seq_printf(m, "\t\t\t\"uuid\": \"%*phN\",\n", DATTO_UUID_SIZE, info->uuid);
		put_number(m, "version", info->version);
		put_number(m, "nr_changed_blocks", info->nr_changed_blocks);
	}
	if (view->step) {
		seq_puts(m, "\t\t\t\"auto_expand\": {\n");
		seq_printf(m, "\t\t\t\t\"step_size_mib\": %llu,\n", view->step >> 20);
		seq_printf(m, "\t\t\t\t\"reserved_space_mib\": %llu\n\t\t\t},\n",
			   view->reserved >> 20);
	}
	if (info->error)
		seq_printf(m, "\t\t\t\"error\": %d,\n", info->error);
	seq_printf(m, "\t\t\t\"state\": %lu", info->state);
	/* Keys that dattobd does not have come last. */
	if (!(info->state & DATTO_STATE_UNVERIFIED) && (info->state & DATTO_STATE_SNAPSHOT))
		seq_printf(m, ",\n\t\t\t\"cow_free\": %llu", view->room);
	seq_puts(m, "\n\t\t}");
}

static int info_show(struct seq_file *m, void *unused)
{
	struct dbd_view *view = kvmalloc(sizeof(*view), GFP_KERNEL);
	unsigned int minor;
	bool first = true;

	if (!view)
		return -ENOMEM;
	seq_printf(m, "{\n\t\"version\": \"%s\",\n\t\"devices\": [\n", DATTOBD_VERSION);
	for (minor = 0; minor < dbd_max_devices; minor++) {
		if (dbd_device_view(minor, view))
			continue;
		if (!first)
			seq_puts(m, ",\n");
		put_dev(m, view);
		first = false;
	}
	seq_puts(m, "\n\t]\n}\n");
	kvfree(view);
	return 0;
}

int dbd_procfs_init(void)
{
	return proc_create_single(INFO_NAME, 0444, NULL, info_show) ? 0 : -ENOMEM;
}

void dbd_procfs_exit(void)
{
	remove_proc_entry(INFO_NAME, NULL);
}
