/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/peer_msg.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/vm_def.h"

#define ROUTES "/peer/v1/"

void peer_route_name(const char *path, char *ret, size_t size)
{
	const size_t begin = strncmp(path, ROUTES, strlen(ROUTES)) == 0 ? strlen(ROUTES) : 0;
	const char *first = path + begin;
	const size_t len = strcspn(first, "?"), word = strcspn(first, "/?");
	const char *last = memrchr(first, '/', len);

	if (!last)
		snprintf(ret, size, "%.*s", (int)len, first);
	else if (last != first + word)
		snprintf(ret, size, "%.*s", (int)(first + len - last - 1), last + 1);
	else if (word == strlen("moves") && strncmp(first, "moves", word) == 0)
		snprintf(ret, size, "fate");
	else
		snprintf(ret, size, "%.*s", (int)word, first);
}

/* ---- values -------------------------------------------------------------- */

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id";
	return id_host_is_valid(value);
}

static bool check_uuid(const char *value, const char **ret_why)
{
	*ret_why = "no uuid";
	return id_uuid_is_valid(value);
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "no VM name";
	return id_name_is_valid(value);
}

static bool check_token(const char *value, const char **ret_why)
{
	*ret_why = "no token";
	return id_token_is_valid(value);
}

#define HOST_PATTERN  "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
#define UUID_PATTERN  "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
#define NAME_PATTERN  "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
#define TOKEN_PATTERN "^[0-9a-f]{64}$"

#define HOST_FIELD(name, owner, text)                                                          \
	{                                                                                      \
		.key = #name, .type = JSON_STRING, .required = true, JSON_MEMBER(owner, name), \
		.check = check_host, .pattern = HOST_PATTERN, .help = text,                    \
	}
#define SOFTWARE_FIELD(owner)                                                         \
	{                                                                             \
		.key = "software", .type = JSON_STRING, JSON_MEMBER(owner, software), \
		.help = "Program and version, for the log.",                          \
	}
#define GENERATION_FIELD(owner)                                                              \
	{                                                                                    \
		.key = "generation", .type = JSON_UINT, .required = true,                    \
		JSON_MEMBER(owner, generation), .max = PEER_GENERATION_MAX,                  \
		.help = "Changes of owner of this VM before the move; fences stale claims.", \
	}
#define VM_UUID_FIELD(owner)                                                                       \
	{                                                                                          \
		.key = "uuid", .type = JSON_STRING, JSON_MEMBER(owner, uuid), .check = check_uuid, \
		.pattern = UUID_PATTERN,                                                           \
		.help = "Of the VM: a host that has it says so, whatever became of its records.",  \
	}
#define REASON_FIELD(owner)                                                       \
	{                                                                         \
		.key = "reason", .type = JSON_STRING, JSON_MEMBER(owner, reason), \
		.help = "Reason, in words.",                                      \
	}

#define RESUMED_FIELD(owner)                                                                   \
	{                                                                                      \
		.key = "resumed_us", .type = JSON_UINT, JSON_MEMBER(owner, resumed_us),        \
		.max = PEER_TIME_MAX_US,                                                       \
		.help = "Destination: when its QEMU let the guest run, in microseconds since " \
			"1970 by "                                                             \
			"its clock.",                                                          \
	}

/* ---- tables -------------------------------------------------------------- */

static const struct json_field protocol_fields[] = {
	{ .key = "min",
	  .type = JSON_UINT,
	  .required = true,
	  .offset =
		  offsetof(struct peer_hello, protocol.min) - offsetof(struct peer_hello, protocol),
	  .min = 1,
	  .max = UINT32_MAX,
	  .help = "Oldest version of the protocol that the sender speaks." },
	{ .key = "max",
	  .type = JSON_UINT,
	  .required = true,
	  .offset =
		  offsetof(struct peer_hello, protocol.max) - offsetof(struct peer_hello, protocol),
	  .min = 1,
	  .max = UINT32_MAX,
	  .help = "Newest version of the protocol that the sender speaks." },
	{ 0 },
};

const struct json_field peer_hello_fields[] = {
	{ .key = "protocol",
	  .type = JSON_OBJECT,
	  .required = true,
	  JSON_MEMBER(struct peer_hello, protocol),
	  .fields = protocol_fields,
	  .help = "Versions of the peer protocol." },
	HOST_FIELD(host, struct peer_hello, "Host id of the sender, as in its certificate."),
	SOFTWARE_FIELD(struct peer_hello),
	{ 0 },
};

