/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of VMs. */
#include "api/api.h"
#include "base/mem.h"
#include "job/start.h"
#include "vm/agent.h"
#include "vm/entry.h"
#include "wire/vm_request.h"

static struct json_object *job_json(const struct vm *vm)
{
	const struct vm_job *job = vm_job(vm);
	struct json_object *obj;

	if (!job)
		return NULL;
	obj = json_object_new_object();
	json_add_str(obj, "id", job->id);
	json_add_str(obj, "kind", job->kind);
	return obj;
}

static void add_qemu(struct json_object *obj, const struct vm *vm)
{
	const struct qemu *qemu = vm_qemu(vm);
	const struct qmp_version *version = qemu ? qemu_version(qemu) : NULL;
	char text[48];

	if (!qemu_is_alive(qemu)) {
		json_add_str(obj, "pid", NULL);
		json_add_str(obj, "qemu_version", NULL);
		return;
	}
	json_add_int(obj, "pid", qemu_proc_id(qemu).pid);
	if (version)
		snprintf(text, sizeof(text), "%d.%d.%d", version->major, version->minor,
			 version->micro);
	json_add_str(obj, "qemu_version", version ? text : NULL);
}

/* NULL: it has no channel for one, or does not run. */
static struct json_object *agent_json(const struct vm *vm)
{
	struct vm_agent_state state;
	struct json_object *obj;

	if (!vm_agent_state(vm, &state))
		return NULL;
	obj = json_object_new_object();
	json_add_bool(obj, "connected", state.is_connected);
	json_add_bool(obj, "frozen", state.is_frozen);
	json_add_uint(obj, "lease_left_ms", state.lease_left_ms);
	return obj;
}

static int64_t count(struct json_object *def, const char *list)
{
	struct json_object *array = NULL;

	json_object_object_get_ex(def, list, &array);
	return json_object_is_type(array, json_type_array)
		       ? (int64_t)json_object_array_length(array)
		       : 0;
}

static int64_t sum(struct json_object *def, const char *list, const char *member)
{
	struct json_object *array = NULL;
	int64_t total = 0;

	json_object_object_get_ex(def, list, &array);
	for (int64_t i = 0; i < count(def, list); i++)
		total += json_get_int(json_object_array_get_idx(array, (size_t)i), member, 0);
	return total;
}

/* Without the definition: what lists and events show. */
static struct json_object *summary(const struct api *api, const struct vm *vm)
{
	struct json_object *obj = json_object_new_object();
	CLEANUP(json_putp) struct json_object *def = json_tokener_parse(vm_definition(vm));

	json_add_str(obj, "name", vm_name(vm));
	json_add_str(obj, "uuid", vm_uuid(vm));
	json_add_str(obj, "state", vm_state(vm));
	json_add_str(obj, "reason", vm_reason(vm));
	json_add_str(obj, "host", api->host_id);
	json_add_str(obj, "elsewhere", vm_row(vm)->elsewhere[0] ? vm_row(vm)->elsewhere : NULL);
	json_add_uint(obj, "generation", vm_generation(vm));
	add_qemu(obj, vm);
	json_add_int(obj, "memory_mib",
		     json_get_int(def, "memory_mib", 0) + sum(def, "memory_devices", "size_mib"));
	json_add_int(obj, "vcpus", json_get_int(def, "vcpus", 1) + count(def, "vcpu_devices"));
	json_object_object_add(obj, "job", job_json(vm));
	json_object_object_add(obj, "agent", agent_json(vm));
	json_add_time(obj, "created_at", vm_row(vm)->created_ms);
	json_add_time(obj, "started_at", vm_row(vm)->started_ms);
	return obj;
}

/* Who speaks to its QEMU at the moment, and how many want to. */
static struct json_object *monitor_json(const struct vm *vm)
{
	struct json_object *obj = json_object_new_object(), *holder_obj = NULL;
	struct vm_holder holder;

	if (vm_holder(vm, &holder)) {
		holder_obj = json_object_new_object();
		json_add_str(holder_obj, "id", holder.id);
		json_add_str(holder_obj, "kind", vm_sync_name(holder.kind));
		json_add_str(holder_obj, "command", holder.command[0] ? holder.command : NULL);
		json_add_uint(holder_obj, "held_ms", holder.held_ms);
	}
	json_object_object_add(obj, "holder", holder_obj);
	json_add_uint(obj, "waiting", vm_waiting(vm));
	return obj;
}

struct json_object *api_vm_json(const struct api *api, const struct vm *vm)
{
	struct json_object *obj = summary(api, vm);

	json_object_object_add(obj, "monitor", monitor_json(vm));
	json_object_object_add(obj, "definition", json_tokener_parse(vm_definition(vm)));
	return obj;
}

void api_vm_changed(void *data, const char *name, const struct vm *vm)
{
	struct api *api = data;
	struct json_object *obj;

	if (vm) {
		obj = summary(api, vm);
	} else {
		obj = json_object_new_object();
		json_add_str(obj, "name", name);
		json_add_str(obj, "state", "gone");
		json_add_str(obj, "host", api->host_id);
	}
	json_add_time(obj, "at", clock_wall_ms());
	bus_publish(api->bus, "vm", obj);
}

