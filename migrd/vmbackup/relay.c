/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmbackup/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

#define BUFFER_BYTES (256u << 10)
#define LOOK_MS      100 /* whether it is stopped */

/* One direction. */
struct flow {
	int from, to;
	char *buffer;
	size_t at, len; /* what is to be sent */
	bool has_ended; /* `from' sends no more, or `to' takes no more */
};

struct relay {
	int server, ours, theirs;
	const char *name;
	struct vmbackup_gauge *gauge;
	struct flow out, in;
	bool has_parted; /* the program has told the server that it goes */
	bool is_lost;    /* the server went away before that */
};

static struct flow make_flow(int from, int to)
{
	return (struct flow){ .from = from, .to = to, .buffer = xcalloc(1, BUFFER_BYTES) };
}

struct relay *relay_new(int server, const char *name, struct vmbackup_gauge *gauge, int *ret_theirs,
			struct err *err)
{
	struct relay *relay;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		err_errno(err, "cannot make a socket pair");
		closep(&server);
		return NULL;
	}
	relay = xnew(struct relay);
	relay->server = server;
	relay->ours = pair[0];
	relay->theirs = pair[1];
	relay->name = name;
	relay->gauge = gauge;
	(void)fcntl(relay->ours, F_SETFL, O_NONBLOCK);
	relay->out = make_flow(relay->ours, relay->server);
	relay->in = make_flow(relay->server, relay->ours);
	*ret_theirs = relay->theirs;
	return relay;
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	free(relay->out.buffer);
	free(relay->in.buffer);
	closep(&relay->server);
	closep(&relay->ours);
	closep(&relay->theirs);
	free(relay);
}

/* ---- bytes ---------------------------------------------------------------------------- */

static short wanted(const struct flow *flow, int fd)
{
	short events = 0;

	if (fd == flow->from && !flow->has_ended && flow->len == 0)
		events |= POLLIN;
	if (fd == flow->to && flow->len > 0)
		events |= POLLOUT;
	return events;
}

static void end_flow(struct flow *flow)
{
	flow->has_ended = true;
	flow->len = 0;
	(void)shutdown(flow->to, SHUT_WR);
}

/* The last of it is a request NBD_CMD_DISC (doc/proto.md of NBD): magic, flags, type, cookie,
 * offset and length. */
static bool is_parting(const struct flow *flow)
{
	static const char begin[] = "\x25\x60\x95\x13\0\0\0\2";
	const size_t request = 28;

	return flow->len >= request &&
	       memcmp(flow->buffer + flow->at + flow->len - request, begin, 8) == 0;
}

static void take(struct flow *flow)
{
	ssize_t n;

	if (flow->has_ended || flow->len > 0)
		return;
	n = recv(flow->from, flow->buffer, BUFFER_BYTES, 0);
	flow->at = 0;
	flow->len = n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end_flow(flow);
}

/* Returns how many bytes went on. */
static size_t pass(struct flow *flow)
{
	ssize_t n;

	if (flow->len == 0)
		return 0;
	n = send(flow->to, flow->buffer + flow->at, flow->len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		end_flow(flow);
	if (n <= 0)
		return 0;
	flow->at += (size_t)n;
	flow->len -= (size_t)n;
	return (size_t)n;
}

static size_t pass_both(struct relay *relay)
{
	size_t out, in;

	take(&relay->out);
	relay->has_parted |= is_parting(&relay->out);
	out = pass(&relay->out);
	vmbackup_gauge_add(relay->gauge, out);
	take(&relay->in);
	in = pass(&relay->in);
	if (relay->in.has_ended && !relay->has_parted)
		relay->is_lost = true;
	/* A program that waits for room to send hears of it only so. */
	if (relay->in.has_ended || relay->out.has_ended)
		(void)shutdown(relay->ours, SHUT_RDWR);
	return out + in;
}

/* ---- the run ------------------------------------------------------------------------------ */

bool relay_attend(void *data, int pidfd, struct err *err)
{
	struct relay *relay = data;
	uint64_t since_ms = clock_monotonic_ms();

	/* The program has it, and its end is seen. */
	closep(&relay->theirs);
	relay->theirs = -1;
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = relay->ours,
			  .events = (short)(wanted(&relay->out, relay->ours) |
					    wanted(&relay->in, relay->ours)) },
			{ .fd = relay->server,
			  .events = (short)(wanted(&relay->out, relay->server) |
					    wanted(&relay->in, relay->server)) },
		};
		int ready;

		/* One that has closed, and of which nothing is wanted, would always be ready. */
		for (size_t i = 1; i < 3; i++)
			if (!fds[i].events)
				fds[i].fd = -1;
		ready = poll(fds, 3, LOOK_MS);
		if (ready > 0 && pass_both(relay) > 0)
			since_ms = clock_monotonic_ms();
		if (ready > 0 && fds[0].revents)
			return true;
		if (ready < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for the NBD server at '%s'",
					 relay->name);
		if (vmbackup_gauge_is_stopped(relay->gauge))
			return err_set(err, ERR_CANCELLED, "it was stopped");
		if (clock_monotonic_ms() - since_ms > RELAY_STALLED_MS)
			return err_set(err, ERR_TIMEOUT,
				       "nothing went to or came from the NBD server at '%s' for "
				       "%d s: does it answer",
				       relay->name, RELAY_STALLED_MS / 1000);
	}
}

void relay_explain(const struct relay *relay, struct err *err)
{
	struct err why = *err;

	if (relay->is_lost && why.code != ERR_TIMEOUT && why.code != ERR_CANCELLED)
		err_set(err, ERR_UNAVAILABLE,
			"the NBD server at '%s' has closed the connection: %s", relay->name,
			why.msg);
}
