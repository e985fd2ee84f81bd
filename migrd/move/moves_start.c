/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Begins a move away: checks it at once, then again in its turn at the VM's monitor. */
#include "base/clock.h"
#include "base/mem.h"
#include "hold/hold.h"
#include "move/priv.h"
#include "vm/entry.h"

struct start {
	struct moves *moves;
	char vm[ID_NAME_SIZE], to[ID_NAME_SIZE], key[ID_NAME_SIZE + 1];
	char policy[ID_NAME_SIZE]; /* "": as the VM says */
	char by[ID_NAME_SIZE];
	char vm_uuid[ID_UUID_SIZE]; /* "": any VM of that name */
	char *request;              /* or NULL */
	struct move_options options;
	bool may_start;
	move_started_fn *started;
	void *data;
	struct err err;
};

/* ---- what can be known ----------------------------------------------- */

/* The record of an older migrd has no text of its request: then VM and peer decide. */
static bool is_same_request(const struct start *start, const struct move *move)
{
	if (strcmp(move->row.vm_name, start->vm) != 0 || strcmp(move->row.peer, start->to) != 0)
		return false;
	return !move->request || !start->request || strcmp(move->request, start->request) == 0;
}

struct move *moves_find_key(struct moves *moves, const char *key)
{
	struct move *move = key[0] ? TAILQ_FIRST(&moves->list) : NULL;

	while (move && strcmp(move->row.idempotency_key, key) != 0)
		move = TAILQ_NEXT(move, link);
	return move;
}

/* The move that the key has made already; NULL and no ERR: the key is new. */
static struct move *find_key(const struct start *start, struct err *err)
{
	struct move *move = moves_find_key(start->moves, start->key);

	if (!move || is_same_request(start, move))
		return move;
	err_set(err, ERR_KEY_REUSED,
		"the Idempotency-Key '%s' was used for another request, which made move %s: a new "
		"request wants a new key",
		start->key, move->row.id);
	return NULL;
}

/* With cache `unsafe' QEMU flushes nothing, also not when it hands an image over: the other host
 * may read what was there before (block/file-posix.c, BDRV_O_NO_FLUSH).  A local disk is copied. */
bool move_caches_are_safe(struct vm *vm, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);

	for (size_t i = 0; def && i < def->disk_count; i++) {
		const struct vm_def_disk *disk = &def->disks[i];

		if (disk->shared && !disk->readonly && disk->cache == VM_DEF_DISK_CACHE_UNSAFE)
			return err_set(
				err, ERR_CONFLICT,
				"disk '%s' of VM '%s' is shared and has cache 'unsafe', so the "
				"other host may lack the guest's last writes: use another cache, "
				"or assert_safe_cache",
				disk->id, vm_name(vm));
	}
	return def != NULL;
}

/* What a person orders goes on (note_hold()). */
static bool check_hold(const struct start *start, struct vm *vm, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	return start->options.priority == MOVE_PRIORITY_INTERACTIVE ||
	       !holds_vm(start->moves->env.holds, vm_uuid(vm), &why) ||
	       err_set(err, ERR_CONFLICT,
		       "%s; a person may move the VM all the same, with the priority `interactive'",
		       strbuf_str(&why));
}

static bool check(const struct start *start, struct vm **ret_vm, struct err *err)
{
	const struct moves_env *env = &start->moves->env;
	struct vm *vm = vm_find(env->vms, start->vm);
	struct policies_choice policy;

	if (!vm || (start->vm_uuid[0] && strcmp(vm_uuid(vm), start->vm_uuid) != 0))
		return err_set(err, ERR_NOT_FOUND, "there is no VM '%s' on this host", start->vm);
	if (strcmp(start->to, env->host_id) == 0)
		return err_set(err, ERR_CONFLICT, "VM '%s' is on host '%s' already", start->vm,
			       start->to);
	if (!peer_clients_address(env->peers, start->to))
		return err_set(err, ERR_NOT_FOUND,
			       "host '%s' is not known here: add a section [peer %s] to the "
			       "configuration",
			       start->to, start->to);
	*ret_vm = vm;
	if (vm_job(vm) && vm_job(vm)->is_of_stopped)
		return true; /* vm_enter() names the job */
	if (!vm_is_active(vm) && !vm_is_stopped(vm))
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' is %s: only a running, paused or stopped VM can be moved",
			       start->vm, vm_state(vm));
	if (vm_is_stopped(vm) && !start->may_start)
		return err_set(err, ERR_CONFLICT,
			       "VM '%s' has stopped just now: ask again to move a stopped VM",
			       start->vm);
	return check_hold(start, vm, err) &&
	       move_policy_choose(start->moves, vm, start->policy, &policy, err) &&
	       (start->options.assert_safe_cache || move_caches_are_safe(vm, err));
}

