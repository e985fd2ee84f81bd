/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/capacity.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/number_list.h"

#define LOAD_MAX CAPACITY_CPUS_MAX
#define RATE_MAX (INT64_C(1) << 53)

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id: 1 to 63 of a-z 0-9 -, no '-' at either end";
	return id_host_is_valid(value);
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "no name: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return id_name_is_valid(value);
}

static bool check_uuid(const char *value, const char **ret_why)
{
	*ret_why = "no uuid: 36 lower-case characters, 8-4-4-4-12";
	return id_uuid_is_valid(value);
}

#define HOST_PATTERN "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
#define NAME_PATTERN "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
#define UUID_PATTERN "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

#define COUNT(owner, member_, most, help_)                                                         \
	{                                                                                          \
		.key = #member_, .type = JSON_UINT, .required = true, JSON_MEMBER(owner, member_), \
		.max = most, .help = help_                                                         \
	}
#define NUMBER(owner, member_, most, help_)                                          \
	{                                                                            \
		.key = #member_, .type = JSON_NUMBER, .required = true,              \
		JSON_MEMBER(owner, member_), .digits = 2, .max = most, .help = help_ \
	}
#define TEXT(owner, member_, help_, ...)                                                          \
	{                                                                                         \
		.key = #member_, .type = JSON_STRING, JSON_MEMBER(owner, member_), .help = help_, \
		__VA_ARGS__                                                                       \
	}

/* ---- a host ---------------------------------------------------------------- */

#define HUGE(member, help) COUNT(struct capacity_huge, member, CAPACITY_MEM_MAX_MIB, help)

static const struct json_field huge_fields[] = {
	HUGE(page_mib, "Size of such a page, in MiB."),
	HUGE(total, "All of them, with those that the kernel may still make, in MiB."),
	HUGE(free, "Those that nobody uses or has reserved, in MiB."),
	HUGE(reserved, "Those that others than guests have, in MiB."),
	{ 0 },
};

static const struct json_field huge_node_fields[] = {
	COUNT(struct capacity_huge_node, node, CAPACITY_CPUS_MAX, "Number of the NUMA node."),
	COUNT(struct capacity_huge_node, page_mib, CAPACITY_MEM_MAX_MIB,
	      "Size of such a page, in MiB."),
	COUNT(struct capacity_huge_node, free, CAPACITY_MEM_MAX_MIB,
	      "Those that are not in use, in MiB."),
	{ 0 },
};

#define MIB(member, help) COUNT(struct capacity_memory, member, CAPACITY_MEM_MAX_MIB, help)

static const struct json_field memory_fields[] = {
	MIB(total, "Memory of the host, in MiB."),
	MIB(available, "Memory that programs can have, in MiB."),
	MIB(reserved, "Memory that is not for guests: kept free by the configuration, or used by "
		      "others than guests, in MiB."),
	MIB(guests, "Memory of the guests that are on the host, in full, in MiB."),
	MIB(incoming, "Memory of guests that are on their way there, in full, in MiB."),
	MIB(huge_total, "Huge pages, which are part of the total, in MiB."),
	MIB(huge_free, "Those that are not in use, in MiB."),
	{ .key = "huge",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct capacity_memory, huge, huge_count),
	  .fields = huge_fields,
	  .present_offset = offsetof(struct capacity_memory, has_huge),
	  .help = "Huge pages by their size; not there: the host does not tell it." },
	{ .key = "huge_nodes",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct capacity_memory, huge_nodes, huge_node_count),
	  .fields = huge_node_fields,
	  .help = "Huge pages of the host's NUMA nodes, by their size." },
	{ 0 },
};

#define PERCENT(member, help) NUMBER(struct capacity_pressure, member, 100, help)

static const struct json_field pressure_fields[] = {
	PERCENT(cpu, "Share of the last 10 s in which a task waited for a CPU, in percent."),
	PERCENT(memory, "Share of the last 10 s in which a task waited for memory, in percent."),
	PERCENT(io, "Share of the last 10 s in which a task waited for a disk, in percent."),
	{ 0 },
};

#define LIMIT(member, help) COUNT(struct capacity_limits, member, CAPACITY_CPUS_MAX, help)

static const struct json_field limits_fields[] = {
	LIMIT(out_max, "Moves from the host at a time."),
	LIMIT(in_max, "Moves to the host at a time."),
	LIMIT(vcpus_per_core, "vCPUs of guests to a core at most; 0: any number."),
	{ 0 },
};

#define FIGURE(member, most, help) COUNT(struct capacity_figures, member, most, help)

