/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back of a refresh: the new QEMU ends first, and then the guest goes on in the old one. */
#include <string.h>

#include "base/log.h"
#include "refresh/priv.h"
#include "vm/still.h"
#include "vm/swap.h"

#define LOOK_MS 100

static struct proc_id recorded(const struct refresh *refresh)
{
	return (struct proc_id){ (pid_t)refresh->detail.pid, refresh->detail.start_time };
}

void refresh_end_beside(struct refresh *refresh)
{
	const struct qemu_callbacks cb = refresh_beside_callbacks(refresh);
	struct vm *vm = refresh_vm(refresh);

	if (refresh->facts.is_ending || refresh->is_beside_gone)
		return;
	refresh->facts.is_ending = true;
	if (refresh->beside)
		qemu_kill(refresh->beside);
	else if (vm)
		refresh->beside = vm_end_beside(vm, recorded(refresh), &cb);
	else
		refresh->is_beside_gone = true;
}

/* ---- the old QEMU -------------------------------------------------------------------- */

static void end_rollback(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);

	if (vm)
		vm_remove_beside(vm);
	refresh_go(refresh,
		   refresh->error.code == ERR_CANCELLED ? REFRESH_STATE_CANCELLED
							: REFRESH_STATE_FAILED,
		   NULL);
}

static void over(struct refresh *refresh)
{
	refresh->facts.is_over = true;
	machine_step(&refresh->machine);
}

/* ERR: the command has not reached QEMU, or its answer has not come.  All of it is done again, as
 * nobody else would let the guest go on. */
static bool must_look_again(struct refresh *refresh, const struct err *err)
{
	if (!err || err->code == ERR_QEMU)
		return false;
	err_text(refresh->reason,
		 "the old QEMU does not answer (a stop of the VM ends it, and this job): %s",
		 err->msg);
	refresh_tell(refresh);
	refresh->facts.is_tidied = false;
	refresh_look_later(refresh, LOOK_MS);
	return true;
}

/* If QEMU refuses, the end of the job tries it again. */
static void on_continued(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	(void)result;
	if (must_look_again(refresh, err))
		return;
	if (err)
		log_warning("refresh", "cont", "refresh=%s error=%s", refresh->row.id, err->msg);
	over(refresh);
}

static void on_images(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	struct err lost;

	if (!err && !vm_check_images(result, &lost))
		on_continued(refresh, NULL, &lost);
	else if (err)
		on_continued(refresh, NULL, err);
	else
		refresh_ask(refresh, REFRESH_SIDE_VM, "cont", NULL, on_continued);
}

static void on_status(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	struct vm *vm = refresh_vm(refresh);
	enum qmp_run_state run = err ? QMP_RUN_UNKNOWN : qmp_run_state_decode(result);
	const struct refresh_seen *seen = &refresh->facts.seen[REFRESH_SIDE_VM];
	bool needs_cont = run != QMP_RUN_RUNNING ||
			  qemu_may_lack_images(refresh_qemu(refresh), seen->migration);
	struct err why;

	if (must_look_again(refresh, err))
		return;
	if (!err)
		vm_note_run_state(vm, run);
	if (!err && run != QMP_RUN_RUNNING && !refresh_taps_restore(refresh, &why))
		log_warning("refresh", "taps", "refresh=%s error=%s", refresh->row.id, why.msg);
	if (!err && needs_cont && vm_intent(vm) == VM_INTENT_STARTED)
		refresh_ask(refresh, REFRESH_SIDE_VM, "query-block", NULL, on_images);
	else
		over(refresh);
}

static void on_tidied(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	(void)result;
	if (must_look_again(refresh, err))
		return;
	if (err)
		log_warning("refresh", "tidy", "refresh=%s error=%s", refresh->row.id, err->msg);
	refresh->facts.is_tidied = true;
	refresh_ask(refresh, REFRESH_SIDE_VM, "query-status", NULL, on_status);
}

static void on_cancel_sent(struct refresh *refresh, struct json_object *result,
			   const struct err *err)
{
	(void)result;
	if (err) /* or it comes a second time, which does no harm */
		refresh->facts.seen[REFRESH_SIDE_VM].has_begun = false;
	refresh_look_later(refresh, LOOK_MS);
}

static bool is_over(enum qmp_mig_state state)
{
	return state == QMP_MIG_NONE || state == QMP_MIG_CANCELLED || state == QMP_MIG_COMPLETED ||
	       state == QMP_MIG_FAILED;
}

static void on_info(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	struct refresh_seen *seen = &refresh->facts.seen[REFRESH_SIDE_VM];

	if (!err)
		refresh->reason[0] = '\0';
	refresh_note_migration(refresh, REFRESH_SIDE_VM, result, err);
	if (!err && is_over(seen->migration)) {
		refresh_tidy(refresh, on_tidied);
	} else if (!err && !seen->has_begun) { /* here: the cancel was sent */
		seen->has_begun = true;
		refresh_ask(refresh, REFRESH_SIDE_VM, "migrate_cancel", NULL, on_cancel_sent);
	} else if (!must_look_again(refresh, err)) {
		refresh_look_later(refresh, LOOK_MS);
	}
}

/* ---- rollback -------------------------------------------------------------------------- */

/* The records may be older than a refresh that has ended, if the old QEMU is gone after a restart:
 * then the one beside may run the guest.  It is left alone, and the check of the host shows it. */
static bool may_end_beside(const struct refresh *refresh)
{
	return refresh->beside || refresh_qemu(refresh);
}

void refresh_enter_rollback(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	if (may_end_beside(refresh))
		refresh_end_beside(refresh);
	else
		refresh->is_beside_gone = true;
	refresh_look_later(refresh, 0);
}

void refresh_look_back(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);
	const struct refresh_facts *facts = &refresh->facts;

	if (refresh->is_beside_gone && !facts->is_over && refresh_qemu(refresh)) {
		if (!vm_is_active(vm))
			refresh_look_later(refresh, LOOK_MS); /* until its monitor answers */
		else if (!facts->seen[REFRESH_SIDE_VM].is_asked && !facts->is_tidied)
			refresh_ask(refresh, REFRESH_SIDE_VM, "query-migrate", NULL, on_info);
	}
	machine_step(&refresh->machine);
}

void refresh_step_rollback(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	refresh_allow(refresh);
	if (!refresh->is_beside_gone)
		return;
	if (refresh->facts.is_over || !refresh_qemu(refresh)) {
		if (refresh_tpm_is_removed(refresh))
			end_rollback(refresh);
	} else if (!refresh->facts.seen[REFRESH_SIDE_VM].is_asked && !refresh->facts.is_tidied &&
		   !refresh->facts.seen[REFRESH_SIDE_VM].has_begun) {
		refresh_look_later(refresh, 0);
	}
}
