/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/vnc_session.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* What waits for a viewer that does not read; then nothing more is taken from the display. */
#define TO_VIEWER_MAX (1u << 20)
#define READ_BYTES    16384

struct vnc_session {
	struct client_websocket *ws;
	int viewer;
	struct strbuf to_viewer;
};

static bool is_full(const struct vnc_session *session)
{
	return session->to_viewer.len >= TO_VIEWER_MAX;
}

static void on_display(void *data, const void *bytes, size_t len)
{
	struct vnc_session *session = data;

	strbuf_add(&session->to_viewer, bytes, len);
	if (is_full(session))
		client_websocket_pause(session->ws, true);
}

struct vnc_session *vnc_session_new(struct client *client, const char *path, int viewer,
				    struct err *err)
{
	struct vnc_session *session = xnew(struct vnc_session);

	session->viewer = viewer;
	session->ws = client_websocket_open(client, path, on_display, session, err);
	if (session->ws)
		return session;
	vnc_session_free(session);
	return NULL;
}

void vnc_session_free(struct vnc_session *session)
{
	if (!session)
		return;
	client_websocket_free(session->ws);
	closep(&session->viewer);
	strbuf_fini(&session->to_viewer);
	free(session);
}

/* False: it has gone. */
static bool write_viewer(struct vnc_session *session)
{
	ssize_t n = 0;

	if (session->to_viewer.len)
		n = send(session->viewer, session->to_viewer.data, session->to_viewer.len,
			 MSG_NOSIGNAL);
	if (n > 0)
		strbuf_consume(&session->to_viewer, (size_t)n);
	client_websocket_pause(session->ws, is_full(session));
	return n >= 0 || errno == EAGAIN;
}

/* What the viewer has said before waits to be sent to the host. */
static bool is_behind(const struct vnc_session *session)
{
	return client_websocket_events(session->ws) & POLLOUT;
}

static bool read_viewer(struct vnc_session *session)
{
	char bytes[READ_BYTES];
	ssize_t n = is_behind(session) ? 0 : recv(session->viewer, bytes, sizeof(bytes), 0);

	if (n > 0)
		client_websocket_send(session->ws, bytes, (size_t)n);
	return n > 0 || is_behind(session) || (n < 0 && errno == EAGAIN);
}

enum vnc_step vnc_session_run(struct vnc_session *session, struct pollfd ret_fds[2],
			      struct err *err)
{
	bool was_full;

	if (!read_viewer(session) || !write_viewer(session))
		return VNC_VIEWER_LEFT;
	/* What TLS has read already makes no socket readable: it is taken as soon as it can be. */
	do {
		if (!client_websocket_run(session->ws, err)) {
			write_viewer(session); /* its last words */
			return VNC_ENDED;
		}
		was_full = is_full(session);
		if (!write_viewer(session))
			return VNC_VIEWER_LEFT;
	} while (was_full && !is_full(session));
	ret_fds[0] = (struct pollfd){ client_websocket_fd(session->ws),
				      client_websocket_events(session->ws), 0 };
	ret_fds[1] = (struct pollfd){ .events = (short)((is_behind(session) ? 0 : POLLIN) |
							(session->to_viewer.len ? POLLOUT : 0)) };
	ret_fds[1].fd = ret_fds[1].events ? session->viewer : -1; /* its end is seen later */
	return VNC_GOES_ON;
}
