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

#include "base/id.h"
#include "base/json.h"

#define BUS_KEEP 1024

struct bus;
struct bus_listener;

#define BUS_ID_SIZE   64
#define BUS_HOSTS_MAX 5

/* What an event is about, as its members say: `vm', or `name' of the type "vm"; `move', or `id' of
 * the type "move"; `host', `source', `destination', `conductor', `elsewhere'.  "": it has none. */
struct bus_about {
	char vm[ID_NAME_SIZE];
	char move[ID_UUID_SIZE];
	char hosts[BUS_HOSTS_MAX][ID_NAME_SIZE];
};

struct bus_event {
	char id[BUS_ID_SIZE];
	char type[16];                 /* "vm", "move" */
	const char *json;              /* borrowed */
	const struct bus_about *about; /* borrowed */
};
typedef void bus_fn(void *data, const struct bus_event *event);

struct bus *bus_new(void);
void bus_free(struct bus *bus); /* every listener must be gone */
/* OBJ's reference is taken over. */
void bus_publish(struct bus *bus, const char *type, struct json_object *obj);

enum bus_gap {
	BUS_GAP_NONE,
	BUS_GAP_RESTART,  /* the id is of an earlier start of the daemon */
	BUS_GAP_OVERFLOW, /* more has happened than is kept */
	BUS_GAP_UNKNOWN   /* it is no id that was given */
};
/* Whether events after AFTER_ID are lost; NULL: none are.  RET_LOST: of OVERFLOW how many. */
enum bus_gap bus_gap_after(const struct bus *bus, const char *after_id, uint64_t *ret_lost);
/* The id of the last event; also before the first. */
void bus_position(const struct bus *bus, char ret[BUS_ID_SIZE]);
/* Calls FN at once for every kept event after AFTER_ID (NULL: for none; after a gap: for
 * all), then for each new one. */
struct bus_listener *bus_listen(struct bus *bus, const char *after_id, bus_fn *fn, void *data);
void bus_unlisten(struct bus_listener *listener); /* NULL is fine; not from inside FN */

#endif
