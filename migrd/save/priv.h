/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* save/priv.h -- shared by the files of migrd/save. */
#ifndef MIGRD_SAVE_PRIV_H
#define MIGRD_SAVE_PRIV_H

#include <sys/queue.h>

#include "base/work.h"
#include "machine/machine.h"
#include "qmp/migrate.h"
#include "save/copies.h"
#include "save/file.h"
#include "save/save.h"
#include "vm/saved.h"

#define SAVE_CAN_CANCEL MACHINE_OWN_FLAG(0)
#define SAVE_MAY_RESUME MACHINE_OWN_FLAG(1) /* the guest may be resumed beside the job */
#define SAVE_MAY_STOP   MACHINE_OWN_FLAG(2) /* and stopped: no record counts on what it does */

enum save_kind { SAVE_OUT, SAVE_IN };

enum save_state {
	SAVE_STATE_BEGIN,
	SAVE_STATE_TRANSFER,
	SAVE_STATE_SEAL,
	SAVE_STATE_END,
	SAVE_STATE_DISKS,
	SAVE_STATE_LOAD,
	SAVE_STATE_CLAIM,
	SAVE_STATE_RUN,
	SAVE_STATE_ROLLBACK,
	SAVE_STATE_DONE,
	SAVE_STATE_CANCELLED,
	SAVE_STATE_FAILED,
	SAVE_STATE_COUNT,
};

/* Of the record. */
struct save_detail {
	struct restore_request wish;
	struct save_file head;      /* of a save: to be written; of a restore: as it was read */
	struct save_former former;  /* of a save: what has the name, and is replaced */
	char boot_id[ID_UUID_SIZE]; /* the boot of the host in which QEMU wrote */
	bool has_mode;              /* the mode is known */
	bool was_marked;            /* of a restore: the file had the mark before */
	bool marked;                /* it may have got it from us */
};

/* What the present state has learnt; forgotten at each change of state. */
struct save_facts {
	bool is_asking;       /* QEMU was asked and has not answered */
	bool is_working;      /* a worker has a task of this state */
	bool has_begun;       /* QEMU has taken `migrate' or `migrate-incoming' */
	bool is_tidied;       /* of a rollback: QEMU writes no more, and the guest goes on */
	bool is_clear;        /* of a rollback: QEMU has nothing of the copies of disks any more */
	bool is_taken_back;   /* of a rollback: the disks of a restore are as they were */
	bool is_over;         /* what the state is for is done */
	bool is_launched;     /* QEMU answers */
	bool is_status_known; /* QEMU said its run state after the end of its migration */
	bool is_quitting;     /* QEMU was told to end */
	unsigned tries;       /* to let a restored guest run */
	enum qmp_mig_state migration;
};

/* The answer to a command, if the job is still in the state in which it was sent.  ERR as of
 * qmp_command(). */
typedef void save_answer_fn(struct save *save, struct json_object *result, const struct err *err);

/* How far the disks of a background snapshot are. */
enum save_disks_phase {
	SAVE_DISKS_NONE, /* it has none, or nothing was done yet */
	SAVE_DISKS_COPY, /* QEMU's mirrors copy them, and the guest runs */
	SAVE_DISKS_END,  /* the guest stands still, and the mirrors come to their end */
	SAVE_DISKS_HELD, /* they have ended; the guest stands still until its memory is protected */
	SAVE_DISKS_DONE,
};

#define SAVE_NODE_SIZE 32 /* of the name of a block node; QEMU's own limit is 31 bytes */

struct save_disks {
	enum save_disks_phase phase;
	struct disk_copy made[VM_DEF_IMAGE_MAX];      /* in the order of the description's disks */
	char nodes[VM_DEF_IMAGE_MAX][SAVE_NODE_SIZE]; /* QEMU's, of the images */
	size_t at;                              /* the disk at which a row of commands is */
	bool are_vars_right; /* the guest has not written to its firmware's variables since */
	uint64_t done, total;                   /* bytes, of all mirrors */
	uint64_t since_ms;                      /* of the loop's clock: when DONE grew last */
};

