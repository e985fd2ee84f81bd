/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/priv.h -- shared by the files that make up a move.
 *
 * A move is driven by facts: whatever happens (an event, an answer, the end of
 * a process) is noted in the move, and then machine_step() lets the present state
 * decide.  So the order in which things happen to arrive does not matter, and a
 * restart is only another way to learn the facts.
 */
#ifndef MIGRD_MOVE_PRIV_H
#define MIGRD_MOVE_PRIV_H

#include <sys/queue.h>

#include "base/mem.h"
#include "base/noise.h"
#include "base/work.h"
#include "base/work_fair.h"
#include "converge/history.h"
#include "machine/machine.h"
#include "move/bitmaps.h"
#include "move/clocks.h"
#include "move/facts.h"
#include "move/give_way.h"
#include "move/move.h"
#include "move/notices.h"
#include "move/part.h"
#include "move/passes.h"
#include "move/totals.h"
#include "preflight/checks.h"
#include "stream/preamble.h"
#include "stream/proc.h"
#include "vm/virtqueues.h"
#include "wire/policy.h"
#include "wire/transfer_plan.h"
#include "wire/transfer_prefer.h"
#include "wire/verdict.h"

enum move_state {
	MOVE_STATE_BEGIN,
	MOVE_STATE_PREPARE,
	MOVE_STATE_TRANSFER,
	MOVE_STATE_HANDOVER,
	MOVE_STATE_CONFIRM,
	MOVE_STATE_DONE,
	MOVE_STATE_ROLLBACK,
	MOVE_STATE_CANCELLED,
	MOVE_STATE_FAILED,
	MOVE_STATE_STUCK,
	MOVE_STATE_FETCH,
	MOVE_STATE_LOST,
	MOVE_STATE_COUNT
};

/* Flags of a state: a user may cancel; the move bears (allows) a synchronous job of this
 * kind (enum vm_sync) besides VM_SYNC_QUERY, which is always allowed. */
#define MOVE_CAN_CANCEL  MACHINE_OWN_FLAG(0)
#define MOVE_BEARS(kind) MACHINE_OWN_FLAG(1 + (kind))

extern const struct machine_state move_src_states[MOVE_STATE_COUNT];
extern const struct machine_state move_dst_states[MOVE_STATE_COUNT];
/* By enum move_side; in move/record.c. */
extern const struct machine_type move_types[];

/* Moments of a move in microseconds of the monotonic clock; 0: not yet. */
enum move_stamp {
	MOVE_STAMP_CREATED,
	MOVE_STAMP_PREPARED,
	MOVE_STAMP_HELD,      /* source: memory waits, as a user has asked for */
	MOVE_STAMP_TOLD,      /* source: parties are told, and memory waits for them */
	MOVE_STAMP_MIGRATE,   /* source: `migrate' sent */
	MOVE_STAMP_STOPPED,   /* source: its CPUs stopped */
	MOVE_STAMP_COMPLETED, /* source: QEMU says completed; destination: loaded */
	MOVE_STAMP_GO,        /* source: go sent; destination: go came */
	MOVE_STAMP_TAKEN,     /* source: go was answered; destination: `taken' is on disk */
	MOVE_STAMP_RUNNING,   /* destination: cont was answered, or was not wanted */
	MOVE_STAMP_FETCHED,   /* source, post-copy: the destination has all memory */
	MOVE_STAMP_ENDED,
	MOVE_STAMP_COUNT
};

/* Who gave the reason of a failure; a later one explains it better than an earlier one.
 * NONE: nothing explains it better than the present reason. */
enum move_blame {
	MOVE_BLAME_NONE,
	MOVE_BLAME_STREAM,
	MOVE_BLAME_SILENT, /* QEMU failed and does not say why */
	MOVE_BLAME_QEMU,
	MOVE_BLAME_PEER,
	MOVE_BLAME_GUEST,
};
/* The reason of a destination that only obeyed the source's drop. */
#define MOVE_DROPPED "the source dropped the move"

struct links;
struct move_waiter;
struct offer_look;

enum move_taps { MOVE_TAPS_UNKNOWN, MOVE_TAPS_ASKED, MOVE_TAPS_GOOD };

/* Position among the steps of the parts; see move/parts.c. */
struct move_cursor {
	enum move_phase phase; /* begun last */
	bool is_over;          /* all its steps have ended */
	size_t part, step;     /* the next step to run */
};

#define MOVE_NODE_SIZE 64 /* of the name of a block node; QEMU's own limit is 31 bytes */

