/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/problem.h"

#define HOOKS       "/peer/v1/hooks"
#define EVACUATIONS "/peer/v1/evacuations"

/* A question, until its answer. */
struct question {
	char host[ID_NAME_SIZE];
	hook_ask_fn *on_hook; /* one of the two */
	evacuation_ask_fn *on_evacuation;
	void *data;
};

static void fail(struct question *question, const struct err *err)
{
	if (question->on_hook)
		question->on_hook(question->data, NULL, err);
	else
		question->on_evacuation(question->data, NULL, err);
}

static bool take(struct question *question, struct json_object *reply, struct err *err)
{
	struct hook_run *run;
	struct peer_evacuation *told;
	bool ok;

	if (question->on_hook) {
		run = xnew(struct hook_run);
		ok = hook_run_decode(reply, run, err);
		if (ok)
			question->on_hook(question->data, run, NULL);
		free(run);
	} else {
		told = xnew(struct peer_evacuation);
		ok = peer_evacuation_decode(reply, told, err);
		if (ok)
			question->on_evacuation(question->data, told, NULL);
		free(told);
	}
	return ok;
}

static void on_reply(void *data, struct json_object *reply, const struct err *err)
{
	struct question *question = data;
	struct err bad = { 0 };

	if (err && problem_is_of_older(reply, err)) {
		err_set(&bad, ERR_PROTOCOL,
			"host '%s' runs an older migrd, which cannot be maintained from another "
			"host: upgrade it by hand",
			question->host);
		err = &bad;
	} else if (err && err->code == ERR_NOT_FOUND && !reply) {
		/* Nobody has said that it is not there: the host is no peer of this one any more.
		 */
		err_set(&bad, ERR_UNAVAILABLE, "host '%s': %s", question->host, err->msg);
		err = &bad;
	} else if (!err && !take(question, reply, &bad)) {
		bad.code = ERR_PEER;
		err_wrap(&bad, "host '%s': its answer cannot be understood", question->host);
		err = &bad;
	}
	if (err)
		fail(question, err);
	free(question);
}

/* BODY is taken over. */
static void ask(struct peer_clients *peers, const char *method, const char *path,
		struct json_object *body, const struct question *question)
{
	struct question *copy = xnew(struct question);

	*copy = *question;
	peer_request(peers, question->host, method, path, body,
		     question->on_hook ? HOOK_ASK_MS : EVACUATION_ASK_MS, on_reply, copy);
}

/* ---- hooks ------------------------------------------------------------------------- */

static struct question of_hook(const char *host, hook_ask_fn *fn, void *data)
{
	struct question question = { .on_hook = fn, .data = data };

	snprintf(question.host, sizeof(question.host), "%s", host);
	return question;
}

void hook_ask_begin(struct peer_clients *peers, const char *host,
		    const struct hook_request *request, hook_ask_fn *fn, void *data)
{
	const struct question question = of_hook(host, fn, data);

	ask(peers, "POST", HOOKS, json_encode(hook_request_fields, request), &question);
}

void hook_ask_status(struct peer_clients *peers, const char *host, const char *hook_id,
		     hook_ask_fn *fn, void *data)
{
	const struct question question = of_hook(host, fn, data);
	char path[sizeof(HOOKS "/") + HOOK_ID_SIZE];

	snprintf(path, sizeof(path), HOOKS "/%.127s", hook_id);
	ask(peers, "GET", path, NULL, &question);
}

/* ---- evacuations ---------------------------------------------------------------------- */

static struct question of_evacuation(const char *host, evacuation_ask_fn *fn, void *data)
{
	struct question question = { .on_evacuation = fn, .data = data };

	snprintf(question.host, sizeof(question.host), "%s", host);
	return question;
}

void evacuation_ask_begin(struct peer_clients *peers, const char *host,
			  const struct evacuation_request *request, evacuation_ask_fn *fn,
			  void *data)
{
	const struct question question = of_evacuation(host, fn, data);

	ask(peers, "POST", EVACUATIONS, json_encode(evacuation_request_fields, request), &question);
}

void evacuation_ask_status(struct peer_clients *peers, const char *host, const char *id,
			   evacuation_ask_fn *fn, void *data)
{
	const struct question question = of_evacuation(host, fn, data);
	CLEANUP(free_charp) char *path = xasprintf(EVACUATIONS "/%s", id);

	ask(peers, "GET", path, NULL, &question);
}

void evacuation_ask_withdraw(struct peer_clients *peers, const char *host, const char *id,
			     const struct evacuation_withdraw *wish, evacuation_ask_fn *fn,
			     void *data)
{
	const struct question question = of_evacuation(host, fn, data);
	CLEANUP(free_charp) char *path = xasprintf(EVACUATIONS "/%s/withdraw", id);

	ask(peers, "POST", path, json_encode(evacuation_withdraw_fields, wish), &question);
}
