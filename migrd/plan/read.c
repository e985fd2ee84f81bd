/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/json_path.h"
#include "base/mem.h"
#include "plan/file.h"

static const struct json_limits limits_of_file = { .max_bytes = PLAN_FILE_MAX,
						   .max_depth = 6,
						   .max_values = 6000000 };

static const char *const formats[] = { "migrd-cluster/1", NULL };
static const char *const states[] = {
	[PLAN_HOST_ONLINE] = "online",
	[PLAN_HOST_DRAINING] = "draining",
	[PLAN_HOST_OFFLINE] = "offline",
	NULL,
};

/* ---- rows: what a host and a VM hold on to --------------------------------- */

struct host_row {
	char *name, *rack, *hold;
	uint64_t mem_mib, reserved_mib, cpus;
	uint64_t huge_2m_mib, huge_1g_mib;
	bool has_2m, has_1g;
	double nic_gbps;
	int state;
	struct json_object *labels_json;
	struct plan_label *labels;
};

struct vm_row {
	char *name, *host, *group, *affinity, *hold;
	uint64_t mem_mib, vcpus, priority, huge_page_mib;
	double cpu_load, dirty_mibps, forecast_mib;
	double last_moved_s; /* has no part in a plan */
	bool is_movable;
	struct json_object *labels_json, *requires_json, *forbids_json, *prefers_json, *pins_json;
	struct plan_label *requires, *forbids, *prefers;
	const char **pins;
};

struct root_row {
	int format;
	struct json_object *hosts, *vms;
	struct limits_row {
		double vcpu_ratio;
		uint64_t out_per_host, in_per_host;
	} limits;
};

struct plan_file {
	struct plan_input input;
	struct plan_host *hosts;
	struct plan_vm *vms;
	struct host_row *host_rows;
	struct vm_row *vm_rows;
	size_t host_count, vm_count;
};

#define NAME(owner, member_, ...)                                                                 \
	{                                                                                         \
		.key = #member_, .type = JSON_TEXT, .offset = offsetof(owner, member_), .min = 1, \
		.max = PLAN_NAME_MAX, __VA_ARGS__                                                 \
	}
#define COUNT(owner, member_, min_, max_, ...)                                          \
	{                                                                               \
		.key = #member_, .type = JSON_UINT, .offset = offsetof(owner, member_), \
		.min = min_, .max = max_, __VA_ARGS__                                   \
	}
#define NUMBER(owner, member_, min_, max_, ...)                                           \
	{                                                                                 \
		.key = #member_, .type = JSON_NUMBER, .offset = offsetof(owner, member_), \
		.min = min_, .max = max_, __VA_ARGS__                                     \
	}
#define ANY(owner, key_, member_, ...)                                             \
	{                                                                          \
		.key = key_, .type = JSON_ANY, .offset = offsetof(owner, member_), \
		.nullable = true, __VA_ARGS__                                      \
	}

/* Of huge pages the format knows nothing: members "x-..." are allowed. */
#define HUGE(key_, member_, has_)                                                             \
	{                                                                                     \
		.key = key_, .type = JSON_UINT, .offset = offsetof(struct host_row, member_), \
		.present_offset = offsetof(struct host_row, has_), .max = PLAN_MEM_MAX_MIB    \
	}

static const struct json_field host_fields[] = {
	NAME(struct host_row, name, .required = true),
	COUNT(struct host_row, mem_mib, 1, PLAN_MEM_MAX_MIB, .required = true),
	COUNT(struct host_row, reserved_mib, 0, PLAN_MEM_MAX_MIB),
	HUGE("x-huge_2m_mib", huge_2m_mib, has_2m),
	HUGE("x-huge_1g_mib", huge_1g_mib, has_1g),
	COUNT(struct host_row, cpus, 1, PLAN_CPUS_MAX, .required = true),
	NUMBER(struct host_row, nic_gbps, 0, (int64_t)PLAN_RATE_MAX, .required = true),
	NAME(struct host_row, rack, .nullable = true),
	NAME(struct host_row, hold, .nullable = true),
	{ .key = "state",
	  .type = JSON_ENUM,
	  .offset = offsetof(struct host_row, state),
	  .names = states },
	ANY(struct host_row, "labels", labels_json),
	{ .key = NULL },
};

