/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parties are told of the end of a move.  The move has ended by then and waits for nobody: its
 * record says who is still to be told, so that a restart goes on. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "notify/answer.h"
#include "notify/notify.h"

/* Pauses between the tries; when they are used up, the party is given up. */
static const uint32_t pauses_ms[] = { 1000, 5000, 30000, 120000, 600000 };

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

static bool is_told(const struct notify_reply *reply)
{
	return reply && reply->status >= 200 && reply->status <= 299;
}

/* 410: it wants to hear no more (Standard Webhooks, "Delivery success and failure"). */
static bool is_over(const struct notify_reply *reply, const struct err *err)
{
	return reply ? reply->status == 410 : err->code == ERR_NOT_FOUND;
}

static void note(struct move *move, struct move_notice *row, const struct notify_reply *reply,
		 const struct err *err)
{
	assert(reply || err);
	row->tries++;
	if (is_told(reply)) {
		row->after = MOVE_AFTER_TOLD;
		log_info("move", "told", "move=%s party=%s tries=%llu", move->row.id, row->party,
			 (unsigned long long)row->tries);
		return;
	}
	move->moves->notice_counts[MOVE_NOTICE_UNHEARD]++;
	if (is_over(reply, err))
		row->after = MOVE_AFTER_GONE;
	else if (row->tries > ARRAY_LEN(pauses_ms))
		row->after = MOVE_AFTER_UNHEARD;
	if (reply)
		log_warning("move", "untold", "move=%s party=%s tries=%llu status=%ld over=%d",
			    move->row.id, row->party, (unsigned long long)row->tries, reply->status,
			    row->after != MOVE_AFTER_WAITS);
	else
		log_warning("move", "untold", "move=%s party=%s tries=%llu reason=%s over=%d",
			    move->row.id, row->party, (unsigned long long)row->tries, err->msg,
			    row->after != MOVE_AFTER_WAITS);
}

/* CANCELLED: the daemon stops; the next one goes on. */
static void on_answered(void *data, const struct notify_reply *reply, const struct err *err)
{
	struct asking *asking = data;
	struct move_ending *ending = find(asking->moves, asking->id, asking->party);
	struct move *move = ending ? moves_find(asking->moves, asking->id) : NULL;
	struct move_notice *row = move ? move_notices_find(move->notices, asking->party) : NULL;

	free(asking);
	if (!ending || (err && err->code == ERR_CANCELLED))
		return;
	if (row) {
		note(move, row, reply, err);
		save(move);
	}
	if (row && row->after == MOVE_AFTER_WAITS)
		loop_timer_start(ending->timer, pauses_ms[row->tries - 1]);
	else
		ending_free(ending);
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

static void try_now(void *data)
{
	struct move_ending *ending = data;
	struct move *move = moves_find(ending->moves, ending->id);
	CLEANUP(json_putp) struct json_object *body = NULL;
	struct asking *asking;
	char id[64];

	if (!move) { /* its record has gone */
		ending_free(ending);
		return;
	}
	body = body_of(move);
	snprintf(id, sizeof(id), "after-%s", ending->id);
	asking = xnew(struct asking);
	asking->moves = ending->moves;
	memcpy(asking->id, ending->id, sizeof(asking->id));
	memcpy(asking->party, ending->party, sizeof(asking->party));
	ending->moves->notice_counts[MOVE_NOTICE_SENT]++;
	notify_send(ending->moves->env.notify,
		    &(struct notify_message){ .party = ending->party,
					      .id = id,
					      .type = "after",
					      .body = json_text(body, NULL) },
		    on_answered, asking);
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
	loop_timer_start(ending->timer, 0);
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
