/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this host can do its work, and what is wrong if not.  The look at programs
 * and disks is made on a thread of its own; who asks meanwhile waits for it. */
#include "api/readyz.h"

#include "api/api.h"
#include "base/mem.h"
#include "base/work.h"

/* Whoever has a certificate may ask, whatever its role: so old may an answer be. */
#define FRESH_MS 1000

struct readiness {
	struct api *api;
	struct selfcheck_env env;
	struct worker *worker;
	bool is_looking;
	uint64_t looked_ms;        /* 0: never */
	struct json_object *found; /* array of {check, detail} */
	struct http_request **waiting;
	size_t waiting_count;
};

struct look {
	struct work work;
	struct readiness *readiness;
	struct json_object *found;
};

static void add(struct json_object *list, const char *check, const char *detail)
{
	struct json_object *item = json_object_new_object();

	json_add_str(item, "check", check);
	json_add_str(item, "detail", detail);
	json_object_array_add(list, item);
}

static void on_failure(void *data, const char *check, const struct err *err)
{
	add(data, check, err->msg);
}

static void refuse(struct http_request *req, struct json_object *checks)
{
	struct json_object *first = json_object_array_get_idx(checks, 0);
	struct json_object *obj;
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "%s: %s", json_get_str(first, "check"),
		json_get_str(first, "detail"));
	obj = http_problem(&err);
	json_object_object_add(obj, "checks", checks);
	http_reply(req, err_http_status(ERR_UNAVAILABLE), obj);
}

static void answer(const struct readiness *readiness, struct http_request *req)
{
	const struct api *api = readiness->api;
	const char *trouble = store_trouble(api->store);
	struct json_object *checks = NULL;
	struct err expired, unsure;

	json_object_deep_copy(readiness->found, &checks, NULL);
	if (!api->is_ready)
		add(checks, "guests", "the coordinator is finding its guests again; try again");
	else if (!newest_is_sure(api->newest, &unsure))
		add(checks, "records", unsure.msg);
	if (!tls_live_is_valid(api->tls, &expired))
		add(checks, "certificate", expired.msg);
	if (trouble)
		add(checks, "store", trouble);
	if (json_object_array_length(checks) > 0) {
		refuse(req, checks);
		return;
	}
	json_object_put(checks);
	http_reply_text(req, 200, "text/plain", "ready\n");
}

static void run(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	selfcheck_run(&look->readiness->env, on_failure, look->found);
}

static void done(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);
	struct readiness *readiness = look->readiness;
	struct http_request **waiting = TAKE_PTR(readiness->waiting);
	size_t count = readiness->waiting_count;

	json_object_put(readiness->found);
	readiness->found = look->found;
	readiness->looked_ms = loop_now_ms(readiness->api->loop);
	readiness->is_looking = false;
	readiness->waiting_count = 0;
	for (size_t i = 0; i < count; i++)
		answer(readiness, waiting[i]);
	free(waiting);
	free(look);
}

static void begin_look(struct readiness *readiness)
{
	struct look *look = xnew(struct look);

	look->readiness = readiness;
	look->found = json_object_new_array();
	look->work.run = run;
	look->work.done = done;
	readiness->is_looking = true;
	worker_submit(readiness->worker, &look->work);
}

void api_readyz(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct readiness *readiness = api->readiness;
	uint64_t now_ms = loop_now_ms(api->loop);

	if (readiness->looked_ms && now_ms - readiness->looked_ms < FRESH_MS) {
		answer(readiness, req);
		return;
	}
	readiness->waiting = xrealloc(readiness->waiting,
				      (readiness->waiting_count + 1) * sizeof(*readiness->waiting));
	readiness->waiting[readiness->waiting_count++] = req;
	if (!readiness->is_looking)
		begin_look(readiness);
}

struct readiness *readiness_new(struct api *api, const struct selfcheck_env *env)
{
	struct readiness *readiness = xnew(struct readiness);

	readiness->api = api;
	readiness->env = *env;
	readiness->worker = worker_new(api->loop, "readyz", 1);
	return readiness;
}

void readiness_free(struct readiness *readiness)
{
	if (!readiness)
		return;
	worker_free(readiness->worker);
	json_object_put(readiness->found);
	free(readiness->waiting);
	free(readiness);
}
