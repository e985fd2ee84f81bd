/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/events: the bus as server-sent events. */
#include "api/api.h"
#include "base/mem.h"

struct watcher {
	struct http_stream *stream;
	struct bus_listener *listener;
};

static void on_closed(void *data)
{
	struct watcher *watcher = data;

	bus_unlisten(watcher->listener);
	free(watcher);
}

static void on_event(void *data, const struct bus_event *event)
{
	struct watcher *watcher = data;

	http_stream_event(watcher->stream, event->id, event->type, event->json);
}

void api_events(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *header = http_header(req, "Last-Event-ID");
	CLEANUP(free_charp) char *after = header ? xstrdup(header) : NULL; /* outlives REQ */
	struct watcher *watcher = xnew(struct watcher);
	bool gap;

	watcher->stream = http_stream_begin(req, on_closed, watcher);
	watcher->listener = bus_listen(api->bus, after, &gap, on_event, watcher);
	if (gap)
		http_stream_event(watcher->stream, NULL, "gap",
				  "{\"detail\":\"events were lost: read again what you follow\"}");
}
