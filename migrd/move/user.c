/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user's requests to a running move: cancel it, or change its limits. */
#include "base/mem.h"
#include "move/dst.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"

bool move_cancel(struct move *move, const char *by, struct err *err)
{
	if (move_is_final(move))
		return err_set(err, ERR_TOO_LATE, "the move has ended: %s", move_state_name(move));
	if (move->machine.state == MOVE_STATE_FETCH)
		return err_set(err, ERR_TOO_LATE,
			       "the guest is on host '%s' already, and its memory follows: it "
			       "cannot "
			       "come back",
			       move_destination(move));
	if (move->side == MOVE_DST && !move_dst_may_refuse(move))
		return err_set(err, ERR_CONFLICT,
			       "the guest is complete here, or being taken: ask host '%s', where "
			       "it comes from",
			       move->row.peer);
	if (!move_can_cancel(move) && move->machine.state != MOVE_STATE_ROLLBACK)
		return err_set(err, ERR_TOO_LATE, "the move is in its %s", move_state_name(move));
	if (move->side == MOVE_SRC)
		move_src_note_cancel(move);
	move->facts.cancel_requested = true;
	if (!move->cancelled_by[0])
		snprintf(move->cancelled_by, sizeof(move->cancelled_by), "%s", by);
	move_note(move, "cancel-requested", "by %s", by);
	machine_step(&move->machine);
	return true;
}

static bool is_of_source(const struct move *move, struct err *err)
{
	return move->side == MOVE_SRC ||
	       err_set(err, ERR_CONFLICT, "ask host '%s', where the guest comes from",
		       move->row.peer);
}

static bool is_before_handover(const struct move *move)
{
	return move->machine.state == MOVE_STATE_BEGIN ||
	       move->machine.state == MOVE_STATE_PREPARE ||
	       move->machine.state == MOVE_STATE_TRANSFER;
}

/* The point of no return is QEMU's `completed'. */
bool move_src_may_call_back(const struct move *move)
{
	return move->side == MOVE_SRC && move->machine.state == MOVE_STATE_HANDOVER &&
	       move->facts.forced && !move->facts.switch_wanted && !move->facts.saw_completed &&
	       !move->stamps[MOVE_STAMP_GO] && move->verdict == VERDICT_NONE &&
	       move_parts_progress(move) < MOVE_PART_SWITCHED;
}

bool move_is_calling_back(const struct move *move)
{
	return move->facts.cancel_requested && move_src_may_call_back(move);
}

static bool is_early(const struct move *move, struct err *err)
{
	return (is_before_handover(move) && !move->facts.cancel_requested) ||
	       err_set(err, ERR_TOO_LATE, "the move is %s%s", move_state_name(move),
		       move->facts.cancel_requested ? ", and is being cancelled" : "");
}

bool move_switch(struct move *move, struct err *err)
{
	if (!is_of_source(move, err))
		return false;
	if (is_before_handover(move) && !move->plan &&
	    move->policy.postcopy != POLICY_POSTCOPY_NEVER)
		return err_set(err, ERR_BUSY,
			       "the move is being planned, so it is not known yet whether both "
			       "hosts "
			       "can do post-copy, as its policy asks for: ask again");
	if (!move->options.transfer.has_postcopy)
		return err_set(err, ERR_CONFLICT,
			       "the move was begun without `postcopy', and QEMU must be told "
			       "before "
			       "it sends: cancel it, and begin another");
	if (!is_early(move, err))
		return false;
	if (move->facts.forced)
		return err_set(err, ERR_TOO_LATE,
			       "the guest is being stopped already until all is sent");
	move->facts.switch_wanted = true;
	move_note(move, "postcopy-requested", "%s", "");
	machine_step(&move->machine);
	machine_save(&move->machine); /* unless the next state is being recorded already */
	return true;
}

static bool may_finish(const struct move *move, struct err *err)
{
	if (!is_of_source(move, err) || !is_early(move, err))
		return false;
	if (move->facts.stopped)
		return err_set(err, ERR_CONFLICT,
			       "the VM is stopped, so that nothing keeps its move from its end");
	if (move_is_held(move))
		return err_set(err, ERR_CONFLICT,
			       "the move is held before memory is sent: `migrctl move release %s' "
			       "lets "
			       "it go on; finish it when memory is sent",
			       move->row.id);
	if (move_waits_for_parties(move))
		return err_set(err, ERR_CONFLICT,
			       "parties are waited for before memory is sent: `migrctl move "
			       "release "
			       "%s' lets it go on; finish it when memory is sent",
			       move->row.id);
	if (!move_ram_has_started(move))
		return err_set(err, ERR_CONFLICT,
			       "no memory is sent yet (the move is %s), and the guest would stand "
			       "still for all of it: ask again when it is",
			       move_state_name(move));
	if (move->facts.switch_wanted)
		return err_set(err, ERR_CONFLICT,
			       "post-copy has been asked for: the guest goes over without waiting "
			       "for its memory");
	if (move->ram.state == QMP_MIG_UNKNOWN)
		return err_set(err, ERR_BUSY,
			       "QEMU has not said yet how far it is, since this coordinator was "
			       "restarted: ask again");
	return true;
}

