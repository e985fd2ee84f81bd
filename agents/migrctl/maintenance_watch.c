/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/maintenance_watch.h"

#include <string.h>

#include "agents/lib/table.h"
#include "agents/migrctl/maintenance_page.h"
#include "agents/migrctl/page_watch.h"

/* A server takes its time to boot. */
#define OUTAGE_MAX_MS (15 * 60 * 1000)

static bool is_at_rest(struct json_object *maintenance, bool until_end)
{
	(void)until_end;
	return json_get_bool(maintenance, "final", false);
}

/* The first host that has failed, or NULL. */
static struct json_object *find_failed(struct json_object *maintenance)
{
	struct json_object *hosts = table_member(maintenance, "hosts");

	for (size_t i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_object_array_get_idx(hosts, i);
		const char *state = json_get_str(host, "state");

		if (state && strcmp(state, "failed") == 0)
			return host;
	}
	return NULL;
}

static enum err_code code_of(struct json_object *obj, enum err_code fallback)
{
	const char *name = json_get_str(json_get_obj(obj, "error"), "code");
	enum err_code code = name ? err_from_name(name) : ERR_NONE;

	return code == ERR_NONE ? fallback : code;
}

bool maintenance_result(struct json_object *maintenance, struct err *err)
{
	const char *state = json_get_str(maintenance, "state");
	struct json_object *failed = find_failed(maintenance);
	char reason[TABLE_CELL_SIZE], host[TABLE_CELL_SIZE];

	if (!json_get_bool(maintenance, "final", false))
		return true;
	if (state && strcmp(state, "aborted") == 0)
		return err_set(err, code_of(maintenance, ERR_CANCELLED),
			       "the maintenance was aborted: %.400s",
			       table_text(maintenance, "reason", reason));
	if (failed)
		return err_set(err, code_of(maintenance, code_of(failed, ERR_INTERNAL)),
			       "host '%.64s' has failed: %.400s", table_text(failed, "host", host),
			       table_text(failed, "reason", reason));
	return (state && strcmp(state, "done") == 0) ||
	       err_set(err, code_of(maintenance, ERR_INTERNAL),
		       "the maintenance ended badly: %.400s",
		       table_text(maintenance, "reason", reason));
}

static const struct page_kind maintenance_kind = {
	.noun = "maintenance",
	.path = "/v1/maintenances/",
	.outage_max_ms = OUTAGE_MAX_MS,
	.line = maintenance_page_line,
	.screen = maintenance_page_print_screen,
	.page = maintenance_page_print,
	.rests = is_at_rest,
	.result = maintenance_result,
};

bool maintenance_watch(struct cli_call *call, struct client *client, const char *id,
		       struct err *err)
{
	return page_watch(&maintenance_kind, call, client, id, true, err);
}
