/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One move: its life, its waiters, and the reason that it shows. */
#include "move/move.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/dst.h"
#include "move/priv.h"

struct move_waiter {
	struct move_waiter *next;
	enum move_moment moment;
	move_when_fn *fn;
	void *data;
};

static const char *const kind_names[] = {
	[MOVE_SRC] = "MIGRATION_OUT",
	[MOVE_DST] = "MIGRATION_IN",
};

/* ---- life ------------------------------------------------------------ */

static void on_tick(void *data);
static void on_retry(void *data);

struct move *move_new(struct moves *moves, enum move_side side, const char *id)
{
	struct move *move = xnew(struct move);

	move->moves = moves;
	move->side = side;
	move->tick = loop_timer_new(moves->env.loop, on_tick, move);
	move->retry = loop_timer_new(moves->env.loop, on_retry, move);
	machine_init(&move->machine, &move_types[side], &moves->machines, id);
	move->policy = policy_of_before();
	move->row.created_ms = clock_wall_ms();
	snprintf(move->row.id, sizeof(move->row.id), "%s", id);
	snprintf(move->row.kind, sizeof(move->row.kind), "%s", kind_names[side]);
	moves_insert(moves, move);
	return move;
}

/* Hundreds of ended moves are kept, so each gives back what only a running move needs. */
void move_become_history(struct move *move)
{
	moves_retire(move->moves, move);
	machine_retire(&move->machine);
	loop_timer_free(TAKE_PTR(move->tick));
	loop_timer_free(TAKE_PTR(move->retry));
	free(TAKE_PTR(move->measure.threads));
	move->measure.thread_count = 0;
	/* What the hosts were compared by is most of a move's memory, and answers that come late
	 * are of another state. */
	virtqueues_walk_fini(&move->virtqueues);
	free(TAKE_PTR(move->evidence));
	preflight_free(TAKE_PTR(move->offer.compared));
}

static void dismiss_waiters(struct move *move)
{
	while (move->waiters) {
		struct move_waiter *waiter = move->waiters;

		move->waiters = waiter->next;
		waiter->fn(waiter->data, NULL);
		free(waiter);
	}
}

void move_free(struct move *move)
{
	moves_remove(move->moves, move);
	move_forget_texts(move);
	stream_free(move->stream);
	move_become_history(move);
	machine_fini(&move->machine);
	json_object_put(move->peer_times);
	json_object_put(move->begin.images);
	json_object_put(move->begin.bitmaps);
	free(move->plan);
	move_frames_fini(move);
	free(move->passes);
	free(move->forecast);
	free(move->notices);
	free(move->request);
	store_move_fini(&move->row);
	dismiss_waiters(move);
	free(move);
}

struct vm *move_vm(const struct move *move)
{
	return vm_find_uuid(move->moves->env.vms, move->row.vm_uuid);
}

const struct vm_def *move_definition(const struct move *move)
{
	struct vm *vm = move_vm(move);
	struct err ignored;

	return vm ? vm_def_of(vm, &ignored) : NULL;
}

struct qemu *move_qemu(const struct move *move)
{
	const struct vm *vm = move_vm(move);

	return vm && qemu_is_alive(vm_qemu(vm)) ? vm_qemu(vm) : NULL;
}

bool move_is_gone(const struct move *move)
{
	return move_qemu(move) == NULL;
}

static void on_qemu_exited(void *data)
{
	struct move *move = data;

	move_note(move, "qemu-exited", "%s", "");
	machine_step(&move->machine);
}

bool move_hold_vm(struct move *move, struct vm *vm, struct err *err)
{
	move->job = (struct vm_job){
		.kind = kind_names[move->side],
		.allowed = move_sync_jobs(move, move->machine.state),
		.is_of_stopped = move->facts.stopped,
		.event = move->side == MOVE_SRC ? move_src_event : move_dst_event,
		.exited = on_qemu_exited,
		.data = move,
	};
	memcpy(move->job.id, move->row.id, sizeof(move->job.id));
	move->holds_vm = vm_job_begin(vm, &move->job, err);
	return move->holds_vm;
}

void move_release_vm(struct move *move)
{
	struct vm *vm = move_vm(move);

	if (move->holds_vm && vm)
		vm_job_end(vm, &move->job);
	move->holds_vm = false;
}

/* ---- what it says ---------------------------------------------------- */

void move_stamp(struct move *move, enum move_stamp stamp)
{
	if (!move->stamps[stamp])
		move->stamps[stamp] = clock_monotonic_us();
}

void move_set_reason(struct move *move, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vtext(move->reason, fmt, ap);
	va_end(ap);
	move_tell(move);
}

/* ---- who waits ------------------------------------------------------- */

static bool has_come(const struct move *move, enum move_moment moment)
{
	switch (moment) {
	case MOVE_RECORDED:
		return !move->machine.is_new;
	case MOVE_STEADY:
		return !move->machine.is_saving && !move->is_being_set;
	case MOVE_REJOINED:
		return move->rejoin.step == MOVE_REJOIN_READY ||
		       move->rejoin.step == MOVE_REJOIN_NONE || move_is_final(move);
	case MOVE_PREPARED:
		return !move->machine.is_new && move->machine.state != MOVE_STATE_PREPARE;
	case MOVE_VERDICT:
		return move_is_final(move) || move->machine.state == MOVE_STATE_ROLLBACK ||
		       move->machine.state == MOVE_STATE_FETCH ||
		       (move->machine.state == MOVE_STATE_HANDOVER && move->facts.is_running);
	case MOVE_ENDED:
		return move_is_final(move);
	case MOVE_SETTLED:
		return move_is_final(move) && !move->settle.is_writing;
	}
	return false;
}

