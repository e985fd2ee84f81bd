/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on disk of a maintenance, as text of its row. */
#include "maintenance/priv.h"

static const char *const hook_names[] = { "running", "done", "failed", "unknown", "none", NULL };

#define D(member) JSON_MEMBER(struct maint_detail, member)
#define H(member) JSON_MEMBER(struct maint_host, member)
#define P(member) JSON_MEMBER(struct maint_plan, member)
#define V(member) JSON_MEMBER(struct maint_vms, member)

static const struct json_field detail_fields[] = {
	{ .key = "by", .type = JSON_STRING, D(by) },
	{ .key = "state_id", .type = JSON_STRING, D(state_id) },
	{ .key = "not_before_ms", .type = JSON_INT, D(not_before_ms) },
	{ .key = "started_ms", .type = JSON_INT, D(started_ms) },
	{ .key = "is_paused", .type = JSON_BOOL, D(is_paused) },
	{ .key = "paused_why", .type = JSON_STRING, D(paused_why) },
	{ .key = "is_person", .type = JSON_BOOL, D(is_person) },
	{ .key = "is_aborting", .type = JSON_BOOL, D(is_aborting) },
	{ .key = "stays", .type = JSON_BOOL, D(stays) },
	{ .key = "stopping_why", .type = JSON_STRING, D(stopping_why) },
	{ 0 },
};

static const struct json_field plan_fields[] = {
	{ .key = "is_there", .type = JSON_BOOL, P(is_there) },
	{ .key = "state_id", .type = JSON_STRING, P(state_id) },
	{ .key = "vms", .type = JSON_UINT, P(vms) },
	{ .key = "moves", .type = JSON_UINT, P(moves) },
	{ .key = "stays", .type = JSON_UINT, P(stays) },
	{ .key = "blocked", .type = JSON_UINT, P(blocked) },
	{ .key = "makespan_ms", .type = JSON_UINT, P(makespan_ms) },
	{ .key = "blocked_by", .type = JSON_STRING, P(blocked_by) },
	{ .key = "blocked_why", .type = JSON_STRING, P(blocked_why) },
	{ .key = "fullest", .type = JSON_STRING, P(fullest) },
	{ .key = "fullest_percent", .type = JSON_NUMBER, P(fullest_percent) },
	{ .key = "homeless_host", .type = JSON_STRING, P(homeless_host) },
	{ .key = "homeless", .type = JSON_STRING, P(homeless) },
	{ 0 },
};

static const struct json_field vms_fields[] = {
	{ .key = "total", .type = JSON_UINT, V(total) },
	{ .key = "left", .type = JSON_UINT, V(left) },
	{ .key = "moving", .type = JSON_UINT, V(moving) },
	{ .key = "blocked", .type = JSON_UINT, V(blocked) },
	{ .key = "moved", .type = JSON_UINT, V(moved) },
	{ .key = "stays", .type = JSON_UINT, V(stays) },
	{ .key = "returned", .type = JSON_UINT, V(returned) },
	{ .key = "has_blackout", .type = JSON_BOOL, V(has_blackout) },
	{ .key = "blackout_ms", .type = JSON_NUMBER, V(blackout_ms) },
	{ 0 },
};

