/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/port.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net_prefix.h"
#include "base/noise.h"
#include "stream/proto.h"

#define CALLERS_MAX    64
#define BACKLOG        128
#define ACCEPTS_A_TURN 16
/* How long to wait when descriptors have run out: the listener stays readable all the
 * time. */
#define EXHAUSTED_MS 100

/* A connection that has not sent its line yet. */
struct caller {
	TAILQ_ENTRY(caller) link;
	struct stream_port *port;
	int fd;
	char address[NET_ADDRESS_SIZE], prefix[NET_PREFIX_SIZE];
	struct loop_watch *watch;
	struct loop_timer *timer;
	char line[STREAM_PREAMBLE_MAX];
	size_t len;
};

struct stream_port {
	struct loop *loop;
	stream_claim_fn *claim;
	void *data;
	int fd;
	uint16_t number;
	struct loop_watch *watch;
	struct loop_timer *pause;
	struct noise *noise;
	TAILQ_HEAD(, caller) callers; /* the oldest first */
	size_t caller_count;
};

/* ---- callers ---------------------------------------------------------- */

/* Frees CALLER; returns its descriptor, which is still open. */
static int caller_remove(struct caller *caller)
{
	int fd = caller->fd;

	TAILQ_REMOVE(&caller->port->callers, caller, link);
	caller->port->caller_count--;
	loop_timer_free(caller->timer);
	loop_watch_free(caller->watch);
	free(caller);
	return fd;
}

static const struct noise_kind refused = { LOG_LEVEL_INFO, "port", "refused", "address" };

static void note_refused(struct stream_port *port, const char *address, const char *why)
{
	if (noise_note(port->noise, address, why))
		log_info("port", "refused", "address=%s reason=%s", address, why);
}

static void caller_refuse(struct caller *caller, const char *why)
{
	note_refused(caller->port, caller->address, why);
	close(caller_remove(caller));
}

static void caller_claim(struct caller *caller, size_t line_len)
{
	struct stream_port *port = caller->port;
	struct stream_preamble preamble;
	struct err err = { .code = ERR_NONE };
	char address[NET_ADDRESS_SIZE];
	const char *why;
	int fd;

	if (!stream_preamble_parse(caller->line, line_len, &preamble, &why)) {
		caller_refuse(caller, why);
		return;
	}
	memcpy(address, caller->address, sizeof(address));
	fd = caller_remove(caller);
	if (!fault_hit("port.claim", &err) && port->claim(port->data, &preamble, fd))
		return;
	note_refused(port, address, "no move waits for it, or its proof is wrong");
	close(fd);
}

/* Bytes after the line belong to TLS, so we peek first, and then take only those of the
 * line.  Taking a part of a line at once, instead of peeking again later, keeps a slow
 * caller from spinning the loop. */
