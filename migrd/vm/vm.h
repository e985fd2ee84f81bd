/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/vm.h -- the VMs of this host: what they are, and who works on them.
 *
 * A VM is `owned' (this host may run it), `incoming' (a move is bringing it; it never
 * runs before the move makes it owned) or `was-here' (an old record: another host has
 * it with a higher generation; it never runs here, and can be deleted).  Its
 * definition, generation and intent are on disk before they count.
 *
 * Two slots say who may use the monitor: the sync job (one short action: start, pause,
 * ...) and the async job (a move), which says which sync jobs it allows.  Reads need
 * neither.  vm/entry.h is the way in.
 *
 * Thread: loop.  Pointers to a VM are good until the callback returns: keep the uuid,
 * and find the VM again.
 */
#ifndef MIGRD_VM_VM_H
#define MIGRD_VM_VM_H

#include <stdint.h>

#include "base/err.h"
#include "qemu/qemu.h"
#include "store/store.h"
#include "wire/vm_def.h"

struct vms;
struct vm;

enum vm_role { VM_ROLE_OWNED, VM_ROLE_INCOMING, VM_ROLE_FORMER, VM_ROLE_COUNT };
/* What the user last asked for. */
enum vm_intent { VM_INTENT_STOPPED, VM_INTENT_STARTED, VM_INTENT_PAUSED, VM_INTENT_COUNT };

struct vms_env {
	struct qemu_env qemu;
	struct store *store;
	uint32_t monitor_wait_ms; /* usual deadline of vm_enter() */
	uint64_t memory_reserve_mib; /* to stay free on the host (vm/admission.h) */
	/* Something that shows in the API changed; VM is NULL when it is gone. */
	void (*changed)(void *data, const char *name, const struct vm *vm);
	/* An event of its QEMU; LEFT_OUT others of that VM were not told before it
	 * (vm/events.h).  NULL: nobody wants to know. */
	void (*event)(void *data, const struct vm *vm, const struct qmp_event *event,
		      unsigned left_out);
	void *data;
};

/* Called once, on the loop, never from inside the call. */
typedef void vm_done_fn(void *data, const struct err *err);
/* Calls FN with ERR from the loop, for a caller that must not hear of it from inside
 * its call. */
void vms_fail_later(struct vms *vms, vm_done_fn *fn, void *data, const struct err *err);

struct vms *vms_new(const struct vms_env *env);
/* Lets go of every QEMU; they run on.  What waits for a look at the host is answered; answers of
 * the store that still come find no VM. */
void vms_clear(struct vms *vms);
/* Call when the store is closed, so that no answer can come any more. */
void vms_free(struct vms *vms);

/* Takes the rows of the store (freeing them) and finds every QEMU again; DONE
 * when all have answered or are known to be gone. */
void vms_add_row(struct vms *vms, struct store_vm *row);
void vms_recover(struct vms *vms, vm_done_fn *done, void *data);
/* After the jobs were recovered: brings every VM that no job holds to what was
 * last asked for (an interrupted start, stop, pause or resume is finished), and
 * removes the files of those that this host does not have any more. */
void vms_settle(struct vms *vms);
/* The same if the records may be old: the intent of each VM becomes what its QEMU does,
 * so that no guest is resumed or ended because of an old record. */
void vms_settle_found(struct vms *vms);

struct vm *vm_find(struct vms *vms, const char *name);
struct vm *vm_find_uuid(struct vms *vms, const char *uuid);
/* The next VM in the order of names; AFTER may be NULL. */
struct vm *vm_next(struct vms *vms, const char *after);

/* ---- what the user does ---------------------------------------------- */

/* DEF must be decoded and normalized. EXISTS for a name or uuid that is taken; CONFLICT when
 * vm_has_stray_qemu(). */
void vm_create(struct vms *vms, const struct vm_def *def, vm_done_fn *done, void *data);

/* Makes a VM of a foreign QEMU that is ready (qemu_attach_foreign()), with its monitor
 * at the path MONITOR.  Its intent is what the guest does now, run or pause.  DEF as
 * for vm_create().  QEMU belongs to the VM from here on; on an error it is let go. */
void vm_adopt(struct vms *vms, const struct vm_def *def, struct qemu *qemu, const char *monitor,
	      vm_done_fn *done, void *data);

enum vm_action {
	VM_ACTION_START,
	VM_ACTION_STOP,
	VM_ACTION_PAUSE,
	VM_ACTION_RESUME,
	VM_ACTION_RESET,
	VM_ACTION_SHUTDOWN, /* asks the guest; it may take its time or ignore it */
	VM_ACTION_DELETE,
	VM_ACTION_COUNT
};
const char *vm_action_name(enum vm_action action);

/* Waits for its turn (vm/entry.h), whose errors it may give: CONFLICT when the
 * VM's state forbids it, BUSY when a job does. */
void vm_act(struct vm *vm, enum vm_action action, vm_done_fn *done, void *data);

/* ---- what there is to know ------------------------------------------- */

const char *vm_name(const struct vm *vm);
const char *vm_uuid(const struct vm *vm);
/* "stopped", "starting", "running", "paused", "incoming", "crashed", "unreachable",
 * "was-here", or QEMU's own name of a rarer run state. */
const char *vm_state(const struct vm *vm);
const char *vm_reason(const struct vm *vm); /* why it is in that state, or "" */
/* Why its QEMU ends or has ended, as far as its events told; NULL: they did not. */
const char *vm_end_reason(const struct vm *vm);
enum vm_role vm_role(const struct vm *vm);
enum vm_intent vm_intent(const struct vm *vm);
uint64_t vm_generation(const struct vm *vm);
const char *vm_definition(const struct vm *vm); /* JSON */
/* Its labels as wire/labels.h keeps them; "": none.  Read once for each definition, and good until
 * that changes. */
const char *vm_labels(struct vm *vm);
/* The definition as a struct, decoded once and kept until QEMU has ended; owned by the
 * VM, good until the callback returns.  NULL and ERR: it was written by a version with
 * other rules. */
const struct vm_def *vm_def_of(struct vm *vm, struct err *err);
/* Copies the definition to RET, where it may be changed. */
bool vm_copy_definition(struct vm *vm, struct vm_def *ret, struct err *err);
struct qemu *vm_qemu(const struct vm *vm);      /* NULL: none */
/* The sockets at which its QEMU passes a user on to the guest's console, and shows its display; the
 * caller frees them.  NULL and CONFLICT: it has none, or does not run. */
char *vm_console_path(struct vm *vm, struct err *err);
char *vm_vnc_path(struct vm *vm, struct err *err);
bool vm_is_active(const struct vm *vm);         /* its QEMU is there and answers */
bool vm_is_stopped(const struct vm *vm);        /* it is ours, without QEMU, and to be stopped */
bool vm_is_busy(const struct vm *vm);           /* a sync job that is more than a query holds it */
const struct store_vm *vm_row(const struct vm *vm);

/* Text that the API has made of the VM, kept and freed with it.  TEXT is right while
 * KEY is equal to what TEXT was made of. */
struct vm_kept {
	char *key; /* bytes, see api/vm_summary.c */
	char *text;
	size_t len;
};
struct vm_kept *vm_kept(struct vm *vm);

/* ---- for the async job ----------------------------------------------- */

struct vm_job {
	char id[ID_UUID_SIZE];
	const char *kind; /* "MIGRATION_OUT", "MIGRATION_IN" */
	uint32_t allowed; /* sync jobs it allows now: bits of enum vm_sync */
	bool is_of_stopped; /* the VM counts as stopped: its QEMU is there for the job alone */
	uint64_t since_ms;
	void (*event)(void *data, const struct qmp_event *event);
	void (*exited)(void *data); /* QEMU has ended; the VM still has it to look at */
	/* Asks the job to end soon, since something more urgent wants the VM, WHY; may be called
	 * again.  NULL: it does not, and is waited for. */
	void (*give_way)(void *data, const char *why);
	void *data;
};

/* BUSY when there is one already, or when JOB does not allow the sync job that holds
 * the slot.  JOB stays the caller's until vm_job_end(). */
bool vm_job_begin(struct vm *vm, struct vm_job *job, struct err *err);
void vm_job_end(struct vm *vm, struct vm_job *job);
const struct vm_job *vm_job(const struct vm *vm);

/* A VM that a move is bringing: in memory only, the move commits vm_row(). */
struct vm *vm_new_incoming(struct vms *vms, const struct vm_def *def, uint64_t generation,
			   struct err *err);
/* Starts its QEMU with -incoming defer.  The pid is in vm_row() at once, or when DONE
 * is called if QEMU had to be asked first what it offers (qemu/probe.h). */
void vm_launch_incoming(struct vm *vm, vm_done_fn *done, void *data);
/* Starts the QEMU of a stopped VM for its job, which must be `is_of_stopped': the guest does
 * not run, and a restart finds that the VM is to be stopped.  The taps were checked. */
