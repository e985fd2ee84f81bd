/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* refresh/priv.h -- shared by the files of migrd/refresh. */
#ifndef MIGRD_REFRESH_PRIV_H
#define MIGRD_REFRESH_PRIV_H

#include <sys/queue.h>

#include "machine/machine.h"
#include "qmp/migrate.h"
#include "refresh/refresh.h"
#include "vm/tap_share.h"
#include "vm/tpm.h"

#define REFRESH_CAN_CANCEL MACHINE_OWN_FLAG(0)
#define REFRESH_MAY_RESUME MACHINE_OWN_FLAG(1) /* the guest may be resumed beside the job */
/* The guest may be stopped beside the job, as soon as no other QEMU could be taken for its own. */
#define REFRESH_MAY_STOP MACHINE_OWN_FLAG(2)

enum refresh_state {
	REFRESH_STATE_PREPARE,
	REFRESH_STATE_TRANSFER,
	REFRESH_STATE_SWITCHED,
	REFRESH_STATE_ROLLBACK,
	REFRESH_STATE_DONE,
	REFRESH_STATE_CANCELLED,
	REFRESH_STATE_FAILED,
	REFRESH_STATE_COUNT,
};

/* How the two QEMUs are told; a row for each way. */
struct refresh_way_row {
	enum cmdline_incoming incoming;
	bool is_old_first; /* the new QEMU has no monitor before the old one was told */
	const char *mode;  /* of QEMU's migration; NULL: the usual one */
	/* Limits that grow with the memory: of the transfer, and of the guest's stillness in it. */
	uint32_t transfer_ms_per_mib, still_ms_per_mib;
};
extern const struct refresh_way_row refresh_ways[REFRESH_WAY_COUNT];

/* Of the record. */
struct refresh_detail {
	int way;
	/* The process of the QEMU beside the VM's own: the new one, from `switched' on the old one;
	 * pid 0: not known. */
	int64_t pid;
	uint64_t start_time;
	bool has_blackout; /* the guest stood still, and runs again */
	int64_t blackout_ms;
	char from_version[32], to_version[32];
	/* What the guest's driver has set, until the new QEMU can change it no more while the guest
	 * runs in the old one; then none. */
	struct vm_taps taps;
};

/* The QEMU of the VM's record, and the one beside it. */
enum refresh_side { REFRESH_SIDE_VM, REFRESH_SIDE_BESIDE, REFRESH_SIDE_COUNT };

/* What the present state knows of one QEMU. */
struct refresh_seen {
	bool is_asked;   /* a command is under way */
	bool has_begun;  /* it has taken `migrate' or `migrate-incoming' */
	bool is_checked; /* asked again: it has all, and the guest does not run in it */
	enum qmp_mig_state migration;
};

/* What the present state has learnt; forgotten at each change of state. */
struct refresh_facts {
	struct refresh_seen seen[REFRESH_SIDE_COUNT];
	bool is_checking;
	bool is_beside_told; /* the new QEMU is being told to take the guest */
	bool is_stopped;     /* we have stopped the guest */
	bool is_ending;      /* the QEMU beside was told to end */
	bool are_taps_back;  /* of `prepare': the guest runs on with what its driver has set */
	bool is_tidied;      /* the QEMU of the VM has the usual settings again */
	bool has_run;        /* of `switched': it goes on as the user wants, or cannot */
	bool is_over;        /* what the state is for is done */
	bool is_preparing;   /* of `prepare': all that the new QEMU needs to start is there */
	bool is_tpm_asked, is_tpm_done; /* what the state does to the TPM's directories */
	unsigned tries;
	uint64_t stopped_ms; /* when the guest was seen to stand still; 0: it was not */
};

/* The answer to a command, if the job is still in the state in which it was sent.  ERR as of
 * qmp_command(). */
typedef void refresh_answer_fn(struct refresh *refresh, struct json_object *result,
			       const struct err *err);

struct refresh {
	struct machine machine;
	TAILQ_ENTRY(refresh) link;
	struct refreshes *refreshes;
	struct store_refresh row;
	struct refresh_detail detail;
	struct refresh_facts facts;
	struct vm_job job;
	bool holds_vm;
	bool is_cancelled; /* a person wants it to end */
	struct err error;  /* why it fails; not set: it does not */
	char reason[ERR_MSG_SIZE];
	struct probe *probe; /* of the program; NULL after a restart */
	struct qemu *beside; /* NULL: not started, or not looked for since a restart */
	bool is_beside_ready, is_beside_gone;
	struct qmp_mig_info info;
	int64_t stop_us;         /* QEMU's time of the guest's stop; 0: not seen */
	refresh_answer_fn *next; /* what follows a row of commands */
	struct loop_timer *tick;
	refresh_started_fn *started; /* NULL: answered */
	void *started_data;
};

TAILQ_HEAD(refresh_list, refresh);
TAILQ_HEAD(refresh_begins, begin);

struct refreshes {
	struct refreshes_env env;
	struct machines machines;
	struct refresh_list list;     /* the newest first */
	struct refresh_begins begins; /* that are not jobs yet */
	bool is_closing;
};

extern const struct machine_state refresh_states[REFRESH_STATE_COUNT];

struct refresh *refresh_of(struct machine *machine);
struct vm *refresh_vm(const struct refresh *refresh);     /* NULL: it is gone */
struct qemu *refresh_qemu(const struct refresh *refresh); /* the VM's; NULL: none that lives */

/* ---- refreshes.c ---- */
/* Forgets those of the ended jobs that are too many: which ended first. */
void refreshes_trim(struct refreshes *refreshes);