const struct json_field peer_hello_reply_fields[] = {
	{ .key = "protocol",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct peer_hello_reply, protocol),
	  .min = 1,
	  .max = UINT32_MAX,
	  .help = "The version to be spoken: the newest that both know." },
	HOST_FIELD(host, struct peer_hello_reply, "Host id of the answering coordinator."),
	SOFTWARE_FIELD(struct peer_hello_reply),
	{ .key = "migration",
	  .type = JSON_OBJECT,
	  .present_offset = offsetof(struct peer_hello_reply, has_migration),
	  JSON_MEMBER(struct peer_hello_reply, migration),
	  .fields = transfer_features_fields,
	  .help = "Migration features of the QEMU of this host." },
	{ .key = "let_come_bytes_per_s",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct peer_hello_reply, has_let_come),
	  JSON_MEMBER(struct peer_hello_reply, let_come_bytes_per_s),
	  .max = INT64_C(1) << 53,
	  .help = "What the budget of this host would leave to one more move to it, in bytes per "
		  "second." },
	{ 0 },
};

const struct json_field peer_prepare_fields[] = {
	{ .key = "move_id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_prepare, move_id),
	  .check = check_uuid,
	  .pattern = UUID_PATTERN,
	  .help = "Id of the move on both sides." },
	GENERATION_FIELD(struct peer_prepare),
	HOST_FIELD(source, struct peer_prepare, "Host id of the source."),
	{ .key = "definition",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct peer_prepare, definition),
	  .help = "The VM definition, normalized, without the members of about." },
	{ .key = "about",
	  .type = JSON_ANY,
	  JSON_MEMBER(struct peer_prepare, about),
	  .help = "Members of the definition that no guest needs: labels, policy, placement, "
		  "autostart, autostart_order and next." },
	{ .key = "options",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct peer_prepare, options),
	  .fields = move_options_fields,
	  .help = "How the move is to be made." },
	{ .key = "priority",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct peer_prepare, options.priority),
	  .names = move_priority_names,
	  .help = "Priority of the move; default: interactive." },
	{ .key = "evidence",
	  .type = JSON_ANY,
	  JSON_MEMBER(struct peer_prepare, evidence),
	  .help = "Evidence of the source on the guest's files, interfaces and CPU." },
	{ .key = "plan",
	  .type = JSON_ANY,
	  JSON_MEMBER(struct peer_prepare, plan),
	  .help = "The transfer plan." },
	{ .key = "run",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_prepare, run),
	  .help = "The guest runs, or is to: what its user wants as it is offered." },
	{ .key = "stopped",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_prepare, stopped),
	  .help = "The VM is stopped, and is stopped at the destination in the end." },
	{ .key = "autostart_due",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_prepare, autostart_due),
	  .help = "The stopped VM was to be started since the source was booted: the destination "
		  "is to start it, after the move." },
	{ .key = "hold_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_prepare, hold_s),
	  .max = MOVE_HOLD_MAX_S,
	  .help = "The source may hold the move for so many seconds before memory comes." },
	{ 0 },
};

const struct json_field peer_prepare_reply_fields[] = {
	{ .key = "data_address",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_prepare_reply, data_address),
	  .min = 3,
	  .help = "HOST:PORT at which the destination takes the channels of the move." },
	{ .key = "token",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_prepare_reply, token),
	  .check = check_token,
	  .pattern = TOKEN_PATTERN,
	  .help = "Must be the first thing said on each channel; good for this move only." },
	{ .key = "compared",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_prepare_reply, compared),
	  .help = "The evidence was compared with what the destination has." },
	{ .key = "autostart_due",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_prepare_reply, autostart_due),
	  .help = "The destination will start the VM after the move." },
	{ .key = "channels",
	  .type = JSON_STRINGS,
	  .required = true,
	  JSON_MEMBERS(struct peer_prepare_reply, channels, channel_count),
	  .min = 1,
	  .help = "Channels that the source is to open, \"ram\" among them." },
	{ 0 },
};

static const struct json_field peer_reason_fields[] = {
	{ .key = "check",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_reason, check),
	  .help = "Name of the check that did not pass." },
	{ .key = "detail",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_reason, detail),
	  .help = "What is wrong, and what to do." },
	{ 0 },
};

