/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/machine.h -- a state machine whose states are on disk.
 *
 * A state is entered when its record is on disk, and not before, so that nothing is begun that
 * a restart would not find on disk.  Its owner notes what happens, and machine_step() lets the
 * present state decide: the order in which facts arrive does not matter, and some may be learnt
 * only after a restart.
 *
 * A kind of machine is a struct machine_type: a table of states, and functions of its own.  A
 * struct machine lives inside the struct of its owner (CONTAINER_OF).
 *
 * Fault points: TYPE.STATE, between the disk and the entering of a state.
 * Thread: loop.
 */
#ifndef MIGRD_MACHINE_MACHINE_H
#define MIGRD_MACHINE_MACHINE_H

#include "machine/record.h"
#include "store/store.h"

struct machine;
struct machine_ref;

/* What a restarted daemon does with a machine that it finds in a state. */
enum machine_restart {
	MACHINE_RESTART_NOTHING,
	MACHINE_RESTART_GIVE_UP,  /* its type's give_up() */
	MACHINE_RESTART_CONTINUE, /* the state is entered again, with is_resumed set */
};

/* Flags of a state.  Those from MACHINE_OWN_FLAG(0) on mean what its type says. */
#define MACHINE_FINAL       1u
#define MACHINE_OWN_FLAG(n) (1u << (8 + (n)))

struct machine_state {
	const char *name; /* in the database, the API and the log; NULL: no such state */
	uint32_t next;    /* states that may follow: bits */
	uint32_t flags;
	enum machine_restart restart;
	void (*enter)(struct machine *machine); /* starts what the state is for; may be NULL */
	void (*step)(struct machine *machine);  /* decides on the facts; may be NULL */
	/* Holds whenever the state is recorded; machine_go_to() asserts it.  May be NULL. */
	bool (*invariant)(const struct machine *machine);
};

#define MACHINE_STATES_MAX 32 /* of one type: struct machine_state has them as bits */

struct machine_change {
	unsigned to;
	struct store_change with[2]; /* in the same transaction, before the machine's own row */
	const char *why;             /* for the timeline; may be NULL */
};

/* All but saved() and give_up() are required. */
struct machine_type {
	const char *name; /* for the fault points and the log */
	const struct machine_state *states;
	unsigned state_count;
	bool has_no_timeline; /* machine_note() does nothing */

	/* Writes the state TO and all that must survive into the owner's row. */
	void (*fill)(struct machine *machine, unsigned to);
	/* Writes what must survive into the row, and leaves the row's state alone. */
	void (*fill_facts)(struct machine *machine);
	/* The change that puts that row; the row is copied. */
	struct store_change (*row)(struct machine *machine);

	/* CHANGE is on disk.  FROM means nothing if the machine is new. */
	void (*recorded)(struct machine *machine, unsigned from,
			 const struct machine_change *change);
	/* Ends what belonged to the former state; then come enter() and step(). */
	void (*entering)(struct machine *machine);
	/* The state was entered.  May free the machine. */
	void (*entered)(struct machine *machine);
	/* The disk refused the record of a state, with ERR; the write is repeated. */
	void (*refused)(struct machine *machine, const struct err *err);
	/* What machine_save() wrote is on disk; ERR: it is not. */
	void (*saved)(struct machine *machine, const struct err *err);
	void (*give_up)(struct machine *machine, const struct err *why);
};

/* All machines that share one space of ids. */
struct machines {
	struct loop *loop;
	struct store *store;
	void *by_id;         /* a tree of search.h */
	int64_t last_end_ms; /* the latest end on record */
	uint64_t entered[MACHINE_STATES_MAX]; /* of each state: how often, by this process */
};

struct machine {
	const struct machine_type *type;
	struct machines *machines;
	char id[ID_UUID_SIZE];
	unsigned state;  /* entered, so on disk */
	unsigned target; /* being written, if IS_SAVING */
	bool is_saving;
	bool is_new;         /* its first record is being written */
	bool is_dormant;     /* read from the store, and not restarted yet: takes no step */
	bool is_resumed;     /* a restart found it in this state */
	bool must_save;      /* the record under way is older than what memory has */
	uint64_t entered_ms; /* when STATE was entered, on the loop's clock */
	struct machine_record record;
	struct machine_save *unsaved; /* a record of a state that the disk refused */
	struct loop_timer *retry;     /* repeats its write, or that of facts; NULL once retired */
	struct store_timeline_entry *notes; /* timeline entries not on disk yet */
	size_t note_count;
};

