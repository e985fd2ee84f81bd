/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One maintenance: its life, and what is on disk of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "maintenance/priv.h"

#define SAVE_RETRY_MS 1000

static const struct machine_type type;

/* ---- life ------------------------------------------------------------------------ */

struct maint_ref *maint_ref_new(const struct maintenance *m, uint64_t number)
{
	struct maint_ref *ref = xnew(struct maint_ref);

	ref->all = m->all;
	ref->number = number;
	memcpy(ref->id, m->row.id, sizeof(ref->id));
	return ref;
}

struct maintenance *maint_ref_take(struct maint_ref *ref, uint64_t *ret_number)
{
	struct maintenance *m = maintenances_find(ref->all, ref->id);

	if (ret_number)
		*ret_number = ref->number;
	free(ref);
	return m;
}

static void on_timer(void *data)
{
	maints_look(data);
}

struct maintenance *maint_new(struct maintenances *all, const char *id)
{
	struct maintenance *m = xnew(struct maintenance);

	m->all = all;
	m->waits_for = JUDGE_NONE;
	STAILQ_INIT(&m->waits);
	m->timer = loop_timer_new(all->env.loop, on_timer, all);
	machine_init(&m->machine, &type, &all->machines, id);
	m->row.created_ms = clock_wall_ms();
	snprintf(m->row.id, sizeof(m->row.id), "%s", id);
	TAILQ_INSERT_HEAD(&all->list, m, link);
	return m;
}

void maint_hosts_new(struct maintenance *m, size_t count)
{
	m->hosts = xcalloc(count + 1, sizeof(*m->hosts));
	m->host_count = count;
	for (size_t i = 0; i < count; i++)
		m->hosts[i].hook = HOOK_STATE_COUNT;
}

/* What is on disk as VERSION, or with ERR is not, is answered. */
static void answer(struct maintenance *m, uint64_t version, const struct err *err)
{
	struct maint_wait *wait;

	while ((wait = STAILQ_FIRST(&m->waits)) && wait->version <= version) {
		STAILQ_REMOVE_HEAD(&m->waits, link);
		wait->done(wait->data, m, err);
		free(wait);
	}
}

void maint_free(struct maintenance *m)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	answer(m, UINT64_MAX, &err);
	TAILQ_REMOVE(&m->all->list, m, link);
	machine_fini(&m->machine);
	loop_timer_free(m->timer);
	free(m->hosts);
	free(m->request);
	json_object_put(m->wish);
	store_maintenance_fini(&m->row);
	free(m);
}

/* ---- the record ---------------------------------------------------------------------- */

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

static void fill_facts(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);
	struct store_maintenance *row = &m->row;
	CLEANUP(json_putp) struct json_object *obj = json_encode(detail_fields, &m->detail);

	free(row->detail);
	row->detail = xstrdup(json_text(obj, NULL));
	free(row->hosts);
	row->hosts = hosts_text(m);
	m->filled_version = m->version;
}

static void fill(struct machine *machine, unsigned to)
{
	struct maintenance *m = maint_of(machine);
	struct store_maintenance *row = &m->row;
	const struct machine_state *state = &maint_states[to];
	bool has_failed = err_is_set(&m->error);

	fill_facts(machine);
	snprintf(row->state, sizeof(row->state), "%s", state->name);
	row->is_final = state->flags & MACHINE_FINAL;
	row->updated_ms = clock_wall_ms();
	row->ended_ms = row->is_final ? row->updated_ms : 0;
	snprintf(row->error_code, sizeof(row->error_code), "%s",
		 has_failed ? err_name(m->error.code) : "");
	snprintf(row->error_text, sizeof(row->error_text), "%s", has_failed ? m->error.msg : "");
}

static struct store_change row_of(struct machine *machine)
{
	return store_put_maintenance(&maint_of(machine)->row);
}

/* ---- the record is read ------------------------------------------------------------------ */

