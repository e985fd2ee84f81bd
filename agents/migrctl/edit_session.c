/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/edit_session.h"

#include <stdio.h>
#include <string.h>

#include "agents/migrctl/edit_changes.h"
#include "agents/migrctl/edit_file.h"
#include "base/mem.h"

/* An editor that is a program could go on without end. */
#define ROUNDS_MAX 100

struct session {
	struct client *client;
	const char *name, *when, *editor;
	char *path; /* of the request */
	struct edit_file file;
	char *etag;
	struct json_object *before; /* the definition as it was read */
	char *shown;                /* the same, as text */
	struct strbuf typed;        /* the last that the editor has left */
	bool was_sent;              /* it, to the host */
};

static void session_fini(struct session *session)
{
	edit_file_remove(&session->file);
	free(session->path);
	free(session->etag);
	json_object_put(session->before);
	free(session->shown);
	strbuf_fini(&session->typed);
}

/* ---- the VM ------------------------------------------------------------------------------- */

static bool read_vm(struct session *session, struct err *err)
{
	CLEANUP(json_putp) struct json_object *vm = NULL;
	struct json_object *definition = NULL;

	if (!client_get(session->client, session->path, &vm, err))
		return false;
	if (!json_object_object_get_ex(vm, "definition", &definition))
		return err_set(err, ERR_PROTOCOL, "the VM has no definition");
	free(session->etag);
	session->etag = xstrdup(client_etag(session->client));
	json_object_put(session->before);
	session->before = json_object_get(definition);
	free(session->shown);
	session->shown =
		xasprintf("%s\n",
			  json_object_to_json_string_ext(definition,
							 JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_SPACED |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	return true;
}

static bool send(struct session *session, struct json_object *body, struct json_object **ret_vm,
		 struct err *err)
{
	struct client_request request = { .method = "PATCH",
					  .path = session->path,
					  .if_match = session->etag[0] ? session->etag : NULL };

	if (session->when)
		json_add_str(body, "when", session->when);
	request.body = json_text(body, &request.body_len);
	session->was_sent = true;
	return client_call(session->client, &request, ret_vm, err);
}

/* ---- what was typed ------------------------------------------------------------------------- */

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

/* NULL and INVALID: it is no object. */
static struct json_object *parse(const struct strbuf *text, struct err *err)
{
	struct faults *faults = faults_new();
	struct json_object *obj =
		json_parse(strbuf_str(text), text->len, &json_limits_default, faults);

	if (!obj)
		faults_to_err(faults, err);
	else if (!json_object_is_type(obj, json_type_object))
		err_set(err, ERR_INVALID, "it is no JSON object");
	faults_free(faults);
	if (json_object_is_type(obj, json_type_object))
		return obj;
	json_object_put(obj);
	return NULL;
}

enum attempt { ATTEMPT_DONE, ATTEMPT_AGAIN, ATTEMPT_STALE, ATTEMPT_FAILED };

/* What another text, or none, could mend. */
static enum attempt attempt_of(enum err_code code)
{
	if (code == ERR_PRECONDITION)
		return ATTEMPT_STALE;
	return code == ERR_INVALID || code == ERR_CONFLICT || code == ERR_EXISTS ? ATTEMPT_AGAIN
										 : ATTEMPT_FAILED;
}

static enum attempt try_it(struct session *session, struct json_object **ret_vm, struct err *err)
{
	CLEANUP(json_putp) struct json_object *after = NULL;
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();

	session->was_sent = false;
	if (is_blank(strbuf_str(&session->typed)))
		return ATTEMPT_DONE;
	after = parse(&session->typed, err);
	if (!after || !edit_changes(session->before, after, body, err))
		return attempt_of(err->code);
	if (!json_object_object_length(body) || send(session, body, ret_vm, err))
		return ATTEMPT_DONE;
	return attempt_of(err->code);
}

/* ---- the talk with the person --------------------------------------------------- */

static const char help[] =
	"\n"
	"Lines that begin with '#' are left out.  When the editor is left, what has changed is\n"
	"changed in the guest: now, or when it is started next, which is said.  Unchanged, or\n"
	"without a text, nothing is.\n";

static void say(struct strbuf *comment, const struct session *session, const char *former)
{
	strbuf_clear(comment);
	strbuf_addf(comment, "Definition of VM %s.\n", session->name);
	if (former)
		strbuf_addf(comment, "\n%s\n", former);
	strbuf_adds(comment, help);
}

/* Names every fault that the host has found. */
static void list_faults(const struct session *session, const struct err *err, struct strbuf *to)
{
	struct json_object *errors = NULL;
	/* Else it is that of a request before. */
	struct json_object *problem = session->was_sent ? client_problem(session->client) : NULL;

	strbuf_addf(to, "Nothing was changed: %s", err->msg);
	if (!problem || !json_object_object_get_ex(problem, "errors", &errors))
		return;
	for (size_t i = 0; i < json_count(errors); i++) {
		struct json_object *fault = json_object_array_get_idx(errors, i);
		const char *pointer = json_get_str(fault, "pointer");
		const char *detail = json_get_str(fault, "detail");

		strbuf_addf(to, "\n  %s: %s", pointer ? pointer : "", detail ? detail : "");
	}
}

static bool fail_and_keep(struct session *session, struct err *err)
{
	struct err why = *err;

	err_set(err, why.code, "%.800s; what was typed is in '%.200s'", why.msg,
		session->file.path);
	edit_file_keep(&session->file);
	return false;
}

/* The new definition is shown in another file. */
static bool begin_anew(struct session *session, struct strbuf *comment, struct err *err)
{
	CLEANUP(free_charp)
	char *former = xasprintf("Nothing was changed: VM %s was changed by somebody else, and is "
				 "shown as it is now.\nWhat was typed is in %s",
				 session->name, session->file.path);

	fprintf(stderr,
		"VM '%s' was changed by somebody else meanwhile: what was typed is in '%s'\n",
		session->name, session->file.path);
	if (!read_vm(session, err))
		return fail_and_keep(session, err);
	edit_file_keep(&session->file);
	say(comment, session, former);
	return edit_file_write(&session->file, strbuf_str(comment), session->shown, err);
}

static bool ask_again(struct session *session, struct strbuf *comment, const struct err *why,
		      struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf former = STRBUF_INIT;

	list_faults(session, why, &former);
	say(comment, session, strbuf_str(&former));
	return edit_file_write(&session->file, strbuf_str(comment), strbuf_str(&session->typed),
			       err);
}

static bool talk(struct session *session, struct json_object **ret_vm, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf comment = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf former = STRBUF_INIT;
	struct err why = { 0 };

	say(&comment, session, NULL);
	if (!edit_file_write(&session->file, strbuf_str(&comment), session->shown, err))
		return false;
	strbuf_adds(&former, session->shown);
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		enum attempt attempt;

		if (!edit_file_ask(&session->file, session->editor, &session->typed, err))
			return fail_and_keep(session, err);
		if (strcmp(strbuf_str(&session->typed), strbuf_str(&former)) == 0) {
			*err = why; /* the person has given up */
			return !err_is_set(&why) || fail_and_keep(session, err);
		}
		attempt = try_it(session, ret_vm, &why);
		if (attempt == ATTEMPT_DONE)
			return true;
		*err = why;
		if (attempt == ATTEMPT_FAILED)
			return fail_and_keep(session, err);
		strbuf_clear(&former);
		strbuf_adds(&former, strbuf_str(&session->typed));
		if (attempt == ATTEMPT_AGAIN && !ask_again(session, &comment, &why, err))
			return fail_and_keep(session, err);
		if (attempt == ATTEMPT_STALE) {
			if (!begin_anew(session, &comment, err))
				return false;
			why = (struct err){ 0 };
			strbuf_clear(&former);
			strbuf_adds(&former, session->shown);
		}
	}
	return fail_and_keep(session, err);
}

bool edit_session_run(struct client *client, const char *name, const char *when,
		      struct json_object **ret_vm, struct err *err)
{
	struct session session = { .client = client,
				   .name = name,
				   .when = when,
				   .editor = edit_file_editor(),
				   .path = client_path("/v1/vms/", name, ""),
				   .typed = STRBUF_INIT };
	bool ok = read_vm(&session, err) && talk(&session, ret_vm, err);

	session_fini(&session);
	return ok;
}
