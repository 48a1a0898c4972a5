// SPDX-License-Identifier: GPL-2.0-only
#include <linux/minmax.h>
#include <linux/mm.h>

#include "cow_room.h"

#define KEPT_BACK_MIN 256u
#define KEPT_BACK_MAX 4096u

void cow_room_init(struct cow_room *room, struct cow_file *cow)
{
	room->cow = cow;
	spin_lock_init(&room->lock);
	INIT_LIST_HEAD(&room->behind);
	room->nr_behind = 0;
	room->wq = NULL;
	room->grower = NULL;
	room->low = 0;
	WRITE_ONCE(room->growing, false);
}

void cow_room_destroy(struct cow_room *room)
{
	struct cow_runs *runs, *next;

	list_for_each_entry_safe(runs, next, &room->behind, node)
		kvfree(runs);
}

static u64 in_run(const struct cow_room *room)
{
	u64 end = READ_ONCE(room->cow->run_end);

	return end - min(READ_ONCE(room->cow->fpos), end);
}

static u64 left(struct cow_room *room)
{
	return in_run(room) + room->nr_behind;
}

/*
 * The next run, when the one in use is used up and there is another. What is to
 * be freed, which the lock forbids, or NULL.
 */
static struct cow_runs *next_run(struct cow_room *room)
{
	struct cow_runs *runs = list_first_entry_or_null(&room->behind, struct cow_runs, node);
	struct cow_run *run;

	if (in_run(room) || !runs)
		return NULL;
	run = &runs->runs[runs->next++];
	WRITE_ONCE(room->cow->fpos, run->first);
	WRITE_ONCE(room->cow->run_end, run->first + run->nr);
	room->nr_behind -= run->nr;
	if (runs->next < runs->nr)
		return NULL;
	list_del(&runs->node);
	return runs;
}

/* Blocks that only urgent writes take while the file grows, or is going to: a step begins with them. */
static u64 kept_back(const struct cow_room *room)
{
	bool may_grow = room->grower && room->low >= KEPT_BACK_MIN;

	return room->growing || may_grow ? clamp_t(u64, room->low / 4, KEPT_BACK_MIN, KEPT_BACK_MAX) : 0;
}

u64 cow_room_get(struct cow_room *room, u64 nr, bool urgent)
{
	struct cow_runs *used_up;
	u64 all;

	spin_lock_irq(&room->lock);
	used_up = next_run(room);
	all = left(room);
	if (!urgent)
		all -= min(all, kept_back(room));
	nr = min3(nr, all, in_run(room));
	spin_unlock_irq(&room->lock);
	kvfree(used_up);
	return nr;
}

u64 cow_room_take(struct cow_room *room, u64 nr)
{
	u64 first = room->cow->fpos;

	WRITE_ONCE(room->cow->fpos, first + nr);
	return first;
}

bool cow_room_is_growing(struct cow_room *room)
{
	bool ret;

	spin_lock_irq(&room->lock);
	if (room->grower && !room->growing && room->low && left(room) <= room->low) {
		WRITE_ONCE(room->growing, true);
		queue_work(room->wq, room->grower);
	}
	ret = room->growing;
	spin_unlock_irq(&room->lock);
	return ret;
}

void cow_room_add(struct cow_room *room, struct cow_runs *runs)
{
	unsigned int i;

	spin_lock_irq(&room->lock);
	for (i = 0; i < runs->nr; i++)
		room->nr_behind += runs->runs[i].nr;
	list_add_tail(&runs->node, &room->behind);
	spin_unlock_irq(&room->lock);
}

bool cow_room_is_low(struct cow_room *room)
{
	bool ret;

	spin_lock_irq(&room->lock);
	ret = left(room) <= room->low;
	spin_unlock_irq(&room->lock);
	return ret;
}

u64 cow_room_left(struct cow_room *room)
{
	u64 ret;

	spin_lock_irq(&room->lock);
	ret = left(room);
	spin_unlock_irq(&room->lock);
	return ret;
}

void cow_room_set_grower(struct cow_room *room, struct workqueue_struct *wq,
			 struct work_struct *grower, u64 low)
{
	spin_lock_irq(&room->lock);
	room->wq = wq;
	room->grower = grower;
	room->low = low;
	if (!grower)
		WRITE_ONCE(room->growing, false);
	spin_unlock_irq(&room->lock);
}

void cow_room_grow_begin(struct cow_room *room)
{
	spin_lock_irq(&room->lock);
	WRITE_ONCE(room->growing, true);
	spin_unlock_irq(&room->lock);
}

void cow_room_grow_end(struct cow_room *room, bool failed)
{
	spin_lock_irq(&room->lock);
	WRITE_ONCE(room->growing, false);
	if (failed)
		room->low /= 2;
	spin_unlock_irq(&room->lock);
}
