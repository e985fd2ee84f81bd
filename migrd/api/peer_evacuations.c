/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes with which the conductor of a maintenance has this host emptied and filled again. */
#include "api/api.h"
#include "base/mem.h"

struct question {
	struct http_request *req;
	const struct api *api;
};

static struct question *question_new(struct http_request *req, const struct api *api)
{
	struct question *question = xnew(struct question);

	question->req = req;
	question->api = api;
	return question;
}

static void reply_brief(struct http_request *req, int status, struct evacuation *evac)
{
	http_reply_as(req, status, peer_evacuation_fields, evacuation_brief_of(evac));
}

/* 202: it goes on by itself. */
static void reply_evacuation(struct http_request *req, struct evacuation *evac)
{
	reply_brief(req, evacuation_is_final(evac) ? 200 : 202, evac);
}

static void on_done(void *data, struct evacuation *evac, const struct err *err)
{
	struct question *question = data;

	if (err)
		http_reply_err(question->req, err);
	else
		reply_evacuation(question->req, evac);
	free(question);
}

static void reply_tried(const struct question *question, const struct evacuation_reply *reply)
{
	struct peer_evacuation *brief = xnew(struct peer_evacuation);

	evacuation_brief(question->api->evacuations, reply, brief);
	http_reply_as(question->req, 200, peer_evacuation_fields, brief);
	free(brief);
}

static void on_tried(void *data, const struct evacuation_reply *reply, const struct err *err)
{
	struct question *question = data;

	if (err)
		http_reply_err(question->req, err);
	else
		reply_tried(question, reply);
	free(question);
}

/* It has ended, or the name was withdrawn from it, which may not be on disk yet. */
static void reply_over(struct http_request *req, const struct api *api, struct evacuation *evac)
{
	if (evacuation_is_final(evac))
		reply_evacuation(req, evac);
	else
		evacuation_await(evac, on_done, question_new(req, api));
}

/* One that has ended, or from which the name was withdrawn, is answered and not begun again: the
 * question may come late. */
static void begin(struct http_request *req, const struct api *api,
		  const struct evacuation_request *request)
{
	const char *who = request->requester, *by = http_caller_name(req);
	struct evacuation *evac = evacuation_of_requester(api->evacuations, who);

	if (request->dry_run)
		evacuations_try(api->evacuations, request, by, on_tried, question_new(req, api));
	else if (evac && (evacuation_is_final(evac) || !evacuation_has_requester(evac, who)))
		reply_over(req, api, evac);
	else
		evacuations_request(api->evacuations, request, by, on_done, question_new(req, api));
}

void api_peer_evacuations_begin(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct faults *faults = faults_new();
	struct evacuation_request *request = xnew(struct evacuation_request);

	if (!api_conducts(req, api)) {
		;
	} else if (!evacuation_request_decode(http_body(req), request, faults)) {
		http_reply_faults(req, faults);
	} else if (!api_check_conductors_name(request->requester, faults)) {
		http_reply_faults(req, faults);
	} else {
		begin(req, api, request);
	}
	free(request);
	faults_free(faults);
}

/* ---- one of them ------------------------------------------------------------------------ */

/* NULL: the request was answered. */
static struct evacuation *find(struct http_request *req, const struct api *api)
{
	struct evacuation *evac;
	struct err err;

	if (!api_conducts(req, api))
		return NULL;
	evac = evacuations_find(api->evacuations, http_param(req, "id"));
	if (evac)
		return evac;
	err_set(&err, ERR_NOT_FOUND, "there is no evacuation '%.40s' of host '%s'",
		http_param(req, "id"), api->host_id);
	http_reply_err(req, &err);
	return NULL;
}

void api_peer_evacuation_get(struct http_request *req, void *data)
{
	struct evacuation *evac = find(req, data);

	if (evac)
		reply_brief(req, 200, evac);
}

/* It was done before, by a question whose answer was lost. */
static bool is_withdrawn(const struct api *api, const struct evacuation *evac, const char *who)
{
	return evacuation_of_requester(api->evacuations, who) == evac &&
	       (evacuation_is_final(evac) || !evacuation_has_requester(evac, who));
}

static void withdraw(struct http_request *req, const struct api *api, struct evacuation *evac,
		     const char *who)
{
	if (is_withdrawn(api, evac, who))
		reply_over(req, api, evac);
	else if (api_may_fill(req, api))
		evacuation_withdraw(evac, who, on_done, question_new(req, api));
}

/* What follows when it was the last request says the request itself. */
void api_peer_evacuation_withdraw(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct evacuation_withdraw wish;
	struct evacuation *evac = find(req, data);

	if (!evac)
		;
	else if (!evacuation_withdraw_decode(http_body(req), &wish, faults) ||
		 !api_check_conductors_name(wish.requester, faults))
		http_reply_faults(req, faults);
	else
		withdraw(req, data, evac, wish.requester);
	faults_free(faults);
}
