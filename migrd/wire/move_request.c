/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/move_request.h"

#include <stdio.h>
#include <string.h>

#define BANDWIDTH_MAX INT64_C(1000000000000) /* 1 TB/s: more is a typing error */
#define DOWNTIME_MAX  2000000                /* QEMU: MAX_MIGRATE_DOWNTIME, migration.h */

bool move_check_vm(const char *value, const char **ret_why)
{
	*ret_why = "no name of a VM: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return id_name_is_valid(value);
}

bool move_check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id: 1 to 63 of a-z 0-9 -, no '-' at either end";
	return id_host_is_valid(value);
}

static bool check_policy(const char *value, const char **ret_why)
{
	*ret_why = "no name of a policy: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return id_name_is_valid(value);
}

const char *const move_priority_names[] = {
	[MOVE_PRIORITY_INTERACTIVE] = "interactive",
	[MOVE_PRIORITY_EVACUATION] = "evacuation",
	[MOVE_PRIORITY_BALANCING] = "balancing",
	[MOVE_PRIORITY_COUNT] = NULL,
};
const char *const move_block_jobs_names[] = { "refuse", "wait", "cancel", NULL };

/* The same two members stand in the PATCH body and in the POST body. */
#define OPTION_FIELDS(owner, prefix)                                                          \
	{                                                                                     \
		.key = "bandwidth_bytes_per_s",                                               \
		.type = JSON_UINT,                                                            \
		JSON_MEMBER(owner, prefix bandwidth_bytes_per_s),                             \
		.present_offset = offsetof(owner, prefix has_bandwidth),                      \
		.max = BANDWIDTH_MAX,                                                         \
		.help = "Limit of the transfer in bytes per second, at least 1024; 0: none; " \
			"default: the "                                                       \
			"configuration's.",                                                   \
	},                                                                                    \
	{                                                                                     \
		.key = "downtime_limit_ms", .type = JSON_UINT,                                \
		JSON_MEMBER(owner, prefix downtime_limit_ms),                                 \
		.present_offset = offsetof(owner, prefix has_downtime_limit), .min = 1,       \
		.max = DOWNTIME_MAX,                                                          \
		.help = "How long the guest may stand still at the end, in milliseconds; "    \
			"default: the configuration's.",                                      \
	}

const struct json_field move_options_fields[] = {
	OPTION_FIELDS(struct move_options, ),
	{ 0 },
};

static const char *const hold_end_names[] = { "cancel", "release", NULL };

static bool check_moment(const char *value, const char **ret_why)
{
	int64_t ms;

	*ret_why = "no moment: a date, a time and an offset, such as 2026-12-01T02:00:00Z or "
		   "2026-12-01T02:00:00+01:00";
	return when_parse(value, &ms);
}

bool move_hold_complete(struct move_hold *hold, int64_t now_ms, struct err *err)
{
	int64_t until_ms;

	if (!hold->has_then)
		hold->then = hold->until[0] ? MOVE_HOLD_RELEASE : MOVE_HOLD_CANCEL;
	hold->has_then = true;
	if (!when_parse(hold->until, &until_ms))
		return true;
	if (until_ms <= now_ms)
		return err_set(err, ERR_INVALID,
			       "hold: until is past: give a later moment, or no hold");
	if (until_ms - now_ms > MOVE_HOLD_MAX_S * INT64_C(1000))
		return err_set(err, ERR_INVALID,
			       "hold: until is more than %d s away: give an earlier moment, or "
			       "begin the move later",
			       MOVE_HOLD_MAX_S);
	hold->timeout_s = (uint64_t)(until_ms - now_ms + 999) / 1000;
	return true;
}

const struct json_field move_hold_fields[] = {
	{ .key = "timeout_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct move_hold, timeout_s),
	  .min = 1,
	  .max = MOVE_HOLD_MAX_S,
	  .help = "How long the move waits, in seconds; or until is given." },
	{ .key = "until",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct move_hold, until),
	  .check = check_moment,
	  .format = "date-time",
	  .help = "Up to which moment the move waits, such as 2026-12-01T02:00:00Z (RFC 3339)." },
	{ .key = "then",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move_hold, then),
	  .present_offset = offsetof(struct move_hold, has_then),
	  .names = hold_end_names,
	  .help = "If nobody has released it by then, the move is cancelled (the default with "
		  "timeout_s), or goes on (the default with until)." },
	{ 0 },
};

