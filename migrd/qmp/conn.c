/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "qmp/address.h"
#include "qmp/codec.h"
#include "qmp/command.h"
#include "qmp/greeting.h"
#include "qmp/refuse.h"

/* How many commands QEMU is given at a time with oob.  It reads on until 8 are
 * queued in it, and then reads nothing, not even an out-of-band command
 * (monitor/qmp.c, QMP_REQ_QUEUE_LEN_MAX).  The others wait here, where they can
 * still be withdrawn.  Without oob QEMU reads one at a time anyway. */
#define WINDOW_OOB 4

#define READ_BYTES 65536

/* How many messages of one monitor are handled in a turn of the loop, and over time: a flood of
 * events is left in the socket, where it holds up nobody but the QEMU that sends it.  A move
 * brings at most some dozens of messages a second. */
#define TURN_MESSAGES  16
#define BURST_MESSAGES 256
#define MESSAGE_MS     5
#define REST_MS        50

enum qmp_conn_state {
	QMP_CONN_CONNECTING,
	QMP_CONN_GREETING,
	QMP_CONN_NEGOTIATING,
	QMP_CONN_READY,
	QMP_CONN_CLOSED,
};

struct qmp_conn {
	struct loop *loop;
	struct qmp_callbacks cb;
	enum qmp_conn_state state;
	unsigned depth; /* of our callbacks on the stack: the memory must outlive them */
	bool is_freed;
	int fd;
	struct loop_watch *watch;
	unsigned watched;
	unsigned turn_left, tokens;
	uint64_t counted_ms;     /* tokens were given up to this time */
	struct loop_timer *rest; /* while it runs, nothing is read */
	struct loop_timer *open_timer;
	uint32_t open_deadline_ms;
	struct err why; /* why it could not be opened, or is closed */
	struct qmp_codec codec;
	struct strbuf out;
	int pass_fd; /* goes with the byte at PASS_AT of `out'; -1: none */
	size_t pass_at;
	bool is_write_broken;
	struct qmp_commands cmds;
	bool has_oob;
	struct qmp_version version;
};

/* ---- answers ----------------------------------------------------------- */

/* An abandoned command was answered when its deadline passed.  For a command without
 * FN, a refusal or a time-out is logged; of a lost connection closed() tells. */
static void deliver(struct qmp_conn *conn, const struct qmp_cmd *cmd, struct json_object *result,
		    const struct err *err)
{
	if (cmd->is_abandoned)
		return;
	if (cmd->fn)
		cmd->fn(cmd->data, result, err);
	else if (err && err->code != ERR_UNAVAILABLE)
		log_warning("qmp", "command-failed", "conn=%s command=%s reason=%s", conn->cmds.tag,
			    cmd->name, err->msg);
}

/* Commands get UNAVAILABLE, whatever ended the connection. */
static struct err closed_err(const struct err *why)
{
	struct err err = *why;

	err.code = ERR_UNAVAILABLE;
	err_wrap(&err, "the monitor is closed");
	return err;
}

/* ---- life cycle -------------------------------------------------------- */

static void destroy(struct qmp_conn *conn)
{
	qmp_codec_fini(&conn->codec);
	strbuf_fini(&conn->out);
	free(conn);
}

static void enter(struct qmp_conn *conn)
{
	conn->depth++;
}

static void leave(struct qmp_conn *conn)
{
	if (--conn->depth == 0 && conn->is_freed)
		destroy(conn);
}

static void detach(struct qmp_conn *conn)
{
	conn->state = QMP_CONN_CLOSED;
	loop_timer_free(TAKE_PTR(conn->open_timer));
	loop_timer_free(TAKE_PTR(conn->rest));
	loop_watch_free(TAKE_PTR(conn->watch));
	closep(&conn->pass_fd);
	conn->pass_fd = -1;
	if (conn->fd >= 0)
		close(TAKE_FD(conn->fd));
}

