/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/policy.h"

#include <string.h>

#include "base/mem.h"
#include "wire/labels.h"
#include "wire/move_request.h"

#define DEADLINE_MAX 604800 /* a week */

const char *const policy_postcopy_names[] = { "never", "manual", "if-needed", "first-pass", NULL };
const char *const policy_timeout_names[] = { "cancel", "force", "postcopy", "pause", NULL };
static const char *const from_names[] = { "request", "vm", "label", "default", NULL };
static const char *const compression_names[] = { "none", "zlib", "zstd", NULL };

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "no name of a policy: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return id_name_is_valid(value);
}

#define ROW(member_, type_, help_, ...) JSON_ROW(struct policy, member_, type_, help_, __VA_ARGS__)

const struct json_field policy_fields[] = {
	ROW(name, JSON_STRING, "Name of the policy.", .required = true, .check = check_name,
	    .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"),
	ROW(description, JSON_STRING, "What the policy is for, in one sentence."),
	ROW(bandwidth_bytes_per_s, JSON_UINT,
	    "Limit of the transfer in bytes per second, at least 1024; 0: none; default: the "
	    "configuration's.",
	    .present_offset = offsetof(struct policy, has_bandwidth),
	    .max = INT64_C(1000000000000)),
	ROW(downtime_limit_ms, JSON_UINT,
	    "How long the guest may stand still at the end, in milliseconds; default: the "
	    "configuration's.",
	    .present_offset = offsetof(struct policy, has_downtime_limit), .min = 1,
	    .max = 2000000),
	ROW(downtime_ceiling_ms, JSON_UINT,
	    "The limit is raised step by step up to this, in milliseconds, while the guest changes "
	    "memory too fast for a lower one; default: 0, it is never raised.",
	    .max = 2000000),
	ROW(channels, JSON_UINT,
	    "Memory goes over so many connections at once (multifd); default: 0, one connection "
	    "without multifd.",
	    .max = TRANSFER_MULTIFD_MAX),
	ROW(compression, JSON_ENUM, "Compression of memory; only with channels; default: none.",
	    .names = compression_names),
	ROW(throttle_max_percent, JSON_UINT,
	    "The guest's CPUs may be slowed down by so much, if it does not go otherwise; default: "
	    "0, never.",
	    .max = 99),
	ROW(postcopy, JSON_ENUM,
	    "When the guest may run on the destination before all its memory is there; from then "
	    "on it cannot come back: never (the default), when a user asks (manual), when the "
	    "transfer does not end otherwise (if-needed), or after the first pass.",
	    .names = policy_postcopy_names),
	ROW(deadline_s, JSON_UINT,
	    "How long a transfer may take, in seconds, beside deadline_s_per_gib; both 0 (the "
	    "default): as long as it wants.",
	    .max = DEADLINE_MAX),
	ROW(deadline_s_per_gib, JSON_UINT,
	    "So many seconds are added to deadline_s for each GiB of the guest's memory and local "
	    "disks; default: 0.",
	    .max = DEADLINE_MAX),
	ROW(timeout, JSON_ENUM,
	    "At the deadline the move is cancelled (the default), or the guest stands still for as "
	    "long as the rest takes (force; pause: never by post-copy instead), or it goes on by "
	    "post-copy.",
	    .names = policy_timeout_names),
	ROW(outage_ping_ms, JSON_UINT,
	    "So often the guest is asked for an answer around its switch, in milliseconds, so that "
	    "the network outage of a quiet one can be measured; 0: never; default: the "
	    "configuration's.",
	    .present_offset = offsetof(struct policy, has_outage_ping),
	    .max = MOVE_OUTAGE_PING_MAX_MS),
	ROW(observe, JSON_BOOL,
	    "Nothing of it is done: the move tells what the policy would have decided; default: "
	    "false."),
	{ 0 },
};

#define SELECTOR                                                                                   \
	{                                                                                          \
		.key = "selector", .type = JSON_SCALARS, JSON_MEMBER(struct policy_def, selector), \
		.pattern = LABEL_VALUE_PATTERN,                                                    \
		.help = "Labels, an object of strings: the policy is that of the moves of VMs "    \
			"that have all of them, unless the move or the VM names another; "         \
			"default: "                                                                \
			"of none.",                                                                \
	}

const struct json_field policy_def_fields[] = {
	JSON_PART_OF(struct policy_def, policy, policy_fields),
	SELECTOR,
	{ 0 },
};

/* Parts are only encoded, so each of the two is decoded by its own table. */
static const struct json_field selector_fields[] = { SELECTOR, { 0 } };

const struct json_field policy_origin_fields[] = {
	{ .key = "from",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct policy_origin, from),
	  .names = from_names,
	  .help = "Who says so: the request, the VM's definition, the VM's labels, or nobody "
		  "(default)." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct policy_origin, why),
	  .help = "The same in words." },
	{ .key = "overridden",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct policy_origin, overridden),
	  .help = "Settings of which the request says otherwise than the policy; they are as the "
		  "request says." },
	{ 0 },
};

