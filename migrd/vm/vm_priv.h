/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/vm_priv.h -- shared by the files that make up a VM. */
#ifndef MIGRD_VM_VM_PRIV_H
#define MIGRD_VM_VM_PRIV_H

#include <sys/queue.h>

#include "vm/admission.h"
#include "vm/announce.h"
#include "vm/dirty.h"
#include "vm/events.h"
#include "vm/parts.h"
#include "vm/rx_filter.h"
#include "vm/vm.h"

struct action_run;
struct vm_agent;
struct vm_entry;
struct vm_detach;
struct vm_medium;
struct vm_stats_kept;

TAILQ_HEAD(vm_entries, vm_entry);

struct vm {
	struct vms *vms;
	struct vm *next; /* by name */
	struct store_vm row;
	enum vm_role role;
	enum vm_intent intent;
	unsigned intent_no; /* so often it was set */
	struct qemu *qemu;
	struct vm_def *def;     /* vm_def_of(); NULL: nobody has asked, or it cannot be decoded */
	char *labels;           /* vm_labels(); NULL: nobody has asked */
	struct vm_agent *agent; /* NULL: no channel, or no QEMU of ours */
	bool is_ready;          /* its QEMU has answered */
	bool is_awaiting;       /* its QEMU was started to take a guest over */
	char reason[ERR_MSG_SIZE];
	struct vm_events events;
	struct vm_rx rx;
	struct vm_announce announce;
	struct loop_timer *again; /* repeats a refused cont, see vm/still.h; NULL: never needed */
	uint32_t again_ms;
	struct vm_job *job;
	struct vm_entry *holder;    /* of the sync slot */
	struct vm_entries entries;  /* that wait for it, or for their refusal */
	unsigned waiting;           /* length of `entries' */
	struct action_run *action;  /* the holder, if it is an action */
	struct vm_medium *medium;   /* the holder, while it waits for a tray */
	struct vm_detach *detaches; /* that wait for the guest */
	unsigned asking;            /* vm_note_asking() */
	bool owes_record;           /* the row on disk is older: vm_owe_record() */
	unsigned hosts_no, hosts_saved_no; /* how often a host was added to the record; and when
					    * vm_record_host() wrote it last */
	bool look_waits;            /* vm_devices_look() waits for the slot */
	bool look_is_owed;          /* a look is due when the job has ended */
	bool look_is_wanted;        /* a look is due at the end of the pause */
	struct loop_timer *look_pause; /* between looks that a guest causes; NULL: never needed */
	vm_done_fn *launched;       /* of vm_launch_incoming() and of a start */
	void *launched_data;
	struct vm_dirty dirty;        /* the last sample of its QEMU */
	struct vm_sampling *sampling; /* NULL: none is being taken */
	struct vm_stats_kept *stats;  /* NULL: nobody has asked for them */
	struct vm_kept kept;
	char leaving_name[ID_NAME_SIZE]; /* vm/rename.h: that it had until its record is on disk; ""
					  */
	struct noise *noise; /* vm_may_log(); NULL: never needed */
};

struct vms_promise {
	vms_promised_fn *fn;
	void *data;
};

struct vms {
	struct vms_env env;
	struct vms_promise promises[VMS_PROMISES_MAX];
	size_t promise_count;
	struct worker *net; /* changes the host's network, in order */
	struct worker *files; /* makes what a guest needs in the host's storage */
	struct worker *stats; /* reads what the kernel has counted */
	struct vm *list;
	unsigned leaving;        /* VMs with a leaving_name */
	void *by_name, *by_uuid; /* trees of search.h, of vm.row.name and vm.row.uuid */
	struct loop_timer *owed; /* for the next try to write owed records */
	bool is_settling;        /* from vms_recover() to vms_settle() */
	void (*finish)(struct vm *vm); /* done to each VM by vms_settle(), to late ones by
					* on_found() */
	unsigned recovering;     /* QEMUs that have not answered yet */
	vm_done_fn *recovered;
	void *recovered_data;
};