/* Only from our own callbacks, never from inside a call of the owner. */
static void conn_close(struct qmp_conn *conn, const struct err *why)
{
	bool was_ready = conn->state == QMP_CONN_READY;
	struct err err;
	struct qmp_cmd *cmd;

	assert(conn->depth > 0);
	if (why != &conn->why)
		conn->why = *why;
	detach(conn);
	log_debug("qmp", "closed", "conn=%s reason=%s", conn->cmds.tag, conn->why.msg);
	err = closed_err(&conn->why);
	while ((cmd = qmp_commands_first(&conn->cmds))) {
		qmp_commands_remove(&conn->cmds, cmd);
		deliver(conn, cmd, NULL, &err);
		qmp_cmd_free(cmd);
	}
	if (conn->is_freed)
		return;
	if (!was_ready)
		conn->cb.ready(conn->cb.data, &conn->why);
	else if (conn->cb.closed)
		conn->cb.closed(conn->cb.data, &conn->why);
}

void qmp_conn_free(struct qmp_conn *conn)
{
	struct err err;
	struct qmp_cmd *cmd;

	if (!conn)
		return;
	loop_assert_thread(conn->loop);
	assert(!conn->is_freed);
	conn->is_freed = true;
	detach(conn);
	err_set(&err, ERR_UNAVAILABLE, "the monitor was closed on our side");
	while ((cmd = qmp_commands_first(&conn->cmds))) {
		qmp_commands_remove(&conn->cmds, cmd);
		if (!cmd->is_abandoned)
			qmp_refuse(conn->loop, cmd->fn, cmd->data, &err);
		qmp_cmd_free(cmd);
	}
	if (conn->depth == 0)
		destroy(conn);
}

/* ---- sending ----------------------------------------------------------- */

static void watch(struct qmp_conn *conn, unsigned events)
{
	if (loop_timer_is_active(conn->rest))
		events &= ~(unsigned)LOOP_READ;
	if (conn->watched != events)
		loop_watch_set(conn->watch, events);
	conn->watched = events;
}

/* Sends the start of `out', with its descriptor if that belongs there. */
static ssize_t send_some(struct qmp_conn *conn)
{
	bool has_fd = conn->pass_fd >= 0;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec data = { conn->out.data,
			      has_fd && conn->pass_at ? conn->pass_at : conn->out.len };
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };

	if (has_fd && !conn->pass_at) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
							 .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &conn->pass_fd, sizeof(int));
	}
	return sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
}

/* N bytes of `out' have gone. */
static void note_sent(struct qmp_conn *conn, size_t n)
{
	strbuf_consume(&conn->out, n);
	if (conn->pass_fd >= 0 && !conn->pass_at)
		close(TAKE_FD(conn->pass_fd));
	else if (conn->pass_fd >= 0)
		conn->pass_at -= n;
}

/* Never closes: this runs inside qmp_command() too.  After a failed write, what
 * QEMU said last is still read, and the reader finds the end of the connection. */
