/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes for other coordinators.  The caller is the host that its certificate names. */
#include "api/api.h"
#include "api/hello.h"
#include "base/clock.h"
#include "base/mem.h"
#include "preflight/checks.h"
#include "wire/peer_msg.h"

void api_peer_hello(struct http_request *req, void *data)
{
	const struct api *api = data;

	hello_answer(req, api->host_id, vms_migration_features(api->vms),
		     moves_let_come_of_new(api->moves));
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

static void reply_prepared(const struct pending *pending, struct move *move)
{
	const struct store_move *row = move_row(move);
	struct peer_prepare_reply reply = { .channels = { "ram" },
					    .channel_count = 1,
					    .compared = move_was_compared(move),
					    .autostart_due = move_is_to_be_started(move) };
	struct err err;

	if (row->error_code[0]) {
		err_set(&err, err_from_name(row->error_code), "%s", row->error_text);
		http_reply_err(pending->req, &err);
		return;
	}
	snprintf(reply.data_address, sizeof(reply.data_address), "%s", pending->api->data_address);
	snprintf(reply.token, sizeof(reply.token), "%s", move_token(move));
	http_reply_as(pending->req, 200, peer_prepare_reply_fields, &reply);
}

static void on_prepared(void *data, struct move *move)
{
	struct pending *pending = data;

	if (move)
		reply_prepared(pending, move);
	else
		http_reply_stopping(pending->req);
	free(pending);
}

static void reply_reasons(struct http_request *req, const struct preflight_reasons *reasons,
			  const struct err *err)
{
	struct problem_check checks[PREFLIGHT_ROWS_MAX];
	struct problem_of_offer reply = { .problem = http_problem(err), .reasons = checks };

	for (size_t i = 0; i < reasons->count; i++) {
		if (!reasons->list[i].is_warning)
			checks[reply.reason_count++] = (struct problem_check){
				.check = reasons->list[i].check,
				.detail = reasons->list[i].text,
			};
	}
	http_reply_as(req, (int)reply.problem.status, problem_of_offer_fields, &reply);
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

/* Borrows from PREPARE. */
static struct move_offer offer_of(const struct peer_prepare *prepare, bool is_trial)
{
	return (struct move_offer){
		.id = prepare->move_id,
		.source = prepare->source,
		.generation = prepare->generation,
		.definition = prepare->definition,
		.evidence = prepare->evidence,
		.plan = prepare->plan,
		.options = prepare->options,
		.run = prepare->run,
		.stopped = prepare->stopped,
		.autostart_due = prepare->autostart_due,
		.hold_s = prepare->hold_s,
		.is_trial = is_trial,
	};
}

void api_peer_prepare(struct http_request *req, void *data)
{
	struct api *api = data;
	struct peer_prepare prepare;
	struct move_offer offer;
	struct err err;

	if (!api_sure(req, api))
		return;
	if (!peer_prepare_decode(http_body(req), &prepare, &err)) {
		http_reply_err(req, &err);
		return;
	}
	peer_prepare_join(&prepare);
	offer = offer_of(&prepare, false);
	if (peer_prepare_check(&prepare, http_param(req, "id"), http_caller_name(req), &err))
		take_offer(req, api, &offer);
	else
		http_reply_err(req, &err);
	peer_prepare_fini(&prepare);
}

/* ---- preflight ----------------------------------------------------------- */

static void reply_preflight(const struct pending *pending, const struct preflight_reasons *reasons)
{
	struct peer_preflight_reply *reply = xnew(struct peer_preflight_reply);
	int64_t days = tls_live_days_left(pending->api->tls);
	int64_t seconds = tls_live_seconds_left(pending->api->tls);

	reply->now_ms = (uint64_t)clock_wall_ms();
	snprintf(reply->data_address, sizeof(reply->data_address), "%s",
		 pending->api->data_address);
	reply->certificate_days = days > 0 ? (uint64_t)days : 0;
	reply->has_certificate_s = true;
	reply->certificate_s = seconds > 0 ? (uint64_t)seconds : 0;
	for (size_t i = 0; i < reasons->count; i++) {
		const struct preflight_reason *found = &reasons->list[i];
		struct peer_reason *reason = found->is_warning
						     ? &reply->warnings[reply->warning_count++]
						     : &reply->reasons[reply->reason_count++];

		snprintf(reason->check, sizeof(reason->check), "%s", found->check);
		snprintf(reason->detail, sizeof(reason->detail), "%s", found->text);
	}
	http_reply_as(pending->req, 200, peer_preflight_reply_fields, reply);
	free(reply);
}

static void on_looked(void *data, struct move *move, const struct preflight_reasons *reasons,
		      const struct err *err)
{
	struct pending *pending = data;

	(void)move;
	if (reasons)
		reply_preflight(pending, reasons);
	else
		http_reply_err(pending->req, err);
	free(pending);
}

void api_peer_preflight(struct http_request *req, void *data)
{
	struct api *api = data;
	struct peer_prepare prepare;
	struct move_offer offer;
	struct pending *pending;
	struct err err;
	bool ok;

	if (!api_sure(req, api))
		return;
	if (!peer_prepare_decode(http_body(req), &prepare, &err)) {
		http_reply_err(req, &err);
		return;
	}
	peer_prepare_join(&prepare);
	offer = offer_of(&prepare, true);
	pending = pending_new(req, api);
	ok = peer_prepare_check(&prepare, prepare.move_id, http_caller_name(req), &err) &&
	     moves_offer(api->moves, &offer, on_looked, pending, &err);
	if (!ok) {
		http_reply_err(req, &err);
		free(pending);
	}
	peer_prepare_fini(&prepare);
}

/* ---- probe ---------------------------------------------------------------- */

void api_peer_probe(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct peer_probe_reply reply;
	struct peer_probe probe;
	struct err err;

	if (!api_ready(req, api))
		return;
	if (peer_probe_decode(http_body(req), &probe, &err) &&
	    moves_offer_probe(api->moves, http_caller_name(req), &probe, &reply, &err))
		http_reply_as(req, 200, peer_probe_reply_fields, &reply);
	else
		http_reply_err(req, &err);
	explicit_bzero(&reply, sizeof(reply));
}

/* ---- go and drop ---------------------------------------------------------- */

/* NONE is sent as UNKNOWN: a destination that has decided nothing permits nothing. */
static enum verdict verdict_of(const struct move *move)
{
	enum verdict verdict = move_verdict(move);

	return verdict == VERDICT_NONE ? VERDICT_UNKNOWN : verdict;
}

static void reply_verdict(struct http_request *req, struct move *move)
{
	struct peer_verdict_reply reply = {
		.verdict.verdict = (int)verdict_of(move),
		.verdict.resumed_us = move_resumed_us(move),
		.times = move_show_times(move),
	};

	snprintf(reply.verdict.reason, sizeof(reply.verdict.reason), "%s",
		 move_row(move)->error_text);
	http_reply_as(req, 200, peer_verdict_reply_fields, &reply);
}

static void on_verdict(void *data, struct move *move)
{
	if (move)
		reply_verdict(data, move);
	else
		http_reply_stopping(data);
}

typedef struct move *claim_fn(struct moves *moves, const struct move_claim *claim, struct err *err);

/* NULL: ERR is to be answered. */
static struct move *take_claim(struct http_request *req, struct api *api, claim_fn *fn,
			       struct err *err)
{
	struct peer_claim claim;

	if (!peer_claim_decode(http_body(req), &claim, err))
		return NULL;
	return fn(api->moves,
		  &(struct move_claim){
			  .id = http_param(req, "id"),
			  .source = http_caller_name(req),
			  .vm_uuid = claim.uuid,
			  .generation = claim.generation,
			  .run = claim.run,
			  .switched = claim.switched,
			  .addresses = claim.addresses,
			  .address_count = claim.address_count,
			  .has_outage_ping = claim.has_outage_ping,
			  .outage_ping_ms = claim.outage_ping_ms,
		  },
		  err);
}

static void answer_claim(struct http_request *req, struct api *api, claim_fn *fn)
{
	struct move *move;
	struct err err;

	if (!api_sure(req, api))
		return;
	move = take_claim(req, api, fn, &err);
	if (move)
		move_when(move, MOVE_VERDICT, on_verdict, req);
	else
		http_reply_err(req, &err);
}

void api_peer_go(struct http_request *req, void *data)
{
	answer_claim(req, data, moves_go);
}

void api_peer_drop(struct http_request *req, void *data)
{
	answer_claim(req, data, moves_drop);
}

/* ---- recover ---------------------------------------------------------------- */

static void on_rejoined(void *data, struct move *move)
{
	struct pending *pending = data;
	struct err err;

	if (!move)
		http_reply_stopping(pending->req);
	else if (move_rejoin_failed(move, &err))
		http_reply_err(pending->req, &err);
	else
		reply_prepared(pending, move);
	free(pending);
}

void api_peer_recover(struct http_request *req, void *data)
{
	struct api *api = data;
	struct move *move;
	struct err err;

	if (!api_sure(req, api))
		return;
	move = take_claim(req, api, moves_rejoin, &err);
	if (move)
		move_when(move, MOVE_REJOINED, on_rejoined, pending_new(req, api));
	else
		http_reply_err(req, &err);
}

/* ---- settle ---------------------------------------------------------------- */

static void reply_settled(struct http_request *req)
{
	const struct peer_settled reply = { .settled = true };

	http_reply_as(req, 200, peer_settled_fields, &reply);
}

static void on_settled(void *data, struct move *move)
{
	struct err err;

	if (!move) {
		http_reply_stopping(data);
		return;
	}
	if (move_is_settled(move)) {
		reply_settled(data);
		return;
	}
	err_set(&err, ERR_CONFLICT,
		"the move ended here with verdict '%s', and that it is settled is not on disk",
		verdict_names[move_verdict(move)]);
	http_reply_err(data, &err);
}

void api_peer_settle(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct peer_settle settle;
	struct move *move = NULL;
	struct err err;

	if (!api_ready(req, api))
		return;
	if (!peer_settle_decode(http_body(req), &settle, &err) ||
	    !moves_settle(api->moves,
			  &(struct move_claim){
				  .id = http_param(req, "id"),
				  .source = http_caller_name(req),
				  .vm_uuid = settle.uuid,
				  .generation = settle.generation,
				  .run = settle.run,
				  .verdict = (enum verdict)settle.verdict,
			  },
			  &move, &err))
		http_reply_err(req, &err);
	else if (move)
		move_when(move, MOVE_SETTLED, on_settled, req);
	else
		reply_settled(req);
}

/* ---- fate ------------------------------------------------------------------ */

/* The verdict on a move that this host does not know, by the VM that the query names. */
static enum verdict verdict_by_query(const struct api *api, const struct http_request *req)
{
	const char *uuid = http_query(req, "uuid"), *generation = http_query(req, "generation");
	char *end;
	uint64_t value = generation ? strtoull(generation, &end, 10) : 0;

	if (!uuid || !generation || end == generation || *end || !id_uuid_is_valid(uuid))
		return VERDICT_UNKNOWN;
	return moves_verdict_by_vm(api->moves, uuid, value);
}

static void reply_unknown(struct http_request *req, const struct api *api)
{
	struct peer_fate fate = { .state = "unknown", .verdict = (int)verdict_by_query(api, req) };

	snprintf(fate.reason, sizeof(fate.reason), "host '%s' has no record of the move",
		 api->host_id);
	http_reply_as(req, 200, peer_fate_fields, &fate);
}

void api_peer_fate(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct move *move;
	struct peer_fate fate = { 0 };
	struct err err;

	if (!api_sure(req, api))
		return;
	move = moves_find(api->moves, http_param(req, "id"));
	if (!move) {
		reply_unknown(req, api);
		return;
	}
	if (strcmp(move_row(move)->peer, http_caller_name(req)) != 0) {
		err_set(&err, ERR_NOT_FOUND, "host '%s' has no such move with host '%s'",
			api->host_id, http_caller_name(req));
		http_reply_err(req, &err);
		return;
	}
	if (http_query(req, "priority"))
		move_follow_priority(move, http_query(req, "priority"));
	fate.cannot_record = !move_can_record(move);
	fate.interrupted = move_is_interrupted(move);
	fate.needs_stream = move_needs_stream(move);
	fate.sends_no_more = move_sends_no_more(move);
	fate.memory_lost = move_has_lost_memory(move);
	fate.final = move_is_final(move);
	fate.run = move_run(move);
	fate.limit_bytes_per_s = move_share_let_come(move);
	if (!move_is_out(move))
		snprintf(fate.priority, sizeof(fate.priority), "%s",
			 move_priority_names[move_priority(move)]);
	fate.at_us = (uint64_t)clock_wall_us();
	fate.resumed_us = move_resumed_us(move);
	fate.has_frames = move_frames_told(move, &fate.frames);
	fate.verdict = (int)move_verdict(move);
	snprintf(fate.state, sizeof(fate.state), "%s", move_state_name(move));
	snprintf(fate.reason, sizeof(fate.reason), "%s", move_reason(move));
	http_reply_as(req, 200, peer_fate_fields, &fate);
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

/* Adds a VM whose QEMU is here although its record is gone. */
static void add_unrecorded(const struct api *api, struct peer_vms *page, const char *uuid)
{
	struct peer_vm *item = &page->items[page->count];

	if (!id_uuid_is_valid(uuid) || !vms_has_listener(api->vms, uuid))
		return;
	snprintf(item->uuid, sizeof(item->uuid), "%s", uuid);
	snprintf(item->name, sizeof(item->name), "%s", uuid);
	snprintf(item->role, sizeof(item->role), "unrecorded");
	snprintf(item->state, sizeof(item->state), "unknown");
	page->count++;
}

static void add_one(const struct api *api, struct peer_vms *page, const char *uuid)
{
	const struct vm *vm = vm_find_uuid(api->vms, uuid);

	if (vm)
		add_vm(page, vm);
	else
		add_unrecorded(api, page, uuid);
}

static void reply_one(struct http_request *req, const struct api *api)
{
	struct peer_vms *page = xnew(struct peer_vms);

	add_one(api, page, http_query(req, "uuid"));
	http_reply_as(req, 200, peer_vms_fields, page);
	free(page);
}

struct question {
	struct http_request *req;
	const struct api *api;
};

static void on_asker_noted(void *data, const struct err *err)
{
	struct question *question = data;

	if (err)
		http_reply_err(question->req, err);
	else
		reply_one(question->req, question->api);
	free(question);
}

/* The caller may start the VM because of this answer.  So a host that owns the VM records the
 * caller first, and must ask it from then on before it starts the VM. */
static void tell_one(struct http_request *req, const struct api *api, const char *uuid)
{
	struct vm *vm = vm_find_uuid(api->vms, uuid);
	const char *asker = http_caller_name(req);
	struct question *question;

	if (!vm || vm_role(vm) != VM_ROLE_OWNED || vm_has_recorded_host(vm, asker)) {
		reply_one(req, api);
		return;
	}
	question = xnew(struct question);
	question->req = req;
	question->api = api;
	vm_record_host(vm, asker, on_asker_noted, question);
}

void api_peer_vms(struct http_request *req, void *data)
{
	const struct api *api = data;
	const char *after = http_query(req, "after");
	const char *uuid = http_query(req, "uuid");
	struct peer_vms *page;
	struct vm *vm;

	if (!api_ready(req, api))
		return;
	if (uuid) {
		tell_one(req, data, uuid);
		return;
	}
	page = xnew(struct peer_vms);
	for (vm = vm_next(api->vms, after); vm && page->count < PEER_VMS_MAX;
	     vm = vm_next(api->vms, vm_name(vm)))
		add_vm(page, vm);
	if (vm)
		snprintf(page->next, sizeof(page->next), "%s", page->items[page->count - 1].name);
	http_reply_as(req, 200, peer_vms_fields, page);
	free(page);
}
