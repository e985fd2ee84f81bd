/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which policy a move has, and what of it the request overrides. */
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"

bool move_policy_choose(const char *name, struct move_policy *ret, struct err *err)
{
	const struct policy *policy = policy_find_built_in(name[0] ? name : POLICY_DEFAULT);

	if (!policy)
		return err_set(err, ERR_NOT_FOUND,
			       "there is no policy '%s' on this host: `migrctl policy list' shows "
			       "them",
			       name);
	*ret = (struct move_policy){ .policy = *policy };
	ret->origin.from = name[0] ? POLICY_FROM_REQUEST : POLICY_FROM_DEFAULT;
	snprintf(ret->origin.why, sizeof(ret->origin.why), "%s",
		 name[0] ? "the request names it" : "neither the request nor the VM names one");
	return true;
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

static const struct {
	const char *name; /* as the request has it */
	bool (*differs)(const struct move_options *asked, const struct policy *policy);
} settings[] = {
	{ "bandwidth_bytes_per_s", bandwidth },
	{ "downtime_limit_ms", downtime_limit },
	{ "multifd", multifd },
	{ "postcopy", postcopy },
	{ "auto_converge", throttle },
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

/* ---- the copy ------------------------------------------------------------------ */

void move_policy_take(struct move *move, const struct move_policy *chosen)
{
	const struct policy *policy = &chosen->policy;
	struct move_options *options = &move->options;

	move->policy = *policy;
	move->policy_origin = chosen->origin;
	move->has_policy = true;
	list_overridden(options, policy, move->policy_origin.overridden);
	if (policy->observe)
		return;
	if (policy->has_bandwidth && !options->has_bandwidth)
		options->bandwidth_bytes_per_s = policy->bandwidth_bytes_per_s;
	if (policy->has_downtime_limit && !options->has_downtime_limit)
		options->downtime_limit_ms = policy->downtime_limit_ms;
}

const struct policy *move_policy(const struct move *move)
{
	return &move->policy;
}
