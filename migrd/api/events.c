/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/events: the bus as server-sent events. */
#include <string.h>

#include "api/api.h"
#include "base/mem.h"

/* A guest may choose some of it. */
#define DATA_MAX 4096

static void add_data(struct json_object *obj, struct json_object *data)
{
	bool fits = !data || strlen(json_object_to_json_string(data)) <= DATA_MAX;

	json_object_object_add(obj, "data", fits ? json_object_get(data) : NULL);
	json_add_bool(obj, "data_left_out", !fits);
}

void api_vm_event(void *data, const struct vm *vm, const struct qmp_event *event, unsigned left_out)
{
	const struct api *api = data;
	struct json_object *obj = json_object_new_object();

	json_add_time(obj, "at", event->time_us / 1000);
	json_add_str(obj, "vm", vm_name(vm));
	json_add_str(obj, "vm_uuid", vm_uuid(vm));
	json_add_str(obj, "host", api->host_id);
	json_add_str(obj, "name", event->name);
	add_data(obj, event->data);
	json_add_uint(obj, "left_out", left_out);
	bus_publish(api->bus, "qemu", obj);
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
	/* Before what is still kept: a reader must not take that for all that happened. */
	if (bus_has_gap(api->bus, after))
		http_stream_event(watcher->stream, NULL, "gap",
				  "{\"detail\":\"events were lost: read again what you follow\"}");
	watcher->listener = bus_listen(api->bus, after, on_event, watcher);
}
