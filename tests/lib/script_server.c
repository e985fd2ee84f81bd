/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/script_server.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define STEPS_MAX 32

struct script_server {
	char *path;
	const struct script_step *steps;
	size_t count;
	int listen_fd;
	pthread_t thread;
	pthread_mutex_t mutex; /* for the two below */
	struct strbuf requests[STEPS_MAX];
	size_t request_count;
	pthread_t holders[STEPS_MAX]; /* connections that stay open */
	size_t holder_count;
};

static void open_socket(struct script_server *server)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	unlink(server->path);
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(server->listen_fd >= 0 && strlen(server->path) < sizeof(addr.sun_path));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", server->path);
	assert(bind(server->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	assert(listen(server->listen_fd, 8) == 0);
}

static size_t content_length(const char *head)
{
	const char *line = strcasestr(head, "\r\nContent-Length:");

	return line ? (size_t)strtoul(line + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* False: the client closed before its request was complete. */
static bool read_request(int fd, struct strbuf *request)
{
	char buf[4096];
	const char *end;
	ssize_t n;

	for (;;) {
		end = request->len ? strstr(request->data, "\r\n\r\n") : NULL;
		if (end && request->len >= (size_t)(end + 4 - request->data) +
						   content_length(request->data))
			return true;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return false;
		strbuf_add(request, buf, (size_t)n);
	}
}

/* A client may close when it has heard enough; that is no error. */
static bool write_piece(int fd, const char *piece)
{
	size_t len = strlen(piece);

	while (len > 0) {
		ssize_t n = send(fd, piece, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		piece += n;
		len -= (size_t)n;
	}
	return true;
}

static void play(int fd, const struct script_step *step)
{
	size_t i = 0;

	for (; step->pieces[i]; i++)
		if (!write_piece(fd, step->pieces[i]))
			return;
	for (size_t n = 0; i > 0 && n < step->repeat_last; n++)
		if (!write_piece(fd, step->pieces[i - 1]))
			return;
}

static void *hold(void *data)
{
	int fd = (int)(intptr_t)data;
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
	close(fd);
	return NULL;
}

static void serve_one(struct script_server *server, const struct script_step *step, int fd)
{
	struct strbuf request = STRBUF_INIT;

	if (read_request(fd, &request)) {
		pthread_mutex_lock(&server->mutex);
		server->requests[server->request_count++] = request;
		pthread_mutex_unlock(&server->mutex);
		play(fd, step);
	} else {
		strbuf_fini(&request);
	}
	if (step->end == SCRIPT_HOLD)
		pthread_create(&server->holders[server->holder_count++], NULL, hold,
			       (void *)(intptr_t)fd);
	else
		close(fd);
}

static void *serve(void *data)
{
	struct script_server *server = data;

	for (size_t i = 0; i < server->count; i++) {
		int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			break;
		/* The socket must be gone before the client sees the end of its connection. */
		if (server->steps[i].end == SCRIPT_STOP_LISTENING) {
			close(server->listen_fd);
			unlink(server->path);
		}
		serve_one(server, &server->steps[i], fd);
		if (server->steps[i].end == SCRIPT_STOP_LISTENING)
			open_socket(server);
	}
	return NULL;
}

struct script_server *script_server_new(const char *path, const struct script_step *steps,
					size_t count)
{
	struct script_server *server = xnew(struct script_server);

	assert(count <= STEPS_MAX);
	server->path = xstrdup(path);
	server->steps = steps;
	server->count = count;
	pthread_mutex_init(&server->mutex, NULL);
	open_socket(server);
	assert(pthread_create(&server->thread, NULL, serve, server) == 0);
	return server;
}

void script_server_free(struct script_server *server)
{
	/* Ends an accept() that still waits for a client. */
	shutdown(server->listen_fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	for (size_t i = 0; i < server->holder_count; i++)
		pthread_join(server->holders[i], NULL);
	close(server->listen_fd);
	for (size_t i = 0; i < server->request_count; i++)
		strbuf_fini(&server->requests[i]);
	pthread_mutex_destroy(&server->mutex);
	free(server->path);
	free(server);
}

size_t script_server_count(struct script_server *server)
{
	size_t count;

	pthread_mutex_lock(&server->mutex);
	count = server->request_count;
	pthread_mutex_unlock(&server->mutex);
	return count;
}

const char *script_server_request(struct script_server *server, size_t n)
{
	return n < script_server_count(server) ? strbuf_str(&server->requests[n]) : "";
}
