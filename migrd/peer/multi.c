/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem.h"
#include "peer/client_internal.h"

/* Requests to one peer may run side by side: a request that waits must not hold up
 * the one that ends a blackout. */
#define CONNECTIONS_PER_PEER_MAX 8
#define IDLE_CONNECTIONS_MAX     256
/* Answers handled in a turn of the loop; further ones wait for the next turn. Each may be a
 * megabyte of JSON. */
#define ANSWERS_PER_TURN 8

struct peer_socket {
	struct peer_clients *clients;
	curl_socket_t fd;
	struct loop_watch *watch;
	TAILQ_ENTRY(peer_socket) link;
};

static void collect(struct peer_clients *clients)
{
	CURLMsg *msg;
	int left;

	while (clients->collected < ANSWERS_PER_TURN &&
	       (msg = curl_multi_info_read(clients->multi, &left))) {
		char *req = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		clients->collected++;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &req);
		peer_transfer_ended((struct peer_request *)(void *)req, msg->data.result);
	}
	if (clients->collected && !loop_timer_is_active(clients->collect_timer))
		loop_timer_start(clients->collect_timer, 0);
}

static void on_next_turn(void *data)
{
	struct peer_clients *clients = data;

	clients->collected = 0;
	collect(clients);
}

static void act(struct peer_clients *clients, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(clients->multi, fd, events, &running);
	collect(clients);
}

/* libcurl may free SOCK during act(), which gets copies of what it needs. */
static void on_ready(void *data, unsigned ready)
{
	struct peer_socket *sock = data;
	int events = 0;

	if (ready & LOOP_READ)
		events |= CURL_CSELECT_IN;
	if (ready & LOOP_WRITE)
		events |= CURL_CSELECT_OUT;
	act(sock->clients, sock->fd, events);
}

static void on_timer(void *data)
{
	act(data, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- what libcurl asks for --------------------------------------------- */

static struct peer_socket *socket_new(struct peer_clients *clients, curl_socket_t fd)
{
	struct peer_socket *sock = xnew(struct peer_socket);

	sock->clients = clients;
	sock->fd = fd;
	sock->watch = loop_watch_new(clients->loop, fd, on_ready, sock);
	TAILQ_INSERT_TAIL(&clients->sockets, sock, link);
	curl_multi_assign(clients->multi, fd, sock);
	return sock;
}

static void socket_free(struct peer_socket *sock)
{
	TAILQ_REMOVE(&sock->clients->sockets, sock, link);
	loop_watch_free(sock->watch);
	free(sock);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct peer_socket *sock = socket_data;
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

static int set_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct peer_clients *clients = data;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(clients->multi_timer);
	else
		loop_timer_start(clients->multi_timer, (uint64_t)timeout_ms);
	return 0;
}

/* ---- life -------------------------------------------------------------- */

bool peer_multi_open(struct peer_clients *clients, struct err *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_INTERNAL, "libcurl did not start");
	clients->multi_timer = loop_timer_new(clients->loop, on_timer, clients);
	clients->collect_timer = loop_timer_new(clients->loop, on_next_turn, clients);
	clients->multi = curl_multi_init();
	if (!clients->multi)
		return err_set(err, ERR_INTERNAL, "libcurl did not start");
	curl_multi_setopt(clients->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(clients->multi, CURLMOPT_SOCKETDATA, clients);
	curl_multi_setopt(clients->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(clients->multi, CURLMOPT_TIMERDATA, clients);
	curl_multi_setopt(clients->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			  (long)CONNECTIONS_PER_PEER_MAX);
	curl_multi_setopt(clients->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
	return true;
}

void peer_multi_close(struct peer_clients *clients)
{
	struct peer_socket *sock;

	if (clients->multi)
		curl_multi_cleanup(clients->multi);
	while ((sock = TAILQ_FIRST(&clients->sockets)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		socket_free(sock);
	loop_timer_free(clients->multi_timer);
	loop_timer_free(clients->collect_timer);
}
