/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of holds and of the cordon. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"

/* ---- what is shown ------------------------------------------------------------- */

static bool applies(const struct api *api, const struct store_hold *row)
{
	const struct vm *vm = row->vm_uuid[0] ? vm_find_uuid(api->vms, row->vm_uuid) : NULL;

	return !row->vm_uuid[0] || (vm && vm_role(vm) == VM_ROLE_OWNED);
}

/* The VM may have been renamed since. */
static const char *name_of(const struct api *api, const struct store_hold *row)
{
	const struct vm *vm = row->vm_uuid[0] ? vm_find_uuid(api->vms, row->vm_uuid) : NULL;

	return vm ? vm_name(vm) : row->vm_name;
}

static struct hold_reply shown(const struct api *api, const struct store_hold *row)
{
	return (struct hold_reply){
		.id = row->id,
		.kind = row->kind,
		.host = api->host_id,
		.vm = row->vm_uuid[0] ? name_of(api, row) : NULL,
		.vm_uuid = row->vm_uuid[0] ? row->vm_uuid : NULL,
		.applies = applies(api, row),
		.owner = row->owner,
		.reason = row->reason,
		.created_by = row->created_by,
		.until = row->until_ms,
		.created_at = row->created_ms,
		.updated_at = row->updated_ms,
	};
}

void api_cordon_show(const struct api *api, struct cordon_reply *ret)
{
	for (int party = 0; party < CORDON_PARTY_COUNT; party++) {
		const struct store_hold *row = cordon_of(api->holds, (enum cordon_party)party);
		struct cordon_shown *cordon;

		if (!row)
			continue;
		cordon = &ret->cordons[ret->cordon_count++];
		snprintf(cordon->party, sizeof(cordon->party), "%s", cordon_party_names[party]);
		snprintf(cordon->reason, sizeof(cordon->reason), "%s", row->reason);
		snprintf(cordon->by, sizeof(cordon->by), "%s", row->created_by);
		cordon->since = row->created_ms;
		ret->cordoned = true;
	}
	ret->creations_under_way = cordon_creations_under_way(api->holds);
}

static void tell_cordon(const struct api *api, enum cordon_party party, const char *change,
			const char *by)
{
	struct event_cordon event = { .host = api->host_id,
				      .change = change,
				      .party = cordon_party_names[party],
				      .by = by,
				      .at = clock_wall_ms() };

	api_cordon_show(api, &event.cordon);
	bus_publish(api->bus, "cordon", json_encode(event_cordon_fields, &event));
}

void api_hold_changed(void *data, const struct store_hold *hold, enum hold_change change,
		      const char *by)
{
	struct api *api = data;
	struct event_hold event = { .change = hold_change_names[change],
				    .by = by,
				    .at = clock_wall_ms() };
	enum cordon_party party;

	if (api->queue)
		queue_look(api->queue);
	if (api->capacity)
		capacity_note_state(api->capacity);
	if (cordon_is(hold, &party)) {
		tell_cordon(api, party, hold_change_names[change], by);
		return;
	}
	event.hold = shown(api, hold);
	evacuations_look(api->evacuations);
	bus_publish(api->bus, "hold", json_encode(event_hold_fields, &event));
}

void api_holds_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	const char *vm = http_query(req, "vm");
	const struct store_hold *row = NULL;
	struct api_list list = api_list_begin(req, api);

	while ((row = holds_next(api->holds, row))) {
		const struct hold_reply reply = shown(api, row);

		if (!vm || strcmp(name_of(api, row), vm) == 0)
			api_list_show(&list, hold_reply_fields, &reply);
	}
	api_list_reply(&list, NULL);
}

static void reply_unknown(struct http_request *req)
{
	struct err err;

	err_set(&err, ERR_NOT_FOUND,
		"there is no hold '%.40s' on this host: it was removed, or has expired",
		http_param(req, "id"));
	http_reply_err(req, &err);
}

void api_hold_get(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct store_hold *row = holds_find(api->holds, http_param(req, "id"));
	struct hold_reply reply;

	if (!row) {
		reply_unknown(req);
		return;
	}
	reply = shown(api, row);
	http_reply_as(req, 200, hold_reply_fields, &reply);
}

/* ---- change --------------------------------------------------------------------- */

/* The holds are freed after the requests are answered; a pending one needs no more than these. */
static void on_done(void *data, const struct store_hold *row, const struct err *err)
{
	struct api_pending *pending = data;
	struct hold_reply reply;

	if (err) {
		http_reply_err(pending->req, err);
	} else if (pending->status == 204) {
		http_reply(pending->req, 204, NULL);
	} else {
		reply = shown(pending->api, row);
		http_reply_as(pending->req, pending->status, hold_reply_fields, &reply);
	}
	free(pending);
}

