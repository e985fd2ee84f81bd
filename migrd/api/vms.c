/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of VMs. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "owner/start.h"
#include "vm/about.h"
#include "vm/entry.h"
#include "vm/rename.h"
#include "vm/same_mac.h"
#include "wire/event.h"
#include "wire/vm_edit.h"
#include "wire/vm_request.h"

/* What holds the monitor of the VM now, and how many wait for it. */
static struct vm_shown_monitor monitor_of(const struct vm *vm)
{
	struct vm_shown_monitor monitor = { .waiting = vm_waiting(vm) };
	struct vm_holder holder;

	if (vm_holder(vm, &holder)) {
		monitor.has_holder = true;
		monitor.holder = (struct vm_shown_holder){
			.id = holder.id,
			.kind = vm_sync_name(holder.kind),
			.command = holder.command[0] ? holder.command : NULL,
			.held_ms = holder.held_ms,
		};
	}
	return monitor;
}

/* WARNING: NULL: the reply has no `warnings'; a pointer to NULL: they are an empty list. EDIT_COUNT
 * 0: it has no `edits'. */
static void reply_vm(struct http_request *req, int status, const struct api *api,
		     const struct vm *vm, const char *const *warning,
		     const struct vm_shown_edit *edits, size_t edit_count)
{
	struct vm_reply reply = {
		.monitor = monitor_of(vm),
		.has_edits = edit_count > 0,
		.edits = edits,
		.edit_count = edit_count,
	};
	CLEANUP(strbuf_fini) struct strbuf held = STRBUF_INIT, autostart = STRBUF_INIT;

	reply.definition = json_read_back(vm_definition(vm));
	api_vm_summary_of(api, vm, reply.definition, &reply.summary);
	if (vm_role(vm) == VM_ROLE_OWNED && holds_vm(api->holds, vm_uuid(vm), &held))
		reply.held = strbuf_str(&held);
	if (autostart_waits(api->autostart, vm, &autostart))
		reply.autostart = strbuf_str(&autostart);
	reply.has_warnings = warning;
	reply.warnings = warning;
	reply.warning_count = warning && *warning;
	http_reply_as(req, status, vm_reply_fields, &reply);
	json_object_put(reply.definition);
}

void api_vm_reply(struct http_request *req, int status, const struct api *api, const struct vm *vm)
{
	if (vm)
		reply_vm(req, status, api, vm, NULL, NULL, 0);
	else
		http_reply(req, status, NULL);
}

static void tell_gone(const struct api *api, const char *name)
{
	const struct event_vm_gone event = {
		.name = name, .state = "gone", .host = api->host_id, .at = clock_wall_ms()
	};

	bus_publish(api->bus, "vm", json_encode(event_vm_gone_fields, &event));
}

void api_vm_changed(void *data, const char *name, const struct vm *vm)
{
	struct api *api = data;
	struct event_vm event = { .at = clock_wall_ms() };

	api->host.is_count_right = false;
	if (api->queue)
		queue_look(api->queue);
	evacuations_look(api->evacuations);
	autostart_note(api->autostart, vm);
	if (api->capacity)
		capacity_note(api->capacity);
	shutdown_look(api->shutdown);
	if (!vm) {
		tell_gone(api, name);
		return;
	}
	api_vm_summary(api, vm, &event.vm);
	bus_publish(api->bus, "vm", json_encode(event_vm_fields, &event));
}

/* Which VMs are asked for. */
struct vm_filter {
	const char *state;    /* NULL: any */
	const char *selector; /* as JSON; NULL: any labels */
};

static bool passes(struct vm *vm, const struct vm_filter *filter)
{
	return (!filter->state || strcmp(vm_state(vm), filter->state) == 0) &&
	       (!filter->selector || labels_match(vm_labels(vm), filter->selector));
}

#define LABEL_KEY_SIZE 320 /* longer than a key can be (wire/labels.h) */

