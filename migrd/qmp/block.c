/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/block.h"

#include <string.h>

#include "base/mem.h"

/* ---- jobs and exports ---------------------------------------------------- */

static bool is_at_work(struct json_object *item, const char *but)
{
	const char *id = json_get_str(item, "id");
	const char *status = json_get_str(item, "status"); /* an export has none */

	if (!id || (but && strcmp(id, but) == 0))
		return false;
	return !status || (strcmp(status, "concluded") != 0 && strcmp(status, "null") != 0);
}

bool qmp_block_user_get(struct json_object *reply, const char *but, size_t number,
			struct qmp_block_user *ret)
{
	for (size_t i = 0; i < json_count(reply); i++) {
		struct json_object *item = json_object_array_get_idx(reply, i);
		const char *type = json_get_str(item, "type");

		if (!is_at_work(item, but) || number-- > 0)
			continue;
		ret->what = json_get_str(item, "node-name") ? "export" : "job";
		ret->id = json_get_str(item, "id");
		ret->type = type ? type : "?";
		return true;
	}
	return false;
}

static enum qmp_job_status status_of(const char *name)
{
	static const char *const ready[] = { "ready", "standby" };

	for (size_t i = 0; i < ARRAY_LEN(ready); i++) {
		if (strcmp(name, ready[i]) == 0)
			return QMP_JOB_READY;
	}
	return strcmp(name, "concluded") == 0 ? QMP_JOB_CONCLUDED : QMP_JOB_RUNS;
}

static uint64_t bytes(struct json_object *job, const char *key)
{
	int64_t value = json_get_int(job, key, 0);

	return value > 0 ? (uint64_t)value : 0;
}

bool qmp_job_get(struct json_object *reply, const char *id, struct qmp_job *ret)
{
	for (size_t i = 0; i < json_count(reply); i++) {
		struct json_object *job = json_object_array_get_idx(reply, i);
		const char *of = json_get_str(job, "id"), *status = json_get_str(job, "status");
		const char *error = json_get_str(job, "error");

		if (!of || !status || strcmp(of, id) != 0)
			continue;
		*ret = (struct qmp_job){
			.status = status_of(status),
			.error = error ? error : "",
			.done = bytes(job, "current-progress"),
			.total = bytes(job, "total-progress"),
		};
		return true;
	}
	return false;
}

/* ---- devices ------------------------------------------------------------- */

static bool is_of_device(const char *qdev, const char *id)
{
	static const char peripheral[] = "/machine/peripheral/";
	size_t len = strlen(id);

	if (strncmp(qdev, peripheral, sizeof(peripheral) - 1) == 0)
		qdev += sizeof(peripheral) - 1;
	return strncmp(qdev, id, len) == 0 && (qdev[len] == '\0' || qdev[len] == '/');
}

static struct json_object *find_device(struct json_object *reply, const char *id)
{
	for (size_t i = 0; i < json_count(reply); i++) {
		struct json_object *block = json_object_array_get_idx(reply, i);
		const char *qdev = json_get_str(block, "qdev");

		if (qdev && is_of_device(qdev, id))
			return block;
	}
	return NULL;
}

static const char *member_of(struct json_object *reply, const char *id, const char *key)
{
	return json_get_str(json_get_obj(find_device(reply, id), "inserted"), key);
}

const char *qmp_block_node(struct json_object *reply, const char *id)
{
	return member_of(reply, id, "node-name");
}

uint64_t qmp_block_below_bytes(struct json_object *reply, const char *id)
{
	struct json_object *image =
		json_get_obj(json_get_obj(find_device(reply, id), "inserted"), "image");
	uint64_t sum = 0;

	while ((image = json_get_obj(image, "backing-image")))
		sum += bytes(image, "actual-size");
	return sum;
}

const char *qmp_block_device(struct json_object *reply, const char *id)
{
	return json_get_str(find_device(reply, id), "qdev");
}

const char *qmp_block_limits(struct json_object *reply, const char *id)
{
	return member_of(reply, id, "group");
}

/* ---- the graph ------------------------------------------------------------ */

static struct json_object *find_node(struct json_object *nodes, int64_t id)
{
	for (size_t i = 0; i < json_count(nodes); i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);

