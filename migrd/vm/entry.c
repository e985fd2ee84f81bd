/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/entry.h"

#include <assert.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmp/refuse.h"
#include "vm/devices_priv.h"
#include "vm/reverting.h"
#include "vm/vm_priv.h"

enum needs { NEEDS_NO_QEMU, NEEDS_QEMU, NEEDS_EITHER };

/* Who waits for QEMU's answer gives way to a stop, which needs none, after this time: that QEMU may
 * never answer. */
#define STOP_PATIENCE_MS 1000
#define GAVE_WAY         "it was given up, since the VM is stopped on request"

static const struct {
	const char *name;
	const char *verb; /* "cannot VERB VM 'x'" */
	enum needs needs;
	bool gives_way; /* to a stop */
} kinds[VM_SYNC_COUNT] = {
	[VM_SYNC_START] = { "start", "start", NEEDS_NO_QEMU, false },
	[VM_SYNC_STOP] = { "stop", "stop", NEEDS_QEMU, false },
	[VM_SYNC_PAUSE] = { "pause", "pause", NEEDS_QEMU, true },
	[VM_SYNC_RESUME] = { "resume", "resume", NEEDS_QEMU, true },
	[VM_SYNC_RESET] = { "reset", "reset", NEEDS_QEMU, true },
	[VM_SYNC_SHUTDOWN] = { "shutdown", "shutdown", NEEDS_QEMU, true },
	[VM_SYNC_DELETE] = { "delete", "delete", NEEDS_NO_QEMU, false },
	[VM_SYNC_QUERY] = { "query", "query", NEEDS_QEMU, true },
	[VM_SYNC_MODIFY] = { "modify", "modify", NEEDS_QEMU, true },
	[VM_SYNC_DEVICE] = { "device", "change the devices of", NEEDS_EITHER, true },
	[VM_SYNC_RENAME] = { "rename", "rename", NEEDS_EITHER, false },
	[VM_SYNC_JOB] = { "job", "begin a job on", NEEDS_EITHER, true },
	[VM_SYNC_SNAPSHOT] = { "snapshot", "change the snapshots of", NEEDS_EITHER, true },
};

enum entry_state {
	ENTRY_WAITS,   /* in the VM's queue; the timer is its deadline */
	ENTRY_REFUSED, /* in the queue until it is told; the timer is due */
	ENTRY_GRANTED, /* the VM's holder, to be told; the timer is due */
	ENTRY_HOLDS,   /* the VM's holder; no timer */
};

struct vm_entry {
	TAILQ_ENTRY(vm_entry) link;
	struct vm *vm; /* NULL: gone, or lost to a stop */
	bool gave_way;
	struct loop *loop;
	char id[ID_UUID_SIZE];
	enum vm_sync kind;
	enum entry_state state;
	uint32_t deadline_ms;
	uint64_t asked_ms, since_ms; /* when it asked, and got the slot */
	char command[64];
	struct loop_timer *timer;
	struct err refusal;
	vm_entered_fn *entered;
	void *data;
};

const char *vm_sync_name(enum vm_sync kind)
{
	return kinds[kind].name;
}

/* ---- the rules -------------------------------------------------------- */

static double seconds_since(const struct vm *vm, uint64_t since_ms)
{
	return (double)(loop_now_ms(vm->vms->env.qemu.loop) - since_ms) / 1000;
}

static bool job_allows(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	const struct vm_job *job = vm->job;

	if (!job || kind == VM_SYNC_QUERY || (job->allowed & (1u << kind)))
		return true;
	return err_set(err, ERR_BUSY,
		       "cannot %s VM '%s' now: job %s (%s) has held it for %.1f s; wait for it, or "
		       "cancel it",
		       kinds[kind].verb, vm->row.name, job->id, job->kind,
		       seconds_since(vm, job->since_ms));
}

static bool is_starting(const struct vm *vm)
{
	return vm->holder && vm->holder->kind == VM_SYNC_START;
}

/* Its monitor may be another's, or hang: the kernel tells that the process is that of the record.
 */
static bool is_known_process(const struct vm *vm)
{
	const struct proc_id id =
		qemu_is_alive(vm->qemu) ? qemu_proc_id(vm->qemu) : (struct proc_id){ 0 };

	return id.pid && !vm->launched && vm->row.qemu_pid == id.pid &&
	       vm->row.qemu_start_time == id.start_time;
}

static bool has_qemu(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	if (kinds[kind].needs != NEEDS_QEMU || vm_is_active(vm) ||
	    (kind == VM_SYNC_STOP && is_known_process(vm)))
		return true;
	return err_set(err, ERR_CONFLICT, "cannot %s VM '%s': it is %s", kinds[kind].verb,
		       vm->row.name, vm_state(vm));
}

