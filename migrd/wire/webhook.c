/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/webhook.h"

#include <string.h>

#include "base/address.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define NAME_PATTERN "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"

/* ---- what users ask for ------------------------------------------------------ */

static bool check_url(const char *value, const char **ret_why)
{
	*ret_why = "an https URL without a user is wanted, such as "
		   "https://events.example.net/migrd";
	return address_is_https_url(value);
}

static bool check_type(const char *value, const char **ret_why)
{
	*ret_why = "no type of events: GET /openapi.json names them, at GET /v1/events";
	for (size_t i = 0; event_type_names[i]; i++)
		if (strcmp(event_type_names[i], value) == 0)
			return true;
	return false;
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "no name: 1 to 63 of letters, digits, '.', '_' and '-', a letter or digit "
		   "first; \"\" is any";
	return !*value || id_name_is_valid(value);
}

static bool check_move(const char *value, const char **ret_why)
{
	*ret_why = "no id of a move: a UUID is wanted; \"\" is any";
	return !*value || id_uuid_is_valid(value);
}

/* The length of the base64 says that of the key: 24 to 64 bytes (notify/parties.h). */
static bool check_secret(const char *value, const char **ret_why)
{
	static const char prefix[] = "whsec_";
	const char *text = value + strlen(prefix);
	size_t plain, len, bytes;

	*ret_why = "whsec_ and the base64 of 24 to 64 bytes are wanted";
	if (strncmp(value, prefix, strlen(prefix)) != 0)
		return false;
	plain = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	len = strlen(text);
	if (len % 4 || len - plain > 2 || strspn(text + plain, "=") != len - plain)
		return false;
	bytes = len / 4 * 3 - (len - plain);
	return bytes >= 24 && bytes <= 64;
}

#define UINT(member_, min_, max_, help_)                                                       \
	{                                                                                      \
		.key = #member_, .type = JSON_UINT, JSON_MEMBER(struct webhook_wish, member_), \
		.min = (min_), .max = (max_), .help = help_,                                   \
	}

#define TYPE(name)    name
#define OR_TYPE(name) "|" name

static const struct json_field rest_fields[] = {
	{ .key = "description",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct webhook_wish, description),
	  .help = "What it is for, for people." },
	{ .key = "types",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct webhook_wish, types, type_count),
	  .check = check_type,
	  .pattern = "^(" EVENT_TYPES(TYPE, OR_TYPE) ")$",
	  .help = "Only events of these types; none: of all." },
	{ .key = "vm",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct webhook_wish, vm),
	  .check = check_name,
	  .pattern = "^(" NAME_PATTERN ")?$",
	  .help = "Only what is about the VM of this name; empty: any." },
	{ .key = "move",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct webhook_wish, move),
	  .check = check_move,
	  .pattern = "^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$",
	  .help = "Only what is about the move of this id; empty: any." },
	{ .key = "host",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct webhook_wish, host),
	  .check = check_name,
	  .pattern = "^(" NAME_PATTERN ")?$",
	  .help = "Only what is about the host of this id; empty: any." },
	{ .key = "secrets",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct webhook_wish, secrets, secret_count),
	  .min = 1,
	  .check = check_secret,
	  .pattern = "^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|"
		     "[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{6}==)?$",
	  .help = "Keys that sign, whsec_ and base64, two while one is replaced; not given: one is "
		  "made, and shown once." },
	UINT(timeout_s, 1, 30, "How long an answer may take, in seconds (10)."),
	UINT(retry_min_s, 1, 3600, "After how long a first try is repeated, in seconds (5)."),
	UINT(retry_max_s, 1, 86400,
	     "The pause doubles with each try, up to so many seconds (1800)."),
	UINT(expire_s, 1, 604800,
	     "How long a delivery is tried; then it is dead, and the loss is told (86400)."),
	{ 0 },
};

#define URL(is_required)                                                                          \
	{                                                                                         \
		.key = "url", .type = JSON_STRING, .required = (is_required),                     \
		JSON_MEMBER(struct webhook_wish, url), .min = 1, .max = WEBHOOK_URL_SIZE - 1,     \
		.check = check_url, .pattern = "^https://[^@#\"<>^`{|}]+$",                       \
		.help = "Where events are sent to, by https; whoever may list webhooks sees it.", \
	}

