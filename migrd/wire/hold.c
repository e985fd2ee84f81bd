/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/hold.h"

#include <string.h>

#include "wire/move_request.h"

/* ---- what users ask for ------------------------------------------------------ */

/* U+0080 to U+009F steer a terminal too; in UTF-8 they begin with 0xc2. */
static bool is_control(const unsigned char *p)
{
	return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
}

/* It stands in sentences of logs, tables and errors. */
static bool check_line(const char *value, const char **ret_why)
{
	bool has_word = false;

	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (is_control(p)) {
			*ret_why = "one line of text is wanted, without control characters";
			return false;
		}
		has_word = has_word || *p != ' ';
	}
	*ret_why = "may not be empty: say it in words, for those who read it";
	return has_word;
}

static bool check_moment(const char *value, const char **ret_why)
{
	int64_t ms;

	*ret_why = "no moment: a date, a time and an offset, such as 2026-12-01T02:00:00Z or "
		   "2026-12-01T02:00:00+01:00";
	return when_parse(value, &ms);
}

#define REASON(owner, help_)                                                       \
	{                                                                          \
		.key = "reason", .type = JSON_STRING, .required = true,            \
		JSON_MEMBER(owner, reason), .min = 1, .max = HOLD_REASON_SIZE - 1, \
		.check = check_line, .help = help_,                                \
	}

static const struct json_field end_fields[] = {
	{ .key = "until",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct hold_end, until),
	  .check = check_moment,
	  .format = "date-time",
	  .help = "Up to which moment, such as 2026-12-01T02:00:00Z (RFC 3339); or for_s is "
		  "given." },
	{ .key = "for_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct hold_end, for_s),
	  .min = 1,
	  .max = HOLD_MAX_S,
	  .help = "For how long from now, in seconds." },
	{ 0 },
};

const struct json_field hold_request_fields[] = {
	{ .key = "vm",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct hold_request, vm),
	  .check = move_check_vm,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "Name of a VM of this host; not given: the host is held." },
	{ .key = "owner",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct hold_request, owner),
	  .min = 1,
	  .max = HOLD_OWNER_SIZE - 1,
	  .check = check_line,
	  .help = "Who wants it, and is to be asked; default: the caller." },
	REASON(struct hold_request, "Why, in one line; everybody is shown it."),
	JSON_PART_OF(struct hold_request, end, end_fields),
	{ 0 },
};

const struct json_field hold_patch_fields[] = {
	JSON_PART_OF(struct hold_patch, end, end_fields),
	{ 0 },
};

const struct json_field cordon_request_fields[] = {
	REASON(struct cordon_request, "Why, in one line; who is refused is told it."),
	{ 0 },
};

static bool check_end(const struct hold_end *end, struct faults *faults)
{
	if ((end->for_s == 0) != (end->until[0] == '\0'))
		return true;
	faults_add(faults, "/until", "%s",
		   end->for_s ? "until and for_s: one of the two"
			      : "a hold must end: give until or for_s; it can be renewed");
	return false;
}

bool hold_request_decode(struct json_object *obj, struct hold_request *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, hold_request_fields, ret, "", faults) &&
	       check_end(&ret->end, faults);
}

bool hold_patch_decode(struct json_object *obj, struct hold_patch *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, hold_patch_fields, ret, "", faults) && check_end(&ret->end, faults);
}

bool cordon_request_decode(struct json_object *obj, struct cordon_request *ret,
			   struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, cordon_request_fields, ret, "", faults);
}

bool hold_end_ms(const struct hold_end *end, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
	int64_t until_ms = now_ms + (int64_t)end->for_s * 1000;

	if (end->until[0] && !when_parse(end->until, &until_ms))
		return err_set(err, ERR_INVALID, "until: no moment: '%s'", end->until);
	if (until_ms <= now_ms)
		return err_set(err, ERR_INVALID, "until is past: give a later moment");
	if (until_ms - now_ms > HOLD_MAX_S * INT64_C(1000))
		return err_set(err, ERR_INVALID,
			       "until is more than %d days away: give an earlier moment, and renew "
			       "the hold when it comes near",
			       HOLD_MAX_S / 86400);
	*ret_ms = until_ms;
	return true;
}

/* ---- what is shown ------------------------------------------------------------ */

const struct json_field hold_reply_fields[] = {
	JSON_SHOWN(struct hold_reply, id, "Id of the hold."),
	JSON_SHOWN(struct hold_reply, kind, "What is held: host or vm."),
	JSON_SHOWN(struct hold_reply, host, "Id of the host that keeps the hold."),
	JSON_SHOWN(struct hold_reply, vm, "Name of the VM; null: the host is held.",
		   .nullable = true),
	JSON_SHOWN(struct hold_reply, vm_uuid, "Uuid of the VM; null: the host is held.",
		   .nullable = true),
	JSON_SHOWN(struct hold_reply, applies,
		   "It holds something now; false: its VM has left this host, and it counts again "
		   "if that comes back."),
	JSON_SHOWN(struct hold_reply, owner, "Who wants it."),
	JSON_SHOWN(struct hold_reply, reason, "Why."),
	JSON_SHOWN(struct hold_reply, created_by, "The caller who asked for it."),
	JSON_SHOWN_TIME(struct hold_reply, until, "When it ends by itself."),
	JSON_SHOWN_TIME(struct hold_reply, created_at, "When it was made."),
	JSON_SHOWN_TIME(struct hold_reply, updated_at, "When it was made or renewed last."),
	{ 0 },
};

static const struct json_field cordon_fields[] = {
	JSON_SHOWN(struct cordon_shown, party, "Whose it is: person or evacuation."),
	JSON_SHOWN(struct cordon_shown, reason, "Why."),
	JSON_SHOWN(struct cordon_shown, by, "The caller who asked for it."),
	JSON_SHOWN_TIME(struct cordon_shown, since, "Since when."),
	{ 0 },
};

const struct json_field cordon_reply_fields[] = {
	JSON_SHOWN(struct cordon_reply, cordoned,
		   "No new guest may come: creations, adoptions and moves to here are refused."),
	{ .key = "cordons",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct cordon_reply, cordons, cordon_count),
	  .fields = cordon_fields,
	  .help = "Who keeps new guests away, and why; a person and an evacuation can, each for "
		  "itself." },
	JSON_SHOWN(struct cordon_reply, creations_under_way,
		   "Creations, adoptions and moves to here that have not ended; they go on."),
	{ 0 },
};

const struct json_field event_hold_fields[] = {
	JSON_PART_OF(struct event_hold, hold, hold_reply_fields),
	JSON_SHOWN(struct event_hold, change, "added, renewed, removed or expired."),
	JSON_SHOWN(struct event_hold, by, "The caller; empty: it has expired."),
	JSON_SHOWN_TIME(struct event_hold, at, "Time of the event."),
	{ 0 },
};

const struct json_field event_cordon_fields[] = {
	JSON_SHOWN(struct event_cordon, host, "Id of the host that tells."),
	JSON_SHOWN(struct event_cordon, change, "added, renewed or removed."),
	JSON_SHOWN(struct event_cordon, party, "Whose cordon has changed: person or evacuation."),
	JSON_SHOWN(struct event_cordon, by, "The caller."),
	JSON_PART_OF(struct event_cordon, cordon, cordon_reply_fields),
	JSON_SHOWN_TIME(struct event_cordon, at, "Time of the event."),
	{ 0 },
};