static bool lacks_qemu(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	if (kinds[kind].needs != NEEDS_NO_QEMU || !vm->qemu)
		return true;
	return err_set(err, ERR_CONFLICT, "cannot %s VM '%s': it is %s%s", kinds[kind].verb,
		       vm->row.name, vm_state(vm), kind == VM_SYNC_START ? "" : "; stop it first");
}

/* A VM that was here can only be queried, stopped and deleted. */
static bool is_here(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	const uint32_t allowed = 1u << VM_SYNC_STOP | 1u << VM_SYNC_DELETE | 1u << VM_SYNC_QUERY;

	if (vm->role != VM_ROLE_FORMER || (allowed & (1u << kind)))
		return true;
	return err_set(err, ERR_CONFLICT, "cannot %s VM '%s' on this host: %s", kinds[kind].verb,
		       vm->row.name, vm->reason);
}

/* The checks that can be made before an entry has its turn. */
static bool may_wait(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	if (!is_here(vm, kind, err) || !job_allows(vm, kind, err) ||
	    (!is_starting(vm) && !has_qemu(vm, kind, err)))
		return false;
	if (vm->waiting < VM_ENTRY_MAX)
		return true;
	return err_set(err, ERR_LIMIT, "cannot %s VM '%s': %u wait for its monitor already",
		       kinds[kind].verb, vm->row.name, vm->waiting);
}

/* Disks of different times: no guest may see them. */
static bool has_whole_disks(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	return (kind != VM_SYNC_START && kind != VM_SYNC_JOB) || vm_is_whole(vm, err);
}

static bool may_hold(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	return is_here(vm, kind, err) && job_allows(vm, kind, err) && has_qemu(vm, kind, err) &&
	       lacks_qemu(vm, kind, err) && has_whole_disks(vm, kind, err);
}

bool vm_may_enter(const struct vm *vm, enum vm_sync kind, struct err *err)
{
	return may_hold(vm, kind, err);
}

static void set_late(const struct vm_entry *entry, struct err *err)
{
	const struct vm *vm = entry->vm;
	const struct vm_entry *holder = vm->holder;

	err_set(err, ERR_BUSY,
		"cannot %s VM '%s': '%s' (sync job %s%s%s) has held its monitor for %.1f s; gave "
		"up after %.1f s",
		kinds[entry->kind].verb, vm->row.name, kinds[holder->kind].name, holder->id,
		holder->command[0] ? ", in QEMU's " : "", holder->command,
		seconds_since(vm, holder->since_ms), (double)entry->deadline_ms / 1000);
}

/* ---- the queue -------------------------------------------------------- */

static void entry_free(struct vm_entry *entry)
{
	loop_timer_free(entry->timer);
	free(entry);
}

/* Removes the entry from the queue, frees it and answers it with ERR. */
static void tell_refused(struct vm_entry *entry, const struct err *err)
{
	struct err copy = *err;
	vm_entered_fn *entered = entry->entered;
	void *data = entry->data;

	TAILQ_REMOVE(&entry->vm->entries, entry, link);
	entry->vm->waiting--;
	entry_free(entry);
	entered(data, NULL, &copy);
}

static void refuse(struct vm_entry *entry)
{
	entry->state = ENTRY_REFUSED;
	loop_timer_start(entry->timer, 0);
}

static struct vm_entry *first_waiting(const struct vm *vm)
{
	struct vm_entry *entry;

	TAILQ_FOREACH(entry, &vm->entries, link)
	{
		if (entry->state == ENTRY_WAITS)
			return entry;
	}
	return NULL;
}

static void grant_next(struct vm *vm)
{
	struct vm_entry *entry = vm->holder ? NULL : first_waiting(vm);

	if (!entry)
		return;
	TAILQ_REMOVE(&vm->entries, entry, link);
	vm->waiting--;
	vm->holder = entry;
	entry->state = ENTRY_GRANTED;
	entry->since_ms = loop_now_ms(entry->loop);
	loop_timer_start(entry->timer, 0);
}

/* Checks again: the VM may have changed since the entry was granted the slot. */
static void enter(struct vm_entry *entry)
{
	vm_entered_fn *entered = entry->entered;
	void *data = entry->data;
	struct err err;

	if (may_hold(entry->vm, entry->kind, &err)) {
		entry->state = ENTRY_HOLDS;
		loop_timer_free(TAKE_PTR(entry->timer));
		entered(data, entry, NULL);
	} else {
		vm_leave(entry);
		entered(data, NULL, &err);
	}
}