const struct json_field peer_preflight_reply_fields[] = {
	{ .key = "reasons",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct peer_preflight_reply, reasons, reason_count),
	  .fields = peer_reason_fields,
	  .help = "All that speaks against the guest on the answering host." },
	{ .key = "warnings",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct peer_preflight_reply, warnings, warning_count),
	  .fields = peer_reason_fields,
	  .help = "What the answering host would not refuse the guest for." },
	{ .key = "data_address",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_preflight_reply, data_address),
	  .min = 3,
	  .help = "HOST:PORT at which it would take the channels of the move." },
	{ .key = "now_ms",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct peer_preflight_reply, now_ms),
	  .max = INT64_C(1) << 53,
	  .help = "Clock of the answering host in milliseconds since 1970." },
	{ .key = "certificate_days",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct peer_preflight_reply, certificate_days),
	  .max = UINT32_MAX,
	  .help = "Days until its certificate ends." },
	{ .key = "certificate_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_preflight_reply, certificate_s),
	  .present_offset = offsetof(struct peer_preflight_reply, has_certificate_s),
	  .max = INT64_C(1) << 53,
	  .help = "Seconds until its certificate ends." },
	{ 0 },
};

#define PROBE_ROWS(owner)                                                                 \
	{ .key = "bytes",                                                                 \
	  .type = JSON_UINT,                                                              \
	  .required = true,                                                               \
	  JSON_MEMBER(owner, bytes),                                                      \
	  .min = 1,                                                                       \
	  .max = INT64_C(1) << 53,                                                        \
	  .help = "No more than that is sent." },                                         \
	{                                                                                 \
		.key = "ms", .type = JSON_UINT, .required = true, JSON_MEMBER(owner, ms), \
		.min = 1, .max = 60000,                                                   \
		.help = "It lasts no longer, in milliseconds from its first byte."        \
	}

const struct json_field peer_probe_fields[] = {
	PROBE_ROWS(struct peer_probe),
	{ 0 },
};

const struct json_field peer_probe_reply_fields[] = {
	{ .key = "id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_probe_reply, id),
	  .check = check_uuid,
	  .pattern = UUID_PATTERN,
	  .help = "The connection comes with it as that of a move, on the channel `probe'." },
	{ .key = "token",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_probe_reply, token),
	  .check = check_token,
	  .pattern = TOKEN_PATTERN,
	  .help = "Good for this probe only." },
	{ .key = "data_address",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_probe_reply, data_address),
	  .min = 3,
	  .help = "HOST:PORT of the data port." },
	PROBE_ROWS(struct peer_probe_reply),
	{ .key = "limit_bytes_per_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_probe_reply, limit_bytes_per_s),
	  .help = "So much may come, in bytes a second; 0 or not there: there is no limit." },
	{ 0 },
};

const struct json_field peer_claim_fields[] = {
	GENERATION_FIELD(struct peer_claim),
	VM_UUID_FIELD(struct peer_claim),
	{ .key = "run",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_claim, run),
	  .help = "go: the guest is to run; a paused guest stays paused." },
	{ .key = "switched",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_claim, switched),
	  .help = "With go: post-copy has begun, and the source cannot have the guest back." },
	{ .key = "addresses",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct peer_claim, addresses, address_count),
	  .fields = nic_address_fields,
	  .help = "With go: addresses of the guest, by which it may be asked for answers." },
	{ .key = "outage_ping_ms",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_claim, outage_ping_ms),
	  .present_offset = offsetof(struct peer_claim, has_outage_ping),
	  .max = MOVE_OUTAGE_PING_MAX_MS,
	  .help = "With go: so often it may be asked, in milliseconds; 0: not at all; absent: as "
		  "the destination's configuration says." },
	{ 0 },
};

const struct json_field peer_verdict_fields[] = {
	{ .key = "verdict",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct peer_verdict, verdict),
	  .names = verdict_names,
	  .help = "taken: the guest is the destination's; refused: it never will be; unknown: "
		  "there is no record, and the guest may run there." },
	REASON_FIELD(struct peer_verdict),
	RESUMED_FIELD(struct peer_verdict),
	{ 0 },
};

const struct json_field peer_verdict_reply_fields[] = {
	JSON_PART_OF(struct peer_verdict_reply, verdict, peer_verdict_fields),
	JSON_SHOWN_OBJECT(struct peer_verdict_reply, times, move_times_fields,
			  "How long the destination's steps took."),
	{ 0 },
};

const struct json_field peer_settle_fields[] = {
	GENERATION_FIELD(struct peer_settle),
	VM_UUID_FIELD(struct peer_settle),
	{ .key = "verdict",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct peer_settle, verdict),
	  .names = verdict_names,
	  .help = "As the source has it on disk; none: it was never told one." },
	{ .key = "run",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_settle, run),
	  .help = "With the verdict taken: the guest is to run there." },
	{ 0 },
};