static void on_caller_readable(void *data, unsigned ready)
{
	struct caller *caller = data;
	char *at = caller->line + caller->len;
	ssize_t seen =
		recv(caller->fd, at, sizeof(caller->line) - caller->len, MSG_PEEK | MSG_DONTWAIT);
	const char *newline;
	size_t wanted;

	(void)ready;
	if (seen < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (seen <= 0) {
		caller_refuse(caller, "closed");
		return;
	}
	newline = memchr(at, '\n', (size_t)seen);
	wanted = newline ? (size_t)(newline - at) + 1 : (size_t)seen;
	if (recv(caller->fd, at, wanted, MSG_DONTWAIT) != (ssize_t)wanted) {
		caller_refuse(caller, "closed");
		return;
	}
	caller->len += wanted;
	if (newline)
		caller_claim(caller, caller->len - 1);
	else if (caller->len == sizeof(caller->line))
		caller_refuse(caller, "line too long");
}

static void on_caller_late(void *data)
{
	caller_refuse(data, "too slow");
}

static size_t count_prefix(const struct stream_port *port, const char *prefix)
{
	const struct caller *caller;
	size_t count = 0;

	TAILQ_FOREACH(caller, &port->callers, link)
	count += strcmp(caller->prefix, prefix) == 0;
	return count;
}

/* The oldest caller of the network that has the most callers; if two have as many, of
 * the one whose oldest has waited longer.  64 callers: 4,096 comparisons at worst. */
static struct caller *caller_to_lose(struct stream_port *port)
{
	struct caller *caller, *found = NULL;
	size_t most = 0;

	TAILQ_FOREACH(caller, &port->callers, link)
	{
		size_t count = count_prefix(port, caller->prefix);

		if (count > most) {
			most = count;
			found = caller;
		}
	}
	return found;
}

static void caller_add(struct stream_port *port, int fd, const struct sockaddr_storage *from)
{
	struct caller *caller = xnew(struct caller);

	if (port->caller_count == CALLERS_MAX)
		caller_refuse(caller_to_lose(port), "too many at once");
	caller->port = port;
	caller->fd = fd;
	net_address_name(from, caller->address);
	net_prefix_name(from, caller->prefix);
	caller->watch = loop_watch_new(port->loop, fd, on_caller_readable, caller);
	caller->timer = loop_timer_new(port->loop, on_caller_late, caller);
	loop_watch_set(caller->watch, LOOP_READ);
	loop_timer_start(caller->timer, STREAM_PREAMBLE_DEADLINE_MS);
	TAILQ_INSERT_TAIL(&port->callers, caller, link);
	port->caller_count++;
}

/* ---- listening ------------------------------------------------------- */

static void on_pause_over(void *data)
{
	struct stream_port *port = data;

	loop_watch_set(port->watch, LOOP_READ);
}

static void pause_listening(struct stream_port *port, int error)
{
	note_refused(port, "any", strerror(error));
	if (!TAILQ_EMPTY(&port->callers))
		caller_refuse(caller_to_lose(port), "no descriptors left");
	loop_watch_set(port->watch, 0);
	loop_timer_start(port->pause, EXHAUSTED_MS);
}

static void on_connection(void *data, unsigned ready)
{
	struct stream_port *port = data;
	struct err err = { .code = ERR_NONE };

	(void)ready;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t size = sizeof(from);
		int fd = accept4(port->fd, (struct sockaddr *)&from, &size,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				pause_listening(port, errno);
			/* Other errors concern that one connection only (accept(2)). */
			return;
		}
		if (fault_hit("port.accept", &err))
			close(fd);
		else
			caller_add(port, fd, &from);
	}
}

static void addrinfo_freep(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static bool listen_on(const char *address, int *ret_fd, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	CLEANUP(addrinfo_freep) struct addrinfo *ai = NULL;
	CLEANUP(closep) int fd = -1;
	struct stream_address parts;
	const int on = 1;
	int rc;

	if (!stream_address_parse(address, &parts, err))
		return false;
	rc = getaddrinfo(parts.host, parts.port, &hints, &ai);
	if (rc != 0)
		return err_set(err, ERR_INVALID, "'%s' is no numeric address: %s", address,
			       gai_strerror(rc));
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, "cannot listen on '%s'", address);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, ERR_UNAVAILABLE, "cannot listen on '%s': %s", address,
			       strerror(errno));
	*ret_fd = TAKE_FD(fd);
	return true;
}

static uint16_t number_of(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t size = sizeof(addr);
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (getsockname(fd, (struct sockaddr *)&addr, &size) < 0)
		return 0;
	if (addr.ss_family == AF_INET6) {
		memcpy(&in6, &addr, sizeof(in6));
		return ntohs(in6.sin6_port);
	}
	memcpy(&in, &addr, sizeof(in));
	return ntohs(in.sin_port);
}

struct stream_port *stream_port_new(struct loop *loop, const char *address, stream_claim_fn *claim,
				    void *data, struct err *err)
{
	struct stream_port *port;
	int fd = -1;

	loop_assert_thread(loop);
	if (!listen_on(address, &fd, err))
		return NULL;
	port = xnew(struct stream_port);
	port->loop = loop;
	port->claim = claim;
	port->data = data;
	port->fd = fd;
	port->number = number_of(fd);
	TAILQ_INIT(&port->callers);
	port->pause = loop_timer_new(loop, on_pause_over, port);
	port->noise = noise_new(loop, &refused);
	port->watch = loop_watch_new(loop, fd, on_connection, port);
	loop_watch_set(port->watch, LOOP_READ);
	return port;
}

uint16_t stream_port_number(const struct stream_port *port)
{
	return port->number;
}

void stream_port_free(struct stream_port *port)
{
	if (!port)
		return;
	while (!TAILQ_EMPTY(&port->callers))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		close(caller_remove(TAILQ_FIRST(&port->callers)));
	loop_watch_free(port->watch);
	loop_timer_free(port->pause);
	noise_free(port->noise);
	close(port->fd);
	free(port);
}