static const struct json_field host_fields[] = {
	{ .key = "host", .type = JSON_STRING, H(host) },
	{ .key = "rack", .type = JSON_STRING, H(rack) },
	{ .key = "state",
	  .type = JSON_ENUM,
	  .required = true,
	  .names = maint_host_names,
	  H(state) },
	{ .key = "result", .type = JSON_ENUM, .names = maint_host_names, H(result) },
	{ .key = "why", .type = JSON_STRING, H(why) },
	{ .key = "error_code", .type = JSON_STRING, H(error_code) },
	{ .key = "error", .type = JSON_STRING, H(error) },
	{ .key = "has_go", .type = JSON_BOOL, H(has_go) },
	{ .key = "is_by_hand", .type = JSON_BOOL, H(is_by_hand) },
	{ .key = "is_aborted", .type = JSON_BOOL, H(is_aborted) },
	{ .key = "is_adopted", .type = JSON_BOOL, H(is_adopted) },
	{ .key = "is_unsure", .type = JSON_BOOL, H(is_unsure) },
	{ .key = "checks", .type = JSON_UINT, H(checks) },
	{ .key = "evacuation", .type = JSON_STRING, H(evacuation) },
	{ .key = "hook", .type = JSON_ENUM, .required = true, .names = hook_names, H(hook) },
	{ .key = "words", .type = JSON_STRING, H(words) },
	{ .key = "plan", .type = JSON_OBJECT, .fields = plan_fields, H(plan) },
	{ .key = "vms", .type = JSON_OBJECT, .fields = vms_fields, H(vms) },
	{ .key = "since_ms", .type = JSON_INT, H(since_ms) },
	{ .key = "started_ms", .type = JSON_INT, H(started_ms) },
	{ .key = "drained_ms", .type = JSON_INT, H(drained_ms) },
	{ .key = "hook_ms", .type = JSON_INT, H(hook_ms) },
	{ .key = "healed_ms", .type = JSON_INT, H(healed_ms) },
	{ .key = "ended_ms", .type = JSON_INT, H(ended_ms) },
	{ 0 },
};

static char *hosts_text(const struct maintenance *m)
{
	CLEANUP(json_putp) struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->host_count; i++)
		json_object_array_add(list, json_encode(host_fields, &m->hosts[i]));
	return xstrdup(json_text(list, NULL));
}

char *maint_request_text(const struct maintenance_request *request)
{
	CLEANUP(json_putp)
	struct json_object *obj = json_encode(maintenance_request_fields, request);

	return xstrdup(json_text(obj, NULL));
}

void maint_fill_facts(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);
	struct store_maintenance *row = &m->row;
	CLEANUP(json_putp) struct json_object *obj = json_encode(detail_fields, &m->detail);

	free(row->detail);
	row->detail = xstrdup(json_text(obj, NULL));
	free(row->hosts);
	row->hosts = hosts_text(m);
}

/* ---- read back ---------------------------------------------------------------------- */

static bool decode_request(struct maintenance *m, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok;

	m->wish = json_read_back(m->row.request);
	m->request = xnew(struct maintenance_request);
	ok = m->wish ? maintenance_request_decode(m->wish, m->request, faults) ||
			       faults_to_err(faults, err)
		     : err_set(err, ERR_STORE, "its request is no JSON");
	if (!ok)
		free(TAKE_PTR(m->request));
	faults_free(faults);
	return ok;
}

static bool decode_hosts(struct maintenance *m, struct err *err)
{
	CLEANUP(json_putp) struct json_object *list = json_read_back(m->row.hosts);
	size_t count = json_count(list);
	bool ok = list || err_set(err, ERR_STORE, "its list of hosts is no JSON");

	if (count > MAINTENANCE_HOSTS_MAX)
		return err_set(err, ERR_STORE, "it has more hosts than %d", MAINTENANCE_HOSTS_MAX);
	maint_hosts_new(m, count);
	for (size_t i = 0; i < count && ok; i++)
		ok = json_decode_object(json_object_array_get_idx(list, i), host_fields,
					&m->hosts[i], JSON_IGNORE_UNKNOWN, err);
	return ok;
}

bool maint_decode(struct maintenance *m)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(m->row.detail);
	struct err err;

	if (decode_request(m, &err) && decode_hosts(m, &err) &&
	    (obj || err_set(&err, ERR_STORE, "its detail is no JSON")) &&
	    json_decode_object(obj, detail_fields, &m->detail, JSON_IGNORE_UNKNOWN, &err))
		return true;
	free(TAKE_PTR(m->request));
	err_wrap(&err, "the record of the maintenance cannot be understood");
	m->error = err;
	return false;
}
