/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/fleet.h -- VMs, moves and hosts of all hosts: what this host tells of its own, and how its
 * peers are asked for theirs.
 *
 * Nothing is kept.  The peers are asked at once, each with a deadline, when a user asks; who has
 * not answered is named.  Items are in the order of their keys, then of the hosts; each host gives
 * a page of those from a key on, so no answer grows with the fleet.  Thread: loop.
 */
#ifndef MIGRD_API_FLEET_H
#define MIGRD_API_FLEET_H

#include "api/api.h"
#include "wire/fleet.h"

/* One item as text. */
struct fleet_entry {
	char key[ID_NAME_SIZE];
	char *text;
	size_t len;
};

/* Those of one host, in order.  Zeroed before. */
struct fleet_page {
	struct fleet_entry list[FLEET_PAGE_ITEMS];
	size_t count, bytes;
	bool more; /* the host has others after them */
};
void fleet_page_clear(struct fleet_page *page);
/* Adds ITEM, which begins with a struct fleet_head; false: there is no room, `more' is set. */
bool fleet_page_add(struct fleet_page *page, const struct json_field *fields, const void *item);

/* What can be asked of all hosts. */
struct fleet_kind {
	const char *path; /* of the peers' route; that of users is the same below /v1 */
	const struct json_field *fields;
	size_t size;                /* of an item */
	bool is_newest_first;       /* keys that are greater come first */
	bool is_host;               /* an item is a host: its key is the id of who tells it */
	const char *const *filters; /* keys of the query that are passed on, ended by NULL */
	/* Adds those of this host from FROM on (NULL: all) that REQ's query wants. */
	void (*add_own)(struct api *api, const struct http_request *req, const char *from,
			struct fleet_page *page);
};

/* < 0: A comes before B. */
int fleet_key_compare(const struct fleet_kind *kind, const char *a, const char *b);

/* Answers REQ, by whatever has come when the last host has answered or its deadline has passed. */
void fleet_ask(struct api *api, struct http_request *req, const struct fleet_kind *kind);

#endif
