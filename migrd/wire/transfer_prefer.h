/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/transfer_prefer.h -- what a policy would like of a transfer.
 *
 * What a request asks for is done or refused (wire/transfer_plan.h); what a policy would like is
 * done if both hosts can and the request does not exclude it, and is left out else.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_WIRE_TRANSFER_PREFER_H
#define MIGRD_WIRE_TRANSFER_PREFER_H

#include "wire/policy.h"
#include "wire/transfer_plan.h"

#define TRANSFER_LEFT_OUT_MAX 3

/* What was left out, by the capability that it would have been. */
struct transfer_left_out {
	struct transfer_left_out_item {
		const char *capability;
		char why[TRANSFER_WHY_SIZE];
	} items[TRANSFER_LEFT_OUT_MAX];
	size_t count;
};

/* What POLICY would like; nothing of one that only observes. */
struct transfer_wish transfer_preferred(const struct policy *policy);
/* Adds to WISH, which is that of BASIS, what PREFERRED has and both hosts can do. */
void transfer_prefer(const struct transfer_basis *basis, const struct transfer_wish *preferred,
		     struct transfer_wish *wish, struct transfer_left_out *ret);
/* The capabilities of PLAN that were left out get the reason. */
void transfer_left_out_explain(const struct transfer_left_out *left_out,
			       struct transfer_plan *plan);

#endif
