/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/proto.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* Half an hour: a link that is silent for longer counts as dead in any case. */
#define LINK_TIMEOUT_MAX_MS 1800000
#define LINK_TIMEOUT_MIN_MS 100
/* The maximum of [move] prepare_timeout_ms. */
#define CONNECT_TIMEOUT_MAX_MS 3600000

/* ---- names ----------------------------------------------------------- */

static const char *const cmd_names[] = { "configure", "accept", "limit",  "link-timeout", "lease",
					 "give-way",  "keep",   "status", "quit",         NULL };
static const char *const event_names[] = { "reply", "channel", NULL };
static const char *const side_names[] = { "src", "dst", NULL };
static const char *const state_names[] = { "idle", "ready", "open", "closed", "failed", NULL };

const char *stream_cmd_name(enum stream_cmd cmd)
{
	return cmd_names[cmd];
}

const char *stream_state_name(enum stream_channel_state state)
{
	return state_names[state];
}

/* ---- tables ---------------------------------------------------------- */

/* As struct stream_request and struct stream_report, in the widths of JSON. */
struct wire_request {
	int cmd;
	struct stream_config config;
	char channel[TRANSFER_CHANNEL_SIZE];
	uint64_t bytes_per_s;
	uint64_t timeout_ms;
	uint64_t connect_ms;
};

struct wire_report {
	int event;
	int to;
	char code[32];
	char error[ERR_MSG_SIZE];
	char channel[TRANSFER_CHANNEL_SIZE];
	int state;
	uint64_t bytes_out, bytes_in;
};

static bool check_move(const char *value, const char **ret_why)
{
	*ret_why = "must be a UUID";
	return id_uuid_is_valid(value);
}

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "must be a host id";
	return id_host_is_valid(value);
}

static bool check_token(const char *value, const char **ret_why)
{
	*ret_why = "must be a token";
	return id_token_is_valid(value);
}

static bool check_channel(const char *value, const char **ret_why)
{
	*ret_why = "must be a channel's name";
	return transfer_channel_name_is_valid(value);
}

#define REQ(member)     .offset = offsetof(struct wire_request, member)
#define REQ_STR(member) REQ(member), .size = sizeof(((struct wire_request *)NULL)->member)
#define REP(member)     .offset = offsetof(struct wire_report, member)
#define REP_STR(member) REP(member), .size = sizeof(((struct wire_report *)NULL)->member)
#define CMD_FIELD                                                                               \
	{                                                                                       \
		.key = "cmd", .type = JSON_ENUM, .required = true, .names = cmd_names, REQ(cmd) \
	}

static const struct json_field configure_fields[] = {
	CMD_FIELD,
	{ .key = "side",
	  .type = JSON_ENUM,
	  .required = true,
	  .names = side_names,
	  REQ(config.side) },
	{ .key = "move",
	  .type = JSON_STRING,
	  .required = true,
	  REQ_STR(config.move_id),
	  .check = check_move },
	{ .key = "dir", .type = JSON_STRING, .required = true, REQ_STR(config.dir) },
	{ .key = "ca", .type = JSON_STRING, .required = true, REQ_STR(config.ca_file) },
	{ .key = "cert", .type = JSON_STRING, .required = true, REQ_STR(config.cert_file) },
	{ .key = "key", .type = JSON_STRING, .required = true, REQ_STR(config.key_file) },
	{ .key = "peer",
	  .type = JSON_STRING,
	  .required = true,
	  REQ_STR(config.peer_id),
	  .check = check_host },
	{ .key = "data_address", .type = JSON_STRING, REQ_STR(config.data_address) },
	{ .key = "token",
	  .type = JSON_STRING,
	  .required = true,
	  REQ_STR(config.token),
	  .check = check_token },
	{ .key = "link_timeout_ms",
	  .type = JSON_UINT,
	  .required = true,
	  REQ(timeout_ms),
	  .min = LINK_TIMEOUT_MIN_MS,
	  .max = LINK_TIMEOUT_MAX_MS },
	{ .key = "bandwidth_bytes_per_s", .type = JSON_UINT, REQ(bytes_per_s) },
	{ .key = "connect_timeout_ms",
	  .type = JSON_UINT,
	  REQ(connect_ms),
	  .max = CONNECT_TIMEOUT_MAX_MS },
	{ .key = "channels",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct wire_request, config.channels, config.channel_count),
	  .fields = transfer_channel_fields },
	{ .key = "monitor", .type = JSON_STRING, REQ_STR(config.monitor) },
	{ .key = "other_monitor", .type = JSON_STRING, REQ_STR(config.other_monitor) },
	{ .key = NULL },
};

static const struct json_field accept_fields[] = {
	CMD_FIELD,
	{ .key = "channel",
	  .type = JSON_STRING,
	  .required = true,
	  REQ_STR(channel),
	  .check = check_channel },
	{ .key = NULL },
};

static const struct json_field limit_fields[] = {
	CMD_FIELD,
	{ .key = "bytes_per_s", .type = JSON_UINT, .required = true, REQ(bytes_per_s) },
	{ .key = NULL },
};

