/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/monitor.h"

#include <ctype.h>
#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* Time for the request itself, in addition to the time that it gives QEMU. */
#define HTTP_MS    15000
#define DEFAULT_MS 10000
#define BLANKS     " \t"
#define TEXT_MAX   (1u << 20)
#define DEPTH_MAX  16

/* ---- input ------------------------------------------------------------------------ */

static struct json_object *parse_object(const char *text, struct err *err)
{
	static const struct json_limits limits = { .max_bytes = TEXT_MAX, .max_depth = DEPTH_MAX };
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct faults *faults = faults_new();

	obj = json_parse(text, strlen(text), &limits, faults);
	if (!obj)
		faults_to_err(faults, err);
	faults_free(faults);
	if (!obj)
		return NULL;
	if (!json_object_is_type(obj, json_type_object)) {
		err_set(err, ERR_INVALID, "'%.60s' is not a JSON object", text);
		return NULL;
	}
	return TAKE_PTR(obj);
}

struct json_object *monitor_parse_qmp(const char *text, struct err *err)
{
	CLEANUP(free_charp) char *name = NULL;
	struct json_object *command, *args = NULL;
	size_t len;

	text += strspn(text, BLANKS);
	if (*text == '{')
		return parse_object(text, err);
	len = strcspn(text, BLANKS "{");
	name = xstrndup(text, len);
	text += len;
	text += strspn(text, BLANKS);
	if (*text) {
		args = parse_object(text, err);
		if (!args) {
			err_wrap(err, "the arguments of '%.60s'", name);
			return NULL;
		}
	}
	command = json_object_new_object();
	json_add_str(command, "execute", name);
	if (args)
		json_object_object_add(command, "arguments", args);
	return command;
}

static struct json_object *make_request(const struct monitor *monitor, const char *text,
					struct err *err)
{
	struct json_object *command, *request;

	command = monitor->is_qmp ? monitor_parse_qmp(text, err) : json_object_new_string(text);
	if (!command)
		return NULL;
	request = json_object_new_object();
	json_add_str(request, "protocol", monitor->is_qmp ? "qmp" : "hmp");
	json_object_object_add(request, "command", command);
	if (monitor->timeout_ms)
		json_add_uint(request, "timeout_ms", monitor->timeout_ms);
	return request;
}

bool monitor_ask(const struct monitor *monitor, const char *text, struct json_object **ret_reply,
		 struct err *err)
{
	CLEANUP(json_putp) struct json_object *body = make_request(monitor, text, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", monitor->vm, "/monitor");
	struct client_request request = {
		.method = "POST",
		.path = path,
		.timeout_ms = (uint32_t)(monitor->timeout_ms ? monitor->timeout_ms : DEFAULT_MS) +
			      HTTP_MS,
	};

	if (!body)
		return false;
	request.body = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE);
	request.body_len = strlen(request.body);
	return client_call(monitor->client, &request, ret_reply, err);
}

/* ---- replies ------------------------------------------------------------------------ */

/* Prints TEXT with LF as the end of line, and '?' for what could steer the terminal. */
static void print_text(const char *text)
{
	char last = '\n';

	for (; *text; text++) {
		if (*text == '\r' && text[1] == '\n')
			continue;
		last = *text == '\n' || *text == '\t' || !iscntrl((unsigned char)*text) ? *text
											: '?';
		putchar(last);
	}
	if (last != '\n')
		putchar('\n');
}

void monitor_print(const struct monitor *monitor, struct json_object *reply)
{
	struct json_object *result = NULL;

	json_object_object_get_ex(reply, "return", &result);
	if (migrctl_wants_json(monitor->call))
		migrctl_print_data(monitor->call, reply);
	else if (json_object_is_type(result, json_type_string))
		print_text(json_object_get_string(result));
	else
		table_print_json(stdout, result);
}

static void print_error(const struct monitor *monitor, struct err *err)
{
	cli_clean(err->msg);
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", monitor->call->program->name, err_name(err->code),
		err->msg);
}

int monitor_run_line(const struct monitor *monitor, const char *line)
{
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct err err = { 0 };

	if (!monitor_ask(monitor, line, &reply, &err)) {
		print_error(monitor, &err);
		return err_exit_code(err.code);
	}
	monitor_print(monitor, reply);
	fflush(stdout);
	return 0;
}