/* All that summary() looks at and that can change; a text is kept until it does. */
static void add_key(struct strbuf *key, const struct vm *vm)
{
	const struct vm_job *job = vm_job(vm);
	const struct qemu *qemu = vm_qemu(vm);
	struct vm_agent_state agent = { 0 };
	bool is_alive = qemu_is_alive(qemu);
	bool has_agent = vm_agent_state(vm, &agent);

	strbuf_addf(key, "%s %d %d %d %d %d %llu %llu %lld %s %s ", vm_state(vm),
		    is_alive ? (int)qemu_proc_id(qemu).pid : 0,
		    is_alive && qemu_version(qemu) != NULL, has_agent, agent.is_connected,
		    agent.is_frozen, (unsigned long long)agent.lease_left_ms,
		    (unsigned long long)vm_generation(vm), (long long)vm_row(vm)->started_ms,
		    job ? job->id : "", vm_reason(vm));
	strbuf_adds(key, vm_definition(vm));
}

static const char *summary_text(const struct api *api, struct vm *vm, struct strbuf *key,
				size_t *ret_len)
{
	struct vm_kept *kept = vm_kept(vm);

	strbuf_clear(key);
	add_key(key, vm);
	if (!kept->key || strcmp(kept->key, strbuf_str(key)) != 0) {
		CLEANUP(json_putp) struct json_object *obj = summary(api, vm);

		free(kept->key);
		free(kept->text);
		kept->key = xstrdup(strbuf_str(key));
		kept->text = xstrdup(
			json_object_to_json_string_ext(obj,
						       JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
		kept->len = strlen(kept->text);
	}
	*ret_len = kept->len;
	return kept->text;
}

void api_vms_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct api_page page = api_page_of(req);
	struct strbuf list = STRBUF_INIT, key = STRBUF_INIT;
	const char *last = page.after;
	uint64_t count = 0;
	size_t len;
	struct vm *vm;

	while ((vm = vm_next(api->vms, last)) && count++ < page.limit) {
		const char *text = summary_text(api, vm, &key, &len);

		api_list_add(&list, text, len);
		last = vm_name(vm);
	}
	api_list_reply(req, &list, vm ? last : NULL);
	strbuf_fini(&key);
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
		http_reply(req, 200, api_vm_json(data, vm));
}

/* ---- what changes something ------------------------------------------ */

/* Until the answer; the request outlives every answer, the VM may not. */
struct pending {
	struct http_request *req;
	struct api *api;
	char name[ID_NAME_SIZE];
	int status;
};

static void on_done(void *data, const struct err *err)
{
	struct pending *pending = data;
	const struct vm *vm = vm_find(pending->api->vms, pending->name);

	if (err)
		http_reply_err(pending->req, err);
	else
		http_reply(pending->req, pending->status,
			   vm ? api_vm_json(pending->api, vm) : NULL);
	free(pending);
}

static struct pending *pending_new(struct http_request *req, struct api *api, const char *name,
				   int status)
{
	struct pending *pending = xnew(struct pending);

	pending->req = req;
	pending->api = api;
	pending->status = status;
	snprintf(pending->name, sizeof(pending->name), "%s", name);
	return pending;
}

void api_vms_create(struct http_request *req, void *data)
{
	struct api *api = data;
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();
	struct err err;

	if (!api_ready(req, api)) {
		;
	} else if (!vm_def_decode(http_body(req), def, faults)) {
		http_reply_faults(req, faults);
	} else if (!vm_def_normalize(def, &err)) {
		http_reply_err(req, &err);
	} else {
		vm_create(api->vms, def, on_done, pending_new(req, api, def->name, 201));
	}
	faults_free(faults);
	free(def);
}

static void act(struct http_request *req, struct api *api, enum vm_action action, int status)
{
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (vm)
		vm_act(vm, action, on_done, pending_new(req, api, vm_name(vm), status));
}

/* Who vouches for a silent host decides for two hosts, as `move resolve' does. */
static bool may_assert(const struct http_request *req, const struct vm_start_request *wish,
		       struct err *err)
{
	if (!wish->assert_count || http_caller_role(req) >= HTTP_ROLE_ADMIN)
		return true;
	return err_set(err, ERR_FORBIDDEN, "assert_dead needs the role admin");
}

static void run(struct http_request *req, struct api *api, enum vm_action action,
		const struct vm_start_request *wish)
{
	struct vm *vm = api_ready(req, api) ? api_vm_find(req, api) : NULL;

	if (!vm)
		return;
	start_vm(&api->newest_env, api->newest, vm,
		 &(struct start_wish){ .action = action,
				       .assert_dead = wish->assert_dead,
				       .assert_count = wish->assert_count,
				       .by = http_caller_name(req),
				       .why = wish->why },
		 on_done, pending_new(req, api, vm_name(vm), 200));
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
