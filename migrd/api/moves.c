/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of moves. */
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "owner/start.h"
#include "wire/event.h"
#include "wire/transfer_plan.h"
#include "wire/trial_reply.h"

/* How long a cancel waits until the owner of the guest is known; then it says what is known. */
#define CANCEL_PATIENCE_MS 10000

void api_move_changed(void *data, const struct move *move)
{
	struct api *api = data;
	const struct event_move event = { .move = move_show(move), .at = clock_wall_ms() };

	if (api->queue)
		queue_look(api->queue);
	evacuations_look(api->evacuations);
	bus_publish(api->bus, "move", json_encode(event_move_fields, &event));
	waits_look(api->waits, move_machine(move));
}

static struct move *find(struct http_request *req, const struct api *api)
{
	struct move *move = moves_find(api->moves, http_param(req, "id"));
	struct err err;

	if (!move) {
		err_set(&err, ERR_NOT_FOUND, "there is no move '%.40s' on this host",
			http_param(req, "id"));
		http_reply_err(req, &err);
	}
	return move;
}

void api_move_get(struct http_request *req, void *data)
{
	const struct move *move = find(req, data);

	if (move)
		http_reply(req, 200, move_json(move));
}

/* ---- start and change --------------------------------------------------- */

struct starting {
	struct http_request *req;
	struct api *api;
};

/* The reply warns of a hold, which stops no move that a person orders. */
static void reply_started(struct http_request *req, const struct api *api, const struct move *move)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	struct move_reply reply = move_show(move);
	const char *warning;

	reply.has_warnings = true;
	if (reply.options.priority == MOVE_PRIORITY_INTERACTIVE && !reply.final &&
	    holds_vm(api->holds, reply.vm_uuid, &why)) {
		strbuf_adds(&why, "; this move goes on all the same, as a person has ordered it");
		warning = strbuf_str(&why);
		reply.warnings = &warning;
		reply.warning_count = 1;
	}
	http_reply_as(req, 202, move_reply_fields, &reply);
}

static void on_recorded(void *data, struct move *move)
{
	struct starting *starting = data;

	if (move)
		reply_started(starting->req, starting->api, move);
	else
		http_reply_stopping(starting->req);
	free(starting);
}

static void on_started(void *data, struct move *move, const struct err *err)
{
	struct starting *starting = data;

	if (move) {
		move_when(move, MOVE_RECORDED, on_recorded, data);
	} else {
		http_reply_err(starting->req, err);
		free(starting);
	}
}

/* The whole request as text; its members always come in the same order. */
static char *request_text(const struct move_request *request)
{
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(move_request_fields, request);

	return xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
}

static void on_tried(void *data, const struct trial_reply *reply, const struct err *err)
{
	if (reply)
		http_reply_as(data, 200, trial_reply_fields, reply);
	else
		http_reply_err(data, err);
}

static void set_defaults(const struct api *api, struct move_options *options)
{
	if (!options->has_bandwidth)
		options->bandwidth_bytes_per_s = api->defaults.bandwidth_bytes_per_s;
	if (!options->has_downtime_limit)
		options->downtime_limit_ms = api->defaults.downtime_limit_ms;
}

static void try(struct http_request *req, struct api *api, const struct move_request *request)
{
	struct move_wish wish = {
		.vm = request->vm,
		.to = request->to,
		.policy = request->policy,
		.options = request->options,
		.certificate_s = api->tls ? tls_live_seconds_left(api->tls) : 0,
	};

	set_defaults(api, &wish.options);
	moves_try(api->moves, &wish, on_tried, req);
}

static void start(struct http_request *req, struct api *api, const struct move_request *request,
		  bool may_start)
{
	CLEANUP(free_charp) char *text = request_text(request);
	char key[ID_NAME_SIZE];
	struct move_wish wish = {
		.vm = request->vm,
		.to = request->to,
		.policy = request->policy,
		.options = request->options,
		.request = text,
		.may_start = may_start,
		.by = http_caller_name(req),
	};
	struct starting *starting;
	struct err err;

	if (!api_key_of(req, key, &err)) {
		http_reply_err(req, &err);
		return;
	}
	wish.key = key[0] ? key : NULL;
	set_defaults(api, &wish.options);
	if (wish.options.assert_same_disks || wish.options.assert_same_cpu)
		log_warning("move", "asserted", "vm=%s peer=%s what=%s by=%s", wish.vm, wish.to,
			    !wish.options.assert_same_cpu     ? "disks"
			    : !wish.options.assert_same_disks ? "cpu"
							      : "disks,cpu",
			    http_caller_name(req));
	starting = xnew(struct starting);
	*starting = (struct starting){ req, api };
	moves_start(api->moves, &wish, on_started, starting);
}

