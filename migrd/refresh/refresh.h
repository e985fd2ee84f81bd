/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* refresh/refresh.h -- a new QEMU of this host takes over the guest of a running one: the job
 * REFRESH.
 *
 *     prepare  -> transfer, rollback
 *     transfer -> switched, rollback
 *     switched -> done, failed
 *     rollback -> cancelled, failed
 *
 * prepare: the new QEMU is started beside the old one, in the VM's other place (vm/swap.h).
 * transfer: it gets the guest, which runs on until the last moment.  switched: both QEMUs have
 * said that all of it is there, and the record of the VM names the new one, in the transaction
 * that enters this state; only then the guest runs there, and the old QEMU is ended.  rollback: the
 * new QEMU is ended, and then the guest goes on in the old one.
 *
 * Either QEMU would obey `cont' at any time, also on memory that both have: the record alone
 * decides which one may be told.  So from `switched' on there is only a way forward, also if the
 * new QEMU dies, which is a crash of the guest.  A restart of the coordinator in an earlier state
 * rolls back.  tests/model/refresh.pml is the model of this.
 *
 * There are two ways (refresh_ways): cpr-transfer gives the new QEMU the pages themselves, stream a
 * copy over a UNIX socket of this host.  The states and the rules are the same.
 *
 * Thread: loop.
 */
#ifndef MIGRD_REFRESH_REFRESH_H
#define MIGRD_REFRESH_REFRESH_H

#include "vm/vm.h"
#include "wire/refresh_reply.h"
#include "wire/refresh_request.h"

struct refreshes;
struct refresh;

struct refreshes_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	const char *host_id;
	uint32_t start_timeout_ms;   /* for the new QEMU, until it waits for the guest */
	void (*changed)(void *data, const struct refresh *refresh);
	void *data;
};

struct refreshes *refreshes_new(const struct refreshes_env *env);
/* Lets go of every VM and QEMU; the jobs are rolled back or ended when the daemon is back. */
void refreshes_clear(struct refreshes *refreshes);
void refreshes_free(struct refreshes *refreshes);
/* Takes over a row of the store. */
void refreshes_add_row(struct refreshes *refreshes, struct store_refresh *row);
/* When the VMs were found again, and before vms_settle(), which could let the old QEMU run. */
void refreshes_recover(struct refreshes *refreshes);

/* Called once, on the loop, never from inside the call: REFRESH was recorded; or it is NULL, and
 * ERR names everything that forbids it. */
typedef void refresh_started_fn(void *data, const struct refresh *refresh, const struct err *err);
/* Looks as refreshes_begin() does, and refreshes nothing. */
void refreshes_try(struct refreshes *refreshes, struct vm *vm, const struct refresh_request *wish,
		   vm_done_fn *tried, void *data);
void refreshes_begin(struct refreshes *refreshes, struct vm *vm, const struct refresh_request *wish,
		     refresh_started_fn *started, void *data);
/* TOO_LATE: the new QEMU has the guest. */
bool refresh_cancel(struct refresh *refresh, struct err *err);

struct refresh *refreshes_find(struct refreshes *refreshes, const char *id);
/* The newest first. */
struct refresh *refreshes_first(struct refreshes *refreshes);
struct refresh *refresh_next(const struct refresh *refresh);
bool refresh_is_final(const struct refresh *refresh);
/* Its state machine, to be looked at only. */
const struct machine *refresh_machine(const struct refresh *refresh);
/* Borrowed until REFRESH changes. */
struct refresh_reply refresh_show(const struct refresh *refresh);

#endif