/* From KEY=VALUE; NULL: it is none, and REQ was answered. */
static char *selector_of(struct http_request *req, const char *label)
{
	const char *equals = strchr(label, '=');
	struct faults *faults = faults_new();
	struct json_object *obj = json_object_new_object();
	char key[LABEL_KEY_SIZE];
	char *ret = NULL;

	if (equals && (size_t)(equals - label) < sizeof(key)) {
		snprintf(key, sizeof(key), "%.*s", (int)(equals - label), label);
		json_add_str(obj, key, equals + 1);
		if (labels_check(obj, "?label", false, faults))
			ret = xstrdup(json_text(obj, NULL));
	} else {
		faults_add(faults, "?label", "must be KEY=VALUE");
	}
	if (!ret)
		http_reply_faults(req, faults);
	json_object_put(obj);
	faults_free(faults);
	return ret;
}

static void list_vms(struct http_request *req, const struct api *api,
		     const struct vm_filter *filter)
{
	const struct api_page page = api_page_of(req);
	struct api_list list = api_list_begin(req, api);
	const char *last = NULL;
	uint64_t count = 0;
	size_t len;

	for (struct vm *vm = vm_next(api->vms, page.after); vm;
	     vm = vm_next(api->vms, vm_name(vm))) {
		const char *text;

		if (!passes(vm, filter))
			continue;
		if (count++ == page.limit) {
			api_list_reply(&list, last);
			return;
		}
		text = api_vm_summary_text(api, vm, &len);
		api_list_add(&list, text, len);
		last = vm_name(vm);
	}
	api_list_reply(&list, NULL);
}

void api_vms_list(struct http_request *req, void *data)
{
	const char *label = http_query(req, "label");
	CLEANUP(free_charp) char *selector = label ? selector_of(req, label) : NULL;

	if (!label || selector)
		list_vms(req, data, &(struct vm_filter){ http_query(req, "state"), selector });
}

struct vm *api_vm_find(struct http_request *req, const struct api *api)
{
	struct vm *vm = vm_find(api->vms, http_param(req, "name"));
	struct err err;

	if (!vm) {
		err_set(&err, ERR_NOT_FOUND, "there is no VM '%.64s' on this host",
			http_param(req, "name"));
		http_reply_err(req, &err);
	}
	return vm;
}

void api_vm_get(struct http_request *req, void *data)
{
	const struct vm *vm = api_vm_find(req, data);

	if (vm)
		api_vm_reply(req, 200, data, vm);
}

/* ---- what changes something ------------------------------------------ */

/* A pending request has the uuid of its VM, which may be renamed before its turn comes. */
static void on_done(void *data, const struct err *err)
{
	struct api_pending *pending = data;
	const struct vm *vm = vm_find_uuid(pending->api->vms, pending->name);

	if (err)
		http_reply_err(pending->req, err);
	else
		api_vm_reply(pending->req, pending->status, pending->api, vm);
	free(pending);
}

/* The reply warns of another guest with the same MAC address; no start is refused for it. */
static void on_started(void *data, const struct err *err)
{
	struct api_pending *pending = data;
	const struct vm *vm = vm_find_uuid(pending->api->vms, pending->name);
	char words[ERR_MSG_SIZE];
	const char *warning = !err && vm && vm_same_mac(vm, words) ? words : NULL;

	if (err)
		http_reply_err(pending->req, err);
	else if (vm)
		reply_vm(pending->req, pending->status, pending->api, vm, &warning, NULL, 0);
	else
		http_reply(pending->req, pending->status, NULL);
	free(pending);
}

static void on_created(void *data, const struct err *err)
{
	const struct api_pending *pending = data;

	cordon_creation_ends(pending->api->holds);
	on_done(data, err);
}

static void try_create(struct http_request *req, const struct api *api, const struct vm_def *def)
{
	struct err err;

	if (!vm_find(api->vms, def->name) && !(def->uuid[0] && vm_find_uuid(api->vms, def->uuid))) {
		api_reply_dry(req);
		return;
	}
	err_set(&err, ERR_EXISTS, "there is a VM with the name '%s' or its uuid on this host",
		def->name);
	http_reply_err(req, &err);
}

void api_vms_create(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();
	struct err err;

	if (!api_ready(req, api)) {
		;
	} else if (!vm_def_decode(http_body(req), def, faults) ||
		   !api_policy_is_known(api, def->policy, faults)) {
		http_reply_faults(req, faults);
	} else if (!vm_def_normalize(def, &err) || !cordon_lets_in(api->holds, &err)) {
		http_reply_err(req, &err);
	} else if (api_is_dry_run(req)) {
		try_create(req, api, def);
	} else {
		cordon_creation_begins(api->holds);
		vm_create(api->vms, def, on_created, api_pending_new(req, api, def->uuid, 201));
	}
	faults_free(faults);
	free(def);
}

