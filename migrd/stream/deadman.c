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

static bool await(const struct deadman *talk, short events, struct err *err)
{
	struct pollfd pfd = { .fd = talk->fd, .events = events };
	uint64_t now = clock_monotonic_ms();
	int rc;

	if (now >= talk->deadline_ms)
		return err_set(err, ERR_TIMEOUT, "the monitor does not answer");
	rc = poll(&pfd, 1, (int)(talk->deadline_ms - now));
	return rc >= 0 || errno == EINTR || err_errno(err, "cannot wait for the monitor");
}

static bool say(const struct deadman *talk, const char *command, struct err *err)
{
	CLEANUP(free_charp) char *line = xasprintf("{\"execute\":\"%s\"}\n", command);

	/* A socket that has room for less than this is not read. */
	return send(talk->fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) ||
	       err_errno(err, "cannot write to the monitor");
}

static bool receive(struct deadman *talk, struct err *err)
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
static struct json_object *take_line(struct deadman *talk, bool *ret_is_json)
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
static bool hear(struct deadman *talk, const char *key, struct json_object **ret, struct err *err)
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

/* An answer that did not come in an earlier look comes first. */
static bool ask(struct deadman *talk, const char *command, struct json_object **ret,
		struct err *err)
{
	CLEANUP(json_putp) struct json_object *late = NULL;

	if (talk->pending && !hear(talk, "return", &late, err))
		return false;
	talk->pending = NULL;
	if (!say(talk, command, err))
		return false;
	talk->pending = command;
	if (!hear(talk, "return", ret, err))
		return false;
	talk->pending = NULL;
	return true;
}

/* The member "status" of the answer to COMMAND; "": it has none.  The caller puts *RET_ANSWER. */
static bool ask_status(struct deadman *talk, const char *command, struct json_object **ret_answer,
		       const char **ret, struct err *err)
{
	if (!ask(talk, command, ret_answer, err))
		return false;
	*ret = json_get_str(*ret_answer, "status");
	if (!*ret)
		*ret = "";
	return true;
}

static bool begin(struct deadman *talk, struct err *err)
{
	CLEANUP(json_putp) struct json_object *greeting = NULL, *ready = NULL;

	if (!talk->is_greeted && !hear(talk, "QMP", &greeting, err))
		return false;
	talk->is_greeted = true;
	if (!talk->is_ready && !talk->pending && !ask(talk, "qmp_capabilities", &ready, err))
		return false;
	talk->is_ready = true;
	return true;
}

static bool cancel(struct deadman *talk, enum deadman_sight *ret, struct err *err)
{
	CLEANUP(json_putp) struct json_object *cancelled = NULL;

	if (!ask(talk, "migrate_cancel", &cancelled, err))
		return false;
	*ret = DEADMAN_CANCELLED;
	return true;
}

/* The last pass: 7.2 calls it active too (migration_completion() in QEMU's migration/migration.c).
 */
static bool look(struct deadman *talk, enum deadman_sight *ret, struct err *err)
{
	CLEANUP(json_putp) struct json_object *info = NULL, *state = NULL;
	const char *migration, *run;

	if (!begin(talk, err) || !ask_status(talk, "query-migrate", &info, &migration, err))
		return false;
	if (strcmp(migration, "pre-switchover") == 0)
		return cancel(talk, ret, err);
	if (strcmp(migration, "active") != 0 && strcmp(migration, "device") != 0)
		return true;
	if (!ask_status(talk, "query-status", &state, &run, err))
		return false;
	if (strcmp(run, "finish-migrate") == 0)
		*ret = DEADMAN_STANDS;
	return true;
}

void deadman_init(struct deadman *deadman)
{
	memset(deadman, 0, sizeof(*deadman));
	deadman->fd = -1;
}

void deadman_close(struct deadman *deadman)
{
	closep(&deadman->fd);
	deadman_init(deadman);
}

/* A queue that is full is that of a QEMU that takes nobody. */
static bool enter(struct deadman *deadman, const char *path, struct err *err)
{
	if (deadman->fd >= 0 || unix_connect(path, SOCK_STREAM, &deadman->fd, err))
		return true;
	if (err->code == ERR_UNAVAILABLE && unix_is_listening(path))
		err->code = ERR_TIMEOUT;
	return false;
}

bool deadman_look(struct deadman *deadman, const char *path, uint32_t timeout_ms,
		  enum deadman_sight *ret, struct err *err)
{
	bool ok;

	*ret = DEADMAN_LEFT;
	if (!enter(deadman, path, err))
		return false;
	deadman->deadline_ms = clock_monotonic_ms() + timeout_ms;
	ok = look(deadman, ret, err);
	if (ok || err->code != ERR_TIMEOUT)
		deadman_close(deadman);
	return ok;
}