static const struct json_field vm_fields[] = {
	NAME(struct vm_row, name, .required = true),
	NAME(struct vm_row, host, .required = true),
	COUNT(struct vm_row, mem_mib, 0, PLAN_MEM_MAX_MIB, .required = true),
	COUNT(struct vm_row, vcpus, 0, PLAN_CPUS_MAX, .required = true),
	{ .key = "x-huge_page_mib",
	  .type = JSON_UINT,
	  .offset = offsetof(struct vm_row, huge_page_mib),
	  .max = 1024 },
	NUMBER(struct vm_row, cpu_load, 0, PLAN_CPUS_MAX),
	NUMBER(struct vm_row, dirty_mibps, 0, (int64_t)PLAN_RATE_MAX),
	NAME(struct vm_row, group, .nullable = true),
	NAME(struct vm_row, affinity, .nullable = true),
	{ .key = "movable", .type = JSON_BOOL, .offset = offsetof(struct vm_row, is_movable) },
	NAME(struct vm_row, hold, .nullable = true),
	ANY(struct vm_row, "labels", labels_json),
	ANY(struct vm_row, "requires", requires_json),
	ANY(struct vm_row, "forbids", forbids_json),
	ANY(struct vm_row, "prefers", prefers_json),
	ANY(struct vm_row, "pins", pins_json),
	COUNT(struct vm_row, priority, 0, PLAN_PRIORITY_MAX),
	NUMBER(struct vm_row, forecast_mib, 0, PLAN_MEM_MAX_MIB),
	NUMBER(struct vm_row, last_moved_s, 0, (int64_t)PLAN_TIME_MAX_S, .nullable = true),
	{ .key = NULL },
};

static const struct json_field limits_fields[] = {
	NUMBER(struct limits_row, vcpu_ratio, 0, (int64_t)PLAN_RATE_MAX),
	COUNT(struct limits_row, out_per_host, 1, PLAN_PER_HOST_MAX),
	COUNT(struct limits_row, in_per_host, 1, PLAN_PER_HOST_MAX),
	{ .key = NULL },
};

static const struct json_field root_fields[] = {
	{ .key = "format",
	  .type = JSON_ENUM,
	  .offset = offsetof(struct root_row, format),
	  .names = formats,
	  .required = true },
	ANY(struct root_row, "hosts", hosts, .required = true),
	ANY(struct root_row, "vms", vms, .required = true),
	{ .key = "limits",
	  .type = JSON_OBJECT,
	  .offset = offsetof(struct root_row, limits),
	  .fields = limits_fields },
	{ .key = NULL },
};

/* ---- members of objects ---------------------------------------------------- */

static bool is_of(const struct json_field *fields, const char *key)
{
	while (fields && fields->key && strcmp(fields->key, key) != 0)
		fields++;
	return fields && fields->key;
}

/* Members "x-..." that are not of FIELDS are of whoever writes them. */
static void drop_foreign(struct json_object *obj, const struct json_field *fields)
{
	if (!json_object_is_type(obj, json_type_object))
		return;
	json_object_object_foreach(obj, key, value)
	{
		(void)value;
		if (strncmp(key, "x-", 2) == 0 && !is_of(fields, key))
			json_object_object_del(obj, key);
	}
}

/* Where something is, for faults: "/vms/17", "requires". */
struct place {
	const char *pointer, *member;
	struct faults *faults;
};

#define FAULT(place, ...)                                                          \
	do {                                                                       \
		struct json_path root_ = { .key = (place)->pointer };              \
		struct json_path path_ = { .up = &root_, .key = (place)->member }; \
		json_path_fault(&path_, (place)->faults, __VA_ARGS__);             \
	} while (0)

/* An object of strings; *RET_LIST is the caller's. */
static struct plan_labels read_labels(struct json_object *obj, const struct place *place,
				      struct plan_label **ret_list)
{
	struct plan_labels labels = { NULL, 0 };
	struct plan_label *list;