static struct vm *find_vm(const struct api *api, const char *name, struct err *err)
{
	struct vm *vm = vm_find(api->vms, name);

	if (!vm)
		err_set(err, ERR_NOT_FOUND, "there is no VM '%s' on this host", name);
	else if (vm_role(vm) == VM_ROLE_FORMER)
		err_set(err, ERR_CONFLICT, "VM '%s' is on host '%s' now: hold it there", name,
			vm_row(vm)->elsewhere);
	else if (vm_role(vm) != VM_ROLE_OWNED)
		err_set(err, ERR_CONFLICT,
			"VM '%s' is still coming to this host: hold it when it is here", name);
	else
		return vm;
	return NULL;
}

/* A dry run of a hold with this end. */
static void try(struct http_request *req, const struct hold_end *end)
{
	int64_t until_ms;
	struct err err;

	if (hold_end_ms(end, clock_wall_ms(), &until_ms, &err))
		api_reply_dry(req);
	else
		http_reply_err(req, &err);
}

static void add(struct http_request *req, struct api *api, const struct hold_request *request)
{
	struct hold_wish wish = { .request = request, .by = http_caller_name(req) };
	const struct vm *vm = NULL;
	char key[ID_NAME_SIZE];
	struct err err;

	if (!api_key_of(req, key, &err) ||
	    (request->vm[0] && !(vm = find_vm(api, request->vm, &err)))) {
		http_reply_err(req, &err);
		return;
	}
	if (api_is_dry_run(req)) {
		try(req, &request->end);
		return;
	}
	wish.key = key[0] ? key : NULL;
	wish.vm_uuid = vm ? vm_uuid(vm) : NULL;
	holds_add(api->holds, &wish, on_done, api_pending_new(req, api, "", 201));
}

void api_holds_add(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct hold_request request;

	if (!api_ready(req, data))
		;
	else if (!hold_request_decode(http_body(req), &request, faults))
		http_reply_faults(req, faults);
	else
		add(req, data, &request);
	faults_free(faults);
}

/* END NULL: it would be removed. */
static void try_of(struct http_request *req, const struct api *api, const struct hold_end *end)
{
	if (!holds_find(api->holds, http_param(req, "id")))
		reply_unknown(req);
	else if (end)
		try(req, end);
	else
		api_reply_dry(req);
}

void api_hold_renew(struct http_request *req, void *data)
{
	struct api *api = data;
	struct faults *faults = faults_new();
	struct hold_patch patch;

	if (!api_ready(req, api))
		;
	else if (!hold_patch_decode(http_body(req), &patch, faults))
		http_reply_faults(req, faults);
	else if (api_is_dry_run(req))
		try_of(req, api, &patch.end);
	else
		holds_renew(api->holds, http_param(req, "id"), &patch, http_caller_name(req),
			    on_done, api_pending_new(req, api, "", 200));
	faults_free(faults);
}

void api_hold_remove(struct http_request *req, void *data)
{
	struct api *api = data;

	if (!api_ready(req, api))
		return;
	if (api_is_dry_run(req))
		try_of(req, api, NULL);
	else
		holds_remove(api->holds, http_param(req, "id"), http_caller_name(req), on_done,
			     api_pending_new(req, api, "", 204));
}

/* ---- the cordon -------------------------------------------------------------------- */

static void on_cordon(void *data, const struct store_hold *row, const struct err *err)
{
	struct api_pending *pending = data;
	struct cordon_reply reply = { 0 };

	(void)row;
	if (err) {
		http_reply_err(pending->req, err);
	} else {
		api_cordon_show(pending->api, &reply);
		http_reply_as(pending->req, 200, cordon_reply_fields, &reply);
	}
	free(pending);
}

static void set_cordon(struct http_request *req, struct api *api, const char *reason)
{
	cordon_set(api->holds,
		   &(struct cordon_wish){ .party = CORDON_PERSON,
					  .on = reason,
					  .reason = reason,
					  .by = http_caller_name(req) },
		   on_cordon, api_pending_new(req, api, "", 200));
}

void api_host_cordon(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct cordon_request request;

	if (!api_ready(req, data))
		;
	else if (!cordon_request_decode(http_body(req), &request, faults))
		http_reply_faults(req, faults);
	else if (api_is_dry_run(req))
		api_reply_dry(req);
	else
		set_cordon(req, data, request.reason);
	faults_free(faults);
}

void api_host_uncordon(struct http_request *req, void *data)
{
	if (!api_ready(req, data))
		return;
	if (api_is_dry_run(req))
		api_reply_dry(req);
	else
		set_cordon(req, data, NULL);
}
