/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/dirty.h"

#include <string.h>

#include "base/mem.h"
#include "vm/entry.h"
#include "vm/vm_priv.h"

#define COMMAND_DEADLINE_MS 5000
/* QEMU is late when it is busy; then there is no sample. */
#define LATE_MS  3000
#define AGAIN_MS 50
/* The most of 7.2; a GiB has so many pages compared. */
#define SAMPLE_PAGES 4096

/* What QEMU is told: CALC_TIME in milliseconds, or in seconds of one that knows no other unit. */
static const struct {
	uint64_t calc_time;
	double seconds;
} times[2][2] = {
	{ { 100, 0.1 }, { 1000, 1 } },
	{ { 1, 1 }, { 2, 2 } },
};

/* One sample on its way.  It belongs to its VM; what comes later finds it by the VM. */
struct vm_sampling {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	vm_dirty_fn *fn;
	void *data;
	struct loop_timer *timer;
	struct vm_entry *entry; /* NULL: between two questions */
	bool whole_seconds;
	size_t round; /* index into times[] */
	bool is_measuring;
	uint64_t deadline_ms;
	double bytes[2];
};

/* What an answer needs to find the sample again: it may be another one by then. */
struct question {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	const struct vm_sampling *sampling; /* compared, never read */
};

static void *question_new(const struct vm_sampling *sampling)
{
	struct question *question = xnew(struct question);

	question->vms = sampling->vms;
	memcpy(question->uuid, sampling->uuid, sizeof(question->uuid));
	question->sampling = sampling;
	return question;
}

static struct vm_sampling *question_take(struct question *question)
{
	struct vm *vm = vm_find_uuid(question->vms, question->uuid);
	struct vm_sampling *sampling = vm ? vm->sampling : NULL;

	if (sampling != question->sampling)
		sampling = NULL;
	free(question);
	return sampling;
}

/* Answers, and frees the sample. */
static void end(struct vm_sampling *sampling, const struct err *err)
{
	struct vm *vm = vm_find_uuid(sampling->vms, sampling->uuid);

	if (vm)
		vm->sampling = NULL;
	if (sampling->entry)
		vm_leave(sampling->entry);
	loop_timer_free(sampling->timer);
	sampling->fn(sampling->data, err);
	free(sampling);
}

static void leave(struct vm_sampling *sampling)
{
	vm_leave(TAKE_PTR(sampling->entry));
}

static uint64_t now_ms(const struct vm_sampling *sampling)
{
	return loop_now_ms(sampling->vms->env.qemu.loop);
}

static struct json_object *arguments(const struct vm_sampling *sampling)
{
	struct json_object *args = json_object_new_object();

	if (!sampling->whole_seconds)
		json_add_str(args, "calc-time-unit", "millisecond");
	return args;
}

/* ---- a round: QEMU is told to measure, then asked until it has --------------------- */

static void enter(struct vm_sampling *sampling);

static void next_round(struct vm_sampling *sampling, double rate_mib)
{
	struct vm *vm = vm_find_uuid(sampling->vms, sampling->uuid);
	double short_s = times[sampling->whole_seconds][0].seconds;
	double long_s = times[sampling->whole_seconds][1].seconds;

	sampling->bytes[sampling->round] =
		rate_mib * times[sampling->whole_seconds][sampling->round].seconds * (1 << 20);
	sampling->is_measuring = false;
	if (++sampling->round < ARRAY_LEN(sampling->bytes)) {
		enter(sampling);
		return;
	}
	vm->dirty = (struct vm_dirty){
		.is_known = true,
		.at_ms = now_ms(sampling),
		.short_s = short_s,
		.long_s = long_s,
		.short_bytes = sampling->bytes[0],
		.long_bytes = sampling->bytes[1],
	};
	end(sampling, NULL);
}

static void on_measured(void *data, struct json_object *result, const struct err *err)
{
	struct vm_sampling *sampling = question_take(data);
	const char *status = err ? NULL : json_get_str(result, "status");
	struct err late;

	if (!sampling)
		return;
	leave(sampling);
	if (err) {
		end(sampling, err);
	} else if (status && strcmp(status, "measured") == 0) {
		next_round(sampling, (double)json_get_int(result, "dirty-rate", 0));
	} else if (now_ms(sampling) < sampling->deadline_ms) {
		loop_timer_start(sampling->timer, AGAIN_MS);
	} else {
		err_set(&late, ERR_TIMEOUT,
			"QEMU does not end its measuring of the guest's memory");
		end(sampling, &late);
	}
}

