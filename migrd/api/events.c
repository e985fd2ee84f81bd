/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/events: the bus as server-sent events. */
#include <string.h>

#include "api/api.h"
#include "base/mem.h"
#include "wire/event.h"

/* Bytes of an event's data, at most: a guest may choose some of the data. */
#define DATA_MAX 4096

void api_vm_event(void *data, const struct vm *vm, const struct qmp_event *event, unsigned left_out)
{
	const struct api *api = data;
	bool fits = !event->data || strlen(json_object_to_json_string(event->data)) <= DATA_MAX;
	const struct event_qemu shown = {
		.at = event->time_us / 1000,
		.vm = vm_name(vm),
		.vm_uuid = vm_uuid(vm),
		.host = api->host_id,
		.name = event->name,
		.data = fits ? event->data : NULL,
		.data_left_out = !fits,
		.left_out = left_out,
	};

	bus_publish(api->bus, "qemu", json_encode(event_qemu_fields, &shown));
}

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

	watcher->stream = http_stream_begin(req, on_closed, watcher);
	/* Sent before the kept events: a reader must not take them for all that happened. */
	if (bus_has_gap(api->bus, after))
		http_stream_event(watcher->stream, NULL, "gap",
				  "{\"detail\":\"events were lost: read again what you follow\"}");
	watcher->listener = bus_listen(api->bus, after, on_event, watcher);
}