	if (!obj)
		return labels;
	if (!json_object_is_type(obj, json_type_object)) {
		FAULT(place, "an object of strings is wanted");
		return labels;
	}
	if (json_object_object_length(obj) > PLAN_LABELS_MAX) {
		FAULT(place, "%d labels: at most %d are allowed", json_object_object_length(obj),
		      PLAN_LABELS_MAX);
		return labels;
	}
	list = xcalloc((size_t)json_object_object_length(obj) + 1, sizeof(*list));
	json_object_object_foreach(obj, key, value)
	{
		if (!json_object_is_type(value, json_type_string))
			FAULT(place, "the label '%.100s' is no string", key);
		else
			list[labels.count++] =
				(struct plan_label){ key, json_object_get_string(value) };
	}
	*ret_list = list;
	labels.list = list;
	return labels;
}

static struct plan_names read_names(struct json_object *obj, const struct place *place,
				    const char ***ret_list)
{
	struct plan_names names = { NULL, 0 };
	size_t count = json_count(obj);
	const char **list;

	if (!obj)
		return names;
	if (!json_object_is_type(obj, json_type_array) || count > PLAN_PINS_MAX) {
		FAULT(place, "an array of at most %d strings is wanted", PLAN_PINS_MAX);
		return names;
	}
	list = xcalloc(count + 1, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(obj, i);

		if (!json_object_is_type(item, json_type_string))
			FAULT(place, "the element %zu is no string", i);
		else
			list[names.count++] = json_object_get_string(item);
	}
	*ret_list = list;
	names.list = list;
	return names;
}

/* ---- hosts and VMs --------------------------------------------------------- */

/* A host that names none of them has no huge pages, or does not say so. */
static void add_pages(const struct host_row *row, struct plan_host *host, const char *pointer,
		      struct faults *faults)
{
	uint64_t huge_mib = row->huge_2m_mib + row->huge_1g_mib;
	uint64_t reserved_mib = row->reserved_mib < row->mem_mib ? row->reserved_mib : row->mem_mib;

	if (huge_mib > row->mem_mib - reserved_mib) {
		FAULT(&((struct place){ pointer, "x-huge_2m_mib", faults }),
		      "more huge pages than memory for VMs");
		return;
	}
	host->knows_pages = row->has_2m || row->has_1g;
	host->pages_mib[PLAN_PAGES_ORDINARY] = row->mem_mib - reserved_mib - huge_mib;
	host->pages_mib[PLAN_PAGES_2M] = row->huge_2m_mib;
	host->pages_mib[PLAN_PAGES_1G] = row->huge_1g_mib;
}

static void read_host(struct json_object *obj, struct host_row *row, struct plan_host *host,
		      const char *pointer, struct faults *faults)
{
	drop_foreign(obj, host_fields);
	if (!json_decode(obj, host_fields, row, pointer, faults))
		return;
	*host = (struct plan_host){
		.name = row->name,
		.mem_mib = row->mem_mib,
		.reserved_mib = row->reserved_mib,
		.cpus = row->cpus,
		.nic_gbps = row->nic_gbps,
		.rack = row->rack,
		.state = (enum plan_host_state)row->state,
		.labels = read_labels(row->labels_json,
				      &(struct place){ pointer, "labels", faults }, &row->labels),
		.hold = row->hold,
	};
	add_pages(row, host, pointer, faults);
}

static void read_vm(struct json_object *obj, struct vm_row *row, struct plan_vm *vm,
		    const char *pointer, struct faults *faults)
{
	struct plan_label *unused = NULL;

	row->is_movable = true;
	drop_foreign(obj, vm_fields);
	if (!json_decode(obj, vm_fields, row, pointer, faults))
		return;
	if (plan_pages_of(row->huge_page_mib) == PLAN_PAGES_COUNT)
		FAULT(&((struct place){ pointer, "x-huge_page_mib", faults }),
		      "2 or 1024 is wanted");
	*vm = (struct plan_vm){
		.name = row->name,
		.host = row->host,
		.mem_mib = row->mem_mib,
		.pages = plan_pages_of(row->huge_page_mib),
		.vcpus = row->vcpus,
		.cpu_load = row->cpu_load,
		.dirty_mibps = row->dirty_mibps,
		.group = row->group,
		.affinity = row->affinity,
		.is_movable = row->is_movable,
		.hold = row->hold,
		.requires =
			read_labels(row->requires_json,
				    &(struct place){ pointer, "requires", faults }, &row->requires),
		.forbids =
			read_labels(row->forbids_json,
				    &(struct place){ pointer, "forbids", faults }, &row->forbids),
		.prefers =
			read_labels(row->prefers_json,
				    &(struct place){ pointer, "prefers", faults }, &row->prefers),
		.pins = read_names(row->pins_json, &(struct place){ pointer, "pins", faults },
				   &row->pins),
		.priority = (unsigned)row->priority,
		.forecast_mib = row->forecast_mib,
	};
	/* A VM's own labels have no part in a plan; only their form is looked at. */
	read_labels(row->labels_json, &(struct place){ pointer, "labels", faults }, &unused);
	free(unused);
}

