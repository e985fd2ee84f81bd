/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bus.h"

#include <assert.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"

struct kept {
	char type[16];
	char *json;
};

struct bus {
	int64_t epoch;
	uint64_t next; /* number of the next event; numbers start at 1 */
	struct kept ring[BUS_KEEP];
	struct bus_listener *listeners;
};

struct bus_listener {
	struct bus *bus;
	struct bus_listener *next;
	bus_fn *fn;
	void *data;
};

struct bus *bus_new(void)
{
	struct bus *bus = xnew(struct bus);

	bus->epoch = clock_wall_ms();
	bus->next = 1;
	return bus;
}

void bus_free(struct bus *bus)
{
	if (!bus)
		return;
	assert(!bus->listeners);
	for (size_t i = 0; i < BUS_KEEP; i++)
		free(bus->ring[i].json);
	free(bus);
}

static void deliver(const struct bus *bus, uint64_t number, struct bus_listener *listener)
{
	const struct kept *kept = &bus->ring[number % BUS_KEEP];
	struct bus_event event = { .json = kept->json };

	snprintf(event.id, sizeof(event.id), "%" PRId64 "-%" PRIu64, bus->epoch, number);
	snprintf(event.type, sizeof(event.type), "%s", kept->type);
	listener->fn(listener->data, &event);
}

void bus_publish(struct bus *bus, const char *type, struct json_object *obj)
{
	uint64_t number = bus->next++;
	struct kept *kept = &bus->ring[number % BUS_KEEP];

	free(kept->json);
	kept->json = xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	snprintf(kept->type, sizeof(kept->type), "%s", type);
	json_object_put(obj);
	for (struct bus_listener *l = bus->listeners, *next; l; l = next) {
		next = l->next;
		deliver(bus, number, l);
	}
}

/* The number of the first event after ID that is still kept. */
static uint64_t resume_point(const struct bus *bus, const char *id, bool *ret_gap)
{
	uint64_t oldest = bus->next > BUS_KEEP ? bus->next - BUS_KEEP : 1;
	int64_t epoch;
	uint64_t number;

	*ret_gap = false;
	if (!id)
		return bus->next;
	if (sscanf(id, "%" SCNd64 "-%" SCNu64, &epoch, &number) != 2 || epoch != bus->epoch ||
	    number >= bus->next || number + 1 < oldest) {
		*ret_gap = true;
		return oldest;
	}
	return number + 1;
}

bool bus_has_gap(const struct bus *bus, const char *after_id)
{
	bool gap;

	resume_point(bus, after_id, &gap);
	return gap;
}

struct bus_listener *bus_listen(struct bus *bus, const char *after_id, bus_fn *fn, void *data)
{
	struct bus_listener *listener = xnew(struct bus_listener);
	bool gap;

	listener->bus = bus;
	listener->fn = fn;
	listener->data = data;
	for (uint64_t n = resume_point(bus, after_id, &gap); n < bus->next; n++)
		deliver(bus, n, listener);
	listener->next = bus->listeners;
	bus->listeners = listener;
	return listener;
}

void bus_unlisten(struct bus_listener *listener)
{
	struct bus_listener **link;

	if (!listener)
		return;
	for (link = &listener->bus->listeners; *link != listener; link = &(*link)->next)
		assert(*link);
	*link = listener->next;
	free(listener);
}
