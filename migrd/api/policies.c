/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routes of policies. */
#include "api/api.h"
#include "base/mem.h"
#include "wire/policy_reply.h"

/* How many VMs a refusal names. */
#define NAMED_VMS 10

static void fill(const struct policies_item *item, struct policy_reply *ret)
{
	*ret = (struct policy_reply){
		.policy = *item->policy,
		.selector = item->selector[0] ? json_read_back(item->selector) : NULL,
		.built_in = item->is_built_in,
		.created_at = item->created_ms,
		.updated_at = item->updated_ms,
	};
}

static void reply_policy(struct http_request *req, int status, const struct policies_item *item)
{
	struct policy_reply reply;

	fill(item, &reply);
	http_reply_as(req, status, policy_reply_fields, &reply);
	json_object_put(reply.selector);
}

/* POLICIES_MAX and the built-in ones are few, so that a list needs no pages. */
void api_policies_list(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct api_list list = api_list_begin(req, api);
	struct policies_item item;
	const char *after = NULL;

	while (policies_next(api->policies, after, &item)) {
		struct policy_reply reply;

		fill(&item, &reply);
		api_list_show(&list, policy_reply_fields, &reply);
		json_object_put(reply.selector);
		after = item.policy->name;
	}
	api_list_reply(&list, NULL);
}

static void reply_unknown(struct http_request *req)
{
	struct err err;

	err_set(&err, ERR_NOT_FOUND, "there is no policy '%.64s' on this host",
		http_param(req, "name"));
	http_reply_err(req, &err);
}

void api_policy_get(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct policies_item item;

	if (policies_find(api->policies, http_param(req, "name"), &item))
		reply_policy(req, 200, &item);
	else
		reply_unknown(req);
}

bool api_policy_is_known(const struct api *api, const char *name, struct faults *faults)
{
	struct policies_item item;

	if (!name[0] || policies_find(api->policies, name, &item))
		return true;
	faults_add(faults, "/policy",
		   "there is no policy '%s' on this host: GET /v1/policies shows those that there "
		   "are",
		   name);
	return false;
}

/* ---- change --------------------------------------------------------------------- */

static void on_done(void *data, const struct err *err)
{
	struct api_pending *pending = data;
	struct policies_item item;

	if (err)
		http_reply_err(pending->req, err);
	else if (policies_find(pending->api->policies, pending->name, &item))
		reply_policy(pending->req, pending->status, &item);
	else
		http_reply(pending->req, 204, NULL);
	free(pending);
}

/* A dry run of a change of the policy in the path. */
static void try(struct http_request *req, const struct api *api)
{
	struct policies_item item;
	struct err err;

	if (!policies_find(api->policies, http_param(req, "name"), &item) || !item.is_built_in) {
		api_reply_dry(req);
		return;
	}
	err_set(&err, ERR_CONFLICT, "policy '%s' is built in: nobody can change it or remove it",
		item.policy->name);
	http_reply_err(req, &err);
}

/* The body may leave out the name, which is in the path. */
static bool decode(struct http_request *req, struct policy_def *ret, struct faults *faults)
{
	struct json_object *body = http_body(req);
	const char *name = http_param(req, "name");

	if (body && json_object_is_type(body, json_type_object) &&
	    !json_object_object_get_ex(body, "name", NULL))
		json_add_str(body, "name", name);
	if (!body)
		faults_add(faults, "", "a policy is wanted, an object");
	if (!body || !policy_def_decode(body, ret, faults))
		return false;
	if (strcmp(ret->policy.name, name) == 0)
		return true;
	faults_add(faults, "/name", "another name than in the path: leave it out");
	return false;
}

static void put(struct http_request *req, struct api *api, const struct policy_def *def)
{
	struct api_pending *pending = api_pending_new(req, api, def->policy.name, 200);
	bool is_new;
	struct err err;

	if (policies_put(api->policies, def, &is_new, on_done, pending, &err)) {
		pending->status = is_new ? 201 : 200;
	} else {
		http_reply_err(req, &err);
		free(pending);
	}
}

void api_policy_put(struct http_request *req, void *data)
{
	struct faults *faults = faults_new();
	struct policy_def *def = xnew(struct policy_def);

	if (!api_ready(req, data))
		;
	else if (!decode(req, def, faults))
		http_reply_faults(req, faults);
	else if (api_is_dry_run(req))
		try(req, data);
	else
		put(req, data, def);
	free(def);
	faults_free(faults);
}

static bool names_policy(struct vm *vm, const char *name)
{
	struct err err;
	const struct vm_def *def = vm_def_of(vm, &err);

	return def && vm_role(vm) != VM_ROLE_FORMER && strcmp(def->policy, name) == 0;
}

/* Else a VM would have the default policy at its next move, and nobody would know why. */
static bool is_unused(const struct api *api, const char *name, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf vms = STRBUF_INIT;
	size_t count = 0;

	for (struct vm *vm = vm_next(api->vms, NULL); vm; vm = vm_next(api->vms, vm_name(vm))) {
		if (names_policy(vm, name) && count++ < NAMED_VMS)
			strbuf_addf(&vms, "%s'%s'", vms.len ? ", " : "", vm_name(vm));
	}
	if (!count)
		return true;
	return err_set(err, ERR_CONFLICT,
		       "policy '%s' is that of %zu VM%s: %s%s; give %s another first (migrctl vm "
		       "set-policy)",
		       name, count, count > 1 ? "s" : "", strbuf_str(&vms),
		       count > NAMED_VMS ? ", ..." : "", count > 1 ? "them" : "it");
}

static void try_delete(struct http_request *req, const struct api *api)
{
	const char *name = http_param(req, "name");
	struct policies_item item;
	struct err err;

	if (!policies_find(api->policies, name, &item))
		reply_unknown(req);
	else if (!is_unused(api, name, &err))
		http_reply_err(req, &err);
	else
		try(req, api);
}

void api_policy_delete(struct http_request *req, void *data)
{
	struct api *api = data;
	const char *name = http_param(req, "name");
	struct api_pending *pending;
	struct err err;

	if (!api_ready(req, api))
		return;
	if (api_is_dry_run(req)) {
		try_delete(req, api);
		return;
	}
	pending = api_pending_new(req, api, name, 200);
	if (!is_unused(api, name, &err) ||
	    !policies_delete(api->policies, name, on_done, pending, &err)) {
		http_reply_err(req, &err);
		free(pending);
	}
}
