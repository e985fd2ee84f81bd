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

enum move_side { MOVE_SRC, MOVE_DST };

/* When the parts run their steps, one after the other in the order of the table. */
enum move_phase {
	MOVE_PHASE_NONE,
	/* Makes what QEMU needs to start: destination, in prepare. */
	MOVE_PHASE_PROVIDE,
	/* Looks, and changes nothing: source, in begin; destination, in prepare, once its QEMU
	 * answers. */
	MOVE_PHASE_CHECK,
	/* Makes QEMU ready; move->plan exists.  After the checks of all parts. */
	MOVE_PHASE_PREPARE,
	/* Destination, in handover: `taken' is on disk, and the guest has not run yet. */
	MOVE_PHASE_TAKE,
	/* The destination has the guest for good: there it runs; source, in confirm: its QEMU
	 * has ended. */
	MOVE_PHASE_END,
	/* In rollback: source, once it is settled whether the guest runs; destination, once its
	 * QEMU has ended. */
	MOVE_PHASE_UNDO,
	MOVE_PHASE_COUNT
};

/* One step of a phase.  Now or when an answer comes, it calls move_parts_next(); up to PREPARE it
 * may roll the move back instead. */
typedef void move_part_step(struct move *move);

#define MOVE_PART_STEPS_MAX 4 /* of one part, on one side, in one phase */

struct move_part {
	const char *name;
	/* This move has the part.  NULL: every move has it. */
	bool (*wanted)(const struct move *move);
	move_part_step *steps[2][MOVE_PHASE_COUNT][MOVE_PART_STEPS_MAX]; /* [side][phase] */
	/* Source: transfer was entered, maybe by a restart (machine.is_resumed), and the parts
	 * before this one are ready. */
	void (*start)(struct move *move);
	/* Source: what was started has come so far that the next part may start.  NULL: at once. */
	bool (*is_ready)(const struct move *move);
	/* Source, in begin and transfer: something has happened, or the tick came. */
	void (*step)(struct move *move);
	/* Notes an event of QEMU; false: the event is not of this part. */
	bool (*event)(struct move *move, const struct qmp_event *event);
	/* Source, in handover, again and again until progress() is DONE: the guest stands still,
	 * and QEMU waits (pre-switchover) for what is sent beside its migration.  The parts
	 * before this one are DONE. */
	void (*settle)(struct move *move);
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

extern const struct move_part move_part_disks;    /* move/part_disks.c */
extern const struct move_part move_part_bitmaps;  /* move/part_bitmaps.c */
extern const struct move_part move_part_tpm;      /* move/part_tpm.c */
extern const struct move_part move_part_hold;     /* move/part_hold.c */
extern const struct move_part move_part_notice;   /* move/part_notice.c */
extern const struct move_part move_part_ram;      /* move/part_ram.c */
extern const struct move_part move_part_jobs;     /* move/part_jobs.c */
extern const struct move_part move_part_media;    /* move/part_media.c */
extern const struct move_part move_part_evidence; /* move/part_evidence.c */
extern const struct move_part move_part_virtqueues; /* move/part_virtqueues.c */
extern const struct move_part move_part_pace;       /* move/part_pace.c */

/* ---- all parts: move/parts.c ------------------------------------------------ */

/* Begins PHASE, unless it was begun last; the state is told when it is over (machine_step()). */
void move_parts_begin(struct move *move, enum move_phase phase);
bool move_parts_are_over(const struct move *move, enum move_phase phase);
/* A step has ended well: runs the next one. */
void move_parts_next(struct move *move);
void move_parts_start(struct move *move);
void move_parts_step(struct move *move);
void move_parts_settle(struct move *move);
bool move_parts_event(struct move *move, const struct qmp_event *event);
enum move_part_progress move_parts_progress(const struct move *move);
void move_parts_cancel(struct move *move);
void move_parts_give_up(struct move *move);
void move_parts_tidy(struct move *move);

#endif
