/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/maintenance_request.h"

#include <stdio.h>
#include <string.h>

static const char *const failed_names[] = { "keep", "return", NULL };
static const char *const back_names[] = { "back", "stay", NULL };

static bool check_moment(const char *value, const char **ret_why)
{
	int64_t ms;

	*ret_why = "no moment: a date, a time and an offset, such as 2026-12-01T02:00:00Z or "
		   "2026-12-01T02:00:00+01:00";
	return when_parse(value, &ms);
}

static bool check_state_id(const char *value, const char **ret_why)
{
	*ret_why = "no state id: 16 hexadecimal digits, as a dry run has them";
	return strlen(value) == 16 && strspn(value, "0123456789abcdef") == 16;
}

static bool check_hook(const char *value, const char **ret_why)
{
	*ret_why = "no name of a hook: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return id_name_is_valid(value);
}

#define HOST_ROW(help_) \
	.check = move_check_host, .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", .help = help_

#define WHY_FIELD(owner)                                                       \
	{                                                                      \
		.key = "why", .type = JSON_STRING, JSON_MEMBER(owner, why),    \
		.help = "Reason, for the record and for those who look at it." \
	}
#define R struct maintenance_request
#define BOOL_FIELD(owner, member_, help_)                                                      \
	{                                                                                      \
		.key = #member_, .type = JSON_BOOL, JSON_MEMBER(owner, member_), .help = help_ \
	}
#define ENUM_FIELD(member_, names_, help_)                                                    \
	{                                                                                     \
		.key = #member_, .type = JSON_ENUM, .names = names_, JSON_MEMBER(R, member_), \
		.help = help_                                                                 \
	}
#define UINT_FIELD(member_, max_, help_)                                               \
	{                                                                              \
		.key = #member_, .type = JSON_UINT, JSON_MEMBER(R, member_), .min = 1, \
		.max = max_, .help = help_                                             \
	}

const struct json_field maintenance_request_fields[] = {
	{ .key = "hosts",
	  .type = JSON_STRINGS,
	  .required = true,
	  JSON_MEMBERS(R, hosts, host_count),
	  .min = 1,
	  HOST_ROW("Host ids, in the order in which they are maintained; the host that is asked "
		   "is always the last.") },
	{ .key = "hook",
	  .type = JSON_STRING,
	  JSON_MEMBER(R, hook),
	  .check = check_hook,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "What is done with an empty host: the name of a hook that its own configuration "
		  "has; default: nothing, it waits until a person says go." },
	WHY_FIELD(R),
	BOOL_FIELD(R, dry_run, "Answer the steps, and change nothing."),
	{ .key = "state_id",
	  .type = JSON_STRING,
	  JSON_MEMBER(R, state_id),
	  .check = check_state_id,
	  .pattern = "^[0-9a-f]{16}$",
	  .help = "Of the dry run that the caller has seen: refused with `conflict' if hosts and "
		  "VMs are not as they were then." },
	{ .key = "not_before",
	  .type = JSON_STRING,
	  JSON_MEMBER(R, not_before),
	  .check = check_moment,
	  .format = "date-time",
	  .help = "No host is begun before that moment (RFC 3339)." },
	UINT_FIELD(at_once, MAINTENANCE_AT_ONCE_MAX, "So many hosts at a time; default: 1."),
	BOOL_FIELD(R, by_rack, "Those at a time are all of one rack; default: false."),
	BOOL_FIELD(R, pause, "Each host waits until a person says go; default: false."),
	UINT_FIELD(failures, MAINTENANCE_HOSTS_MAX,
		   "When so many hosts have failed, no other is begun; default: 1."),
	BOOL_FIELD(R, spare,
		   "A host is not begun, and has failed, if by its plan the others could not lose "
		   "one more of them while it is empty; default: false, its step only tells."),
	BOOL_FIELD(R, adopt,
		   "A host that is being emptied, or is empty, by an earlier maintenance alone is "
		   "taken over; default: false, it is skipped."),
	ENUM_FIELD(back, back_names,
		   "Afterwards: back (the default), its VMs come back from where they are; stay, "
		   "they stay there, and the host takes guests again."),
	ENUM_FIELD(on_failure, failed_names,
		   "A host that fails when it is empty: keep (the default), it stays empty and "
		   "takes no guests until a person ends its evacuation; return, as one that does "
		   "well."),
	{ .key = "version",
	  .type = JSON_STRING,
	  JSON_MEMBER(R, version),
	  .help = "It is healthy only when its coordinator says that it is this one, such as "
		  "\"migrd 0.2.0\"; default: any." },
	UINT_FIELD(check_s, 3600,
		   "A host that is not ready to begin within so many seconds is skipped, or has "
		   "failed if its VMs have no place; default: 60."),
	UINT_FIELD(evacuate_s, MAINTENANCE_WAIT_MAX_S,
		   "It has to be empty within so many seconds, else its evacuation is aborted, and "
		   "the host has failed; default: 86400."),
	UINT_FIELD(hook_s, MAINTENANCE_WAIT_MAX_S,
		   "The hook has to end within so many seconds; a limit of the hook's section may "
		   "come before; default: 3600."),
	UINT_FIELD(heal_s, MAINTENANCE_WAIT_MAX_S,
		   "It has to be reachable, ready and still empty within so many seconds after the "
		   "hook; default: 900."),
	UINT_FIELD(return_s, MAINTENANCE_WAIT_MAX_S,
		   "Its VMs have to be back within so many seconds; default: 86400."),
	{ .key = "evacuation",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(R, evacuation),
	  .fields = evacuation_option_fields,
	  .help = "How VMs are moved, and what may be done with those that cannot be." },
	{ 0 },
};

