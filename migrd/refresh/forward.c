/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first half of a refresh: the new QEMU is started, and both are told. */
#include <inttypes.h>
#include <unistd.h>

#include "base/mem.h"
#include "refresh/priv.h"
#include "vm/entry.h"
#include "vm/swap.h"

/* A new QEMU waits for memory 80 to 250 ms after its start. */
#define SOCKET_LOOK_MS 20
#define TELL_TRIES     20
/* Of a guest that stands still until the new QEMU is there, which takes some 100 ms. */
#define STILL_MS 10000

const struct refresh_way_row *refresh_way(const struct refresh *refresh)
{
	return &refresh_ways[refresh->detail.way];
}

bool refresh_fail_if_cancelled(struct refresh *refresh)
{
	struct err err;

	if (!refresh->is_cancelled)
		return false;
	err_set(&err, ERR_CANCELLED, "cancelled on request");
	refresh_fail(refresh, &err);
	return true;
}

bool refresh_fail_if_gone(struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);
	struct err err;

	if (!refresh_qemu(refresh)) {
		err_set(&err, ERR_QEMU, "the QEMU of VM '%s' has ended", refresh->row.vm_name);
		if (vm)
			vm_explain_end(vm, &err);
	} else if (refresh->is_beside_gone) {
		err_set(&err, ERR_QEMU, "the new QEMU ('%s') has ended", refresh->row.emulator);
		vm_explain_beside(vm, &err);
	} else {
		return false;
	}
	refresh_fail(refresh, &err);
	return true;
}

bool refresh_fail_if_late(struct refresh *refresh, uint64_t limit_ms, const char *what)
{
	struct err err;

	if (machine_in_state_ms(&refresh->machine) < limit_ms)
		return false;
	err_set(&err, ERR_TIMEOUT, "%s for %" PRIu64 " s", what, limit_ms / 1000);
	refresh_fail(refresh, &err);
	return true;
}

/* ---- prepare ------------------------------------------------------------------------- */

static void start_beside(struct refresh *refresh)
{
	const struct qemu_callbacks cb = refresh_beside_callbacks(refresh);
	struct err err;

	refresh->beside = vm_start_beside(refresh_vm(refresh), refresh_way(refresh)->incoming,
					  refresh->probe, &cb, &err);
	refresh->is_beside_gone = !refresh->beside;
	if (refresh->beside)
		refresh_look_later(refresh, SOCKET_LOOK_MS);
	else
		refresh_fail(refresh, &err);
}

static void on_still(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	struct err why;

	(void)result;
	refresh->facts.is_stopped = !err;
	if (err)
		refresh_fail(refresh, err);
	else if (!refresh_taps_check(refresh, &why))
		refresh_fail(refresh, &why);
	else if (!refresh_fail_if_cancelled(refresh) && !refresh_fail_if_gone(refresh))
		start_beside(refresh);
}

static bool runs(const struct refresh *refresh)
{
	const struct qemu *qemu = refresh_qemu(refresh);

	return qemu && qemu_run_state(qemu) == QMP_RUN_RUNNING;
}

static void begin_prepare(struct refresh *refresh)
{
	refresh->facts.is_preparing = true;
	if (refresh_has_taps(refresh) && !refresh_way(refresh)->is_old_first && runs(refresh))
		refresh_ask(refresh, REFRESH_SIDE_VM, "stop", NULL, on_still);
	else
		start_beside(refresh);
}

void refresh_enter_prepare(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	if (!refresh_fail_if_gone(refresh) && refresh_tpm_is_made(refresh))
		begin_prepare(refresh);
}

static bool waits_for_guest(const struct refresh *refresh)
{
	CLEANUP(free_charp) char *path = vm_cpr_path(refresh_vm(refresh));

	if (!refresh_way(refresh)->is_old_first)
		return refresh->is_beside_ready;
	return qemu_proc_id(refresh->beside).pid && access(path, F_OK) == 0;
}

static void begin_transfer(struct refresh *refresh)
{
	const struct proc_id id = qemu_proc_id(refresh->beside);

	refresh->detail.pid = id.pid;
	refresh->detail.start_time = id.start_time;
	refresh_go(refresh, REFRESH_STATE_TRANSFER, NULL);
}

