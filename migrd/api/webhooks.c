/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of webhooks of events. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/mem.h"
#include "tls/hmac.h"
#include "wire/webhook.h"

/* ---- what is shown ------------------------------------------------------------- */

static const struct webhook *find(struct http_request *req, const struct api *api)
{
	const char *id = http_param(req, "id");
	const struct webhook *webhook = webhooks_find(api->webhooks, id);
	struct err err;

	if (webhook)
		return webhook;
	err_set(&err, ERR_NOT_FOUND, "there is no webhook '%.40s' on this host", id);
	http_reply_err(req, &err);
	return NULL;
}

void api_webhooks_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct webhook *webhook = NULL;
	struct api_list list = api_list_begin(req, api);

	while ((webhook = webhooks_next(api->webhooks, webhook))) {
		const char *types[EVENT_TYPE_COUNT];
		struct webhook_reply reply;

		webhook_show(webhook, &reply, types);
		api_list_show(&list, webhook_reply_fields, &reply);
	}
	api_list_reply(&list, NULL);
}

static void reply_webhook(struct http_request *req, int status, const struct webhook *webhook,
			  const char *const *secrets, size_t secret_count)
{
	const char *types[EVENT_TYPE_COUNT];
	struct webhook_reply reply;

	webhook_show(webhook, &reply, types);
	reply.secrets = secrets;
	reply.secret_count = secret_count;
	http_reply_as(req, status, webhook_reply_fields, &reply);
}

void api_webhook_get(struct http_request *req, void *data)
{
	const struct webhook *webhook = find(req, data);

	if (webhook)
		reply_webhook(req, 200, webhook, NULL, 0);
}

static struct webhook_dead shown(const struct store_delivery *row)
{
	return (struct webhook_dead){
		.number = row->number,
		.id = row->id,
		.type = row->type,
		.error = row->error,
		.tries = row->tries,
		.status = row->status,
		.created_at = row->created_ms,
		.expired_at = row->expires_ms,
		.tried_at = row->tried_ms,
	};
}

void api_webhook_dead_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct webhook *webhook = find(req, api);
	const struct store_delivery *row = NULL;
	struct api_list list;

	if (!webhook)
		return;
	list = api_list_begin(req, api);
	while ((row = webhook_next_dead(webhook, row ? row->number : 0))) {
		const struct webhook_dead dead = shown(row);

		api_list_show(&list, webhook_dead_fields, &dead);
	}
	api_list_reply(&list, NULL);
}

/* The number in the path; false: REQ was answered. */
static bool number_of(struct http_request *req, uint64_t *ret)
{
	const char *text = http_param(req, "number");
	size_t digits = strspn(text, "0123456789");
	struct err err;

	if (digits > 0 && digits < 19 && !text[digits] && text[0] != '0' &&
	    sscanf(text, "%" SCNu64, ret) == 1)
		return true;
	err_set(&err, ERR_NOT_FOUND, "'%.40s' is no number of a delivery", text);
	http_reply_err(req, &err);
	return false;
}

static const struct store_delivery *find_dead(struct http_request *req, const struct api *api)
{
	const struct webhook *webhook = find(req, api);
	const struct store_delivery *row;
	uint64_t number;
	struct err err;

	if (!webhook || !number_of(req, &number))
		return NULL;
	row = webhook_next_dead(webhook, number - 1);
	if (row && row->number == number)
		return row;
	err_set(&err, ERR_NOT_FOUND,
		"the webhook has no dead delivery with the number %" PRIu64
		": it was delivered, removed, or is tried again",
		number);
	http_reply_err(req, &err);
	return NULL;
}

void api_webhook_dead_get(struct http_request *req, void *data)
{
	const struct store_delivery *row = find_dead(req, data);
	CLEANUP(json_putp) struct json_object *message = row ? json_read_back(row->body) : NULL;
	struct webhook_dead dead;

	if (!row)
		return;
	dead = shown(row);
	dead.message = message;
	http_reply_as(req, 200, webhook_dead_whole_fields, &dead);
}

/* ---- change --------------------------------------------------------------------- */

/* A request until its answer. */
struct pending {
	struct http_request *req;
	int status;
	struct webhook_wish wish; /* of one that is made: its secrets are shown */
};

static struct pending *pending_new(struct http_request *req, int status)
{
	struct pending *pending = xnew(struct pending);

	pending->req = req;
	pending->status = status;
	return pending;
}