/* Struct webhook_wish is the first member of both. */
#define REST                                                                       \
	{                                                                          \
		.key = "", .type = JSON_PART, .size = sizeof(struct webhook_wish), \
		.fields = rest_fields,                                             \
	}

const struct json_field webhook_request_fields[] = { URL(true), REST, { 0 } };

const struct json_field webhook_patch_fields[] = {
	URL(false),
	REST,
	{ .key = "enabled",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct webhook_patch, enabled),
	  .present_offset = offsetof(struct webhook_patch, has_enabled),
	  .help = "false: it is told nothing, until it is enabled again." },
	{ 0 },
};

static bool check_wish(const struct webhook_wish *wish, struct faults *faults)
{
	if (wish->retry_min_s <= wish->retry_max_s)
		return true;
	faults_add(faults, "/retry_min_s", "it is over retry_max_s: the pause only grows");
	return false;
}

bool webhook_request_decode(struct json_object *obj, struct webhook_wish *ret,
			    struct faults *faults)
{
	*ret = (struct webhook_wish){ .timeout_s = WEBHOOK_TIMEOUT_S,
				      .retry_min_s = WEBHOOK_RETRY_MIN_S,
				      .retry_max_s = WEBHOOK_RETRY_MAX_S,
				      .expire_s = WEBHOOK_EXPIRE_S };
	return json_decode(obj, webhook_request_fields, ret, "", faults) && check_wish(ret, faults);
}

bool webhook_patch_decode(struct json_object *obj, struct webhook_patch *ret, struct faults *faults)
{
	ret->has_enabled = false;
	if (!json_decode(obj, webhook_patch_fields, ret, "", faults))
		return false;
	if (json_object_object_length(obj) == 0) {
		faults_add(faults, "", "nothing to change: give a member");
		return false;
	}
	return check_wish(&ret->wish, faults);
}

/* ---- what is shown ------------------------------------------------------------ */

#define PASSING .is_passing = true

const struct json_field webhook_reply_fields[] = {
	JSON_SHOWN(struct webhook_reply, id, "Id of the webhook."),
	JSON_SHOWN(struct webhook_reply, host_id, "Id of the host that tells it."),
	JSON_SHOWN(struct webhook_reply, url, "Where events are sent to."),
	JSON_SHOWN(struct webhook_reply, description, "What it is for."),
	JSON_SHOWN_LIST(struct webhook_reply, types, type_count, NULL,
			"Only events of these types; empty: of all.", .required = true),
	JSON_SHOWN(struct webhook_reply, vm, "Only what is about this VM; null: any.",
		   .nullable = true),
	JSON_SHOWN(struct webhook_reply, move, "Only what is about this move; null: any.",
		   .nullable = true),
	JSON_SHOWN(struct webhook_reply, host, "Only what is about this host; null: any.",
		   .nullable = true),
	JSON_SHOWN(struct webhook_reply, timeout_s, "How long an answer may take, in seconds."),
	JSON_SHOWN(struct webhook_reply, retry_min_s, "The first pause between tries, in seconds."),
	JSON_SHOWN(struct webhook_reply, retry_max_s, "The longest pause, in seconds."),
	JSON_SHOWN(struct webhook_reply, expire_s, "How long a delivery is tried, in seconds."),
	JSON_SHOWN(struct webhook_reply, enabled, "It is told of events."),
	JSON_SHOWN(struct webhook_reply, disabled_reason, "Why it is not; null: it is.",
		   .nullable = true),
	JSON_SHOWN_LIST(struct webhook_reply, secrets, secret_count, NULL,
			"The keys that sign; in the answer to its creation alone."),
	JSON_SHOWN(struct webhook_reply, created_by, "The caller who made it."),
	JSON_SHOWN_TIME(struct webhook_reply, created_at, "When it was made."),
	JSON_SHOWN_TIME(struct webhook_reply, updated_at, "When it was made or changed last."),
	JSON_SHOWN(struct webhook_reply, number, "Number of its newest delivery; 0: none yet.",
		   PASSING),
	JSON_SHOWN(struct webhook_reply, pending, "Deliveries that wait for their turn or a try.",
		   PASSING),
	JSON_SHOWN(struct webhook_reply, pending_bytes, "Bytes of them.", PASSING),
	JSON_SHOWN(struct webhook_reply, dead, "Deliveries that are not tried any more.", PASSING),
	JSON_SHOWN(struct webhook_reply, delivered,
		   "Deliveries that were heard, since the coordinator was started.", PASSING),
	JSON_SHOWN(struct webhook_reply, failed, "Tries that failed, since then.", PASSING),
	JSON_SHOWN(struct webhook_reply, lost, "Events that could not be kept, since then.",
		   PASSING),
	JSON_SHOWN_TIME(struct webhook_reply, oldest_pending_at,
			"Time of the oldest delivery that waits; null: none does.",
			.nullable = true, PASSING),
	JSON_SHOWN_TIME(struct webhook_reply, next_try_at,
			"When it is tried again; null: nothing waits for that.", .nullable = true,
			PASSING),
	JSON_SHOWN_TIME(struct webhook_reply, delivered_at,
			"When it heard the last delivery; null: not since the coordinator was "
			"started.",
			.nullable = true, PASSING),
	JSON_SHOWN(struct webhook_reply, error, "Why the last try failed; null: it did not.",
		   .nullable = true, PASSING),
	{ 0 },
};

