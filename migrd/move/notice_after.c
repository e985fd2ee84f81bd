/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parties are told of the end of a move.  The move has ended by then and waits for nobody: its
 * record says who is still to be told, so that a restart goes on. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/guest_program.h"
#include "move/priv.h"
#include "notify/agent.h"
#include "notify/notify.h"

/* Pauses between the tries; when they are used up, the party is given up. */
static const uint32_t pauses_ms[] = { 1000, 5000, 30000, 120000, 600000 };

/* A guest that has just arrived is being looked after, and one whose coordinator was restarted is
 * not found again yet. */
#define GUEST_AFTER_MS 1000

/* A party that is to be told; its move and its row are looked up by it. */
struct move_ending {
	struct moves *moves;
	char id[ID_UUID_SIZE], party[ID_NAME_SIZE];
	struct loop_timer *timer; /* the next try */
	LIST_ENTRY(move_ending) link;
};

/* Of a question under way; its ending is looked up by it. */
struct asking {
	struct moves *moves;
	char id[ID_UUID_SIZE], party[ID_NAME_SIZE];
};

static struct move_ending *find(const struct moves *moves, const char *id, const char *party)
{
	struct move_ending *ending;

	LIST_FOREACH(ending, &moves->endings, link)
	if (strcmp(ending->id, id) == 0 && strcmp(ending->party, party) == 0)
		return ending;
	return NULL;
}

static void ending_free(struct move_ending *ending)
{
	LIST_REMOVE(ending, link);
	loop_timer_free(ending->timer);
	free(ending);
}

/* ---- on disk ------------------------------------------------------------------ */

/* What is lost is only that the party was told: it would be told again. */
static void on_saved(void *data, const struct err *err)
{
	char *id = data;

	if (err)
		log_error("move", "save", "move=%s error=%s", id, err->msg);
	free(id);
}

static void save(struct move *move)
{
	const struct moves_env *env = &move->moves->env;

	move_detail_encode(move);
	store_commit(env->store, &(struct store_txn){ { store_put_move(&move->row) } }, on_saved,
		     xstrdup(move->row.id));
	if (env->changed)
		env->changed(env->data, move);
}

/* ---- one try --------------------------------------------------------------------- */

static void note_told(const struct move *move, struct move_notice *row)
{
	row->after = MOVE_AFTER_TOLD;
	row->after_reason[0] = '\0';
	log_info("move", "told", "move=%s party=%s tries=%llu", move->row.id, row->party,
		 (unsigned long long)row->tries);
}

/* IS_OVER: no other try would do. */
static void note_untold(const struct move *move, struct move_notice *row, const char *why,
			bool is_over)
{
	move->moves->notice_counts[MOVE_NOTICE_UNHEARD]++;
	if (is_over)
		row->after = MOVE_AFTER_GONE;
	else if (row->tries > ARRAY_LEN(pauses_ms))
		row->after = MOVE_AFTER_UNHEARD;
	snprintf(row->after_reason, sizeof(row->after_reason), "%.*s", NOTICE_REASON_SIZE - 1, why);
	log_warning("move", "untold", "move=%s party=%s tries=%llu reason=%s over=%d", move->row.id,
		    row->party, (unsigned long long)row->tries, why,
		    row->after != MOVE_AFTER_WAITS);
}

/* 410: it wants to hear no more (Standard Webhooks, "Delivery success and failure"). */
static void note_reply(const struct move *move, struct move_notice *row, long status)
{
	char why[64];

	snprintf(why, sizeof(why), "it answered with HTTP status %ld", status);
	if (status >= 200 && status <= 299)
		note_told(move, row);
	else
		note_untold(move, row, why, status == 410);
}

/* What the program wrote says nothing after the end. */
static void note_program(const struct move *move, struct move_notice *row,
			 struct json_object *result)
{
	struct notify_judged judged;

	if (notify_agent_ended_well(result, &judged))
		note_told(move, row);
	else
		note_untold(move, row, judged.words, false);
}

/* What a try has come to: one of them. */
struct ending_told {
	const struct notify_reply *reply;
	struct json_object *result; /* of a program in the guest */
	const struct err *err;
};