void refresh_step_prepare(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	if (refresh_fail_if_cancelled(refresh) || refresh_fail_if_gone(refresh))
		return;
	if (!refresh->facts.is_preparing && refresh_tpm_is_made(refresh))
		begin_prepare(refresh);
	if (!refresh->beside)
		return; /* the directory is being made, or the guest is being stopped */
	if (waits_for_guest(refresh)) {
		if (refresh_taps_give_back(refresh))
			begin_transfer(refresh);
		return;
	}
	if (!refresh_fail_if_late(refresh,
				  refresh->facts.is_stopped
					  ? STILL_MS
					  : refresh->refreshes->env.start_timeout_ms,
				  "the new QEMU has not waited for the guest"))
		refresh_look_later(refresh, SOCKET_LOOK_MS);
}

/* ---- transfer: the two QEMUs are told ------------------------------------------------------ */

/* Its socket is there a moment before it listens.  An error leaves the guest as it was. */
static void on_vm_told(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	struct refresh_seen *seen = &refresh->facts.seen[REFRESH_SIDE_VM];

	(void)result;
	seen->has_begun = !err;
	if (err && ++refresh->facts.tries < TELL_TRIES) {
		refresh_look_later(refresh, SOCKET_LOOK_MS);
	} else if (err) {
		refresh_fail(refresh, err);
	} else {
		refresh_look_later(refresh, REFRESH_LOOK_MS);
		machine_step(&refresh->machine);
	}
}

void refresh_tell_vm(struct refresh *refresh)
{
	refresh_ask(refresh, REFRESH_SIDE_VM, "migrate", refresh_address(refresh, false),
		    on_vm_told);
}

static void on_stopped_first(struct refresh *refresh, struct json_object *result,
			     const struct err *err)
{
	struct err why;

	(void)result;
	refresh->facts.is_stopped = !err;
	if (err)
		refresh_fail(refresh, err);
	else if (!refresh_taps_check(refresh, &why))
		refresh_fail(refresh, &why);
	else
		refresh_tell_vm(refresh);
}

/* QEMU does not copy again what a guest has programmed into its flash memory meanwhile
 * (hw/block/pflash_cfi01.c), and a new QEMU reads the image into the pages that both have.
 * Of a guest with taps the new QEMU makes its devices after `migrate' (refresh/taps.c). */
static bool must_stop_first(const struct refresh *refresh)
{
	struct vm *vm = refresh_vm(refresh);
	struct err err;
	const struct vm_def *def = vm_def_of(vm, &err);

	return def && (vm_def_has_firmware(def) || refresh_has_taps(refresh)) && runs(refresh);
}

static void on_vm_set_up(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		refresh_fail(refresh, err);
	else if (must_stop_first(refresh))
		refresh_ask(refresh, REFRESH_SIDE_VM, "stop", NULL, on_stopped_first);
	else
		refresh_tell_vm(refresh);
}

static void begin_vm(struct refresh *refresh)
{
	if (refresh_qemu(refresh))
		refresh_set_up(refresh, REFRESH_SIDE_VM, on_vm_set_up);
}

static void on_beside_told(struct refresh *refresh, struct json_object *result,
			   const struct err *err)
{
	(void)result;
	if (err) {
		refresh_fail(refresh, err);
		return;
	}
	refresh->facts.seen[REFRESH_SIDE_BESIDE].has_begun = true;
	refresh_look_later(refresh, REFRESH_LOOK_MS);
	if (!refresh_way(refresh)->is_old_first)
		begin_vm(refresh);
}

static void on_beside_set_up(struct refresh *refresh, struct json_object *result,
			     const struct err *err)
{
	(void)result;
	if (err)
		refresh_fail(refresh, err);
	else
		refresh_ask(refresh, REFRESH_SIDE_BESIDE, "migrate-incoming",
			    refresh_address(refresh, true), on_beside_told);
}

void refresh_begin_beside(struct refresh *refresh)
{
	refresh->facts.is_beside_told = true;
	refresh_set_up(refresh, REFRESH_SIDE_BESIDE, on_beside_set_up);
}

void refresh_enter_transfer(struct machine *machine)
{
	struct refresh *refresh = refresh_of(machine);

	if (refresh_way(refresh)->is_old_first)
		begin_vm(refresh);
	else
		refresh_begin_beside(refresh);
}