/* A request whose VM is stopped: the peers are asked first. */
struct asking {
	struct http_request *req;
	struct api *api;
	struct move_request request;
};

static void on_asked(void *data, const struct err *err)
{
	struct asking *asking = data;

	if (err)
		http_reply_err(asking->req, err);
	else
		start(asking->req, asking->api, &asking->request, true);
	free(asking);
}

static void ask_or_start(struct http_request *req, struct api *api,
			 const struct move_request *request)
{
	const struct start_wish wish = { .action = VM_ACTION_START, .by = http_caller_name(req) };
	struct vm *vm = vm_find(api->vms, request->vm);
	struct asking *asking;

	if (!vm || !vm_is_stopped(vm) || vm_job(vm)) {
		start(req, api, request, false);
		return;
	}
	asking = xnew(struct asking);
	asking->req = req;
	asking->api = api;
	asking->request = *request;
	start_ask(&api->newest_env, api->newest, vm, &wish, on_asked, asking);
}

void api_moves_start(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct move_request request;

	if (!api_sure(req, data)) {
		;
	} else if (!move_request_decode(http_body(req), &request, faults)) {
		http_reply_faults(req, faults);
	} else if (api_is_dry_run(req)) {
		try(req, data, &request);
	} else {
		ask_or_start(req, data, &request);
	}
	faults_free(faults);
}

static void reply_set(struct http_request *req, const struct move *move,
		      const struct move_changes *changes)
{
	char did[MOVE_DID_SIZE];
	const struct move_patch_reply reply = {
		.did = did,
		.move = move_show(move),
		.changed = changes->changed,
		.changed_count = changes->changed_count,
		.kept = changes->kept,
		.kept_count = changes->kept_count,
	};

	move_say_set(move, changes, did);
	http_reply_as(req, 200, move_patch_reply_fields, &reply);
}

static void on_set(void *data, struct move *move, const struct move_changes *changes,
		   const struct err *err)
{
	struct err gone;

	if (!err && !move)
		err_set(&gone, ERR_NOT_FOUND, "the move is gone");
	if (err || !move)
		http_reply_err(data, err ? err : &gone);
	else
		reply_set(data, move, changes);
}

void api_move_set(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct faults *faults = faults_new();
	struct move_patch patch;
	struct move_setting setting = {
		.bandwidth_bytes_per_s = api->defaults.bandwidth_bytes_per_s,
		.downtime_limit_ms = api->defaults.downtime_limit_ms,
	};
	struct move *move = find(req, data);
	struct err err;

	if (!move) {
		;
	} else if (!move_patch_decode(http_body(req), &patch, faults)) {
		http_reply_faults(req, faults);
	} else {
		setting.options = patch.options;
		setting.policy = patch.policy;
		setting.priority = (enum move_priority)patch.priority;
		setting.has_priority = patch.has_priority;
		if (!move_set(move, &setting, on_set, req, &err))
			http_reply_err(req, &err);
	}
	faults_free(faults);
}

/* ---- cancel -------------------------------------------------------------- */

/* A cancel is answered at the end of the move or at the deadline, whichever is first. */
struct cancel {
	struct http_request *req; /* NULL: answered */
	struct moves *moves;
	char id[ID_UUID_SIZE];
	struct loop_timer *deadline;
	struct err refusal; /* set: the cancel came too late */
};