#define POLICY_FIELD(owner, help_)                                                     \
	{                                                                              \
		.key = "policy", .type = JSON_STRING, JSON_MEMBER(owner, policy),      \
		.check = check_policy, .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", \
		.help = help_,                                                         \
	}

const struct json_field move_patch_fields[] = {
	OPTION_FIELDS(struct move_patch, options.),
	POLICY_FIELD(struct move_patch,
		     "Name of another policy; the answer says what of it can still be had."),
	{ .key = "priority",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move_patch, priority),
	  .present_offset = offsetof(struct move_patch, has_priority),
	  .names = move_priority_names,
	  .help = "Its part of the host's budget of bandwidth from now on." },
	{ 0 },
};

const struct json_field move_order_fields[] = {
	POLICY_FIELD(struct move_request,
		     "Name of the policy of the move; default: the VM's, else that of its labels, "
		     "else `default'. The other members win over it."),
	OPTION_FIELDS(struct move_request, options.),
	{ .key = "priority",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move_request, options.priority),
	  .names = move_priority_names,
	  .help = "Who comes first where moves share a host's places and bandwidth; default: "
		  "interactive." },
	{ .key = "block_jobs",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move_request, options.block_jobs),
	  .names = move_block_jobs_names,
	  .help = "Block jobs (backup, mirror, commit, stream) and exports of the guest's disks, "
		  "which would end with the source's QEMU: refuse the move (the default), wait "
		  "for their end for up to 10 minutes, or cancel them." },
	{ .key = "multifd",
	  .type = JSON_OBJECT,
	  .present_offset = offsetof(struct move_request, options.transfer.has_multifd),
	  JSON_MEMBER(struct move_request, options.transfer.multifd),
	  .fields = transfer_multifd_fields,
	  .help = "Memory goes over several connections at once; {} for the defaults. Not given: "
		  "over one." },
	{ .key = "postcopy",
	  .type = JSON_OBJECT,
	  .present_offset = offsetof(struct move_request, options.transfer.has_postcopy),
	  JSON_MEMBER(struct move_request, options.transfer.postcopy),
	  .fields = transfer_postcopy_fields,
	  .help = "The guest may run on the destination before all its memory is there; from "
		  "then on it cannot come back; {} for the defaults." },
	{ .key = "xbzrle",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_request, options.transfer.xbzrle),
	  .help = "Of a page that is sent again only the changed bytes go out, which helps on a "
		  "slow link; not with multifd; default: false." },
	{ .key = "auto_converge",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_request, options.transfer.auto_converge),
	  .help = "QEMU may slow the guest's CPUs down while the guest changes memory faster than "
		  "it is sent; default: false." },
	{ .key = "outage_ping_ms",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct move_request, options.outage_ping_ms),
	  .present_offset = offsetof(struct move_request, options.has_outage_ping),
	  .max = MOVE_OUTAGE_PING_MAX_MS,
	  .help = "So often the guest is asked for an answer around its switch, in milliseconds, "
		  "so that the network outage of a quiet one can be measured; 0: never; default: "
		  "the policy's, else the configuration's." },
	{ .key = "assert_same_disks",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_request, options.assert_same_disks),
	  .help = "The caller vouches that each image, backing file and shared memory is the same "
		  "on both hosts, whatever can be proved." },
	{ .key = "assert_same_cpu",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_request, options.assert_same_cpu),
	  .help = "The caller vouches that the guest bears the loss of features of its CPU." },
	{ .key = "assert_safe_cache",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_request, options.assert_safe_cache),
	  .help = "The caller vouches that no write to a shared disk with cache `unsafe' is lost "
		  "when "
		  "another host opens its image." },
	{ .key = "remove_source_disks",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_request, options.remove_source_disks),
	  .help = "The source's images of disks that were copied are removed once the guest is "
		  "the destination's; default: false, they are kept as "
		  "`PATH.moved-to-HOST-MOVE'." },
	{ .key = "hold",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_request, options.hold),
	  .present_offset = offsetof(struct move_request, options.has_hold),
	  .fields = move_hold_fields,
	  .help = "The move waits before the guest's memory is sent, with its local disks copied, "
		  "until POST /v1/moves/{id}/release, or for timeout_s seconds." },
	{ 0 },
};

const struct json_field move_finish_fields[] = {
	{ .key = "force",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_finish_request, force),
	  .help = "The guest is stopped at once, for as long as the rest takes; default: false, it "
		  "is stopped as soon as the rest fits into what its policy allows." },
	{ 0 },
};

bool move_finish_decode(struct json_object *obj, struct move_finish_request *ret,
			struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, move_finish_fields, ret, "", faults);
}

const struct json_field move_request_fields[] = {
	{ .key = "vm",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct move_request, vm),
	  .check = move_check_vm,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "Name of a running VM of this host." },
	{ .key = "to",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct move_request, to),
	  .check = move_check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "Host id of the destination, one of GET /v1/peers." },
	{ .key = "", .type = JSON_PART, .fields = move_order_fields },
	{ 0 },
};

