/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/fleet.h -- what any host tells of all hosts: their VMs, their moves, the hosts themselves.
 *
 * A host asks its peers for a page each (GET /peer/v1/fleet/...), and puts them together
 * (GET /v1/fleet/...).  An item has no more than what a viewer may read on its host.  A peer is
 * believed only within the bounds of these tables, and only of itself.  Thread: any.
 */
#ifndef MIGRD_WIRE_FLEET_H
#define MIGRD_WIRE_FLEET_H

#include "base/id.h"
#include "base/json.h"
#include "wire/labels.h"
#include "wire/peer_evacuation.h"

#define FLEET_PAGE_ITEMS 100                 /* of one host in one answer */
#define FLEET_PAGE_BYTES ((size_t)256 << 10) /* of the items' texts */
#define FLEET_WHY_SIZE   512
#define FLEET_WORD_SIZE  32

/* The first member of each item: by what it is sorted, then by the host. */
struct fleet_head {
	char key[ID_NAME_SIZE];  /* name of a VM, id of a move or host */
	char host[ID_NAME_SIZE]; /* whose record it is */
};

struct fleet_vm {
	struct fleet_head head;
	char uuid[ID_UUID_SIZE];
	char state[FLEET_WORD_SIZE], reason[FLEET_WHY_SIZE];
	char elsewhere[ID_NAME_SIZE]; /* "": it is here */
	uint64_t generation, memory_mib, vcpus;
	char qemu_version[48];     /* "": not known, or none */
	char job[FLEET_WORD_SIZE]; /* kind; "": none */
	char job_id[ID_UUID_SIZE];
	char labels[LABELS_SIZE]; /* as text; "": none */
};

struct fleet_move {
	struct fleet_head head;
	char vm[ID_NAME_SIZE], vm_uuid[ID_UUID_SIZE];
	char kind[FLEET_WORD_SIZE];
	char source[ID_NAME_SIZE], destination[ID_NAME_SIZE];
	char state[FLEET_WORD_SIZE];
	bool final;
	char reason[FLEET_WHY_SIZE];
	char created_at[FLEET_WORD_SIZE], ended_at[FLEET_WORD_SIZE]; /* RFC 3339; "": not yet */
};

struct fleet_host {
	struct fleet_head head;
	char version[FLEET_WORD_SIZE];
	bool ready, cordoned;
	char held[FLEET_WHY_SIZE];  /* "": it is not */
	char doubt[FLEET_WHY_SIZE]; /* of its records; "": none */
	uint64_t vms, vms_running, moves_active;
	uint64_t memory_mib, memory_available_mib;
	int64_t certificate_days_left;
	bool is_emptied; /* it has an evacuation that has not ended */
	struct peer_evacuation evacuation;
};

extern const struct json_field fleet_vm_fields[], fleet_move_fields[], fleet_host_fields[];

/* ---- a page of one host, for peers ----------------------------------------------- */

/* As it is read. */
struct fleet_page_read {
	struct json_object *items; /* owned; an array of unread items */
	bool more;                 /* there are items after these */
};
/* INVALID: it is no such page.  *RET must be all zero, and is ended by fleet_page_fini(), whatever
 * was returned. */
bool fleet_page_read(struct json_object *obj, struct fleet_page_read *ret, struct err *err);
void fleet_page_fini(struct fleet_page_read *page);

/* For their schemas only: the answers are put together from texts. */
extern const struct json_field fleet_vm_page_fields[], fleet_move_page_fields[],
	fleet_host_page_fields[];

/* ---- all hosts, for users ---------------------------------------------------------- */

/* Whether a host was heard. */
struct fleet_heard {
	const char *id;
	bool answered;
	uint64_t items; /* of it in this answer */
	uint64_t took_ms;
	const char *code, *detail; /* why it was not heard; NULL: it was */
};
extern const struct json_field fleet_heard_fields[];

/* For their schemas only, likewise. */
extern const struct json_field fleet_vms_fields[], fleet_moves_fields[], fleet_hosts_fields[];

#endif
