/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All refreshes of this host: how they begin, and how a restart finds them. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "refresh/priv.h"
#include "vm/admission.h"
#include "vm/entry.h"
#include "vm/memory.h"
#include "vm/swap.h"
#include "vm/virtqueues.h"
#include "wire/vm_def_memory.h"

#define QUERY_DEADLINE_MS 5000

/* ---- the list ------------------------------------------------------------------- */

struct refresh *refreshes_find(struct refreshes *refreshes, const char *id)
{
	struct machine *machine = machines_find(&refreshes->machines, id);

	return machine ? refresh_of(machine) : NULL;
}

struct refresh *refreshes_first(struct refreshes *refreshes)
{
	return TAILQ_FIRST(&refreshes->list);
}

struct refresh *refresh_next(const struct refresh *refresh)
{
	return TAILQ_NEXT(refresh, link);
}

static void refresh_free(struct refresh *refresh)
{
	refresh_started_fn *started = TAKE_PTR(refresh->started);
	struct err err;

	TAILQ_REMOVE(&refresh->refreshes->list, refresh, link);
	if (started) {
		err_set(&err, ERR_CANCELLED, "this coordinator is stopping");
		started(refresh->started_data, NULL, &err);
	}
	machine_fini(&refresh->machine);
	loop_timer_free(refresh->tick);
	qemu_free(refresh->beside);
	probe_free(refresh->probe);
	store_refresh_fini(&refresh->row);
	free(refresh);
}

static struct refresh *first_ended(struct refreshes *refreshes, size_t *ret_count)
{
	struct refresh *refresh, *first = NULL;

	*ret_count = 0;
	TAILQ_FOREACH(refresh, &refreshes->list, link)
	{
		if (!refresh_is_final(refresh))
			continue;
		++*ret_count;
		if (!first || machine_goes_before(&refresh->machine, refresh->row.ended_ms,
						  &first->machine, first->row.ended_ms))
			first = refresh;
	}
	return first;
}

void refreshes_trim(struct refreshes *refreshes)
{
	struct refresh *refresh;
	size_t count;

	while ((refresh = first_ended(refreshes, &count)) && count > STORE_REFRESHES_MAX)
		refresh_free(refresh);
}

/* ---- a look before a job is made --------------------------------------------------- */

/* At the program, at QEMU, and at what the records tell. */
struct begin {
	TAILQ_ENTRY(begin) link;
	struct refreshes *refreshes;
	char uuid[ID_UUID_SIZE];
	char *emulator;
	struct probe *probe;
	bool is_probing;
	struct err probe_err, memory_err;
	struct refresh_request wish;
	struct refresh_look look;
	enum refresh_way way;
	struct vm_taps taps;
	struct evidence *queues, *room; /* NULL: not asked for */
	struct virtqueues_walk walk;
	struct vm_entry *entry;
	refresh_started_fn *started;
	vm_done_fn *tried; /* in place of `started': nothing is begun */
	void *data;
};

static void begin_free(struct begin *begin)
{
	TAILQ_REMOVE(&begin->refreshes->begins, begin, link);
	if (begin->entry)
		vm_leave(begin->entry);
	probe_free(begin->probe);
	virtqueues_walk_fini(&begin->walk);
	free(begin->queues);
	free(begin->room);
	free(begin->emulator);
	free(begin);
}

static void end_begin(struct begin *begin, const struct err *err)
{
	if (begin->tried)
		begin->tried(begin->data, err);
	else
		begin->started(begin->data, NULL, err);
	begin_free(begin);
}

