/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/vm_priv.h -- shared by the files that make up a VM. */
#ifndef MIGRD_VM_VM_PRIV_H
#define MIGRD_VM_VM_PRIV_H

#include <sys/queue.h>

#include "vm/events.h"
#include "vm/parts.h"
#include "vm/rx_filter.h"
#include "vm/vm.h"

struct action_run;
struct vm_agent;
struct vm_entry;
struct vm_detach;
struct vm_medium;

TAILQ_HEAD(vm_entries, vm_entry);

struct vm {
	struct vms *vms;
	struct vm *next; /* by name */
	struct store_vm row;
	enum vm_role role;
	enum vm_intent intent;
	struct qemu *qemu;
	struct vm_def *def;     /* vm_def_of(); NULL: nobody has asked, or it cannot be decoded */
	struct vm_agent *agent; /* NULL: no channel, or no QEMU of ours */
	bool is_ready;          /* its QEMU has answered */
	char reason[ERR_MSG_SIZE];
	struct vm_events events;
	struct vm_rx rx;
	struct loop_timer *again; /* of a refused cont, see vm/still.h; NULL: never needed */
	uint32_t again_ms;
	struct vm_job *job;
	struct vm_entry *holder;    /* of the sync slot */
	struct vm_entries entries;  /* that wait for it, or for their refusal */
	unsigned waiting;           /* of those */
	struct action_run *action;  /* the holder, if it is an action */
	struct vm_medium *medium;   /* the holder, while it waits for a tray */
	struct vm_detach *detaches; /* that wait for the guest */
	unsigned asking;            /* vm_note_asking() */
	bool owes_record;           /* its row is not on disk as it is here: vm_owe_record() */
	bool look_waits;            /* an entry of vm_devices_look() */
	bool look_is_owed;          /* when the job has ended */
	bool look_is_wanted;        /* at the end of the pause */
	struct loop_timer *look_pause; /* between looks that a guest can cause; NULL: never needed */
	vm_done_fn *launched;       /* of vm_launch_incoming() and of a start */
	void *launched_data;
	struct vm_kept kept;
	struct noise *noise; /* vm_may_log(); NULL: never needed */
};

struct vms {
	struct vms_env env;
	struct worker *net; /* changes the host's network, in order */
	struct vm *list;
	void *by_name, *by_uuid; /* trees of search.h, of vm.row.name and vm.row.uuid */
	struct loop_timer *owed; /* the next try to write what is owed to the disk */
	bool is_settling;        /* from vms_recover() to vms_settle() */
	void (*finish)(struct vm *vm); /* what vms_settle() does to each, and to late ones */
	unsigned recovering;     /* QEMUs that have not answered yet */
	vm_done_fn *recovered;
	void *recovered_data;
};

/* As they are stored. */
extern const char *const vm_role_names[VM_ROLE_COUNT];
extern const char *const vm_intent_names[VM_INTENT_COUNT];

struct vm *vm_add(struct vms *vms, const struct store_vm *row);
void vm_remove(struct vm *vm);
void vm_changed(const struct vm *vm);
/* Of records that guest and QEMU can cause as fast as they like (base/noise.h): WHAT is
 * the record's area and event, and what else tells it from others. */
bool vm_may_log(struct vm *vm, const char *what);
void vm_set_intent(struct vm *vm, enum vm_intent intent);
/* Writes the row; DONE may be NULL. */
void vm_save(struct vm *vm, store_done_fn *done, void *data);
/* What was done counts although the disk did not take its record: it is written as
 * soon as there is room. */
void vm_owe_record(struct vm *vm);
/* The timer's callback. */
void vms_write_owed(void *vms);
/* Its definition is decoded again when somebody asks. */
void vm_forget_def(struct vm *vm);
/* Answers who waits for the QEMU of a VM that is no more. */
void vm_leave_waiting(struct vm *vm);
/* Starts the QEMU; LAUNCHED is called when it is ready or has failed. */
void vm_launch(struct vm *vm, bool incoming, vm_done_fn *launched, void *data);
/* A start is under way: in the row until a QEMU is, so that a restart can tell it
 * from a QEMU that was there and has ended. */
void vm_note_starting(struct vm *vm, bool is_starting);
/* A foreign QEMU becomes this VM's. */
void vm_take_qemu(struct vm *vm, struct qemu *qemu, const char *monitor);
/* The reason of a VM that was here. */
void vm_say_former(struct vm *vm);
/* Ends the QEMU of a VM that was here, if that has given its guest away. */
void vm_end_former(struct vm *vm);
/* Of a record that may be old: what its QEMU does is what is wanted of it, unless it has
 * sent its guest away. */
void vm_follow_found(struct vm *vm);
/* The QEMU has ended, or was let go: forget it. */
void vm_drop_qemu(struct vm *vm);
/* A QEMU's exited(). */
void vm_qemu_exited(void *vm);
/* The QEMU was to end: somebody asked to stop the VM. */
bool vm_action_is_stop(const struct vm *vm);
void vm_action_end(void *data, const struct err *err);
/* A store_done_fn: the QEMU of the action DATA has ended, whatever the disk says. */
void vm_action_stopped(void *data, const struct err *err);
/* Answers every entry that needs a QEMU, for there is none any more. */
void vm_entries_qemu_ended(struct vm *vm);
/* Answers all; the holder keeps its entry, and finds no VM. */
void vm_entries_let_go(struct vm *vm);
/* Starts an action without a caller, to finish what a crash interrupted. */
void vm_finish_interrupted(struct vm *vm);

#endif
