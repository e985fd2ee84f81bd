/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/stats.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/work.h"
#include "vm/entry.h"
#include "vm/stats_take.h"
#include "vm/vm_priv.h"

/* For the slot, and for each answer. */
#define QEMU_DEADLINE_MS 1000

struct waiter {
	struct waiter *next;
	vm_stats_fn *fn;
	void *data;
};

struct vm_stats_kept {
	struct vm_stats *last; /* NULL: none of the present QEMU */
	uint64_t at_ms;        /* of the last look, on the loop's clock */
	uint64_t deaf_until_ms;
	bool has_no_balloon; /* the present QEMU has said so */
	struct look *look;   /* under way; compared, never read: it may be of an earlier QEMU */
	struct waiter *waiters;
};

/* A look on its way.  It belongs to nobody: what comes of it finds the VM by its uuid. */
struct look {
	struct work work;
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	struct vm_entry *entry;
	size_t question; /* index into questions[] */
	struct stats_process process;
	bool is_tap[VM_STATS_NIC_MAX];
	bool is_deaf; /* QEMU has not answered */
	bool has_no_balloon;
	bool was_read;
	struct vm_stats stats;
	struct err err; /* it was not read */
};

static struct vm_stats_kept *kept(struct vm *vm)
{
	if (!vm->stats)
		vm->stats = xnew(struct vm_stats_kept);
	return vm->stats;
}

static uint64_t now_ms(const struct vms *vms)
{
	return loop_now_ms(vms->env.qemu.loop);
}

/* Each is taken off before it is called, as it may ask again. */
static void answer(struct vm *vm)
{
	struct waiter *waiters = vm->stats ? TAKE_PTR(vm->stats->waiters) : NULL;

	while (waiters) {
		struct waiter *waiter = waiters;

		waiters = waiter->next;
		waiter->fn(waiter->data);
		free(waiter);
	}
}

/* The VM of LOOK, if it still waits for that. */
static struct vm *vm_of(const struct look *look)
{
	struct vm *vm = vm_find_uuid(look->vms, look->uuid);

	return vm && vm->stats && vm->stats->look == look ? vm : NULL;
}

/* ---- 3. the end ------------------------------------------------------------------------------ */

/* What QEMU was not asked for is as it was. */
static void keep_disks(const struct vm_stats *last, struct vm_stats *now)
{
	if (now->disks_at_us)
		return;
	now->disks_at_us = last->disks_at_us;
	now->disks_at = last->disks_at;
	now->disk_count = last->disk_count;
	memcpy(now->disks, last->disks, sizeof(now->disks));
	for (size_t i = 0; i < now->disk_count; i++)
		now->disks[i].read.has_rate = now->disks[i].write.has_rate = false;
	now->memory.has_balloon = last->memory.has_balloon;
	now->memory.balloon_bytes = last->memory.balloon_bytes;
}

static void take(struct vm *vm, struct look *look)
{
	struct vm_stats_kept *keeper = vm->stats;
	uint64_t now = now_ms(look->vms);

	if (look->is_deaf)
		keeper->deaf_until_ms = now + STATS_DEAF_MS;
	keeper->has_no_balloon |= look->has_no_balloon;
	if (!look->was_read)
		return;
	if (keeper->last) {
		keep_disks(keeper->last, &look->stats);
		if (now < keeper->at_ms + STATS_WINDOW_MAX_MS)
			stats_take_rates(keeper->last, &look->stats);
	} else {
		keeper->last = xnew(struct vm_stats);
	}
	*keeper->last = look->stats;
	keeper->at_ms = now;
}

static void finish(struct look *look)
{
	struct vm *vm = vm_of(look);

	if (vm) {
		vm->stats->look = NULL;
		take(vm, look);
		answer(vm);
	}
	free(look);
}

/* ---- 2. the kernel's files ------------------------------------------- */

static void run_read(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->was_read =
		stats_read_process(&stats_roots_default, &look->process, &look->stats, &look->err);
	if (look->was_read)
		stats_read_nics(&look->stats, look->is_tap);
}

static void read_done(struct work *work)
{
	finish(CONTAINER_OF(work, struct look, work));
}

/* The worker is gone when the daemon ends. */
static void submit(struct look *look)
{
	if (!look->vms->stats || !vm_of(look)) {
		finish(look);
		return;
	}
	look->work = (struct work){ .run = run_read, .done = read_done };
	worker_submit(look->vms->stats, &look->work);
}

/* ---- 1. QEMU --------------------------------------------------------- */

static void take_cpus(struct look *look, const struct vm_def *def, struct json_object *result)
{
	(void)def;
	stats_take_cpus(result, &look->process);
}

static void take_disks(struct look *look, const struct vm_def *def, struct json_object *result)
{
	stats_take_disks(result, def, &look->stats);
	look->stats.disks_at_us = clock_monotonic_us();
	look->stats.disks_at = clock_wall_ms();
}

static void take_balloon(struct look *look, const struct vm_def *def, struct json_object *result)
{
	(void)def;
	stats_take_balloon(result, &look->stats.memory);
}

enum { QUESTION_BALLOON = 2 };

static const struct {
	const char *command;
	void (*take)(struct look *look, const struct vm_def *def, struct json_object *result);
} questions[] = {
	{ "query-cpus-fast", take_cpus },
	{ "query-blockstats", take_disks },
	[QUESTION_BALLOON] = { "query-balloon", take_balloon },
};

