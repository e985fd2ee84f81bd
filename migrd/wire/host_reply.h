/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/host_reply.h -- what is shown of a host, its peers, and a check of it.  Pointers
 * are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_HOST_REPLY_H
#define MIGRD_WIRE_HOST_REPLY_H

#include "base/id.h"
#include "base/json.h"
#include "wire/hold.h"

struct host_protocol {
	uint64_t min, max;
};

struct host_store {
	char id[ID_UUID_SIZE];
	uint64_t epoch;
	char doubt[ERR_MSG_SIZE]; /* "": none */
};

struct host_certificate {
	int64_t not_before, not_after;
	int64_t days_left;
	bool valid;
};

struct host_reload {
	int64_t at; /* 0: none yet */
	bool ok;
	char error[ERR_MSG_SIZE]; /* "": none */
};

struct host_vms {
	uint64_t total, running;
};

struct host_moves {
	uint64_t active;
};

struct host_memory {
	uint64_t total, available;
};

/* Of a shutdown of the host (shutdown/shutdown.h). */
struct host_shutdown {
	const char *mode, *logind, *stage; /* words that stay */
	bool delays, refuses;
	uint64_t limit_s, logind_limit_s; /* the latter 0: not known */
	int64_t until;
	char problem[ERR_MSG_SIZE]; /* "": none */
};
extern const struct json_field host_shutdown_fields[];

/* Members that may change are no pointers: two replies can be compared byte for byte, if
 * both were all zero before they were filled. */
struct host_reply {
	const char *id, *version;
	struct host_protocol protocol;
	const char *api_address, *data_address, *boot_id;
	int64_t started_at;
	bool ready;
	struct host_store store;
	const char *qemu_binary;
	struct host_certificate certificate;
	bool was_reloaded;
	struct host_reload reload;
	struct host_vms vms;
	struct host_moves moves;
	struct host_memory memory_mib;
	struct host_shutdown shutdown;
	struct cordon_reply cordon;
	char held[ERR_MSG_SIZE]; /* "": it is not */
};
extern const struct json_field host_reply_fields[];

struct host_peer {
	const char *id;
	const char *address; /* NULL: not known */
};
extern const struct json_field host_peer_fields[];

struct host_backup {
	const char *file;
};
extern const struct json_field host_backup_fields[];

/* One thing that should not be there. */
struct host_finding {
	const char *kind, *object, *explanation, *remedy;
	bool safe;
	const char *repair;
	const char *error; /* NULL: no repair has failed */
};

struct host_check {
	const char *host;
	bool clean;
	const struct host_finding *items;
	size_t item_count;
	uint64_t left_out;
	const char *const *peers_asked;
	size_t peer_count;
	uint64_t processes_looked_at;
};
extern const struct json_field host_check_fields[];

#endif
