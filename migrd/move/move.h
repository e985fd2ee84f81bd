/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/move.h -- the moves of this host.  A move is a MIGRATION_OUT on its source and a
 * MIGRATION_IN on its destination.
 *
 * The one rule: a guest's CPUs run on at most one host, and never again on the
 * source once they have run on the destination.  Who may run it follows from
 * durable records alone; messages may be lost, repeated or late.
 *
 *   source       begin    -> prepare, rollback
 *                prepare  -> transfer, rollback
 *                transfer -> handover, rollback
 *                handover -> confirm, fetch, rollback, stuck
 *                fetch    -> confirm
 *                confirm  -> done, lost
 *                rollback -> cancelled, failed, confirm, fetch, stuck
 *                stuck    -> confirm, fetch, rollback
 *   destination  prepare  -> transfer, rollback
 *                transfer -> handover, rollback, stuck
 *                handover -> done, fetch, rollback
 *                fetch    -> done, lost
 *                rollback -> failed
 *                stuck    -> handover, rollback
 *
 * The tables are in move/states.c; tests/lint/check-diagrams.sh compares this diagram with
 * them.  Thread: loop.
 */
#ifndef MIGRD_MOVE_MOVE_H
#define MIGRD_MOVE_MOVE_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "peer/client.h"
#include "policy/policies.h"
#include "storage/place.h"
#include "store/store.h"
#include "vm/vm.h"
#include "wire/move_reply.h"
#include "wire/move_request.h"
#include "wire/notice.h"
#include "wire/verdict.h"

struct moves;
struct stream_preamble;
struct move;
struct move_totals;
struct notify;
struct holds;

/* What a reload of the configuration may change. */
struct moves_limits {
	unsigned in_max; /* moves to here at a time, 1 or more */
	/* What all moves away from here may send together, disks and memory; 0: no limit, else a
	 * MiB or more. */
	uint64_t budget_bytes_per_s;
	uint64_t budget_in_bytes_per_s; /* the same of all moves to here */
	uint64_t vcpus_per_core;        /* of guests, with one that comes; 0: any number */
};

struct moves_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	struct policies *policies;
	struct holds *holds; /* NULL: nothing is held, and the host is not cordoned */
	struct peer_clients *peers;
	struct notify *notify; /* NULL: no party is told */
	const char *host_id;
	const char *run_dir; /* DIR/moves/<id>/ is private to one move */
	const char *stream_program;
	const char *ca_file, *cert_file, *key_file;
	const char *data_address;          /* what a source connects to */
	uint32_t link_timeout_ms;          /* transfer: how long data may be unacknowledged */
	uint32_t handover_link_timeout_ms; /* the same while the guest stands still */
	uint32_t prepare_timeout_ms;
	uint32_t link_probe_ms;    /* how long a link is measured at most; 0: not at all */
	uint32_t stuck_after_ms;   /* how long a peer may be silent while the guest stands still */
	uint32_t offer_timeout_ms; /* how long a source may send nothing; then it is refused */
	unsigned offers_max;       /* of one peer at a time */
	unsigned offers_memory_percent; /* of the available memory, for the offers of one peer */
	uint64_t hold_max_s;            /* for so long a source may hold its move */
	struct moves_limits limits;     /* at the start; then moves_set_limits() */
	uint32_t outage_ping_ms;        /* see move/frames.c; 0: only where a move wants it */
	uint32_t outage_ping_min_ms;    /* no move may have it more often; 0: none may want it */
	struct storage_rules storage;   /* where images of incoming guests are made */
	/* Called when something changed that the API shows. */
	void (*changed)(void *data, const struct move *move);
	/* Source: the VM was to be started since this host was booted, and has gone stopped to a
	 * host that does not start it, REASON.  NULL: nobody wants to know. */
	void (*start_lost)(void *data, const struct move *move, const char *reason);
	void *data;
};

struct moves *moves_new(const struct moves_env *env);
/* Moves that are here already stay; a new budget is shared at once. */
void moves_set_limits(struct moves *moves, const struct moves_limits *limits);
/* Frees all moves; their QEMUs and streams run on.  Answers of the store and the
 * peers that still come find no move. */
void moves_clear(struct moves *moves);
/* To be called when the store and the peers are closed, so that no answer can come any more. */
void moves_free(struct moves *moves);

/* At the start, in this order: moves_add_row() for each row of the store; then, when
 * the VMs were recovered, moves_recover(), which restarts every unfinished move in the
 * state where it stood. */