/* ---- life ------------------------------------------------------------ */

/* MACHINE is zeroed; its id must be free among MACHINES, which find it from here on. */
void machine_init(struct machine *machine, const struct machine_type *type,
		  struct machines *machines, const char *id);
/* The machine has ended: frees what only a machine that goes on needs. */
void machine_retire(struct machine *machine);
/* The machine is not found any more.  A record under way is still written, but nobody is told. */
void machine_fini(struct machine *machine);
/* NULL: there is none. */
struct machine *machines_find(const struct machines *machines, const char *id);
/* A row that was loaded has this end; 0: none. */
void machines_note_end(struct machines *machines, int64_t ended_ms);
/* The order in which ended machines of one type are forgotten, in memory as by the triggers of the
 * store (schema/sql): who ended first goes first, of two that ended together the one with the
 * lesser id.  An END is the row's ended_ms. */
bool machine_goes_before(const struct machine *machine, int64_t end_ms, const struct machine *other,
			 int64_t other_end_ms);
/* How often this process has brought one of MACHINES, which all have the same type, to STATE; one
 * that a restart has found in it does not count. */
uint64_t machines_entered(const struct machines *machines, unsigned state);

/* For what is asynchronous: the machine is looked up again.  NUMBER is the caller's. */
struct machine_ref *machine_ref_new(const struct machine *machine, uint64_t number);
/* Frees REF.  RET_NUMBER may be NULL.  NULL: the machine is gone. */
struct machine *machine_ref_take(struct machine_ref *ref, uint64_t *ret_number);

/* For machine.c. */
void machines_add(struct machines *machines, const struct machine *machine);
void machines_remove(struct machines *machines, const struct machine *machine);

/* ---- what there is to know --------------------------------------------- */

const struct machine_state *machine_state(const struct machine *machine);
bool machine_is_final(const struct machine *machine);
/* It can go from its present state to STATE, which is another, by one step or more. */
bool machine_can_come_to(const struct machine *machine, unsigned state);
/* The state of this name; STATE_COUNT of the type: it has none. */
unsigned machine_state_of_name(const struct machine_type *type, const char *name);
/* Milliseconds since the present state was entered. */
uint64_t machine_in_state_ms(const struct machine *machine);

/* ---- from state to state --------------------------------------------- */

/* Writes the first record; the machine is new until that is on disk. */
void machine_begin(struct machine *machine, const struct machine_change *change);
/* The only way from state to state: asserts that the table allows it and that the
 * invariant of the new state holds, writes, and enters the state when it is on disk. */
void machine_go_to(struct machine *machine, const struct machine_change *change);
/* Lets the state look at the facts; does nothing while a change is being written. */
void machine_step(struct machine *machine);
/* For a dormant machine: does what its state says of a restart.  WHY is for give_up(). */
void machine_restart(struct machine *machine, const struct err *why);

/* Where the row of a kind has what the rows of most kinds have. */
struct machine_columns {
	char (*state)[STORE_ENUM_SIZE];
	bool *is_final;
	char (*error_code)[STORE_ENUM_SIZE];
	char (*error_text)[ERR_MSG_SIZE];
	int64_t *updated_ms, *ended_ms;
};
#define MACHINE_COLUMNS(row)                                                             \
	&(const struct machine_columns)                                                  \
	{                                                                                \
		&(row)->state, &(row)->is_final, &(row)->error_code, &(row)->error_text, \
			&(row)->updated_ms, &(row)->ended_ms                             \
	}
/* Fills them as of now: the state TO, and ERR, if it is set.  No end is before another one that is
 * on record, also when the clock of the wall was set back: the store keeps the newest ends. */
void machine_fill_columns(const struct machine *machine, unsigned to, const struct err *err,
			  const struct machine_columns *ret);

/* ---- beside the states: see machine/record.h too ------------------------- */

/* Adds a line to the timeline.  It goes to disk with the next record, so that nothing waits for
 * it.  A final machine takes none. */
void machine_note(struct machine *machine, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Writes what must survive without a change of state; saved() is called.  Does nothing while a
 * change is being written. */
void machine_save(struct machine *machine);
/* The same, but DONE is called instead of saved(); no change may be under way. */
void machine_save_for(struct machine *machine, store_done_fn *done, void *data);
/* A value that machine_save_for() could not write was put back: a record that was written
 * meanwhile, or is being written, must not keep it. */
void machine_save_put_back(struct machine *machine);

#endif
