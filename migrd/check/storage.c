/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/storage.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

struct check_storage {
	struct worker *worker;
	struct loop_timer *deadline;
	struct storage_rules rules;
	bool is_busy;         /* the worker is, maybe with a look that nobody waits for any more */
	check_storage_fn *fn; /* NULL: nobody waits */
	void *data;
};

struct look {
	struct work work;
	struct check_storage *storage; /* freed only when the worker has ended */
	struct storage_rules rules;
	struct storage_marks *marks;
};

static void tell(struct check_storage *storage, struct storage_marks *marks)
{
	check_storage_fn *fn = storage->fn;

	loop_timer_stop(storage->deadline);
	storage->fn = NULL;
	fn(storage->data, marks);
}

static void tell_gap(struct check_storage *storage)
{
	struct storage_marks *marks = xnew(struct storage_marks);

	snprintf(marks->gap, sizeof(marks->gap), "the storage has not answered within %d s",
		 CHECK_STORAGE_MS / 1000);
	tell(storage, marks);
}

static void on_deadline(void *data)
{
	tell_gap(data);
}

static void run_look(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->marks = storage_marks_find_blocking(&look->rules);
}

static void look_done(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);
	struct check_storage *storage = look->storage;

	storage->is_busy = false;
	if (storage->fn)
		tell(storage, look->marks);
	else
		storage_marks_free(look->marks);
	free(look);
}

void check_storage_look(struct check_storage *storage, check_storage_fn *fn, void *data)
{
	struct look *look;

	assert(!storage->fn);
	storage->fn = fn;
	storage->data = data;
	loop_timer_start(storage->deadline, storage->is_busy ? 0 : CHECK_STORAGE_MS);
	if (storage->is_busy)
		return;
	look = xnew(struct look);
	look->work = (struct work){ .run = run_look, .done = look_done };
	look->storage = storage;
	look->rules = storage->rules;
	storage->is_busy = true;
	worker_submit(storage->worker, &look->work);
}

struct check_storage *check_storage_new(struct loop *loop, const struct storage_rules *rules)
{
	struct check_storage *storage = xnew(struct check_storage);

	storage->worker = worker_new(loop, "check-storage", 1);
	storage->deadline = loop_timer_new(loop, on_deadline, storage);
	storage->rules = *rules;
	return storage;
}

void check_storage_free(struct check_storage *storage)
{
	if (!storage)
		return;
	worker_free(storage->worker);
	if (storage->fn)
		tell_gap(storage);
	loop_timer_free(storage->deadline);
	free(storage);
}
