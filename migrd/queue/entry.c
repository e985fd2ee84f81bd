/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One entry of the queue: its life, its record, and what is shown of it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/priv.h"

/* How old the place and the expected times in a list may be: if they have changed, and if not. */
#define TEXT_MIN_MS 250
#define TEXT_MAX_MS 1000

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

struct queue_entry *queue_entry_new(struct queue *queue, const char *id)
{
	struct queue_entry *entry = xnew(struct queue_entry);

	entry->queue = queue;
	STAILQ_INIT(&entry->orders);
	machine_init(&entry->machine, &type, &queue->machines, id);
	entry->row.created_ms = clock_wall_ms();
	snprintf(entry->row.id, sizeof(entry->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&queue->all, entry, link);
	return entry;
}

void queue_entry_free(struct queue_entry *entry)
{
	TAILQ_REMOVE(&entry->queue->all, entry, link);
	queue_leave(entry);
	queue_dismiss_all(entry);
	machine_fini(&entry->machine);
	store_queue_entry_fini(&entry->row);
	json_object_put(entry->wish);
	free(entry->text);
	free(entry->request);
	free(entry);
}

bool queue_is_refused_here(const struct queue_entry *entry)
{
	return entry->machine.state == QUEUE_STATE_FAILED && entry->detail.is_refused_here;
}

/* ---- from state to state ----------------------------------------------------------- */

void queue_go(struct queue_entry *entry, enum queue_state to, const struct err *err)
{
	if (err)
		entry->error = *err;
	machine_go_to(&entry->machine, &(struct machine_change){ .to = to });
}

struct queue_attempt *queue_last_attempt(const struct queue_entry *entry)
{
	size_t count = entry->detail.attempt_count;
	const struct queue_attempt *last = entry->detail.attempts + count - 1;

	return count ? (struct queue_attempt *)(uintptr_t)last : NULL;
}

int64_t queue_give_up_ms(const struct queue_entry *entry)
{
	uint64_t s = entry->request ? entry->request->give_up_s : 0;

	return s ? entry->row.created_ms + (int64_t)(s * 1000) : 0;
}

/* ---- the record ---------------------------------------------------------------------- */

#define A(member) JSON_MEMBER(struct queue_attempt, member)
#define D(member) JSON_MEMBER(struct queue_detail, member)

static const struct json_field attempt_fields[] = {
	{ .key = "move", .type = JSON_STRING, A(move) },
	{ .key = "host", .type = JSON_STRING, A(host) },
	{ .key = "code", .type = JSON_STRING, A(code) },
	{ .key = "reason", .type = JSON_STRING, A(reason) },
	{ .key = "began_at", .type = JSON_INT, A(began_at) },
	{ .key = "ended_at", .type = JSON_INT, A(ended_at) },
	{ 0 },
};

static const struct json_field detail_fields[] = {
	{ .key = "priority", .type = JSON_ENUM, .names = move_priority_names, D(priority) },
	{ .key = "begun", .type = JSON_UINT, D(begun) },
	{ .key = "failed", .type = JSON_UINT, D(failed) },
	{ .key = "rounds", .type = JSON_UINT, D(rounds) },
	{ .key = "next", .type = JSON_UINT, .max = QUEUE_HOSTS_MAX - 1, D(next) },
	{ .key = "not_before_ms", .type = JSON_INT, D(not_before_ms) },
	{ .key = "cancel_wanted", .type = JSON_BOOL, D(cancel_wanted) },
	{ .key = "by", .type = JSON_STRING, D(by) },
	{ .key = "cancelled_by", .type = JSON_STRING, D(cancelled_by) },
	{ .key = "passing_on", .type = JSON_BOOL, D(is_passing_on) },
	{ .key = "refused_here", .type = JSON_BOOL, D(is_refused_here) },
	{ .key = "attempts",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct queue_detail, attempts, attempt_count),
	  .fields = attempt_fields },
	{ 0 },
};

static void fill_facts(struct machine *machine)
{
	struct queue_entry *entry = queue_entry_of(machine);
	CLEANUP(json_putp) struct json_object *obj = json_encode(detail_fields, &entry->detail);

	free(entry->row.detail);
	entry->row.detail = xstrdup(json_text(obj, NULL));
}

static void fill(struct machine *machine, unsigned to)
{
	struct queue_entry *entry = queue_entry_of(machine);

	fill_facts(machine);
	machine_fill_columns(machine, to, &entry->error, MACHINE_COLUMNS(&entry->row));
}

