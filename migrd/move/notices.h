/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/notices.h -- the parties that are told of a move, and what came of it.
 *
 * A source has a row for each party that the configuration had for the VM when the move began; the
 * rows are in the move's record.  What is told before is a part of the move
 * (move/part_notice.c), what is told after its end is on its own (move/notice_after.c).
 * A program in the guest is told of the end by the host that has the guest then: so a destination
 * has rows from when its move is done, by its own configuration.
 * Thread: loop.
 */
#ifndef MIGRD_MOVE_NOTICES_H
#define MIGRD_MOVE_NOTICES_H

#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/notice.h"

struct move;
struct moves;
struct vm;

/* Their names are in records and replies: never changed or used for something else. */
enum move_notice_before {
	MOVE_BEFORE_NONE, /* it is not told */
	MOVE_BEFORE_WAITS,
	MOVE_BEFORE_ASKED,
	MOVE_BEFORE_GO,
	MOVE_BEFORE_DELAYS,
	MOVE_BEFORE_OVER,     /* it has delayed the move, and its time is over */
	MOVE_BEFORE_RELEASED, /* a person let the move go on */
	MOVE_BEFORE_UNHEARD,  /* no answer that counts */
	MOVE_BEFORE_GONE,     /* it is not configured any more */
};
enum move_notice_after {
	MOVE_AFTER_NONE,
	MOVE_AFTER_WAITS,
	MOVE_AFTER_TOLD,
	MOVE_AFTER_UNHEARD,
	MOVE_AFTER_GONE,
	MOVE_AFTER_THERE, /* the guest has left: the host where it is tells it */
};

struct move_notice {
	char party[ID_NAME_SIZE];
	uint64_t may_delay_s, timeout_ms;
	int before, after;               /* enum move_notice_before, move_notice_after */
	uint64_t told_ms, until_ms;      /* wall clock; 0: not yet, no delay */
	uint64_t tries;                  /* to tell it after the end */
	char reason[NOTICE_REASON_SIZE]; /* of its delay, or why it counts as unheard */
	char after_reason[NOTICE_REASON_SIZE]; /* why it was not told of the end */
	bool is_in_guest;                      /* it is a program that the guest's agent runs */
	/* not in the record; on the loop's clock */
	uint64_t end_ms;      /* of its delay */
	uint64_t known_at_ms; /* when this coordinator told it, or found it told */
	uint64_t before_ms;   /* it had been told for so long then, by the wall clock */
};

struct move_notices {
	struct move_notice rows[NOTICE_PARTIES_MAX];
	size_t count;
};
extern const struct json_field move_notices_fields[]; /* of a record */

static inline void free_noticesp(struct move_notices **notices)
{
	free(*notices);
}

/* The rows of a move of VM that begins; NULL: no party is told.  The caller owns them. */
struct move_notices *move_notices_choose(const struct moves *moves, struct vm *vm);
/* Before the final record is written: who tells the guest itself.  IS_DONE: the move is. */
void move_notices_end(struct move *move, bool is_done);
/* For how long parties may keep the move from sending memory, in whole seconds; NOTICES may be
 * NULL. */
uint64_t move_notices_hold_s(const struct move_notices *notices);
struct move_notice *move_notices_find(struct move_notices *notices,
				      const char *party); /* or NULL */
/* RET has room for NOTICE_PARTIES_MAX; returns how many there are. */
size_t move_notices_show(const struct move_notices *notices, struct notice_shown *ret);
/* The same of those that would be asked before memory is sent. */
size_t move_notices_expect(const struct move_notices *notices, struct notice_expected *ret);
/* What of a notice before and after the move is the same; the texts are the move's. */
struct notice_data move_notice_data(const struct move *move);

/* ---- before: move/part_notice.c ------------------------------------------- */

/* A party is told before memory is sent. */
bool move_has_notices(const struct move *move);
/* Memory waits for parties at present. */
bool move_waits_for_parties(const struct move *move);
/* The end (wall clock) of the delays that parties have asked for; 0: none delays the move now. */
int64_t move_delay_end_ms(const struct move *move);
/* The move goes on without waiting for parties any more. */
void move_end_notices(struct move *move);

/* ---- after: move/notice_after.c ---------------------------------------------- */

/* The move has ended, maybe before a restart: tells the parties that do not know it yet. */
void move_tell_end(struct move *move);
/* For the end of the daemon. */
void moves_forget_ends(struct moves *moves);

#endif