static const struct json_field figures_fields[] = {
	{ .key = "memory_mib",
	  .type = JSON_OBJECT,
	  .required = true,
	  JSON_MEMBER(struct capacity_figures, memory_mib),
	  .fields = memory_fields,
	  .help = "Memory of the host." },
	FIGURE(cores, CAPACITY_CPUS_MAX, "Cores of the host that are in use."),
	FIGURE(vcpus, INT64_C(1) << 32, "vCPUs of the guests that are there or on their way."),
	NUMBER(struct capacity_figures, load, LOAD_MAX,
	       "Cores that all programs of the host use, over about half a minute."),
	{ .key = "pressure",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct capacity_figures, pressure),
	  .present_offset = offsetof(struct capacity_figures, has_pressure),
	  .fields = pressure_fields,
	  .help = "Pressure stall information of the kernel; not there: the kernel does not tell "
		  "it." },
	{ .key = "limits",
	  .type = JSON_OBJECT,
	  .required = true,
	  JSON_MEMBER(struct capacity_figures, limits),
	  .fields = limits_fields,
	  .help = "Limits of the host's configuration." },
	FIGURE(link_bytes_per_s, RATE_MAX,
	       "Rate to other hosts, each way, in bytes per second; 0: not known."),
	TEXT(struct capacity_figures, link_by,
	     "What tells that rate: budget (the configuration), moves (earlier ones and probes) or "
	     "interface."),
	TEXT(struct capacity_figures, rack, "Rack of the host.", .check = check_name,
	     .pattern = NAME_PATTERN),
	{ .key = "labels",
	  .type = JSON_SCALARS,
	  JSON_MEMBER(struct capacity_figures, labels),
	  .help = "Labels of the host." },
	FIGURE(guests, INT64_C(1) << 32, "VMs that have a QEMU there, or are on their way."),
	FIGURE(stopped, INT64_C(1) << 32, "Stopped VMs, which take nothing."),
	FIGURE(left_out, INT64_C(1) << 32, "Guests beyond the first 1,000, which are not told."),
	{ 0 },
};

const struct json_field capacity_told_fields[] = {
	{ .key = "id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct capacity_told, id),
	  .check = check_host,
	  .pattern = HOST_PATTERN,
	  .help = "Host id." },
	{ .key = "state",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct capacity_told, state),
	  .min = 1,
	  .help = "online; cordoned: it takes no guests; draining: it is being emptied." },
	TEXT(struct capacity_told, why, "Why it takes no guests."),
	TEXT(struct capacity_told, hold, "Why no automaton may touch it."),
	JSON_PART_OF(struct capacity_told, figures, figures_fields),
	{ 0 },
};

/* ---- a guest ---------------------------------------------------------------- */

static bool check_nodes(const char *value, const char **ret_why)
{
	struct number_list list;

	*ret_why = "a list of numbers from 0 to 1023 is wanted, such as 0-1,4";
	return number_list_parse(value, &list);
}

static const struct json_field bound_fields[] = {
	{ .key = "nodes",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct capacity_bound, nodes),
	  .check = check_nodes,
	  .help = "NUMA nodes of the host, such as 0-1." },
	COUNT(struct capacity_bound, mib, CAPACITY_MEM_MAX_MIB, "Memory from there, in MiB."),
	{ 0 },
};

#define OF_VM(member, most, help) COUNT(struct capacity_vm_told, member, most, help)

const struct json_field capacity_vm_told_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct capacity_vm_told, name),
	  .check = check_name,
	  .pattern = NAME_PATTERN,
	  .help = "Name of the VM." },
	{ .key = "uuid",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct capacity_vm_told, uuid),
	  .check = check_uuid,
	  .pattern = UUID_PATTERN,
	  .help = "Uuid of the VM." },
	{ .key = "state",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct capacity_vm_told, state),
	  .min = 1,
	  .help = "State of the VM." },
	OF_VM(memory_mib, CAPACITY_MEM_MAX_MIB, "Memory of the guest, in full, in MiB."),
	{ .key = "huge_page_mib",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct capacity_vm_told, huge_page_mib),
	  .max = CAPACITY_MEM_MAX_MIB,
	  .help = "Size of the huge pages in which all memory of the guest is, in MiB; 0, or not "
		  "there: in none." },
	{ .key = "huge_bound",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct capacity_vm_told, huge_bound, huge_bound_count),
	  .fields = bound_fields,
	  .help = "What of it is bound to NUMA nodes of its host." },
	OF_VM(vcpus, CAPACITY_CPUS_MAX, "vCPUs of the guest."),
	NUMBER(struct capacity_vm_told, load, LOAD_MAX,
	       "Cores that its QEMU uses, over about half a minute."),
	{ .key = "dirty_bytes_per_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct capacity_vm_told, dirty_bytes_per_s),
	  .present_offset = offsetof(struct capacity_vm_told, has_dirty),
	  .max = RATE_MAX,
	  .help = "Memory that it changed in a second when that was sampled last; not there: "
		  "never." },
	OF_VM(forecast_bytes, RATE_MAX,
	      "What a move would send of its memory, as far as is known; 0: not known."),
	{ .key = "movable",
	  .type = JSON_BOOL,
	  .required = true,
	  JSON_MEMBER(struct capacity_vm_told, movable),
	  .help = "It can be moved, as far as the host knows." },
	TEXT(struct capacity_vm_told, why, "Why it cannot be moved."),
	TEXT(struct capacity_vm_told, hold, "Why no automaton may move it."),
	{ .key = "placement",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct capacity_vm_told, placement),
	  .fields = placement_fields,
	  .help = "Where it may be; not there: anywhere." },
	{ 0 },
};

