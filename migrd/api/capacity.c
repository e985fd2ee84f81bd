/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host and its peers have room for: for peers at once, for users after the peers were
 * asked, if that was long ago.
 *
 * The text of the list is kept for a moment, since a caller may ask every millisecond. */
#include <string.h>

#include "api/api.h"
#include "base/mem.h"

#define LOOK_AGAIN_MS 1000

/* ---- for users --------------------------------------------------------------------------- */

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* RET is large, and must be all zero. */
static void show(const struct api *api, const struct capacity_host *host,
		 struct capacity_shown *ret)
{
	const struct capacity_told *told = host->told;

	ret->id = host->id;
	ret->address = host->is_own ? NULL : peer_clients_address(api->peers, host->id);
	ret->state = host->is_aged || !told ? "offline" : told->state;
	ret->trouble = host->trouble;
	ret->has_told = told != NULL;
	if (!told)
		return;
	ret->why = or_null(told->why);
	ret->hold = or_null(told->hold);
	ret->age_ms = host->age_ms;
	ret->figures = told->figures;
}

static char *host_text(const struct api *api, const struct capacity_host *host, size_t *ret_len)
{
	struct capacity_shown *shown = xnew(struct capacity_shown);
	CLEANUP(json_putp) struct json_object *obj = NULL;

	show(api, host, shown);
	obj = json_encode(capacity_shown_fields, shown);
	free(shown);
	return xstrdup(json_text(obj, ret_len));
}

static void keep_list(struct api *api)
{
	struct capacity_picture *picture = capacity_take(api->capacity);
	const struct capacity_host *hosts = capacity_hosts(picture);
	struct strbuf list = STRBUF_INIT;
	char position[BUS_ID_SIZE];

	for (size_t i = 0; i < capacity_host_count(picture); i++) {
		size_t len;
		CLEANUP(free_charp) char *text = host_text(api, &hosts[i], &len);

		strbuf_adds(&list, i ? "," : "{\"items\":[");
		strbuf_add(&list, text, len);
	}
	/* Kept with the text: an earlier position than that of the answer misses nothing. */
	bus_position(api->bus, position);
	strbuf_addf(&list, "],\"next\":null,\"position\":\"%s\"}", position);
	free(api->capacity_list.text);
	api->capacity_list.len = list.len;
	api->capacity_list.text = strbuf_take(&list);
	api->capacity_list.at_ms = loop_now_ms(api->loop);
	capacity_picture_free(picture);
}

static void reply_list(struct http_request *req, struct api *api)
{
	const char *text = api->capacity_list.text;

	if (!text || loop_now_ms(api->loop) >= api->capacity_list.at_ms + LOOK_AGAIN_MS)
		keep_list(api);
	http_reply_json(req, 200, xstrndup(api->capacity_list.text, api->capacity_list.len),
			api->capacity_list.len);
}

static void reply_with_vms(struct http_request *req, const struct api *api,
			   const struct capacity_picture *picture, size_t at)
{
	const struct capacity_host *host = &capacity_hosts(picture)[at];
	struct strbuf text = STRBUF_INIT;
	size_t len;
	CLEANUP(free_charp) char *head = host_text(api, host, &len);

	strbuf_add(&text, head, len - 1); /* without its "}" */
	strbuf_adds(&text, ",\"vms\":[");
	for (size_t i = 0; i < host->vm_count; i++)
		strbuf_addf(&text, "%s%s", i ? "," : "", capacity_guest(picture, at, i).text);
	strbuf_adds(&text, "]}");
	len = text.len;
	http_reply_json(req, 200, strbuf_take(&text), len);
}

static void reply_host(struct http_request *req, const struct api *api, const char *id)
{
	struct capacity_picture *picture = capacity_take(api->capacity);
	const struct capacity_host *hosts = capacity_hosts(picture);
	size_t at = 0, count = capacity_host_count(picture);
	struct err err;

	while (at < count && strcmp(hosts[at].id, id) != 0)
		at++;
	if (at < count) {
		reply_with_vms(req, api, picture, at);
	} else {
		err_set(&err, ERR_NOT_FOUND, "host '%s' knows no host '%s'", api->host_id, id);
		http_reply_err(req, &err);
	}
	capacity_picture_free(picture);
}

static void answer(struct http_request *req, struct api *api, const char *id)
{
	if (*id)
		reply_host(req, api, id);
	else
		reply_list(req, api);
}

static void on_asked(void *data)
{
	struct api_pending *pending = data;

	answer(pending->req, pending->api, pending->name);
	free(pending);
}

void api_capacity_get(struct http_request *req, void *data)
{
	const char *id = http_param(req, "host");
	struct api *api = data;

	if (!api_ready(req, api))
		return;
	if (capacity_is_fresh(api->capacity))
		answer(req, api, id ? id : "");
	else
		capacity_ask(api->capacity, on_asked, api_pending_new(req, api, id ? id : "", 200));
}

void api_capacity_fini(struct api *api)
{
	free(api->capacity_list.text);
}

/* ---- for peers ---------------------------------------------------------------------------- */

void api_peer_capacity(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *text;
	size_t len;

	if (!api_ready(req, api))
		return;
	text = capacity_page_text(api->capacity, http_query(req, "after"), &len);
	http_reply_json(req, 200, xstrndup(text, len), len);
}
