/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes for other coordinators.  Who asks is what the certificate says. */
#include "api/api.h"
#include "api/hello.h"
#include "base/mem.h"
#include "preflight/checks.h"
#include "wire/peer_msg.h"

void api_peer_hello(struct http_request *req, void *data)
{
	const struct api *api = data;

	hello_answer(req, api->host_id);
}

/* ---- prepare ----------------------------------------------------------- */

struct pending {
	struct http_request *req;
	struct api *api;
};

static struct pending *pending_new(struct http_request *req, struct api *api)
{
	struct pending *pending = xnew(struct pending);

	pending->req = req;
	pending->api = api;
	return pending;
}

static void on_prepared(void *data, struct move *move)
{
	struct pending *pending = data;
	const struct store_move *row = move_row(move);
	struct peer_prepare_reply reply = { .channels = { "ram" },
					    .channel_count = 1,
					    .compared = move_was_compared(move) };
	struct err err;

	if (row->error_code[0]) {
		err_set(&err, err_from_name(row->error_code), "%s", row->error_text);
		http_reply_err(pending->req, &err);
	} else {
		snprintf(reply.data_address, sizeof(reply.data_address), "%s",
			 pending->api->data_address);
		snprintf(reply.token, sizeof(reply.token), "%s", move_token(move));
		http_reply(pending->req, 200, json_encode(peer_prepare_reply_fields, &reply));
	}
	free(pending);
}

static void reply_reasons(struct http_request *req, const struct preflight_reasons *reasons,
			  const struct err *err)
{
	struct json_object *obj = http_problem(err);
	struct json_object *items = json_object_new_array();

	for (size_t i = 0; i < reasons->count && i < PREFLIGHT_REASONS_MAX; i++) {
		struct json_object *item = json_object_new_object();

		json_add_str(item, "check", reasons->list[i].check);
		json_add_str(item, "detail", reasons->list[i].text);
		json_object_array_add(items, item);
	}
	json_object_object_add(obj, "reasons", items);
	http_reply(req, (unsigned)err_http_status(err->code), obj);
}

static void on_offered(void *data, struct move *move, const struct preflight_reasons *reasons,
		       const struct err *err)
{
	struct pending *pending = data;

	if (move) {
		move_when(move, MOVE_PREPARED, on_prepared, pending);
		return;
	}
	if (reasons)
		reply_reasons(pending->req, reasons, err);
	else
		http_reply_err(pending->req, err);
	free(pending);
}

/* A move that is here already is answered from its record. */
static void take_offer(struct http_request *req, struct api *api, const struct move_offer *offer)
{
	struct move *move;
	struct pending *pending;
	struct err err = { 0 };

	if (moves_find(api->moves, offer->id)) {
		move = moves_offered(api->moves, offer, &err);
		if (move)
			move_when(move, MOVE_PREPARED, on_prepared, pending_new(req, api));
		else
			http_reply_err(req, &err);
		return;
	}
	pending = pending_new(req, api);
	if (!moves_offer(api->moves, offer, on_offered, pending, &err)) {
		http_reply_err(req, &err);
		free(pending);
	}
}

void api_peer_prepare(struct http_request *req, void *data)
{
	struct api *api = data;
	struct peer_prepare prepare;
	struct err err;

	if (!api_ready(req, api))
		return;
	if (!peer_prepare_decode(http_body(req), &prepare, &err)) {
		http_reply_err(req, &err);
		return;
	}
	if (peer_prepare_check(&prepare, http_param(req, "id"), http_caller_name(req), &err))
		take_offer(req, api,
			   &(struct move_offer){
				   .id = prepare.move_id,
				   .source = prepare.source,
				   .generation = prepare.generation,
				   .definition = prepare.definition,
				   .evidence = prepare.evidence,
				   .options = prepare.options,
				   .run = prepare.run,
			   });
	else
		http_reply_err(req, &err);
	peer_prepare_fini(&prepare);
}

/* ---- go and drop ---------------------------------------------------------- */

static enum peer_verdict_value verdict_of(const struct move *move)
{
	return strcmp(move_row(move)->verdict, "taken") == 0 ? PEER_VERDICT_TAKEN
							     : PEER_VERDICT_REFUSED;
}