/* ---- a stop ------------------------------------------------------------ */

/* The holder has the slot no more, though it goes on waiting for QEMU's answer. */
static void take_slot(struct vm *vm)
{
	struct vm_entry *holder = vm->holder;
	struct err err;

	log_warning("vm", "gives-way", "vm=%s kind=%s command=%s held_ms=%" PRIu64, vm->row.name,
		    kinds[holder->kind].name, holder->command,
		    loop_now_ms(holder->loop) - holder->since_ms);
	vm->action = NULL; /* it was the holder's, if there was one */
	if (vm->medium) {
		err_set(&err, ERR_CONFLICT, GAVE_WAY);
		vm_medium_end(vm, &err); /* leaves */
		return;
	}
	holder->vm = NULL;
	holder->gave_way = true;
	vm->holder = NULL;
	grant_next(vm);
}

static uint32_t left_ms(const struct vm_entry *entry)
{
	uint64_t until = entry->asked_ms + entry->deadline_ms, now = loop_now_ms(entry->loop);

	return until > now ? (uint32_t)(until - now) : 0;
}

/* Until ENTRY has its turn, is too late, or may take the slot. */
static void wait_on(struct vm_entry *entry)
{
	uint32_t left = left_ms(entry);
	bool is_stop = entry->kind == VM_SYNC_STOP;

	loop_timer_start(entry->timer,
			 is_stop && left > STOP_PATIENCE_MS ? STOP_PATIENCE_MS : left);
}

static void on_waited(struct vm_entry *entry)
{
	struct vm *vm = entry->vm;
	const struct vm_entry *holder = vm->holder;
	struct err err;

	if (entry->kind == VM_SYNC_STOP && holder->state == ENTRY_HOLDS &&
	    kinds[holder->kind].gives_way) {
		TAILQ_REMOVE(&vm->entries, entry, link);
		TAILQ_INSERT_HEAD(&vm->entries, entry, link);
		take_slot(vm);
	} else if (left_ms(entry)) {
		wait_on(entry);
	} else {
		set_late(entry, &err);
		tell_refused(entry, &err);
	}
}

static void on_timer(void *data)
{
	struct vm_entry *entry = data;

	switch (entry->state) {
	case ENTRY_WAITS:
		on_waited(entry);
		break;
	case ENTRY_REFUSED:
		tell_refused(entry, &entry->refusal);
		break;
	case ENTRY_GRANTED:
		enter(entry);
		break;
	case ENTRY_HOLDS:
		break;
	}
}

static struct vm_entry *entry_new(struct vm *vm, enum vm_sync kind, uint32_t deadline_ms)
{
	struct vm_entry *entry = xnew(struct vm_entry);

	entry->vm = vm;
	entry->loop = vm->vms->env.qemu.loop;
	entry->kind = kind;
	entry->deadline_ms = deadline_ms ? deadline_ms : vm->vms->env.monitor_wait_ms;
	entry->asked_ms = loop_now_ms(entry->loop);
	entry->timer = loop_timer_new(entry->loop, on_timer, entry);
	id_uuid_new(entry->id);
	return entry;
}

void vm_enter(struct vm *vm, enum vm_sync kind, uint32_t deadline_ms, vm_entered_fn *entered,
	      void *data)
{
	struct vm_entry *entry = entry_new(vm, kind, deadline_ms);

	assert(!vm->job || !data || data != vm->job->data);
	entry->entered = entered;
	entry->data = data;
	if (may_wait(vm, kind, &entry->refusal))
		wait_on(entry);
	else
		refuse(entry);
	TAILQ_INSERT_TAIL(&vm->entries, entry, link);
	vm->waiting++;
	grant_next(vm);
}

void vm_leave(struct vm_entry *entry)
{
	struct vm *vm = entry->vm;

	if (vm) {
		assert(vm->holder == entry);
		vm->holder = NULL;
		grant_next(vm);
		if (entry->kind != VM_SYNC_QUERY)
			vm_changed(vm);
	}
	entry_free(entry);
}

void vm_entries_qemu_ended(struct vm *vm)
{
	struct vm_entry *entry;

	TAILQ_FOREACH(entry, &vm->entries, link)
	{
		if (entry->state != ENTRY_WAITS || kinds[entry->kind].needs != NEEDS_QEMU)
			continue;
		err_set(&entry->refusal, ERR_CONFLICT, "cannot %s VM '%s': its QEMU has ended",
			kinds[entry->kind].verb, vm->row.name);
		refuse(entry);
	}
}

