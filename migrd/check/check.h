/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check/check.h -- looks for what should not be on this host, and repairs what is
 * provably safe to repair.
 *
 * One check at a time.  It reads /proc and the run directory on a thread of its
 * own, the storage on another, and asks each peer which VMs it has; then the table of check/kinds.h
 * judges.  A running guest that this host does not own is never touched.
 *
 * Thread: loop.
 */
#ifndef MIGRD_CHECK_CHECK_H
#define MIGRD_CHECK_CHECK_H

#include "owner/newest.h"
#include "storage/place.h"

struct check_env {
	struct loop *loop;
	struct vms *vms;
	struct moves *moves;
	struct peer_clients *peers;
	const char *const *peer_ids; /* ended by NULL; our own id may be among them */
	const char *host_id;
	const char *run_dir;
	const char *log_dir;
	const char *tpm_dir;
	const char *swtpm; /* the program; NULL: it is not looked for */
	struct storage_rules storage; /* where moves make images; its texts are borrowed */
	const struct newest *newest; /* NULL: the records are not in doubt */
};

struct check;

struct check *check_new(const struct check_env *env);
/* Call before the VMs, moves and peers of ENV are freed.  A check under way is answered
 * with UNAVAILABLE before this returns.  Accepts NULL. */
void check_free(struct check *check);

/* Called once, on the loop, never from inside check_run(): REPORT (the API's
 * object; borrowed) or ERR. */
typedef void check_done_fn(void *data, struct json_object *report, const struct err *err);

/* REPAIR: what is provably safe is repaired too.  BUSY while another check is
 * under way. */
bool check_run(struct check *check, bool repair, check_done_fn *fn, void *data, struct err *err);

#endif