/* Source: what the steps of begin need to remember. */
struct move_begin {
	struct json_object *images;  /* names of the block nodes to activate, or NULL */
	size_t image;                /* index of the next of them */
	uint64_t gathering_since_ms; /* 0: no evidence is being gathered */
	/* Local disks: what the plan has of them, and the names of their block nodes. */
	struct disk_copy disks[VM_DEF_IMAGE_MAX];
	char nodes[VM_DEF_IMAGE_MAX][MOVE_NODE_SIZE];
	size_t disk_count;
	struct move_bitmap_sums bitmap_sums; /* kept in their images */
	struct json_object *bitmaps;         /* block-bitmap-mapping, until QEMU is told; or NULL */
	uint64_t plan_deadline_ms;     /* until then the destination may say what it offers; 0: it
					* was not asked */
	uint64_t let_come_bytes_per_s; /* by the destination's budget; 0: all */
	struct transfer_left_out left_out; /* of what the policy would like */
};

/* Source: the copies of local disks (move/src_disks.c), in the order of the plan's.  Times are on
 * the loop's clock. */
struct move_disks {
	struct move_mirror {
		enum {
			MOVE_MIRROR_NONE, /* has not begun, or QEMU was not asked yet */
			MOVE_MIRROR_COPIES,
			MOVE_MIRROR_READY, /* all is there that the guest has not written just now
					    */
			MOVE_MIRROR_ENDED, /* and ended so, while the guest stood still */
			MOVE_MIRROR_FAILED,
		} state;
		bool is_ending;       /* QEMU was told to end it */
		uint64_t done, total; /* bytes, as QEMU counts them */
		uint64_t once;        /* so many to copy all of it once; 0: not known yet */
	} mirrors[VM_DEF_IMAGE_MAX];
	size_t begun;                   /* so many of them */
	uint64_t began_at_ms;           /* the first of them */
	uint64_t limit_bytes_per_s;     /* of what the guest may write; 0: none of ours */
	uint64_t pace_at_ms, pace_left; /* since then it may write too much; what was left then */
	uint64_t bytes_per_ms;          /* that were copied until all were ready; 0: not known */
	bool is_asking;                 /* a question to QEMU is under way */
	uint64_t asked_ms;
	uint64_t copied_at_ms; /* when more was copied last */
	/* No mirror is to be left. */
	bool is_clearing, clear_waits;
	size_t cleared; /* so many nodes are gone */
	size_t limited; /* so many disks have a limit of ours */
	bool is_lifted; /* the limit of the bandwidth, for a moment */
};

/* Destination: a guest that was offered and is not ours (move/dst.c, move/dst_offer.c).
 * Times are on the loop's clock. */
struct move_offered {
	uint64_t progress, progress_at_ms; /* of the transfer; idle since PROGRESS_AT_MS */
	uint64_t silent_since_ms;          /* first question without an answer; 0: answered */
	uint64_t drop_at_ms;               /* when drop came */
	uint64_t go_at_ms;                 /* when go came */
	enum move_taps taps;               /* checked before the guest is taken */
	struct preflight *compared;        /* what the preflight found; may be NULL */
	bool was_compared;                 /* also when it has ended */
	char port_key[STREAM_PROOF_SIZE];  /* callers of the data port prove that they have it */
	struct stream_attempts attempts;   /* used up by callers of the data port */
};

/* QEMU's migration, as QEMU reports it (move/ram_state.c). */
struct move_ram {
	enum qmp_mig_state state;
	struct qmp_mig_info info; /* of the last query-migrate */
	uint64_t info_us;         /* when its answer came; 0: never */
	uint64_t pass;            /* over the guest's memory; 1 is the first */
	uint64_t pass_at_ms;      /* when its beginning was told */
	bool may_have_begun;      /* source: `migrate' was sent, maybe by an earlier coordinator */
	bool is_begun_here; /* source: this coordinator tells QEMU to send, or will when that is on
			     * disk */
	bool is_due;        /* source: the parts before memory are ready */
	bool is_recording;  /* source: that memory begins is on its way to the disk */
	bool is_answer_old; /* that of query-migrate under way; it was asked before */
	bool is_continued;  /* migrate-continue was sent */
	uint64_t moved_bytes, moved_at_ms; /* sent; a stall counts from MOVED_AT_MS */
	uint64_t cut_at_ms; /* source: it lost its connection as a cancel; 0: it did not */
};

/* Source, in transfer: what the policy decides by, and has decided (move/src_converge.c).  Times
 * are since the transfer began. */
struct move_converge {
	struct converge_history history;
	uint64_t before_ms; /* so long the transfer had lasted when a restart found it */
	uint64_t pass;      /* QEMU's count at the last look */
	uint64_t raised_at_ms, throttled_at_ms;
	uint64_t limit_ms; /* QEMU was told last; 0: nothing yet */
	/* With `observe', as facts.downtime_raised_ms and facts.throttle_percent would be. */
	uint64_t seen_raised_ms, seen_throttle_percent;
	bool is_over; /* nothing more is to be decided */
};