static const struct json_field link_timeout_fields[] = {
	CMD_FIELD,
	{ .key = "ms",
	  .type = JSON_UINT,
	  .required = true,
	  REQ(timeout_ms),
	  .min = LINK_TIMEOUT_MIN_MS,
	  .max = LINK_TIMEOUT_MAX_MS },
	{ .key = NULL },
};

static const struct json_field lease_fields[] = {
	CMD_FIELD,
	{ .key = "ms",
	  .type = JSON_UINT,
	  .required = true,
	  REQ(timeout_ms),
	  .max = STREAM_LEASE_FOREVER },
	{ .key = NULL },
};

static const struct json_field give_way_fields[] = {
	CMD_FIELD,
	{ .key = "ms",
	  .type = JSON_UINT,
	  .required = true,
	  REQ(timeout_ms),
	  .max = STREAM_WAY_MAX_MS },
	{ .key = NULL },
};

static const struct json_field bare_fields[] = { CMD_FIELD, { .key = NULL } };

static const struct json_field *const request_fields[] = {
	[STREAM_CMD_CONFIGURE] = configure_fields, [STREAM_CMD_ACCEPT] = accept_fields,
	[STREAM_CMD_LIMIT] = limit_fields,         [STREAM_CMD_LINK_TIMEOUT] = link_timeout_fields,
	[STREAM_CMD_LEASE] = lease_fields,         [STREAM_CMD_GIVE_WAY] = give_way_fields,
	[STREAM_CMD_KEEP] = bare_fields,           [STREAM_CMD_STATUS] = bare_fields,
	[STREAM_CMD_QUIT] = bare_fields,
};

static const struct json_field reply_fields[] = {
	{ .key = "event", .type = JSON_ENUM, .required = true, .names = event_names, REP(event) },
	{ .key = "to", .type = JSON_ENUM, .required = true, .names = cmd_names, REP(to) },
	{ .key = "code", .type = JSON_STRING, REP_STR(code) },
	{ .key = "error", .type = JSON_STRING, REP_STR(error) },
	{ .key = NULL },
};

static const struct json_field channel_fields[] = {
	{ .key = "event", .type = JSON_ENUM, .required = true, .names = event_names, REP(event) },
	{ .key = "channel",
	  .type = JSON_STRING,
	  .required = true,
	  REP_STR(channel),
	  .check = check_channel },
	{ .key = "state", .type = JSON_ENUM, .required = true, .names = state_names, REP(state) },
	{ .key = "bytes_out", .type = JSON_UINT, REP(bytes_out) },
	{ .key = "bytes_in", .type = JSON_UINT, REP(bytes_in) },
	{ .key = "error", .type = JSON_STRING, REP_STR(error) },
	{ .key = NULL },
};

static const struct json_field *const report_fields[] = {
	[STREAM_EVENT_REPLY] = reply_fields,
	[STREAM_EVENT_CHANNEL] = channel_fields,
};

/* ---- packets --------------------------------------------------------- */

static void faults_freep(struct faults **faults)
{
	faults_free(*faults);
}

static void wipe_string(struct json_object *obj, const char *key)
{
	const char *text = json_get_str(obj, key);

	if (text)
		explicit_bzero((void *)(uintptr_t)text, strlen(text));
}

static bool object_parse(const void *msg, size_t len, struct json_object **ret, struct err *err)
{
	static const struct json_limits limits = { .max_bytes = STREAM_MSG_MAX, .max_depth = 4 };
	CLEANUP(faults_freep) struct faults *faults = faults_new();
	struct json_object *obj = json_parse(msg, len, &limits, faults);

	if (!obj)
		return faults_to_err(faults, err);
	*ret = obj;
	return true;
}

/* The index of OBJ's member KEY in NAMES. */
static bool object_kind(struct json_object *obj, const char *key, const char *const *names,
			size_t *ret, struct err *err)
{
	const char *name = json_get_str(obj, key);

	for (size_t i = 0; name && names[i]; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = i;
			return true;
		}
	}
	return err_set(err, ERR_INVALID, "the message has no known '%s'", key);
}

static bool object_print(struct json_object *obj, char ret_msg[STREAM_MSG_MAX], size_t *ret_len,
			 struct err *err)
{
	size_t len;
	const char *text = json_object_to_json_string_length(obj,
							     JSON_C_TO_STRING_PLAIN |
								     JSON_C_TO_STRING_NOSLASHESCAPE,
							     &len);

	if (!text || len >= STREAM_MSG_MAX)
		return err_set(err, ERR_TOO_LARGE, "a control message of %zu bytes, at most %d",
			       len, STREAM_MSG_MAX - 1);
	memcpy(ret_msg, text, len + 1);
	explicit_bzero((void *)(uintptr_t)text, len);
	*ret_len = len;
	return true;
}