/* CANCELLED: the daemon stops; the next one goes on. */
static void end_try(struct asking *asking, const struct ending_told *told)
{
	struct move_ending *ending = find(asking->moves, asking->id, asking->party);
	struct move *move = ending ? moves_find(asking->moves, asking->id) : NULL;
	struct move_notice *row = move ? move_notices_find(move->notices, asking->party) : NULL;

	free(asking);
	if (!ending || (told->err && told->err->code == ERR_CANCELLED))
		return;
	if (row) {
		row->tries++;
		if (told->reply)
			note_reply(move, row, told->reply->status);
		else if (told->err)
			note_untold(move, row, told->err->msg, told->err->code == ERR_NOT_FOUND);
		else
			note_program(move, row, told->result);
		save(move);
	}
	if (row && row->after == MOVE_AFTER_WAITS)
		loop_timer_start(ending->timer, pauses_ms[row->tries - 1]);
	else
		ending_free(ending);
}

static void on_answered(void *data, const struct notify_reply *reply, const struct err *err)
{
	end_try(data, &(struct ending_told){ .reply = reply, .err = err });
}

static void on_program(void *data, struct json_object *result, const struct err *err)
{
	end_try(data, &(struct ending_told){ .result = result, .err = err });
}

static struct json_object *body_of(const struct move *move)
{
	const struct move_measured measured = move_show_measured(move);
	struct notice notice = { .type = NOTICE_AFTER,
				 .timestamp = move->row.ended_ms,
				 .data = move_notice_data(move) };

	notice.data.outcome = move_state_name(move);
	notice.data.owner = move_owner(move);
	notice.data.has_failed = move->row.error_code[0];
	notice.data.error.code = move->row.error_code;
	notice.data.error.detail = move->row.error_text;
	notice.data.created_at = move->row.created_ms;
	notice.data.ended_at = move->row.ended_ms;
	notice.data.has_blackout = measured.has_blackout;
	notice.data.blackout_ms = measured.blackout_ms;
	return json_encode(notice_after_fields, &notice);
}

static void tell_party(const struct move_ending *ending, const char *body, struct asking *asking)
{
	char id[64];

	snprintf(id, sizeof(id), "after-%s", ending->id);
	notify_send(ending->moves->env.notify,
		    &(struct notify_message){
			    .party = ending->party, .id = id, .type = "after", .body = body },
		    on_answered, asking);
}

static void try_now(void *data)
{
	struct move_ending *ending = data;
	struct move *move = moves_find(ending->moves, ending->id);
	const struct move_notice *row =
		move ? move_notices_find(move->notices, ending->party) : NULL;
	CLEANUP(json_putp) struct json_object *body = NULL;
	struct asking *asking;

	if (!row) { /* its record has gone */
		ending_free(ending);
		return;
	}
	body = body_of(move);
	asking = xnew(struct asking);
	asking->moves = ending->moves;
	memcpy(asking->id, ending->id, sizeof(asking->id));
	memcpy(asking->party, ending->party, sizeof(asking->party));
	ending->moves->notice_counts[MOVE_NOTICE_SENT]++;
	if (row->is_in_guest)
		guest_program_run(ending->moves, ending->party, move->row.vm_uuid,
				  json_text(body, NULL), on_program, asking);
	else
		tell_party(ending, json_text(body, NULL), asking);
}

/* ---- life ------------------------------------------------------------------------- */

static void begin(struct move *move, const struct move_notice *row)
{
	struct move_ending *ending = xnew(struct move_ending);

	ending->moves = move->moves;
	memcpy(ending->id, move->row.id, sizeof(ending->id));
	memcpy(ending->party, row->party, sizeof(ending->party));
	ending->timer = loop_timer_new(move->moves->env.loop, try_now, ending);
	LIST_INSERT_HEAD(&move->moves->endings, ending, link);
	loop_timer_start(ending->timer, row->is_in_guest ? GUEST_AFTER_MS : 0);
}

void move_tell_end(struct move *move)
{
	for (size_t i = 0; move->notices && i < move->notices->count; i++)
		if (move->notices->rows[i].after == MOVE_AFTER_WAITS && move->moves->env.notify)
			begin(move, &move->notices->rows[i]);
}

void moves_forget_ends(struct moves *moves)
{
	struct move_ending *ending;

	while ((ending = LIST_FIRST(&moves->endings)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): LIST_REMOVE has moved the head */
		ending_free(ending);
}