/* When the guest's pace is read. */
enum move_pace_moment {
	MOVE_PACE_BEGIN,    /* as the move begins */
	MOVE_PACE_TRANSFER, /* as the transfer begins */
	MOVE_PACE_STOP,     /* when the guest stands still, up to its stop */
	MOVE_PACE_COUNT
};

#define MOVE_VCPUS_MAX 256 /* threads that are looked at for the guest's pace */

/* Source: what is measured of a move (move/measure.c).  Times of day are in microseconds since
 * 1970, others in microseconds of the monotonic clock; 0: not known. */
struct move_measure {
	bool has_begun;       /* the transfer was entered by a migrd that measures */
	uint64_t stopped_us;  /* QEMU's STOP, time of day of this host */
	uint64_t resumed_us;  /* RESUME, time of day of the host where the guest runs on */
	bool has_come_back;   /* that is this host */
	struct clocks clocks; /* of the destination */
	uint64_t asked_us, asked_wall_us; /* when the question under way was sent */
	/* Nothing was sent since one of the hosts could not have finished the move: since when (0:
	 * it is sent), how long and how often before. */
	uint64_t held_since_us, held_us, held_count;
	uint64_t rejoins;    /* post-copy: data streams that were lost */
	uint64_t disk_bytes; /* of local disks, copied when memory began */
	/* The guest's pace: how long its CPUs have run, and when that was read. */
	struct move_pace {
		uint64_t cpu_us, at_us;
	} pace[MOVE_PACE_COUNT];
	pid_t *threads; /* of the vCPUs; owned; NULL: none are looked at */
	size_t thread_count;
};

/* Post-copy goes on over new streams after one of the two was lost; see move/src_fetch.c and
 * move/dst_fetch.c. */
struct move_rejoin {
	enum move_rejoin_step {
		MOVE_REJOIN_NONE,
		MOVE_REJOIN_ENDING,   /* the old stream has ended, QEMU is to notice */
		MOVE_REJOIN_ASKED,    /* source: the destination gets ready */
		MOVE_REJOIN_STARTING, /* the new stream starts */
		MOVE_REJOIN_RESUMING, /* QEMU was told */
		MOVE_REJOIN_READY,    /* destination: QEMU waits for the source */
	} step;
	uint64_t since_ms;         /* of the step, on the loop's clock */
	uint32_t retry_ms;         /* source: the last pause between two tries */
	bool is_there_interrupted; /* source: the destination says that its stream is broken */
	struct err err;            /* destination: why it cannot be; unset: it can */
	uint64_t fetched_ms;       /* destination: all memory is there since; 0: not yet */
};

/* Its part of the host's budget of bandwidth (move/share.c).  Rates are in bytes a second. */
#define MOVE_SHARE_RATES 3
struct move_share {
	uint64_t limit_bytes_per_s; /* 0: none */
	uint64_t there_bytes_per_s; /* source: the destination lets so much come; 0: all */
	enum {
		MOVE_THERE_UNHEARD,
		MOVE_THERE_SAME,
		MOVE_THERE_OTHER, /* it is told with the next question */
		MOVE_THERE_OLDER, /* it takes no other than it was told first */
	} there_priority;         /* source: the priority that the destination has */
	bool is_to_apply;     /* source: limits were changed before QEMU and stream could be told */
	size_t among;         /* so many moves share the budget; 0: it is in none */
	uint64_t sent, at_ms; /* over its stream, when that was looked at last */
	uint64_t rates[MOVE_SHARE_RATES]; /* from one look to the next, newest first */
	size_t known;                     /* so many of them */
	uint64_t stands_since_ms; /* source: the others make way for it since then; 0: not */
	bool gives_way;           /* source: its stream was told to, and not yet to go on */
	enum {
		MOVE_SHARES_NOT,
		MOVE_SHARES_FREELY, /* what it sends is not there for the others */
		MOVE_SHARES_HELD,   /* it has a part of the budget */
	} role;
};

/* An ended move: the two sides tell each other of the end (move/moves_settle.c). */
struct move_settle {
	TAILQ_ENTRY(move) link;
	bool is_listed;  /* among moves->unsettled */
	bool is_counted; /* in moves->settled_count */
	bool is_done;    /* the other side has noted the end; this is on disk */
	bool is_writing; /* IS_DONE is on its way to the disk */
	bool asked;
	uint32_t retry_ms;
	uint64_t at_ms; /* the next question, on the loop's clock */
};