static void on_done(void *data, const struct webhook *webhook, const struct err *err)
{
	struct pending *pending = data;
	const struct webhook_wish *wish = &pending->wish;
	const char *secrets[WEBHOOK_SECRETS_MAX];

	for (size_t i = 0; i < wish->secret_count; i++)
		secrets[i] = wish->secrets[i];
	if (err)
		http_reply_err(pending->req, err);
	else if (pending->status == 204)
		http_reply(pending->req, 204, NULL);
	else
		reply_webhook(pending->req, pending->status, webhook, secrets, wish->secret_count);
	secret_wipe(&pending->wish, sizeof(pending->wish));
	free(pending);
}

static void add(struct http_request *req, struct api *api, struct webhook_wish *wish)
{
	struct pending *pending;
	struct err err;

	if (api_is_dry_run(req)) {
		if (webhooks_may_add(api->webhooks, &err))
			api_reply_dry(req);
		else
			http_reply_err(req, &err);
		return;
	}
	if (!wish->secret_count)
		webhook_secret_new(wish->secrets[wish->secret_count++]);
	pending = pending_new(req, 201);
	pending->wish = *wish;
	webhooks_add(api->webhooks, wish, http_caller_name(req), on_done, pending);
}

void api_webhooks_add(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct webhook_wish wish;

	if (!api_ready(req, data))
		;
	else if (!webhook_request_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else
		add(req, data, &wish);
	secret_wipe(&wish, sizeof(wish));
	faults_free(faults);
}

void api_webhook_change(struct http_request *req, void *data)
{
	struct api *api = data;
	const struct webhook *webhook = api_ready(req, api) ? find(req, api) : NULL;
	struct faults *faults = faults_new();
	struct webhook_patch patch;

	if (webhook) {
		patch.wish = *webhook_wish(webhook);
		if (!webhook_patch_decode(http_body(req), &patch, faults))
			http_reply_faults(req, faults);
		else if (api_is_dry_run(req))
			api_reply_dry(req);
		else
			webhooks_change(api->webhooks, http_param(req, "id"), &patch,
					http_caller_name(req), on_done, pending_new(req, 200));
		secret_wipe(&patch, sizeof(patch));
	}
	faults_free(faults);
}

void api_webhook_remove(struct http_request *req, void *data)
{
	struct api *api = data;

	if (!api_ready(req, api) || !find(req, api))
		return;
	if (api_is_dry_run(req))
		api_reply_dry(req);
	else
		webhooks_remove(api->webhooks, http_param(req, "id"), http_caller_name(req),
				on_done, pending_new(req, 204));
}

/* ---- dead deliveries --------------------------------------------------------------- */

void api_webhook_redeliver(struct http_request *req, void *data)
{
	struct api *api = data;

	if (api_ready(req, api) && find(req, api))
		webhooks_redeliver(api->webhooks, http_param(req, "id"), 0, on_done,
				   pending_new(req, 202));
}

void api_webhook_dead_redeliver(struct http_request *req, void *data)
{
	struct api *api = data;
	const struct store_delivery *row = api_ready(req, api) ? find_dead(req, api) : NULL;

	if (row)
		webhooks_redeliver(api->webhooks, http_param(req, "id"), row->number, on_done,
				   pending_new(req, 202));
}

void api_webhook_dead_clear(struct http_request *req, void *data)
{
	struct api *api = data;

	if (!api_ready(req, api) || !find(req, api))
		return;
	if (api_is_dry_run(req))
		api_reply_dry(req);
	else
		webhooks_drop_dead(api->webhooks, http_param(req, "id"), 0, on_done,
				   pending_new(req, 204));
}

void api_webhook_dead_remove(struct http_request *req, void *data)
{
	struct api *api = data;
	const struct store_delivery *row = api_ready(req, api) ? find_dead(req, api) : NULL;

	if (!row)
		return;
	if (api_is_dry_run(req))
		api_reply_dry(req);
	else
		webhooks_drop_dead(api->webhooks, http_param(req, "id"), row->number, on_done,
				   pending_new(req, 204));
}

/* ---- a test ------------------------------------------------------------------------- */

static void on_tested(void *data, const struct webhook_tested *result, const struct err *err)
{
	struct http_request *req = data;

	if (err)
		http_reply_err(req, err);
	else
		http_reply_as(req, 200, webhook_tested_fields, result);
}

void api_webhook_test(struct http_request *req, void *data)
{
	struct api *api = data;

	if (api_ready(req, api) && find(req, api))
		webhooks_test(api->webhooks, http_param(req, "id"), on_tested, req);
}
