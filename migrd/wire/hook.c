/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/hook.h"

#include <ctype.h>
#include <string.h>

#include "base/when.h"

const char *const hook_state_names[] = {
	[HOOK_RUNNING] = "running", [HOOK_DONE] = "done",      [HOOK_FAILED] = "failed",
	[HOOK_UNKNOWN] = "unknown", [HOOK_STATE_COUNT] = NULL,
};

/* ---- what is asked ------------------------------------------------------------ */

/* It names files, and stands in what is signed, which a '.' would divide. */
bool hook_id_is_valid(const char *id)
{
	size_t len = strlen(id);

	if (len == 0 || len >= HOOK_ID_SIZE || id[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) && id[i] != '-')
			return false;
	return true;
}

static bool check_id(const char *value, const char **ret_why)
{
	*ret_why = "1 to 127 of A-Z a-z 0-9 -, a letter or digit first";
	return hook_id_is_valid(value);
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return id_name_is_valid(value);
}

static bool check_why(const char *value, const char **ret_why)
{
	*ret_why = "one line of text is wanted, without control characters";
	for (const char *p = value; *p; p++)
		if (iscntrl((unsigned char)*p))
			return false;
	return true;
}

const struct json_field hook_request_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct hook_request, name),
	  .check = check_name,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "NAME of a section [hook NAME] in the configuration of the host that is asked." },
	{ .key = "hook_id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct hook_request, hook_id),
	  .check = check_id,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9-]{0,126}$",
	  .help = "Chosen by the caller: a hook is begun once for each." },
	{ .key = "requester",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct hook_request, requester),
	  .min = 1,
	  .max = HOOK_REQUESTER_SIZE - 1,
	  .check = check_why,
	  .help = "Of the evacuation for which the host was emptied: a hook is begun only while "
		  "the host is drained for it." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct hook_request, why),
	  .max = HOOK_WHY_SIZE - 1,
	  .check = check_why,
	  .help = "Why, in one line." },
	{ .key = "check",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct hook_request, check),
	  .help = "true: nothing is begun; the answer says whether it is needed." },
	{ 0 },
};

bool hook_request_decode(struct json_object *obj, struct hook_request *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode(obj, hook_request_fields, ret, "", faults);
}

/* ---- what is shown ------------------------------------------------------------- */

#define R struct hook_run

/* What can be decoded too; times cannot. */
static const struct json_field told_fields[] = {
	JSON_SHOWN(R, hook_id, "Id of this run, as it was asked for."),
	JSON_SHOWN(R, name, "Name of the hook."),
	{ .key = "state",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(R, state),
	  .names = hook_state_names,
	  .help = "running; done; failed: it ended so, or was ended at its deadline; unknown: it "
		  "was begun, and nobody knows how it ended." },
	JSON_SHOWN(R, needed, "false: its only_if said that it is not needed, so it was not run."),
	JSON_SHOWN_IF(R, exit,
		      "Status with which the program ended by itself, of a url that of HTTP.",
		      .present_offset = offsetof(R, has_exit)),
	JSON_SHOWN(R, reboots, "It is over when the host was booted anew."),
	JSON_SHOWN(R, restarts, "It is over when the coordinator was started anew."),
	JSON_SHOWN(R, boot_id, "Boot id of the host when it was begun."),
	JSON_SHOWN(R, reason, "What it waits for, or how it ended, as a sentence."),
	JSON_SHOWN(R, words, "The last 4 KiB of what it printed, or what the url answered."),
	JSON_SHOWN(R, requester, "Of the evacuation for which the host was emptied."),
	JSON_SHOWN(R, why, "Why it was asked for; may be empty."),
	JSON_SHOWN(R, by, "Who asked for it: a user, or the id of a host."),
	{ 0 },
};

const struct json_field hook_run_fields[] = {
	{ .key = "", .type = JSON_PART, .size = sizeof(R), .fields = told_fields },
	JSON_SHOWN_TIME(R, begun_at, "When it was asked for."),
	JSON_SHOWN_TIME(R, ended_at, "When it ended; null: it has not.", .nullable = true),
	{ 0 },
};

static int64_t time_of(struct json_object *obj, const char *key)
{
	const char *text = json_get_str(obj, key);
	int64_t ms = 0;

	return text && when_parse(text, &ms) ? ms : 0;
}

bool hook_run_decode(struct json_object *obj, struct hook_run *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (!json_decode_object(obj, told_fields, ret, JSON_IGNORE_UNKNOWN, err))
		return false;
	ret->begun_at = time_of(obj, "begun_at");
	ret->ended_at = time_of(obj, "ended_at");
	return true;
}

/* ---- what a url is told ----------------------------------------------------------- */

static const struct json_field notice_data_fields[] = {
	JSON_SHOWN(struct hook_notice_data, host, "Host id of the host whose hook it is."),
	JSON_SHOWN(struct hook_notice_data, hook, "Name of the hook."),
	JSON_SHOWN(struct hook_notice_data, hook_id, "Id of this run."),
	JSON_SHOWN(struct hook_notice_data, why, "Why it was asked for; may be empty."),
	JSON_SHOWN(struct hook_notice_data, by, "Who asked for it: a user, or the id of a host."),
	JSON_SHOWN_TIME(struct hook_notice_data, answer_by,
			"Until then an answer is waited for, which says that it is done."),
	{ 0 },
};

const struct json_field hook_notice_fields[] = {
	JSON_SHOWN(struct hook_notice, type, "host.hook."),
	JSON_SHOWN_TIME(struct hook_notice, timestamp, "Time of the event."),
	JSON_SHOWN_OBJECT(struct hook_notice, data, notice_data_fields, "What it is about."),
	{ 0 },
};

const struct json_field hook_answer_fields[] = {
	{ .key = "needed",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct hook_answer, needed),
	  .help = "false: nothing was to be done; true, or not given: it is done." },
	{ 0 },
};

/* ---- what users are shown --------------------------------------------------------- */

const struct json_field hook_reply_fields[] = {
	JSON_SHOWN(struct hook_reply, name, "Name of the hook."),
	JSON_SHOWN(struct hook_reply, program, "The program and its arguments; null: it has a url.",
		   .nullable = true),
	JSON_SHOWN(struct hook_reply, url, "What is told in place of a program; null: none.",
		   .nullable = true),
	JSON_SHOWN(struct hook_reply, only_if,
		   "Program that says whether it is needed; null: it always is.", .nullable = true),
	JSON_SHOWN(struct hook_reply, timeout_s, "Deadline in seconds."),
	JSON_SHOWN(struct hook_reply, reboots, "It is over when the host was booted anew."),
	JSON_SHOWN(struct hook_reply, restarts,
		   "It is over when the coordinator was started anew."),
	JSON_SHOWN_LIST(struct hook_reply, runs, run_count, hook_run_fields,
			"Its newest runs, newest first.", .required = true),
	{ 0 },
};

const struct json_field event_hook_fields[] = {
	JSON_PART_OF(struct event_hook, run, hook_run_fields),
	JSON_SHOWN_TIME(struct event_hook, at, "Time of the event."),
	{ 0 },
};
