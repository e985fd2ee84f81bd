/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks that the definition says what the guest's drives are now, media and limits: the
 * destination makes the drives by it. */
#include "base/mem.h"
#include "cmdline/cdrom_seen.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"
#include "vm/disk_limits.h"

#define QUERY_DEADLINE_MS 5000

static bool is_as_defined(struct json_object *blocks, const struct vm_def *def, struct err *err)
{
	return cdrom_seen_check(blocks, def, err) && disk_limits_check(blocks, def, err);
}

static void on_blocks(struct move *move, struct json_object *result, const struct err *err)
{
	const struct vm_def *def = move_definition(move);
	struct err differs;

	if (err) {
		move_roll_back(move, err);
	} else if (def && !is_as_defined(result, def, &differs)) {
		move_roll_back(move, &differs);
	} else {
		move_parts_next(move);
	}
}

static bool is_wanted(const struct move *move)
{
	const struct vm_def *def = move_definition(move);

	return def && def->cdrom_count + def->disk_count > 0;
}

static void check(struct move *move)
{
	move_qmp(move, "query-block", NULL, QUERY_DEADLINE_MS, on_blocks);
}

const struct move_part move_part_media = {
	.name = "media",
	.wanted = is_wanted,
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_CHECK] = { check } } },
};