static bool make_job(struct begin *begin, struct vm *vm, struct err *err)
{
	const struct qmp_version *version = qemu_version(vm_qemu(vm));
	char id[ID_UUID_SIZE];
	struct refresh *refresh;

	id_uuid_new(id);
	refresh = refresh_new(begin->refreshes, id);
	snprintf(refresh->row.vm_uuid, sizeof(refresh->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(refresh->row.vm_name, sizeof(refresh->row.vm_name), "%s", vm_name(vm));
	refresh->row.emulator = TAKE_PTR(begin->emulator);
	refresh->probe = TAKE_PTR(begin->probe);
	refresh->detail.way = (int)begin->way;
	refresh->detail.taps = begin->taps;
	if (version)
		snprintf(refresh->detail.from_version, sizeof(refresh->detail.from_version),
			 "%d.%d.%d", version->major, version->minor, version->micro);
	if (!refresh_hold_vm(refresh, vm, err)) {
		refresh_free(refresh);
		return false;
	}
	refresh->started = begin->started;
	refresh->started_data = begin->data;
	machine_begin(&refresh->machine, &(struct machine_change){ .to = REFRESH_STATE_PREPARE });
	return true;
}

/* Huge pages are looked at apart (vm/memory.h). */
static bool has_room_for_copy(struct vm *vm, const struct refreshes *refreshes, struct err *err)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);
	uint64_t mib = def ? vm_def_ordinary_memory_mib(def) : 0;

	return !mib || vms_have_room(refreshes->env.vms, "a copy of its memory", mib, err);
}

/* All was looked at.  ERR: QEMU could not be asked. */
static void decide(struct begin *begin, const struct err *err)
{
	struct vm *vm = vm_find_uuid(begin->refreshes->env.vms, begin->uuid);
	struct err why, taps_err, room_err;

	begin->look.vm = vm;
	if (vm && vm_is_active(vm) && !vm_taps_look(vm, &begin->taps, &taps_err))
		begin->look.taps_err = &taps_err;
	begin->look.emulator = begin->emulator;
	begin->look.probe = begin->probe;
	begin->look.wish = &begin->wish;
	begin->look.queues = begin->queues;
	begin->look.room = begin->room;
	if (vm && !has_room_for_copy(vm, begin->refreshes, &room_err))
		begin->look.room_err = &room_err;
	begin->look.probe_err = err_is_set(&begin->probe_err) ? &begin->probe_err : NULL;
	begin->look.memory_err = err_is_set(&begin->memory_err) ? &begin->memory_err : NULL;
	if (begin->refreshes->is_closing)
		err_set(&why, ERR_UNAVAILABLE, "this coordinator is stopping");
	else if (!vm)
		err_set(&why, ERR_NOT_FOUND, "the VM is gone");
	else if (!refresh_judge(&begin->look, &begin->way, &why))
		;
	else if (err)
		why = *err;
	else if (begin->tried) {
		end_begin(begin, NULL);
		return;
	} else if (make_job(begin, vm, &why)) {
		begin_free(begin);
		return;
	}
	end_begin(begin, &why);
}

static void ask_queues(struct begin *begin);

/* What QEMU does not tell is not compared, and left to the new one. */
static void on_queues(void *data, struct json_object *result, const struct err *err)
{
	struct begin *begin = data;

	if (err && err->code != ERR_QEMU) {
		decide(begin, err);
		return;
	}
	virtqueues_take(&begin->walk, err ? NULL : result);
	ask_queues(begin);
}

static void ask_queues(struct begin *begin)
{
	struct json_object *args;
	const char *command = virtqueues_next(&begin->walk, &args);

	if (command)
		vm_entry_command(begin->entry, command, args, QUERY_DEADLINE_MS, on_queues, begin);
	else
		decide(begin, NULL);
}

static void look_at_queues(struct begin *begin)
{
	const struct vm *vm = vm_entry_vm(begin->entry);
	const struct qemu *qemu = vm ? vm_qemu(vm) : NULL;

	if (!qemu || err_is_set(&begin->probe_err) ||
	    !virtqueues_may_be_large(qemu_version(qemu)) ||
	    !virtqueues_are_strict(probe_version(begin->probe))) {
		decide(begin, NULL);
		return;
	}
	begin->queues = xnew(struct evidence);
	begin->room = xnew(struct evidence);
	begin->walk = (struct virtqueues_walk){ .there = begin->queues, .room = begin->room };
	ask_queues(begin);
}

static void on_aux_share(void *data, struct json_object *result, const struct err *err)
{
	struct begin *begin = data;

	begin->look.was_asked = true;
	begin->look.is_aux_shared = !err && json_object_get_boolean(result);
	look_at_queues(begin);
}