const struct policy policy_built_in[] = {
	{ .name = POLICY_DEFAULT,
	  .description = "The guest is never slowed, and stands still for the downtime limit at "
			 "most; a transfer without end is cancelled.",
	  .deadline_s = 120,
	  .deadline_s_per_gib = 300 },
	{ .name = "fast",
	  .description =
		  "The move ends early: several connections, and the guest may be slowed and "
		  "stand still for a second.",
	  .downtime_ceiling_ms = 1000,
	  .channels = 2,
	  .throttle_max_percent = 60,
	  .deadline_s = 30,
	  .deadline_s_per_gib = 30 },
	{ .name = "gentle",
	  .description = "Neither the guest nor the link feels much of the move, which may take "
			 "long.",
	  .bandwidth_bytes_per_s = 64 << 20,
	  .has_bandwidth = true,
	  .deadline_s = 600,
	  .deadline_s_per_gib = 600 },
	{ .name = "must-complete",
	  .description = "The move ends: the guest is slowed if need be, goes on by post-copy if "
			 "both hosts can, and else stands still for as long as it takes.",
	  .downtime_ceiling_ms = 2000,
	  .throttle_max_percent = 80,
	  .postcopy = POLICY_POSTCOPY_IF_NEEDED,
	  .deadline_s = 30,
	  .deadline_s_per_gib = 20,
	  .timeout = POLICY_TIMEOUT_FORCE },
	{ .name = "suspend",
	  .description = "The move ends: the guest may stand still for 5 seconds, and for as long "
			 "as the rest takes if that is not enough; it is never slowed.",
	  .downtime_ceiling_ms = 5000,
	  .deadline_s = 10,
	  .deadline_s_per_gib = 20,
	  .timeout = POLICY_TIMEOUT_PAUSE },
};
const size_t policy_built_in_count = ARRAY_LEN(policy_built_in);

static size_t place_of_built_in(const char *name)
{
	size_t i = 0;

	while (i < policy_built_in_count && strcmp(policy_built_in[i].name, name) != 0)
		i++;
	return i;
}

const struct policy *policy_find_built_in(const char *name)
{
	size_t i = place_of_built_in(name);

	return i < policy_built_in_count ? &policy_built_in[i] : NULL;
}

struct policy policy_of_before(void)
{
	struct policy policy = policy_built_in[0];

	policy.deadline_s = policy.deadline_s_per_gib = 0;
	return policy;
}

static bool has_deadline(const struct policy *policy)
{
	return policy->deadline_s || policy->deadline_s_per_gib;
}

static bool has_low_bandwidth(const struct policy *policy)
{
	return policy->bandwidth_bytes_per_s && policy->bandwidth_bytes_per_s < MOVE_BANDWIDTH_MIN;
}