bool stream_request_print(const struct stream_request *req, char ret_msg[STREAM_MSG_MAX],
			  size_t *ret_len, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct wire_request wire;
	bool ok;

	memset(&wire, 0, sizeof(wire));
	wire.cmd = (int)req->cmd;
	memcpy(wire.channel, req->channel, sizeof(wire.channel));
	wire.bytes_per_s = req->bytes_per_s;
	wire.timeout_ms = req->timeout_ms;
	if (req->cmd == STREAM_CMD_CONFIGURE) {
		wire.config = req->config;
		wire.bytes_per_s = req->config.bandwidth_bytes_per_s;
		wire.timeout_ms = req->config.link_timeout_ms;
		wire.connect_ms = req->config.connect_timeout_ms;
	}
	obj = json_encode(request_fields[req->cmd], &wire);
	ok = object_print(obj, ret_msg, ret_len, err);
	wipe_string(obj, "token");
	explicit_bzero(&wire, sizeof(wire));
	return ok;
}

bool stream_request_parse(const void *msg, size_t len, struct stream_request *ret, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct wire_request wire;
	size_t cmd;
	bool ok;

	memset(&wire, 0, sizeof(wire));
	if (!object_parse(msg, len, &obj, err) || !object_kind(obj, "cmd", cmd_names, &cmd, err))
		return false;
	ok = json_decode_object(obj, request_fields[cmd], &wire, JSON_IGNORE_UNKNOWN, err);
	wipe_string(obj, "token");
	if (ok) {
		ret->cmd = (enum stream_cmd)cmd;
		ret->config = wire.config;
		ret->config.bandwidth_bytes_per_s = wire.bytes_per_s;
		ret->config.link_timeout_ms = (uint32_t)wire.timeout_ms;
		ret->config.connect_timeout_ms = (uint32_t)wire.connect_ms;
		memcpy(ret->channel, wire.channel, sizeof(ret->channel));
		ret->bytes_per_s = wire.bytes_per_s;
		ret->timeout_ms = (uint32_t)wire.timeout_ms;
	}
	explicit_bzero(&wire, sizeof(wire));
	return ok;
}

bool stream_report_print(const struct stream_report *report, char ret_msg[STREAM_MSG_MAX],
			 size_t *ret_len, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct wire_report wire;

	memset(&wire, 0, sizeof(wire));
	wire.event = (int)report->event;
	wire.to = (int)report->to;
	if (report->event == STREAM_EVENT_CHANNEL) {
		memcpy(wire.channel, report->channel, sizeof(wire.channel));
		wire.state = (int)report->status.state;
		wire.bytes_out = report->status.bytes_out;
		wire.bytes_in = report->status.bytes_in;
		snprintf(wire.error, sizeof(wire.error), "%s", report->status.error);
	} else if (err_is_set(&report->err)) {
		snprintf(wire.code, sizeof(wire.code), "%s", err_name(report->err.code));
		snprintf(wire.error, sizeof(wire.error), "%s", report->err.msg);
	}
	obj = json_encode(report_fields[report->event], &wire);
	return object_print(obj, ret_msg, ret_len, err);
}

bool stream_report_parse(const void *msg, size_t len, struct stream_report *ret, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct wire_report wire;
	size_t event;

	memset(&wire, 0, sizeof(wire));
	if (!object_parse(msg, len, &obj, err) ||
	    !object_kind(obj, "event", event_names, &event, err) ||
	    !json_decode_object(obj, report_fields[event], &wire, JSON_IGNORE_UNKNOWN, err))
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->event = (enum stream_event)event;
	ret->to = (enum stream_cmd)wire.to;
	memcpy(ret->channel, wire.channel, sizeof(ret->channel));
	ret->status.state = (enum stream_channel_state)wire.state;
	ret->status.bytes_out = wire.bytes_out;
	ret->status.bytes_in = wire.bytes_in;
	snprintf(ret->status.error, sizeof(ret->status.error), "%.*s",
		 (int)sizeof(ret->status.error) - 1, wire.error);
	if (event == STREAM_EVENT_REPLY && wire.code[0] != '\0')
		err_set(&ret->err, err_from_name(wire.code), "%s", wire.error);
	return true;
}

/* ---- network --------------------------------------------------------- */

static bool port_is_valid(const char *port)
{
	size_t digits = strspn(port, "0123456789");

	return digits > 0 && digits <= 5 && port[digits] == '\0' &&
	       strtoul(port, NULL, 10) <= 65535;
}

bool stream_address_parse(const char *text, struct stream_address *ret, struct err *err)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	bool is_bracketed = host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']';

	if (is_bracketed) {
		host++;
		host_len -= 2;
	}
	if (host_len == 0 || host_len >= sizeof(ret->host) || !port_is_valid(colon + 1) ||
	    (!is_bracketed && memchr(host, ':', host_len)))
		return err_set(err, ERR_INVALID,
			       "'%.128s' is no address: HOST:PORT or [V6]:PORT is wanted", text);
	memcpy(ret->host, host, host_len);
	ret->host[host_len] = '\0';
	snprintf(ret->port, sizeof(ret->port), "%.5s", colon + 1);
	return true;
}