#define OF_DEAD                                                                             \
	JSON_SHOWN(struct webhook_dead, number, "Number of the delivery."),                 \
		JSON_SHOWN(struct webhook_dead, id, "The header webhook-id of its tries."), \
		JSON_SHOWN(struct webhook_dead, type, "Type of the event."),                \
		JSON_SHOWN(struct webhook_dead, tries, "Tries that have failed."),          \
		JSON_SHOWN(struct webhook_dead, status,                                     \
			   "Status of HTTP of the last try; 0: there was no answer."),      \
		JSON_SHOWN(struct webhook_dead, error, "Why it was not delivered."),        \
		JSON_SHOWN_TIME(struct webhook_dead, created_at, "Time of the event."),     \
		JSON_SHOWN_TIME(struct webhook_dead, expired_at, "When it expired."),       \
		JSON_SHOWN_TIME(struct webhook_dead, tried_at,                              \
				"Time of the last try; null: there was none.", .nullable = true)

const struct json_field webhook_dead_fields[] = { OF_DEAD, { 0 } };

const struct json_field webhook_dead_whole_fields[] = {
	OF_DEAD,
	JSON_SHOWN(struct webhook_dead, message, "What was sent, whole.",
		   .fields = webhook_message_fields),
	{ 0 },
};

const struct json_field webhook_tested_fields[] = {
	JSON_SHOWN(struct webhook_tested, delivered, "It has answered well."),
	JSON_SHOWN(struct webhook_tested, status, "Status of HTTP; 0: there was no answer."),
	JSON_SHOWN(struct webhook_tested, error, "What was wrong; null: nothing.",
		   .nullable = true),
	JSON_SHOWN(struct webhook_tested, took_ms, "How long it took, in milliseconds."),
	{ 0 },
};

/* ---- what is sent -------------------------------------------------------------- */

#define OF_MESSAGE                                                                            \
	JSON_SHOWN(struct webhook_message, type,                                              \
		   "Type of the event as in GET /v1/events; gap: some were lost; test."),     \
		JSON_SHOWN_TIME(struct webhook_message, timestamp, "Time of the event."),     \
		JSON_SHOWN(struct webhook_message, host, "Id of the host that tells."),       \
		JSON_SHOWN(struct webhook_message, webhook, "Id of the webhook."),            \
		JSON_SHOWN(struct webhook_message, number,                                    \
			   "Each delivery of a webhook has the next number, from 1 on; 0: a " \
			   "test."),                                                          \
		JSON_SHOWN(struct webhook_message, event,                                     \
			   "Its position in GET /v1/events; null: it has none.", .nullable = true)

static const struct json_field head_fields[] = { OF_MESSAGE, { 0 } };

const struct json_field webhook_message_fields[] = {
	OF_MESSAGE,
	JSON_SHOWN(struct webhook_message, data,
		   "The event, as GET /v1/events tells it; of a gap what was lost."),
	{ 0 },
};

const struct json_field webhook_test_fields[] = {
	JSON_SHOWN(struct webhook_test, detail, "What this is, for people."),
	{ 0 },
};

char *webhook_message_text(const struct webhook_message *message, const char *data)
{
	CLEANUP(json_putp) struct json_object *head = json_encode(head_fields, message);
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	size_t len;
	const char *begin = json_text(head, &len);

	strbuf_add(&text, begin, len - 1); /* without its } */
	strbuf_addf(&text, ",\"data\":%s}", data);
	return strbuf_take(&text);
}
