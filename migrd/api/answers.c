/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/answers.h"

#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* A key costs two commits more, as much as an answer of so many bytes. */
#define KEY_BYTES    16384
#define TIDY_MS      600000
#define TIDY_AT_ONCE 64 /* so many are removed in one turn of the loop */

struct answer {
	struct store_answer row; /* the first member: the tree compares its id */
	bool is_under_way;
	TAILQ_ENTRY(answer) link; /* the oldest first */
};

struct answers {
	struct api *api;
	void *by_id;
	TAILQ_HEAD(, answer) list;
	size_t count;
	struct loop_timer *tidy;
};

/* ---- the set ------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct store_answer *)a)->id, ((const struct store_answer *)b)->id);
}

static struct answer *find(const struct answers *answers, const char *id)
{
	struct answer wanted;
	struct answer *const *node;

	snprintf(wanted.row.id, sizeof(wanted.row.id), "%s", id);
	node = tfind(&wanted, &answers->by_id, compare);
	return node ? *node : NULL;
}

static void insert(struct answers *answers, struct answer *answer)
{
	if (!tsearch(answer, &answers->by_id, compare))
		abort(); /* out of memory */
	TAILQ_INSERT_TAIL(&answers->list, answer, link);
	answers->count++;
}

static void forget(struct answers *answers, struct answer *answer)
{
	tdelete(answer, &answers->by_id, compare);
	TAILQ_REMOVE(&answers->list, answer, link);
	answers->count--;
	store_answer_fini(&answer->row);
	free(answer);
}

static void commit(struct answers *answers, struct store_change change, store_done_fn *done,
		   void *data)
{
	store_commit(answers->api->store, &(struct store_txn){ { change } }, done, data);
}

static void remove_old(struct answers *answers, struct answer *answer)
{
	char id[sizeof(answer->row.id)];

	memcpy(id, answer->row.id, sizeof(id));
	forget(answers, answer);
	commit(answers, store_delete_answer(id), NULL, NULL);
}

static bool is_old(const struct answer *answer)
{
	return !answer->is_under_way &&
	       answer->row.created_ms < clock_wall_ms() - ANSWERS_KEPT_S * INT64_C(1000);
}

static void on_tidy(void *data)
{
	struct answers *answers = data;
	struct answer *answer = TAILQ_FIRST(&answers->list);
	unsigned removed = 0;

	for (struct answer *next; answer && removed < TIDY_AT_ONCE; answer = next) {
		next = TAILQ_NEXT(answer, link);
		if (!is_old(answer))
			break;
		remove_old(answers, answer);
		removed++;
	}
	loop_timer_start(answers->tidy, removed == TIDY_AT_ONCE ? 1000 : TIDY_MS);
}

/* ---- what an answer says of its request ------------------------------------------------ */

/* Something that the request needs is not there: as an answer of its handler itself, nothing was
 * begun; later, as when QEMU goes away with a command, what was begun may be done. */
static bool is_doubtful(unsigned status)
{
	return status == 503 || status == 507;
}

/* It has changed nothing: the same key may come again. */
static bool was_refused(unsigned status, bool is_begun)
{
	return (status >= 400 && status < 500) || (!is_begun && is_doubtful(status));
}

/* ---- an answer that is known --------------------------------------------------------- */

static void answer_again(struct http_request *req, const struct answer *answer)
{
	const struct store_answer *row = &answer->row;
	struct err err;

	if (answer->is_under_way) {
		err_set(&err, ERR_BUSY,
			"Idempotency-Key: the request that brought this key is under way: try "
			"again to get its answer");
		http_reply_err(req, &err);
	} else if (row->status == 0) {
		err_set(&err, ERR_CONFLICT,
			"Idempotency-Key: the request was begun, and the coordinator was started "
			"anew before it was answered: whether it was done is not known, and it is "
			"not done again; GET what it is about, and repeat it with a new key if it "
			"was not done");
		http_reply_err(req, &err);
	} else if (is_doubtful((unsigned)row->status)) {
		err_set(&err, ERR_CONFLICT,
			"Idempotency-Key: the request was begun, and answered with %lld before its "
			"end was known: whether it was done is not known, and it is not done "
			"again; "
			"GET what it is about, and repeat it with a new key if it was not done",
			(long long)row->status);
		http_reply_err(req, &err);
	} else if (!row->body && row->status != 204) {
		err_set(&err, ERR_CONFLICT,
			"Idempotency-Key: the request was done, and answered with %lld; its answer "
			"was too long to be kept, or may hold secrets: GET what it is about",
			(long long)row->status);
		http_reply_err(req, &err);
	} else {
		http_reply(req, (int)row->status, json_read_back(row->body));
	}
}

static void refuse_reuse(struct http_request *req)
{
	struct err err;

	err_set(&err, ERR_KEY_REUSED,
		"Idempotency-Key: it came with another request (method, path, query and body "
		"count): nothing was done; take a new key for a new request");
	http_reply_err(req, &err);
}

/* ---- a new one -------------------------------------------------------------------------- */

/* A request whose key or whose answer is being written. */
struct step {
	struct answers *answers;
	struct http_request *req;
	bool is_begun; /* its handler has returned */
	char id[sizeof(((struct store_answer *)0)->id)];
};

static struct step *step_new(struct answers *answers, struct http_request *req, const char *id)
{
	struct step *step = xnew(struct step);

	step->answers = answers;
	step->req = req;
	snprintf(step->id, sizeof(step->id), "%s", id);
	return step;
}