void moves_add_row(struct moves *moves, struct store_move *row);
void moves_recover(struct moves *moves);
/* The same for a store that was in doubt, when all peers have been heard.  The record of
 * a move may be older than what the move has done, so no QEMU is ended by that record.
 * The stream of a move that has no record is ended. */
void moves_recover_doubtful(struct moves *moves);

/* ---- what the user does ---------------------------------------------- */

struct move_wish {
	const char *vm, *to;
	/* A limit that was not asked for (has_...) is the configuration's; the policy's wins over
	 * that. */
	struct move_options options;
	const char *key;     /* Idempotency-Key: the same key gives the same move; may be NULL */
	const char *request; /* all of it as text; another one with KEY: KEY_REUSED; may be NULL */
	const char *policy;  /* its name; NULL or "": as the VM says, else the default */
	/* The peers were asked as before a start (owner/start.h): the VM may be a stopped one,
	 * whose QEMU the move starts. */
	bool may_start;
	const char *vm_uuid; /* another VM of that name is not meant; NULL: any is */
	const char *by;      /* who begins it: kept and shown; NULL: nobody is named */
	/* Of moves_try(): seconds until the certificate of this host ends; 0: not known. */
	int64_t certificate_s;
};
/* Called once, on the loop, never from inside.  MOVE NULL and ERR: nothing has
 * changed; also the errors of vm_enter(). */
typedef void move_started_fn(void *data, struct move *move, const struct err *err);
/* Checks all that can be known at once, waits for its turn at the VM's monitor,
 * then begins. */
void moves_start(struct moves *moves, const struct move_wish *wish, move_started_fn *started,
		 void *data);
/* Would the move be taken, and what would it be like?  Nothing is changed on either side.  FN is
 * called once, on the loop, never from inside: REPLY, borrowed, with all reasons and a forecast; or
 * ERR: NOT_FOUND, CONFLICT (the VM has no QEMU), BUSY (a job has it), LIMIT, TIMEOUT. */
struct trial_reply;
typedef void moves_tried_fn(void *data, const struct trial_reply *reply, const struct err *err);
void moves_try(struct moves *moves, const struct move_wish *wish, moves_tried_fn *fn, void *data);
/* What is set for a running move: the limits that OPTIONS has, and what of the policy can still be
 * changed.  The rest stays as it is. */
struct move_setting {
	struct move_options options;
	const char *policy; /* its name; NULL or "": it stays */
	/* The configuration's, for a policy without them. */
	uint64_t bandwidth_bytes_per_s, downtime_limit_ms;
	enum move_priority priority; /* in force within a second, also at the destination */
	bool has_priority;
};
/* False and ERR: it cannot be set.  Else DONE is called once, when it is on disk and in
 * force; with an error all is as before.  MOVE is NULL if it is gone; CHANGES is borrowed. */
typedef void move_set_fn(void *data, struct move *move, const struct move_changes *changes,
			 const struct err *err);
bool move_set(struct move *move, const struct move_setting *setting, move_set_fn *done, void *data,
	      struct err *err);
/* Asks for the end of a move; move_when(MOVE_ENDED) tells what came of it.  TOO_LATE
 * past the point of no return, which comes when the guest's CPUs stop, or, if they were stopped for
 * as long as the rest takes, when QEMU has sent it all.  On the destination, a cancel refuses the
 * guest; CONFLICT once the guest is complete there, or go has come.  BY, who asks, is kept and
 * shown: the first who did. */
bool move_cancel(struct move *move, const char *by, struct err *err);
/* Source: the guest goes over as soon as QEMU sends, and fetches the rest of its memory there.
 * CONFLICT: the move was begun without post-copy, or comes from another host; TOO_LATE. */
bool move_switch(struct move *move, struct err *err);
/* Source: a move goes on that is held or waits for parties, or will not be held.  CONFLICT: it
 * waits for nobody; TOO_LATE. */
bool move_release(struct move *move, struct err *err);
/* Source: what a party asks for that has been told, or is being told, and has not let the move go
 * on. FORBIDDEN: PARTY is none of the move that may delay it; CONFLICT: longer than it may, or it
 * was not told yet; TOO_LATE. */
bool move_delay(struct move *move, const char *party, const struct notice_answer *wish,
		struct err *err);

