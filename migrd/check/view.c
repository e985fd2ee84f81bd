/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/view.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "move/priv.h"
#include "vm/still.h"

/* How long after its end a move counts as unsettled: both sides settle it within
 * seconds, if both are there. */
#define UNSETTLED_AFTER_MS 60000

void check_view_free(struct check_view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < view->peer_count; i++)
		free(view->peers[i].vms);
	for (size_t i = 0; i < view->vm_count; i++)
		free(view->vms[i].definition);
	check_seen_free(view->seen);
	storage_marks_free(view->marks);
	free(view->vms);
	free(view->moves);
	free(view->peers);
	free(view);
}

/* Few definitions have the word, and only those are read. */
static bool has_tpm(const char *definition)
{
	CLEANUP(json_putp)
	struct json_object *obj = strstr(definition, "\"tpm\"") ? json_read_back(definition) : NULL;

	return obj && json_get_obj(obj, "tpm");
}

static void copy_vm(struct check_vm *to, struct vm *vm)
{
	const struct store_vm *row = vm_row(vm);
	struct err fault;

	snprintf(to->uuid, sizeof(to->uuid), "%s", vm_uuid(vm));
	snprintf(to->name, sizeof(to->name), "%s", vm_name(vm));
	snprintf(to->state, sizeof(to->state), "%s", vm_state(vm));
	snprintf(to->reason, sizeof(to->reason), "%s", vm_reason(vm));
	snprintf(to->move, sizeof(to->move), "%s", vm_job(vm) ? vm_job(vm)->id : "");
	to->is_refreshed = vm_job(vm) && strcmp(vm_job(vm)->kind, "REFRESH") == 0;
	if (!vm_row_is_known(vm, &fault))
		snprintf(to->fault, sizeof(to->fault), "%.127s", fault.msg);
	to->is_incoming = vm_role(vm) == VM_ROLE_INCOMING;
	to->is_former = vm_role(vm) == VM_ROLE_FORMER;
	to->has_qemu = vm_qemu(vm) != NULL;
	to->is_still = vm_is_still(vm);
	to->is_sent_away = vm_is_sent_away(vm);
	to->has_tpm = has_tpm(vm_definition(vm));
	to->is_second = row->qemu_is_second;
	to->never_ran = vm_never_ran(vm);
	to->id = (struct proc_id){ row->qemu_pid, row->qemu_start_time };
	to->generation = vm_generation(vm);
	to->definition = vm_qemu(vm) ? xstrdup(vm_definition(vm)) : NULL;
}

static void copy_move(struct check_move *to, struct move *move)
{
	const struct store_move *row = move_row(move);
	struct err fault;

	snprintf(to->id, sizeof(to->id), "%s", row->id);
	snprintf(to->vm, sizeof(to->vm), "%s", row->vm_name);
	snprintf(to->vm_uuid, sizeof(to->vm_uuid), "%s", row->vm_uuid);
	snprintf(to->peer, sizeof(to->peer), "%s", row->peer);
	snprintf(to->state, sizeof(to->state), "%s", move_state_name(move));
	snprintf(to->reason, sizeof(to->reason), "%s", move_reason(move));
	if (!move_row_is_known(move, &fault))
		snprintf(to->fault, sizeof(to->fault), "%.127s", fault.msg);
	to->is_out = move_is_out(move);
	to->is_final = move_is_final(move);
	to->is_stuck = strcmp(to->state, "stuck") == 0;
	to->can_cancel = move_can_cancel(move);
	to->is_unsettled = to->is_final && !move->settle.is_done &&
			   clock_wall_ms() - row->ended_ms > UNSETTLED_AFTER_MS;
	to->verdict = move->verdict;
}

/* Makes room for one more in a LIST of COUNT elements, in steps of 64. */
#define GROW(list, count)                                                            \
	do {                                                                         \
		if ((count) % 64 == 0)                                               \
			(list) = xrealloc((list), ((count) + 64) * sizeof(*(list))); \
		memset(&(list)[(count)], 0, sizeof(*(list)));                        \
	} while (0)

void check_view_add_records(struct check_view *view, struct vms *vms, struct moves *moves)
{
	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm))) {
		GROW(view->vms, view->vm_count);
		copy_vm(&view->vms[view->vm_count++], vm);
	}
	for (struct move *move = moves_first(moves); move; move = move_next(move)) {
		GROW(view->moves, view->move_count);
		copy_move(&view->moves[view->move_count++], move);
	}
}

const struct check_vm *check_view_vm(const struct check_view *view, const char *uuid)
{
	for (size_t i = 0; i < view->vm_count; i++)
		if (strcmp(view->vms[i].uuid, uuid) == 0)
			return &view->vms[i];
	return NULL;
}

const struct check_move *check_view_move(const struct check_view *view, const char *id)
{
	for (size_t i = 0; i < view->move_count; i++)
		if (strcmp(view->moves[i].id, id) == 0)
			return &view->moves[i];
	return NULL;
}
