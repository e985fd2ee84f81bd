/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/deadman.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

/* Longer than any answer that is read here, and any event between. */
#define LINE_MAX_BYTES 65536

struct talk {
	int fd;
	uint64_t deadline_ms;
	size_t len; /* of what has come and was not read */
	char text[LINE_MAX_BYTES];
};

static bool await(const struct talk *talk, short events, struct err *err)
{
	struct pollfd pfd = { .fd = talk->fd, .events = events };
	uint64_t now = clock_monotonic_ms();
	int rc;

	if (now >= talk->deadline_ms)
		return err_set(err, ERR_TIMEOUT, "the monitor does not answer");
	rc = poll(&pfd, 1, (int)(talk->deadline_ms - now));
	return rc >= 0 || errno == EINTR || err_errno(err, "cannot wait for the monitor");
}

static bool say(const struct talk *talk, const char *command, struct err *err)
{
	CLEANUP(free_charp) char *line = xasprintf("{\"execute\":\"%s\"}\n", command);

	/* A socket that has room for less than this is not read. */
	return send(talk->fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) ||
	       err_errno(err, "cannot write to the monitor");
}

static bool receive(struct talk *talk, struct err *err)
{
	ssize_t got;

	if (talk->len == sizeof(talk->text))
		return err_set(err, ERR_INVALID, "the monitor has sent too long a line");
	if (!await(talk, POLLIN, err))
		return false;
	got = recv(talk->fd, talk->text + talk->len, sizeof(talk->text) - talk->len, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got <= 0)
		return err_set(err, ERR_UNAVAILABLE, "the monitor was closed");
	talk->len += (size_t)got;
	return true;
}

/* Takes the next line.  NULL: there is no whole one yet. */
static struct json_object *take_line(struct talk *talk, bool *ret_is_json)
{
	const char *end = memchr(talk->text, '\n', talk->len);
	size_t len = end ? (size_t)(end - talk->text) + 1 : 0;
	struct faults *faults;
	struct json_object *obj;

	*ret_is_json = true;
	if (!end)
		return NULL;
	faults = faults_new();
	obj = json_parse(talk->text, len, &json_limits_default, faults);
	faults_free(faults);
	*ret_is_json = obj != NULL;
	memmove(talk->text, talk->text + len, talk->len - len);
	talk->len -= len;
	return obj;
}

/* The value of member KEY of the first message that has it; others, as events, are skipped.  An
 * error of QEMU ends the talk. */
static bool hear(struct talk *talk, const char *key, struct json_object **ret, struct err *err)
{
	for (;;) {
		bool is_json;
		CLEANUP(json_putp) struct json_object *obj = take_line(talk, &is_json);
		struct json_object *value;

		if (!is_json || (obj && json_object_object_get_ex(obj, "error", NULL)))
			return err_set(err, ERR_INVALID, "the monitor gave no answer of QEMU's");
		if (obj && json_object_object_get_ex(obj, key, &value)) {
			*ret = json_object_get(value);
			return true;
		}
		if (!obj && !receive(talk, err))
			return false;
	}
}

static bool ask(struct talk *talk, const char *command, struct json_object **ret, struct err *err)
{
	return say(talk, command, err) && hear(talk, "return", ret, err);
}

static bool look(struct talk *talk, bool *ret_cancelled, struct err *err)
{
	CLEANUP(json_putp) struct json_object *greeting = NULL, *ready = NULL, *info = NULL;
	CLEANUP(json_putp) struct json_object *cancelled = NULL;
	const char *status;

	if (!hear(talk, "QMP", &greeting, err) || !ask(talk, "qmp_capabilities", &ready, err) ||
	    !ask(talk, "query-migrate", &info, err))
		return false;
	status = json_get_str(info, "status");
	if (!status || strcmp(status, "pre-switchover") != 0)
		return true;
	*ret_cancelled = ask(talk, "migrate_cancel", &cancelled, err);
	return *ret_cancelled;
}

bool deadman_look(const char *path, uint32_t timeout_ms, bool *ret_cancelled, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	struct talk talk = { 0 };

	*ret_cancelled = false;
	if (!unix_connect(path, SOCK_STREAM, &fd, err))
		return false;
	talk.fd = fd;
	talk.deadline_ms = clock_monotonic_ms() + timeout_ms;
	return look(&talk, ret_cancelled, err);
}