static void on_begun(void *data, struct json_object *result, const struct err *err)
{
	struct vm_sampling *sampling = question_take(data);

	(void)result;
	if (!sampling)
		return;
	leave(sampling);
	if (err && err->code == ERR_QEMU && !sampling->whole_seconds) {
		sampling->whole_seconds = true; /* it does not know the unit */
		enter(sampling);
	} else if (err) {
		end(sampling, err);
	} else {
		double seconds = times[sampling->whole_seconds][sampling->round].seconds;

		sampling->is_measuring = true;
		sampling->deadline_ms = now_ms(sampling) + (uint64_t)(seconds * 1000) + LATE_MS;
		loop_timer_start(sampling->timer, (uint32_t)(seconds * 1000));
	}
}

static void tell(struct vm_sampling *sampling)
{
	struct json_object *args = arguments(sampling);

	json_add_uint(args, "calc-time", times[sampling->whole_seconds][sampling->round].calc_time);
	json_add_uint(args, "sample-pages", SAMPLE_PAGES);
	vm_entry_command(sampling->entry, "calc-dirty-rate", args, COMMAND_DEADLINE_MS, on_begun,
			 question_new(sampling));
}

static void ask(struct vm_sampling *sampling)
{
	vm_entry_command(sampling->entry, "query-dirty-rate", arguments(sampling),
			 COMMAND_DEADLINE_MS, on_measured, question_new(sampling));
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct vm_sampling *sampling = question_take(data);
	struct err busy;

	if (!sampling) {
		if (entry)
			vm_leave(entry);
		return;
	}
	sampling->entry = entry;
	if (!entry) {
		end(sampling, err);
	} else if (vm_job(vm_entry_vm(entry))) {
		err_set(&busy, ERR_BUSY, "a %s has begun", vm_job(vm_entry_vm(entry))->kind);
		end(sampling, &busy);
	} else if (sampling->is_measuring) {
		ask(sampling);
	} else {
		tell(sampling);
	}
}

static void enter(struct vm_sampling *sampling)
{
	vm_enter(vm_find_uuid(sampling->vms, sampling->uuid), VM_SYNC_QUERY, VM_ENTRY_USUAL,
		 on_entered, question_new(sampling));
}

static void on_timer(void *data)
{
	enter(data);
}

/* ---- from outside -------------------------------------------------------------- */

struct refusal {
	vm_dirty_fn *fn;
	void *data;
	struct err err;
};

static void on_refused(void *data)
{
	struct refusal *refusal = data;

	refusal->fn(refusal->data, &refusal->err);
	free(refusal);
}

void vm_dirty_sample(struct vm *vm, vm_dirty_fn *fn, void *data)
{
	struct vm_sampling *sampling;
	struct refusal *refusal;

	if (vm->sampling) {
		refusal = xnew(struct refusal);
		refusal->fn = fn;
		refusal->data = data;
		err_set(&refusal->err, ERR_BUSY,
			"the memory of VM '%s' is being sampled: ask again in a few seconds",
			vm->row.name);
		loop_post(vm->vms->env.qemu.loop, on_refused, refusal);
		return;
	}
	sampling = xnew(struct vm_sampling);
	sampling->vms = vm->vms;
	memcpy(sampling->uuid, vm->row.uuid, sizeof(sampling->uuid));
	sampling->fn = fn;
	sampling->data = data;
	sampling->timer = loop_timer_new(vm->vms->env.qemu.loop, on_timer, sampling);
	vm->sampling = sampling;
	enter(sampling);
}

bool vm_dirty_last(const struct vm *vm, struct vm_dirty *ret)
{
	*ret = vm->dirty;
	return vm->dirty.is_known;
}

void vm_dirty_note_resident(struct vm *vm, uint64_t bytes)
{
	vm->dirty.resident_bytes = bytes;
}

void vm_dirty_gone(struct vm *vm)
{
	vm->dirty = (struct vm_dirty){ 0 };
}

void vm_dirty_let_go(struct vm *vm, const struct err *why)
{
	if (vm->sampling)
		end(vm->sampling, why);
}

void vm_dirty_fini(struct vm *vm)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "migrd is stopping");
	vm_dirty_let_go(vm, &err);
}