bool move_finish(struct move *move, const struct move_finish_wish *wish, struct move_finishing *ret,
		 struct err *err)
{
	if (!may_finish(move, err))
		return false;
	move_say_finish(move, wish->force, ret);
	move->facts.finish_wanted = true;
	move->facts.finish_forced = move->facts.finish_forced || wish->force;
	move_note(move, "finish-requested", "by %s%s: %s", wish->by,
		  wish->force ? ", by force" : "", ret->did);
	machine_step(&move->machine);
	machine_save(&move->machine); /* unless the next state is being recorded already */
	return true;
}

bool move_release(struct move *move, struct err *err)
{
	if (!is_of_source(move, err))
		return false;
	if (!move->options.has_hold && !move_has_notices(move))
		return err_set(err, ERR_CONFLICT,
			       "the move was begun without `hold': it waits for nobody");
	if (!is_early(move, err))
		return false;
	if (move_waits_for_parties(move)) {
		move_note(move, "notices-released", "%s", "");
		move_end_notices(move);
		return true;
	}
	if (!move->options.has_hold)
		return err_set(err, ERR_CONFLICT,
			       move->facts.notices_over
				       ? "the move waits for nobody any more"
				       : "the move waits for nobody yet: its parties are told when "
					 "memory is to be sent");
	if (move->facts.hold_released)
		return true;
	move_note(move, "hold-released", "%s", "");
	move_end_hold(move);
	return true;
}

/* A change of the settings, on its way to the disk. */
struct setting {
	struct moves *moves;
	char id[ID_UUID_SIZE];
	struct move_setting wanted;
	struct policies_choice policy; /* if WANTED has one */
	struct move_changes changes;
	struct move_settings former;
	move_set_fn *done;
	void *data;
};

static bool may_be_set(const struct move *move, struct err *err)
{
	if (move->side != MOVE_SRC || move_is_final(move))
		return err_set(err, ERR_CONFLICT, "the move is %s: nothing can be set",
			       move->side == MOVE_SRC ? move_state_name(move) : "another host's");
	return true;
}

static void answer(struct setting *setting, struct move *move, const struct err *err)
{
	setting->done(setting->data, move, &setting->changes, err);
	free(setting);
}

static void take_back(struct move *move, const struct setting *setting)
{
	move_settings_restore(move, &setting->former);
	machine_save_put_back(&move->machine);
}

static void put_into_force(struct move *move, const struct setting *setting)
{
	if (setting->policy.policy.name[0])
		move_note(move, "policy", "%s, in the place of %s", move->policy.name,
			  setting->former.policy.name);
	move_src_apply_options(move);
	move_share_again(move);
}

/* The next setting is written when this one is answered. */
static void on_set_saved(void *data, const struct err *err)
{
	struct setting *setting = data;
	struct moves *moves = setting->moves;
	char id[ID_UUID_SIZE];
	struct move *move = moves_find(moves, setting->id);

	memcpy(id, setting->id, sizeof(id));
	if (move) {
		move->is_being_set = false;
		if (err)
			take_back(move, setting);
		else
			put_into_force(move, setting);
		move_forget_texts(move);
	}
	answer(setting, move, err);
	move = moves_find(moves, id);
	if (move)
		move_tell(move);
}

static void write_setting(void *data, struct move *move)
{
	struct setting *setting = data;
	struct err err;

	if (!move) {
		answer(setting, NULL, NULL);
		return;
	}
	if (!may_be_set(move, &err)) {
		answer(setting, move, &err);
		return;
	}
	move->is_being_set = true;
	setting->former = move_settings_of(move);
	move_settings_change(move, &setting->wanted,
			     setting->policy.policy.name[0] ? &setting->policy : NULL,
			     &setting->changes);
	machine_save_for(&move->machine, on_set_saved, setting);
}

bool move_set(struct move *move, const struct move_setting *wanted, move_set_fn *done, void *data,
	      struct err *err)
{
	bool has_policy = wanted->policy && wanted->policy[0];
	struct policies_choice policy = { 0 };
	struct setting *setting;

	if (!may_be_set(move, err))
		return false;
	if (has_policy &&
	    !policies_choose(move->moves->env.policies,
			     &(struct policies_question){ wanted->policy, "", "" }, &policy, err))
		return false;
	setting = xnew(struct setting);
	setting->moves = move->moves;
	memcpy(setting->id, move->row.id, sizeof(setting->id));
	setting->wanted = *wanted;
	setting->wanted.policy = NULL; /* the caller's */
	setting->policy = policy;
	setting->done = done;
	setting->data = data;
	move_when(move, MOVE_STEADY, write_setting, setting);
	return true;
}
