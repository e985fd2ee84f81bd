/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "multi/multi.h"

#include <sys/queue.h>

#include "base/mem.h"

/* Answers handled in a turn of the loop; further ones wait for the next turn. Each may be a
 * megabyte of JSON. */
#define ANSWERS_PER_TURN 8

struct multi_socket {
	struct multi *multi;
	curl_socket_t fd;
	struct loop_watch *watch;
	TAILQ_ENTRY(multi_socket) link;
};

TAILQ_HEAD(multi_socket_list, multi_socket);

struct multi {
	struct loop *loop;
	CURLM *curl;
	multi_done_fn *done;
	struct loop_timer *timer;         /* libcurl's own */
	struct loop_timer *collect_timer; /* runs while answers wait for the next turn */
	unsigned collected;               /* in this turn */
	struct multi_socket_list sockets;
};

static void collect(struct multi *multi)
{
	CURLMsg *msg;
	int left;

	while (multi->collected < ANSWERS_PER_TURN &&
	       (msg = curl_multi_info_read(multi->curl, &left))) {
		char *transfer = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		multi->collected++;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &transfer);
		multi->done(transfer, msg->data.result);
	}
	if (multi->collected && !loop_timer_is_active(multi->collect_timer))
		loop_timer_start(multi->collect_timer, 0);
}

static void on_next_turn(void *data)
{
	struct multi *multi = data;

	multi->collected = 0;
	collect(multi);
}

static void act(struct multi *multi, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(multi->curl, fd, events, &running);
	collect(multi);
}

/* libcurl may free SOCK during act(), which gets copies of what it needs. */
static void on_ready(void *data, unsigned ready)
{
	struct multi_socket *sock = data;
	int events = 0;

	if (ready & LOOP_READ)
		events |= CURL_CSELECT_IN;
	if (ready & LOOP_WRITE)
		events |= CURL_CSELECT_OUT;
	act(sock->multi, sock->fd, events);
}

static void on_timer(void *data)
{
	act(data, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- what libcurl asks for --------------------------------------------- */

static struct multi_socket *socket_new(struct multi *multi, curl_socket_t fd)
{
	struct multi_socket *sock = xnew(struct multi_socket);

	sock->multi = multi;
	sock->fd = fd;
	sock->watch = loop_watch_new(multi->loop, fd, on_ready, sock);
	TAILQ_INSERT_TAIL(&multi->sockets, sock, link);
	curl_multi_assign(multi->curl, fd, sock);
	return sock;
}

static void socket_free(struct multi_socket *sock)
{
	TAILQ_REMOVE(&sock->multi->sockets, sock, link);
	loop_watch_free(sock->watch);
	free(sock);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct multi_socket *sock = socket_data;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock)
			socket_free(sock);
		return 0;
	}
	if (!sock)
		sock = socket_new(data, fd);
	if (what & CURL_POLL_IN)
		events |= LOOP_READ;
	if (what & CURL_POLL_OUT)
		events |= LOOP_WRITE;
	loop_watch_set(sock->watch, events);
	return 0;
}

static int set_timer(CURLM *curl, long timeout_ms, void *data)
{
	struct multi *multi = data;

	(void)curl;
	if (timeout_ms < 0)
		loop_timer_stop(multi->timer);
	else
		loop_timer_start(multi->timer, (uint64_t)timeout_ms);
	return 0;
}

/* ---- transfers --------------------------------------------------------- */

bool multi_add(struct multi *multi, CURL *easy, void *transfer, struct err *err)
{
	CURLMcode code;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	code = curl_multi_add_handle(multi->curl, easy);
	return code == CURLM_OK ||
	       err_set(err, ERR_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
}

void multi_remove(struct multi *multi, CURL *easy)
{
	curl_multi_remove_handle(multi->curl, easy);
	curl_easy_cleanup(easy);
}

/* ---- life -------------------------------------------------------------- */

struct multi *multi_new(struct loop *loop, const struct multi_limits *limits, multi_done_fn *done,
			struct err *err)
{
	struct multi *multi;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(err, ERR_INTERNAL, "libcurl did not start");
		return NULL;
	}
	multi = xnew(struct multi);
	multi->loop = loop;
	multi->done = done;
	TAILQ_INIT(&multi->sockets);
	multi->timer = loop_timer_new(loop, on_timer, multi);
	multi->collect_timer = loop_timer_new(loop, on_next_turn, multi);
	multi->curl = curl_multi_init();
	if (!multi->curl) {
		multi_free(multi);
		err_set(err, ERR_INTERNAL, "libcurl did not start");
		return NULL;
	}
	curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
	curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
	curl_multi_setopt(multi->curl, CURLMOPT_MAX_HOST_CONNECTIONS,
			  (long)limits->connections_per_host);
	curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)limits->idle_connections);
	return multi;
}

void multi_free(struct multi *multi)
{
	struct multi_socket *sock;

	if (!multi)
		return;
	if (multi->curl)
		curl_multi_cleanup(multi->curl);
	while ((sock = TAILQ_FIRST(&multi->sockets)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		socket_free(sock);
	loop_timer_free(multi->timer);
	loop_timer_free(multi->collect_timer);
	free(multi);
}