struct save {
	struct machine machine;
	TAILQ_ENTRY(save) link;
	struct saves *saves;
	enum save_kind kind;
	struct store_save row;
	struct save_detail detail;
	struct save_facts facts;
	struct vm_job job;
	bool holds_vm;
	bool is_cancelled; /* a person wants it to end */
	bool is_stopped;   /* we have stopped the guest */
	struct err error;  /* why it is rolled back; not set: it is not */
	char reason[ERR_MSG_SIZE];
	struct qmp_mig_info info;
	struct save_disks *disks; /* NULL: none are copied at the moment */
	int fd;               /* of the file, on its way to QEMU; -1: none */
	save_answer_fn *next; /* what follows a row of commands */
	struct loop_timer *tick;
	save_started_fn *started; /* NULL: answered */
	void *started_data;
};

TAILQ_HEAD(save_list, save);

struct saves {
	struct saves_env env;
	struct machines machines;
	struct save_list list; /* the newest first */
	struct worker *worker;
	bool is_closing;
};

extern const struct machine_state save_out_states[SAVE_STATE_COUNT];
extern const struct machine_state save_in_states[SAVE_STATE_COUNT];

struct save *save_of(struct machine *machine);
struct vm *save_vm(const struct save *save);     /* NULL: it is gone */
struct qemu *save_qemu(const struct save *save); /* NULL: none that lives */

/* ---- saves.c ---- */
/* Forgets those of the ended jobs that are too many: which ended first. */
void saves_trim(struct saves *saves);
/* What a restore of VM fills; 0: it is gone. */
uint64_t save_memory_mib(struct vm *vm);

/* ---- job.c ---- */
struct save *save_new(struct saves *saves, enum save_kind kind, const char *id);
bool save_hold_vm(struct save *save, struct vm *vm, struct err *err);
void save_release_vm(struct save *save);
void save_go(struct save *save, enum save_state to, const struct store_change *with);
/* Begins a rollback because of ERR, unless one has begun. */
void save_fail(struct save *save, const struct err *err);
/* What the record of the VM says when the job has come to its end. */
struct vm_saved save_outcome(const struct save *save);
void save_tell(const struct save *save);
void save_detail_decode(struct save *save);
/* The next look at QEMU; MS from now. */
void save_look_later(struct save *save, uint32_t ms);

/* ---- ask.c: QEMU and the worker ---- */
void save_ask(struct save *save, const char *command, struct json_object *args, save_answer_fn *fn);
/* Gives QEMU the file, and tells it to write the guest there, or to read it; then `has_begun'. */
void save_begin_migration(struct save *save);
/* Sets in QEMU what saves and restores want of its migration, then calls FN. */
void save_prepare_qemu(struct save *save, save_answer_fn *fn);
/* The contrary: takes back what could harm a later move, and the file. */
void save_tidy_qemu(struct save *save, save_answer_fn *fn);

struct save_task;
/* Runs on the worker. */
typedef bool save_work_fn(struct save_task *task, struct err *err);
/* On the loop, if the job is still in the state; ERR NULL: done. */
typedef void save_worked_fn(struct save *save, struct save_task *task, const struct err *err);
struct save_task {
	struct work work;
	struct saves *saves;
	char id[ID_UUID_SIZE];
	unsigned state;
	save_work_fn *fn;
	save_worked_fn *done;
	const char *dirs;
	char path[VM_DEF_PATH_SIZE];
	struct save_file head; /* owns its definition */
	struct save_former former;
	const char *qemu_img;
	struct disk_copy *made; /* as struct save_disks has it, or NULL */
	bool is_marked;
	int fd; /* -1: none */
	struct err err;
	bool ok;
};
void save_work(struct save *save, save_work_fn *fn, save_worked_fn *done);

/* ---- judge.c: what forbids it ---- */
/* Everything that forbids to restore HEAD, read from PATH, here; JOB: the restore that asks, or
 * NULL. */
bool save_judge(struct saves *saves, const struct restore_request *wish,
		const struct save_file *head, bool is_marked, const struct save *job,
		struct err *err);
/* The QEMU program of this host can read what HEAD says.  It may not have been asked before a first
 * one was started, and then save_judge() cannot tell. */
bool save_check_qemu(struct saves *saves, const struct save_file *head, struct err *err);
/* Everything that forbids to save VM as WISH says, but what the worker finds; FORMER is what it has
 * found at the name. */
