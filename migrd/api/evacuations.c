/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of evacuations. */
#include <stdio.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wire/peer_back.h"

void api_evacuation_changed(void *data, struct evacuation *evac)
{
	struct api *api = data;
	const struct event_evacuation event = { .evacuation = *evacuation_show(evac),
						.at = clock_wall_ms() };

	bus_publish(api->bus, "evacuation", json_encode(event_evacuation_fields, &event));
	waits_look(api->waits, evacuation_machine(evac));
	autostart_look(api->autostart);
}

static void reply_evacuation(struct http_request *req, int status, struct evacuation *evac)
{
	http_reply_as(req, status, evacuation_reply_fields, evacuation_show(evac));
}

static struct evacuation *find(struct http_request *req, const struct api *api)
{
	struct evacuation *evac = evacuations_find(api->evacuations, http_param(req, "id"));
	struct err err;

	if (!evac) {
		err_set(&err, ERR_NOT_FOUND, "there is no evacuation '%.40s' of this host",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return evac;
}

void api_evacuation_get(struct http_request *req, void *data)
{
	struct evacuation *evac = find(req, data);

	if (evac)
		reply_evacuation(req, 200, evac);
}

/* ---- a request ------------------------------------------------------------------------ */

/* 202: it goes on by itself. */
static void on_done(void *data, struct evacuation *evac, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		reply_evacuation(data, evacuation_is_final(evac) ? 200 : 202, evac);
}

static void on_tried(void *data, const struct evacuation_reply *reply, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		http_reply_as(data, 200, evacuation_reply_fields, reply);
}

void api_evacuations_begin(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct evacuation_request *request = xnew(struct evacuation_request);

	if (!api_sure(req, api))
		;
	else if (!evacuation_request_decode(http_body(req), request, faults))
		http_reply_faults(req, faults);
	else if (request->dry_run || api_is_dry_run(req))
		evacuations_try(api->evacuations, request, http_caller_name(req), on_tried, req);
	else
		evacuations_request(api->evacuations, request, http_caller_name(req), on_done, req);
	free(request);
	faults_free(faults);
}

/* ---- orders ------------------------------------------------------------------------------ */

void api_evacuation_approve(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct evacuation_approve wish;
	struct evacuation *evac = api_sure(req, data) ? find(req, data) : NULL;

	if (!evac)
		;
	else if (!evacuation_approve_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		evacuation_approve(evac, &wish, on_done, req);
	faults_free(faults);
}

void api_evacuation_pause(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct evacuation_pause wish;
	struct evacuation *evac = api_sure(req, data) ? find(req, data) : NULL;

	if (!evac)
		;
	else if (!evacuation_pause_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		evacuation_pause(evac, &wish, http_caller_name(req), on_done, req);
	faults_free(faults);
}

void api_evacuation_resume(struct http_request *req, void *data)
{
	struct evacuation *evac = api_sure(req, data) ? find(req, data) : NULL;

	if (evac)
		evacuation_resume(evac, on_done, req);
}

/* For what lets guests come back.  NULL: the request was answered. */
static struct evacuation *find_to_end(struct http_request *req, const struct api *api)
{
	struct evacuation *evac = api_sure(req, api) ? find(req, api) : NULL;

	return evac && api_may_fill(req, api) ? evac : NULL;
}

void api_evacuation_abort(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct evacuation_abort wish;
	struct evacuation *evac = find_to_end(req, data);

	if (!evac)
		;
	else if (!evacuation_abort_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		evacuation_abort(evac, &wish, http_caller_name(req), on_done, req);
	faults_free(faults);
}

void api_evacuation_return(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct evacuation_return wish;
	struct evacuation *evac = find_to_end(req, data);

	if (!evac)
		;
	else if (!evacuation_return_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		evacuation_return(evac, &wish, on_done, req);
	faults_free(faults);
}

void api_evacuation_withdraw(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct evacuation_withdraw wish;
	struct evacuation *evac = find_to_end(req, data);

	if (!evac)
		;
	else if (!evacuation_withdraw_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		evacuation_withdraw(evac,
				    wish.requester[0] ? wish.requester : http_caller_name(req),
				    on_done, req);
	faults_free(faults);
}

/* ---- the list -------------------------------------------------------------------------------- */

/* What follows CURSOR, whose evacuation may be gone.  False: REQ was answered. */
static bool find_after(struct http_request *req, const struct api *api,
		       const struct api_cursor *cursor, struct evacuation **ret)
{
	struct evacuation *evac = evacuations_find(api->evacuations, cursor->id);

	if (!evac && cursor->ms < 0) {
		api_cursor_unknown(req, cursor);
		return false;
	}
	if (evac) {
		*ret = evacuation_next(evac);
		return true;
	}
	evac = evacuations_first(api->evacuations);
	while (evac && evacuation_show(evac)->created_at > cursor->ms)
		evac = evacuation_next(evac);
	*ret = evac;
	return true;
}

static bool passes(const struct http_request *req, struct evacuation *evac)
{
	const struct evacuation_reply *shown = evacuation_show(evac);

	return api_state_passes(http_query(req, "state"), shown->state, shown->final);
}

void api_evacuations_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct evacuation *evac = evacuations_first(api->evacuations);
	char last[API_CURSOR_SIZE] = "";
	struct api_cursor cursor;
	uint64_t count = 0;

	if (api_cursor_of(req, &cursor) && !find_after(req, api, &cursor, &evac))
		return;
	for (; evac; evac = evacuation_next(evac)) {
		if (!passes(req, evac))
			continue;
		if (count++ == api_page_of(req).limit) {
			api_list_reply(&list, last);
			return;
		}
		api_list_show(&list, evacuation_summary_fields, evacuation_show(evac));
		api_cursor_text(evacuation_id(evac), evacuation_show(evac)->created_at, last);
	}
	api_list_reply(&list, NULL);
}

/* ---- a host that asks for its guest back ------------------------------ */

static void on_ordered(void *data, struct queue_entry *entry, const struct err *err)
{
	struct peer_back_reply reply = { 0 };
	struct queue_reply shown;

	if (err) {
		http_reply_err(data, err);
		return;
	}
	shown = queue_show(entry);
	snprintf(reply.entry, sizeof(reply.entry), "%s", shown.id);
	snprintf(reply.state, sizeof(reply.state), "%s", shown.state);
	snprintf(reply.reason, sizeof(reply.reason), "%s", shown.reason);
	reply.final = shown.final;
	http_reply_as(data, 200, peer_back_reply_fields, &reply);
}

static bool check_id(const char *id, struct err *err)
{
	return id_uuid_is_valid(id) ||
	       err_set(err, ERR_INVALID, "the id of an evacuation is a uuid");
}

void api_peer_back(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *id = http_param(req, "id");
	struct peer_back wish;
	struct err err;

	if (!api_sure(req, api))
		return;
	if (!check_id(id, &err) || !peer_back_decode(http_body(req), &wish, &err)) {
		http_reply_err(req, &err);
		return;
	}
	evacuations_send_back(api->evacuations,
			      &(struct evacuation_back_wish){ .peer = http_caller_name(req),
							      .uuid = wish.uuid,
							      .id = id,
							      .number = wish.number,
							      .attempt = wish.attempt,
							      .give_up_s = wish.give_up_s,
							      .move = &wish.move },
			      on_ordered, req);
}

void api_peer_room(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *id = http_param(req, "id");
	struct peer_room room;
	struct err err;

	if (!api_sure(req, api))
		return;
	if (!check_id(id, &err) || !peer_room_decode(http_body(req), &room, &err)) {
		http_reply_err(req, &err);
		return;
	}
	evacuations_make_room(api->evacuations,
			      &(struct evacuation_room_wish){
				      .peer = http_caller_name(req), .id = id, .room = &room },
			      on_ordered, req);
}
