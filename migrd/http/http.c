/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/http.h"

#include <errno.h>
#include <string.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"
#include "wire/peer_msg.h"

/* How long a stopping server lets clients take their last answers. */
#define STOP_WAIT_MS 1000

/* An eventfd of our own rather than loop_post(): the work for the loop is in the
 * server's lists, so that no post is left when the server is freed.  A loop that was called and
 * has not come yet is not called again. */
void http_wake(struct http_server *server)
{
	uint64_t one = 1;

	if (!atomic_exchange(&server->is_woken, true) &&
	    write(server->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_error("http", "wake-failed", "errno=%d", errno);
}

enum fault_kind http_fault_at(const struct http_request *req, const char *stage, struct err *err)
{
#ifdef ENABLE_FAULT_INJECTION
	char point[64], name[32];

	if (strncmp(req->route->path, HTTP_PEER_PREFIX, strlen(HTTP_PEER_PREFIX)) != 0)
		return FAULT_NONE;
	peer_route_name(req->route->path, name, sizeof(name));
	snprintf(point, sizeof(point), "api.%s.%s", stage, name);
	return fault_message(point, err);
#else
	(void)req;
	(void)stage;
	(void)err;
	return FAULT_NONE;
#endif
}

bool http_is_dry_run(const struct http_request *req)
{
	const char *value = http_query(req, "dry_run");

	return (value && strcmp(value, "true") == 0) || json_get_bool(req->body, "dry_run", false);
}

static bool has_key(const struct http_server *server, const struct http_request *req)
{
	return server->with_key && strcmp(req->route->method, "POST") == 0 &&
	       !req->route->takes_key && req->role != HTTP_ROLE_PEER &&
	       http_header(req, "Idempotency-Key");
}

void http_handle(struct http_request *req)
{
	if (!req->server)
		http_request_free(req);
	else if (http_condition_holds(req))
		req->route->handler(req, req->server->handler_data);
}

static void handle(struct http_server *server, struct http_request *req)
{
	struct err err;

	if (req->is_refused) {
		http_answer_refused(req);
		return;
	}
	req->is_begun = true;
	switch (http_fault_at(req, "peer", &err)) {
	case FAULT_NONE:
		if (has_key(server, req))
			server->with_key(req, server->handler_data);
		else
			http_handle(req);
		break;
	case FAULT_ERROR:
		http_reply_err(req, &err);
		break;
	case FAULT_DROP:
		req->is_dropped = true;
		break;
	}
}

/* What is taken is held until it is answered, so a handler's answer ends no other of the turn. */
static size_t take_turn(struct http_server *server, struct http_request *ret[HTTP_TURN_MAX])
{
	size_t count = 0;

	pthread_mutex_lock(&server->lock);
	http_inbox_begin_turn(&server->inbox, loop_now_ms(server->loop));
	while (count < HTTP_TURN_MAX && (ret[count] = http_inbox_take(&server->inbox))) {
		TAILQ_INSERT_TAIL(&server->held, ret[count], link);
		count++;
	}
	pthread_mutex_unlock(&server->lock);
	return count;
}

/* Requests that are left after this turn wait for the next one, so that monitors, timers and
 * the answers of peers come between. */
static void run_turn(struct http_server *server)
{
	struct http_request *turn[HTTP_TURN_MAX];
	const size_t count = take_turn(server, turn);
	uint32_t wait_ms;

	server->is_in_turn = true;
	for (size_t i = 0; i < count; i++)
		handle(server, turn[i]);
	server->is_in_turn = false;
	http_send_answers(server);
	pthread_mutex_lock(&server->lock);
	wait_ms = http_inbox_wait_ms(&server->inbox);
	pthread_mutex_unlock(&server->lock);
	if (wait_ms == 0)
		http_wake(server);
	else if (wait_ms != HTTP_INBOX_EMPTY)
		loop_timer_start(server->pace, wait_ms);
}

static void on_gone_later(void *data)
{
	http_gone_free(data);
}

static void on_pace(void *data)
{
	run_turn(data);
}

static void on_wake(void *data, unsigned ready)
{
	struct http_server *server = data;
	uint64_t count;

	(void)ready;
	if (read(server->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("http", "wake-failed", "errno=%d", errno);
	atomic_store(&server->is_woken, false);
	http_reaper_arm(server);
	run_turn(server);
	http_streams_report_gone(server);
	http_websockets_run(server);
}

static bool open_wake(struct http_server *server, struct err *err)
{
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->wake_fd < 0)
		return err_errno(err, "cannot make an eventfd");
	server->wake_watch = loop_watch_new(server->loop, server->wake_fd, on_wake, server);
	loop_watch_set(server->wake_watch, LOOP_READ);
	return true;
}

static void init_lock(struct http_server *server)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&server->lock, NULL);
	pthread_mutex_init(&server->count_lock, NULL);
	pthread_cond_init(&server->exchange_ended, &attr);
	pthread_condattr_destroy(&attr);
}

/* The library closes the descriptor it was given once it has started. */
static bool start_tls(struct http_server *server, const struct http_config *config, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (!http_listen_tcp(config->listen, &fd, &server->port, err))
		return false;
	server->tls_daemon = http_start_tls(server, config, fd, err);
	if (!server->tls_daemon)
		return false;
	(void)TAKE_FD(fd);
	return true;
}

static bool start_local(struct http_server *server, const struct http_config *config,
			struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (!config->socket_path)
		return true;
	if (!unix_listen(config->socket_path, SOCK_STREAM, &fd, err))
		return false;
	server->socket_path = xstrdup(config->socket_path);
	server->local_daemon = http_start_local(server, fd, err);
	if (!server->local_daemon)
		return false;
	(void)TAKE_FD(fd);
	return true;
}

struct http_server *http_server_new(struct loop *loop, const struct http_config *config,
				    struct err *err)
{
	struct http_server *server = xnew(struct http_server);

	loop_assert_thread(loop);
	server->loop = loop;
	server->routes = config->routes;
	server->handler_data = config->handler_data;
	server->with_key = config->with_key;
	server->prefers_wait = config->prefers_wait;
	server->deadline_ms = HTTP_REQUEST_DEADLINE_MS;
	server->heartbeat_ms = HTTP_HEARTBEAT_MS;
	server->wake_fd = -1;
	http_inbox_init(&server->inbox);
	TAILQ_INIT(&server->held);
	TAILQ_INIT(&server->answered);
	TAILQ_INIT(&server->gone);
	TAILQ_INIT(&server->streams);
	TAILQ_INIT(&server->gone_streams);
	TAILQ_INIT(&server->websockets);
	TAILQ_INIT(&server->incomplete);
	http_shares_init(&server->shares);
	init_lock(server);
	http_noise_init(server);
	server->reaper = loop_timer_new(loop, http_reaper_run, server);
	server->heartbeat = loop_timer_new(loop, http_heartbeat_run, server);
	server->judge = loop_timer_new(loop, http_judge_run, server);
	server->pace = loop_timer_new(loop, on_pace, server);
	server->gone_later = loop_timer_new(loop, on_gone_later, server);
	if (open_wake(server, err) && start_tls(server, config, err) &&
	    start_local(server, config, err))
		return server;
	http_server_free(server);
	return NULL;
}

void http_server_set_tls(struct http_server *server, struct tls_live *tls)
{
	struct tls_live *old;

	loop_assert_thread(server->loop);
	pthread_mutex_lock(&server->lock);
	old = server->tls;
	server->tls = tls_live_ref(tls);
	server->tls_no++;
	pthread_mutex_unlock(&server->lock);
	tls_live_unref(old);
	loop_timer_start(server->judge, 0);
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_set_times(struct http_server *server, uint32_t deadline_ms, uint32_t heartbeat_ms)
{
	pthread_mutex_lock(&server->lock);
	if (deadline_ms)
		server->deadline_ms = deadline_ms;
	if (heartbeat_ms)
		server->heartbeat_ms = heartbeat_ms;
	pthread_mutex_unlock(&server->lock);
}

/* ---- the end ----------------------------------------------------------- */

/* No new connections are accepted from here on. The listening descriptor stays open until
 * the library's thread has ended, since that may be about to wait on it once more. */
static int quiesce(struct MHD_Daemon *daemon)
{
	return daemon ? MHD_quiesce_daemon(daemon) : -1;
}

static void stop_daemon(struct MHD_Daemon *daemon, int listen_fd)
{
	if (daemon)
		MHD_stop_daemon(daemon);
	closep(&listen_fd);
}

/* From here the library's threads answer by themselves and suspend nothing:
 * the library must not be stopped while a connection is suspended. */
static void end_exchanges(struct http_server *server)
{
	const struct timespec until =
		clock_timespec(clock_monotonic_ns() + STOP_WAIT_MS * UINT64_C(1000000));

	pthread_mutex_lock(&server->lock);
	server->is_stopping = true;
	http_abandon_held(server);
	http_streams_end_all(server);
	pthread_mutex_unlock(&server->lock);
	http_websockets_end_all(server);
	pthread_mutex_lock(&server->count_lock);
	while (server->exchange_count &&
	       pthread_cond_timedwait(&server->exchange_ended, &server->count_lock, &until) == 0)
		;
	pthread_mutex_unlock(&server->count_lock);
}

static void stop_daemons(struct http_server *server)
{
	int tls_fd = quiesce(server->tls_daemon);
	int local_fd = quiesce(server->local_daemon);

	end_exchanges(server);
	stop_daemon(server->tls_daemon, tls_fd);
	stop_daemon(server->local_daemon, local_fd);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	loop_assert_thread(server->loop);
	stop_daemons(server);
	http_streams_report_gone(server);
	http_gone_free(server);
	http_noise_fini(server);
	loop_timer_free(server->reaper);
	loop_timer_free(server->heartbeat);
	loop_timer_free(server->judge);
	loop_timer_free(server->pace);
	loop_timer_free(server->gone_later);
	loop_watch_free(server->wake_watch);
	closep(&server->wake_fd);
	if (server->socket_path)
		unlink(server->socket_path);
	free(server->socket_path);
	tls_live_unref(server->tls);
	pthread_cond_destroy(&server->exchange_ended);
	pthread_mutex_destroy(&server->count_lock);
	pthread_mutex_destroy(&server->lock);
	free(server);
}
