/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/job.h"

#include <string.h>

#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

/* How long a lost event goes unnoticed: the job is read again after this silence. */
#define REREAD_AFTER_MS 5000

static bool result(struct json_object *job, struct err *err)
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

static char *path_of(const struct job_kind *kind, const char *id, const char *suffix)
{
	CLEANUP(free_charp) char *prefix = xasprintf("%s/", kind->path);

	return client_path(prefix, id, suffix);
}

static bool follow_job(struct cli_call *call, struct client *client, const struct job_kind *kind,
		       struct json_object **job, struct err *err)
{
	CLEANUP(free_charp) char *place = path_of(kind, json_get_str(*job, "id"), "");
	struct follow follow;
	struct client_event event;
	bool ok = true;

	follow_init(&follow, client, call->program->name);
	while (ok && !json_get_bool(*job, "final", false)) {
		enum follow_step what = follow_next(&follow, REREAD_AFTER_MS, &event, err);

		if (what == FOLLOW_FAILED)
			ok = false;
		else if (what != FOLLOW_EVENT || strcmp(event.type, kind->type) == 0 ||
			 strcmp(event.type, "gap") == 0)
			ok = reread(client, place, job, err) || follow_lost(&follow, err);
	}
	follow_fini(&follow);
	return ok;
}

static void print_job(const struct cli_call *call, const struct job_kind *kind,
		      struct json_object *job)
{
	if (migrctl_wants_json(call)) {
		migrctl_print_data(call, job);
	} else {
		kind->print(job);
		printf("\n");
	}
	fflush(stdout);
}

bool job_start(struct cli_call *call, const struct job_kind *kind, const char *path,
	       struct json_object *body, bool watch, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *job = NULL;
	struct client_request request = { .method = "POST", .path = path };

	request.body = json_text(body, &request.body_len);
	if (!client || !client_call(client, &request, &job, err))
		return false;
	if (!job || !json_get_str(job, "id"))
		return err_set(err, ERR_PROTOCOL, "the answer does not name the job");
	if (watch && !follow_job(call, client, kind, &job, err))
		return false;
	print_job(call, kind, job);
	return !watch || result(job, err);
}

bool job_list(struct cli_call *call, struct err *err)
{
	const struct job_kind *kind = call->command->data;

	return migrctl_list(call, kind->path, "", kind->list_fields, err);
}

bool job_show(struct cli_call *call, struct err *err)
{
	const struct job_kind *kind = call->command->data;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = path_of(kind, call->words[0], "");
	CLEANUP(json_putp) struct json_object *job = NULL;

	if (!client || !client_get(client, path, &job, err))
		return false;
	migrctl_print_object(call, job, kind->fields);
	if (kind->rows && !migrctl_wants_json(call))
		table_print_rows(stdout, job, kind->rows, kind->row_fields);
	return true;
}

bool job_cancel(struct cli_call *call, struct err *err)
{
	const struct job_kind *kind = call->command->data;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = path_of(kind, call->words[0], "/cancel");
	CLEANUP(json_putp) struct json_object *job = NULL;
	const struct client_request request = { .method = "POST", .path = path };

	if (!client || !client_call(client, &request, &job, err) ||
	    !follow_job(call, client, kind, &job, err))
		return false;
	print_job(call, kind, job);
	return true;
}
