/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define LOG_FILE          "stream.log"
#define ANSWER_TIMEOUT_MS 10000

struct known_channel {
	char name[TRANSFER_CHANNEL_SIZE];
	struct stream_status status;
};

struct stream {
	struct loop *loop;
	struct stream_callbacks cb;
	char dir[108];
	struct proc *proc; /* NULL: it has ended, or was never found */
	int fd;            /* control connection, -1: none */
	struct loop_watch *watch;
	struct loop_timer *timer; /* the first answer's deadline; 0 ms for early_err */
	enum stream_cmd awaited;  /* the request whose reply leads to ready() */
	struct err early_err;     /* stream_attach() found nothing */
	bool is_ready_told;
	struct known_channel channels[TRANSFER_CHANNEL_MAX];
	size_t channel_count;
	struct stream_status status; /* of all channels together */
	bool is_reading;             /* read_all() runs: the memory must outlive its callbacks */
	bool is_freed;               /* one of those callbacks has freed it */
};

static void path_in(const struct stream *stream, const char *name, char ret_path[128])
{
	snprintf(ret_path, 128, "%s/%s", stream->dir, name);
}

/* ---- out ------------------------------------------------------------- */

static bool send_message(struct stream *stream, const char *msg, size_t len, int fd,
			 struct err *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ancillary;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&ancillary, 0, sizeof(ancillary));
	if (fd >= 0) {
		hdr.msg_control = &ancillary;
		hdr.msg_controllen = sizeof(ancillary);
		ancillary.align.cmsg_level = SOL_SOCKET;
		ancillary.align.cmsg_type = SCM_RIGHTS;
		ancillary.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&ancillary.align), &fd, sizeof(int));
	}
	/* A process that leaves as many commands unread as its buffer holds is stopped:
	 * waiting for it would only stop us too. */
	if (sendmsg(stream->fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		return err_set(err, ERR_UNAVAILABLE, "migrd-stream takes no commands: %s",
			       strerror(errno));
	return true;
}

static bool send_request(struct stream *stream, const struct stream_request *req, int fd,
			 struct err *err)
{
	char msg[STREAM_MSG_MAX];
	char point[32];
	size_t len;
	bool ok;

	snprintf(point, sizeof(point), "stream.send.%s", stream_cmd_name(req->cmd));
	if (fault_hit(point, err))
		return false;
	if (stream->fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "migrd-stream is not connected");
	if (!stream_request_print(req, msg, &len, err))
		return false;
	ok = send_message(stream, msg, len, fd, err);
	explicit_bzero(msg, sizeof(msg));
	return ok;
}

/* Sends a request for which nobody waits: its effect is seen in the status, or is
 * missing there. */
static void send_or_log(struct stream *stream, const struct stream_request *req, int fd)
{
	struct err err;

	if (!send_request(stream, req, fd, &err))
		log_warning("stream", "send", "dir=%s cmd=%s reason=%s", stream->dir,
			    stream_cmd_name(req->cmd), err.msg);
}

/* ---- in -------------------------------------------------------------- */

static void disconnect(struct stream *stream)
{
	loop_watch_free(stream->watch);
	stream->watch = NULL;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

static void tell_ready(struct stream *stream, const struct err *err)
{
	struct err injected = { .code = ERR_NONE };

	if (stream->is_ready_told)
		return;
	stream->is_ready_told = true;
	loop_timer_stop(stream->timer);
	if (!err && fault_hit("stream.ready", &injected))
		err = &injected;
	stream->cb.ready(stream->cb.data, err);
}

static void handle_reply(struct stream *stream, const struct stream_report *report)
{
	if (!stream->is_ready_told && report->to == stream->awaited)
		tell_ready(stream, err_is_set(&report->err) ? &report->err : NULL);
	else if (err_is_set(&report->err))
		log_warning("stream", "refused", "dir=%s cmd=%s reason=%s", stream->dir,
			    stream_cmd_name(report->to), report->err.msg);
}

/* Finds the channel NAME, or adds it; NULL: there are too many. */
static struct known_channel *find_channel(struct stream *stream, const char *name)
{
	struct known_channel *channel = stream->channels;

	for (size_t i = 0; i < stream->channel_count; i++, channel++) {
		if (strcmp(channel->name, name) == 0)
			return channel;
	}
	if (stream->channel_count == TRANSFER_CHANNEL_MAX)
		return NULL;
	snprintf(channel->name, sizeof(channel->name), "%s", name);
	stream->channel_count++;
	return channel;
}

/* The state of two channels together is the one with the lower weight. */
static unsigned weight(enum stream_channel_state state)
{
	static const unsigned weights[] = {
		[STREAM_CHANNEL_FAILED] = 0, [STREAM_CHANNEL_IDLE] = 1,   [STREAM_CHANNEL_OPEN] = 2,
		[STREAM_CHANNEL_READY] = 3,  [STREAM_CHANNEL_CLOSED] = 4,
	};

	return weights[state];
}

static void add_status(struct stream_status *sum, const struct stream_status *status)
{
	if (weight(status->state) < weight(sum->state))
		sum->state = status->state;
	if (!sum->error[0])
		memcpy(sum->error, status->error, sizeof(sum->error));
	sum->bytes_out += status->bytes_out;
	sum->bytes_in += status->bytes_in;
}

static void sum_up(struct stream *stream)
{
	stream->status = stream->channels[0].status;
	for (size_t i = 1; i < stream->channel_count; i++)
		add_status(&stream->status, &stream->channels[i].status);
}

static void handle_channel(struct stream *stream, const struct stream_report *report)
{
	struct known_channel *channel = find_channel(stream, report->channel);
	char point[32];

	snprintf(point, sizeof(point), "stream.status.%s", stream_state_name(report->status.state));
	if (!channel || fault_drop(point))
		return;
	channel->status = report->status;
	sum_up(stream);
	/* Before ready() the owner is not told; it can ask stream_status() there. */
	if (stream->is_ready_told)
		stream->cb.status(stream->cb.data, &stream->status);
}

/* False: there is nothing more to read for now. */
static bool read_one(struct stream *stream)
{
	char msg[STREAM_MSG_MAX];
	struct stream_report report;
	struct err err;
	ssize_t len = recv(stream->fd, msg, sizeof(msg), MSG_DONTWAIT);

	if (len < 0 && errno == EINTR)
		return true;
	if (len < 0 && errno == EAGAIN)
		return false;
	if (len <= 0) {
		/* Either the process ends, which the pidfd tells, or another controller
		 * has taken our place. */
		disconnect(stream);
		return false;
	}
	if (!stream_report_parse(msg, (size_t)len, &report, &err)) {
		log_warning("stream", "report", "dir=%s reason=%s", stream->dir, err.msg);
		return true;
	}
	switch (report.event) {
	case STREAM_EVENT_REPLY:
		handle_reply(stream, &report);
		break;
	case STREAM_EVENT_CHANNEL:
		handle_channel(stream, &report);
		break;
	}
	return true;
}

/* True: a callback has freed the stream. */
static bool read_all(struct stream *stream)
{
	stream->is_reading = true;
	while (!stream->is_freed && stream->fd >= 0 && read_one(stream))
		;
	stream->is_reading = false;
	if (!stream->is_freed)
		return false;
	free(stream);
	return true;
}

static void on_readable(void *data, unsigned ready)
{
	(void)ready;
	(void)read_all(data);
}

/* ---- its end --------------------------------------------------------- */

/* The last line in the process's log, which says more than any status. */
static void last_words(const struct stream *stream, char *ret_text, size_t size)
{
	CLEANUP(free_charp) char *tail = NULL;
	char path[128];
	struct err err;
	char *end, *line;

	path_in(stream, LOG_FILE, path);
	snprintf(ret_text, size, "it left no word");
	if (!file_read_tail(path, 300, &tail, &err) || tail[0] == '\0')
		return;
	end = tail + strlen(tail);
	if (end[-1] == '\n')
		*--end = '\0';
	line = strrchr(tail, '\n');
	snprintf(ret_text, size, "%s", line ? line + 1 : tail);
}

static void on_exit_of_process(void *data, int status)
{
	struct stream *stream = data;
	struct err err = { .code = ERR_NONE };
	char words[300];

	(void)status;
	fault_hit("stream.exited", &err);
	err.code = ERR_NONE;
	/* What the process said before its end is handled first. */
	if (read_all(stream))
		return;
	disconnect(stream);
	proc_free(stream->proc);
	stream->proc = NULL;
	if (stream->is_ready_told) {
		stream->cb.exited(stream->cb.data);
		return;
	}
	last_words(stream, words, sizeof(words));
	err_set(&err, ERR_UNAVAILABLE, "migrd-stream ended at once: %s", words);
	tell_ready(stream, &err);
}

static void on_timer(void *data)
{
	struct stream *stream = data;
	struct err err = { .code = ERR_NONE };

	if (err_is_set(&stream->early_err))
		err = stream->early_err;
	else
		err_set(&err, ERR_TIMEOUT, "migrd-stream did not answer in %d ms",
			ANSWER_TIMEOUT_MS);
	tell_ready(stream, &err);
}

/* ---- life ------------------------------------------------------------ */

static struct stream *stream_new(struct loop *loop, const char *dir,
				 const struct stream_callbacks *cb)
{
	struct stream *stream = xnew(struct stream);

	stream->loop = loop;
	stream->cb = *cb;
	stream->fd = -1;
	stream->timer = loop_timer_new(loop, on_timer, stream);
	snprintf(stream->dir, sizeof(stream->dir), "%s", dir);
	return stream;
}

/* Connects and sends the first request, whose reply leads to ready(). */
static bool stream_connect(struct stream *stream, const struct stream_request *req, struct err *err)
{
	char path[128];

	path_in(stream, STREAM_CONTROL_SOCKET, path);
	if (!unix_connect(path, SOCK_SEQPACKET, &stream->fd, err))
		return err_wrap(err, "migrd-stream");
	stream->awaited = req->cmd;
	if (!send_request(stream, req, -1, err))
		return false;
	stream->watch = loop_watch_new(stream->loop, stream->fd, on_readable, stream);
	loop_watch_set(stream->watch, LOOP_READ);
	loop_timer_start(stream->timer, ANSWER_TIMEOUT_MS);
	return true;
}

static bool spawn(struct stream *stream, const char *program, struct proc_id *ret_id,
		  struct err *err)
{
	CLEANUP(closep) int listen_fd = -1;
	char log_path[128], path[128], number[16];
	const char *const argv[] = { program, "--control-fd", number, NULL };

	path_in(stream, STREAM_CONTROL_SOCKET, path);
	path_in(stream, LOG_FILE, log_path);
	if (!unix_listen(path, SOCK_SEQPACKET, &listen_fd, err))
		return false;
	snprintf(number, sizeof(number), "%d", listen_fd);
	const struct proc_args args = {
		.argv = argv, .keep_fds = &listen_fd, .keep_fd_count = 1, .log_path = log_path
	};
	return proc_spawn(&args, ret_id, err);
}

struct stream *stream_start(struct loop *loop, const struct stream_config *config,
			    const struct stream_callbacks *cb, struct proc_id *ret_id,
			    struct err *err)
{
	struct stream *stream = stream_new(loop, config->dir, cb);
	struct stream_request req = { .cmd = STREAM_CMD_CONFIGURE, .config = *config };
	struct proc_id id = { 0, 0 };
	struct err ignored;
	bool ok;

	loop_assert_thread(loop);
	/* All channels start as idle, so the sum is not ready before all of them have
	 * said so. */
	for (size_t i = 0; i < config->channel_count; i++)
		(void)find_channel(stream, config->channels[i].name);
	ok = !fault_hit("stream.start", err) && spawn(stream, config->program, &id, err);
	if (ok)
		fault_hit("stream.started", &ignored); /* the process runs, and no record has it
							* yet */
	if (ok)
		stream->proc = proc_watch(loop, id, on_exit_of_process, stream, err);
	ok = ok && stream->proc && stream_connect(stream, &req, err);
	explicit_bzero(&req, sizeof(req));
	if (!ok) {
		err_wrap(err, "cannot start '%s'", config->program);
		stream_kill(stream);
		stream_free(stream);
		return NULL;
	}
	*ret_id = id;
	return stream;
}

struct stream *stream_attach(struct loop *loop, const char *dir, struct proc_id id,
			     const struct stream_callbacks *cb)
{
	const struct stream_request req = { .cmd = STREAM_CMD_STATUS };
	struct stream *stream = stream_new(loop, dir, cb);
	struct err *err = &stream->early_err;

	loop_assert_thread(loop);
	stream->proc = proc_watch(loop, id, on_exit_of_process, stream, err);
	if (stream->proc && stream_connect(stream, &req, err))
		return stream;
	err->code = ERR_UNAVAILABLE;
	disconnect(stream);
	loop_timer_start(stream->timer, 0);
	return stream;
}

void stream_accept(struct stream *stream, int fd, const char *channel)
{
	struct stream_request req = { .cmd = STREAM_CMD_ACCEPT };

	snprintf(req.channel, sizeof(req.channel), "%s", channel);
	send_or_log(stream, &req, fd);
	close(fd);
}

void stream_set_bandwidth(struct stream *stream, uint64_t bytes_per_s)
{
	const struct stream_request req = { .cmd = STREAM_CMD_LIMIT, .bytes_per_s = bytes_per_s };

	send_or_log(stream, &req, -1);
}

void stream_set_link_timeout(struct stream *stream, uint32_t ms)
{
	const struct stream_request req = { .cmd = STREAM_CMD_LINK_TIMEOUT, .timeout_ms = ms };

	send_or_log(stream, &req, -1);
}

void stream_set_lease(struct stream *stream, uint32_t ms)
{
	const struct stream_request req = { .cmd = STREAM_CMD_LEASE, .timeout_ms = ms };

	send_or_log(stream, &req, -1);
}

void stream_give_way(struct stream *stream, uint32_t ms)
{
	const struct stream_request req = { .cmd = STREAM_CMD_GIVE_WAY, .timeout_ms = ms };

	send_or_log(stream, &req, -1);
}

void stream_keep(struct stream *stream)
{
	const struct stream_request req = { .cmd = STREAM_CMD_KEEP };

	send_or_log(stream, &req, -1);
}

const struct stream_status *stream_status(const struct stream *stream)
{
	return &stream->status;
}

void stream_refresh(struct stream *stream)
{
	const struct stream_request req = { .cmd = STREAM_CMD_STATUS };

	send_or_log(stream, &req, -1);
}

void stream_kill(struct stream *stream)
{
	/* By force: the process holds nothing that wants saving, and must not send
	 * close_notify for a QEMU that never finished. */
	if (stream->proc)
		proc_kill(stream->proc, SIGKILL);
}

void stream_end_lost(struct loop *loop, const char *dir, struct proc_id id)
{
	const struct stream_request req = { .cmd = STREAM_CMD_QUIT };
	const struct stream_callbacks none = { 0 };
	struct stream *stream = stream_new(loop, dir, &none);
	char path[128];
	struct err err;

	path_in(stream, STREAM_CONTROL_SOCKET, path);
	if (id.pid) {
		stream->proc = proc_watch(loop, id, on_exit_of_process, stream, &err);
		stream_kill(stream);
	} else if (unix_connect(path, SOCK_SEQPACKET, &stream->fd, &err)) {
		/* A process that is still starting finds the command there later. */
		send_or_log(stream, &req, -1);
	}
	stream_free(stream);
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	disconnect(stream);
	loop_timer_free(stream->timer);
	proc_free(stream->proc);
	if (stream->is_reading)
		stream->is_freed = true;
	else
		free(stream);
}