static struct move_waiter *take_waiter(struct move *move)
{
	for (struct move_waiter **link = &move->waiters; *link; link = &(*link)->next) {
		struct move_waiter *waiter = *link;

		if (has_come(move, waiter->moment)) {
			*link = waiter->next;
			return waiter;
		}
	}
	return NULL;
}

void move_tell(struct move *move)
{
	struct move_waiter *waiter;

	move_forget_texts(move);
	while ((waiter = take_waiter(move))) {
		waiter->fn(waiter->data, move);
		free(waiter);
	}
	if (move->moves->env.changed)
		move->moves->env.changed(move->moves->env.data, move);
}

/* The moment may have come already, but move_when() must not call FN itself. */
struct late_look {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

static void look_again(void *data)
{
	struct late_look *look = data;
	struct move *move = moves_find(look->moves, look->id);

	if (move)
		move_tell(move);
	free(look);
}

void move_when(struct move *move, enum move_moment moment, move_when_fn *fn, void *data)
{
	struct move_waiter *waiter = xnew(struct move_waiter), **end = &move->waiters;
	struct late_look *look = xnew(struct late_look);

	while (*end)
		end = &(*end)->next;
	*waiter = (struct move_waiter){ NULL, moment, fn, data };
	*end = waiter;
	look->moves = move->moves;
	memcpy(look->id, move->row.id, sizeof(look->id));
	loop_post(move->moves->env.loop, look_again, look);
}

/* ---- common steps ---------------------------------------------------- */

void move_roll_back(struct move *move, const struct err *why)
{
	if (!err_is_set(&move->error))
		move->error = *why;
	if (move->side == MOVE_DST) {
		move->verdict = move->facts.may_have_run ? VERDICT_UNKNOWN : VERDICT_REFUSED;
		/* Before `taken' nobody needs this copy: it is ended at once, even if the
		 * disk takes no record.  A restart finds it gone and refuses. */
		if (move->machine.state != MOVE_STATE_HANDOVER)
			move_dst_enter_rollback(&move->machine);
	}
	machine_go_to(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_ROLLBACK, .why = why->msg });
}

void move_give_up(struct move *move, enum err_code code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	move_roll_back(move, &err);
}

/* A person decides by this. */
static const char *copy_here(const struct move *move)
{
	bool lacks_memory =
		move->side == MOVE_DST && move_parts_progress(move) == MOVE_PART_SWITCHED;

	return lacks_memory ? "the guest is here, and needs memory that only that host has,"
			    : "the guest is complete here";
}

/* The other host answers, but has no record. */
static void explain_unheard(const struct move *move, char why[ERR_MSG_SIZE])
{
	bool is_src = move->side == MOVE_SRC;
	const char *here = move->moves->env.host_id, *id = move->row.id, *peer = move->row.peer;

	snprintf(why, ERR_MSG_SIZE,
		 "host '%s' has no record of the move; %s and may run there: "
		 "'migrctl host check' there tells. If so: migrctl move resolve %s --keep "
		 "%s "
		 "--assert-dead %s; if it never did: migrctl move resolve %s --keep %s "
		 "--assert-dead %s",
		 peer, copy_here(move), id, is_src ? "destination" : "source", here, id,
		 is_src ? "source" : "destination", peer);
}

static void explain_stuck(const struct move *move, char why[ERR_MSG_SIZE])
{
	bool is_src = move->side == MOVE_SRC;

	if (move->facts.is_unheard) {
		explain_unheard(move, why);
		return;
	}
	snprintf(why, ERR_MSG_SIZE,
		 "host '%s' is silent; %s %s; it is asked on and on. If that host is dead or "
		 "fenced: "
		 "migrctl move resolve %s --keep %s --assert-dead %s; to give this copy up: "
		 "migrctl move resolve %s --keep %s --assert-dead %s",
		 move->row.peer, copy_here(move),
		 is_src ? "and stands still; it may have been taken there"
			: "and does not run; it may run there",
		 move->row.id, is_src ? "source" : "destination", move->row.peer, move->row.id,
		 is_src ? "destination" : "source", move->moves->env.host_id);
}

void move_is_waiting(struct move *move, const struct err *why)
{
	char text[ERR_MSG_SIZE];

	if (move->machine.state != MOVE_STATE_STUCK) {
		move_set_reason(move, "waiting for host '%s': %s", move->row.peer,
				move_peer_words(move, why));
		return;
	}
	explain_stuck(move, text);
	move_set_reason(move, "%s", text);
}

void move_is_unheard(struct move *move, const char *why)
{
	struct err err;

	if (!move->facts.is_unheard)
		move_note(move, "no-record-there", "%s", why);
	move->facts.is_unheard = true;
	if (move->machine.state == MOVE_STATE_STUCK) {
		err_set(&err, ERR_NOT_FOUND, "%s", why);
		move_is_waiting(move, &err);
	} else {
		move_become_stuck(move);
	}
}

void move_become_stuck(struct move *move)
{
	char why[ERR_MSG_SIZE];

	explain_stuck(move, why);
	machine_go_to(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_STUCK, .why = why });
	snprintf(move->reason, sizeof(move->reason), "%s", why);
}

/* ---- timers ---------------------------------------------------------- */

static void on_tick(void *data)
{
	struct move *move = data;

	if (!move->machine.is_saving)
		move_query(move);
	machine_step(&move->machine);
}

static void on_retry(void *data)
{
	struct move *move = data;

	move->facts.asked = false;
	machine_step(&move->machine);
}

const struct machine *move_machine(const struct move *move)
{
	return &move->machine;
}
