/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/event.h -- what GET /v1/events tells.  Pointers are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_EVENT_H
#define MIGRD_WIRE_EVENT_H

#include "wire/host_reply.h"
#include "wire/move_reply.h"
#include "wire/vm_reply.h"

/* Types of events, for filters: FIRST of the first, NEXT of each other one.  `gap' is none: it is
 * told whatever the filter. */
#define EVENT_TYPES(FIRST, NEXT) \
	FIRST("vm")              \
	NEXT("move")             \
	NEXT("save")             \
	NEXT("refresh")          \
	NEXT("evacuation")       \
	NEXT("maintenance")      \
	NEXT("queue")            \
	NEXT("hold")             \
	NEXT("hook")             \
	NEXT("cordon")           \
	NEXT("qemu")             \
	NEXT("monitor")          \
	NEXT("shutdown")         \
	NEXT("backup")           \
	NEXT("autostart")
#define EVENT_TYPE_ONE(name) +1
#define EVENT_TYPE_COUNT     (0 EVENT_TYPES(EVENT_TYPE_ONE, EVENT_TYPE_ONE))
#define EVENT_TYPE_SIZE      16
extern const char *const event_type_names[]; /* ended by NULL */

struct event_vm {
	struct vm_summary vm;
	int64_t at;
};
extern const struct json_field event_vm_fields[];

/* A VM that is not here any more. */
struct event_vm_gone {
	const char *name, *state, *host;
	int64_t at;
};
extern const struct json_field event_vm_gone_fields[];

struct event_move {
	struct move_reply move;
	int64_t at;
};
extern const struct json_field event_move_fields[];

struct event_qemu {
	int64_t at;
	const char *vm, *vm_uuid, *host, *name;
	struct json_object *data;
	bool data_left_out;
	uint64_t left_out;
};
extern const struct json_field event_qemu_fields[];

struct event_monitor {
	const char *vm, *host, *caller, *role, *protocol, *command, *class, *result;
	int64_t at;
};
extern const struct json_field event_monitor_fields[];

/* Events were lost. */
struct event_gap {
	const char *detail;
	const char *reason; /* a constant */
	bool is_counted;    /* not the first member: a present_offset of 0 means none */
	uint64_t lost;
};
extern const struct json_field event_gap_fields[];

struct event_shutdown {
	struct host_shutdown shutdown;
	const char *host;
	int64_t at;
};
extern const struct json_field event_shutdown_fields[];

/* A VM was started after a boot of the host, or was not. */
struct event_autostart {
	const char *vm, *vm_uuid, *host, *result, *reason; /* REASON: NULL if it was */
	uint64_t tries;
	int64_t again_at, at; /* AGAIN_AT 0: it is not tried again */
};
extern const struct json_field event_autostart_fields[];

#endif
