/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/evacuation_watch.h"

#include <string.h>

#include "agents/lib/table.h"
#include "agents/migrctl/evacuation_page.h"
#include "agents/migrctl/follow.h"
#include "agents/migrctl/page_watch.h"

static bool is_at_rest(struct json_object *evacuation, bool until_end)
{
	return json_get_bool(evacuation, "final", false) ||
	       (!until_end && !json_get_str(evacuation, "ending") &&
		strcmp(json_get_str(evacuation, "state"), "drained") == 0);
}

bool evacuation_result(struct json_object *evacuation, struct err *err)
{
	const char *state = json_get_str(evacuation, "state");
	const char *name = json_get_str(json_get_obj(evacuation, "error"), "code");
	enum err_code code = name ? err_from_name(name) : ERR_NONE;
	char host[TABLE_CELL_SIZE], detail[TABLE_CELL_SIZE];
	bool is_aborted = state && strcmp(state, "aborted") == 0;

	if (!is_aborted && !name)
		return true;
	if (!table_text(evacuation, "error.detail", detail)[0])
		table_text(evacuation, "reason", detail);
	if (code == ERR_NONE)
		code = is_aborted ? ERR_CANCELLED : ERR_INTERNAL;
	return err_set(err, code, "the evacuation of host '%.64s' %s%s%.400s",
		       table_text(evacuation, "host", host),
		       is_aborted ? "was aborted" : "ended badly", detail[0] ? ": " : "", detail);
}

static const char *const told[] = {
	"state", "paused", "blocked_by", "counts.left", "counts.total", "reason", NULL,
};

static const struct page_kind evacuation_kind = {
	.noun = "evacuation",
	.path = "/v1/evacuations/",
	.told = told,
	.outage_max_ms = FOLLOW_OUTAGE_MAX_MS,
	.line = evacuation_page_line,
	.screen = evacuation_page_print_answers,
	.page = evacuation_page_print,
	.rests = is_at_rest,
	.result = evacuation_result,
};

bool evacuation_watch(struct cli_call *call, struct client *client, const char *id, bool until_end,
		      struct err *err)
{
	return page_watch(&evacuation_kind, call, client, id, until_end, err);
}