const struct json_field maintenance_go_fields[] = {
	{ .key = "host",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct maintenance_go, host),
	  HOST_ROW("Which host may go on; default: the first that waits.") },
	{ 0 },
};

const struct json_field maintenance_pause_fields[] = {
	WHY_FIELD(struct maintenance_pause),
	{ 0 },
};

const struct json_field maintenance_stop_fields[] = {
	WHY_FIELD(struct maintenance_stop),
	{ 0 },
};

const struct json_field maintenance_abort_fields[] = {
	BOOL_FIELD(struct maintenance_abort, stay,
		   "What has moved stays where it is; default: false, it comes back."),
	WHY_FIELD(struct maintenance_abort),
	{ 0 },
};

const struct json_field maintenance_skip_fields[] = {
	{ .key = "host",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct maintenance_skip, host),
	  HOST_ROW("Which host: one that was not begun yet.") },
	WHY_FIELD(struct maintenance_skip),
	{ 0 },
};

/* ---- what the tables do not say ---------------------------------------------- */

static bool check_hosts(const R *request, struct faults *faults)
{
	bool ok = true;

	for (size_t i = 0; i < request->host_count; i++) {
		for (size_t j = 0; j < i; j++) {
			char pointer[32];

			if (!request->hosts[i][0] ||
			    strcmp(request->hosts[i], request->hosts[j]) != 0)
				continue;
			snprintf(pointer, sizeof(pointer), "/hosts/%zu", i);
			faults_add(faults, pointer, "host '%s' stands there twice",
				   request->hosts[i]);
			ok = false;
			break;
		}
	}
	return ok;
}

static void set_default(uint64_t *value, uint64_t fallback)
{
	if (!*value)
		*value = fallback;
}

bool maintenance_request_decode(struct json_object *obj, R *ret, struct faults *faults)
{
	bool ok;

	memset(ret, 0, sizeof(*ret));
	ok = json_decode(obj, maintenance_request_fields, ret, "", faults);
	ok = check_hosts(ret, faults) && ok;
	ok = evacuation_options_check(&ret->evacuation, "/evacuation", faults) && ok;
	set_default(&ret->at_once, 1);
	set_default(&ret->failures, 1);
	set_default(&ret->check_s, MAINTENANCE_CHECK_S);
	set_default(&ret->evacuate_s, MAINTENANCE_EVACUATE_S);
	set_default(&ret->hook_s, MAINTENANCE_HOOK_S);
	set_default(&ret->heal_s, MAINTENANCE_HEAL_S);
	set_default(&ret->return_s, MAINTENANCE_RETURN_S);
	return ok;
}

bool maintenance_go_decode(struct json_object *obj, struct maintenance_go *ret,
			   struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, maintenance_go_fields, ret, "", faults);
}

bool maintenance_pause_decode(struct json_object *obj, struct maintenance_pause *ret,
			      struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, maintenance_pause_fields, ret, "", faults);
}

bool maintenance_stop_decode(struct json_object *obj, struct maintenance_stop *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, maintenance_stop_fields, ret, "", faults);
}

bool maintenance_abort_decode(struct json_object *obj, struct maintenance_abort *ret,
			      struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, maintenance_abort_fields, ret, "", faults);
}

bool maintenance_skip_decode(struct json_object *obj, struct maintenance_skip *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, maintenance_skip_fields, ret, "", faults);
}