static bool is_all_shared(struct json_object *memdevs)
{
	size_t count = json_count(memdevs);
	bool is_shared = count > 0;

	for (size_t i = 0; i < count; i++)
		is_shared = is_shared &&
			    json_get_bool(json_object_array_get_idx(memdevs, i), "share", false);
	return is_shared;
}

static void on_memdevs(void *data, struct json_object *result, const struct err *err)
{
	struct begin *begin = data;
	struct json_object *args;

	if (err || !vm_entry_vm(begin->entry)) {
		decide(begin, err);
		return;
	}
	begin->look.is_memory_shared = is_all_shared(result);
	args = json_object_new_object();
	json_add_str(args, "path", "/machine");
	json_add_str(args, "property", "aux-ram-share");
	vm_entry_command(begin->entry, "qom-get", args, QUERY_DEADLINE_MS, on_aux_share, begin);
}

/* Nobody else speaks to QEMU at the moment in which the job begins. */
static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct begin *begin = data;

	begin->entry = entry;
	if (!entry || !vm_is_active(vm_entry_vm(entry)))
		decide(begin, err);
	else
		vm_entry_command(entry, "query-memdev", NULL, QUERY_DEADLINE_MS, on_memdevs, begin);
}

static void enter(struct begin *begin)
{
	struct vm *vm = vm_find_uuid(begin->refreshes->env.vms, begin->uuid);

	if (!vm || begin->refreshes->is_closing || !vm_is_active(vm) || vm_job(vm))
		decide(begin, NULL);
	else
		vm_enter(vm, VM_SYNC_JOB, VM_ENTRY_USUAL, on_entered, begin);
}

static void on_memory(void *data, const struct err *err)
{
	struct begin *begin = data;

	if (err)
		begin->memory_err = *err;
	enter(begin);
}

static void look_at_memory(void *data)
{
	struct begin *begin = data;
	struct vm *vm = vm_find_uuid(begin->refreshes->env.vms, begin->uuid);

	if (!vm || !vm_memory_check(vm, on_memory, begin))
		enter(begin);
}

static void on_probed(void *data, const struct qemu_features *features, const struct err *err)
{
	struct begin *begin = data;

	(void)features;
	begin->is_probing = false;
	if (err)
		begin->probe_err = *err;
	loop_post(begin->refreshes->env.loop, look_at_memory, begin); /* not inside of the probe */
}

static void look_at_program(struct begin *begin)
{
	CLEANUP(free_charp) char *path = file_find_program(begin->emulator);

	if (path) {
		begin->is_probing = true;
		probe_ask(begin->probe, on_probed, begin);
		return;
	}
	err_set(&begin->probe_err, ERR_CONFLICT, "there is no program '%s' that could be run",
		begin->emulator);
	loop_post(begin->refreshes->env.loop, look_at_memory, begin);
}

static struct begin *begin_new(struct refreshes *refreshes, const struct vm *vm,
			       const struct refresh_request *wish, void *data)
{
	struct begin *begin = xnew(struct begin);

	begin->refreshes = refreshes;
	begin->wish = *wish;
	memcpy(begin->uuid, vm_uuid(vm), sizeof(begin->uuid));
	begin->emulator =
		xstrdup(wish->emulator[0] ? wish->emulator : vms_qemu_binary(refreshes->env.vms));
	begin->probe = probe_new(refreshes->env.loop, begin->emulator);
	begin->data = data;
	TAILQ_INSERT_TAIL(&refreshes->begins, begin, link);
	return begin;
}

void refreshes_begin(struct refreshes *refreshes, struct vm *vm, const struct refresh_request *wish,
		     refresh_started_fn *started, void *data)
{
	struct begin *begin = begin_new(refreshes, vm, wish, data);

	begin->started = started;
	look_at_program(begin);
}

void refreshes_try(struct refreshes *refreshes, struct vm *vm, const struct refresh_request *wish,
		   vm_done_fn *tried, void *data)
{
	struct begin *begin = begin_new(refreshes, vm, wish, data);

	begin->tried = tried;
	look_at_program(begin);
}