const struct json_field peer_settled_fields[] = {
	{ .key = "settled",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct peer_settled, settled),
	  .help = "It is on disk that the source needs the record no more." },
	{ 0 },
};

const struct json_field peer_fate_fields[] = {
	{ .key = "state",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_fate, state),
	  .min = 1,
	  .help = "State of the move on the answering side." },
	{ .key = "final",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct peer_fate, final),
	  .help = "The move has ended on the answering side." },
	{ .key = "verdict",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct peer_fate, verdict),
	  .names = verdict_names,
	  .help = "As decided and stored; none: nothing was decided yet; unknown: there is no "
		  "record of the move." },
	REASON_FIELD(struct peer_fate),
	{ .key = "run",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_fate, run),
	  .help = "With the verdict taken: the guest is to run there; absent: it stays as it "
		  "arrived, paused." },
	{ .key = "cannot_record",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_fate, cannot_record),
	  .help = "The host failed to write the move's record at the last try, so it could not "
		  "take the guest." },
	{ .key = "interrupted",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_fate, interrupted),
	  .help = "The destination's QEMU says that the guest waits for memory." },
	{ .key = "needs_stream",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_fate, needs_stream),
	  .help = "Post-copy: the destination's data stream is broken." },
	{ .key = "sends_no_more",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_fate, sends_no_more),
	  .help = "Post-copy: the source's QEMU has ended or failed." },
	{ .key = "memory_lost",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct peer_fate, memory_lost),
	  .help = "The source has ended with memory that the destination's guest lacks." },
	{ .key = "limit_bytes_per_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_fate, limit_bytes_per_s),
	  .help = "The destination lets so much come, in bytes per second; 0: as much as may." },
	{ .key = "priority",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct peer_fate, priority),
	  .help = "Priority of the move at the destination, which takes another one with the "
		  "question." },
	{ .key = "at_us",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct peer_fate, at_us),
	  .max = PEER_TIME_MAX_US,
	  .help = "Time of this answer in microseconds since 1970, by the sender's clock." },
	RESUMED_FIELD(struct peer_fate),
	{ .key = "frames",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct peer_fate, frames),
	  .present_offset = offsetof(struct peer_fate, has_frames),
	  .fields = nic_frames_list_fields,
	  .help = "Destination: what it saw of the frames that the guest sent." },
	{ 0 },
};

static const struct json_field vm_fields[] = {
	{ .key = "uuid",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_vm, uuid),
	  .check = check_uuid,
	  .pattern = UUID_PATTERN,
	  .help = "Uuid of the VM, the same on every host." },
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_vm, name),
	  .check = check_name,
	  .pattern = NAME_PATTERN,
	  .help = "Name of the VM on the answering host." },
	{ .key = "role",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_vm, role),
	  .min = 1,
	  .help = "owned: the host may run it; incoming: a move is bringing it; was-here: an old "
		  "record; unrecorded: a QEMU of it is there, and no record." },
	{ .key = "state",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct peer_vm, state),
	  .min = 1,
	  .help = "State of the VM on the answering host." },
	{ .key = "move",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct peer_vm, move),
	  .help = "Id of the move that holds it." },
	GENERATION_FIELD(struct peer_vm),
	{ 0 },
};

const struct json_field peer_vms_fields[] = {
	{ .key = "items",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct peer_vms, items, count),
	  .fields = vm_fields,
	  .help = "The VMs that the host has a record of, in the order of their names." },
	{ .key = "next",
	  .type = JSON_STRING,
	  .nullable = true,
	  JSON_MEMBER(struct peer_vms, next),
	  .check = check_name,
	  .pattern = NAME_PATTERN,
	  .help = "Value of ?after= for the next page." },
	{ 0 },
};

/* ---- decoding -------------------------------------------------------------- */

bool peer_hello_decode(struct json_object *obj, struct peer_hello *ret, struct err *err)
{
	struct peer_hello hello = { 0 };

	if (!json_decode_object(obj, peer_hello_fields, &hello, JSON_IGNORE_UNKNOWN, err))
		return false;
	if (hello.protocol.min > hello.protocol.max)
		return err_set(err, ERR_INVALID, "/protocol: min is greater than max");
	*ret = hello;
	return true;
}