/* Source: the transfer ends as soon as the rest fits into what the policy allows, or, with FORCE,
 * now.  RET says what is done, and what it costs.  CONFLICT: nothing is being sent yet, it is held,
 * goes over by post-copy, or comes from another host; TOO_LATE. */
struct move_finish_wish {
	bool force;
	const char *by; /* the caller */
};
struct move_finishing {
	char did[MOVE_DID_SIZE];
	uint64_t left_bytes, sent_bytes_per_s, stop_ms;
};
bool move_finish(struct move *move, const struct move_finish_wish *wish, struct move_finishing *ret,
		 struct err *err);
/* What move_switch() and move_release() are about to do, for their answer; to be called before
 * them.  What move_set() has done with CHANGES. */
void move_say_switch(const struct move *move, char ret[MOVE_DID_SIZE]);
void move_say_release(const struct move *move, char ret[MOVE_DID_SIZE]);
void move_say_set(const struct move *move, const struct move_changes *changes,
		  char ret[MOVE_DID_SIZE]);

enum move_keep { MOVE_KEEP_SOURCE, MOVE_KEEP_DESTINATION };

/* A decision by somebody outside, in the place of two hosts that cannot know. */
struct move_resolution {
	enum move_keep keep;
	const char *assert_dead; /* host id whose copy is given up; "" if not said */
	const char *by;          /* the caller */
	const char *why;         /* may be "" */
};
/* For a move in handover or stuck whose peer does not answer or has no record, and for
 * a destination that holds a complete guest.  Also settles an ended move that the peer
 * never settled.  CONFLICT says what is missing. */
bool move_resolve(struct move *move, const struct move_resolution *resolution, struct err *err);

enum move_moment {
	MOVE_RECORDED, /* the move's first record is on disk */
	MOVE_REJOINED, /* destination: a new data stream waits for the source, or cannot */
	MOVE_STEADY,   /* no change of its state or of its settings is being written */
	MOVE_PREPARED, /* destination: its QEMU listens, or never will */
	MOVE_VERDICT,  /* destination: taken and the guest runs, or refused */
	MOVE_ENDED,    /* a final state */
	MOVE_SETTLED,  /* ended, and no note that it is settled is being written */
};
/* Calls FN once, on the loop, when the moment has come or is past, in the order of the calls.  MOVE
 * is NULL if the daemon stops first: FN only gives back what DATA holds. */
typedef void move_when_fn(void *data, struct move *move);
void move_when(struct move *move, enum move_moment moment, move_when_fn *fn, void *data);

struct move *moves_find(struct moves *moves, const char *id);
/* The move that was started with the Idempotency-Key KEY; NULL: none, or KEY is "". */
struct move *moves_find_key(struct moves *moves, const char *key);
/* Newest first; good until the callback returns.  NULL: that was all. */
struct move *moves_first(struct moves *moves);
struct move *move_next(const struct move *move);
/* A move of this VM that has not ended, or NULL. */
struct move *moves_active_of(struct moves *moves, const char *vm_uuid);
/* How many moves have not ended. */
size_t moves_active_count(const struct moves *moves);
/* How far one that has not ended is, as its QEMU here told last.  Bytes are those of memory and
 * local disks; of a destination only what it knows, and no dirty rate. */
struct move_figures {
	uint64_t sent_bytes, left_bytes, dirty_bytes_per_s;
	double sent_bytes_per_s;
};
struct move_figures move_figures(const struct move *move);
/* The newest of the moves that have not ended; AFTER NULL: the first.  NULL: that was all. */
const struct move *moves_next_active(const struct moves *moves, const struct move *after);

/* The budget, what its moves may send, and what they have sent lately, by priority; in bytes a
 * second.  All 0: there is no budget. */
struct moves_bandwidth {
	uint64_t budget;
	uint64_t given[MOVE_PRIORITY_COUNT], used[MOVE_PRIORITY_COUNT];
};
struct moves_bandwidth moves_bandwidth(const struct moves *moves);
/* What the budget of what comes would leave to one more move to here, of the usual priority, in
 * bytes a second; 0: there is none. */
uint64_t moves_let_come_of_new(const struct moves *moves);
/* CONFLICT: OPTIONS want the guest to be asked for answers, and this host allows it to no move. */
bool move_may_ping(const struct moves *moves, const struct move_options *options, struct err *err);