/* The array may not be longer than MAX, which is looked at before memory is asked for. */
static bool check_list(struct json_object *list, const char *member, size_t max,
		       struct faults *faults)
{
	const struct place place = { "", member, faults };

	if (!json_object_is_type(list, json_type_array)) {
		FAULT(&place, "an array is wanted");
		return false;
	}
	if (json_count(list) > max) {
		FAULT(&place, "%zu elements: at most %zu are allowed", json_count(list), max);
		return false;
	}
	return true;
}

static void read_lists(struct plan_file *file, const struct root_row *root, struct faults *faults)
{
	char pointer[32];

	if (!check_list(root->hosts, "hosts", PLAN_HOSTS_MAX, faults) ||
	    !check_list(root->vms, "vms", PLAN_VMS_MAX, faults))
		return;
	file->host_count = json_count(root->hosts);
	file->vm_count = json_count(root->vms);
	file->host_rows = xcalloc(file->host_count + 1, sizeof(*file->host_rows));
	file->hosts = xcalloc(file->host_count + 1, sizeof(*file->hosts));
	file->vm_rows = xcalloc(file->vm_count + 1, sizeof(*file->vm_rows));
	file->vms = xcalloc(file->vm_count + 1, sizeof(*file->vms));
	for (size_t i = 0; i < file->host_count; i++) {
		snprintf(pointer, sizeof(pointer), "/hosts/%zu", i);
		read_host(json_object_array_get_idx(root->hosts, i), &file->host_rows[i],
			  &file->hosts[i], pointer, faults);
	}
	for (size_t i = 0; i < file->vm_count; i++) {
		snprintf(pointer, sizeof(pointer), "/vms/%zu", i);
		read_vm(json_object_array_get_idx(root->vms, i), &file->vm_rows[i], &file->vms[i],
			pointer, faults);
	}
	file->input = (struct plan_input){
		.hosts = file->hosts,
		.host_count = file->host_count,
		.vms = file->vms,
		.vm_count = file->vm_count,
		.limits = { root->limits.vcpu_ratio, (unsigned)root->limits.out_per_host,
			    (unsigned)root->limits.in_per_host },
	};
}

/* ---- the file -------------------------------------------------------------- */

struct plan_file *plan_file_parse(const char *text, size_t len, struct faults *faults)
{
	struct json_object *tree = json_parse(text, len, &limits_of_file, faults), *limits;
	struct root_row root = { .limits = {
					 .vcpu_ratio = 4, .out_per_host = 2, .in_per_host = 2 } };
	struct plan_file *file = xnew(struct plan_file);

	drop_foreign(tree, NULL);
	if (json_object_object_get_ex(tree, "limits", &limits))
		drop_foreign(limits, NULL);
	if (tree && json_decode(tree, root_fields, &root, "", faults))
		read_lists(file, &root, faults);
	json_release(root_fields, &root);
	json_object_put(tree);
	if (faults->count == 0)
		return file;
	plan_file_free(file);
	return NULL;
}

void plan_file_free(struct plan_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->host_count; i++) {
		json_release(host_fields, &file->host_rows[i]);
		free(file->host_rows[i].labels);
	}
	for (size_t i = 0; i < file->vm_count; i++) {
		json_release(vm_fields, &file->vm_rows[i]);
		free(file->vm_rows[i].requires);
		free(file->vm_rows[i].forbids);
		free(file->vm_rows[i].prefers);
		free(file->vm_rows[i].pins);
	}
	free(file->host_rows);
	free(file->vm_rows);
	free(file->hosts);
	free(file->vms);
	free(file);
}

const struct plan_input *plan_file_input(const struct plan_file *file)
{
	return &file->input;
}