static const char *const keep_names[] = { "source", "destination", NULL };

const struct json_field move_resolve_fields[] = {
	{ .key = "keep",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct move_resolve_request, keep),
	  .names = keep_names,
	  .help = "Side that keeps the guest." },
	{ .key = "assert_dead",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct move_resolve_request, assert_dead),
	  .check = move_check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "The host whose copy is given up: the caller vouches that it does not run and "
		  "never will." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct move_resolve_request, why),
	  .help = "Reason, for the record." },
	{ 0 },
};

bool move_resolve_decode(struct json_object *obj, struct move_resolve_request *ret,
			 struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, move_resolve_fields, ret, "", faults);
}

/* QEMU cannot hold a lower limit: it counts in tenths of a second and pieces of a page. */
static bool check_bandwidth(const struct move_options *options, struct faults *faults)
{
	if (options->bandwidth_bytes_per_s == 0 ||
	    options->bandwidth_bytes_per_s >= MOVE_BANDWIDTH_MIN)
		return true;
	faults_add(faults, "/bandwidth_bytes_per_s",
		   "less than 1024 bytes a second cannot be held: give 0 (no limit), or 1024 or "
		   "more");
	return false;
}

/* A hold without an end would keep the destination's memory for ever. */
static bool check_hold(const struct move_options *options, struct faults *faults)
{
	const struct move_hold *hold = &options->hold;

	if (!options->has_hold || (hold->timeout_s == 0) == (hold->until[0] != '\0'))
		return true;
	faults_add(faults, "/hold", "%s",
		   hold->timeout_s ? "timeout_s and until: one of the two"
				   : "without an end: give timeout_s or until");
	return false;
}

bool move_order_check(const struct move_request *order, struct faults *faults)
{
	bool ok = check_bandwidth(&order->options, faults) && check_hold(&order->options, faults);

	return transfer_wish_check(&order->options.transfer, faults) && ok;
}

bool move_request_decode(struct json_object *obj, struct move_request *ret, struct faults *faults)
{
	bool ok;

	memset(ret, 0, sizeof(*ret));
	ok = json_decode(obj, move_request_fields, ret, "", faults);
	return move_order_check(ret, faults) && ok;
}

/* Members of a request that no running move takes, and what can be done instead. */
#define SAY_IN_ANOTHER "cancel it, and say so in the request of another"
static const struct {
	const char *key, *why;
} fixed[] = {
	{ "multifd",
	  "QEMU makes its connections when it begins to send, and neither opens nor closes "
	  "one later; bandwidth_bytes_per_s can be changed. For other channels of this "
	  "move: " SAY_IN_ANOTHER },
	{ "channels", "QEMU makes its connections when it begins to send, and neither opens nor "
		      "closes one later: " SAY_IN_ANOTHER },
	{ "compression", "each connection has it from its beginning: " SAY_IN_ANOTHER },
	{ "postcopy",
	  "QEMU is told of post-copy before it sends: a move that was begun with it goes "
	  "over at POST /v1/moves/{id}/postcopy; of one that was not: " SAY_IN_ANOTHER },
	{ "xbzrle", "QEMU is told of it before it sends: " SAY_IN_ANOTHER },
	{ "auto_converge",
	  "QEMU is told of it before it sends; a policy may change how much a guest "
	  "is slowed that may be slowed: " SAY_IN_ANOTHER },
	{ "hold", "a move is held as its request says; POST /v1/moves/{id}/release ends that" },
	{ "block_jobs", "they are looked at before the move begins: " SAY_IN_ANOTHER },
	{ "to", "a move has one destination: " SAY_IN_ANOTHER },
};

static bool check_fixed(struct json_object *obj, struct faults *faults)
{
	char pointer[40];
	bool ok = true;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (!json_object_is_type(obj, json_type_object) ||
		    !json_object_object_get_ex(obj, fixed[i].key, NULL))
			continue;
		snprintf(pointer, sizeof(pointer), "/%s", fixed[i].key);
		faults_add(faults, pointer, "cannot be changed while a move runs: %s",
			   fixed[i].why);
		ok = false;
	}
	return ok;
}

bool move_patch_decode(struct json_object *obj, struct move_patch *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	if (!check_fixed(obj, faults) || !json_decode(obj, move_patch_fields, ret, "", faults) ||
	    !check_bandwidth(&ret->options, faults))
		return false;
	if (ret->options.has_bandwidth || ret->options.has_downtime_limit || ret->policy[0] ||
	    ret->has_priority)
		return true;
	faults_add(faults, "",
		   "nothing to change: give bandwidth_bytes_per_s, downtime_limit_ms, policy or "
		   "priority");
	return false;
}
