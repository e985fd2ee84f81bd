/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/summary.h"

#include <string.h>

#include "agents/lib/table.h"
#include "agents/migrctl/move_page.h"
#include "base/mem.h"

static const struct table_field summary_fields[] = {
	{ "move", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "owner", "owner", TABLE_TEXT },
	{ "generation", "generation", TABLE_NUMBER },
	{ "total time", "times.total_ms", TABLE_MS },
	{ "foreseen duration", "forecast.duration_ms.expected", TABLE_MS },
	{ "sent", "progress.ram_transferred_bytes", TABLE_BYTES },
	{ "passes", "progress.passes", TABLE_NUMBER },
	{ "blackout", "measured.blackout_ms", TABLE_MS_ERROR },
	{ "QEMU's blackout", "times.qemu_downtime_ms", TABLE_MS },
	{ "foreseen blackout", "forecast.blackout_ms.expected", TABLE_MS },
	{ "no blackout known", "measured.blackout_note", TABLE_TEXT },
	{ "network outage", "measured.outage_ms", TABLE_MS_ERROR },
	{ "outage of NIC", "measured.outage_nic", TABLE_TEXT },
	{ "no outage known", "measured.outage_note", TABLE_TEXT },
	{ "brownout", "measured.brownout_percent", TABLE_PERCENT },
	{ "no brownout known", "measured.brownout_note", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

void summary_print(FILE *out, struct json_object *move)
{
	move_page_print_fields(out, move, summary_fields);
}

/* ---- the result --------------------------------------------------------------------- */

static const struct {
	const char *state;
	enum err_code code;
	const char *meaning;
} endings[] = {
	{ "cancelled", ERR_CANCELLED, "was cancelled" },
	{ "failed", ERR_PEER, "failed" },
	{ "lost", ERR_QEMU, "has lost the guest" },
	{ "stuck", ERR_CONFLICT, "is stuck and needs an operator" },
};

static bool ended(struct json_object *move, enum err_code code, const char *meaning,
		  struct err *err)
{
	const char *name = json_get_str(json_get_obj(move, "error"), "code");
	char id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE], detail[TABLE_CELL_SIZE];
	char owner[TABLE_CELL_SIZE];

	if (!table_text(move, "error.detail", detail)[0])
		table_text(move, "reason", detail);
	if (name && err_from_name(name) != ERR_NONE)
		code = err_from_name(name);
	table_text(move, "owner", owner);
	return err_set(err, code, "move '%.40s' of VM '%.64s' %s%s%.250s; %s%.64s%s",
		       table_text(move, "id", id), table_text(move, "vm", vm), meaning,
		       detail[0] ? ": " : "", detail, owner[0] ? "'" : "", owner,
		       owner[0] ? "' owns the guest" : "nobody owns the guest");
}

bool summary_result(struct json_object *move, struct err *err)
{
	const char *state = json_get_str(move, "state");

	if (!json_get_bool(move, "final", false) || !state || strcmp(state, "done") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (strcmp(endings[i].state, state) == 0)
			return ended(move, endings[i].code, endings[i].meaning, err);
	return ended(move, ERR_INTERNAL, "ended in an unknown state", err);
}
