/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/disk_limits.h"

#include <string.h>

#include "adopt/block.h"

/* QDEV is "/machine/peripheral/ID/virtio-backend" or "ID". */
static bool is_of(const char *qdev, const char *id)
{
	static const char peripheral[] = "/machine/peripheral/";
	size_t len = strlen(id);

	if (strncmp(qdev, peripheral, sizeof(peripheral) - 1) == 0)
		qdev += sizeof(peripheral) - 1;
	return strncmp(qdev, id, len) == 0 && (qdev[len] == '\0' || qdev[len] == '/');
}

const char *disk_limits_drive(const struct vm_def *def, const char *qdev)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		if (is_of(qdev, def->disks[i].id))
			return def->disks[i].id;
	}
	for (size_t i = 0; i < def->cdrom_count; i++) {
		if (is_of(qdev, def->cdroms[i].id))
			return def->cdroms[i].id;
	}
	return NULL;
}

static const char *limit_of(struct json_object *block)
{
	struct json_object *inserted = json_get_obj(block, "inserted");

	for (size_t i = 0; i < ADOPT_RATE_COUNT; i++) {
		if (json_get_int(inserted, adopt_limits[i].query, 0) > 0)
			return adopt_limits[i].query;
	}
	return NULL;
}

bool disk_limits_check(struct json_object *blocks, const struct vm_def *def, struct err *err)
{
	size_t count = json_count(blocks);

	for (size_t i = 0; i < count; i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);
		const char *qdev = json_get_str(block, "qdev"), *limit = limit_of(block);
		const char *id = qdev && limit ? disk_limits_drive(def, qdev) : NULL;

		if (id)
			return err_set(
				err, ERR_CONFLICT,
				"disk '%s' has a limit of I/O (%s), which a move would lose: "
				"take it off with block_set_io_throttle, and set it again on "
				"the other host",
				id, limit);
	}
	return true;
}