struct move {
	struct machine machine; /* its state is an enum move_state */
	struct moves *moves;
	TAILQ_ENTRY(move) link;        /* moves->list */
	TAILQ_ENTRY(move) active_link; /* moves->active, while IS_ACTIVE */
	bool is_active;
	enum move_side side;
	struct store_move row;
	char reason[ERR_MSG_SIZE];
	struct err error;
	enum move_blame blame; /* source: who gave ERROR */
	struct vm_job job;
	bool holds_vm;
	struct move_waiter *waiters;
	struct loop_timer *tick;  /* wakes the state, for time limits and lost events */
	struct loop_timer *retry; /* repeats a question to the peer, or a step of begin */
	uint32_t retry_ms;
	uint32_t patience_ms; /* deadline of the last question to the peer in this state */

	/* durable, in the detail of the row */
	struct move_options options;
	/* Source: its own copy, so that nobody changes it from outside.  Else, and of a record of
	 * an older migrd, policy_of_before(). */
	struct policy policy;
	bool has_policy; /* the move was begun with it */
	struct policy_origin policy_origin;
	bool is_being_set; /* a user's change of them is on its way to the disk; not durable */
	struct proc_id stream_id;
	enum verdict verdict;        /* the destination's; never changed once it was told */
	char *request;               /* source: what the user asked, to compare a repeated key */
	char began_by[ID_NAME_SIZE]; /* source; "": nobody is named, or an older migrd's record */
	char cancelled_by[ID_NAME_SIZE]; /* who asked for it on this host first; "": nobody */
	uint64_t stamps[MOVE_STAMP_COUNT];
	struct json_object *peer_times; /* source: how long the destination's steps took */
	struct transfer_plan *plan;     /* NULL: not made yet, or an older migrd's record */
	struct forecast *forecast;      /* source: what it would be like; NULL: none was made */

	struct move_notices *notices; /* owned; NULL: no party is told; a destination has them from
				       * its end on */

	struct move_facts facts; /* one line each: move/facts.h */
	/* Knowledge that is more than a word or a number, by purpose. */
	struct move_cursor cursor;
	size_t parts_started;      /* source: so many of the table */
	struct move_begin begin;   /* source */
	struct move_offered offer; /* destination */
	uint64_t percent;          /* of all that is to be sent; never goes back */
	struct move_ram ram;
	uint64_t hold_end_ms; /* source: on the loop's clock; 0: it is not held yet */
	struct move_converge converge;
	struct move_disks disks;
	struct passes *passes; /* source; owned; NULL: none has begun */
	struct move_rejoin rejoin;
	struct move_measure measure; /* source; of a destination resumed_us */
	struct move_share share;
	struct move_frames *frames; /* owned; NULL: none are watched: move/frames.c */
	struct move_settle settle;
	struct stream *stream;
	const char *stream_told;     /* the stream's state that the timeline has last */
	enum verdict source_verdict; /* destination: what the source said at its end */
	uint64_t probed_ms;          /* transfer: when a record was last written as a trial */
	struct err store_error;      /* why the last record was not written; unset: it was */
	char data_address[STREAM_ADDRESS_SIZE];
	char token[ID_TOKEN_SIZE];
	/* Source: what it tells the destination of the guest's files, NICs and CPU;
	 * destination: the CPU features of its own QEMU.  May be NULL. */
	struct evidence *evidence;
	char cpu_path[EVIDENCE_QOM_SIZE];  /* of the guest's first CPU, while it is asked */
	struct virtqueues_walk virtqueues; /* source, in begin */

	struct {
		char *text; /* NULL: not made yet */
		size_t len;
	} texts[MOVE_TEXT_COUNT]; /* see move/text.c */
};

TAILQ_HEAD(move_list, move);

LIST_HEAD(trials, trial);
LIST_HEAD(move_endings, move_ending);
LIST_HEAD(guest_programs, guest_program);

struct moves {
	struct moves_env env;
	struct move_list list;      /* all, newest first */
	struct move_list active;    /* those that have not become history, newest first */
	struct move_list unsettled; /* ended, and the other side has not noted it */
	size_t settled_count;       /* ended, and the other side has noted it */
	struct machines machines;   /* find a move by its id */
	struct worker *worker;      /* looks at storage */
	struct worker *imager;      /* one thread: makes and removes images, in order */
	struct fair_worker *looker; /* looks at storage for the offers of peers */
	struct noise *noise;        /* limits the log of refused offers */
	struct trials trials;       /* moves that are only looked at: move/trial.c */
	struct move_endings
		endings; /* parties that are to be told of an end: move/notice_after.c */
	struct guest_programs programs; /* that run: move/guest_program.c */
	uint64_t programs_run;
	uint64_t notice_counts[MOVE_NOTICE_COUNTS];
	struct offer_look *looks; /* offers that are not moves yet: move/moves_offer.c */
	struct links *links;      /* to other hosts: move/links.h */
	bool is_closing;
	struct move_totals totals;
	struct loop_timer *settle_timer; /* see move/moves_settle.c */
	struct moves_share {
		struct moves *moves;
		enum move_side side;
		struct loop_timer *timer;
		uint64_t at_ms;       /* when it was shared last; 0: never */
		uint64_t measured_ms; /* when the streams were looked at last; 0: never */
	} shares[2];                  /* by enum move_side: see move/share.c */
	unsigned settling;            /* its questions under way */
	struct give_way way;          /* for guests that stand still: see move/share.c */
};