static void ask_next(struct look *look);

static void note(struct look *look, const char *why)
{
	if (!look->stats.disks_at_us)
		snprintf(look->stats.disks_note, sizeof(look->stats.disks_note), "%.200s", why);
}

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct look *look = data;
	struct vm *vm = vm_of(look);
	struct err ignored;

	if (!err && vm) {
		questions[look->question].take(look, vm_def_of(vm, &ignored), result);
	} else if (err && err->code == ERR_QEMU && look->question == QUESTION_BALLOON) {
		look->has_no_balloon = true;
	} else if (err) {
		look->is_deaf = err->code == ERR_TIMEOUT;
		note(look, err->msg);
	}
	look->question++;
	ask_next(look);
}

static void ask_next(struct look *look)
{
	const struct vm *vm = vm_of(look);

	if (vm && look->question == QUESTION_BALLOON && vm->stats->has_no_balloon)
		look->question++;
	if (!vm || look->is_deaf || look->question == ARRAY_LEN(questions)) {
		vm_leave(TAKE_PTR(look->entry));
		submit(look);
		return;
	}
	vm_entry_command(look->entry, questions[look->question].command, NULL, QEMU_DEADLINE_MS,
			 on_answer, look);
}

/* False and why: its QEMU has other things to do now, or would not answer. */
static bool may_ask(const struct vm *vm, struct err *err)
{
	const struct vm_job *job = vm->job;

	if (!vm_is_active(vm))
		return err_set(err, ERR_UNAVAILABLE, "its QEMU cannot be asked: it is %s",
			       vm_state(vm));
	if (job && !(job->allowed & 1u << VM_SYNC_PAUSE))
		return err_set(err, ERR_BUSY, "its QEMU is not asked now: job %s (%s) has it",
			       job->id, job->kind);
	if (now_ms(vm->vms) < vm->stats->deaf_until_ms)
		return err_set(err, ERR_TIMEOUT,
			       "its QEMU did not answer a moment ago, and is asked again later");
	return true;
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct look *look = data;
	const struct vm *vm = vm_of(look);
	struct err why;

	look->entry = entry;
	if (entry && vm && may_ask(vm, &why)) {
		ask_next(look);
		return;
	}
	if (entry)
		vm_leave(TAKE_PTR(look->entry));
	note(look, err ? err->msg : vm ? why.msg : "");
	submit(look);
}

static void begin(struct vm *vm)
{
	struct look *look = xnew(struct look);
	struct err err;
	const struct vm_def *def = vm_def_of(vm, &err);

	look->vms = vm->vms;
	memcpy(look->uuid, vm->row.uuid, sizeof(look->uuid));
	look->process.id = qemu_proc_id(vm->qemu);
	if (def) {
		stats_take_nics(def, &look->stats, look->is_tap);
		look->stats.memory.size_bytes = vm_def_memory_mib(def) << 20;
	}
	vm->stats->look = look;
	if (may_ask(vm, &err)) {
		vm_enter(vm, VM_SYNC_QUERY, QEMU_DEADLINE_MS, on_entered, look);
		return;
	}
	note(look, err.msg);
	submit(look);
}

/* ---- from outside ---------------------------------------------------- */

static bool has_process(const struct vm *vm)
{
	return vm->qemu && qemu_is_alive(vm->qemu) && qemu_proc_id(vm->qemu).pid > 0;
}

void vm_stats_ask(struct vm *vm, vm_stats_fn *fn, void *data)
{
	struct vm_stats_kept *keeper = kept(vm);
	struct waiter *waiter;

	if (!has_process(vm) ||
	    (keeper->last && !keeper->look && now_ms(vm->vms) < keeper->at_ms + STATS_FRESH_MS)) {
		loop_post(vm->vms->env.qemu.loop, fn, data);
		return;
	}
	waiter = xnew(struct waiter);
	*waiter = (struct waiter){ keeper->waiters, fn, data };
	keeper->waiters = waiter;
	if (!keeper->look)
		begin(vm);
}

void vm_stats_show(struct vm *vm, struct vm_stats *ret)
{
	if (vm->stats && vm->stats->last)
		*ret = *vm->stats->last;
	else
		*ret = (struct vm_stats){ 0 };
	ret->name = vm->row.name;
	ret->uuid = vm->row.uuid;
	ret->state = vm_state(vm);
	if (!ret->has_process)
		snprintf(ret->note, sizeof(ret->note), "%s",
			 has_process(vm) ? "its QEMU was not looked at yet"
					 : "it does not run here");
}

/* ---- of the VM ------------------------------------------------------- */

/* Its counters go with the process: the next QEMU begins with 0. */
void vm_stats_gone(struct vm *vm)
{
	struct vm_stats_kept *keeper = vm->stats;

	if (!keeper)
		return;
	free(TAKE_PTR(keeper->last));
	keeper->at_ms = keeper->deaf_until_ms = 0;
	keeper->has_no_balloon = false;
	keeper->look = NULL;
	answer(vm);
}

void vm_stats_let_go(struct vm *vm, const struct err *why)
{
	(void)why; /* who asked finds no VM */
	if (vm->stats)
		vm->stats->look = NULL;
	answer(vm);
}

void vm_stats_fini(struct vm *vm)
{
	vm_stats_let_go(vm, NULL);
	if (vm->stats)
		free(vm->stats->last);
	free(vm->stats);
}
