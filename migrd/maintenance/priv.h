/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maintenance/priv.h -- shared by the files of migrd/maintenance. */
#ifndef MIGRD_MAINTENANCE_PRIV_H
#define MIGRD_MAINTENANCE_PRIV_H

#include <sys/queue.h>

#include "base/mem.h"
#include "machine/machine.h"
#include "maintenance/judge.h"
#include "maintenance/maintenance.h"
#include "maintenance/place.h"

enum maint_state {
	MAINT_STATE_PLANNED,
	MAINT_STATE_RUNNING,
	MAINT_STATE_WAITING,
	MAINT_STATE_STOPPING,
	MAINT_STATE_DONE,
	MAINT_STATE_FAILED,
	MAINT_STATE_ABORTED,
	MAINT_STATE_COUNT
};
extern const struct machine_state maint_states[MAINT_STATE_COUNT];

/* ---- one host ------------------------------------------------------------------ */

enum maint_host_state {
	MAINT_HOST_TODO,
	MAINT_HOST_CHECKING,
	MAINT_HOST_EVACUATING,
	MAINT_HOST_HOOKING,
	MAINT_HOST_HEALING,
	MAINT_HOST_RETURNING,
	MAINT_HOST_ABORTING,
	MAINT_HOST_DONE,
	MAINT_HOST_FAILED,
	MAINT_HOST_SKIPPED,
	MAINT_HOST_ABORTED,
	MAINT_HOST_STATE_COUNT
};
extern const char *const maint_host_names[]; /* ended by NULL */

#define MAINT_WHY_SIZE 512

/* What its host said of how it would be emptied. */
struct maint_plan {
	bool is_there;
	char state_id[EVACUATION_STATE_ID_SIZE];
	uint64_t vms, moves, stays, blocked, makespan_ms;
	char blocked_by[ID_NAME_SIZE], blocked_why[MAINT_WHY_SIZE];
	char fullest[ID_NAME_SIZE];
	double fullest_percent;
	char homeless_host[ID_NAME_SIZE], homeless[ID_NAME_SIZE];
};

/* What became of its VMs, as its host said last. */
struct maint_vms {
	uint64_t total, left, moving, blocked, moved, stays, returned;
	bool has_blackout;
	double blackout_ms;
};

struct maint_host {
	/* On disk. */
	char host[ID_NAME_SIZE], rack[ID_NAME_SIZE]; /* rack "": not known */
	int state;                                   /* enum maint_host_state */
	int result;               /* of returning and aborting: what it becomes then */
	char why[MAINT_WHY_SIZE]; /* what it does or waits for, or how it ended */
	char error_code[STORE_ENUM_SIZE], error[MAINT_WHY_SIZE]; /* "": nothing is wrong */
	bool has_go;                                             /* a person has let it begin */
	bool is_by_hand; /* a person has said that all is done with it */
	bool is_aborted; /* a person wants it undone as soon as that may be */
	bool is_adopted; /* its evacuation was there before, of an earlier maintenance */
	bool is_unsure;  /* it may still be being emptied */
	uint64_t checks; /* how often it was checked */
	char evacuation[ID_UUID_SIZE]; /* "": not known yet */
	int hook;                      /* enum hook_state; HOOK_STATE_COUNT: not begun */
	char words[MAINT_WHY_SIZE];    /* of the hook */
	struct maint_plan plan;
	struct maint_vms vms;
	int64_t since_ms; /* when it came into its state; wall clock */
	int64_t started_ms, drained_ms, hook_ms, healed_ms, ended_ms;
	/* Only here. */
	uint64_t change;   /* number of the change that the state was */
	uint64_t epoch;    /* of the state: an answer of a former one is nobody's */
	unsigned phase;    /* of the state's questions; 0: the first */
	bool is_asking;    /* an answer is awaited */
	bool is_blocked; /* checking: its VMs have no place; else another thing speaks against it */
	uint64_t again_ms; /* no question before, on the loop's clock */
};

/* ---- all of them ---------------------------------------------------------------- */

/* What must survive beside the request and the hosts. */
struct maint_detail {
	char by[EVACUATION_WHO_SIZE];
	char state_id[EVACUATION_STATE_ID_SIZE];
	int64_t not_before_ms, started_ms;
	bool is_paused;
	char paused_why[MAINT_WHY_SIZE];
	bool is_person;                    /* stopping: a person wants it */
	bool is_aborting;                  /* hosts under way are undone */
	bool stays;                        /* then: what has moved stays where it is */
	char stopping_why[MAINT_WHY_SIZE]; /* "": it is not stopping */
};

struct maintenance {
	struct machine machine;
	TAILQ_ENTRY(maintenance) link;
	struct maintenances *all;
	struct store_maintenance row;
	struct maintenance_request *request; /* NULL: a later version wrote one */
	struct maint_detail detail;
	struct maint_host *hosts;
	size_t host_count;
	struct json_object *wish; /* to be shown */
	struct err error;         /* why it ends badly; not set: it does not */
	size_t waits_for;         /* number of a host; JUDGE_NONE */
	bool is_news;             /* something that is shown has changed since it was told */
	struct loop_timer *timer;
};

