/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All moves of this host: the lists of them, and what there is to know of each. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "hold/hold.h"
#include "move/dst.h"
#include "move/guest_program.h"
#include "move/links.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "vm/admission.h"
#include "vm/boot.h"

/* Threads that look at storage for offers, in all and for one peer: a look at storage that
 * does not answer keeps its thread. */
#define LOOKS_AT_ONCE   8
#define LOOKS_OF_A_PEER 2

/* ---- the lists ------------------------------------------------------------ */

void moves_insert(struct moves *moves, struct move *move)
{
	TAILQ_INSERT_HEAD(&moves->list, move, link);
	TAILQ_INSERT_HEAD(&moves->active, move, active_link);
	move->is_active = true;
}

void moves_retire(struct moves *moves, struct move *move)
{
	if (move->is_active)
		TAILQ_REMOVE(&moves->active, move, active_link);
	move->is_active = false;
}

static void unfile(struct moves *moves, struct move *move)
{
	if (move->settle.is_listed)
		TAILQ_REMOVE(&moves->unsettled, move, settle.link);
	moves->settled_count -= move->settle.is_counted;
	move->settle.is_listed = move->settle.is_counted = false;
}

void moves_file(struct moves *moves, struct move *move)
{
	assert(move_is_final(move));
	unfile(moves, move);
	move->settle.is_counted = move->settle.is_done;
	move->settle.is_listed = !move->settle.is_done;
	moves->settled_count += move->settle.is_counted;
	if (move->settle.is_listed)
		TAILQ_INSERT_HEAD(&moves->unsettled, move, settle.link);
}

void moves_remove(struct moves *moves, struct move *move)
{
	moves_retire(moves, move);
	unfile(moves, move);
	TAILQ_REMOVE(&moves->list, move, link);
}

struct move *moves_find(struct moves *moves, const char *id)
{
	struct machine *machine = machines_find(&moves->machines, id);

	return machine ? move_of(machine) : NULL;
}

struct move *moves_first(struct moves *moves)
{
	return TAILQ_FIRST(&moves->list);
}

struct move *move_next(const struct move *move)
{
	return TAILQ_NEXT(move, link);
}

struct move *moves_active_of(struct moves *moves, const char *vm_uuid)
{
	struct move *move;

	TAILQ_FOREACH(move, &moves->active, active_link)
	{
		if (!move_is_final(move) && strcmp(move->row.vm_uuid, vm_uuid) == 0)
			return move;
	}
	return NULL;
}

size_t moves_active_count(const struct moves *moves)
{
	const struct move *move;
	size_t count = 0;

	TAILQ_FOREACH(move, &moves->active, active_link)
	count += !move_is_final(move);
	return count;
}

uint64_t moves_notice_count(const struct moves *moves, enum move_notice_count count)
{
	return moves->notice_counts[count];
}

/* ---- life -------------------------------------------------------------- */

static const struct noise_kind refused = { LOG_LEVEL_WARNING, "move", "refused", "peer" };

struct moves *moves_new(const struct moves_env *env)
{
	struct moves *moves = xnew(struct moves);

	moves->env = *env;
	moves->machines.loop = env->loop;
	moves->machines.store = env->store;
	TAILQ_INIT(&moves->list);
	TAILQ_INIT(&moves->active);
	TAILQ_INIT(&moves->unsettled);
	moves->worker = worker_new(env->loop, "preflight", 2);
	moves->imager = worker_new(env->loop, "images", 1);
	moves->looker = fair_worker_new(env->loop, "offers", LOOKS_AT_ONCE, LOOKS_OF_A_PEER);
	moves->noise = noise_new(env->loop, &refused);
	moves_share_init(moves);
	moves->links = links_new(moves);
	vms_count_promises(env->vms, moves_promised_mib, moves);
	cordon_count_arrivals(env->holds, moves_arriving, moves);
	return moves;
}