		if (json_get_int(node, "id", -1) == id)
			return node;
	}
	return NULL;
}

static bool is_driver(struct json_object *node)
{
	const char *type = json_get_str(node, "type");

	return type && strcmp(type, "block-driver") == 0;
}

static bool is_backend(struct json_object *node)
{
	const char *type = json_get_str(node, "type");

	return type && strcmp(type, "block-backend") == 0;
}

static bool has_driver_above(struct json_object *nodes, struct json_object *edges, int64_t id)
{
	for (size_t i = 0; i < json_count(edges); i++) {
		struct json_object *edge = json_object_array_get_idx(edges, i);

		if (json_get_int(edge, "child", -1) == id &&
		    is_driver(find_node(nodes, json_get_int(edge, "parent", -1))))
			return true;
	}
	return false;
}

static bool has_inactive_user(struct json_object *nodes, struct json_object *edges)
{
	for (size_t i = 0; i < json_count(edges); i++) {
		struct json_object *edge = json_object_array_get_idx(edges, i);
		struct json_object *user = find_node(nodes, json_get_int(edge, "parent", -1));

		if (is_backend(user) && json_count(json_object_object_get(edge, "perm")) == 0)
			return true;
	}
	return false;
}

struct json_object *qmp_block_roots(struct json_object *reply, bool *ret_inactive)
{
	struct json_object *nodes = json_object_object_get(reply, "nodes");
	struct json_object *edges = json_object_object_get(reply, "edges");
	struct json_object *roots = json_object_new_array();

	for (size_t i = 0; i < json_count(nodes); i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);
		const char *name = json_get_str(node, "name");

		if (is_driver(node) && name &&
		    !has_driver_above(nodes, edges, json_get_int(node, "id", -1)))
			json_object_array_add(roots, json_object_new_string(name));
	}
	*ret_inactive = has_inactive_user(nodes, edges);
	return roots;
}

/* ---- dirty bitmaps ---------------------------------------------------------- */

bool qmp_transient_bitmap_get(struct json_object *reply, size_t number, const char **ret_node,
			      const char **ret_name)
{
	for (size_t i = 0; i < json_count(reply); i++) {
		struct json_object *node = json_object_array_get_idx(reply, i);
		struct json_object *bitmaps = json_object_object_get(node, "dirty-bitmaps");

		for (size_t j = 0; j < json_count(bitmaps); j++) {
			struct json_object *bitmap = json_object_array_get_idx(bitmaps, j);
			const char *name = json_get_str(bitmap, "name");

			/* A bitmap without a name belongs to a job. */
			if (!name || json_get_bool(bitmap, "persistent", false) || number-- > 0)
				continue;
			*ret_node = json_get_str(node, "node-name");
			*ret_name = name;
			return true;
		}
	}
	return false;
}

static struct json_object *find_named(struct json_object *reply, const char *name)
{
	for (size_t i = 0; i < json_count(reply); i++) {
		struct json_object *node = json_object_array_get_idx(reply, i);
		const char *of = json_get_str(node, "node-name");

		if (of && strcmp(of, name) == 0)
			return node;
	}
	return NULL;
}

bool qmp_node_is_there(struct json_object *reply, const char *node)
{
	return find_named(reply, node) != NULL;
}

bool qmp_bitmap_get(struct json_object *reply, const char *node, size_t number,
		    struct qmp_bitmap *ret)
{
	struct json_object *bitmaps =
		json_object_object_get(find_named(reply, node), "dirty-bitmaps");

	for (size_t i = 0; i < json_count(bitmaps); i++) {
		struct json_object *bitmap = json_object_array_get_idx(bitmaps, i);
		const char *name = json_get_str(bitmap, "name");
		int64_t granularity;

		if (!name || number-- > 0)
			continue;
		*ret = (struct qmp_bitmap){
			.name = name,
			.is_recording = json_get_bool(bitmap, "recording", false),
			.is_persistent = json_get_bool(bitmap, "persistent", false),
			.is_inconsistent = json_get_bool(bitmap, "inconsistent", false),
			.is_busy = json_get_bool(bitmap, "busy", false),
		};
		granularity = json_get_int(bitmap, "granularity", 0);
		ret->granularity = granularity > 0 ? (uint64_t)granularity : 0;
		return true;
	}
	return false;
}