/* The names as they are stored. */
extern const char *const vm_role_names[VM_ROLE_COUNT];
extern const char *const vm_intent_names[VM_INTENT_COUNT];

/* The private directory of its QEMU (qemu/qemu.h). */
struct vm_place {
	char name[QEMU_PLACE_SIZE];
};
struct vm_place vm_place(const struct vm *vm);
struct vm *vm_add(struct vms *vms, const struct store_vm *row);
void vm_remove(struct vm *vm);
/* In the row, the list and the tree; NAME must be free, and the caller writes the row. */
void vm_set_name(struct vm *vm, const char *name);
void vm_changed(const struct vm *vm);
/* Limits log records that guest and QEMU can cause as fast as they like (base/noise.h):
 * WHAT is the record's area and event, and what else tells it from others. */
bool vm_may_log(struct vm *vm, const char *what);
void vm_set_intent(struct vm *vm, enum vm_intent intent);
/* Writes the row; DONE may be NULL. */
void vm_save(struct vm *vm, store_done_fn *done, void *data);
/* What was done stays done although its record could not be written: the write is
 * repeated until it succeeds. */
void vm_owe_record(struct vm *vm);
/* Frees the decoded definition; vm_def_of() decodes it again. */
void vm_forget_def(struct vm *vm);
/* Answers everybody who waits for the QEMU of a VM that goes away. */
void vm_leave_waiting(struct vm *vm);
/* Starts the QEMU; LAUNCHED is called when it is ready or has failed. */
void vm_launch(struct vm *vm, bool incoming, vm_done_fn *launched, void *data);
/* vm/boot.c: at the start of the coordinator: if the host was booted since the VM was seen, it may
 * be to be started; but not by a record that MAY_BE_OLD, which tells nothing of boots.  True: the
 * caller writes the row. */
bool vm_see_boot(struct vm *vm, bool may_be_old);
/* Notes in the row that a start is under way, until a QEMU is recorded: so a restart
 * can tell it from a QEMU that was there and has ended. */
void vm_note_starting(struct vm *vm, bool is_starting);
/* A foreign QEMU becomes this VM's. */
void vm_take_qemu(struct vm *vm, struct qemu *qemu, const char *monitor);
/* Sets the reason of a VM that was here. */
void vm_say_former(struct vm *vm);
/* Ends the QEMU of a VM that was here, if it has given its guest away. */
void vm_end_former(struct vm *vm);
/* The record may be old: its intent becomes what QEMU does.  A guest that was sent away
 * counts as paused, and is marked: vm_is_sent_away(). */
void vm_follow_found(struct vm *vm);
/* A QEMU's exited(). */
void vm_qemu_exited(void *vm);
/* Of the QEMU of VM. */
struct qemu_callbacks vm_qemu_callbacks(struct vm *vm);
/* The stop that waits for the end of QEMU, or NULL.  From here vm_action_stopped() ends it. */
struct action_run *vm_action_take_stop(struct vm *vm);
/* Ends a stop that waits for the end of QEMU. */
void vm_action_let_go(struct vm *vm, const struct err *err);
/* A store_done_fn: ends the stop DATA, whose QEMU has ended, even if the record was
 * not written. */
void vm_action_stopped(void *data, const struct err *err);
/* Refuses every waiting entry that needs a QEMU, since there is none any more. */
void vm_entries_qemu_ended(struct vm *vm);
/* Refuses all entries that wait; the holder keeps its entry, and finds no VM. */
void vm_entries_let_go(struct vm *vm);
/* Starts an action without a caller, to finish what a crash interrupted. */
void vm_finish_interrupted(struct vm *vm);
/* The same of a stop that was asked for beside a job, when that has ended, unless the records may
 * be old. */
void vm_finish_stop(struct vm *vm);

#endif
