/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/fleet.h"

#define NAME_PATTERN "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
#define HOST_PATTERN "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
#define UUID_PATTERN "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
/* Whole numbers that every reader of JSON has. */
#define COUNT_MAX (INT64_C(1) << 53)

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "no name";
	return id_name_is_valid(value);
}

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id";
	return id_host_is_valid(value);
}

static bool check_uuid(const char *value, const char **ret_why)
{
	*ret_why = "no uuid";
	return id_uuid_is_valid(value);
}

#define STRING(owner, key_, member, must, help_)                                                \
	{                                                                                       \
		.key = key_, .type = JSON_STRING, .required = must, JSON_MEMBER(owner, member), \
		.help = help_                                                                   \
	}
#define CHECKED(owner, key_, member, must, check_, pattern_, help_)                             \
	{                                                                                       \
		.key = key_, .type = JSON_STRING, .required = must, JSON_MEMBER(owner, member), \
		.check = check_, .pattern = pattern_, .help = help_                             \
	}
#define NAME(owner, key, member, help) \
	CHECKED(owner, key, member, true, check_name, NAME_PATTERN, help)
#define HOST(owner, key, member, help) \
	CHECKED(owner, key, member, true, check_host, HOST_PATTERN, help)
#define UUID(owner, key, member, help) \
	CHECKED(owner, key, member, true, check_uuid, UUID_PATTERN, help)
#define COUNT(owner, member_, help_)                                                               \
	{                                                                                          \
		.key = #member_, .type = JSON_UINT, .required = true, JSON_MEMBER(owner, member_), \
		.max = COUNT_MAX, .help = help_                                                    \
	}
#define BOOL(owner, member_, help_)                                                                \
	{                                                                                          \
		.key = #member_, .type = JSON_BOOL, .required = true, JSON_MEMBER(owner, member_), \
		.help = help_                                                                      \
	}

#define OF_HOST(owner) HOST(owner, "host", head.host, "Host whose record this is.")

const struct json_field fleet_vm_fields[] = {
	NAME(struct fleet_vm, "name", head.key, "Name of the VM, unique on its host."),
	OF_HOST(struct fleet_vm),
	UUID(struct fleet_vm, "uuid", uuid, "Uuid of the VM, the same on every host."),
	STRING(struct fleet_vm, "state", state, true, "State of the VM."),
	STRING(struct fleet_vm, "reason", reason, false, "Reason for the state, in words."),
	CHECKED(struct fleet_vm, "elsewhere", elsewhere, false, check_host, HOST_PATTERN,
		"Host that the VM is on, if this record is old."),
	COUNT(struct fleet_vm, generation, "Changes of owner of this VM."),
	COUNT(struct fleet_vm, memory_mib, "Memory with all memory devices, in MiB."),
	COUNT(struct fleet_vm, vcpus, "Virtual CPUs with all vcpu devices."),
	STRING(struct fleet_vm, "qemu_version", qemu_version, false, "Version of the QEMU."),
	STRING(struct fleet_vm, "job", job, false, "Kind of the job that holds it."),
	CHECKED(struct fleet_vm, "job_id", job_id, false, check_uuid, UUID_PATTERN,
		"Id of that job."),
	{ .key = "labels",
	  .type = JSON_SCALARS,
	  JSON_MEMBER(struct fleet_vm, labels),
	  .help = "Labels of the VM." },
	{ 0 },
};

const struct json_field fleet_move_fields[] = {
	UUID(struct fleet_move, "id", head.key, "Id of the move, the same on both hosts."),
	OF_HOST(struct fleet_move),
	NAME(struct fleet_move, "vm", vm, "Name of the VM."),
	UUID(struct fleet_move, "vm_uuid", vm_uuid, "Uuid of the VM."),
	STRING(struct fleet_move, "kind", kind, true, "MIGRATION_OUT or MIGRATION_IN."),
	HOST(struct fleet_move, "source", source, "Host id."),
	HOST(struct fleet_move, "destination", destination, "Host id."),
	STRING(struct fleet_move, "state", state, true, "State of the move on this host."),
	BOOL(struct fleet_move, final, "The move has ended."),
	STRING(struct fleet_move, "reason", reason, false, "Reason for the state, in words."),
	STRING(struct fleet_move, "created_at", created_at, true,
	       "Time of the record on this host."),
	STRING(struct fleet_move, "ended_at", ended_at, false, "Time of the end."),
	{ 0 },
};

const struct json_field fleet_host_fields[] = {
	HOST(struct fleet_host, "id", head.key, "Host id."),
	STRING(struct fleet_host, "version", version, true, "Version of its migrd."),
	BOOL(struct fleet_host, ready, "It has found its guests again since its start."),
	BOOL(struct fleet_host, cordoned, "It takes no guests."),
	STRING(struct fleet_host, "held", held, false, "Who keeps automata from it, and why."),
	STRING(struct fleet_host, "doubt", doubt, false, "Why its records may be old."),
	COUNT(struct fleet_host, vms, "VMs that it has a record of."),
	COUNT(struct fleet_host, vms_running, "VMs that run."),
	COUNT(struct fleet_host, moves_active, "Moves that have not ended."),
	COUNT(struct fleet_host, memory_mib, "Its memory, in MiB."),
	COUNT(struct fleet_host, memory_available_mib, "What of it is available, in MiB."),
	{ .key = "certificate_days_left",
	  .type = JSON_INT,
	  .required = true,
	  JSON_MEMBER(struct fleet_host, certificate_days_left),
	  .help = "Days until its certificate ends; below 0: it has." },
	{ .key = "evacuation",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct fleet_host, evacuation),
	  .present_offset = offsetof(struct fleet_host, is_emptied),
	  .fields = peer_evacuation_fields,
	  .help = "Its evacuation that has not ended, in short; up to 5 s old." },
	{ 0 },
};

