/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adopt/block.h"

#include <stdio.h>
#include <string.h>

#define ROW(query, key, old) { query, key, old },
const struct adopt_limit adopt_limits[ADOPT_LIMIT_COUNT] = { ADOPT_LIMITS(ROW) };

/* Refuses what does not fit: a path cut short would name another file. */
static bool copy(char *to, size_t size, const char *from, struct err *err)
{
	if (from && strlen(from) >= size)
		return err_set(err, ERR_LIMIT, "'%.80s...' has more than %zu bytes", from,
			       size - 1);
	snprintf(to, size, "%s", from ? from : "");
	return true;
}

#define COPY(to, obj, key, err) copy(to, sizeof(to), json_get_str(obj, key), err)

static bool take_medium(struct adopt_block *block, struct json_object *inserted, struct err *err)
{
	struct json_object *cache = json_get_obj(inserted, "cache");
	const char *file = json_get_str(inserted, "file");

	block->has_medium = true;
	block->readonly = json_get_bool(inserted, "ro", false);
	block->direct = json_get_bool(cache, "direct", false);
	block->no_flush = json_get_bool(cache, "no-flush", false);
	for (size_t i = 0; i < ADOPT_LIMIT_COUNT; i++)
		block->limits[i] = (uint64_t)json_get_int(inserted, adopt_limits[i].query, 0);
	/* "json:..." is never used as a path, so it may be cut short. */
	if (file && strncmp(file, "json:", 5) == 0)
		snprintf(block->file, sizeof(block->file), "%s", file);
	else if (!COPY(block->file, inserted, "file", err))
		return false;
	return COPY(block->format, inserted, "drv", err) &&
	       COPY(block->node, inserted, "node-name", err) &&
	       COPY(block->group, inserted, "group", err);
}

static bool take_block(struct adopt_block *block, struct json_object *info, struct err *err)
{
	struct json_object *inserted = json_get_obj(info, "inserted");

	block->has_tray = json_object_is_type(info, json_type_object) &&
			  json_object_object_get_ex(info, "tray_open", NULL);
	block->is_open = json_get_bool(info, "tray_open", false);
	return COPY(block->device, info, "device", err) && COPY(block->qdev, info, "qdev", err) &&
	       (!inserted || take_medium(block, inserted, err));
}

bool adopt_blocks_take(struct adopt_blocks *blocks, struct json_object *result, struct err *err)
{
	size_t count = json_count(result);

	if (count > ADOPT_BLOCK_MAX)
		return err_set(err, ERR_LIMIT, "it has more than %d drives", ADOPT_BLOCK_MAX);
	for (blocks->count = 0; blocks->count < count; blocks->count++) {
		struct adopt_block *block = &blocks->list[blocks->count];

		*block = (struct adopt_block){ 0 };
		if (!take_block(block, json_object_array_get_idx(result, blocks->count), err))
			return false;
	}
	return true;
}

bool adopt_blocks_take_nodes(struct adopt_blocks *blocks, struct json_object *result,
			     struct err *err)
{
	size_t count = json_count(result);

	if (count > ADOPT_NODE_MAX)
		return err_set(err, ERR_LIMIT, "it has more than %d block nodes", ADOPT_NODE_MAX);
	for (blocks->node_count = 0; blocks->node_count < count; blocks->node_count++) {
		struct json_object *info = json_object_array_get_idx(result, blocks->node_count);
		struct adopt_node *node = &blocks->nodes[blocks->node_count];
		const char *file = json_get_str(info, "file");

		*node = (struct adopt_node){ 0 };
		snprintf(node->file, sizeof(node->file), "%s", file ? file : "");
		if (!COPY(node->name, info, "node-name", err) ||
		    !COPY(node->driver, info, "drv", err))
			return false;
	}
	return true;
}

bool adopt_blocks_take_jobs(struct adopt_blocks *blocks, struct json_object *result,
			    struct err *err)
{
	(void)err;
	blocks->jobs = json_count(result);
	return true;
}

const struct adopt_block *adopt_block_of_drive(const struct adopt_blocks *blocks, const char *name)
{
	for (size_t i = 0; i < blocks->count; i++) {
		if (strcmp(blocks->list[i].device, name) == 0)
			return &blocks->list[i];
	}
	return NULL;
}

/* QEMU may name a part below the device: ".../virtio-backend". */
const struct adopt_block *adopt_block_of_device(const struct adopt_blocks *blocks,
						const char *object, const char *id)
{
	size_t len = strlen(object);

	for (size_t i = 0; i < blocks->count; i++) {
		const char *qdev = blocks->list[i].qdev;

		if (*qdev && ((*id && strcmp(qdev, id) == 0) || (strncmp(qdev, object, len) == 0 &&
								 (!qdev[len] || qdev[len] == '/'))))
			return &blocks->list[i];
	}
	return NULL;
}

const struct adopt_node *adopt_node_find(const struct adopt_blocks *blocks, const char *name)
{
	for (size_t i = 0; i < blocks->node_count; i++) {
		if (strcmp(blocks->nodes[i].name, name) == 0)
			return &blocks->nodes[i];
	}
	return NULL;
}

bool adopt_block_is_file(const struct adopt_blocks *blocks, const struct adopt_block *block)
{
	for (size_t i = 0; i < blocks->node_count; i++) {
		if (strcmp(blocks->nodes[i].driver, "file") == 0 &&
		    strcmp(blocks->nodes[i].file, block->file) == 0)
			return true;
	}
	return false;
}

/* QEMU gives a path as the name of a node only if the path alone opens the same,
 * backing files too; else it is "json:{...}" (block.c, bdrv_refresh_filename()). */
bool adopt_block_is_plain(const struct adopt_block *block)
{
	return block->file[0] == '/' &&
	       (strcmp(block->format, "raw") == 0 || strcmp(block->format, "qcow2") == 0);
}

bool adopt_block_is_throttled(const struct adopt_block *block)
{
	/* 0 means no limit. */
	for (size_t i = 0; i < ADOPT_RATE_COUNT; i++) {
		if (block->limits[i])
			return true;
	}
	return false;
}
