/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qga/conn.h -- the channel to the guest agent of one VM.
 *
 * One exchange at a time, in the order of the requests.  Each begins with
 * guest-sync-delimited and an id that was never used before: what the agent says
 * before it has answered that is from an earlier exchange (of an earlier run of migrd,
 * or one that had timed out), and is dropped.  The command itself is sent only after
 * that answer, so that no command waits in the channel for an agent that starts later.
 *
 * The agent may say anything or nothing; every request is answered once, by its
 * deadline.  An agent that has not answered in time may answer later: heard()
 * then tells that it lives.
 *
 * Thread: loop.  No callback is called from inside a call.  Errors: AGENT (its
 * own refusal, or an answer that makes no sense), TIMEOUT, LIMIT (too many wait),
 * UNAVAILABLE (the channel was closed).
 */
#ifndef MIGRD_QGA_CONN_H
#define MIGRD_QGA_CONN_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

#define QGA_WAITING_MAX 16

struct qga_conn;

struct qga_callbacks {
	/* The agent said something that no request waits for. */
	loop_fn *heard;
	/* At most once: the other end is gone; requests have been answered.  Only
	 * qga_conn_free() may be called then. */
	loop_fn *closed;
	void *data;
};

/* Connects to the socket PATH, where QEMU listens; NULL and UNAVAILABLE if nobody does. */
struct qga_conn *qga_conn_open(struct loop *loop, const char *path, const struct qga_callbacks *cb,
			       struct err *err);
/* Requests under way are answered with UNAVAILABLE, later on the loop. */
void qga_conn_free(struct qga_conn *conn);

/* RESULT (the "return" member, borrowed) or ERR. */
typedef void qga_reply_fn(void *data, struct json_object *result, const struct err *err);

struct qga_request {
	const char *command;
	/* Called when the command is sent, for arguments that depend on the moment; NULL: no
	 * arguments.  The object is the connection's from then on. */
	struct json_object *(*make_args)(void);
	/* Arguments that do not; the caller keeps its reference.  NULL: none. */
	struct json_object *args;
	uint32_t deadline_ms; /* for all of it, the wait for others included */
	bool is_silent;       /* it answers only if it fails: no answer, or an end of the
			       * channel, is success (RESULT is NULL) */
	qga_reply_fn *fn;
	void *data;
};
void qga_conn_request(struct qga_conn *conn, const struct qga_request *request);

#endif