/* Notices to parties since this daemon was started. */
enum move_notice_count {
	MOVE_NOTICE_SENT,    /* repeats included */
	MOVE_NOTICE_UNHEARD, /* of them, those without an answer that counts */
	MOVE_NOTICE_DELAYED, /* delays that were granted */
	MOVE_NOTICE_REFUSED, /* requests for a delay that were refused */
	MOVE_NOTICE_COUNTS
};
uint64_t moves_notice_count(const struct moves *moves, enum move_notice_count count);

/* How they went, of those that this daemon has brought to their end since it was started. */
const struct move_totals *moves_totals(const struct moves *moves);

/* ---- what the peer asks ---------------------------------------------- */

struct move_offer {
	const char *id;
	const char *source; /* host id of the caller's certificate */
	uint64_t generation;
	struct json_object *definition; /* borrowed */
	struct json_object *evidence;   /* wire/evidence.h; borrowed; NULL: none */
	struct json_object *plan;       /* wire/transfer_plan.h; likewise */
	struct move_options options;
	bool run;           /* what the guest's user wants now; go has the last word */
	bool stopped;       /* it is stopped, and stays so */
	bool autostart_due; /* stopped: it is to be started here after the move */
	uint64_t hold_s;    /* so long its memory may not come */
	bool is_trial;      /* it is only looked at: FN gets what speaks against it, and no move */
};
/* Looks at this host first, then takes the offer.  If anything speaks against the guest,
 * FN gets all REASONS together and MOVE NULL, and nothing has changed.  FN is called once, on
 * the loop, never from inside; REASONS may be NULL.  False and ERR: FN will not be called.
 * The same offer again, while the look lasts, waits for the same answer; once there is a move,
 * call moves_offered(). */
struct preflight_reasons;
typedef void moves_offered_fn(void *data, struct move *move,
			      const struct preflight_reasons *reasons, const struct err *err);
bool moves_offer(struct moves *moves, const struct move_offer *offer, moves_offered_fn *fn,
		 void *data, struct err *err);
/* Takes the offer without that look.  The same offer again gives the same move. */
struct move *moves_offered(struct moves *moves, const struct move_offer *offer, struct err *err);
/* What the source says of one move. */
struct move_claim {
	const char *id;
	const char *source;  /* host id of the caller's certificate */
	const char *vm_uuid; /* "": an older coordinator, which does not say */
	uint64_t generation;
	bool run;             /* go; settle with taken */
	bool switched;        /* go: post-copy has begun */
	enum verdict verdict; /* settle: as the source has it */
	/* go: the guest's addresses, to ask it for an answer. */
	const struct nic_address *addresses;
	size_t address_count;
	bool has_outage_ping;
	uint64_t outage_ping_ms; /* so often; 0: not at all; absent: as this host says */
};
/* go: the source's QEMU is done; take the guest, and let it run if RUN.  drop: the
 * guest will not come.  After either, the caller waits for MOVE_VERDICT and answers
 * move_verdict().  An unknown id gets a record that says so, so that a late offer cannot
 * revive the move; LIMIT when the source has too many records here that it has not settled. */
struct move *moves_go(struct moves *moves, const struct move_claim *claim, struct err *err);
struct move *moves_drop(struct moves *moves, const struct move_claim *claim, struct err *err);
/* recover: a move in post-copy gets a new data stream here, which waits for the source's QEMU.
 * The caller waits for MOVE_REJOINED, then answers the token, or why there is none:
 * move_rejoin_failed().  BUSY, TOO_LATE: not now, not any more. */
struct move *moves_rejoin(struct moves *moves, const struct move_claim *claim, struct err *err);
bool move_rejoin_failed(const struct move *move, struct err *err);
/* settle: the source's record of the end is on disk.  The caller waits for MOVE_SETTLED of
 * *RET; true and *RET NULL: there is no record, and nothing to wait for.  CONFLICT: the two
 * records contradict each other. */
bool moves_settle(struct moves *moves, const struct move_claim *claim, struct move **ret,
		  struct err *err);
/* The verdict of a host without a record of the move: TAKEN when it owns VM_UUID, or has
 * owned it, in a generation later than GENERATION; else UNKNOWN. */
enum verdict moves_verdict_by_vm(struct moves *moves, const char *vm_uuid, uint64_t generation);
/* probe: PEER may measure the link to this host, once, soon.  CONFLICT: probes are off here; BUSY:
 * a move or another probe would be disturbed; LIMIT: too often. */
struct peer_probe;
struct peer_probe_reply;
bool moves_offer_probe(struct moves *moves, const char *peer, const struct peer_probe *wish,
		       struct peer_probe_reply *ret, struct err *err);