/* Says in words what came of a cancel; REFUSAL is set if it came too late. */
static void explain(const struct move *move, bool under_way, const struct err *refusal,
		    struct err *ret)
{
	if (move_was_cancelled(move))
		err_set(ret, ERR_CANCELLED,
			"the move has ended: the guest is on host '%s', where it was, and host "
			"'%s' "
			"has dropped what it had of it, or will when it is heard again",
			move_source(move), move_destination(move));
	else if (move_is_calling_back(move))
		err_set(ret, ERR_BUSY,
			"QEMU was told to let the guest run on here, and has not answered: the "
			"guest stands still until it does, or has sent it all");
	else if (under_way)
		err_set(ret, ERR_CANCELLED,
			"the cancel is under way: the guest stays on host '%s'; the move ends when "
			"host '%s' has answered, or without it after a while",
			move_owner(move), move_destination(move));
	else if (move_owner(move))
		err_set(ret, ERR_TOO_LATE, "the move is %s; host '%s' owns the guest",
			move_state_name(move), move_owner(move));
	else
		err_set(ret, ERR_TOO_LATE,
			"the move is %s: host '%s' was asked to take the guest and has not "
			"answered",
			move_state_name(move), move_destination(move));
	if (err_is_set(refusal))
		err_wrap(ret, "%s", refusal->msg);
}

static void answer_cancel(struct cancel *cancel, struct move *move)
{
	struct http_request *req = TAKE_PTR(cancel->req);
	bool cancelled = move_was_cancelled(move);
	bool under_way = !cancelled && move_is_cancelling(move);
	struct move_cancel_problem late;
	struct err outcome;

	explain(move, under_way, &cancel->refusal, &outcome);
	late.cancel = (struct move_cancel_reply){
		.cancelled = cancelled,
		.under_way = under_way,
		.owner = move_owner(move),
		.state = move_state_name(move),
		.detail = outcome.msg,
	};
	if (cancelled || under_way) {
		http_reply_as(req, cancelled ? 200 : 202, move_cancel_fields, &late.cancel);
	} else {
		late.problem = http_problem(&outcome);
		http_reply_as(req, (int)late.problem.status, move_cancel_problem_fields, &late);
	}
	loop_timer_free(TAKE_PTR(cancel->deadline));
}

static void on_ended(void *data, struct move *move)
{
	struct cancel *cancel = data;

	if (cancel->req && move)
		answer_cancel(cancel, move);
	else if (cancel->req)
		http_reply_stopping(cancel->req);
	loop_timer_free(cancel->deadline);
	free(cancel);
}

/* The move goes on towards its end, at which on_ended() frees the cancel. */
static void on_cancel_deadline(void *data)
{
	struct cancel *cancel = data;
	struct move *move = moves_find(cancel->moves, cancel->id);

	if (move)
		answer_cancel(cancel, move);
}

void api_cancel(struct http_request *req, struct api *api, struct move *move)
{
	struct cancel *cancel;
	struct err err = { 0 };

	if (!move_cancel(move, http_caller_name(req), &err) && err.code != ERR_TOO_LATE) {
		http_reply_err(req, &err);
		return;
	}
	cancel = xnew(struct cancel);
	cancel->req = req;
	cancel->moves = api->moves;
	memcpy(cancel->id, move_row(move)->id, sizeof(cancel->id));
	cancel->refusal = err;
	if (err_is_set(&err) && move_verdict(move) == VERDICT_TAKEN) { /* nothing is uncertain */
		answer_cancel(cancel, move);
		free(cancel);
		return;
	}
	cancel->deadline = loop_timer_new(api->loop, on_cancel_deadline, cancel);
	loop_timer_start(cancel->deadline, CANCEL_PATIENCE_MS);
	move_when(move, MOVE_ENDED, on_ended, cancel);
}

void api_move_cancel(struct http_request *req, void *data)
{
	struct move *move = find(req, data);

	if (move)
		api_cancel(req, data, move);
}

/* ---- resolve --------------------------------------------------------------- */

static bool resolve(struct http_request *req, struct move *move,
		    const struct move_resolve_request *request, struct err *err)
{
	return move_resolve(move,
			    &(struct move_resolution){
				    .keep = request->keep == 0 ? MOVE_KEEP_SOURCE
							       : MOVE_KEEP_DESTINATION,
				    .assert_dead = request->assert_dead,
				    .by = http_caller_name(req),
				    .why = request->why,
			    },
			    err);
}

void api_move_resolve(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct move_resolve_request request;
	struct move *move = find(req, data);
	struct err err;

	if (!move) {
		;
	} else if (!move_resolve_decode(http_body(req), &request, faults)) {
		http_reply_faults(req, faults);
	} else if (!resolve(req, move, &request, &err)) {
		http_reply_err(req, &err);
	} else {
		http_reply(req, 200, move_json(move));
	}
	faults_free(faults);
}