static void flush(struct qmp_conn *conn)
{
	while (conn->out.len > 0 && !conn->is_write_broken) {
		ssize_t n = send_some(conn);

		if (n >= 0)
			note_sent(conn, (size_t)n);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			conn->is_write_broken = true;
	}
	if (conn->is_write_broken)
		strbuf_clear(&conn->out);
	watch(conn, conn->out.len > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

/* WHERE is "send", "reply" or "event". */
static enum fault_kind fault_at(const char *where, const char *name, struct err *err)
{
#ifdef ENABLE_FAULT_INJECTION
	char point[96];

	snprintf(point, sizeof(point), "qmp.%s.%s", where, name);
	return fault_message(point, err);
#else
	(void)where;
	(void)name;
	(void)err;
	return FAULT_NONE;
#endif
}

/* Reports the failure later, by the timer: this may run inside a call of the owner. */
static void fail_to_open(struct qmp_conn *conn, const struct err *err)
{
	conn->why = *err;
	loop_timer_start(conn->open_timer, 0);
}

static void send_one(struct qmp_conn *conn, struct qmp_cmd *cmd)
{
	struct err err;

	switch (fault_at("send", cmd->name, &err)) {
	case FAULT_ERROR:
		qmp_commands_remove(&conn->cmds, cmd);
		if (conn->state == QMP_CONN_NEGOTIATING)
			fail_to_open(conn, &err);
		else
			qmp_refuse(conn->loop, cmd->fn, cmd->data, &err);
		qmp_cmd_free(cmd);
		return;
	case FAULT_DROP:
		cmd->is_off_wire = true;
		qmp_commands_mark_sent(&conn->cmds, cmd);
		return;
	case FAULT_NONE:
		if (cmd->fd >= 0) {
			conn->pass_at = conn->out.len;
			conn->pass_fd = TAKE_FD(cmd->fd);
		}
		strbuf_adds(&conn->out, cmd->line);
		qmp_commands_mark_sent(&conn->cmds, cmd);
		return;
	}
}

static void pump(struct qmp_conn *conn)
{
	struct qmp_cmd *cmd;

	/* One descriptor is under way at a time; the next one waits for the socket. */
	while ((cmd = qmp_commands_next(&conn->cmds)) && (cmd->fd < 0 || conn->pass_fd < 0))
		send_one(conn, cmd);
	flush(conn);
}

static void explain_timeout(const struct qmp_conn *conn, const struct qmp_cmd *cmd, struct err *err)
{
	const char *busy_with = qmp_commands_busy_with(&conn->cmds);

	if (!cmd->line)
		err_set(err, ERR_TIMEOUT, "QEMU has not answered '%s' within %u ms", cmd->name,
			cmd->deadline_ms);
	else
		err_set(err, ERR_TIMEOUT,
			"'%s' was never sent: QEMU has not answered '%s' within %u ms", cmd->name,
			busy_with ? busy_with : "an earlier command", cmd->deadline_ms);
}

static void on_expired(void *data)
{
	struct qmp_cmd *cmd = data, copy = *cmd;
	struct qmp_conn *conn = cmd->owner;
	bool is_held_by_qemu = !cmd->line && !cmd->is_off_wire;
	struct err err;

	enter(conn);
	explain_timeout(conn, cmd, &err);
	if (is_held_by_qemu)
		cmd->is_abandoned = true;
	else
		qmp_commands_remove(&conn->cmds, cmd);
	deliver(conn, &copy, NULL, &err); /* may free CONN, and with it an abandoned CMD */
	if (!is_held_by_qemu)
		qmp_cmd_free(cmd);
	leave(conn);
}

static void submit(struct qmp_conn *conn, const struct qmp_command_args *args)
{
	qmp_commands_add(&conn->cmds, args, conn->loop, on_expired, conn);
	pump(conn);
}

static bool may_submit(const struct qmp_conn *conn, bool is_oob, struct err *err)
{
	if (conn->state == QMP_CONN_CLOSED) {
		*err = closed_err(&conn->why);
		return false;
	}
	if (conn->state != QMP_CONN_READY)
		return err_set(err, ERR_UNAVAILABLE, "the monitor is not ready");
	if (is_oob && !conn->has_oob)
		return err_set(err, ERR_UNAVAILABLE, "this monitor has no out-of-band commands");
	return qmp_commands_have_room(&conn->cmds, is_oob, err);
}

static void refuse(struct qmp_conn *conn, const struct qmp_command_args *args,
		   const struct err *err)
{
	if (args->fd)
		close(args->fd);
	qmp_refuse(conn->loop, args->fn, args->data, err);
}

static void command(struct qmp_conn *conn, const struct qmp_command_args *args)
{
	struct err err;

	loop_assert_thread(conn->loop);
	assert(!conn->is_freed);
	if (may_submit(conn, args->is_oob, &err))
		submit(conn, args);
	else
		refuse(conn, args, &err);
	json_object_put(args->args);
}

void qmp_command(struct qmp_conn *conn, const char *name, struct json_object *args,
		 uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	command(conn, &(struct qmp_command_args){ .name = name,
						  .args = args,
						  .deadline_ms = deadline_ms,
						  .fn = fn,
						  .data = data });
}

void qmp_command_fd(struct qmp_conn *conn, const char *name, struct json_object *args, int fd,
		    uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	command(conn, &(struct qmp_command_args){ .name = name,
						  .args = args,
						  .deadline_ms = deadline_ms,
						  .fd = fd,
						  .fn = fn,
						  .data = data });
}

void qmp_command_oob(struct qmp_conn *conn, const char *name, struct json_object *args,
		     uint32_t deadline_ms, qmp_reply_fn *fn, void *data)
{
	command(conn, &(struct qmp_command_args){ .name = name,
						  .args = args,
						  .is_oob = true,
						  .deadline_ms = deadline_ms,
						  .fn = fn,
						  .data = data });
}

/* ---- receiving --------------------------------------------------------- */

static void on_negotiated(struct qmp_conn *conn, const struct err *err)
{
	if (err) {
		conn_close(conn, err);
		return;
	}
	conn->state = QMP_CONN_READY;
	conn->cmds.window = conn->has_oob ? WINDOW_OOB : 1;
	loop_timer_free(TAKE_PTR(conn->open_timer));
	conn->cb.ready(conn->cb.data, NULL);
}

/* NULL: nothing to ask for. */
static struct json_object *negotiation_args(const struct qmp_conn *conn)
{
	struct json_object *args, *enable;

	if (!conn->has_oob)
		return NULL;
	args = json_object_new_object();
	enable = json_object_new_array();
	json_object_array_add(enable, json_object_new_string("oob"));
	json_object_object_add(args, "enable", enable);
	return args;
}

/* Sends the only command of the negotiation.  It has no FN: on_negotiated() gets
 * its reply, and if there is none, the opening's deadline passes first, as it
 * started earlier. */
static void negotiate(struct qmp_conn *conn)
{
	struct json_object *args = negotiation_args(conn);

	submit(conn, &(struct qmp_command_args){ .name = "qmp_capabilities",
						 .args = args,
						 .deadline_ms = conn->open_deadline_ms });
	json_object_put(args);
}

static void on_greeting(struct qmp_conn *conn, const struct qmp_msg *msg)
{
	struct err err;

	if (msg->kind != QMP_MSG_GREETING) {
		err_set(&err, ERR_INVALID,
			"not a QMP monitor, or one in use: its first line is not a greeting");
		conn_close(conn, &err);
		return;
	}
	if (!qmp_greeting_decode(msg->body, &conn->version, &conn->has_oob, &err)) {
		err_wrap(&err, "not a QMP monitor");
		conn_close(conn, &err);
		return;
	}
	conn->codec.max_line_bytes = QMP_LINE_MAX_BYTES;
	conn->state = QMP_CONN_NEGOTIATING;
	negotiate(conn);
}

static void take_reply(struct qmp_conn *conn, struct qmp_cmd *cmd, struct json_object *result,
		       const struct err *err)
{
	qmp_commands_remove(&conn->cmds, cmd);
	pump(conn); /* the window has room: use it before the owner is called */
	if (conn->state == QMP_CONN_NEGOTIATING)
		on_negotiated(conn, err);
	else if (cmd->is_abandoned)
		log_debug("qmp", "late-reply", "conn=%s command=%s", conn->cmds.tag, cmd->name);
	else
		deliver(conn, cmd, result, err);
	qmp_cmd_free(cmd);
}

static void on_reply(struct qmp_conn *conn, const struct qmp_msg *msg)
{
	struct qmp_cmd *cmd = qmp_commands_find(&conn->cmds, msg->id);
	enum fault_kind fault;
	struct err err;

	if (!cmd) {
		log_debug("qmp", "stray-reply", "conn=%s id=%s error=%s", conn->cmds.tag,
			  msg->id ? msg->id : "", msg->text ? msg->text : "");
		return;
	}
	fault = fault_at("reply", cmd->name, &err);
	if (fault == FAULT_DROP && !cmd->is_abandoned) {
		cmd->is_off_wire = true; /* the deadline will answer it */
		pump(conn);
		return;
	}
	if (fault == FAULT_NONE && msg->kind == QMP_MSG_ERROR)
		err_set(&err, ERR_QEMU, "QEMU refused '%s': %s", cmd->name, msg->text);
	if (fault == FAULT_ERROR)
		take_reply(conn, cmd, NULL, &err);
	else
		take_reply(conn, cmd, msg->body, msg->kind == QMP_MSG_ERROR ? &err : NULL);
}

/* Events before ready() are dropped: the owner asks for the state after ready(),
 * and the answer contains what they said. */
static void on_event(struct qmp_conn *conn, const struct qmp_msg *msg)
{
	const struct qmp_event event = { .name = msg->name,
					 .data = msg->body,
					 .time_us = msg->time_us };
	struct err err;

	if (fault_at("event", msg->name, &err) != FAULT_NONE)
		return;
	if (conn->state == QMP_CONN_READY && conn->cb.event)
		conn->cb.event(conn->cb.data, &event);
	else
		log_debug("qmp", "early-event", "conn=%s name=%s", conn->cmds.tag, msg->name);
}

static void on_msg(struct qmp_conn *conn, const struct qmp_msg *msg)
{
	struct err err;

	if (conn->state == QMP_CONN_GREETING) {
		on_greeting(conn, msg);
		return;
	}
	switch (msg->kind) {
	case QMP_MSG_RETURN:
	case QMP_MSG_ERROR:
		on_reply(conn, msg);
		return;
	case QMP_MSG_EVENT:
		on_event(conn, msg);
		return;
	case QMP_MSG_GREETING:
		/* A program between us and QEMU has connected anew, perhaps to another QEMU. */
		err_set(&err, ERR_INVALID, "the monitor greeted a second time");
		conn_close(conn, &err);
		return;
	case QMP_MSG_OTHER:
		log_debug("qmp", "unknown-message", "conn=%s", conn->cmds.tag);
		return;
	}
}

/* Closes a connection whose first bytes cannot become a greeting; waits for no line end. */
static bool refuse_stranger(struct qmp_conn *conn)
{
	struct err err;
	size_t len;
	const char *bytes = qmp_codec_partial(&conn->codec, &len);

	if (conn->state != QMP_CONN_GREETING || qmp_greeting_is_possible(bytes, len))
		return false;
	qmp_greeting_refuse(bytes, len, &err);
	conn_close(conn, &err);
	return true;
}

static void refill(struct qmp_conn *conn)
{
	uint64_t given = (loop_now_ms(conn->loop) - conn->counted_ms) / MESSAGE_MS;

	conn->tokens = given > BURST_MESSAGES - conn->tokens ? BURST_MESSAGES
							     : conn->tokens + (unsigned)given;
	conn->counted_ms += given * MESSAGE_MS;
}

/* Stops reading for a while; what has been read already is handled after that. */
static void take_a_rest(struct qmp_conn *conn)
{
	loop_timer_start(conn->rest, conn->tokens ? 0 : REST_MS);
	watch(conn, conn->watched);
}

static void process(struct qmp_conn *conn)
{
	enum qmp_codec_result result;
	struct qmp_msg msg;
	struct err err;

	refill(conn);
	conn->turn_left = TURN_MESSAGES;
	while (conn->state != QMP_CONN_CLOSED && !refuse_stranger(conn)) {
		if (conn->turn_left == 0 || conn->tokens == 0) {
			take_a_rest(conn);
			return;
		}
		result = qmp_codec_next(&conn->codec, &msg, &err);
		if (result == QMP_CODEC_MORE)
			return;
		if (result == QMP_CODEC_BROKEN) {
			err_wrap(&err, conn->state == QMP_CONN_GREETING ? "not a QMP monitor"
									: "not QMP");
			conn_close(conn, &err);
			return;
		}
		conn->turn_left--;
		conn->tokens--;
		on_msg(conn, &msg);
		qmp_msg_release(&msg);
	}
}

static void on_end(struct qmp_conn *conn)
{
	struct err err;
	size_t partial;

	qmp_codec_partial(&conn->codec, &partial);
	if (conn->state == QMP_CONN_GREETING)
		err_set(&err, ERR_UNAVAILABLE, "the other end closed before a QMP greeting");
	else
		err_set(&err, ERR_UNAVAILABLE, "QEMU closed the monitor%s",
			partial > 0 ? " in the middle of a line" : "");
	conn_close(conn, &err);
}

/* Reads once a call, so that a flood leaves the loop to others. */
static void read_some(struct qmp_conn *conn)
{
	char buf[READ_BYTES];
	ssize_t n = recv(conn->fd, buf, sizeof(buf), 0);
	struct err err;

	if (n > 0) {
		qmp_codec_feed(&conn->codec, buf, (size_t)n);
		process(conn);
	} else if (n == 0) {
		on_end(conn);
	} else if (errno != EAGAIN && errno != EINTR) {
		err_set(&err, ERR_UNAVAILABLE, "cannot read from the monitor: %s", strerror(errno));
		conn_close(conn, &err);
	}
}

static void on_rested(void *data)
{
	struct qmp_conn *conn = data;

	enter(conn);
	watch(conn, conn->watched | LOOP_READ);
	process(conn);
	leave(conn);
}

/* ---- opening ----------------------------------------------------------- */

static void on_connected(struct qmp_conn *conn)
{
	struct err err;

	if (!qmp_address_connected(conn->fd, &err)) {
		conn_close(conn, &err);
		return;
	}
	conn->state = QMP_CONN_GREETING;
	watch(conn, LOOP_READ);
}

static void on_io(void *data, unsigned ready)
{
	struct qmp_conn *conn = data;

	enter(conn);
	if (conn->state == QMP_CONN_CONNECTING) {
		on_connected(conn);
	} else {
		if (ready & LOOP_WRITE)
			flush(conn);
		if (ready & LOOP_READ)
			read_some(conn);
	}
	leave(conn);
}

/* Also reports what went wrong before qmp_conn_open() returned. */
static void on_open_timer(void *data)
{
	static const char *const missing[] = {
		[QMP_CONN_CONNECTING] = "no connection",
		[QMP_CONN_GREETING] = "no QMP greeting (does another client hold the monitor?)",
		[QMP_CONN_NEGOTIATING] = "no answer to qmp_capabilities",
	};
	struct qmp_conn *conn = data;

	enter(conn);
	if (!err_is_set(&conn->why))
		err_set(&conn->why, ERR_TIMEOUT, "%s within %u ms", missing[conn->state],
			conn->open_deadline_ms);
	conn_close(conn, &conn->why);
	leave(conn);
}

static struct qmp_conn *conn_new(struct loop *loop, uint32_t deadline_ms,
				 const struct qmp_callbacks *cb)
{
	struct qmp_conn *conn;

	loop_assert_thread(loop);
	conn = xnew(struct qmp_conn);
	conn->loop = loop;
	conn->cb = *cb;
	conn->fd = conn->pass_fd = -1;
	conn->open_deadline_ms = deadline_ms;
	conn->open_timer = loop_timer_new(loop, on_open_timer, conn);
	conn->rest = loop_timer_new(loop, on_rested, conn);
	conn->tokens = BURST_MESSAGES;
	conn->counted_ms = loop_now_ms(loop);
	qmp_codec_init(&conn->codec, QMP_GREETING_MAX_BYTES);
	qmp_commands_init(&conn->cmds);
	return conn;
}

static void begin(struct qmp_conn *conn, int fd, bool is_pending)
{
	conn->fd = fd;
	conn->state = is_pending ? QMP_CONN_CONNECTING : QMP_CONN_GREETING;
	conn->watch = loop_watch_new(conn->loop, fd, on_io, conn);
	watch(conn, is_pending ? LOOP_WRITE : LOOP_READ);
	loop_timer_start(conn->open_timer, conn->open_deadline_ms);
}

struct qmp_conn *qmp_conn_open(struct loop *loop, const char *address, uint32_t deadline_ms,
			       const struct qmp_callbacks *cb)
{
	struct qmp_conn *conn = conn_new(loop, deadline_ms, cb);
	bool is_pending;
	int fd;

	if (qmp_address_connect(address, &fd, &is_pending, &conn->why))
		begin(conn, fd, is_pending);
	else
		loop_timer_start(conn->open_timer, 0);
	return conn;
}

struct qmp_conn *qmp_conn_open_fd(struct loop *loop, int fd, uint32_t deadline_ms,
				  const struct qmp_callbacks *cb)
{
	struct qmp_conn *conn = conn_new(loop, deadline_ms, cb);

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	begin(conn, fd, false);
	return conn;
}

bool qmp_conn_has_oob(const struct qmp_conn *conn)
{
	return conn->has_oob;
}

const struct qmp_version *qmp_conn_version(const struct qmp_conn *conn)
{
	return &conn->version;
}