void vm_entries_let_go(struct vm *vm)
{
	struct vm_entry *entry, *holder = TAKE_PTR(vm->holder);
	struct err err;

	err_set(&err, ERR_NOT_FOUND, "VM '%s' is gone", vm->row.name);
	if (holder)
		holder->vm = NULL;
	if (holder && holder->state == ENTRY_GRANTED) {
		vm_entered_fn *entered = holder->entered;
		void *data = holder->data;

		entry_free(holder);
		entered(data, NULL, &err);
	}
	while ((entry = TAILQ_FIRST(&vm->entries)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		tell_refused(entry, &err);
}

/* ---- commands ---------------------------------------------------------- */

static void command(struct loop *loop, const struct vm *vm, const char *name,
		    struct json_object *args, uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	struct err err;

	if (vm && vm_is_active(vm)) {
		qemu_command(vm->qemu, name, args, deadline_ms, fn, data);
		return;
	}
	json_object_put(args);
	err_set(&err, ERR_UNAVAILABLE, "cannot send '%s': the VM is %s", name,
		vm ? vm_state(vm) : "gone");
	qmp_refuse(loop, fn, data, &err);
}

struct vm *vm_entry_vm(const struct vm_entry *entry)
{
	return entry->vm;
}

bool vm_entry_gone(const struct vm_entry *entry, struct err *err)
{
	return entry->gave_way ? err_set(err, ERR_CONFLICT, GAVE_WAY)
			       : err_set(err, ERR_NOT_FOUND, "the VM is gone");
}

void vm_entry_command(struct vm_entry *entry, const char *name, struct json_object *args,
		      uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	struct err err;

	assert(!entry->vm || entry->vm->holder == entry);
	snprintf(entry->command, sizeof(entry->command), "%s", name);
	if (!entry->gave_way) {
		command(entry->loop, entry->vm, name, args, deadline_ms, fn, data);
		return;
	}
	json_object_put(args);
	vm_entry_gone(entry, &err);
	qmp_refuse(entry->loop, fn, data, &err);
}

void vm_job_command(struct vm *vm, const struct vm_job *job, const char *name,
		    struct json_object *args, uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	assert(vm->job == job);
	command(vm->vms->env.qemu.loop, vm, name, args, deadline_ms, fn, data);
}

void vm_job_command_fd(struct vm *vm, const struct vm_job *job, const char *name,
		       struct json_object *args, int fd, uint32_t deadline_ms, qmp_reply_fn *fn,
		       void *data)
{
	struct qmp_conn *conn = vm_is_active(vm) ? qemu_monitor(vm->qemu) : NULL;
	struct err err;

	assert(vm->job == job);
	if (conn) {
		qmp_command_fd(conn, name, args, fd, deadline_ms, fn, data);
		return;
	}
	close(fd);
	json_object_put(args);
	err_set(&err, ERR_UNAVAILABLE, "cannot send '%s': VM '%s' has no monitor", name,
		vm->row.name);
	qmp_refuse(vm->vms->env.qemu.loop, fn, data, &err);
}

bool vm_job_has_oob(const struct vm *vm, const struct vm_job *job)
{
	const struct qmp_conn *conn = qemu_monitor(vm->qemu);

	assert(vm->job == job);
	return conn && qmp_conn_has_oob(conn);
}

void vm_job_command_oob(struct vm *vm, const struct vm_job *job, const char *name,
			struct json_object *args, uint32_t deadline_ms, qmp_reply_fn *fn,
			void *data)
{
	struct err err;

	if (vm_job_has_oob(vm, job)) {
		qmp_command_oob(qemu_monitor(vm->qemu), name, args, deadline_ms, fn, data);
		return;
	}
	json_object_put(args);
	err_set(&err, ERR_UNAVAILABLE, "cannot send '%s': VM '%s' has no out-of-band monitor", name,
		vm->row.name);
	qmp_refuse(vm->vms->env.qemu.loop, fn, data, &err);
}

/* ---- what there is to know ---------------------------------------------- */

bool vm_holder(const struct vm *vm, struct vm_holder *ret)
{
	const struct vm_entry *holder = vm->holder;

	if (!holder)
		return false;
	*ret = (struct vm_holder){
		.id = holder->id,
		.kind = holder->kind,
		.command = holder->command,
		.held_ms = loop_now_ms(holder->loop) - holder->since_ms,
	};
	return true;
}

unsigned vm_waiting(const struct vm *vm)
{
	return vm->waiting;
}

bool vm_is_busy(const struct vm *vm)
{
	return vm->holder && vm->holder->kind != VM_SYNC_QUERY;
}