/* ---- other requests to a running move --------------------------------------------- */

/* A request that says before what it will do. */
static void ask_for(struct http_request *req, struct api *api,
		    void (*say)(const struct move *move, char ret[MOVE_DID_SIZE]),
		    bool (*act)(struct move *move, struct err *err))
{
	struct move *move = find(req, api);
	char did[MOVE_DID_SIZE];
	struct err err;

	if (!move)
		return;
	say(move, did);
	if (!act(move, &err))
		http_reply_err(req, &err);
	else
		http_reply_as(req, 202, move_did_fields,
			      &(struct move_did_reply){ .move = move_show(move), .did = did });
}

void api_move_postcopy(struct http_request *req, void *data)
{
	ask_for(req, data, move_say_switch, move_switch);
}

void api_move_release(struct http_request *req, void *data)
{
	ask_for(req, data, move_say_release, move_release);
}

static void finish(struct http_request *req, struct move *move, bool force)
{
	const struct move_finish_wish wish = { .force = force, .by = http_caller_name(req) };
	struct move_finishing finishing;
	struct err err;

	if (!move_finish(move, &wish, &finishing, &err))
		http_reply_err(req, &err);
	else
		http_reply_as(req, 202, move_finish_reply_fields,
			      &(struct move_finish_reply){
				      .move = move_show(move),
				      .did = finishing.did,
				      .left_bytes = finishing.left_bytes,
				      .sent_bytes_per_s = finishing.sent_bytes_per_s,
				      .stop_ms = finishing.stop_ms,
			      });
}

void api_move_finish(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct move *move = find(req, data);
	struct move_finish_request request;

	if (!move)
		;
	else if (!move_finish_decode(http_body(req), &request, faults))
		http_reply_faults(req, faults);
	else
		finish(req, move, request.force);
	faults_free(faults);
}

/* The caller's certificate says for which party it asks. */
void api_move_delay(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct notice_answer wish;
	struct move *move = find(req, data);
	struct err err;

	if (!move) {
		;
	} else if (!notice_delay_decode(http_body(req), &wish, faults)) {
		http_reply_faults(req, faults);
	} else if (!move_delay(move, http_caller_name(req), &wish, &err)) {
		http_reply_err(req, &err);
	} else {
		http_reply(req, 202, move_json(move));
	}
	faults_free(faults);
}

void api_move_plan(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct move *move = find(req, api);
	struct err err;

	if (!move)
		return;
	if (move_plan(move)) {
		http_reply_as(req, 200, transfer_plan_fields, move_plan(move));
		return;
	}
	err_set(&err, ERR_NOT_FOUND,
		"move '%s' has no plan: the source makes it in begin, when it has heard what the "
		"destination offers",
		move_row(move)->id);
	http_reply_err(req, &err);
}

void api_move_passes(struct http_request *req, void *data)
{
	struct api_list list = api_list_begin(req, data);
	const struct move *move = find(req, data);
	const struct move_pass *passes;
	size_t count;

	if (!move)
		return;
	passes = move_passes(move, &count);
	for (size_t i = 0; i < count; i++)
		api_list_show(&list, move_pass_fields, &passes[i]);
	api_list_reply(&list, NULL);
}

/* ---- timeline ------------------------------------------------------------- */

static void on_timeline(void *data, const struct store_timeline_entry *entries, size_t count,
			const struct err *err)
{
	struct api_pending *pending = data;
	struct api_list list = api_list_begin(pending->req, pending->api);

	free(pending);
	if (err) {
		http_reply_err(list.req, err);
		return;
	}
	for (size_t i = 0; i < count; i++)
		api_list_show(&list, move_timeline_fields,
			      &(struct move_timeline_item){
				      .at = entries[i].at_ms,
				      .event = entries[i].event,
				      .detail = entries[i].detail,
			      });
	api_list_reply(&list, NULL);
}

void api_move_timeline(struct http_request *req, void *data)
{
	struct api *api = data;
	const struct move *move = find(req, api);

	if (move)
		store_timeline(api->store, move_row(move)->id, on_timeline,
			       api_pending_new(req, api, "", 200));
}