TAILQ_HEAD(maint_list, maintenance);
TAILQ_HEAD(maint_begins, maint_begin);

struct maintenances {
	struct maintenances_env env;
	struct machines machines;
	struct maint_list list; /* the newest first */
	struct maint_begins begins;
	struct loop_timer *look;
	struct maint_shown *shown; /* the last one that was */
	bool is_ready;             /* recovered */
	bool is_closing;
	int64_t recovered_ms;       /* wall clock */
	uint64_t recovered_loop_ms; /* the same on the loop's */
};

static inline struct maintenance *maint_of(struct machine *machine)
{
	return CONTAINER_OF(machine, struct maintenance, machine);
}

/* ---- maintenances.c ---- */
/* The one that has not ended; NULL: none. */
struct maintenance *maints_current(const struct maintenances *all);
void maints_trim(struct maintenances *all);
/* Another look at the one that has not ended, soon. */
void maints_look(struct maintenances *all);

/* ---- detail.c: what is on disk of one ---- */
void maint_fill_facts(struct machine *machine);
/* False: a later version wrote it; sets the error, and the request to NULL. */
bool maint_decode(struct maintenance *m);
char *maint_request_text(const struct maintenance_request *request);

/* ---- record.c: one, and what its machine does ---- */
struct maintenance *maint_new(struct maintenances *all, const char *id);
void maint_free(struct maintenance *m);
void maint_hosts_new(struct maintenance *m, size_t count);
void maint_go_to(struct maintenance *m, enum maint_state to, const struct err *err);
/* Something of the record has changed: it is written soon.  The number of the change. */
uint64_t maint_change(struct maintenance *m);
void maint_tell(struct maintenance *m);
/* DONE is called when what has changed until now is on disk. */
void maint_answer_when_saved(struct maintenance *m, maintenance_done_fn *done, void *data);

/* ---- begin.c, survey.c: hosts are asked, and the first record ---- */
/* The daemon stops. */
void maint_dismiss_begins(struct maintenances *all);

/* What each host said. */
struct maint_said {
	struct maint_plan plan;
	char rack[ID_NAME_SIZE];
	struct err err; /* why it would be skipped, or fail; not set: nothing speaks against it */
};
struct maint_survey;
/* SAID: for each host of the request, in its order; or ERR: CONFLICT, as of judge_order(). */
typedef void maint_survey_fn(void *data, const struct maint_said *said, const struct err *err);
/* Asks the hosts of REQUEST, which is borrowed; FN once, never from inside, not after
 * maint_survey_free(). */
struct maint_survey *maint_survey_new(struct maintenances *all,
				      const struct maintenance_request *request,
				      maint_survey_fn *fn, void *data);
void maint_survey_free(struct maint_survey *survey); /* accepts NULL */
/* TOLD is of a dry run. */
void maint_plan_take(struct maint_plan *plan, const struct peer_evacuation *told);
/* CONFLICT: what speaks against it. */
bool maint_plan_check(const struct maint_plan *plan, const struct maintenance_request *request,
		      struct err *err);
/* What a maintenance asks of a host: for a dry run, and for its evacuation.  ID NULL: a dry run. */
void maint_evacuation_request(const struct maintenance_request *request, const char *id,
			      struct evacuation_request *ret);