/* ---- the beginning --------------------------------------------------- */

static void note_hold(struct move *move)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	if (holds_vm(move->moves->env.holds, move->row.vm_uuid, &why))
		move_note(move, "holds", "%s; it goes on, as its priority is `interactive'",
			  strbuf_str(&why));
}

static struct move *begin(const struct start *start, struct vm *vm, struct err *err)
{
	struct policies_choice policy;
	struct move *move;
	char id[ID_UUID_SIZE];

	if (!move_policy_choose(start->moves, vm, start->policy, &policy, err))
		return NULL;
	id_uuid_new(id);
	move = move_new(start->moves, MOVE_SRC, id);
	move->options = start->options;
	move_policy_take(move, &policy);
	move->notices = move_notices_choose(start->moves, vm);
	move->facts.stopped = vm_is_stopped(vm);
	move->row.generation = vm_generation(vm);
	move->request = start->key[0] && start->request ? xstrdup(start->request) : NULL;
	snprintf(move->began_by, sizeof(move->began_by), "%s", start->by);
	snprintf(move->row.vm_uuid, sizeof(move->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(move->row.vm_name, sizeof(move->row.vm_name), "%s", start->vm);
	snprintf(move->row.peer, sizeof(move->row.peer), "%s", start->to);
	snprintf(move->row.idempotency_key, sizeof(move->row.idempotency_key), "%s", start->key);
	if (!move_hold_vm(move, vm, err)) {
		move_free(move);
		return NULL;
	}
	move_stamp(move, MOVE_STAMP_CREATED);
	note_hold(move);
	vm_note_host(vm, start->to);
	machine_begin(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_BEGIN,
						.with = { store_put_vm(vm_row(vm)) } });
	return move;
}

static void answer(struct start *start, struct move *move, const struct err *err)
{
	start->started(start->data, move, move ? NULL : err);
	free(start->request);
	free(start);
}

/* Checks again: the VM or the moves may have changed while the request waited. */
static void on_entered(void *data, struct vm_entry *entry, const struct err *refused)
{
	struct start *start = data;
	struct move *move;
	struct vm *vm;
	struct err err = { 0 };

	if (!entry) {
		answer(start, NULL, refused);
		return;
	}
	move = find_key(start, &err);
	if (!move && !err_is_set(&err) && check(start, &vm, &err))
		move = begin(start, vm, &err);
	vm_leave(entry);
	answer(start, move, &err);
}

static void on_known(void *data)
{
	struct start *start = data;

	answer(start, err_is_set(&start->err) ? NULL : find_key(start, &start->err), &start->err);
}

void moves_start(struct moves *moves, const struct move_wish *wish, move_started_fn *started,
		 void *data)
{
	struct start *start = xnew(struct start);
	struct vm *vm;

	start->moves = moves;
	start->options = wish->options;
	start->may_start = wish->may_start;
	start->started = started;
	start->data = data;
	start->request = wish->request ? xstrdup(wish->request) : NULL;
	snprintf(start->vm, sizeof(start->vm), "%s", wish->vm);
	snprintf(start->to, sizeof(start->to), "%s", wish->to);
	snprintf(start->policy, sizeof(start->policy), "%s", wish->policy ? wish->policy : "");
	snprintf(start->by, sizeof(start->by), "%s", wish->by ? wish->by : "");
	snprintf(start->key, sizeof(start->key), "%s", wish->key ? wish->key : "");
	snprintf(start->vm_uuid, sizeof(start->vm_uuid), "%s", wish->vm_uuid ? wish->vm_uuid : "");
	if (find_key(start, &start->err) || err_is_set(&start->err) ||
	    (start->options.has_hold &&
	     !move_hold_complete(&start->options.hold, clock_wall_ms(), &start->err)) ||
	    !move_may_ping(moves, &start->options, &start->err) || !check(start, &vm, &start->err))
		loop_post(moves->env.loop, on_known, start);
	else
		vm_enter(vm, VM_SYNC_JOB, VM_ENTRY_USUAL, on_entered, start);
}
