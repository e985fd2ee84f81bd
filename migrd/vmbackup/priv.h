/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/priv.h -- shared by the files of migrd/vmbackup. */
#ifndef MIGRD_VMBACKUP_PRIV_H
#define MIGRD_VMBACKUP_PRIV_H

#include <sys/queue.h>

#include "base/work.h"
#include "machine/machine.h"
#include "qmp/block.h"
#include "vmbackup/files.h"
#include "vmbackup/vmbackup.h"

/* So long the storage of a target may take for what ends a backup; then it is left as it is. */
#define VMBACKUP_STORAGE_MS 30000

#define VMBACKUP_CAN_CANCEL MACHINE_OWN_FLAG(0)

enum vmbackup_state {
	VMBACKUP_STATE_BEGIN,
	VMBACKUP_STATE_COPY,
	VMBACKUP_STATE_CLOSE,
	VMBACKUP_STATE_SEAL,
	VMBACKUP_STATE_TIDY,
	VMBACKUP_STATE_ROLLBACK,
	VMBACKUP_STATE_DONE,
	VMBACKUP_STATE_CANCELLED,
	VMBACKUP_STATE_FAILED,
	VMBACKUP_STATE_COUNT,
};

/* What the present state has learnt; forgotten at each change of state. */
struct vmbackup_facts {
	bool is_asking;     /* QEMU was asked and has not answered */
	bool is_working;    /* a worker has a task of this state */
	bool is_freezing;   /* of `copy': the guest's agent was asked */
	bool has_begun;     /* of `copy': QEMU's jobs are there */
	bool is_clear;      /* QEMU has nothing of this backup any more that it is not to keep */
	bool is_over;       /* what the state is for is done */
	size_t at;          /* the disk at which a row of commands is */
	unsigned removals;  /* commands of a row that has no other end */
	uint64_t seen_done; /* bytes, of all jobs */
	uint64_t since_ms;  /* of the loop's clock: when that grew last */
};

struct vmbackup {
	struct machine machine;
	TAILQ_ENTRY(vmbackup) link;
	struct vmbackups *backups;
	struct store_vmbackup row;
	struct vmbackup_detail detail;
	struct vmbackup_facts facts;
	struct vm_job job;
	bool holds_vm;
	bool is_cancelled; /* a person, or a move, wants it to end: `why_cancelled' */
	char why_cancelled[ERR_MSG_SIZE];
	struct err error; /* why it is rolled back; not set: it is not */
	char reason[ERR_MSG_SIZE];
	struct loop_timer *tick;
	vmbackup_started_fn *started; /* NULL: answered */
	void *started_data;
};

TAILQ_HEAD(vmbackup_list, vmbackup);

struct vmbackups {
	struct vmbackups_env env;
	struct machines machines;
	struct vmbackup_list list; /* the newest first */
	struct worker *worker;
	bool is_closing;
};

extern const struct machine_state vmbackup_states[VMBACKUP_STATE_COUNT];

struct vmbackup *vmbackup_of(struct machine *machine);
struct vm *vmbackup_vm(const struct vmbackup *backup); /* NULL: it is gone */
/* NULL: none that lives, or the VM is not held any more. */
struct qemu *vmbackup_qemu(const struct vmbackup *backup);

/* ---- vmbackups.c ---- */
/* Forgets those of the ended jobs that are too many: which ended first. */
void vmbackups_trim(struct vmbackups *backups);

/* ---- job.c ---- */
struct vmbackup *vmbackup_new(struct vmbackups *backups, const char *id);
bool vmbackup_hold_vm(struct vmbackup *backup, struct vm *vm, struct err *err);
void vmbackup_release_vm(struct vmbackup *backup);
void vmbackup_go(struct vmbackup *backup, enum vmbackup_state to);
/* Begins a rollback because of ERR, unless one has begun. */
void vmbackup_fail(struct vmbackup *backup, const struct err *err);
/* It is cancelled, or its QEMU has ended: then it fails. */
bool vmbackup_has_lost(struct vmbackup *backup);
void vmbackup_tell(const struct vmbackup *backup);
void vmbackup_detail_decode(struct vmbackup *backup);
/* The next look at QEMU; MS from now. */
void vmbackup_look_later(struct vmbackup *backup, uint32_t ms);

