/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/job.h"

#include <string.h>

#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

/* How long a lost event goes unnoticed: the job is read again after this silence. */
#define REREAD_AFTER_MS 5000

bool job_result(struct json_object *job, struct err *err)
{
	const char *state = json_get_str(job, "state");
	const char *name = json_get_str(json_get_obj(job, "error"), "code");
	char detail[TABLE_WORDS_SIZE];
	enum err_code code = name ? err_from_name(name) : ERR_NONE;

	if (state && strcmp(state, "done") == 0)
		return true;
	return err_set(err, code == ERR_NONE ? ERR_INTERNAL : code, "it has %s: %s",
		       state && strcmp(state, "cancelled") == 0 ? "been cancelled" : "failed",
		       table_words(job, "error.detail", detail));
}

static bool reread(struct client *client, const char *path, struct json_object **job,
		   struct err *err)
{
	struct json_object *now = NULL;

	if (!client_get(client, path, &now, err))
		return false;
	json_object_put(*job);
	*job = now;
	return true;
}

bool job_follow(struct cli_call *call, struct client *client, const char *path, const char *type,
		struct json_object **job, struct err *err)
{
	CLEANUP(free_charp) char *place = client_path(path, json_get_str(*job, "id"), "");
	struct follow follow;
	struct client_event event;
	bool ok = true;

	follow_init(&follow, client, call->program->name);
	while (ok && !json_get_bool(*job, "final", false)) {
		enum follow_step what = follow_next(&follow, REREAD_AFTER_MS, &event, err);

		if (what == FOLLOW_FAILED)
			ok = false;
		else if (what != FOLLOW_EVENT || strcmp(event.type, type) == 0 ||
			 strcmp(event.type, "gap") == 0)
			ok = reread(client, place, job, err) || follow_lost(&follow, err);
	}
	follow_fini(&follow);
	return ok;
}