void vm_launch_stopped(struct vm *vm, vm_done_fn *done, void *data);
/* Makes the VM ours; call it after the record that says so is on disk. */
void vm_promote(struct vm *vm, uint64_t generation, enum vm_intent intent);
/* An answer told the run state: notes it, in case its event never comes. */
void vm_note_run_state(struct vm *vm, enum qmp_run_state state);
/* Appends QEMU's last words to ERR's text. */
void vm_explain_end(const struct vm *vm, struct err *err);
/* The row that vm_promote() will make, to be committed before; borrowed strings. */
struct store_vm vm_promoted_row(const struct vm *vm, uint64_t generation, enum vm_intent intent);
/* Call after the VM's row was deleted: ends what is left of it here, files included.
 * This also releases the VM from the job that holds it. */
void vm_forget(struct vm *vm);

/* ---- where it was and is (former.c) ------------------------------------ */

/* The hosts of the record: where the VM came from, and where it was offered to since.
 * The caller of vm_note_host() writes the row: with the first record of the move, or at
 * the start. */
bool vm_knows_host(const struct vm *vm, const char *host);
void vm_note_host(struct vm *vm, const char *host);
void vm_forget_host(struct vm *vm, const char *host);
/* Walks the hosts; AT begins as NULL.  A VM that had too many hosts to list gives none,
 * and then vm_knows_host() is true of all. */