/* ---- life ------------------------------------------------------------------------ */

/* With cpr-transfer both QEMUs have the same memory. */
static uint64_t promised_mib(void *data)
{
	struct refreshes *refreshes = data;
	uint64_t sum = 0;
	struct err ignored;

	for (struct refresh *refresh = refreshes_first(refreshes); refresh;
	     refresh = refresh_next(refresh)) {
		bool copies = !refresh_is_final(refresh) &&
			      refresh->detail.way == REFRESH_WAY_STREAM && refresh_vm(refresh);
		const struct vm_def *def = copies ? vm_def_of(refresh_vm(refresh), &ignored) : NULL;

		sum += def ? vm_def_ordinary_memory_mib(def) : 0;
	}
	return sum;
}

struct refreshes *refreshes_new(const struct refreshes_env *env)
{
	struct refreshes *refreshes = xnew(struct refreshes);

	refreshes->env = *env;
	refreshes->machines.loop = env->loop;
	refreshes->machines.store = env->store;
	TAILQ_INIT(&refreshes->list);
	TAILQ_INIT(&refreshes->begins);
	vms_count_promises(env->vms, promised_mib, refreshes);
	return refreshes;
}

/* The others are answered by what they wait for. */
static void end_probing(struct refreshes *refreshes)
{
	struct begin *begin = TAILQ_FIRST(&refreshes->begins), *next;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	for (; begin; begin = next) {
		next = TAILQ_NEXT(begin, link);
		if (begin->is_probing)
			end_begin(begin, &err);
	}
}

void refreshes_clear(struct refreshes *refreshes)
{
	if (!refreshes)
		return;
	refreshes->is_closing = true;
	end_probing(refreshes);
	for (struct refresh *refresh = refreshes_first(refreshes), *next; refresh; refresh = next) {
		next = refresh_next(refresh);
		refresh_release_vm(refresh);
		refresh_free(refresh);
	}
}

void refreshes_free(struct refreshes *refreshes)
{
	if (!refreshes)
		return;
	refreshes_clear(refreshes);
	free(refreshes);
}

/* ---- after a restart ---------------------------------------------------------------- */

void refreshes_add_row(struct refreshes *refreshes, struct store_refresh *row)
{
	struct refresh *refresh = refresh_new(refreshes, row->id);
	unsigned state;

	store_refresh_fini(&refresh->row);
	refresh->row = *row;
	machines_note_end(&refreshes->machines, row->ended_ms);
	state = machine_state_of_name(refresh->machine.type, row->state);
	/* A state of a later version: rolled back, which changes nothing of a guest that runs. */
	refresh->machine.state = state == REFRESH_STATE_COUNT ? REFRESH_STATE_ROLLBACK : state;
	if (row->error_code[0])
		err_set(&refresh->error, err_from_name(row->error_code), "%s", row->error_text);
	refresh_detail_decode(refresh);
	if (!refresh_is_final(refresh)) {
		refresh->machine.is_dormant = true;
		return;
	}
	loop_timer_free(TAKE_PTR(refresh->tick));
	machine_retire(&refresh->machine);
}

static void recover(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);
	struct err err;

	if (vm && !refresh_hold_vm(refresh, vm, &err))
		log_error("refresh", "recover", "refresh=%s error=%s", refresh->row.id, err.msg);
	log_info("refresh", "recovered", "refresh=%s vm=%s state=%s", refresh->row.id,
		 refresh->row.vm_name, refresh->row.state);
	err_set(&err, ERR_UNAVAILABLE, "the coordinator of host '%s' was restarted in %s",
		refresh->refreshes->env.host_id, refresh->row.state);
	machine_restart(&refresh->machine, &err);
}

void refreshes_recover(struct refreshes *refreshes)
{
	for (struct refresh *refresh = refreshes_first(refreshes), *next; refresh; refresh = next) {
		next = refresh_next(refresh);
		if (!refresh_is_final(refresh))
			recover(refresh);
	}
}