static bool decode_request(struct queue_entry *entry, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok;

	entry->wish = json_read_back(entry->row.request);
	entry->request = xnew(struct queue_request);
	ok = entry->wish ? queue_request_decode(entry->wish, entry->request, faults) ||
				   faults_to_err(faults, err)
			 : err_set(err, ERR_STORE, "its request is no JSON");
	if (!ok)
		free(TAKE_PTR(entry->request));
	faults_free(faults);
	return ok;
}

bool queue_entry_decode(struct queue_entry *entry)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(entry->row.detail);
	struct queue_detail *detail = &entry->detail;
	struct err err;

	if (decode_request(entry, &err) &&
	    (obj || err_set(&err, ERR_STORE, "its detail is no JSON")) &&
	    json_decode_object(obj, detail_fields, detail, JSON_IGNORE_UNKNOWN, &err)) {
		if (detail->next >= entry->request->to_count)
			detail->next = 0;
		if (detail->next == 0)
			entry->failed_before = detail->failed;
		if (detail->attempt_count || strcmp(entry->row.state, "moving") != 0)
			return true;
		err_set(&err, ERR_STORE, "it has no attempt");
	}
	free(TAKE_PTR(entry->request));
	log_error("queue", "record", "entry=%s error=%s", entry->row.id, err.msg);
	err_wrap(&err, "the record of the entry cannot be understood");
	entry->error = err;
	return false;
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_queue_entry(&queue_entry_of(machine)->row);
}

/* ---- what the machine tells ------------------------------------------------------------ */

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct queue_entry *entry = queue_entry_of(machine);
	struct queue *queue = entry->queue;
	const struct queue_attempt *attempt = queue_last_attempt(entry);
	bool has_failed = machine->state == QUEUE_STATE_FAILED;

	(void)change;
	if (machine_state(machine)->flags & MACHINE_FINAL) {
		queue->unfinished--;
		queue->ended++;
	}
	log_record(has_failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "queue", "state",
		   "entry=%s vm=%s from=%s to=%s peer=%s move=%s why=%s", entry->row.id,
		   entry->row.vm_name, machine->is_new ? "-" : queue_states[from].name,
		   entry->row.state, attempt ? attempt->host : "", attempt ? attempt->move : "",
		   err_is_set(&entry->error) ? entry->error.msg
		   : attempt                 ? attempt->reason
					     : "");
}

static void entering(struct machine *machine)
{
	struct queue_entry *entry = queue_entry_of(machine);
	bool is_moving = machine->state == QUEUE_STATE_MOVING;

	entry->is_begun_here = false;
	free(TAKE_PTR(entry->text));
	entry->reason[0] = '\0';
	entry->queue->are_positions_old = entry->queue->is_plan_old = true;
	if (is_moving != entry->is_counted_moving)
		entry->queue->moving += is_moving ? 1 : -1;
	entry->is_counted_moving = is_moving;
	if (machine_is_final(machine)) {
		queue_leave(entry);
		machine_retire(machine);
	}
}

static void entered(struct machine *machine)
{
	struct queue_entry *entry = queue_entry_of(machine);
	struct queue *queue = entry->queue;

	if (machine_is_final(machine))
		queue_answer_all(entry);
	queue_tell(entry);
	queue_look(queue);
	if (machine_is_final(machine))
		queue_trim(queue); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct queue_entry *entry = queue_entry_of(machine);

	snprintf(entry->reason, sizeof(entry->reason),
		 "cannot record that it is %s, trying again: %.300s", entry->row.state, err->msg);
	queue_tell(entry);
}

static const struct machine_type type = {
	.name = "queue",
	.states = queue_states,
	.state_count = QUEUE_STATE_COUNT,
	.fill = fill,
	.fill_facts = fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.has_no_timeline = true,
};

/* ---- what is shown ------------------------------------------------------------------------ */

void queue_tell(struct queue_entry *entry)
{
	const struct queue_env *env = &entry->queue->env;

	free(TAKE_PTR(entry->text));
	if (env->changed && !entry->queue->is_closing)
		env->changed(env->data, entry);
}

