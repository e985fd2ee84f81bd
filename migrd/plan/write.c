/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/mem.h"
#include "plan/file.h"

/* Hosts and VMs may be so many that all pairs were gigabytes; the sums in `why' are complete. */
#define REJECTED_MAX 1000000

struct writing {
	const struct plan *plan;
	const struct plan_input *input;
	struct strbuf *out;
	uint32_t rejected; /* hosts that are named for VMs that stay */
};

/* ---- pieces ---------------------------------------------------------------- */

static void add_number(struct json_object *obj, const char *key, double value, int digits)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*f", digits, value);
	json_object_object_add(obj, key, json_object_new_double_s(value, text));
}

/* Adds OBJ, which is used up. */
static void add_text(struct strbuf *out, const char *before, struct json_object *obj)
{
	size_t len;
	const char *text = json_text(obj, &len);

	strbuf_adds(out, before);
	strbuf_add(out, text, len);
	json_object_put(obj);
}

/* What stands before an item of a list. */
static const char *item(bool is_first)
{
	return is_first ? "\n  " : ",\n  ";
}

static const char *host_name(const struct writing *w, uint32_t host)
{
	return w->input->hosts[host].name;
}

/* ---- moves and stays ------------------------------------------------------- */

static struct json_object *move_json(const struct writing *w, const struct plan_move *move)
{
	struct json_object *obj = json_object_new_object();
	const struct plan_vm *vm = &w->input->vms[move->vm];

	json_add_str(obj, "vm", vm->name);
	json_add_str(obj, "from", host_name(w, move->from));
	json_add_str(obj, "to", host_name(w, move->to));
	add_number(obj, "gib", (double)vm->mem_mib / 1024, 3);
	add_number(obj, "gain", move->gain, 6);
	json_add_bool(obj, "waits", move->waits);
	if (move->makes_room && !w->plan->is_balance)
		json_add_bool(obj, "makes_room", true);
	if (move->is_detour)
		json_add_bool(obj, "detour", true);
	add_number(obj, "start_s", move->start_s, 3);
	add_number(obj, "end_s", move->end_s, 3);
	json_add_str(obj, "why", move->why);
	return obj;
}

/* Each host: why it does not take the VM, or why the VM goes nowhere. */
static struct json_object *rejected_json(struct writing *w, const struct plan_stay *stay)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;
	struct json_object *list = json_object_new_array();

	for (uint32_t host = 0; host < w->input->host_count && w->rejected < REJECTED_MAX; host++) {
		struct json_object *obj;

		strbuf_clear(&why);
		if (!plan_reject(w->plan, stay->vm, host, &why) && stay->has_tried)
			continue;
		obj = json_object_new_object();
		json_add_str(obj, "host", host_name(w, host));
		json_add_str(obj, "why", why.len > 0 ? strbuf_str(&why) : stay->why);
		json_object_array_add(list, obj);
		w->rejected++;
	}
	return list;
}

static struct json_object *stay_json(struct writing *w, const struct plan_stay *stay)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "vm", w->input->vms[stay->vm].name);
	json_add_str(obj, "why", stay->why);
	json_object_object_add(obj, "rejected", rejected_json(w, stay));
	return obj;
}

/* ---- hosts ----------------------------------------------------------------- */

static struct json_object *use_json(const struct plan_use *use)
{
	struct json_object *obj = json_object_new_object();

	json_add_uint(obj, "mem_mib", use->mem_mib);
	json_add_uint(obj, "vcpus", use->vcpus);
	add_number(obj, "cpu_load", use->cpu_load, 3);
	return obj;
}

static struct json_object *host_json(const struct writing *w, uint32_t host)
{
	const struct plan_fill *fill = &w->plan->fills[host];
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "name", host_name(w, host));
	json_object_object_add(obj, "before", use_json(&fill->before));
	json_object_object_add(obj, "after", use_json(&fill->after));
	json_object_object_add(obj, "worst", use_json(&fill->worst));
	json_object_object_add(obj, "peak", use_json(&fill->peak));
	if (w->plan->is_balance)
		return obj;
	if (fill->homeless_before != PLAN_NOWHERE)
		json_add_str(obj, "homeless_before", w->input->vms[fill->homeless_before].name);
	if (fill->homeless_after != PLAN_NOWHERE)
		json_add_str(obj, "homeless_after", w->input->vms[fill->homeless_after].name);
	return obj;
}

static struct json_object *score_json(const struct plan_score *score)
{
	struct json_object *obj = json_object_new_object();

	add_number(obj, "imbalance", score->imbalance, 6);
	add_number(obj, "max_mem", score->max_mem, 4);
	add_number(obj, "max_cpu", score->max_cpu, 4);
	json_add_uint(obj, "violations", score->violations);
	return obj;
}

/* Whether any one host may be lost. */
static struct json_object *lost_json(const struct writing *w)
{
	struct json_object *obj = json_object_new_object();
	bool before = true, after = true;

	for (size_t host = 0; host < w->input->host_count; host++) {
		before = before && w->plan->fills[host].homeless_before == PLAN_NOWHERE;
		after = after && w->plan->fills[host].homeless_after == PLAN_NOWHERE;
	}
	json_add_bool(obj, "before", before);
	json_add_bool(obj, "after", after);
	return obj;
}

/* ---- all ------------------------------------------------------------------- */

void plan_file_write(const struct plan *plan, const struct plan_input *input, double seconds,
		     struct strbuf *out)
{
	struct writing w = { plan, input, out, 0 };

	strbuf_adds(out, "{\"moves\":[");
	for (size_t i = 0; i < plan->move_count; i++)
		add_text(out, item(i == 0), move_json(&w, &plan->moves[i]));
	strbuf_adds(out, "],\n \"stays\":[");
	for (size_t i = 0; i < plan->stay_count; i++)
		add_text(out, item(i == 0), stay_json(&w, &plan->stays[i]));
	strbuf_adds(out, "],\n \"hosts\":[");
	for (uint32_t host = 0; host < input->host_count; host++)
		add_text(out, item(host == 0), host_json(&w, host));
	strbuf_adds(out, "],\n ");
	if (plan->is_balance)
		strbuf_addf(out, "\"least_imbalance\":%.6f,\"limited\":%s", plan->least_imbalance,
			    plan->was_limited ? "true" : "false");
	else
		add_text(out, "\"may_lose_one\":", lost_json(&w));
	add_text(out, ",\n \"before\":", score_json(&plan->before));
	add_text(out, ",\n \"after\":", score_json(&plan->after));
	strbuf_addf(out, ",\n \"makespan_s\":%.3f,\"bound_s\":%.3f,\"seconds\":%.6f}\n",
		    plan->makespan_s, plan->bound_s, seconds);
}
