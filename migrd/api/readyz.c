/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this host can do its work, and what is wrong if not.  A thread of its own looks
 * at programs and disks; requests that come meanwhile wait for it. */
#include "api/readyz.h"

#include <assert.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/work.h"

/* How old the last look may be: everybody with a certificate may ask, in any role. */
#define FRESH_MS 1000

#define FINDINGS_MAX 16

/* Failed checks of api/selfcheck.c, and faults that are known without a look. */
struct findings {
	struct finding {
		const char *check;
		char detail[ERR_MSG_SIZE];
	} list[FINDINGS_MAX];
	size_t count;
};

struct readiness {
	struct api *api;
	struct selfcheck_env env;
	struct worker *worker;
	bool is_looking;
	uint64_t looked_ms; /* 0: never */
	struct findings found;
	struct http_request **waiting;
	size_t waiting_count;
};

struct look {
	struct work work;
	struct readiness *readiness;
	struct findings found;
};

static void add(struct findings *findings, const char *check, const char *detail)
{
	struct finding *finding;

	assert(findings->count < FINDINGS_MAX);
	finding = &findings->list[findings->count++];
	finding->check = check;
	snprintf(finding->detail, sizeof(finding->detail), "%s", detail);
}

static void on_failure(void *data, const char *check, const struct err *err)
{
	add(data, check, err->msg);
}

static void refuse(struct http_request *req, const struct findings *findings)
{
	struct problem_check checks[FINDINGS_MAX];
	struct problem_of_readiness reply = { .checks = checks, .check_count = findings->count };
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "%s: %s", findings->list[0].check, findings->list[0].detail);
	reply.problem = http_problem(&err);
	for (size_t i = 0; i < findings->count; i++)
		checks[i] =
			(struct problem_check){ findings->list[i].check, findings->list[i].detail };
	http_reply_as(req, (int)reply.problem.status, problem_of_readiness_fields, &reply);
}

static void answer(const struct readiness *readiness, struct http_request *req)
{
	const struct api *api = readiness->api;
	const char *trouble = store_trouble(api->store);
	struct findings findings = readiness->found;
	struct err expired, unsure;

	if (!api->is_ready)
		add(&findings, "guests", "the coordinator is finding its guests again; try again");
	else if (!newest_is_sure(api->newest, &unsure))
		add(&findings, "records", unsure.msg);
	if (!tls_live_is_valid(api->tls, &expired))
		add(&findings, "certificate", expired.msg);
	if (trouble)
		add(&findings, "store", trouble);
	if (findings.count > 0)
		refuse(req, &findings);
	else
		http_reply_text(req, 200, "text/plain", "ready\n");
}

static void run(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	selfcheck_run(&look->readiness->env, on_failure, &look->found);
}

static void done(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);
	struct readiness *readiness = look->readiness;
	struct http_request **waiting = TAKE_PTR(readiness->waiting);
	size_t count = readiness->waiting_count;

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
	free(readiness->waiting);
	free(readiness);
}
