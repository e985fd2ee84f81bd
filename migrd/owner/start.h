/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner/start.h -- a guest is started only when the peers do not have it.
 *
 * All peers are asked at once, for at most START_ASK_MS.  These must answer: the hosts of the
 * VM's record (where it came from, where it was offered to since); all peers while the store is
 * in doubt, or if it was when this daemon began and the guest is to be resumed.  The others are
 * waited for only CLAIMS_GRACE_MS.  A peer whose claim forbids the start, or that asks for the
 * VM, becomes one of the hosts of its record.  tests/model/ownership.pml is the model of it.
 *
 * Every start goes through start_vm(), whoever asks for it.  Thread: loop.
 */
#ifndef MIGRD_OWNER_START_H
#define MIGRD_OWNER_START_H

#include "owner/newest.h"

#define START_ASK_MS 3000

typedef void start_act_fn(void *act_data, struct vm *vm, vm_done_fn *done, void *data);

struct start_wish {
	enum vm_action action;                   /* START or RESUME */
	const char (*assert_dead)[ID_NAME_SIZE]; /* hosts that BY vouches for */
	size_t assert_count;
	const char *by, *why; /* for the log */
	/* Of start_ask(): a dry run: no record changes by what the peers say, and one that asks
	 * meanwhile is not told `starting'. */
	bool is_dry;
	/* What is done when the peers allow it, in place of vm_act(); NULL: that. DATA is its
	 * first argument. */
	start_act_fn *act;
	void *act_data;
};

/* DONE is called once, on the loop, never from inside, with the result of vm_act(), or CONFLICT:
 *   - it is to be resumed, and vm_is_sent_away(), or vm_holds_copy() while the store
 *     is in doubt, even if hosts are vouched for;
 *   - a peer owns it with a higher generation (then the record here is given up,
 *     and is `was-here'), or has it in another way that forbids to run it here;
 *   - a host that must answer is silent, and nobody vouches for it. */
/* False: the VM has a copy that may not be resumed, and why; start_vm() says the same. */
bool start_may_resume(const struct newest *newest, const struct vm *vm, struct err *err);
void start_vm(const struct newest_env *env, const struct newest *newest, struct vm *vm,
	      const struct start_wish *wish, vm_done_fn *done, void *data);
/* Asks the same of a stopped VM for a job that needs its QEMU (a move) or a dry run, and starts
 * nothing: DONE gets NULL if a start would be allowed.  WISH has the action START; what it vouches
 * for is not recorded. */
void start_ask(const struct newest_env *env, const struct newest *newest, struct vm *vm,
	       const struct start_wish *wish, vm_done_fn *done, void *data);

#endif
