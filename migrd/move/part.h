/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/part.h -- what a move carries, part by part: memory, disks, media, ...
 *
 * A part is a row of the table in move/parts.c and a file with what the row names.  The
 * states of a move (move/states.c) know no part: they ask all of them, in the order of the
 * table.  What a part needs of QEMU (capabilities) and of migrd-stream (channels) is decided
 * in wire/transfer_plan.c, for that is a function of both hosts and not of one move.
 *
 * Every callback may be NULL.  Thread: loop.
 */
#ifndef MIGRD_MOVE_PART_H
#define MIGRD_MOVE_PART_H

#include <stdbool.h>
#include <stddef.h>

struct move;
struct qmp_event;

/* Of one part, or of all: the least advanced part counts. */
enum move_part_progress {
	MOVE_PART_BROKEN, /* it will not get there: give_up() says why */
	MOVE_PART_FLOWS,
	MOVE_PART_LAST, /* the rest is sent while the guest stands still */
	MOVE_PART_DONE, /* source: QEMU has sent it all; destination: it has loaded it */
};

/* One step of getting ready.  It ends, now or when an answer comes, in move_parts_next(),
 * or rolls the move back. */
typedef void move_part_step(struct move *move);

/* Steps of one side, ended by NULL. */
struct move_part_steps {
	move_part_step *src[6], *dst[4];
};

struct move_part {
	const char *name;
	/* Has this move anything of the part?  NULL: every move has. */
	bool (*wanted)(const struct move *move);
	/* Steps that look, and change nothing: source, in begin; destination, in prepare when
	 * its QEMU answers. */
	struct move_part_steps check;
	/* Steps that make QEMU ready, after the checks of all parts; the plan is made. */
	struct move_part_steps prepare;
	/* Source: transfer was entered, maybe by a restart (machine.is_resumed). */
	void (*start)(struct move *move);
	/* Source, in begin and transfer: something has happened, or the tick came. */
	void (*step)(struct move *move);
	/* An event of QEMU; true: it is the part's, and was noted. */
	bool (*event)(struct move *move, const struct qmp_event *event);
	/* In transfer and handover. NULL: the part has nothing to send. */
	enum move_part_progress (*progress)(const struct move *move);
	/* Source, in transfer: ends what is under way; the progress tells how it ended. */
	void (*cancel)(struct move *move);
	/* Source: progress() is BROKEN; rolls the move back, with the likeliest reason. */
	void (*give_up)(struct move *move);
	/* Removes what it left outside of QEMU for the other host to look at: the other host
	 * has answered, or the move ends, or was found after a restart. */
	void (*tidy)(struct move *move);
};

extern const struct move_part move_part_ram;      /* move/part_ram.c */
extern const struct move_part move_part_disks;    /* move/part_disks.c */
extern const struct move_part move_part_media;    /* move/part_media.c */
extern const struct move_part move_part_evidence; /* move/part_evidence.c */

/* ---- all parts: move/parts.c ------------------------------------------------ */

/* The checks of all parts, then the plan (source), then what makes QEMU ready; then
 * facts.qemu_prepared. */
void move_parts_prepare(struct move *move);
/* A step has ended well. */
void move_parts_next(struct move *move);
void move_parts_start(struct move *move);
void move_parts_step(struct move *move);
bool move_parts_event(struct move *move, const struct qmp_event *event);
enum move_part_progress move_parts_progress(const struct move *move);
void move_parts_cancel(struct move *move);
void move_parts_give_up(struct move *move);
void move_parts_tidy(struct move *move);

#endif