/* ---- host.c: one host's steps ---- */
const struct maintenance_place *maint_place(const struct maintenances *all, const char *host);
bool maint_host_is_final(const struct maint_host *host);
bool maint_host_is_under_way(const struct maint_host *host);
/* It waits until a person says that all is done with it. */
bool maint_host_is_by_hand(const struct maintenance *m, const struct maint_host *host);
/* Comes into another state: asserts that the table allows it. */
void maint_host_set(struct maintenance *m, struct maint_host *host, enum maint_host_state to,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void maint_host_skip(struct maintenance *m, struct maint_host *host, enum err_code code,
		     const char *why);
/* When its state has to be over; 0: it has no limit. */
int64_t maint_host_deadline_ms(const struct maintenance *m, const struct maint_host *host);
/* Goes on with it.  *WAIT_MS: another look is wanted so soon; only ever made smaller. */
void maint_host_step(struct maintenance *m, struct maint_host *host, uint64_t *wait_ms);
/* Undoes it, as soon as that may be. */
void maint_host_abort(struct maintenance *m, struct maint_host *host);
void maint_hook_id(const struct maintenance *m, const struct maint_host *host,
		   char ret[HOOK_ID_SIZE]);

/* What the states share. */
/* No other attempt would change it. */
bool maint_is_lasting(const struct err *err);
bool maint_is_ending(const struct peer_evacuation *told);
/* The request of this maintenance is there. */
bool maint_is_wanted(const struct maintenance *m, const struct peer_evacuation *told);
/* Makes UTF-8 of a text that was cut, no longer than it is. */
void maint_text_repair(char *text);
/* What it does or waits for. */
void maint_host_say(struct maintenance *m, struct maint_host *host, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The next question comes after a pause; with the reason; at once, and is the state's next. */
void maint_host_pause(struct maintenance *m, struct maint_host *host);
void maint_host_ask_again(struct maintenance *m, struct maint_host *host, const struct err *err);
void maint_host_next(struct maint_host *host);
void maint_host_take_vms(struct maintenance *m, struct maint_host *host,
			 const struct peer_evacuation *told);
/* It fails: as it is; its evacuation is undone first; it is empty, and stays so or is given back.
 */
void maint_host_fail(struct maintenance *m, struct maint_host *host, enum err_code code,
		     const char *why);
void maint_host_fail_full(struct maintenance *m, struct maint_host *host, enum err_code code,
			  const char *why);
void maint_host_fail_empty(struct maintenance *m, struct maint_host *host, enum err_code code,
			   const char *why);
/* A person wants it undone. */
void maint_host_undo(struct maintenance *m, struct maint_host *host, const char *why);
/* True: somebody else has ended its evacuation, or has taken the request away, and it has failed.
 */
bool maint_host_was_ended(struct maintenance *m, struct maint_host *host,
			  const struct peer_evacuation *told);
/* True: by ERR, of a question for it, its host does not know its evacuation any more, and it has
 * failed.  ERR NULL: it does. */
bool maint_host_has_forgotten(struct maintenance *m, struct maint_host *host,
			      const struct err *err);

/* empty.c, work.c, back.c: what each state asks, and what follows when it is not over in time. */
void maint_step_evacuating(struct maintenance *m, struct maint_host *host);
void maint_late_evacuating(struct maintenance *m, struct maint_host *host);
void maint_step_hooking(struct maintenance *m, struct maint_host *host);
void maint_late_hooking(struct maintenance *m, struct maint_host *host);
void maint_step_healing(struct maintenance *m, struct maint_host *host);
void maint_late_healing(struct maintenance *m, struct maint_host *host);
void maint_step_returning(struct maintenance *m, struct maint_host *host);
void maint_late_returning(struct maintenance *m, struct maint_host *host);
void maint_step_aborting(struct maintenance *m, struct maint_host *host);
void maint_late_aborting(struct maintenance *m, struct maint_host *host);
/* The request for its evacuation; who takes one over runs it as it is run. */
void maint_request_of(const struct maintenance *m, const struct maint_host *host,
		      struct evacuation_request *ret);

/* check.c: a host is looked at before its turn. */
/* All hosts that this one knows, itself first; of PICTURE. */
const struct capacity_host *maint_picture_hosts(const struct capacity_picture *picture,
						size_t *ret_count);
/* NULL: it has not told, or not lately; RET says why. */
const struct capacity_told *maint_told(const struct capacity_host *shown, struct err *ret);
void maint_check_step(struct maintenance *m, struct maint_host *host);

/* ask.c: what a host's steps ask, and who gets the answer. */
typedef void maint_told_fn(struct maintenance *m, struct maint_host *host,
			   const struct peer_evacuation *told, const struct err *err);
typedef void maint_hook_fn(struct maintenance *m, struct maint_host *host,
			   const struct hook_run *run, const struct err *err);
typedef void maint_health_fn(struct maintenance *m, struct maint_host *host, const char *software,
			     const struct err *err);
typedef void maint_picture_fn(struct maintenance *m, struct maint_host *host);
/* Each calls FN once, on the loop, never from inside, and not if the host has come into another
 * state meanwhile. */
void maint_ask_evacuate(struct maintenance *m, struct maint_host *host,
			const struct evacuation_request *request, maint_told_fn *fn);
void maint_ask_evacuation(struct maintenance *m, struct maint_host *host, const char *id,
			  maint_told_fn *fn);
void maint_ask_withdraw(struct maintenance *m, struct maint_host *host, const char *who,
			maint_told_fn *fn);
void maint_ask_hook_begin(struct maintenance *m, struct maint_host *host, bool check,
			  maint_hook_fn *fn);
void maint_ask_hook(struct maintenance *m, struct maint_host *host, maint_hook_fn *fn);
void maint_ask_health(struct maintenance *m, struct maint_host *host, maint_health_fn *fn);
void maint_ask_picture(struct maintenance *m, struct maint_host *host, maint_picture_fn *fn);
/* The name under which it asks. */
void maint_who(const struct maintenance *m, char ret[EVACUATION_WHO_SIZE]);

/* ---- run.c: states of the whole ---- */
void maint_step_planned(struct machine *machine);
void maint_step_running(struct machine *machine);
void maint_step_stopping(struct machine *machine);
/* Nobody is begun any more. */
void maint_stop(struct maintenance *m, bool is_person, const char *why);

/* ---- show.c ---- */
struct maint_shown;
void maint_shown_free(struct maint_shown *shown);
/* Of a dry run. */
struct maint_shown *maint_show_survey(const struct maintenances *all,
				      const struct maintenance_request *request, const char *by,
				      const struct maint_said *said, const char *state_id);
const struct maintenance_reply *maint_shown_reply(const struct maint_shown *shown);

#endif
