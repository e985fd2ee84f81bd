/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user changes while a move runs: its limits, and what of a policy can still be had. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"

struct move_settings move_settings_of(const struct move *move)
{
	return (struct move_settings){ .options = move->options,
				       .policy = move->policy,
				       .origin = move->policy_origin,
				       .has_policy = move->has_policy,
				       .downtime_raised_ms = move->facts.downtime_raised_ms,
				       .throttle_percent = move->facts.throttle_percent,
				       .seen_raised_ms = move->converge.seen_raised_ms,
				       .seen_throttle_percent =
					       move->converge.seen_throttle_percent,
				       .is_over = move->converge.is_over };
}

void move_settings_restore(struct move *move, const struct move_settings *former)
{
	move->options = former->options;
	move->policy = former->policy;
	move->policy_origin = former->origin;
	move->has_policy = former->has_policy;
	move->facts.downtime_raised_ms = former->downtime_raised_ms;
	move->facts.throttle_percent = former->throttle_percent;
	move->converge.seen_raised_ms = former->seen_raised_ms;
	move->converge.seen_throttle_percent = former->seen_throttle_percent;
	move->converge.is_over = former->is_over;
}

static void changed(struct move_changes *changes, const char *setting)
{
	changes->changed[changes->changed_count++] = setting;
}

static void kept(struct move_changes *changes, const char *setting, const char *why)
{
	changes->kept[changes->kept_count++] = (struct move_kept_setting){ setting, why };
}

/* ---- limits, which the request or the policy says ----------------------------------- */

static void set_limits(struct move *move, const struct move_setting *wanted,
		       struct move_changes *ret)
{
	struct move_options *options = &move->options;

	if (wanted->options.has_bandwidth) {
		options->bandwidth_bytes_per_s = wanted->options.bandwidth_bytes_per_s;
		options->has_bandwidth = true;
		changed(ret, "bandwidth_bytes_per_s");
	}
	if (wanted->options.has_downtime_limit) {
		options->downtime_limit_ms = wanted->options.downtime_limit_ms;
		options->has_downtime_limit = true;
		changed(ret, "downtime_limit_ms");
	}
	if (wanted->has_priority) {
		options->priority = (int)wanted->priority;
		changed(ret, "priority");
	}
}

static void take_limit(uint64_t *limit, uint64_t value, bool is_asked, bool is_of_policy,
		       const char *name, struct move_changes *ret)
{
	if (is_asked && is_of_policy && *limit != value)
		kept(ret, name, "the request says otherwise, and wins");
	if (is_asked || *limit == value)
		return;
	*limit = value;
	changed(ret, name);
}

static void take_limits(struct move *move, const struct move_setting *wanted,
			const struct policy *policy, struct move_changes *ret)
{
	struct move_options *options = &move->options;
	bool has_bandwidth = policy->has_bandwidth && !policy->observe;
	bool has_downtime = policy->has_downtime_limit && !policy->observe;

	if (!wanted->options.has_bandwidth)
		take_limit(&options->bandwidth_bytes_per_s,
			   has_bandwidth ? policy->bandwidth_bytes_per_s
					 : wanted->bandwidth_bytes_per_s,
			   options->has_bandwidth, has_bandwidth, "bandwidth_bytes_per_s", ret);
	if (!wanted->options.has_downtime_limit)
		take_limit(&options->downtime_limit_ms,
			   has_downtime ? policy->downtime_limit_ms : wanted->downtime_limit_ms,
			   options->has_downtime_limit, has_downtime, "downtime_limit_ms", ret);
}

/* ---- what QEMU must be told before it sends ------------------------------------------ */

static bool has_auto_converge(const struct move *move)
{
	return move->options.transfer.auto_converge;
}

static bool has_postcopy(const struct move *move)
{
	return transfer_plan_has_postcopy(move->plan);
}

/* Those that the move has, whoever asked for them. */
static void keep_connections(const struct move *move, struct policy *policy,
			     struct move_changes *ret)
{
	static const char why[] = "QEMU is told before it sends how memory goes over";
	const struct transfer_wish *has = &move->options.transfer;
	uint64_t channels = has->has_multifd ? has->multifd.channels : 0;
	int compression = has->has_multifd ? (int)has->multifd.compression : 0;

	if (policy->channels != channels)
		kept(ret, "channels", why);
	if (policy->compression != compression)
		kept(ret, "compression", why);
	policy->channels = channels;
	policy->compression = compression;
}

static void take_throttle(const struct move *move, struct policy *policy, struct move_changes *ret)
{
	uint64_t had = move->policy.observe ? 0 : move->policy.throttle_max_percent;

	if (policy->throttle_max_percent && !has_auto_converge(move)) {
		kept(ret, "throttle_max_percent",
		     "the move was begun without auto-converge, of which QEMU is told before it "
		     "sends");
		policy->throttle_max_percent = 0;
	} else if (policy->throttle_max_percent != had) {
		changed(ret, "throttle_max_percent");
	}
}

