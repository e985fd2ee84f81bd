/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of maintenances that this host conducts. */
#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"

void api_maintenance_changed(void *data, struct maintenance *m)
{
	struct api *api = data;
	const struct event_maintenance event = { .maintenance = *maintenance_show(m),
						 .at = clock_wall_ms() };

	bus_publish(api->bus, "maintenance", json_encode(event_maintenance_fields, &event));
	waits_look(api->waits, maintenance_machine(m));
}

static void reply_maintenance(struct http_request *req, int status, struct maintenance *m)
{
	http_reply_as(req, status, maintenance_reply_fields, maintenance_show(m));
}

static struct maintenance *find(struct http_request *req, const struct api *api)
{
	struct maintenance *m = maintenances_find(api->maintenances, http_param(req, "id"));
	struct err err;

	if (!m) {
		err_set(&err, ERR_NOT_FOUND,
			"there is no maintenance '%.40s' that this host conducts",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return m;
}

void api_maintenance_get(struct http_request *req, void *data)
{
	struct maintenance *m = find(req, data);

	if (m)
		reply_maintenance(req, 200, m);
}

/* 202: it goes on by itself. */
static void on_done(void *data, struct maintenance *m, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		reply_maintenance(data, maintenance_is_final(m) ? 200 : 202, m);
}

static void on_tried(void *data, const struct maintenance_reply *reply, const struct err *err)
{
	if (err)
		http_reply_err(data, err);
	else
		http_reply_as(data, 200, maintenance_reply_fields, reply);
}

void api_maintenances_start(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct maintenance_request *request = xnew(struct maintenance_request);

	if (!api_sure(req, api))
		;
	else if (!maintenance_request_decode(http_body(req), request, faults))
		http_reply_faults(req, faults);
	else if (request->dry_run || api_is_dry_run(req))
		maintenance_try(api->maintenances, request, http_caller_name(req), on_tried, req);
	else
		maintenance_start(api->maintenances, request, http_caller_name(req), on_done, req);
	free(request);
	faults_free(faults);
}

/* ---- orders ------------------------------------------------------------------------------ */

/* What somebody wants of one: its body is read, and then it is asked. */
void api_maintenance_go(struct http_request *req, void *data)
{
	struct maintenance *m = api_sure(req, data) ? find(req, data) : NULL;
	struct faults *faults = faults_new();
	struct maintenance_go wish;

	if (!m)
		;
	else if (!maintenance_go_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		maintenance_go(m, &wish, on_done, req);
	faults_free(faults);
}

void api_maintenance_pause(struct http_request *req, void *data)
{
	struct maintenance *m = api_sure(req, data) ? find(req, data) : NULL;
	struct faults *faults = faults_new();
	struct maintenance_pause wish;

	if (!m)
		;
	else if (!maintenance_pause_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		maintenance_pause(m, &wish, on_done, req);
	faults_free(faults);
}

void api_maintenance_stop(struct http_request *req, void *data)
{
	struct maintenance *m = api_sure(req, data) ? find(req, data) : NULL;
	struct faults *faults = faults_new();
	struct maintenance_stop wish;

	if (!m)
		;
	else if (!maintenance_stop_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		maintenance_stop(m, &wish, on_done, req);
	faults_free(faults);
}

void api_maintenance_abort(struct http_request *req, void *data)
{
	struct maintenance *m = api_sure(req, data) ? find(req, data) : NULL;
	struct faults *faults = faults_new();
	struct maintenance_abort wish;

	if (!m)
		;
	else if (!maintenance_abort_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		maintenance_abort(m, &wish, on_done, req);
	faults_free(faults);
}

void api_maintenance_skip(struct http_request *req, void *data)
{
	struct maintenance *m = api_sure(req, data) ? find(req, data) : NULL;
	struct faults *faults = faults_new();
	struct maintenance_skip wish;

	if (!m)
		;
	else if (!maintenance_skip_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		maintenance_skip(m, &wish, on_done, req);
	faults_free(faults);
}

void api_maintenance_resume(struct http_request *req, void *data)
{
	struct maintenance *m = api_sure(req, data) ? find(req, data) : NULL;

	if (m)
		maintenance_resume(m, on_done, req);
}

/* ---- the list -------------------------------------------------------------------------------- */

/* What follows CURSOR, whose maintenance may be gone.  False: REQ was answered. */
static bool find_after(struct http_request *req, const struct api *api,
		       const struct api_cursor *cursor, struct maintenance **ret)
{
	struct maintenance *m = maintenances_find(api->maintenances, cursor->id);

	if (!m && cursor->ms < 0) {
		api_cursor_unknown(req, cursor);
		return false;
	}
	if (m) {
		*ret = maintenance_next(m);
		return true;
	}
	m = maintenances_first(api->maintenances);
	while (m && maintenance_show(m)->created_at > cursor->ms)
		m = maintenance_next(m);
	*ret = m;
	return true;
}

static bool passes(const struct http_request *req, struct maintenance *m)
{
	const struct maintenance_reply *shown = maintenance_show(m);

	return api_state_passes(http_query(req, "state"), shown->state, shown->final);
}

void api_maintenances_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct maintenance *m = maintenances_first(api->maintenances);
	char last[API_CURSOR_SIZE] = "";
	struct api_cursor cursor;
	uint64_t count = 0;

	if (api_cursor_of(req, &cursor) && !find_after(req, api, &cursor, &m))
		return;
	for (; m; m = maintenance_next(m)) {
		if (!passes(req, m))
			continue;
		if (count++ == api_page_of(req).limit) {
			api_list_reply(&list, last);
			return;
		}
		api_list_show(&list, maintenance_summary_fields, maintenance_show(m));
		api_cursor_text(maintenance_id(m), maintenance_show(m)->created_at, last);
	}
	api_list_reply(&list, NULL);
}
