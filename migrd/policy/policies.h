/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policy/policies.h -- the policies of this host: built in, and made by users.
 *
 * Those of users are on disk before they count.  Thread: loop.
 */
#ifndef MIGRD_POLICY_POLICIES_H
#define MIGRD_POLICY_POLICIES_H

#include "store/store.h"
#include "wire/policy.h"

#define POLICIES_MAX 256 /* of users */

struct policies;

struct policies *policies_new(struct store *store);
/* To be called when the store is closed, so that no answer can come any more. */
void policies_free(struct policies *policies);
/* At the start, for each row of the store, which is taken over. */
void policies_add_row(struct policies *policies, struct store_policy *row);

/* One that there is; good until the callback returns. */
struct policies_item {
	const struct policy *policy;
	const char *selector; /* "": it has none */
	bool is_built_in;
	int64_t created_ms, updated_ms; /* 0: built in */
};
/* The next in the order of a list: built in, then by name.  AFTER NULL: the first.  False: that was
 * the last. */
bool policies_next(const struct policies *policies, const char *after, struct policies_item *ret);
bool policies_find(const struct policies *policies, const char *name, struct policies_item *ret);

/* Called once, on the loop, never from inside the call. */
typedef store_done_fn policies_done_fn;
/* Makes DEF, or puts it in the place of that of its name; RET_NEW: there is none of its name.
 * CONFLICT: that one is built in; LIMIT.  Then DONE is not called. */
bool policies_put(struct policies *policies, const struct policy_def *def, bool *ret_new,
		  policies_done_fn *done, void *data, struct err *err);
/* NOT_FOUND; CONFLICT: it is built in.  Who names it has been asked before. */
bool policies_delete(struct policies *policies, const char *name, policies_done_fn *done,
		     void *data, struct err *err);

/* ---- which one a move has ------------------------------------------------ */

struct policies_question {
	const char *request;   /* the name in the move's request; "": none */
	const char *vm_policy; /* that in the VM's definition; "" */
	const char *labels;    /* of the VM (wire/labels.h); "" */
};
struct policies_choice {
	struct policy policy;
	struct policy_origin origin;
	bool is_told; /* the timeline has a line of it: it is not simply the default */
};
/* NOT_FOUND: there is none of the name in the request.  One that the VM names, and that this host
 * does not have, is no error: it is the default one, and the origin says why. */
bool policies_choose(const struct policies *policies, const struct policies_question *question,
		     struct policies_choice *ret, struct err *err);

#endif
