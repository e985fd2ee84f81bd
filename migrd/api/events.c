/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/events: the bus as server-sent events. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/bus_filter.h"
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

/* ---- what a caller wants to hear --------------------------------------------------- */

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void filter_init(struct bus_filter *filter, const struct http_request *req)
{
	const char *types = http_query(req, "type");

	filter->types = types ? xstrdup(types) : NULL;
	snprintf(filter->vm, sizeof(filter->vm), "%s", or_empty(http_query(req, "vm")));
	snprintf(filter->move, sizeof(filter->move), "%s", or_empty(http_query(req, "move")));
	snprintf(filter->host, sizeof(filter->host), "%s", or_empty(http_query(req, "host")));
}

/* ---- the stream ------------------------------------------------------------------------ */

struct watcher {
	const struct api *api;
	struct http_stream *stream;
	struct bus_listener *listener;
	struct bus_filter filter;
};

static void on_closed(void *data)
{
	struct watcher *watcher = data;

	bus_unlisten(watcher->listener);
	bus_filter_fini(&watcher->filter);
	free(watcher);
}

static void on_event(void *data, const struct bus_event *event)
{
	struct watcher *watcher = data;

	if (bus_filter_passes(&watcher->filter, event, watcher->api->host_id))
		http_stream_event(watcher->stream, event->id, event->type, event->json);
}

static void send_gap(struct http_stream *stream, enum bus_gap why, uint64_t lost)
{
	static const char *const reasons[] = {
		[BUS_GAP_RESTART] = "restart",
		[BUS_GAP_OVERFLOW] = "overflow",
		[BUS_GAP_UNKNOWN] = "unknown-id",
	};
	const struct event_gap gap = {
		.detail = "events were lost: read again what you follow",
		.reason = reasons[why],
		.is_counted = why == BUS_GAP_OVERFLOW,
		.lost = lost,
	};
	CLEANUP(json_putp) struct json_object *obj = json_encode(event_gap_fields, &gap);

	http_stream_event(stream, NULL, "gap", json_text(obj, NULL));
}

/* The header is what a client sends that was cut off; `after' is from a list. */
static const char *position_of(const struct http_request *req)
{
	const char *header = http_header(req, "Last-Event-ID");

	return header ? header : http_query(req, "after");
}

void api_events(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *after = position_of(req);
	struct watcher *watcher = xnew(struct watcher);
	uint64_t lost;
	enum bus_gap gap = bus_gap_after(api->bus, after, &lost);

	watcher->api = api;
	filter_init(&watcher->filter, req);
	watcher->stream = http_stream_begin(req, on_closed, watcher);
	/* Sent before the kept events: a reader must not take them for all that happened. */
	if (gap != BUS_GAP_NONE)
		send_gap(watcher->stream, gap, lost);
	watcher->listener = bus_listen(api->bus, after, on_event, watcher);
}