/* A PATCH until its answer. */
struct patching {
	struct api_pending *pending;
	struct vm_edit edit; /* what it has asked for */
};

#define EDITS_MAX 8

/* Says of each member that was asked for whether it waits. */
static size_t show_edits(struct vm *vm, const struct vm_edit *asked,
			 struct vm_shown_edit ret[EDITS_MAX])
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);
	const char *name, *why;
	size_t count = 0;

	for (size_t i = 0; (name = vm_edit_member(i, &why)) && count < EDITS_MAX; i++) {
		bool waits = def && vm_edit_waits(&def->next, asked, i);

		if (vm_edit_has(asked, i))
			ret[count++] = (struct vm_shown_edit){ name, waits ? "next-start" : "now",
							       waits ? why : NULL };
	}
	return count;
}

static void on_patched(void *data, const struct err *err)
{
	struct patching *patching = data;
	struct api_pending *pending = patching->pending;
	struct vm *vm = vm_find_uuid(pending->api->vms, pending->name);
	struct vm_shown_edit edits[EDITS_MAX];

	if (err)
		http_reply_err(pending->req, err);
	else if (vm)
		reply_vm(pending->req, pending->status, pending->api, vm, NULL, edits,
			 show_edits(vm, &patching->edit, edits));
	else
		http_reply(pending->req, pending->status, NULL);
	free(pending);
	free(patching);
}

static void patch(struct http_request *req, struct api *api, struct vm *vm,
		  const struct vm_patch_request *request)
{
	struct patching *patching = xnew(struct patching);

	patching->edit = request->edit;
	patching->pending = api_pending_new(req, api, vm_uuid(vm), 200);
	vm_change_about(vm, request, on_patched, patching);
}

void api_vm_change(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct faults *faults = faults_new();
	struct vm_patch_request request = { 0 };
	struct err err;

	if (!vm)
		;
	else if (!vm_patch_decode(http_body(req), &request, faults) ||
		 !api_policy_is_known(api, request.policy, faults))
		http_reply_faults(req, faults);
	else if (!api_is_dry_run(req))
		patch(req, api, vm, &request);
	else
		api_on_tried(req, vm_try_about(vm, &request, &err) ? NULL : &err);
	json_release(vm_patch_fields, &request);
	faults_free(faults);
}

/* Orders name their VMs. */
static bool may_rename(const struct api *api, const struct vm *vm, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	for (const struct queue_entry *entry = queue_first(api->queue); entry;
	     entry = queue_next(entry))
		if (!queue_is_final(entry) && strcmp(queue_row(entry)->vm_uuid, vm_uuid(vm)) == 0)
			return err_set(err, ERR_BUSY,
				       "cannot rename VM '%s': entry %s of the queue is to move "
				       "it: "
				       "cancel that, or wait for its end",
				       vm_name(vm), queue_row(entry)->id);
	if (!evacuations_is_on(api->evacuations, &why))
		return true;
	return err_set(err, ERR_CONFLICT, "cannot rename VM '%s' now: %.300s", vm_name(vm),
		       strbuf_str(&why));
}

void api_vm_rename(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct faults *faults = faults_new();
	struct vm_rename_request request = { 0 };
	struct err err;

	if (!vm)
		;
	else if (!json_decode(http_body(req), vm_rename_fields, &request, "", faults))
		http_reply_faults(req, faults);
	else if (!may_rename(api, vm, &err))
		http_reply_err(req, &err);
	else if (!api_is_dry_run(req))
		vm_rename(vm, request.name, on_done, api_pending_new(req, api, vm_uuid(vm), 200));
	else
		api_on_tried(req, vm_try_rename(vm, request.name, &err) ? NULL : &err);
	faults_free(faults);
}