bool peer_hello_reply_decode(struct json_object *obj, struct peer_hello_reply *ret, struct err *err)
{
	struct peer_hello_reply reply = { 0 };

	if (!json_decode_object(obj, peer_hello_reply_fields, &reply, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = reply;
	return true;
}

bool peer_prepare_decode(struct json_object *obj, struct peer_prepare *ret, struct err *err)
{
	struct peer_prepare prepare = { 0 };

	if (!json_decode_object(obj, peer_prepare_fields, &prepare, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = prepare;
	return true;
}

bool peer_prepare_check(const struct peer_prepare *prepare, const char *path_id, const char *caller,
			struct err *err)
{
	if (strcmp(prepare->move_id, path_id) != 0)
		return err_set(err, ERR_INVALID, "move_id is '%s', and the path says '%.40s'",
			       prepare->move_id, path_id);
	if (strcmp(prepare->source, caller) != 0)
		return err_set(err, ERR_FORBIDDEN,
			       "source is '%s', and the certificate is that of host '%s'",
			       prepare->source, caller);
	return true;
}

/* The source may have other keys in there, of a later version, which this one ignores. */
static void take_over(struct json_object *from, struct json_object *to, bool is_moved)
{
	for (const char *const *key = vm_def_about_keys; *key; key++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(from, *key, &value))
			continue;
		json_object_object_add(to, *key, json_object_get(value));
		if (is_moved)
			json_object_object_del(from, *key);
	}
}

void peer_prepare_split(struct peer_prepare *prepare)
{
	struct json_object *about = json_object_new_object();

	take_over(prepare->definition, about, true);
	if (json_object_object_length(about) > 0)
		prepare->about = json_object_get(about);
	json_object_put(about);
}

void peer_prepare_join(struct peer_prepare *prepare)
{
	if (json_object_is_type(prepare->definition, json_type_object) &&
	    json_object_is_type(prepare->about, json_type_object))
		take_over(prepare->about, prepare->definition, false);
}

void peer_prepare_fini(struct peer_prepare *prepare)
{
	json_release(peer_prepare_fields, prepare);
}

bool peer_prepare_reply_decode(struct json_object *obj, struct peer_prepare_reply *ret,
			       struct err *err)
{
	struct peer_prepare_reply reply = { 0 };

	if (!json_decode_object(obj, peer_prepare_reply_fields, &reply, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = reply;
	return true;
}

bool peer_preflight_reply_decode(struct json_object *obj, struct peer_preflight_reply *ret,
				 struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode_object(obj, peer_preflight_reply_fields, ret, JSON_IGNORE_UNKNOWN, err);
}

bool peer_probe_decode(struct json_object *obj, struct peer_probe *ret, struct err *err)
{
	struct peer_probe probe = { 0 };

	if (!json_decode_object(obj, peer_probe_fields, &probe, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = probe;
	return true;
}

bool peer_probe_reply_decode(struct json_object *obj, struct peer_probe_reply *ret, struct err *err)
{
	struct peer_probe_reply reply = { 0 };

	if (!json_decode_object(obj, peer_probe_reply_fields, &reply, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = reply;
	return true;
}

bool peer_claim_decode(struct json_object *obj, struct peer_claim *ret, struct err *err)
{
	struct peer_claim claim = { 0 };

	if (!json_decode_object(obj, peer_claim_fields, &claim, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = claim;
	return true;
}

bool peer_verdict_decode(struct json_object *obj, struct peer_verdict *ret, struct err *err)
{
	struct peer_verdict verdict = { 0 };

	if (!json_decode_object(obj, peer_verdict_fields, &verdict, JSON_IGNORE_UNKNOWN, err))
		return false;
	if (verdict.verdict == VERDICT_NONE)
		return err_set(err, ERR_INVALID, "/verdict: 'none' is no answer to go or drop");
	*ret = verdict;
	return true;
}

bool peer_settle_decode(struct json_object *obj, struct peer_settle *ret, struct err *err)
{
	struct peer_settle settle = { 0 };

	if (!json_decode_object(obj, peer_settle_fields, &settle, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = settle;
	return true;
}

bool peer_fate_decode(struct json_object *obj, struct peer_fate *ret, struct err *err)
{
	struct peer_fate fate = { 0 };

	if (!json_decode_object(obj, peer_fate_fields, &fate, JSON_IGNORE_UNKNOWN, err))
		return false;
	*ret = fate;
	return true;
}

bool peer_vms_decode(struct json_object *obj, struct peer_vms *ret, struct err *err)
{
	struct peer_vms *vms = xnew(struct peer_vms); /* large for a stack */
	bool ok = json_decode_object(obj, peer_vms_fields, vms, JSON_IGNORE_UNKNOWN, err);

	if (ok)
		*ret = *vms;
	free(vms);
	return ok;
}