/* ---- a page ----------------------------------------------------------------- */

/* For the schema only. */
struct page_shape {
	struct capacity_told host;
	const struct capacity_vm_told *vms;
	size_t vm_count;
	const char *next;
};

const struct json_field capacity_page_fields[] = {
	JSON_PART_OF(struct page_shape, host, capacity_told_fields),
	JSON_SHOWN_LIST(struct page_shape, vms, vm_count, capacity_vm_told_fields,
			"Guests, in the order of their names; some may be before the name that was "
			"asked for.",
			.required = true),
	JSON_SHOWN(struct page_shape, next, "Value of ?after= for the next page; null: none.",
		   .nullable = true),
	{ 0 },
};

/* What is read of it beside the host. */
static const struct json_field rest_fields[] = {
	{ .key = "vms",
	  .type = JSON_ANY,
	  .required = true,
	  JSON_MEMBER(struct capacity_page, vms),
	  .help = "Guests." },
	{ .key = "next",
	  .type = JSON_STRING,
	  .nullable = true,
	  JSON_MEMBER(struct capacity_page, next),
	  .check = check_name,
	  .help = "Value of ?after=." },
	{ 0 },
};

static bool check_labels(const char *labels, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = labels[0] ? json_read_back(labels) : NULL;
	struct faults *faults = faults_new();
	bool ok = !obj || labels_check(obj, "/labels", false, faults) || faults_to_err(faults, err);

	faults_free(faults);
	return ok;
}

bool capacity_page_read(struct json_object *obj, struct capacity_page *ret, struct err *err)
{
	if (!json_decode_object(obj, rest_fields, ret, JSON_IGNORE_UNKNOWN, err) ||
	    !json_decode_object(obj, capacity_told_fields, &ret->host, JSON_IGNORE_UNKNOWN, err) ||
	    !check_labels(ret->host.figures.labels, err))
		return false;
	if (!ret->host.figures.cores || !ret->host.figures.memory_mib.total)
		return err_set(err, ERR_INVALID, "it has no cores, or no memory");
	if (!json_object_is_type(ret->vms, json_type_array) ||
	    json_count(ret->vms) > CAPACITY_PAGE_VMS)
		return err_set(err, ERR_INVALID, "/vms: a list of at most %d guests is wanted",
			       CAPACITY_PAGE_VMS);
	return true;
}

void capacity_page_fini(struct capacity_page *page)
{
	json_release(rest_fields, page);
}

bool capacity_vm_read(const struct capacity_page *page, size_t number, struct capacity_vm_told *ret,
		      struct err *err)
{
	struct json_object *obj = json_object_array_get_idx(page->vms, number);
	struct faults *faults;
	bool ok;

	memset(ret, 0, sizeof(*ret));
	if (!json_decode_object(obj, capacity_vm_told_fields, ret, JSON_IGNORE_UNKNOWN, err))
		return err_wrap(err, "/vms/%zu", number);
	faults = faults_new();
	ok = placement_check(&ret->placement, "/placement", faults) || faults_to_err(faults, err);
	faults_free(faults);
	return ok || err_wrap(err, "/vms/%zu", number);
}

/* ---- for users -------------------------------------------------------------- */

#define SHOWN_ROWS(owner)                                                                          \
	JSON_SHOWN(owner, id, "Host id."),                                                         \
		JSON_SHOWN(owner, address,                                                         \
			   "Address of its REST API: HOST:PORT; null: it is the host that was "    \
			   "asked.",                                                               \
			   .nullable = true),                                                      \
		JSON_SHOWN(owner, state,                                                           \
			   "online; cordoned: it takes no guests; draining: it is being emptied; " \
			   "offline: it has told nothing for three intervals, or never."),         \
		JSON_SHOWN_IF(owner, why, "Why it takes no guests."),                              \
		JSON_SHOWN_IF(owner, hold, "Why no automaton may touch it."),                      \
		JSON_SHOWN_IF(owner, trouble,                                                      \
			      "Why its last answer is missing, or was not taken."),                \
		JSON_SHOWN_IF(owner, age_ms, "Age of what it told, in milliseconds.",              \
			      .present_offset = offsetof(owner, has_told)),                        \
		JSON_SHOWN_OBJECT_IF(owner, figures, figures_fields,                               \
				     "What it told; not there: nothing.",                          \
				     .present_offset = offsetof(owner, has_told))

const struct json_field capacity_shown_fields[] = {
	SHOWN_ROWS(struct capacity_shown),
	{ 0 },
};

/* For the schema only. */
struct host_shape {
	struct capacity_shown host;
	const struct capacity_vm_told *vms;
	size_t vm_count;
};

const struct json_field capacity_host_fields[] = {
	JSON_PART_OF(struct host_shape, host, capacity_shown_fields),
	JSON_SHOWN_LIST(struct host_shape, vms, vm_count, capacity_vm_told_fields,
			"Its guests, in the order of their names.", .required = true),
	{ 0 },
};