/* A dry run of an action.  CANCELLED: the move that would be cancelled in place of it, or NULL. */
static bool may_act(const struct vm *vm, enum vm_action action, const struct move *cancelled,
		    struct err *err)
{
	if (!cancelled)
		return vm_may_enter(vm, (enum vm_sync)action, err);
	return move_can_cancel(cancelled) ||
	       err_set(err, ERR_TOO_LATE, "move '%s' cannot be cancelled any more",
		       move_row(cancelled)->id);
}

static void act(struct http_request *req, struct api *api, enum vm_action action, int status)
{
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	struct move *move = NULL;
	struct err err;

	/* A stop of a guest that has not arrived cancels its move, which refuses the guest. */
	if (vm && action == VM_ACTION_STOP && vm_role(vm) == VM_ROLE_INCOMING)
		move = moves_active_of(api->moves, vm_uuid(vm));
	if (vm && api_is_dry_run(req))
		api_on_tried(req, may_act(vm, action, move, &err) ? NULL : &err);
	else if (move)
		api_cancel(req, api, move);
	else if (vm)
		vm_act(vm, action, on_done, api_pending_new(req, api, vm_uuid(vm), status));
}

/* A caller who vouches for a silent host decides for two hosts, as `move resolve' does: only
 * an administrator may. */
static bool may_assert(const struct http_request *req, const struct vm_start_request *wish,
		       struct err *err)
{
	if (!wish->assert_count || http_caller_role(req) >= HTTP_ROLE_ADMIN)
		return true;
	return err_set(err, ERR_FORBIDDEN, "assert_dead needs the role admin");
}

/* A dry run of start or resume: the peers are asked, and the answers of those that a person
 * vouches for are not waited for. */
static void try_run(struct http_request *req, struct api *api, struct vm *vm,
		    const struct start_wish *wish)
{
	struct err err;

	if (!vm_may_enter(vm, (enum vm_sync)wish->action, &err) ||
	    (wish->action == VM_ACTION_START && !vm_try_next(vm, &err)) ||
	    (wish->action == VM_ACTION_RESUME && !start_may_resume(api->newest, vm, &err)))
		http_reply_err(req, &err);
	else if (wish->action == VM_ACTION_RESUME)
		api_reply_dry(req);
	else
		start_ask(&api->newest_env, api->newest, vm, wish, api_on_tried, req);
}

static void run(struct http_request *req, struct api *api, enum vm_action action,
		const struct vm_start_request *wish)
{
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;
	const struct start_wish start = { .action = action,
					  .assert_dead = wish->assert_dead,
					  .assert_count = wish->assert_count,
					  .by = http_caller_name(req),
					  .why = wish->why,
					  .is_dry = api_is_dry_run(req) };

	if (!vm || (action == VM_ACTION_START && !api_may_fill(req, api)))
		return;
	if (api_is_dry_run(req))
		try_run(req, api, vm, &start);
	else
		start_vm(&api->newest_env, api->newest, vm, &start,
			 action == VM_ACTION_START ? on_started : on_done,
			 api_pending_new(req, api, vm_uuid(vm), 200));
}

/* start and resume: the guest is to run. */
void api_vm_run(struct http_request *req, void *data)
{
	const char *last = strrchr(http_path(req), '/');
	enum vm_action action = strcmp(last, "/start") == 0 ? VM_ACTION_START : VM_ACTION_RESUME;
	struct faults *faults = faults_new();
	struct vm_start_request wish;
	struct err err;

	if (!vm_start_decode(http_body(req), &wish, faults))
		http_reply_faults(req, faults);
	else if (!may_assert(req, &wish, &err))
		http_reply_err(req, &err);
	else
		run(req, data, action, &wish);
	faults_free(faults);
}

void api_vm_delete(struct http_request *req, void *data)
{
	act(req, data, VM_ACTION_DELETE, 204);
}

void api_vm_action(struct http_request *req, void *data)
{
	const char *name = http_param(req, "action");
	struct err err;

	for (unsigned i = 0; i < VM_ACTION_COUNT; i++) {
		enum vm_action action = (enum vm_action)i;

		if (action != VM_ACTION_DELETE && strcmp(vm_action_name(action), name) == 0) {
			act(req, data, action, 200);
			return;
		}
	}
	err_set(&err, ERR_NOT_FOUND,
		"a VM has no action '%.32s': there are start, stop, pause, resume, reset, shutdown",
		name);
	http_reply_err(req, &err);
}