/* ---- job.c ---- */
struct refresh *refresh_new(struct refreshes *refreshes, const char *id);
bool refresh_hold_vm(struct refresh *refresh, struct vm *vm, struct err *err);
void refresh_release_vm(struct refresh *refresh);
/* Says again what the job allows beside it. */
void refresh_allow(struct refresh *refresh);
void refresh_go(struct refresh *refresh, enum refresh_state to, const struct store_change *with);
/* Begins a rollback because of ERR, unless one has begun or it is too late for one. */
void refresh_fail(struct refresh *refresh, const struct err *err);
void refresh_tell(const struct refresh *refresh);
void refresh_detail_decode(struct refresh *refresh);
/* The next look at the QEMUs; MS from now. */
void refresh_look_later(struct refresh *refresh, uint32_t ms);
/* Callbacks of the QEMU beside. */
struct qemu_callbacks refresh_beside_callbacks(struct refresh *refresh);

/* ---- ask.c: commands ---- */
void refresh_ask(struct refresh *refresh, enum refresh_side side, const char *command,
		 struct json_object *args, refresh_answer_fn *fn);
/* Sets in the QEMU of SIDE what the way wants of its migration, then calls FN. */
void refresh_set_up(struct refresh *refresh, enum refresh_side side, refresh_answer_fn *fn);
/* The contrary, in the QEMU of the VM: no later move would do it. */
void refresh_tidy(struct refresh *refresh, refresh_answer_fn *fn);
/* What `migrate' and `migrate-incoming' get. */
struct json_object *refresh_address(const struct refresh *refresh, bool incoming);
/* Notes what a QEMU has answered to query-migrate. */
void refresh_note_migration(struct refresh *refresh, enum refresh_side side,
			    struct json_object *result, const struct err *err);

/* ---- judge.c ---- */
/* Everything that forbids to refresh VM, as one error: what the records tell, what MEMORY and SHARE
 * tell (the answers of its QEMU to query-memdev and about aux-ram-share; NULL: none), and what
 * PROBE tells, whose program answered unless PROBE_ERR is set. */
struct refresh_look {
	struct vm *vm;
	const char *emulator;
	const struct probe *probe;
	const struct err *probe_err; /* NULL: none */
	bool was_asked;              /* QEMU was asked for the next two */
	bool is_aux_shared, is_memory_shared;
	const struct err *taps_err; /* the taps cannot be given to another QEMU; NULL: they can */
	/* The virtqueues, and what the program has room for; none: they were not asked for. */
	const struct evidence *queues, *room;
	/* The host has no memory for a copy of the guest's, or no huge pages; NULL: it has. */
	const struct err *room_err, *memory_err;
	const struct refresh_request *wish;
};
/* RET_WAY: the way to go. */
bool refresh_judge(const struct refresh_look *look, enum refresh_way *ret_way, struct err *err);

/* How often QEMU is asked if no event comes. */
#define REFRESH_LOOK_MS 250

/* ---- taps.c: two QEMUs have the taps of a guest open ---- */
/* True: the guest must stand still when the new QEMU makes its devices. */
bool refresh_has_taps(const struct refresh *refresh);
/* The guest stands still.  False: its taps are not set as the record says, and ERR tells why. */
bool refresh_taps_check(struct refresh *refresh, struct err *err);
/* Sets them as the record says, if it says anything: only while the guest stands still. */
bool refresh_taps_restore(const struct refresh *refresh, struct err *err);
/* Of `prepare', the new QEMU is there.  True: the guest may be given away; false: it is being let
 * run on first, and machine_step() follows. */
bool refresh_taps_give_back(struct refresh *refresh);

/* ---- tpm.c: the state of the TPM ---- */
/* True: the state of the job has nothing to do there, or no more.  False: it is being done, and
 * machine_step() follows, or a rollback. */
bool refresh_tpm_is_made(struct refresh *refresh);    /* of `prepare': before the new QEMU starts */
bool refresh_tpm_is_synced(struct refresh *refresh);  /* of `transfer': the new QEMU has all */
bool refresh_tpm_is_removed(struct refresh *refresh); /* of `rollback': it has ended */
/* Of `switched': the old QEMU has ended. */
bool refresh_tpm_is_settled(struct refresh *refresh);

/* ---- forward.c, transfer.c, switched.c, back.c: the states ---- */
void refresh_enter_prepare(struct machine *machine);
void refresh_step_prepare(struct machine *machine);
void refresh_enter_transfer(struct machine *machine);
void refresh_step_transfer(struct machine *machine);
void refresh_enter_switched(struct machine *machine);
void refresh_step_switched(struct machine *machine);
void refresh_enter_rollback(struct machine *machine);
void refresh_step_rollback(struct machine *machine);
/* The tick of the states. */
void refresh_look_forward(struct refresh *refresh);
void refresh_look_switched(struct refresh *refresh);
void refresh_look_back(struct refresh *refresh);
/* An event of the QEMU of SIDE. */
void refresh_event(struct refresh *refresh, enum refresh_side side, const struct qmp_event *event);
/* The row of its way. */
const struct refresh_way_row *refresh_way(const struct refresh *refresh);
/* True: REFRESH was wanted to end, has no QEMU any more, or is in its state for LIMIT_MS, in which
 * WHAT has not come; its rollback has begun. */
bool refresh_fail_if_cancelled(struct refresh *refresh);
bool refresh_fail_if_gone(struct refresh *refresh);
bool refresh_fail_if_late(struct refresh *refresh, uint64_t limit_ms, const char *what);
/* Tells the old QEMU to give the guest away, and the new one to take it. */
void refresh_tell_vm(struct refresh *refresh);
void refresh_begin_beside(struct refresh *refresh);
/* Ends the QEMU beside, whether it is known or has to be looked for; then `is_beside_gone'. */
void refresh_end_beside(struct refresh *refresh);

#endif
