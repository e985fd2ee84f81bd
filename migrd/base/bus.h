/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/bus.h -- events of this host, passed to all listeners.
 *
 * Keeps the last BUS_KEEP events, so that a listener that was away resumes
 * where it stopped.  An id is "<epoch>-<number>": the epoch changes with each
 * start of the daemon, and an id of another epoch is older than all.
 * Thread: loop.
 */
#ifndef MIGRD_BASE_BUS_H
#define MIGRD_BASE_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define BUS_KEEP 1024

struct bus;
struct bus_listener;

struct bus_event {
	char id[64];
	char type[16];    /* "vm", "move" */
	const char *json; /* borrowed */
};
typedef void bus_fn(void *data, const struct bus_event *event);

struct bus *bus_new(void);
void bus_free(struct bus *bus); /* every listener must be gone */
/* OBJ's reference is taken over. */
void bus_publish(struct bus *bus, const char *type, struct json_object *obj);

/* True: events after AFTER_ID are no longer kept, or AFTER_ID is no id of this epoch. */
bool bus_has_gap(const struct bus *bus, const char *after_id);
/* Calls FN at once for every kept event after AFTER_ID (NULL: for none; after a gap: for
 * all), then for each new one. */
struct bus_listener *bus_listen(struct bus *bus, const char *after_id, bus_fn *fn, void *data);
void bus_unlisten(struct bus_listener *listener); /* NULL is fine; not from inside FN */

#endif