/* ---- a page ----------------------------------------------------------------------- */

static const struct json_field read_fields[] = {
	{ .key = "items",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct fleet_page_read, items),
	  .help = "Items." },
	{ .key = "more",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct fleet_page_read, more),
	  .help = "There are others after these." },
	{ 0 },
};

bool fleet_page_read(struct json_object *obj, struct fleet_page_read *ret, struct err *err)
{
	if (!json_decode_object(obj, read_fields, ret, JSON_IGNORE_UNKNOWN, err))
		return false;
	if (!json_object_is_type(ret->items, json_type_array) ||
	    json_count(ret->items) > FLEET_PAGE_ITEMS)
		return err_set(err, ERR_INVALID, "/items: a list of at most %d is wanted",
			       FLEET_PAGE_ITEMS);
	if (ret->more && !json_count(ret->items))
		return err_set(err, ERR_INVALID, "/more: the list is empty");
	return true;
}

void fleet_page_fini(struct fleet_page_read *page)
{
	json_release(read_fields, page);
}

/* ---- for the schemas ---------------------------------------------------------------- */

struct page_shape {
	const struct fleet_vm *vms;
	const struct fleet_move *moves;
	const struct fleet_host *hosts;
	size_t count;
	bool more;
};

#define PAGE(member_, table)                                                                  \
	{                                                                                     \
		{ .key = "items",                                                             \
		  .type = JSON_LIST,                                                          \
		  .required = true,                                                           \
		  .offset = offsetof(struct page_shape, member_),                             \
		  .size = sizeof(*((struct page_shape *)0)->member_),                         \
		  .count_offset = offsetof(struct page_shape, count),                         \
		  .fields = table,                                                            \
		  .help = "Those of this host, in order." },                                  \
			JSON_SHOWN(struct page_shape, more, "There are others after these."), \
			{ 0 },                                                                \
	}
const struct json_field fleet_vm_page_fields[] = PAGE(vms, fleet_vm_fields);
const struct json_field fleet_move_page_fields[] = PAGE(moves, fleet_move_fields);
const struct json_field fleet_host_page_fields[] = PAGE(hosts, fleet_host_fields);

const struct json_field fleet_heard_fields[] = {
	JSON_SHOWN(struct fleet_heard, id, "Host id."),
	JSON_SHOWN(struct fleet_heard, answered, "It has answered, so its items are complete."),
	JSON_SHOWN(struct fleet_heard, items, "How many of the items are its own."),
	JSON_SHOWN(struct fleet_heard, took_ms, "Time until its answer, in milliseconds."),
	JSON_SHOWN_IF(struct fleet_heard, code,
		      "Why it has not answered: one of schema/errors.md."),
	JSON_SHOWN_IF(struct fleet_heard, detail, "The same in words."),
	{ 0 },
};

struct all_shape {
	struct page_shape page;
	const char *next;
	bool complete;
	const struct fleet_heard *heard;
	size_t heard_count;
};

#define ALL(member_, table)                                                                    \
	{                                                                                      \
		{ .key = "items",                                                              \
		  .type = JSON_LIST,                                                           \
		  .required = true,                                                            \
		  .offset = offsetof(struct all_shape, page.member_),                          \
		  .size = sizeof(*((struct page_shape *)0)->member_),                          \
		  .count_offset = offsetof(struct all_shape, page.count),                      \
		  .fields = table,                                                             \
		  .help = "Those of all hosts that have answered, in order." },                \
			JSON_SHOWN(struct all_shape, next,                                     \
				   "Value of ?after= for the next page; null: there is none.", \
				   .nullable = true),                                          \
			JSON_SHOWN(struct all_shape, complete,                                 \
				   "Every host that was asked has answered."),                 \
			{ .key = "hosts",                                                      \
			  .type = JSON_LIST,                                                   \
			  .required = true,                                                    \
			  .offset = offsetof(struct all_shape, heard),                         \
			  .size = sizeof(struct fleet_heard),                                  \
			  .count_offset = offsetof(struct all_shape, heard_count),             \
			  .fields = fleet_heard_fields,                                        \
			  .help = "Each host that was asked, and whether it has answered." },  \
			{ 0 },                                                                 \
	}
const struct json_field fleet_vms_fields[] = ALL(vms, fleet_vm_fields);
const struct json_field fleet_moves_fields[] = ALL(moves, fleet_move_fields);
const struct json_field fleet_hosts_fields[] = ALL(hosts, fleet_host_fields);