bool save_check_vm(struct saves *saves, struct vm *vm, const struct save_request *wish,
		   const struct save_former *former, struct err *err);

/* ---- live.c: what a background snapshot cannot have -------------------------------- */
/* What VM has that would be newer than the memory in the file; "": nothing.  The caller frees
 * it. */
char *save_live_outside(struct vm *vm);
/* Why the QEMU of VM writes no background snapshot; "": it does, as far as it is known.  The caller
 * frees it. */
char *save_live_refused(const struct vm *vm);
/* BLOCKS: the answer to query-block.  CONFLICT: the guest may write to one of them, whatever the
 * definition says. */
bool save_live_check_blocks(struct json_object *blocks, const struct save_file *head,
			    struct err *err);
/* The block node of the image of disk ID; false: BLOCKS do not tell. */
bool save_disks_node(struct json_object *blocks, const char *id, char ret[SAVE_NODE_SIZE]);
/* What of DEF is neither in a file with HEAD nor beside it, as save_live_outside(). */
char *save_live_missing(const struct vm_def *def, const struct save_file *head);

/* ---- out_disks.c, out_disks_end.c: the disks of a background snapshot -------------------- */
#define SAVE_MIRROR_NAME_SIZE (VM_DEF_ID_SIZE + 8)
/* The id of the mirror of a disk, and the name of the block node of its target. */
void save_mirror_name(const char *disk_id, char ret[SAVE_MIRROR_NAME_SIZE]);
void save_disks_fail(struct save *save, const char *disk, const char *why);
/* After the worker: false if that failed with ERR, or the state has something else to do. */
bool save_disks_may_go_on(struct save *save, const struct err *err);
/* BLOCKS: the answer to query-block.  Copies the disks while the guest runs; when they are the
 * same, stops the guest, ends the copies, and begins the migration. */
void save_disks_begin(struct save *save, struct json_object *blocks);
/* What is to be done next about them; false: nothing, and QEMU's migration is to be looked at. */
bool save_disks_look(struct save *save);
/* The guest stands still, and may go on: its memory is write-protected, or written. */
bool save_disks_may_let_go(const struct save *save);
void save_disks_let_go(struct save *save);
/* The guest has stood still for too long without that: fails the save. */
bool save_disks_fail_if_held(struct save *save);
/* Ends what is left of the mirrors; then `is_clear', and a step. */
void save_disks_clear(struct save *save);
/* An event of QEMU that the disks wait for; it may fail the save. */
void save_disks_event(struct save *save, const struct qmp_event *event);

/* ---- out_vars.c: the variables of a guest's firmware, in its flash memory ---------------- */
/* Watches them from now on, if the guest has any, then begins the migration. */
void save_vars_watch(struct save *save);
/* QEMU has written all: false if they are to be looked at yet, which is done then; it may fail the
 * save. */
bool save_vars_are_right(struct save *save);
/* Watches them no more; FN follows. */
void save_vars_let_be(struct save *save, save_answer_fn *fn);

/* ---- out.c, out_end.c, in.c, in_back.c: the states ---- */
void save_out_enter_begin(struct machine *machine);
void save_out_enter_transfer(struct machine *machine);
void save_out_step_transfer(struct machine *machine);
void save_out_enter_seal(struct machine *machine);
void save_out_enter_end(struct machine *machine);
void save_out_step_end(struct machine *machine);
void save_out_enter_rollback(struct machine *machine);
void save_out_step_rollback(struct machine *machine);
void save_in_enter_begin(struct machine *machine);
void save_in_step_begin(struct machine *machine);
void save_in_enter_disks(struct machine *machine);
void save_in_enter_load(struct machine *machine);
void save_in_step_load(struct machine *machine);
void save_in_enter_claim(struct machine *machine);
void save_in_step_claim(struct machine *machine);
void save_in_enter_run(struct machine *machine);
void save_in_step_run(struct machine *machine);
void save_in_enter_rollback(struct machine *machine);
void save_in_step_rollback(struct machine *machine);
/* The tick of each kind: looks at QEMU. */
void save_out_look(struct save *save);
void save_in_look(struct save *save);

#endif
