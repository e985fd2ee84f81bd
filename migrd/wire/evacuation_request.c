/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/evacuation_request.h"

#include <string.h>

#include "base/mem.h"

const char *const evacuation_withdrawn_names[] = { "stay", "return", "keep", NULL };
const char *const evacuation_late_names[] = { "pause", "abort", "leave", NULL };
const char *const evacuation_moves_names[] = { "finish", "cancel", NULL };
static const char *const stopped_names[] = { "move", "leave", NULL };
static const char *const back_names[] = { "back", "stay", NULL };

static bool check_moment(const char *value, const char **ret_why)
{
	int64_t ms;

	*ret_why = "no moment: a date, a time and an offset, such as 2026-12-01T02:00:00Z or "
		   "2026-12-01T02:00:00+01:00";
	return when_parse(value, &ms);
}

static bool check_dir(const char *value, const char **ret_why)
{
	*ret_why = "not an absolute path";
	return value[0] == '/';
}

static bool check_state_id(const char *value, const char **ret_why)
{
	*ret_why = "no state id: 16 hexadecimal digits, as a plan has them";
	return strlen(value) == 16 && strspn(value, "0123456789abcdef") == 16;
}

/* It is shown in one line, and is the name by which a request is found again. */
static bool check_who(const char *value, const char **ret_why)
{
	*ret_why = "not a name: 1 to 63 printable characters of ASCII, no space first or last";
	for (const char *at = value; *at; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return value[0] && value[0] != ' ' && value[strlen(value) - 1] != ' ';
}

#define WHY_FIELD(owner)                                                       \
	{                                                                      \
		.key = "why", .type = JSON_STRING, JSON_MEMBER(owner, why),    \
		.help = "Reason, for the record and for those who look at it." \
	}
#define WHO_FIELD(owner, help_)                                                            \
	{                                                                                  \
		.key = "requester", .type = JSON_STRING, JSON_MEMBER(owner, requester),    \
		.check = check_who, .pattern = "^[!-~]([ -~]{0,61}[!-~])?$", .help = help_ \
	}
#define MOMENT_FIELD(member_, help_)                                                    \
	{                                                                               \
		.key = #member_, .type = JSON_STRING,                                   \
		JSON_MEMBER(struct evacuation_request, member_), .check = check_moment, \
		.format = "date-time", .help = help_                                    \
	}
#define BOOL_FIELD(owner, member_, help_)                                                      \
	{                                                                                      \
		.key = #member_, .type = JSON_BOOL, JSON_MEMBER(owner, member_), .help = help_ \
	}
#define ENUM_FIELD(owner, member_, names_, help_)                                                 \
	{                                                                                         \
		.key = #member_, .type = JSON_ENUM, .names = names_, JSON_MEMBER(owner, member_), \
		.help = help_                                                                     \
	}
#define STATE_ID_FIELD(owner, help_)                                                  \
	{                                                                             \
		.key = "state_id", .type = JSON_STRING, JSON_MEMBER(owner, state_id), \
		.check = check_state_id, .pattern = "^[0-9a-f]{16}$", .help = help_   \
	}
#define R struct evacuation_request

const struct json_field evacuation_option_fields[] = {
	BOOL_FIELD(R, may_leave,
		   "A VM that cannot be moved, and whose placement says `leave', stays here, and "
		   "the host counts as drained."),
	BOOL_FIELD(R, may_stop,
		   "One whose placement says `restart' is stopped, and started again when the "
		   "evacuation ends."),
	{ .key = "powerdown_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(R, powerdown_s),
	  .min = 1,
	  .max = EVACUATION_POWERDOWN_MAX_S,
	  .help = "It is asked to power off, and stopped after so many seconds; default: 60." },
	BOOL_FIELD(R, may_save,
		   "One whose placement says `save' is saved to a file, and restored when the "
		   "evacuation ends."),
	{ .key = "save_dir",
	  .type = JSON_STRING,
	  JSON_MEMBER(R, save_dir),
	  .check = check_dir,
	  .pattern = "^/",
	  .help = "Absolute path of the directory for those files, below one of the host's "
		  "save_dirs; required with may_save." },
	ENUM_FIELD(R, stopped, stopped_names,
		   "VMs that do not run: move (the default), or leave them here."),
	{ .key = "move",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(R, move),
	  .fields = move_order_fields,
	  .help = "Options of each move; its priority is always evacuation." },
	{ 0 },
};

const struct json_field evacuation_request_fields[] = {
	WHO_FIELD(R, "Who wants the host to be empty; default: the caller. A request of the same "
		     "one takes the place of its former one."),
	WHY_FIELD(R),
	MOMENT_FIELD(until, "The request is withdrawn by itself at that moment (RFC 3339), unless "
			    "it is made again with a later one; default: never."),
	ENUM_FIELD(R, on_withdraw, evacuation_withdrawn_names,
		   "What follows when the last request is withdrawn: stay, it ends, and what has "
		   "moved stays where it is (the default); return, what has moved comes back; "
		   "keep, it goes on."),
	BOOL_FIELD(R, dry_run, "Answer the plan, and change nothing."),
	STATE_ID_FIELD(R, "Of the plan that the caller has seen: refused with `conflict' if hosts "
			  "and VMs are not as they were then."),
	BOOL_FIELD(R, complete,
		   "Refuse it if by the plan a VM would stay here that may not; default: false, "
		   "such a VM is tried again and again."),
	MOMENT_FIELD(not_before, "Nothing is moved before that moment (RFC 3339)."),
	MOMENT_FIELD(window_until,
		     "If it has not begun by then it is aborted; what has begun goes on."),
	BOOL_FIELD(R, approval,
		   "Nothing is moved before POST /v1/evacuations/{id}/approve; default: false."),
	{ .key = "others_max",
	  .type = JSON_UINT,
	  JSON_MEMBER(R, others_max),
	  .max = EVACUATION_OTHERS_MAX,
	  .help = "So many VMs of other hosts may be moved to make room; default: 0." },
	{ .key = "deadline_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(R, deadline_s),
	  .min = 1,
	  .max = EVACUATION_DEADLINE_MAX_S,
	  .help = "It should be done within so many seconds from its begin; default: no limit." },
	ENUM_FIELD(R, on_deadline, evacuation_late_names,
		   "What is done then: pause (the default), abort, with the moves under way "
		   "let finish, or leave: what has not moved stays, and it ends."),
	{ .key = "", .type = JSON_PART, .fields = evacuation_option_fields },
	{ 0 },
};

const struct json_field evacuation_withdraw_fields[] = {
	WHO_FIELD(struct evacuation_withdraw, "Whose request; default: the caller's."),
	{ 0 },
};

const struct json_field evacuation_approve_fields[] = {
	STATE_ID_FIELD(struct evacuation_approve,
		       "Of the plan that is approved of: refused with `conflict' if hosts and VMs "
		       "are not as they were then; default: whatever the plan is when it begins."),
	{ 0 },
};

const struct json_field evacuation_pause_fields[] = {
	ENUM_FIELD(struct evacuation_pause, moves, evacuation_moves_names,
		   "Moves that are under way: finish (the default), or cancel them."),
	WHY_FIELD(struct evacuation_pause),
	{ 0 },
};

const struct json_field evacuation_abort_fields[] = {
	ENUM_FIELD(struct evacuation_abort, moves, evacuation_moves_names,
		   "Moves that are under way: finish (the default), or cancel them; one that is "
		   "past the point of no return finishes."),
	BOOL_FIELD(struct evacuation_abort, back, "What has moved comes back; default: false."),
	BOOL_FIELD(struct evacuation_abort, keep_cordon,
		   "The host takes no new guests afterwards either; default: false."),
	WHY_FIELD(struct evacuation_abort),
	{ 0 },
};

const struct json_field evacuation_return_fields[] = {
	ENUM_FIELD(struct evacuation_return, vms, back_names,
		   "back (the default): the VMs come back from where they are; stay: they stay "
		   "there, and the host takes guests again."),
	{ .key = "give_up_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct evacuation_return, give_up_s),
	  .min = 1,
	  .max = EVACUATION_DEADLINE_MAX_S,
	  .help = "A VM that is not back after so many seconds stays where it is; default: no "
		  "limit "
		  "as long as its host answers, and an hour if it does not. While VMs come back "
		  "the "
		  "same request sets another limit, from then on." },
	WHY_FIELD(struct evacuation_return),
	{ 0 },
};

/* ---- what the tables do not say ---------------------------------------------- */

static bool check_window(const R *request, struct faults *faults)
{
	int64_t from, until;

	if (!when_parse(request->window_until, &until) || !when_parse(request->not_before, &from) ||
	    from < until)
		return true;
	faults_add(faults, "/window_until", "not later than not_before: no time is left to begin");
	return false;
}

static bool check_run(const R *request, struct faults *faults)
{
	bool ok = true;

	if (request->may_save != (request->save_dir[0] != '\0')) {
		faults_add(faults, "/save_dir", "%s",
			   request->may_save ? "required with may_save" : "only with may_save");
		ok = false;
	}
	if (request->on_deadline && !request->deadline_s) {
		faults_add(faults, "/on_deadline", "only with deadline_s");
		ok = false;
	}
	return ok;
}

static void set_defaults(R *request)
{
	request->move.options.priority = MOVE_PRIORITY_EVACUATION;
	if (!request->powerdown_s)
		request->powerdown_s = EVACUATION_POWERDOWN_S;
}

bool evacuation_request_decode(struct json_object *obj, struct evacuation_request *ret,
			       struct faults *faults)
{
	bool ok;

	memset(ret, 0, sizeof(*ret));
	ok = json_decode(obj, evacuation_request_fields, ret, "", faults);
	ok = check_window(ret, faults) && ok;
	ok = check_run(ret, faults) && ok;
	ok = move_order_check(&ret->move, faults) && ok;
	set_defaults(ret);
	return ok;
}

bool evacuation_options_check(struct evacuation_request *request, const char *pointer,
			      struct faults *faults)
{
	struct faults *own = faults_new();
	bool ok = check_run(request, own);

	ok = move_order_check(&request->move, own) && ok;
	for (size_t i = 0; i < own->count && i < FAULT_MAX; i++) {
		CLEANUP(free_charp)
		char *whole = xasprintf("%s%s", pointer, own->list[i].pointer);

		faults_add(faults, whole, "%s", own->list[i].detail);
	}
	faults_free(own);
	set_defaults(request);
	return ok;
}

bool evacuation_withdraw_decode(struct json_object *obj, struct evacuation_withdraw *ret,
				struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, evacuation_withdraw_fields, ret, "", faults);
}

bool evacuation_approve_decode(struct json_object *obj, struct evacuation_approve *ret,
			       struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, evacuation_approve_fields, ret, "", faults);
}

bool evacuation_pause_decode(struct json_object *obj, struct evacuation_pause *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, evacuation_pause_fields, ret, "", faults);
}

bool evacuation_abort_decode(struct json_object *obj, struct evacuation_abort *ret,
			     struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, evacuation_abort_fields, ret, "", faults);
}

bool evacuation_return_decode(struct json_object *obj, struct evacuation_return *ret,
			      struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	if (obj && !json_decode(obj, evacuation_return_fields, ret, "", faults))
		return false;
	if (ret->vms == EVACUATION_BACK_MOVE || !ret->give_up_s)
		return true;
	faults_add(faults, "/give_up_s", "only for VMs that come back");
	return false;
}