bool vm_next_host(const struct vm *vm, const char **at, char ret_host[ID_NAME_SIZE]);
/* HOST has the VM with the higher GENERATION: here it is `was-here' from now on.  The
 * caller has made sure that no job holds it.  A QEMU here that has given its guest away
 * is ended; any other is left alone. */
void vm_give_up(struct vm *vm, const char *host, uint64_t generation);
/* HOST asked for the VM, or has something of it: from now on HOST must answer before a
 * start.  On disk when DONE (may be NULL) is called; after an error HOST stays in memory, but
 * vm_has_recorded_host() is false until it is on disk. */
bool vm_has_recorded_host(const struct vm *vm, const char *host);
void vm_record_host(struct vm *vm, const char *host, store_done_fn *done, void *data);
/* A start is asking the peers whether they have the VM, or runs it by their answers: a
 * peer that asks meanwhile is told `starting'.  Several starts may ask at once; each
 * says false at its end. */
void vm_note_asking(struct vm *vm, bool is_asking);
/* No job holds the VM, and its QEMU has sent the guest away, or never let it run. */
bool vm_holds_copy(const struct vm *vm);
/* vm_holds_copy() because of a move that the records do not know, noticed by
 * vms_settle_found(): the guest may have run elsewhere since.  It is never resumed;
 * `stop' and `start' boot it from its disks. */
bool vm_is_sent_away(const struct vm *vm);
/* What the QEMU program of this host offers; NULL: it was not asked yet, and is asked now. */
const struct transfer_features *vms_migration_features(struct vms *vms);
/* The QEMU of this host has the machine and the accelerator of DEF, as far as it was asked. */
bool vms_may_run(struct vms *vms, const struct vm_def *def, struct err *err);
/* The QEMU program of this host, as configured. */
const char *vms_qemu_binary(const struct vms *vms);
/* vm_new_incoming() would make a record of DEF.  Changes nothing. */
bool vm_may_come(struct vms *vms, const struct vm_def *def, uint64_t generation, struct err *err);
/* Whether a QEMU listens on the monitor's socket of this VM, whatever the records say. */
bool vms_has_listener(const struct vms *vms, const char *uuid);

/* ---- for the check of the host ---------------------------------------- */

/* There is no QEMU, or its guest provably never ran. */
bool vm_never_ran(const struct vm *vm);
/* A QEMU lives in the run directory of a VM that this host has no record of: the
 * database is new, or an older one was put back. */
bool vm_has_stray_qemu(struct vms *vms, const char *uuid);
/* False and ERR: its row has a word that this version does not know. */
bool vm_row_is_known(const struct vm *vm, struct err *err);
/* Removes what is left of an incoming VM that no move brings, its row too. */
void vm_discard(struct vm *vm);

#endif