void moves_clear(struct moves *moves)
{
	struct move *move;

	if (!moves)
		return;
	moves->is_closing = true;
	cordon_count_arrivals(moves->env.holds, NULL, NULL);
	links_stop(moves->links);
	moves_offers_clear(moves);
	moves_trials_clear(moves);
	guest_programs_clear(moves);
	moves_forget_ends(moves);
	while ((move = TAILQ_FIRST(&moves->list))) {
		move_release_vm(move);
		move_free(move);
	}
	loop_timer_free(TAKE_PTR(moves->settle_timer));
	moves_share_fini(moves);
}

void moves_free(struct moves *moves)
{
	if (!moves)
		return;
	moves_clear(moves);
	worker_free(moves->worker);
	worker_free(moves->imager);
	fair_worker_free(moves->looker);
	links_free(moves->links);
	noise_free(moves->noise);
	free(moves);
}

/* ---- what there is to know ------------------------------------------- */

const struct store_move *move_row(const struct move *move)
{
	return &move->row;
}

const char *move_state_name(const struct move *move)
{
	return machine_state(&move->machine)->name;
}

bool move_is_final(const struct move *move)
{
	return machine_is_final(&move->machine);
}

bool move_can_cancel(const struct move *move)
{
	if (!(machine_state(&move->machine)->flags & MOVE_CAN_CANCEL))
		return move_src_may_call_back(move);
	return move->side == MOVE_SRC || move_dst_may_refuse(move);
}

bool move_was_cancelled(const struct move *move)
{
	return move->machine.state == MOVE_STATE_CANCELLED ||
	       (move->side == MOVE_DST && move_is_final(move) && move->facts.cancel_requested &&
		move->error.code == ERR_CANCELLED);
}

bool move_is_cancelling(const struct move *move)
{
	return move->side == MOVE_SRC && move->machine.state == MOVE_STATE_ROLLBACK &&
	       move->error.code == ERR_CANCELLED && move_owner(move) == move_source(move);
}

bool move_is_out(const struct move *move)
{
	return move->side == MOVE_SRC;
}

enum move_priority move_priority(const struct move *move)
{
	return (enum move_priority)move->options.priority;
}

const char *move_source(const struct move *move)
{
	return move->side == MOVE_SRC ? move->moves->env.host_id : move->row.peer;
}

const char *move_destination(const struct move *move)
{
	return move->side == MOVE_DST ? move->moves->env.host_id : move->row.peer;
}

/* The source has asked the destination to take the guest, and has no answer. */
static bool is_undecided(const struct move *move)
{
	return move->side == MOVE_SRC && move->stamps[MOVE_STAMP_GO] &&
	       move->verdict == VERDICT_NONE && !move_is_final(move);
}

/* Only the verdict changes the owner. */
const char *move_owner(const struct move *move)
{
	bool taken = move->verdict == VERDICT_TAKEN &&
		     (move->side == MOVE_SRC || move->machine.state != MOVE_STATE_TRANSFER);

	if (is_undecided(move))
		return NULL;
	return taken ? move_destination(move) : move_source(move);
}

bool move_has_asked(const struct move *move)
{
	return move->begin.plan_deadline_ms || move->plan;
}

bool move_is_interrupted(const struct move *move)
{
	return move->side == MOVE_DST && move_dst_is_interrupted(move);
}

bool move_needs_stream(const struct move *move)
{
	return move->side == MOVE_DST && move_dst_needs_stream(move);
}

bool move_sends_no_more(const struct move *move)
{
	return move->side == MOVE_SRC && move->machine.state == MOVE_STATE_FETCH &&
	       move_src_sends_no_more(move);
}

bool move_has_lost_memory(const struct move *move)
{
	return move->facts.memory_lost;
}

bool move_run(const struct move *move)
{
	return move->facts.run;
}

bool move_is_to_be_started(const struct move *move)
{
	const struct vm *vm = move_vm(move);

	return vm && vm_is_autostart_due(vm);
}

bool move_was_compared(const struct move *move)
{
	return move->offer.was_compared;
}

const char *move_reason(const struct move *move)
{
	return move->reason;
}

bool move_is_settled(const struct move *move)
{
	return move->settle.is_done;
}

const char *move_token(const struct move *move)
{
	return move->token;
}
