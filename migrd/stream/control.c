/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/channel.h"
#include "stream/deadman.h"
#include "stream/peercred.h"
#include "stream/proto.h"

#define NEVER UINT64_MAX

/* A coordinator that was restarted, or waits for its disk, is back before that.  Then the guest is
 * looked at again and again; a coordinator that comes back meanwhile waits for the look. */
#define DEADMAN_FIRST_MS 2000
#define DEADMAN_AGAIN_MS 1000
#define DEADMAN_LOOK_MS  500 /* at each of two monitors */

struct control {
	const struct control_args *args;
	int conn_fd; /* the one controller, or -1 */
	int wake_fd;
	struct channels *channels; /* NULL until configured */
	uint64_t started_ms;
	uint64_t ended_ms; /* when the last channel ended; NEVER */
	uint64_t alone_ms; /* when the controller left; NEVER: it is there */
	uint64_t look_ms;  /* the next look at a guest that may wait for it; NEVER: none */
	uint64_t stood_ms; /* since then each look has found it standing still; NEVER: not the last
			    */
	bool is_kept;      /* QEMU's connection, whatever is seen: post-copy has begun */
	bool was_let_go;   /* the channels were ended so that the guest runs on */
	bool has_sent;     /* a channel has carried data, and may have ended since */
	struct deadman spare, used; /* looks at QEMU's two monitors */
	bool was_ready;             /* a channel was READY; it may be IDLE again, to reconnect */
	bool is_blocked;            /* the controller does not read: wait for room */
	bool is_done;
};

/* ---- out ------------------------------------------------------------- */

static void drop_controller(struct control *control)
{
	if (control->conn_fd >= 0) {
		close(control->conn_fd);
		control->alone_ms = clock_monotonic_ms();
		if (control->channels && control->channels->config.monitor[0])
			control->look_ms = control->alone_ms + DEADMAN_FIRST_MS;
	}
	if (control->channels)
		channels_end_lease(control->channels);
	control->conn_fd = -1;
	control->is_blocked = false;
}

