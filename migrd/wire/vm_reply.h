/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_reply.h -- what is shown of a VM, its devices and its guest agent.  Pointers
 * are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_VM_REPLY_H
#define MIGRD_WIRE_VM_REPLY_H

#include "base/id.h"
#include "base/json.h"
#include "wire/vm_def.h"

struct vm_shown_job {
	char id[ID_UUID_SIZE];
	const char *kind;
};

struct vm_shown_agent {
	bool connected, frozen;
	uint64_t lease_left_ms;
};

/* A VM without its definition: in lists and events.  Members that may change do not point to
 * memory that may go: two summaries can be compared byte for byte, if both were all zero
 * before they were filled. */
struct vm_summary {
	const char *name, *uuid;
	const char *state; /* a constant */
	char reason[ERR_MSG_SIZE];
	const char *host;
	char elsewhere[ID_NAME_SIZE]; /* "": it is here */
	char saved_in[VM_DEF_PATH_SIZE]; /* "": it is not saved */
	uint64_t generation;
	int64_t pid;           /* 0: no QEMU */
	char qemu_version[48]; /* "": not known */
	int64_t memory_mib, vcpus;
	bool has_job, has_agent;
	struct vm_shown_job job;
	struct vm_shown_agent agent;
	int64_t created_at, started_at;
};
extern const struct json_field vm_summary_fields[];

struct vm_shown_holder {
	const char *id, *kind;
	const char *command; /* NULL: none was sent yet */
	uint64_t held_ms;
};

struct vm_shown_monitor {
	uint64_t waiting;
	bool has_holder; /* not the first member: a present_offset of 0 means none */
	struct vm_shown_holder holder;
};

/* What has become of one member that a PATCH has named. */
struct vm_shown_edit {
	const char *member;
	const char *applied; /* "now" or "next-start" */
	const char *why;     /* not now; NULL: it is now */
};

struct vm_reply {
	struct vm_summary summary;
	struct vm_shown_monitor monitor;
	struct json_object *definition;
	const char *autostart; /* why it is not started yet since the boot; NULL: it is not to be */
	const char *held;  /* by whom, until when, why; NULL: by nobody */
	bool has_warnings; /* of a start */
	const char *const *warnings;
	size_t warning_count;
	bool has_edits; /* of a PATCH */
	const struct vm_shown_edit *edits;
	size_t edit_count;
};
extern const struct json_field vm_reply_fields[];

/* A device of a VM: its kind, and the members of its element in the definition. */
extern const struct json_field vm_device_fields[];

/* The answer of a guest agent, which qga/reply.c makes from the guest's own words. */
extern const struct json_field vm_agent_fields[];

struct vm_console_reply {
	const char *user; /* NULL: nobody has it open */
};
extern const struct json_field vm_console_fields[];

struct vm_vnc_reply {
	const char *const *users;
	size_t user_count;
};
extern const struct json_field vm_vnc_fields[];

/* The answer of a QEMU to one command. */
struct vm_monitor_reply {
	struct json_object *result;
};
extern const struct json_field vm_monitor_fields[];

#endif
