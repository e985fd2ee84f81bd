/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The moves of this host as the other host sees them: offered, go, drop. */
#include "base/mem.h"
#include "job/admission.h"
#include "job/move_priv.h"

static bool same_source(const struct move *move, const char *source, uint64_t generation,
			struct err *err)
{
	if (move->side != MOVE_DST || strcmp(move->row.peer, source) != 0)
		return err_set(err, ERR_FORBIDDEN, "move %s is not one from host '%s'",
			       move->row.id, source);
	if (move->row.generation != generation)
		return err_set(err, ERR_CONFLICT, "move %s is of generation %llu, not %llu",
			       move->row.id, (unsigned long long)move->row.generation,
			       (unsigned long long)generation);
	return true;
}

bool move_offer_decode(const struct move_offer *offer, struct vm_def *ret, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok = vm_def_decode(offer->definition, ret, faults);

	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

/* Promised to guests that are not here yet. */
static uint64_t reserved_mib(const struct moves *moves)
{
	const struct move *move;
	uint64_t sum = 0;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (move->side == MOVE_DST && !move_is_final(move) &&
		    move->verdict == MOVE_VERDICT_NONE)
			sum += move->memory_mib;
	}
	return sum;
}

static bool has_room(const struct moves *moves, const struct vm_def *def, struct err *err)
{
	const struct admission admission = {
		.available_mib = admission_available_mib(),
		.reserved_mib = reserved_mib(moves),
		.kept_mib = moves->env.memory_reserve_mib,
		.wanted_mib = vm_def_memory_mib(def),
	};

	return admission_check(&admission, err);
}

static struct move *new_incoming(struct moves *moves, const char *id, const char *source,
				 uint64_t generation)
{
	struct move *move = move_new(moves, MOVE_DST, id);

	move->row.generation = generation;
	snprintf(move->row.peer, sizeof(move->row.peer), "%s", source);
	move_stamp(move, MOVE_STAMP_CREATED);
	return move;
}

struct move *moves_offered(struct moves *moves, const struct move_offer *offer, struct err *err)
{
	struct move *move = moves_find(moves, offer->id);
	struct vm_def *def = NULL;
	struct vm *vm = NULL;
	uint64_t memory_mib;

	if (move)
		return same_source(move, offer->source, offer->generation, err) ? move : NULL;
	def = xnew(struct vm_def);
	if (move_offer_decode(offer, def, err) && has_room(moves, def, err))
		vm = vm_new_incoming(moves->env.vms, def, offer->generation, err);
	memory_mib = vm_def_memory_mib(def);
	free(def);
	if (!vm)
		return NULL;
	move = new_incoming(moves, offer->id, offer->source, offer->generation);
	move->options = offer->options;
	move->run = offer->run;
	move->memory_mib = memory_mib;
	snprintf(move->row.vm_uuid, sizeof(move->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(move->row.vm_name, sizeof(move->row.vm_name), "%s", vm_name(vm));
	move->state = MOVE_STATE_PREPARE;
	if (!move_hold_vm(move, vm, err)) {
		move_free(move);
		return NULL;
	}
	move_record(move, MOVE_STATE_PREPARE, vm_row(vm));
	return move;
}

/* A record that refuses an offer which may still be on its way. */
static struct move *refuse_unknown(struct moves *moves, const char *id, const char *source,
				   uint64_t generation)
{
	struct move *move = new_incoming(moves, id, source, generation);

	move->verdict = MOVE_VERDICT_REFUSED;
	err_set(&move->error, ERR_NOT_FOUND, "this host knows no such move");
	move_record(move, MOVE_STATE_FAILED, NULL);
	return move;
}

static struct move *find_or_refuse(struct moves *moves, const char *id, const char *source,
				   uint64_t generation, struct err *err)
{
	struct move *move = moves_find(moves, id);

	if (!move)
		return refuse_unknown(moves, id, source, generation);
	return same_source(move, source, generation, err) ? move : NULL;
}

struct move *moves_go(struct moves *moves, const char *id, const char *source, uint64_t generation,
		      bool run, struct err *err)
{
	struct move *move = find_or_refuse(moves, id, source, generation, err);

	if (!move)
		return NULL;
	if (!move->go_requested && move->verdict == MOVE_VERDICT_NONE) {
		move->go_requested = true;
		move->run = run;
		move->go_at_ms = loop_now_ms(moves->env.loop);
		move_stamp(move, MOVE_STAMP_GO);
		loop_timer_stop(move->tick); /* from here on it looks more often */
		if (move->qemu_state != QMP_MIG_COMPLETED && move->state == MOVE_STATE_TRANSFER)
			move_query(move);
	}
	move_step(move);
	return move;
}

struct move *moves_drop(struct moves *moves, const char *id, const char *source,
			uint64_t generation, struct err *err)
{
	struct move *move = find_or_refuse(moves, id, source, generation, err);

	if (!move)
		return NULL;
	if (!move->drop_requested)
		move->drop_at_ms = loop_now_ms(moves->env.loop);
	move->drop_requested = true;
	move_step(move);
	return move;
}

bool moves_claim(void *data, const char *id, const char *channel, int fd)
{
	struct move *move = moves_find(data, id);

	if (!move || move->side != MOVE_DST || !move->stream || move->stream_gone ||
	    (move->state != MOVE_STATE_PREPARE && move->state != MOVE_STATE_TRANSFER))
		return false;
	stream_accept(move->stream, fd, channel);
	return true;
}
