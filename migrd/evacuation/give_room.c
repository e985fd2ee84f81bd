/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another host is being emptied, and one of its guests wants the room that a guest of this host
 * would leave.  What this host knows best is decided here: whom it obeys, holds, what else is done
 * with the guest, its pins and labels.  Whether there is room is the destination's to say. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evacuation/priv.h"
#include "vm/vm.h"
#include "wire/labels.h"
#include "wire/vm_def.h"

/* It is refused here first, so that another VM is moved in its place; there may be no room any
 * more. */
#define ATTEMPTS_MAX 2

/* ---- may it go there? ------------------------------------------------------------------- */

/* What HOST has told; NULL: nothing. */
static const struct capacity_told *told_by(const struct capacity_picture *picture, const char *host)
{
	const struct capacity_host *hosts = capacity_hosts(picture);

	for (size_t i = 0; i < capacity_host_count(picture); i++)
		if (strcmp(hosts[i].id, host) == 0)
			return hosts[i].told;
	return NULL;
}

/* LABELS has one of FORBIDDEN. */
static bool has_any(const char *labels, const char *forbidden)
{
	CLEANUP(json_putp) struct json_object *has = labels[0] ? json_read_back(labels) : NULL;
	CLEANUP(json_putp)
	struct json_object *list = forbidden[0] ? json_read_back(forbidden) : NULL;

	if (!has || !list)
		return false;
	json_object_object_foreach(list, key, value)
	{
		const char *mine = json_get_str(has, key);

		if (mine && strcmp(mine, json_object_get_string(value)) == 0)
			return true;
	}
	return false;
}

static bool check_labels(const struct placement *placement, const struct capacity_told *told,
			 const char *to, struct err *err)
{
	if (!placement->requires[0] && !placement->forbids[0])
		return true;
	if (!told)
		return err_set(err, ERR_UNAVAILABLE, "what labels host '%s' has is not known now",
			       to);
	if (placement->requires[0] && !labels_match(told->figures.labels, placement->requires))
		return err_set(err, ERR_CONFLICT, "host '%s' lacks a label that the VM requires",
			       to);
	return !has_any(told->figures.labels, placement->forbids) ||
	       err_set(err, ERR_CONFLICT, "host '%s' has a label that the VM forbids", to);
}

static bool check_place(const struct evacuations *evacs, struct vm *vm, const char *to,
			struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);
	struct capacity_picture *picture;
	bool ok;

	if (!def)
		return false;
	if (!placement_pins_allow(&def->placement, to))
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' is pinned to other hosts than '%s' (pins of its placement)",
			       vm_name(vm), to);
	picture = capacity_take(evacs->env.capacity);
	ok = check_labels(&def->placement, told_by(picture, to), to, err);
	capacity_picture_free(picture);
	return ok;
}

/* ---- is it free to go? ------------------------------------------------------------------- */

static bool check_vm(const struct evacuations *evacs, const struct vm *vm, struct err *err)
{
	const struct move *move = moves_active_of(evacs->env.moves, vm_uuid(vm));
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	if (vm_role(vm) != VM_ROLE_OWNED || move)
		return err_set(err, ERR_CONFLICT, "VM '%s' is being moved already%s%s", vm_name(vm),
			       move ? ", by move " : "", move ? move_row(move)->id : "");
	if (vm_is_stopped(vm))
		return err_set(err, ERR_CONFLICT, "VM '%s' does not run, and takes no room",
			       vm_name(vm));
	return !(evacuations_is_on(evacs, &why) || holds_vm(evacs->env.holds, vm_uuid(vm), &why)) ||
	       err_set(err, ERR_CONFLICT, "%s", strbuf_str(&why));
}

static bool check(const struct evacuations *evacs, const struct evacuation_room_wish *wish,
		  struct vm *vm, struct err *err)
{
	const char *to = wish->room->to;