static inline struct move *move_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct move, machine);
}

static inline const struct move *const_move_of(const struct machine *machine)
{
	return CONTAINER_OF((uintptr_t)machine, const struct move, machine);
}

/* The synchronous jobs that the move bears in STATE: bits of enum vm_sync. */
uint32_t move_sync_jobs(const struct move *move, enum move_state state);

/* ---- life ------------------------------------------------------------ */

/* Adds a move, as the newest of MOVES; ID must be free. */
struct move *move_new(struct moves *moves, enum move_side side, const char *id);
void move_free(struct move *move);
/* Frees what only a running move needs. */
void move_become_history(struct move *move);
/* Put a move on the lists and take it off; only for move_new() and move_free(). */
void moves_insert(struct moves *moves, struct move *move);
void moves_remove(struct moves *moves, struct move *move);
/* Takes a move that has ended off the active list. */
void moves_retire(struct moves *moves, struct move *move);
/* Lists an ended move as unsettled, or counts it as settled; once it has ended, and again
 * when it was settled. */
void moves_file(struct moves *moves, struct move *move);
/* To be called when a move has ended or was settled: frees old history, and lets the store
 * tidy up.  May free any settled move. */
void moves_settled(struct moves *moves);
/* Binds the VM's async slot to the move. */
bool move_hold_vm(struct move *move, struct vm *vm, struct err *err);
void move_release_vm(struct move *move);
struct vm *move_vm(const struct move *move); /* NULL: gone */
/* The definition of the move's VM, as vm_def_of(); NULL also when the VM is gone. */
const struct vm_def *move_definition(const struct move *move);
struct qemu *move_qemu(const struct move *move); /* NULL: none, or it has ended */
bool move_is_gone(const struct move *move);      /* the guest's QEMU has ended */

/* The move waits before memory is sent; until then (wall clock): move/part_hold.c. */
bool move_is_held(const struct move *move);
int64_t move_hold_end_ms(const struct move *move);
void move_end_hold(struct move *move);
/* So long it was held or waited for parties before its memory, in milliseconds; 0: it did not. */
uint64_t move_waited_ms(const struct move *move);

/* ---- from state to state --------------------------------------------- */

/* The text of a peer's error ERR without the host's name, for a text that has named it. */
const char *move_peer_words(const struct move *move, const struct err *err);
/* Sets the reason: the peer has not answered, in words that fit the state. */
void move_is_waiting(struct move *move, const struct err *why);
/* The other host has no record of the move, and the guest may run there; WHY is its answer.
 * Goes to stuck, where the questions go on.  Not for a source that has sent no go: for it
 * the missing record is as good as a refusal. */
void move_is_unheard(struct move *move, const char *why);
/* Goes to stuck: a person may have to decide.  The reason names what is known and the
 * commands that would end the move. */
void move_become_stuck(struct move *move);
/* Goes to rollback with the error WHY, unless the move has an error already. */
void move_roll_back(struct move *move, const struct err *why);
/* The same, with a reason in plain words. */
void move_give_up(struct move *move, enum err_code code, const char *text);
/* Destination, in prepare: rolls back; the timeline gets all REASONS, and the move's error is one
 * text of them (move/part_evidence.c). */