static bool decode_request(struct maintenance *m, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok;

	m->wish = json_read_back(m->row.request);
	m->request = xnew(struct maintenance_request);
	ok = m->wish ? maintenance_request_decode(m->wish, m->request, faults)
		     : err_set(err, ERR_STORE, "its request is no JSON");
	if (!ok && m->wish)
		faults_to_err(faults, err);
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

/* ---- changes of the record ----------------------------------------------------------------- */

void maint_change(struct maintenance *m)
{
	m->version++;
	maints_look(m->all);
}

static void on_saved(void *data, const struct err *err)
{
	uint64_t version;
	struct maintenance *m = maint_ref_take(data, &version);

	if (!m)
		return;
	m->is_save_under_way = false;
	maints_look(m->all);
	if (err) {
		log_error("maintenance", "save", "maintenance=%s error=%s; trying again", m->row.id,
			  err->msg);
		answer(m, version, err);
		m->save_again_ms = loop_now_ms(m->all->env.loop) + SAVE_RETRY_MS;
		return;
	}
	if (version > m->disk_version)
		m->disk_version = version;
	answer(m, m->disk_version, NULL);
	maint_tell(m);
}

void maint_save(struct maintenance *m)
{
	uint64_t now_ms = loop_now_ms(m->all->env.loop);

	if (m->machine.is_saving || m->is_save_under_way)
		return;
	if (m->version == m->disk_version) { /* what was asked for changes nothing */
		answer(m, m->disk_version, NULL);
		return;
	}
	if (now_ms < m->save_again_ms) {
		loop_timer_start(m->timer, m->save_again_ms - now_ms);
		return;
	}
	m->is_save_under_way = true;
	machine_save_for(&m->machine, on_saved, maint_ref_new(m, m->version));
}

void maint_answer_when_saved(struct maintenance *m, maintenance_done_fn *done, void *data)
{
	struct maint_wait *wait = xnew(struct maint_wait);

	*wait = (struct maint_wait){ .version = m->version, .done = done, .data = data };
	STAILQ_INSERT_TAIL(&m->waits, wait, link);
	maints_look(m->all);
}

/* ---- what the machine tells ------------------------------------------------------------------ */

void maint_go_to(struct maintenance *m, enum maint_state to, const struct err *err)
{
	if (err)
		m->error = *err;
	machine_go_to(&m->machine, &(struct machine_change){ .to = to });
}

static void recorded(struct machine *machine, unsigned from, const struct machine_change *change)
{
	struct maintenance *m = maint_of(machine);

	(void)change;
	log_record(err_is_set(&m->error) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "maintenance",
		   "state", "maintenance=%s from=%s to=%s hosts=%zu why=%s", m->row.id,
		   machine->is_new ? "-" : maint_states[from].name, m->row.state, m->host_count,
		   err_is_set(&m->error) ? m->error.msg : "");
}

static void entering(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);

	if (m->filled_version > m->disk_version)
		m->disk_version = m->filled_version;
	if (m->timer)
		loop_timer_stop(m->timer);
	if (machine_is_final(machine)) {
		loop_timer_free(TAKE_PTR(m->timer));
		machine_retire(machine);
	}
}

static void entered(struct machine *machine)
{
	struct maintenance *m = maint_of(machine);
	struct maintenances *all = m->all;

	answer(m, machine_is_final(machine) ? UINT64_MAX : m->disk_version, NULL);
	maint_tell(m);
	maints_look(all);
	if (machine_is_final(machine))
		maints_trim(all); /* may free it */
}

static void refused(struct machine *machine, const struct err *err)
{
	struct maintenance *m = maint_of(machine);

	log_error("maintenance", "save", "maintenance=%s state=%s error=%s; trying again",
		  m->row.id, m->row.state, err->msg);
	answer(m, m->filled_version, err);
	maint_tell(m);
}

static void saved(struct machine *machine, const struct err *err)
{
	if (err)
		log_error("maintenance", "save", "maintenance=%s error=%s", machine->id, err->msg);
}

static const struct machine_type type = {
	.name = "maintenance",
	.states = maint_states,
	.state_count = MAINT_STATE_COUNT,
	.fill = fill,
	.fill_facts = fill_facts,
	.row = row_of,
	.recorded = recorded,
	.entering = entering,
	.entered = entered,
	.refused = refused,
	.saved = saved,
	.has_no_timeline = true,
};

void maint_tell(struct maintenance *m)
{
	const struct maintenances_env *env = &m->all->env;

	if (env->changed && !m->all->is_closing)
		env->changed(env->data, m);
}

bool maintenance_is_final(const struct maintenance *m)
{
	return machine_is_final(&m->machine);
}

const char *maintenance_id(const struct maintenance *m)
{
	return m->row.id;
}