static bool has_low_ceiling(const struct policy *policy)
{
	return policy->has_downtime_limit && policy->downtime_ceiling_ms &&
	       policy->downtime_ceiling_ms < policy->downtime_limit_ms;
}

static bool has_compression_alone(const struct policy *policy)
{
	return policy->compression != TRANSFER_COMPRESSION_NONE && !policy->channels;
}

static bool has_timeout_without_deadline(const struct policy *policy)
{
	return policy->timeout != POLICY_TIMEOUT_CANCEL && !has_deadline(policy);
}

static bool has_postcopy_timeout_alone(const struct policy *policy)
{
	return policy->timeout == POLICY_TIMEOUT_POSTCOPY &&
	       policy->postcopy == POLICY_POSTCOPY_NEVER;
}

/* What a policy says that cannot be. */
static const struct contradiction {
	bool (*is_there)(const struct policy *policy);
	const char *pointer, *detail;
} contradictions[] = {
	{ has_low_bandwidth, "/bandwidth_bytes_per_s",
	  "less than 1024 bytes a second cannot be held: give 0 (no limit), or 1024 or more" },
	{ has_low_ceiling, "/downtime_ceiling_ms",
	  "lower than downtime_limit_ms, which it is the most of: give as much or more, or leave "
	  "it "
	  "out" },
	{ has_compression_alone, "/compression",
	  "memory is compressed only on several connections: give channels too" },
	{ has_timeout_without_deadline, "/timeout",
	  "never happens without a deadline: give deadline_s or deadline_s_per_gib too" },
	{ has_postcopy_timeout_alone, "/timeout",
	  "contradicts postcopy `never': give postcopy `manual' or `if-needed' too" },
};

static bool check_contradictions(const struct policy *policy, struct faults *faults)
{
	size_t former = faults->count;

	for (size_t i = 0; i < ARRAY_LEN(contradictions); i++)
		if (contradictions[i].is_there(policy))
			faults_add(faults, contradictions[i].pointer, "%s",
				   contradictions[i].detail);
	return faults->count == former;
}

bool policy_decode(struct json_object *obj, struct policy *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, policy_fields, ret, "", faults) &&
	       check_contradictions(ret, faults);
}

static bool check_selector(struct policy_def *def, struct faults *faults)
{
	struct json_object *selector = def->selector[0] ? json_read_back(def->selector) : NULL;
	bool ok = !selector || labels_check(selector, "/selector", false, faults);

	if (ok && selector && json_object_object_length(selector) == 0)
		def->selector[0] = '\0';
	json_object_put(selector);
	return ok;
}

/* What of OBJ is the selector, if IS_SELECTOR, or all the rest.  The caller owns it. */
static struct json_object *half_of(struct json_object *obj, bool is_selector)
{
	struct json_object *half = json_object_new_object();

	json_object_object_foreach(obj, key, value)
	{
		if ((strcmp(key, selector_fields[0].key) == 0) == is_selector)
			json_object_object_add(half, key, json_object_get(value));
	}
	return half;
}

bool policy_def_decode(struct json_object *obj, struct policy_def *ret, struct faults *faults)
{
	size_t former = faults->count;
	struct json_object *rest, *selector;

	memset(ret, 0, sizeof(*ret));
	if (!json_object_is_type(obj, json_type_object))
		return policy_decode(obj, &ret->policy, faults); /* has the words for it */
	rest = half_of(obj, false);
	selector = half_of(obj, true);
	policy_decode(rest, &ret->policy, faults);
	if (json_decode(selector, selector_fields, ret, "", faults))
		check_selector(ret, faults);
	json_object_put(rest);
	json_object_put(selector);
	return faults->count == former;
}

uint64_t policy_deadline_ms(const struct policy *policy, uint64_t bytes)
{
	uint64_t gib_ms = policy->deadline_s_per_gib * 1000 * (bytes >> 20) / 1024;

	return has_deadline(policy) ? policy->deadline_s * 1000 + gib_ms : 0;
}
