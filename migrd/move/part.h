/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/part.h -- what a move carries, part by part: memory, disks, media, ...
 *
 * A part is a row of the table in move/parts.c, and a file with the functions of that row.
 * The states of a move (move/states.c) know no single part: they ask all parts, in the order
 * of the table.  What a part needs of QEMU (capabilities) and of migrd-stream (channels) is
 * decided in wire/transfer_plan.c, because it depends on both hosts and not on one move.
 *
 * Every callback may be NULL.  Thread: loop.
 */
#ifndef MIGRD_MOVE_PART_H
#define MIGRD_MOVE_PART_H

#include <stdbool.h>
#include <stddef.h>

struct move;
struct qmp_event;

/* The progress of one part; that of all parts is that of the least advanced one. */
enum move_part_progress {
	MOVE_PART_BROKEN, /* the part cannot be sent any more: give_up() says why */
	MOVE_PART_FLOWS,
	MOVE_PART_LAST,     /* the rest is sent while the guest stands still */
	MOVE_PART_SWITCHED, /* post-copy: the guest may run on the destination, which fetches */
	MOVE_PART_DONE, /* source: QEMU has sent it all; destination: it has loaded it */
};

/* One step of getting ready.  Now or when an answer comes, it calls move_parts_next() or
 * rolls the move back. */
typedef void move_part_step(struct move *move);

enum move_side { MOVE_SRC, MOVE_DST };
#define MOVE_PART_STEPS_MAX 4 /* of one part, on one side, in one phase */

struct move_part {
	const char *name;
	/* This move has the part.  NULL: every move has it. */
	bool (*wanted)(const struct move *move);
	/* Steps that look, and change nothing: on the source in begin; on the destination in
	 * prepare, once its QEMU answers. */
	move_part_step *check[2][MOVE_PART_STEPS_MAX]; /* by enum move_side */
	/* Steps after the checks of all parts, such as making QEMU ready; move->plan exists. */
	move_part_step *prepare[2][MOVE_PART_STEPS_MAX];
	/* Source: transfer was entered, maybe by a restart (machine.is_resumed). */
	void (*start)(struct move *move);
	/* Source, in begin and transfer: something has happened, or the tick came. */
	void (*step)(struct move *move);
	/* Notes an event of QEMU; false: the event is not of this part. */
	bool (*event)(struct move *move, const struct qmp_event *event);
	/* In transfer and handover.  NULL: the part has nothing to send. */
	enum move_part_progress (*progress)(const struct move *move);
	/* Source: ends the sending that is under way; the progress tells how it ended. */
	void (*cancel)(struct move *move);
	/* Source, when progress() is BROKEN: rolls the move back, with the likeliest reason. */
	void (*give_up)(struct move *move);
	/* Removes what the part left outside of QEMU for the other host to look at.  Called
	 * when that host has looked, when the move ends, and after a restart. */
	void (*tidy)(struct move *move);
};

extern const struct move_part move_part_ram;      /* move/part_ram.c */
extern const struct move_part move_part_disks;    /* move/part_disks.c */
extern const struct move_part move_part_media;    /* move/part_media.c */
extern const struct move_part move_part_evidence; /* move/part_evidence.c */

/* ---- all parts: move/parts.c ------------------------------------------------ */

/* Runs the check steps of all parts, makes the plan (source), runs the prepare steps of all
 * parts, then sets facts.qemu_prepared. */
void move_parts_prepare(struct move *move);
/* A step has ended well: runs the next one. */
void move_parts_next(struct move *move);
void move_parts_start(struct move *move);
void move_parts_step(struct move *move);
bool move_parts_event(struct move *move, const struct qmp_event *event);
enum move_part_progress move_parts_progress(const struct move *move);
void move_parts_cancel(struct move *move);
void move_parts_give_up(struct move *move);
void move_parts_tidy(struct move *move);

#endif