static void on_noted(void *data, const struct err *err)
{
	struct step *step = data;

	if (err)
		log_error("api", "key", "key=%s error=%s", step->id, err->msg);
	http_let_go(step->req);
	free(step);
}

/* The answer to a request is known, and waits until it is on disk. */
static void on_answer(void *data, struct http_request *req, const struct http_noted *noted)
{
	struct step *step = data;
	struct answer *answer = find(step->answers, step->id);

	if (was_refused(noted->status, step->is_begun)) {
		forget(step->answers, answer);
		commit(step->answers, store_delete_answer(step->id), on_noted, step);
		return;
	}
	step->req = req;
	answer->is_under_way = false;
	answer->row.status = noted->status;
	if (noted->len && noted->len <= ANSWER_BODY_MAX && !http_is_private(req) &&
	    !is_doubtful(noted->status))
		answer->row.body = xstrndup(noted->text, noted->len);
	commit(step->answers, store_put_answer(&answer->row), on_noted, step);
}

static void on_begun(void *data, const struct err *err)
{
	struct step *step = data;
	struct answer *answer = find(step->answers, step->id);

	if (err || http_is_abandoned(step->req)) {
		forget(step->answers, answer);
		commit(step->answers, store_delete_answer(step->id), NULL, NULL);
		http_reply_err(step->req, err ? err : &(struct err){ ERR_UNAVAILABLE, "" });
		free(step);
		return;
	}
	http_note_answer(step->req, on_answer, step);
	http_handle(step->req);
	step->is_begun =
		true; /* it is there still: on_noted() comes later, if there is an answer */
}

static size_t count_of(const struct answers *answers, const char *caller)
{
	const struct answer *answer;
	size_t len = strlen(caller), count = 0;

	TAILQ_FOREACH(answer, &answers->list, link)
	count += strncmp(answer->row.id, caller, len) == 0 && answer->row.id[len] == ' ';
	return count;
}

static bool has_room(const struct answers *answers, const char *caller, struct err *err)
{
	if (answers->count < ANSWERS_MAX && count_of(answers, caller) < ANSWERS_OF_CALLER_MAX)
		return true;
	return err_set(err, ERR_LIMIT,
		       "Idempotency-Key: %u keys are kept for a day, %u of one caller: wait, or "
		       "leave "
		       "the key out",
		       ANSWERS_MAX, ANSWERS_OF_CALLER_MAX);
}

static void begin(struct answers *answers, struct http_request *req, const char *id,
		  const char *sum)
{
	struct answer *answer = xnew(struct answer);

	snprintf(answer->row.id, sizeof(answer->row.id), "%s", id);
	snprintf(answer->row.request, sizeof(answer->row.request), "%s", sum);
	answer->row.created_ms = clock_wall_ms();
	answer->is_under_way = true;
	insert(answers, answer);
	http_charge(req, KEY_BYTES);
	commit(answers, store_put_answer(&answer->row), on_begun, step_new(answers, req, id));
}

bool api_key_of(const struct http_request *req, char ret[ID_NAME_SIZE], struct err *err)
{
	const char *key = http_header(req, "Idempotency-Key");
	size_t len = key ? strlen(key) : 0;
	bool is_quoted = len >= 2 && key[0] == '"' && key[len - 1] == '"';

	ret[0] = '\0';
	if (!key)
		return true;
	if (is_quoted) {
		key++;
		len -= 2;
	}
	if (len < ID_NAME_SIZE)
		snprintf(ret, ID_NAME_SIZE, "%.*s", (int)len, key);
	return id_name_is_valid(ret) ||
	       err_set(err, ERR_INVALID,
		       "Idempotency-Key: 1 to 63 of letters, digits, '.', '_' and '-', a letter or "
		       "digit first; quotes around it are taken off");
}

void api_with_key(struct http_request *req, void *data)
{
	struct answers *answers = ((const struct api *)data)->answers;
	char key[ID_NAME_SIZE], id[sizeof(((struct store_answer *)0)->id)];
	char sum[HTTP_SUM_SIZE];
	struct answer *answer;
	struct err err;

	if (!api_key_of(req, key, &err)) {
		http_reply_err(req, &err);
		return;
	}
	if (http_is_dry_run(req)) {
		http_handle(req);
		return;
	}
	snprintf(id, sizeof(id), "%s %s", http_caller_name(req), key);
	http_request_sum(req, sum);
	answer = find(answers, id);
	if (answer && is_old(answer)) {
		remove_old(answers, answer);
		answer = NULL;
	}
	if (answer && strcmp(answer->row.request, sum) != 0)
		refuse_reuse(req);
	else if (answer)
		answer_again(req, answer);
	else if (!has_room(answers, http_caller_name(req), &err))
		http_reply_err(req, &err);
	else
		begin(answers, req, id, sum);
}

/* ---- life --------------------------------------------------------------------------------- */

void answers_add_row(struct answers *answers, struct store_answer *row)
{
	struct answer *answer = xnew(struct answer);

	answer->row = *row;
	insert(answers, answer);
}

struct answers *answers_new(struct api *api)
{
	struct answers *answers = xnew(struct answers);

	answers->api = api;
	TAILQ_INIT(&answers->list);
	answers->tidy = loop_timer_new(api->loop, on_tidy, answers);
	loop_timer_start(answers->tidy, TIDY_MS);
	return answers;
}

void answers_free(struct answers *answers)
{
	struct answer *answer;

	if (!answers)
		return;
	while ((answer = TAILQ_FIRST(&answers->list)))
		forget(answers, answer);
	loop_timer_free(answers->tidy);
	free(answers);
}