	if (!id_list_has(evacs->makes_room_for, wish->peer))
		return err_set(err, ERR_FORBIDDEN,
			       "host '%s' makes no room for host '%s': name that in the key "
			       "makes_room_for of the section host there",
			       evacs->env.host_id, wish->peer);
	if (!evac_give_check(evacs, wish->room->uuid, vm, err))
		return false;
	if (strcmp(to, wish->peer) == 0 || !peer_clients_address(evacs->env.peers, to))
		return err_set(err, ERR_CONFLICT, "host '%s' moves no guest to host '%s'",
			       evacs->env.host_id, to);
	return check_vm(evacs, vm, err) && check_place(evacs, vm, to, err);
}

/* ---- the order ----------------------------------------------------------------------------- */

/* That was made before. */
struct known {
	struct evacuations *evacs;
	char entry[ID_UUID_SIZE];
	queue_done_fn *done;
	void *data;
};

static void on_known(void *data)
{
	struct known *known = data;
	struct queue_entry *entry = queue_find(known->evacs->env.queue, known->entry);
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "the order has just been forgotten");
	known->done(known->data, entry, entry ? NULL : &err);
	free(known);
}

/* It has ended, and not by its own move: what has become of its guest since tells more. */
static bool was_in_vain(const struct queue_entry *entry)
{
	return queue_is_final(entry) && strcmp(queue_row(entry)->state, "done") != 0;
}

/* Its guest has gone, so it is on disk. */
static void tell_known(struct evacuations *evacs, const struct queue_entry *entry,
		       queue_done_fn *done, void *data)
{
	struct known *known = xnew(struct known);

	*known = (struct known){ .evacs = evacs, .done = done, .data = data };
	snprintf(known->entry, sizeof(known->entry), "%s", queue_row(entry)->id);
	loop_post(evacs->env.loop, on_known, known);
}

static void order(struct evacuations *evacs, const struct evacuation_room_wish *wish,
		  const struct vm *vm, const char *key, queue_done_fn *done, void *data)
{
	struct queue_request request = {
		.move.options.priority = MOVE_PRIORITY_EVACUATION,
		.to_count = 1,
		.attempts_max = ATTEMPTS_MAX,
		.give_up_s = wish->room->give_up_s,
	};

	snprintf(request.to[0], sizeof(request.to[0]), "%s", wish->room->to);
	snprintf(request.move.vm, sizeof(request.move.vm), "%s", vm_name(vm));
	queue_add(evacs->env.queue,
		  &(struct queue_wish){ .request = &request,
					.by = wish->peer,
					.key = key,
					.is_known_by_key = true },
		  done, data);
}

/* One that is known is not judged again. */
void evacuations_make_room(struct evacuations *evacs, const struct evacuation_room_wish *wish,
			   queue_done_fn *done, void *data)
{
	struct vm *vm = vm_find_uuid(evacs->env.vms, wish->room->uuid);
	bool is_here = vm && vm_role(vm) != VM_ROLE_FORMER;
	char key[EVAC_KEY_SIZE];
	const struct queue_entry *known;
	struct err err;

	evac_key(EVAC_ROOM_PREFIX, wish->id, wish->room->number, 1, key);
	known = queue_find_key(evacs->env.queue, key);
	if (known && strcmp(queue_row(known)->vm_uuid, wish->room->uuid) != 0)
		known = NULL;
	if (known && !is_here && was_in_vain(known)) {
		(void)evac_give_check(evacs, wish->room->uuid, vm, &err);
		queue_refuse(evacs->env.loop, &err, done, data);
	} else if (known && !is_here) {
		tell_known(evacs, known, done, data);
	} else if (known) {
		order(evacs, wish, vm, key, done, data);
	} else if (check(evacs, wish, vm, &err)) {
		log_info("evacuation", "room", "peer=%s vm=%s to=%s", wish->peer, vm_name(vm),
			 wish->room->to);
		order(evacs, wish, vm, key, done, data);
	} else {
		queue_refuse(evacs->env.loop, &err, done, data);
	}
}
