/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which policy a move has, and what of it the request overrides. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"

bool move_policy_choose(const struct moves *moves, struct vm *vm, const char *name,
			struct policies_choice *ret, struct err *err)
{
	struct err unread;
	const struct vm_def *def = vm_def_of(vm, &unread); /* NULL: later steps tell */

	return policies_choose(moves->env.policies,
			       &(struct policies_question){ .request = name,
							    .vm_policy = def ? def->policy : "",
							    .labels = def ? def->labels : "" },
			       ret, err);
}

/* ---- what the request says otherwise ------------------------------------------ */

static bool bandwidth(const struct move_options *asked, const struct policy *policy)
{
	return asked->has_bandwidth && policy->has_bandwidth &&
	       asked->bandwidth_bytes_per_s != policy->bandwidth_bytes_per_s;
}

static bool downtime_limit(const struct move_options *asked, const struct policy *policy)
{
	return asked->has_downtime_limit && policy->has_downtime_limit &&
	       asked->downtime_limit_ms != policy->downtime_limit_ms;
}

/* A limit that the request has is not lowered to what the policy would raise it to. */
static bool downtime_ceiling(const struct move_options *asked, const struct policy *policy)
{
	return asked->has_downtime_limit && policy->downtime_ceiling_ms &&
	       asked->downtime_limit_ms > policy->downtime_ceiling_ms;
}

static bool multifd(const struct move_options *asked, const struct policy *policy)
{
	const struct transfer_multifd *multifd = &asked->transfer.multifd;

	return asked->transfer.has_multifd && (multifd->channels != policy->channels ||
					       multifd->compression != policy->compression);
}

static bool postcopy(const struct move_options *asked, const struct policy *policy)
{
	const struct transfer_wish preferred = transfer_preferred(policy);

	return asked->transfer.has_postcopy &&
	       (!preferred.has_postcopy ||
		preferred.postcopy.start != asked->transfer.postcopy.start);
}

static bool throttle(const struct move_options *asked, const struct policy *policy)
{
	return asked->transfer.auto_converge && !policy->throttle_max_percent;
}

static bool outage_ping(const struct move_options *asked, const struct policy *policy)
{
	return asked->has_outage_ping && policy->has_outage_ping &&
	       asked->outage_ping_ms != policy->outage_ping_ms;
}

static const struct {
	const char *name; /* as the request has it */
	bool (*differs)(const struct move_options *asked, const struct policy *policy);
} settings[] = {
	{ "bandwidth_bytes_per_s", bandwidth },
	{ "downtime_limit_ms", downtime_limit },
	{ "downtime_ceiling_ms", downtime_ceiling },
	{ "multifd", multifd },
	{ "postcopy", postcopy },
	{ "auto_converge", throttle },
	{ "outage_ping_ms", outage_ping },
};

static void list_overridden(const struct move_options *asked, const struct policy *policy,
			    char ret[POLICY_WHY_SIZE])
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (settings[i].differs(asked, policy) && len < POLICY_WHY_SIZE)
			len += (size_t)snprintf(ret + len, POLICY_WHY_SIZE - len, "%s%s",
						len ? ", " : "", settings[i].name);
	}
}

void move_policy_limit(const struct policy *policy, struct move_options *options)
{
	if (policy->observe)
		return;
	if (policy->has_bandwidth && !options->has_bandwidth)
		options->bandwidth_bytes_per_s = policy->bandwidth_bytes_per_s;
	if (policy->has_downtime_limit && !options->has_downtime_limit)
		options->downtime_limit_ms = policy->downtime_limit_ms;
}

/* ---- the copy ------------------------------------------------------------------ */

void move_policy_take(struct move *move, const struct policies_choice *chosen)
{
	const struct policy *policy = &chosen->policy;
	struct move_options *options = &move->options;

	move->policy = *policy;
	move->policy_origin = chosen->origin;
	move->has_policy = true;
	list_overridden(options, policy, move->policy_origin.overridden);
	if (chosen->is_told)
		move_note(move, "policy", "%s: %s", policy->name, chosen->origin.why);
	move_policy_limit(policy, options);
}
