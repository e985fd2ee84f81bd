/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct kept {
	char type[16];
	char *json;
	struct bus_about about;
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
	struct bus_event event = { .json = kept->json, .about = &kept->about };

	snprintf(event.id, sizeof(event.id), "%" PRId64 "-%" PRIu64, bus->epoch, number);
	snprintf(event.type, sizeof(event.type), "%s", kept->type);
	listener->fn(listener->data, &event);
}

/* ---- what an event is about -------------------------------------------------- */

static const char *const host_keys[BUS_HOSTS_MAX] = { "host", "source", "destination", "conductor",
						      "elsewhere" };

static void copy(char *ret, size_t size, struct json_object *obj, const char *key)
{
	const char *text = json_get_str(obj, key);

	snprintf(ret, size, "%s", text ? text : "");
}

static struct bus_about about_of(const char *type, struct json_object *obj)
{
	bool is_vm = strcmp(type, "vm") == 0, is_move = strcmp(type, "move") == 0;
	struct bus_about about;

	copy(about.vm, sizeof(about.vm), obj, is_vm ? "name" : "vm");
	copy(about.move, sizeof(about.move), obj, is_move ? "id" : "move");
	for (size_t i = 0; i < BUS_HOSTS_MAX; i++)
		copy(about.hosts[i], sizeof(about.hosts[i]), obj, host_keys[i]);
	return about;
}

void bus_publish(struct bus *bus, const char *type, struct json_object *obj)
{
	uint64_t number = bus->next++;
	struct kept *kept = &bus->ring[number % BUS_KEEP];

	free(kept->json);
	kept->json = xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	snprintf(kept->type, sizeof(kept->type), "%s", type);
	kept->about = about_of(type, obj);
	json_object_put(obj);
	for (struct bus_listener *l = bus->listeners, *next; l; l = next) {
		next = l->next;
		deliver(bus, number, l);
	}
}

/* ---- listeners ------------------------------------------------------------------ */

static uint64_t oldest_kept(const struct bus *bus)
{
	return bus->next > BUS_KEEP ? bus->next - BUS_KEEP : 1;
}

/* Without a gap, RET is the number of ID. */
static enum bus_gap find_gap(const struct bus *bus, const char *id, uint64_t *ret)
{
	int64_t epoch;

	if (sscanf(id, "%" SCNd64 "-%" SCNu64, &epoch, ret) != 2 || epoch > bus->epoch ||
	    (epoch == bus->epoch && *ret >= bus->next))
		return BUS_GAP_UNKNOWN;
	if (epoch != bus->epoch)
		return BUS_GAP_RESTART;
	return *ret + 1 < oldest_kept(bus) ? BUS_GAP_OVERFLOW : BUS_GAP_NONE;
}

enum bus_gap bus_gap_after(const struct bus *bus, const char *after_id, uint64_t *ret_lost)
{
	uint64_t number = 0;
	enum bus_gap gap = after_id ? find_gap(bus, after_id, &number) : BUS_GAP_NONE;

	*ret_lost = gap == BUS_GAP_OVERFLOW ? oldest_kept(bus) - number - 1 : 0;
	return gap;
}

void bus_position(const struct bus *bus, char ret[BUS_ID_SIZE])
{
	snprintf(ret, BUS_ID_SIZE, "%" PRId64 "-%" PRIu64, bus->epoch, bus->next - 1);
}

/* The number of the first event after ID that is still kept. */
static uint64_t resume_point(const struct bus *bus, const char *id)
{
	uint64_t number;

	if (!id)
		return bus->next;
	return find_gap(bus, id, &number) == BUS_GAP_NONE ? number + 1 : oldest_kept(bus);
}

struct bus_listener *bus_listen(struct bus *bus, const char *after_id, bus_fn *fn, void *data)
{
	struct bus_listener *listener = xnew(struct bus_listener);

	listener->bus = bus;
	listener->fn = fn;
	listener->data = data;
	for (uint64_t n = resume_point(bus, after_id); n < bus->next; n++)
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