static void on_verdict(void *data, struct move *move)
{
	const struct store_move *row = move_row(move);
	struct peer_verdict verdict = { .verdict = (int)verdict_of(move) };
	struct json_object *obj;

	/* Only what went wrong here is of interest there. */
	if (strcmp(row->error_code, err_name(ERR_CANCELLED)) != 0)
		snprintf(verdict.reason, sizeof(verdict.reason), "%s", row->error_text);
	obj = json_encode(peer_verdict_fields, &verdict);
	json_object_object_add(obj, "times", move_times_json(move));
	http_reply(data, 200, obj);
}

typedef struct move *claim_fn(const struct api *api, const struct http_request *req,
			      const struct peer_claim *claim, struct err *err);

static struct move *go(const struct api *api, const struct http_request *req,
		       const struct peer_claim *claim, struct err *err)
{
	return moves_go(api->moves, http_param(req, "id"), http_caller_name(req), claim->generation,
			claim->run, err);
}

static struct move *drop(const struct api *api, const struct http_request *req,
			 const struct peer_claim *claim, struct err *err)
{
	return moves_drop(api->moves, http_param(req, "id"), http_caller_name(req),
			  claim->generation, err);
}

static void answer_claim(struct http_request *req, struct api *api, claim_fn *fn)
{
	struct peer_claim claim;
	struct move *move = NULL;
	struct err err;

	if (!api_ready(req, api))
		return;
	if (peer_claim_decode(http_body(req), &claim, &err))
		move = fn(api, req, &claim, &err);
	if (move)
		move_when(move, MOVE_VERDICT, on_verdict, req);
	else
		http_reply_err(req, &err);
}

void api_peer_go(struct http_request *req, void *data)
{
	answer_claim(req, data, go);
}

void api_peer_drop(struct http_request *req, void *data)
{
	answer_claim(req, data, drop);
}

/* ---- fate ------------------------------------------------------------------ */

void api_peer_fate(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct move *move;
	struct peer_fate fate = { 0 };
	struct err err;

	if (!api_ready(req, api))
		return;
	move = moves_find(api->moves, http_param(req, "id"));
	if (!move || strcmp(move_row(move)->peer, http_caller_name(req)) != 0) {
		err_set(&err, ERR_NOT_FOUND, "host '%s' has no such move with host '%s'",
			api->host_id, http_caller_name(req));
		http_reply_err(req, &err);
		return;
	}
	fate.cannot_record = !move_can_record(move);
	fate.final = move_is_final(move);
	fate.run = move_run(move);
	fate.verdict = move_row(move)->verdict[0] ? (int)verdict_of(move) : PEER_VERDICT_NONE;
	snprintf(fate.state, sizeof(fate.state), "%s", move_state_name(move));
	snprintf(fate.reason, sizeof(fate.reason), "%s", move_reason(move));
	http_reply(req, 200, json_encode(peer_fate_fields, &fate));
}

/* ---- VMs -------------------------------------------------------------------- */

static void add_vm(struct peer_vms *page, const struct vm *vm)
{
	struct peer_vm *item = &page->items[page->count++];

	snprintf(item->uuid, sizeof(item->uuid), "%s", vm_uuid(vm));
	snprintf(item->name, sizeof(item->name), "%s", vm_name(vm));
	snprintf(item->role, sizeof(item->role), "%s", vm_row(vm)->role);
	snprintf(item->state, sizeof(item->state), "%s", vm_state(vm));
	snprintf(item->move, sizeof(item->move), "%s", vm_job(vm) ? vm_job(vm)->id : "");
	item->generation = vm_generation(vm);
}

void api_peer_vms(struct http_request *req, void *data)
{
	const struct api *api = data;
	const char *after = http_query(req, "after");
	struct peer_vms *page;
	struct vm *vm;

	if (!api_ready(req, api))
		return;
	page = xnew(struct peer_vms);
	for (vm = vm_next(api->vms, after); vm && page->count < PEER_VMS_MAX;
	     vm = vm_next(api->vms, vm_name(vm)))
		add_vm(page, vm);
	if (vm)
		snprintf(page->next, sizeof(page->next), "%s", page->items[page->count - 1].name);
	http_reply(req, 200, json_encode(peer_vms_fields, page));
	free(page);
}