/* ---- ask.c: QEMU and the worker ---- */
/* The answer to a command, if the job is still in the state in which it was sent.  ERR as of
 * qmp_command(). */
typedef void vmbackup_answer_fn(struct vmbackup *backup, struct json_object *result,
				const struct err *err);
void vmbackup_ask(struct vmbackup *backup, const char *command, struct json_object *args,
		  vmbackup_answer_fn *fn);
/* query-named-block-nodes, flat. */
void vmbackup_ask_nodes(struct vmbackup *backup, vmbackup_answer_fn *fn);

struct vmbackup_task;
/* Runs on the worker. */
typedef bool vmbackup_work_fn(struct vmbackup_task *task, struct err *err);
/* On the loop, if the job is still in the state; ERR NULL: done. */
typedef void vmbackup_worked_fn(struct vmbackup *backup, const struct vmbackup_task *task,
				const struct err *err);
struct vmbackup_task {
	struct work work;
	struct vmbackups *backups;
	char id[ID_UUID_SIZE];
	unsigned state;
	vmbackup_work_fn *fn;
	vmbackup_worked_fn *done;
	struct vmbackup_place place;
	struct vmbackup_detail *detail; /* a copy */
	struct err err;
	bool ok;
};
void vmbackup_work(struct vmbackup *backup, vmbackup_work_fn *fn, vmbackup_worked_fn *done);

/* ---- look.c: what QEMU says of the disks; pure ---- */
#define VMBACKUP_JOB_SIZE (VM_DEF_ID_SIZE + 8)
/* The id of QEMU's job of a disk, and the name of the block node of its target. */
void vmbackup_job_name(const char *disk_id, char ret[VMBACKUP_JOB_SIZE]);
#define VMBACKUP_BITMAP_SIZE 96
/* The bitmap that notes what changes of a disk after the backup ID. */
void vmbackup_bitmap_name(const char *id, const char *disk_id, char ret[VMBACKUP_BITMAP_SIZE]);
/* NAME is such a bitmap of the disk; RET_ID gets the id of the backup. */
bool vmbackup_bitmap_of(const char *name, const char *disk_id, char ret_id[ID_UUID_SIZE]);
/* Fills DETAIL's disks, of those that WISH wants of DEF, from the answers to query-block and
 * query-named-block-nodes; of an incremental backup also the bitmaps that may be gone by. */
bool vmbackup_look_at(const struct vm_def *def, const struct vmbackup_request *wish,
		      struct json_object *blocks, struct vmbackup_detail *detail, struct err *err);
bool vmbackup_look_at_nodes(struct json_object *nodes, struct vmbackup_detail *detail,
			    struct err *err);

/* ---- begin.c, copy.c, close.c, end.c: the states ---- */
void vmbackup_enter_begin(struct machine *machine);
void vmbackup_step_begin(struct machine *machine);
void vmbackup_enter_copy(struct machine *machine);
void vmbackup_step_copy(struct machine *machine);
void vmbackup_look_copy(struct vmbackup *backup);
void vmbackup_event_copy(struct vmbackup *backup, const struct qmp_event *event);
void vmbackup_enter_close(struct machine *machine);
void vmbackup_step_close(struct machine *machine);
void vmbackup_enter_seal(struct machine *machine);
void vmbackup_step_seal(struct machine *machine);
void vmbackup_enter_tidy(struct machine *machine);
void vmbackup_step_tidy(struct machine *machine);
void vmbackup_enter_rollback(struct machine *machine);
void vmbackup_step_rollback(struct machine *machine);
void vmbackup_look_end(struct vmbackup *backup);

#endif
