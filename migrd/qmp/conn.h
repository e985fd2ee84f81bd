/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/conn.h -- one QMP monitor connection.
 *
 * Opening sends nothing before a QMP greeting has been read; then it negotiates
 * (out-of-band where offered).  Every command has an id and a deadline; a reply
 * finds its command by id in the connection's own table, so late, duplicated
 * and unknown replies are harmless.  A line over 16 MiB ends the connection
 * (the greeting: 64 KiB), as do bytes that are not JSON.
 *
 * QEMU is given few commands at a time, so that an out-of-band one always gets
 * through; the others wait here.  A command that times out while it waits here is
 * never sent (its message says so); QEMU may still carry out a command that times
 * out later, and that keeps its place until QEMU has answered it.
 *
 * Events before ready() are dropped, and those without a connection are missed: ask
 * for the state when ready.
 *
 * Thread: loop.  Errors: QEMU (refused, with QEMU's words), TIMEOUT, LIMIT (256
 * commands wait), UNAVAILABLE (closed, not ready, no oob), INVALID (the other
 * end is not a QMP monitor, or the address is none).
 * Source: QEMU docs/interop/qmp-spec.rst.
 */
#ifndef MIGRD_QMP_CONN_H
#define MIGRD_QMP_CONN_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

struct qmp_conn;

struct qmp_event {
	const char *name;         /* qmp/events.h knows them */
	struct json_object *data; /* borrowed; NULL if none */
	int64_t time_us;          /* QEMU's timestamp, host wall clock */
};

struct qmp_version {
	int major, minor, micro;
	char package[64];
};

/* QEMU's version is MAJOR.MINOR or later. */
static inline bool qmp_version_is_since(const struct qmp_version *version, int major, int minor)
{
	return version->major > major || (version->major == major && version->minor >= minor);
}

/* Called once, on the loop: ERR NULL when the monitor is ready for commands;
 * after an error the connection is closed and only waits for qmp_conn_free(). */
typedef void qmp_ready_fn(void *data, const struct err *err);
typedef void qmp_event_fn(void *data, const struct qmp_event *event);
/* Called at most once, after ready: the connection is lost. Commands under way
 * have been answered with UNAVAILABLE before. Not called by qmp_conn_free(). */
typedef void qmp_closed_fn(void *data, const struct err *why);

struct qmp_callbacks {
	qmp_ready_fn *ready;
	qmp_event_fn *event;
	qmp_closed_fn *closed;
	void *data;
};

/* "unix:PATH" or "tcp:HOST:PORT" (a numeric address).  Never waits: all
 * results come by ready(), also a refused connect.  DEADLINE_MS bounds connect,
 * greeting and negotiation together. */
struct qmp_conn *qmp_conn_open(struct loop *loop, const char *address, uint32_t deadline_ms,
			       const struct qmp_callbacks *cb);
/* The same over a connected stream socket, which it owns from here on. */
struct qmp_conn *qmp_conn_open_fd(struct loop *loop, int fd, uint32_t deadline_ms,
				  const struct qmp_callbacks *cb);
/* Commands under way are answered with UNAVAILABLE, later on the loop. */
void qmp_conn_free(struct qmp_conn *conn);

bool qmp_conn_has_oob(const struct qmp_conn *conn);
const struct qmp_version *qmp_conn_version(const struct qmp_conn *conn);

/* Exactly one call on the loop, never from inside qmp_command(): RESULT (the
 * "return" member, borrowed) or ERR. With ERR's code QEMU the result is QEMU's own
 * error object ("class", "desc"). */
typedef void qmp_reply_fn(void *data, struct json_object *result, const struct err *err);

/* ARGS may be NULL; its reference is taken over.  With oob it is sent as
 * exec-oob and overtakes a hung command; without it fails with UNAVAILABLE (the
 * caller asks qmp_conn_has_oob()).  FN may be NULL: a refusal or a time-out is
 * then logged as a warning. */
void qmp_command(struct qmp_conn *conn, const char *name, struct json_object *args,
		 uint32_t deadline_ms, qmp_reply_fn *fn, void *data);
/* The same with a descriptor, which goes to QEMU with the command: for getfd and add-fd.  FD is
 * taken over.  Only over a UNIX socket. */
void qmp_command_fd(struct qmp_conn *conn, const char *name, struct json_object *args, int fd,
		    uint32_t deadline_ms, qmp_reply_fn *fn, void *data);
void qmp_command_oob(struct qmp_conn *conn, const char *name, struct json_object *args,
		     uint32_t deadline_ms, qmp_reply_fn *fn, void *data);

#endif