static enum transfer_postcopy_start start_of(const struct policy *policy)
{
	return policy->postcopy == POLICY_POSTCOPY_FIRST_PASS ? TRANSFER_POSTCOPY_FIRST_PASS
							      : TRANSFER_POSTCOPY_MANUAL;
}

static void take_armed_postcopy(struct move *move, struct policy *policy, struct move_changes *ret)
{
	int had = move->policy.observe ? POLICY_POSTCOPY_MANUAL : move->policy.postcopy;

	if (policy->postcopy == had)
		return;
	if (move->facts.switch_wanted) {
		kept(ret, "postcopy", "the switch to it has been asked for already");
		policy->postcopy = had;
		return;
	}
	if (policy->postcopy == POLICY_POSTCOPY_NEVER)
		kept(ret, "postcopy",
		     "it stays armed, since QEMU is told before it sends: now it begins only when "
		     "a "
		     "user asks");
	else
		changed(ret, "postcopy");
	if (policy->postcopy == POLICY_POSTCOPY_NEVER)
		policy->postcopy = POLICY_POSTCOPY_MANUAL;
	move->options.transfer.postcopy.start = start_of(policy);
}

static void take_postcopy(struct move *move, struct policy *policy, struct move_changes *ret)
{
	if (has_postcopy(move)) {
		take_armed_postcopy(move, policy, ret);
	} else if (policy->postcopy != POLICY_POSTCOPY_NEVER) {
		kept(ret, "postcopy",
		     "the move was begun without post-copy, of which QEMU is told before it "
		     "sends");
		policy->postcopy = POLICY_POSTCOPY_NEVER;
	}
}

/* ---- the rest -------------------------------------------------------------------------- */

static void take_timeout(const struct move *move, struct policy *policy, struct move_changes *ret)
{
	int had = move->policy.timeout;

	if (policy->timeout == POLICY_TIMEOUT_POSTCOPY && !has_postcopy(move)) {
		kept(ret, "timeout",
		     "`postcopy' needs post-copy, without which the move was begun");
		policy->timeout = had == POLICY_TIMEOUT_POSTCOPY ? POLICY_TIMEOUT_CANCEL : had;
	} else if (policy->timeout != had) {
		changed(ret, "timeout");
	}
}

/* What is armed is used no more. */
static void only_observe(struct move *move)
{
	if (has_postcopy(move) && move->policy.postcopy == POLICY_POSTCOPY_FIRST_PASS &&
	    !move->policy.observe && !move->facts.switch_wanted)
		move->options.transfer.postcopy.start = TRANSFER_POSTCOPY_MANUAL;
}

static void take_ping(const struct move *move, const struct policy *policy,
		      struct move_changes *ret)
{
	if (policy->has_outage_ping == move->policy.has_outage_ping &&
	    policy->outage_ping_ms == move->policy.outage_ping_ms)
		return;
	if (!move->options.has_outage_ping)
		changed(ret, "outage_ping_ms");
	else if (policy->has_outage_ping)
		kept(ret, "outage_ping_ms", "the request says otherwise, and wins");
}

static void take_rest(const struct move *move, const struct policy *policy,
		      struct move_changes *ret)
{
	if (policy->downtime_ceiling_ms != move->policy.downtime_ceiling_ms)
		changed(ret, "downtime_ceiling_ms");
	if (policy->deadline_s != move->policy.deadline_s)
		changed(ret, "deadline_s");
	if (policy->deadline_s_per_gib != move->policy.deadline_s_per_gib)
		changed(ret, "deadline_s_per_gib");
	if (policy->observe != move->policy.observe)
		changed(ret, "observe");
}

static void take_policy(struct move *move, const struct move_setting *wanted,
			const struct policies_choice *chosen, struct move_changes *ret)
{
	struct policy policy = chosen->policy;

	take_limits(move, wanted, &policy, ret);
	if (policy.observe) {
		only_observe(move);
	} else if (move->plan) { /* else the plan will have all of it */
		keep_connections(move, &policy, ret);
		take_throttle(move, &policy, ret);
		take_postcopy(move, &policy, ret);
		take_timeout(move, &policy, ret);
	}
	take_ping(move, &policy, ret);
	take_rest(move, &policy, ret);
	move_converge_change(move, &policy);
	move->policy = policy;
	move->has_policy = true;
	move->policy_origin = (struct policy_origin){ .from = POLICY_FROM_REQUEST };
	snprintf(move->policy_origin.why, sizeof(move->policy_origin.why),
		 "a user changed it while the move ran");
	for (size_t i = 0, len = 0; i < ret->kept_count && len < POLICY_WHY_SIZE; i++)
		len += (size_t)snprintf(move->policy_origin.overridden + len, POLICY_WHY_SIZE - len,
					"%s%s", len ? ", " : "", ret->kept[i].setting);
}

void move_settings_change(struct move *move, const struct move_setting *wanted,
			  const struct policies_choice *policy, struct move_changes *ret)
{
	set_limits(move, wanted, ret);
	if (policy)
		take_policy(move, wanted, policy, ret);
}