static const char *reason_of(const struct queue_entry *entry)
{
	const struct queue_attempt *attempt = queue_last_attempt(entry);
	const struct move *move;

	if (queue_is_final(entry))
		return err_is_set(&entry->error) ? entry->error.msg : "";
	if (entry->reason[0] || entry->machine.state != QUEUE_STATE_MOVING || !attempt)
		return entry->reason;
	move = attempt->move[0] ? moves_find(entry->queue->env.moves, attempt->move) : NULL;
	return move ? move_reason(move) : "its move is being begun";
}

static void show_turn(const struct queue_entry *entry, struct queue_reply *ret)
{
	if (entry->machine.state != QUEUE_STATE_WAITING || !entry->is_in_turn)
		return;
	queue_number(entry->queue);
	ret->is_waiting = true;
	ret->position = entry->position;
	if (entry->detail.not_before_ms > clock_wall_ms())
		ret->next_attempt_at = entry->detail.not_before_ms;
}

/* Nothing is expected of one that is past, of one that is held or whose VM has another job, and for
 * a moment of a new one. */
static void show_expected(const struct queue_entry *entry, struct queue_reply *ret)
{
	bool is_waiting = entry->machine.state == QUEUE_STATE_WAITING && entry->is_in_turn;
	bool is_moving = entry->machine.state == QUEUE_STATE_MOVING;

	if (!is_waiting && !is_moving)
		return;
	queue_plan(entry->queue);
	ret->has_start = is_waiting && entry->is_expected;
	ret->has_end = entry->is_expected;
	ret->expected_start = entry->start;
	ret->expected_end = entry->end;
	ret->has_forecast = entry->is_foreseen;
	ret->forecast = (struct queue_forecast){
		.by = foreseen_by_names[entry->foreseen.by],
		.duration_ms = entry->alone_ms,
		.bytes = entry->foreseen.bytes,
	};
}

struct queue_reply queue_show(const struct queue_entry *entry)
{
	const struct store_queue_entry *row = &entry->row;
	const struct queue_detail *detail = &entry->detail;
	const struct queue_attempt *attempt = queue_last_attempt(entry);
	struct queue_reply reply = {
		.id = row->id,
		.vm = row->vm_name,
		.vm_uuid = row->vm_uuid,
		.priority = move_priority_names[detail->priority],
		.state = machine_state(&entry->machine)->name,
		.final = queue_is_final(entry),
		.attempts = detail->attempts,
		.attempt_count = detail->attempt_count,
		.attempts_made = detail->failed,
		.reason = reason_of(entry),
		.move = attempt && attempt->move[0] ? attempt->move : NULL,
		.give_up_at = queue_give_up_ms(entry),
		.has_failed = err_is_set(&entry->error),
		.error = { err_name(entry->error.code), entry->error.msg },
		.wish = entry->wish,
		.created_by = detail->by[0] ? detail->by : NULL,
		.cancelled_by = detail->cancelled_by[0] ? detail->cancelled_by : NULL,
		.created_at = row->created_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
	};

	if (entry->request) {
		memcpy(reply.to, entry->request->to, sizeof(reply.to));
		reply.to_count = entry->request->to_count;
		reply.attempts_max = entry->request->attempts_max;
	}
	show_turn(entry, &reply);
	show_expected(entry, &reply);
	return reply;
}

/* The text of one that waits is good until something of it changes; its place and its expected
 * times change with each of the others, so they may be a little old. */
static bool is_text_good(const struct queue_entry *entry)
{
	const struct queue *queue = entry->queue;
	uint64_t now_ms = loop_now_ms(queue->env.loop);

	if (!entry->text || queue_is_final(entry))
		return entry->text;
	if (entry->machine.state != QUEUE_STATE_WAITING || !entry->is_in_turn)
		return false;
	return now_ms < entry->text_ms + TEXT_MIN_MS ||
	       (entry->text_no == queue->shown_no && now_ms < entry->text_ms + TEXT_MAX_MS);
}

const char *queue_text(struct queue_entry *entry, size_t *ret_len)
{
	if (!is_text_good(entry)) {
		const struct queue_reply reply = queue_show(entry);
		CLEANUP(json_putp)
		struct json_object *obj = json_encode(queue_reply_fields, &reply);

		free(entry->text);
		entry->text = xstrdup(json_text(obj, &entry->text_len));
		entry->text_no = entry->queue->shown_no;
		entry->text_ms = loop_now_ms(entry->queue->env.loop);
	}
	*ret_len = entry->text_len;
	return entry->text;
}

const struct machine *queue_machine(const struct queue_entry *entry)
{
	return &entry->machine;
}