static bool send_report(struct control *control, const struct stream_report *report)
{
	char msg[STREAM_MSG_MAX];
	struct err err;
	size_t len;

	if (control->conn_fd < 0)
		return false;
	if (!stream_report_print(report, msg, &len, &err)) {
		log_error("stream", "report", "reason=%s", err.msg);
		return false;
	}
	return send(control->conn_fd, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void reply(struct control *control, enum stream_cmd to, const struct err *err)
{
	struct stream_report report = { .event = STREAM_EVENT_REPLY, .to = to, .err = *err };

	/* A controller that does not read its answers must not hold us up; it may
	 * connect again and ask for the status. */
	if (!send_report(control, &report))
		drop_controller(control);
}

/* Reports channels that have changed.  One that cannot be reported now stays marked as
 * changed, so nothing is lost if the controller reads slowly or is not there. */
static void push_changes(struct control *control, bool is_wanted_all)
{
	struct stream_report report;
	bool is_changed;

	control->is_blocked = false;
	for (size_t i = 0;
	     control->channels && control->conn_fd >= 0 && i < control->channels->count; i++) {
		is_changed = channel_report(&control->channels->list[i], &report);
		if ((is_changed || is_wanted_all) && !send_report(control, &report)) {
			channel_report_again(&control->channels->list[i]);
			control->is_blocked = true;
		}
	}
}

/* ---- commands -------------------------------------------------------- */

static bool do_configure(struct control *control, const struct stream_request *req, struct err *err)
{
	if (control->channels)
		return err_set(err, ERR_CONFLICT, "the process is configured already");
	control->channels = channels_start(&req->config, control->wake_fd, err);
	return control->channels != NULL;
}

static bool do_accept(struct control *control, const struct stream_request *req, int *fd,
		      struct err *err)
{
	if (*fd < 0)
		return err_set(err, ERR_INVALID, "'accept' came without a descriptor");
	return channels_accept(control->channels, req->channel, TAKE_FD(*fd), err);
}

static bool dispatch(struct control *control, const struct stream_request *req, int *fd,
		     struct err *err)
{
	if (!control->channels && req->cmd != STREAM_CMD_CONFIGURE && req->cmd != STREAM_CMD_QUIT)
		return err_set(err, ERR_CONFLICT, "the process is not configured yet");
	switch (req->cmd) {
	case STREAM_CMD_CONFIGURE:
		return do_configure(control, req, err);
	case STREAM_CMD_ACCEPT:
		return do_accept(control, req, fd, err);
	case STREAM_CMD_LIMIT:
		channels_set_bandwidth(control->channels, req->bytes_per_s);
		return true;
	case STREAM_CMD_LINK_TIMEOUT:
		channels_set_link_timeout(control->channels, req->timeout_ms);
		return true;
	case STREAM_CMD_LEASE:
		channels_set_lease(control->channels, req->timeout_ms);
		return true;
	case STREAM_CMD_GIVE_WAY:
		channels_give_way(control->channels, req->timeout_ms);
		return true;
	case STREAM_CMD_KEEP:
		control->is_kept = true;
		return true;
	case STREAM_CMD_STATUS:
		push_changes(control, true);
		return true;
	case STREAM_CMD_QUIT:
		control->is_done = true;
		return true;
	}
	return err_set(err, ERR_INTERNAL, "no such command");
}

static void handle_message(struct control *control, const char *msg, size_t len, int *fd)
{
	struct stream_request req = { .cmd = STREAM_CMD_STATUS };
	struct err err = { .code = ERR_NONE };

	if (stream_request_parse(msg, len, &req, &err) && dispatch(control, &req, fd, &err))
		err.code = ERR_NONE;
	if (err_is_set(&err))
		log_warning("stream", "command", "cmd=%s reason=%s", stream_cmd_name(req.cmd),
			    err.msg);
	explicit_bzero(&req.config, sizeof(req.config));
	reply(control, req.cmd, &err);
}

/* ---- in -------------------------------------------------------------- */

/* The descriptor that came with the message, or -1.  There is room for one only: the
 * kernel holds back others. */
static int take_descriptor(struct msghdr *hdr)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

static void read_controller(struct control *control)
{
	char msg[STREAM_MSG_MAX];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ancillary;
	struct iovec iov = { .iov_base = msg, .iov_len = sizeof(msg) };
	struct msghdr hdr = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &ancillary,
			      .msg_controllen = sizeof(ancillary) };
	ssize_t len = recvmsg(control->conn_fd, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	CLEANUP(closep) int fd = -1;

	/* ECONNRESET: the controller left without reading our answers; what it has sent
	 * itself comes next (unix(7) has this for sockets that keep their records). */
	if (len < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
		return;
	if (len <= 0 || (hdr.msg_flags & MSG_TRUNC)) {
		drop_controller(control);
		return;
	}
	fd = take_descriptor(&hdr);
	handle_message(control, msg, (size_t)len, &fd);
	explicit_bzero(msg, sizeof(msg));
}

/* A new controller replaces the old one, which may be a daemon that hangs. */
static void accept_controller(struct control *control)
{
	int fd = accept4(control->args->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (!peercred_is_ours(fd)) {
		log_warning("stream", "stranger", "socket=control");
		close(fd);
		return;
	}
	drop_controller(control);
	control->conn_fd = fd;
	deadman_close(&control->spare);
	deadman_close(&control->used);
	control->alone_ms = control->look_ms = control->stood_ms = NEVER;
	if (control->was_let_go)
		control->ended_ms = NEVER; /* it gets the full time to ask */
	control->was_let_go = false;
}

/* ---- end of life ----------------------------------------------------- */

/* How far the channels are. */
struct progress {
	bool has_flowed; /* one or more have carried data */
	bool is_over;    /* all have ended */
};

static struct progress look_at_channels(struct control *control)
{
	struct progress progress = { .is_over = control->channels != NULL };

	for (size_t i = 0; control->channels && i < control->channels->count; i++) {
		enum stream_channel_state state = channel_state(&control->channels->list[i]);
		bool has_ended = state == STREAM_CHANNEL_CLOSED || state == STREAM_CHANNEL_FAILED;

		control->was_ready = control->was_ready || state != STREAM_CHANNEL_IDLE;
		control->has_sent = control->has_sent || state == STREAM_CHANNEL_OPEN || has_ended;
		progress.has_flowed = progress.has_flowed || state == STREAM_CHANNEL_OPEN;
		progress.is_over = progress.is_over && has_ended;
	}
	if (progress.is_over && control->ended_ms == NEVER)
		control->ended_ms = clock_monotonic_ms();
	return progress;
}

static uint64_t deadline_of(struct control *control)
{
	const struct progress progress = look_at_channels(control);

	/* Nobody else knows why. */
	if (control->was_let_go)
		return control->alone_ms + control->args->alone_ms;
	if (control->ended_ms != NEVER)
		return control->ended_ms + control->args->linger_ms;
	if (!control->was_ready)
		return control->started_ms + control->args->startup_ms;
	/* A move that has begun outlives its coordinators.  A move that nobody begins
	 * would hold a connection and a QEMU for ever. */
	if (progress.has_flowed || control->alone_ms == NEVER)
		return NEVER;
	return control->alone_ms + control->args->alone_ms;
}

/* Milliseconds for poll(2); 0 when the time is over. */
static int timeout_until(uint64_t deadline_ms)
{
	uint64_t now = clock_monotonic_ms();

	if (deadline_ms == NEVER)
		return -1;
	return now < deadline_ms ? (int)(deadline_ms - now) : 0;
}

/* A coordinator that has connected, and was not accepted yet, counts as there. */
static bool is_called(const struct control *control)
{
	struct pollfd pfd = { .fd = control->args->listen_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* QEMU notices the end of its connection whatever it does, and lets the guest run on if it has not
 * completed.  With post-copy the guest may be the other host's already. */
static void let_go(struct control *control)
{
	log_warning("stream", "let-go", "move=%s reason=%s", control->channels->config.move_id,
		    STREAM_LET_GO);
	channels_break(control->channels, STREAM_LET_GO);
	control->was_let_go = true;
	control->look_ms = NEVER;
	deadman_close(&control->spare);
	deadman_close(&control->used);
}

static void note_stands(struct control *control, uint64_t looked_ms)
{
	if (control->stood_ms == NEVER)
		control->stood_ms = looked_ms;
	if (!control->is_kept && !is_called(control) && !look_at_channels(control).is_over &&
	    clock_monotonic_ms() - control->stood_ms >= control->args->stand_ms)
		let_go(control);
}

/* A QEMU is deaf only if it answers at neither monitor: another client may be at the one, a
 * person's or a coordinator that has not connected here yet. */
static bool look(struct control *control, enum deadman_sight *ret, struct err *err)
{
	const struct stream_config *config = &control->channels->config;

	if (deadman_look(&control->spare, config->monitor, DEADMAN_LOOK_MS, ret, err)) {
		deadman_close(&control->used); /* a coordinator that comes back needs it */
		return true;
	}
	return err->code == ERR_TIMEOUT && config->other_monitor[0] &&
	       deadman_look(&control->used, config->other_monitor, DEADMAN_LOOK_MS, ret, err);
}

static void look_at_guest(struct control *control)
{
	const struct stream_config *config = &control->channels->config;
	uint64_t now_ms = clock_monotonic_ms();
	enum deadman_sight sight;
	struct err err = { .code = ERR_NONE };
	bool ok;

	control->look_ms = now_ms + DEADMAN_AGAIN_MS;
	/* Nothing can stop the guest before QEMU has sent something; but in pre-switchover it waits
	 * also when its connections have ended. */
	if (!control->has_sent)
		return;
	ok = look(control, &sight, &err);
	if (!ok)
		log_info("stream", "look", "move=%s reason=%s", config->move_id, err.msg);
	if (ok && sight == DEADMAN_CANCELLED) {
		log_warning("stream", "cancelled", "move=%s reason=%s", config->move_id,
			    STREAM_LET_GO);
		control->look_ms = NEVER;
	} else if (ok ? sight == DEADMAN_STANDS : err.code == ERR_TIMEOUT) {
		note_stands(control, now_ms);
	} else {
		control->stood_ms = NEVER;
	}
}

/* ---- the thread ------------------------------------------------------ */

static bool step(struct control *control, int timeout_ms, struct err *err)
{
	struct pollfd pfds[] = {
		{ .fd = control->args->listen_fd, .events = POLLIN },
		{ .fd = control->wake_fd, .events = POLLIN },
		{ .fd = control->conn_fd,
		  .events = control->is_blocked ? POLLIN | POLLOUT : POLLIN },
	};
	eventfd_t count;

	if (poll(pfds, ARRAY_LEN(pfds), timeout_ms) < 0)
		return errno == EINTR || err_errno(err, "cannot wait for events");
	if (pfds[1].revents)
		(void)eventfd_read(control->wake_fd, &count);
	if (pfds[2].revents & (POLLIN | POLLHUP | POLLERR))
		read_controller(control);
	if (pfds[0].revents)
		accept_controller(control);
	push_changes(control, false);
	return true;
}

bool control_run(const struct control_args *args, struct err *err)
{
	struct control control = {
		.args = args,
		.conn_fd = -1,
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.started_ms = clock_monotonic_ms(),
		.ended_ms = NEVER,
		.alone_ms = NEVER,
		.look_ms = NEVER,
		.stood_ms = NEVER,
	};

	deadman_init(&control.spare);
	deadman_init(&control.used);
	if (control.wake_fd < 0)
		return err_errno(err, "cannot make an eventfd");
	while (!control.is_done) {
		uint64_t end_ms = deadline_of(&control);
		bool is_look = control.look_ms < end_ms;
		int timeout_ms = timeout_until(is_look ? control.look_ms : end_ms);

		if (timeout_ms == 0 && !is_look)
			break;
		if (timeout_ms == 0)
			look_at_guest(&control);
		if (!step(&control, timeout_ms, err)) /* between two looks, too */
			return false;
	}
	drop_controller(&control);
	return true;
}