void move_refuse(struct move *move, const struct preflight_reasons *reasons);
/* machine_note(), and a line of the log. */
/* Of the fact start_is_lost: what is to be done. */
void move_say_lost_start(const struct move *move, char ret[ERR_MSG_SIZE]);
void move_note(struct move *move, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void move_stamp(struct move *move, enum move_stamp stamp);
void move_set_reason(struct move *move, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Calls the waiters of move_when() whose moment has come, and tells the API. */
void move_tell(struct move *move);

/* ---- questions ------------------------------------------------------- */

/* The answer to a question of the state in which it was asked; answers that
 * come when the move has left that state, or is about to, are dropped. */
typedef void move_answer_fn(struct move *move, struct json_object *result, const struct err *err);

void move_qmp(struct move *move, const char *command, struct json_object *args,
	      uint32_t deadline_ms, move_answer_fn *fn);
/* The same out of band, where QEMU can: past a main loop that waits for the guest's memory. */
void move_qmp_oob(struct move *move, const char *command, struct json_object *args,
		  uint32_t deadline_ms, move_answer_fn *fn);
/* "POST /peer/v1/moves/<id>/VERB"; GET without a verb if VERB is NULL. */
void move_ask_peer(struct move *move, const char *verb, struct json_object *body,
		   uint32_t deadline_ms, move_answer_fn *fn);
/* Asks the peer what it is and offers; the result is a peer_hello_reply. */
void move_ask_hello(struct move *move, uint32_t deadline_ms, move_answer_fn *fn);
/* The body of go and drop; RUN: with go, the guest is to run.  The caller owns the object. */
struct json_object *move_claim_json(const struct move *move, bool run);
/* ---- its policy, see move/policy.c ------------------------------------------ */

/* What a move of VM that is about to begin gets as its policy: that of NAME ("": as VM says).
 * NOT_FOUND: there is none of that NAME here. */
bool move_policy_choose(const struct moves *moves, struct vm *vm, const char *name,
			struct policies_choice *ret, struct err *err);
/* OPTIONS get the limits of POLICY that the request does not have. */
void move_policy_limit(const struct policy *policy, struct move_options *options);
/* MOVE, which begins, gets its copy of CHOSEN, whose limits hold where the request has none. */
void move_policy_take(struct move *move, const struct policies_choice *chosen);

/* What a user can change while a move runs. */
struct move_settings {
	struct move_options options;
	struct policy policy;
	struct policy_origin origin;
	bool has_policy;
	/* What another policy changes of what was decided: move_converge_change(). */
	uint64_t downtime_raised_ms, throttle_percent, seen_raised_ms, seen_throttle_percent;
	bool is_over;
};
struct move_settings move_settings_of(const struct move *move);
void move_settings_restore(struct move *move, const struct move_settings *former);
/* Changes MOVE in memory; POLICY NULL: only limits.  *RET was zeroed. */
void move_settings_change(struct move *move, const struct move_setting *wanted,
			  const struct policies_choice *policy, struct move_changes *ret);

/* ---- the budget of bandwidth: move/share.c ---------------------------------- */

/* What may go out at present, in bytes a second, by what was asked for and by the budget; 0: no
 * limit. */
uint64_t move_limit_bytes_per_s(const struct move *move);
/* The same of a move with OPTIONS that would begin now. */
uint64_t moves_limit_of_new(const struct moves *moves, const struct move_options *options);
/* How fast the last move to the host PEER went that no limit held back and that was long enough to
 * tell, in bytes per second; 0: there was none. */
uint64_t moves_link_bytes_per_s(struct moves *moves, const char *peer);
/* At RATE, in bytes a second, the budget may have held it, so it tells nothing of the link. */
bool move_was_held_by_budget(const struct move *move, uint64_t rate);
/* Transfer is entered, and nothing was sent yet, but by an earlier coordinator. */
void move_share_begin(struct move *move);
/* Whether it sends may have changed: if it has sent all, or has ended, the others have its part, of
 * what the destination lets come too. */
void move_share_follow(struct move *move);
/* Source: its guest may have begun to stand still, or has sent all: meanwhile the other moves away
 * send nothing, as far as move/give_way.h says. */
void move_share_way(struct move *move);
/* Source: its own limit was changed. */
void move_share_again(struct move *move);
/* Source, in transfer: the destination has told what it lets come, and by which priority. */
struct peer_fate;
void move_share_told(struct move *move, const struct peer_fate *fate);
void moves_share_init(struct moves *moves);
void moves_share_fini(struct moves *moves);
/* The limit in force, and where it comes from. */
void move_show_limit(const struct move *move, struct move_progress *ret);

/* ---- the transfer plan, see move/plan.c ------------------------------------ */

static inline void free_planp(struct transfer_plan **plan)
{
	free(*plan);
}
/* Source, in begin: asks the destination what its QEMU offers, makes the plan of what both
 * have, then begins MOVE_PHASE_PREPARE or rolls the move back. */
void move_plan_make(struct move *move);
/* Each step of begin: asks again while the destination does not know it yet. */
void move_plan_step(struct move *move);
/* Destination: decodes the plan of an offer (OBJ NULL: makes the one that every migrd followed
 * before there were plans); the caller owns it.  NULL and INVALID: OBJ is no plan. */
struct transfer_plan *move_plan_decode(struct json_object *obj, struct err *err);

/* ---- QEMU's migration: move/ram_state.c ------------------------------------- */

/* query-migrate; the answer is noted in move->ram. */
void move_query(struct move *move);
/* Counts what is sent, disks and memory. */
void move_note_percent(struct move *move);
/* In transfer, what sends no byte for this time is given up. */
#define MOVE_STALL_MS 60000
/* Nothing was sent since SINCE_MS, for longer than that and than what is under way
 * (BUFFERED_BYTES) takes at the limit of the bandwidth. */
bool move_is_stalled_since(const struct move *move, uint64_t buffered_bytes, uint64_t since_ms);
/* Functions of move_part_ram. */
bool move_ram_event(struct move *move, const struct qmp_event *event);
enum move_part_progress move_ram_progress(const struct move *move);
void move_ram_step(struct move *move);
/* Source, in transfer: `migrate' was sent, or that is for an earlier coordinator to have done. */
bool move_ram_has_started(const struct move *move);
/* The stream has let the guest run on, since no coordinator was there; says so. */
bool move_ram_was_let_go(const struct move *move, struct err *ret_why);
/* After a restart: QEMU or the stream have not said yet how it stands with them. */
bool move_ram_is_unheard(const struct move *move);
/* Post-copy goes on over a new stream: the source's QEMU connects to it; the destination's
 * listens.  FN gets the answer. */
void move_ram_resume(struct move *move, move_answer_fn *fn);
void move_ram_await_source(struct move *move, move_answer_fn *fn);
/* Sends migrate_cancel, once; QEMU decides the race between it and the end of the transfer. */
void move_ram_cancel(struct move *move);

/* ---- post-copy over new streams: move/rejoin.c --------------------------------- */

void move_rejoin_to(struct move *move, enum move_rejoin_step step);
uint64_t move_rejoin_step_ms(const struct move *move);
/* Both QEMUs are connected again. */
void move_rejoin_is_done(struct move *move);
/* The stream of this side cannot carry any more. */
bool move_stream_is_over(const struct move *move);
/* Ends the old stream; its QEMU then says `postcopy-paused'. */
void move_rejoin_end_stream(struct move *move);

/* ---- what is measured: move/measure.c ---------------------------------------- */

/* Source: the transfer is entered. */
void move_measure_begin(struct move *move);
/* Source: the guest has stopped for the move.  Either side: it runs again on this host. */
void move_measure_stop(struct move *move, const struct qmp_event *event);
void move_measure_resume(struct move *move, const struct qmp_event *event);
/* Source: the destination says when the guest ran there (0: it does not say). */
void move_measure_resumed_there(struct move *move, uint64_t resumed_us);
/* Source: a question for the other host's time is sent; its answer has come, with the time THERE
 * (0: none). */
void move_measure_ask_time(struct move *move);
void move_measure_time(struct move *move, uint64_t there_us);
/* Source: memory begins to be sent. */
void move_measure_memory(struct move *move);
/* Source: nothing is sent until both hosts can finish the move; it is sent again. */
void move_measure_hold(struct move *move);
void move_measure_flow(struct move *move);
/* Source: reads how long the guest's CPUs have run. */
void move_measure_pace(struct move *move, enum move_pace_moment moment);
/* move/say.c: what is to be expected of a move; why it took as long as it did. */
void move_show_outlook(const struct move *move, struct move_progress *ret);
void move_explain(const struct move *move, const struct move_measured *measured,
		  char ret[MOVE_EXPLANATION_SIZE]);
struct move_measured move_show_measured(const struct move *move);
/* Why there was no moment at which the guest's stop for the move was seen; "": there was. */
const char *move_why_not_still(const struct move *move);

/* move/count.c: the move has ended; all that can be known of its outage is known. */
void move_count_end(const struct move *move);
void move_count_outage(const struct move *move);

/* ---- the guest's frames: move/frames.c --------------------------------------------- */

/* In prepare, or in transfer by a restart: they are listened at from here on. */
void move_frames_begin(struct move *move);
/* Source: the guest has stopped for the move, at STOP_US. */
void move_frames_stop(struct move *move, uint64_t stop_us);
/* Destination: the guest is taken, or runs; source: it runs on here.  RESUME_US: since then (0: it
 * may not run yet). */
void move_frames_await(struct move *move, uint64_t resume_us);
/* So often the guest is asked for answers around its switch; 0: it is not.  On a source by its
 * request, else its policy, else the configuration; on a destination by its source, else the
 * configuration; never more often than the configuration allows. */
uint32_t move_outage_ping_ms(const struct move *move);
/* Source: the addresses of the guest by which the destination may ask it for answers; destination:
 * it was told of them, and how often, with go. */
size_t move_frames_addresses(const struct move *move, struct nic_address ret[NIC_FRAMES_MAX]);
void move_frames_note_go(struct move *move, const struct move_claim *claim);
/* The move has ended. */
void move_frames_end(struct move *move);
void move_frames_fini(struct move *move);
void move_show_outage(const struct move *move, struct move_measured *ret);
/* What of it is kept; NULL: nothing.  The caller owns it.  OBJ may be NULL. */
struct json_object *move_frames_json(const struct move *move);
void move_frames_decode(struct move *move, struct json_object *obj);

/* ---- the stream ------------------------------------------------------ */

char *move_dir(const struct move *move);
/* The UNIX socket at which QEMU finds a channel of the stream; the caller owns the path. */
char *move_channel_path(const struct move *move, const char *channel);
/* What all streams of this host have: program, certificates, key. */
void move_stream_files(const struct moves_env *env, struct stream_config *ret);
bool move_start_stream(struct move *move, struct err *err);
void move_attach_stream(struct move *move);
/* Why the data connection is broken; NULL: it is not.  Valid until the next turn of the loop. */
const char *move_stream_fault(const struct move *move);
/* Ends the stream and removes the move's directory. */
void move_end_stream(struct move *move);

/* ---- the lease on a transfer, see move/lease.c ------------------------- */

/* Starts a lease without asking the peer: at the start of a transfer, as the peer has just
 * answered; and after a restart, as a QEMU that waits in its last pass answers no monitor
 * command, so the state of the guest is not known before the data has flowed. */
void move_lease_begin(struct move *move);
/* Asks the peer whether it is there and can write its records; a yes renews the lease. */
void move_lease_renew(struct move *move);
/* The guest stands still: lifts the lease and the bandwidth limit, to keep its pause short. */
void move_lease_end(struct move *move);

/* ---- after the end, see move/moves_settle.c --------------------------------- */

/* The move has ended: starts to settle it with the other side. */
void move_settle_begin(struct move *move);
/* The same for one of many moves: does not set the timer, so move_settle_later() must follow. */
void move_settle_is_due(struct move *move);
/* Records on disk that the other side does not need the record any more. */
void move_note_settled(struct move *move);
/* The other side's verdict THEIRS does not contradict ours. */
bool move_agrees(const struct move *move, enum verdict theirs);
/* Sets the timer to the next question that is due. */
void move_settle_later(struct moves *moves);

/* ---- offers: move/moves_offer.c, move/part_evidence.c --------------------------------- */

bool move_offer_decode(const struct move_offer *offer, struct vm_def *ret, struct err *err);
/* SOURCE may leave a new record here: it is a peer, and has few unsettled records here. */
bool moves_may_add(const struct moves *moves, const char *source, struct err *err);
/* The move that CLAIM is of; NULL and NOT_FOUND, FORBIDDEN or CONFLICT. */
struct move *moves_claimed(struct moves *moves, const struct move_claim *claim, struct err *err);
/* Forgets who waits for an answer to an offer; FN of moves_offer() is not called any more. */
void moves_offers_clear(struct moves *moves);
void moves_trials_clear(struct moves *moves);
/* Adds what else speaks against an offer than what preflight/ looks at: limits, memory, the VM that
 * is here.  Changes nothing. */
void moves_judge_offer(struct moves *moves, const struct move_offer *offer,
		       struct preflight_reasons *ret);
/* ---- what is promised to moves that come here: move/dst_admission.c --------------------- */

/* False, LIMIT and the figures: there is no place for the move of OFFER; a later try may be taken.
 */
bool moves_have_place(const struct moves *moves, const struct move_offer *offer, struct err *err);
/* False, CONFLICT: this host is held (hold/hold.h), and the move's priority is not `interactive'.
 */
bool moves_hold_allows(const struct moves *moves, const struct move_offer *offer, struct err *err);
/* How many moves to here have not ended; the argument is the moves. */
size_t moves_arriving(const void *moves);
/* LIMIT: SOURCE has too many guests on their way here, or too much of the memory, with WANTED_MIB
 * more. */
bool moves_peer_may_offer(const struct moves *moves, const char *source, uint64_t wanted_mib,
			  struct err *err);
/* LIMIT, with the figures: the guests of this host would have too many vCPUs with DEF. */
bool moves_have_cores(const struct moves *moves, const struct vm_def *def, struct err *err);
/* A vms_promised_fn: the memory of guests that are not here yet. */
uint64_t moves_promised_mib(void *moves);

/* Source: no shared image of VM has a cache that may lack the guest's last writes. */
bool move_caches_are_safe(struct vm *vm, struct err *err);

/* ---- the sides ------------------------------------------------------- */

void move_src_event(void *move, const struct qmp_event *event);
void move_dst_event(void *move, const struct qmp_event *event);

/* To be called when what is shown of the move has changed: drops the texts of move_text(). */
void move_forget_texts(struct move *move);

void move_detail_encode(struct move *move);
void move_detail_decode(struct move *move);

#endif
