/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/record.h -- the facts of a machine that change beside its states.
 *
 * The owner changes its facts and says so with record_change(): each change has a number.  At the
 * end of a turn it calls record_write(), which writes all changes until then at once, one write at
 * a time; a record of a state has them too.  What must not happen before a change is on disk asks
 * record_has() for its number, and whoever is to be told then waits with record_wait().
 *
 * A write that the disk refuses (full, broken) is told to all that wait for its changes.  These
 * stay in memory, and are written again after a pause until the disk has them.  A restart finds
 * what was on disk last: numbers begin at 0 again, and 0 is on disk.
 *
 * Thread: loop.
 */
#ifndef MIGRD_MACHINE_RECORD_H
#define MIGRD_MACHINE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"

struct machine;
struct record_wait;

/* Zeroed at first; a member of struct machine. */
struct machine_record {
	uint64_t pause_ms; /* the owner's: so long no other write follows a write */
	/* For record.c. */
	uint64_t change;  /* number of the last one */
	uint64_t filled;  /* of the last one that the record of a state has, while it is written */
	uint64_t on_disk; /* of the last one that is */
	uint64_t next_ms; /* no write before, on the loop's clock */
	bool is_writing;
	STAILQ_HEAD(, record_wait) waits; /* in the order of their numbers */
};

/* A fact has changed.  Returns the number of that. */
uint64_t record_change(struct machine *machine);
/* The change of this NUMBER is on disk. */
bool record_has(const struct machine *machine, uint64_t number);
/* Writes what has changed, and answers those that wait for no more than is on disk.  Without
 * effect while a write is under way; after a pause if one is due. */
void record_write(struct machine *machine);

/* ERR: the disk refused the change, or UNAVAILABLE: the machine goes away before it was written. */
typedef void record_done_fn(void *data, const struct err *err);
/* DONE is called once, not from inside, when all changes until now are on disk: by record_write(),
 * which the owner has to call, or when a state is entered. */
void record_wait(struct machine *machine, record_done_fn *done, void *data);

/* ---- for machine.c ----------------------------------------------------------------- */

void record_init(struct machine_record *record);
void record_fini(struct machine_record *record); /* answers all that wait */
/* A write of facts that had all changes until NUMBER has ended. */
void record_written(struct machine *machine, uint64_t number, const struct err *err);
/* The record of a state is filled; the disk refused it; it is on disk; its state was entered. */
void record_fill(struct machine_record *record);
void record_refused(struct machine_record *record, const struct err *err);
void record_filled_is_on_disk(struct machine_record *record);
void record_entered(struct machine *machine);

#endif