/* The data port's question; see stream/port.h. */
bool moves_claim(void *moves, const struct stream_preamble *preamble, int fd);

/* ---- what there is to know ------------------------------------------- */

const struct store_move *move_row(const struct move *move);
const char *move_state_name(const struct move *move);
bool move_is_final(const struct move *move);
/* Its state machine, to be looked at only. */
const struct machine *move_machine(const struct move *move);
bool move_can_cancel(const struct move *move);
/* The source rolls back on request and keeps the guest; only the end of the move is to come. */
bool move_is_cancelling(const struct move *move);
/* Source: the guest stands still, and QEMU decides whether the cancel was in time. */
bool move_is_calling_back(const struct move *move);
/* The move ended because somebody cancelled it. */
bool move_was_cancelled(const struct move *move);
bool move_is_out(const struct move *move);
enum move_priority move_priority(const struct move *move);
const char *move_source(const struct move *move);
const char *move_destination(const struct move *move);
/* Host id of the guest's owner; NULL while only the other host can know. */
const char *move_owner(const struct move *move);
/* Destination, in post-copy: QEMU says that the guest waits for memory; this side's stream is
 * broken. */
bool move_is_interrupted(const struct move *move);
bool move_needs_stream(const struct move *move);
/* Source, in post-copy: its QEMU has ended or failed. */
bool move_sends_no_more(const struct move *move);
/* The source ended with memory that the guest lacks. */
bool move_has_lost_memory(const struct move *move);
bool move_run(const struct move *move); /* the guest is to run where it ends up */
/* Destination: what it lets come of the host's budget, in bytes a second; 0: there is none. */
uint64_t move_share_let_come(const struct move *move);
/* Destination: the source says that a user has given the move another priority, by which it shares
 * this host's budget from now on.  Another NAME than move_priority_names have, as of a newer
 * coordinator, changes nothing. */
void move_follow_priority(struct move *move, const char *name);
/* Source: what the destination lets come, as it has told; 0: it lets all come. */
uint64_t move_is_let_come(const struct move *move);
/* Destination: when the guest ran here first, in microseconds since 1970; 0: not known. */
uint64_t move_resumed_us(const struct move *move);
/* What this host, as the destination, saw of the guest's frames.  False: it has not taken the
 * guest. */
bool move_frames_told(const struct move *move, struct nic_frames_list *ret);
/* Source: the other host was asked for something, so that it may be what has ended the move.  Not
 * known of a move of an earlier run of migrd. */
bool move_has_asked(const struct move *move);
/* NULL: none was made yet.  Owned by MOVE. */
const struct transfer_plan *move_plan(const struct move *move);
/* Source: its passes over the guest's memory, in their order.  Owned by MOVE, until the callback
 * returns. */
const struct move_pass *move_passes(const struct move *move, size_t *ret_count);
/* Destination: the source's evidence was compared with what is here. */
bool move_was_compared(const struct move *move);
/* Destination: the VM comes stopped, and is started here after the move (owner/autostart.h). */
bool move_is_to_be_started(const struct move *move);
const char *move_reason(const struct move *move);

/* The JSON text of what SHOW makes of the move, borrowed until the callback returns.
 * The text of an ended move is kept, one for each KIND, until the move changes, so that
 * a list of a thousand moves is put together by copying. */
enum move_text_kind { MOVE_TEXT_MOVE, MOVE_TEXT_JOB, MOVE_TEXT_COUNT };
typedef struct json_object *move_show_fn(const struct move *move);
const char *move_text(struct move *move, enum move_text_kind kind, move_show_fn *show,
		      size_t *ret_len);
/* A record could be written when that was last tried; in transfer, calls of this try it
 * from time to time.  For the peer, which asks this again and again. */
bool move_can_record(struct move *move);
const char *move_token(const struct move *move);
/* On a destination: never NONE once it was decided; UNKNOWN allows nobody to run the guest. */
enum verdict move_verdict(const struct move *move);
/* The other side has noted the end, so that the record may go. */
bool move_is_settled(const struct move *move);
/* False and ERR: the move's row has a word that this version does not know. */
bool move_row_is_known(const struct move *move, struct err *err);
/* What the API shows; its texts are the move's. */
struct move_reply move_show(const struct move *move);
struct move_times move_show_times(const struct move *move);
/* The same as JSON; the caller owns it. */
struct json_object *move_json(const struct move *move);

#endif
