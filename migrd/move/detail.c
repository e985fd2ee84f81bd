/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a move keeps in its row beside the columns, and what it shows. */
#include <inttypes.h>

#include "base/mem.h"
#include "move/priv.h"

static const char *const stamp_names[] = {
	[MOVE_STAMP_CREATED] = "created",     [MOVE_STAMP_PREPARED] = "prepared",
	[MOVE_STAMP_MIGRATE] = "migrate",     [MOVE_STAMP_STOPPED] = "stopped",
	[MOVE_STAMP_COMPLETED] = "completed", [MOVE_STAMP_GO] = "go",
	[MOVE_STAMP_TAKEN] = "taken",         [MOVE_STAMP_RUNNING] = "running",
	[MOVE_STAMP_ENDED] = "ended",
};

/* ---- durable --------------------------------------------------------- */

#define FACT_FIELD(type_, name_, side_)                \
	{                                              \
		.key = #name_,                         \
		.type = _Generic((type_)0, bool        \
				 : JSON_BOOL, uint64_t \
				 : JSON_UINT),         \
		JSON_MEMBER(struct move_facts, name_), \
	},
static const struct json_field durable_facts[] = { MOVE_DURABLE_FACTS(FACT_FIELD){ 0 } };

void move_detail_encode(struct move *move)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(durable_facts, &move->facts);
	struct json_object *stamps = json_object_new_object();

	move_forget_texts(move);
	json_add_uint(obj, "bandwidth_bytes_per_s", move->options.bandwidth_bytes_per_s);
	json_add_uint(obj, "downtime_limit_ms", move->options.downtime_limit_ms);
	json_add_str(obj, "block_jobs", move_block_jobs_names[move->options.block_jobs]);
	json_add_bool(obj, "assert_same_disks", move->options.assert_same_disks);
	json_add_bool(obj, "assert_same_cpu", move->options.assert_same_cpu);
	if (move->request)
		json_add_str(obj, "request", move->request);
	json_add_int(obj, "stream_pid", move->stream_id.pid);
	json_add_uint(obj, "stream_start_time", move->stream_id.start_time);
	if (move->offer.port_key[0] && !move_is_final(move))
		json_add_str(obj, "port_key", move->offer.port_key);
	json_add_uint(obj, "qemu_total_ms", move->ram.info.total_time_ms);
	json_add_uint(obj, "qemu_setup_ms", move->ram.info.setup_time_ms);
	json_add_uint(obj, "qemu_downtime_ms", move->ram.info.downtime_ms);
	json_add_uint(obj, "ram_total_bytes", move->ram.info.ram_total_bytes);
	json_add_uint(obj, "ram_transferred_bytes", move->ram.info.ram_transferred_bytes);
	json_add_uint(obj, "ram_passes", move->ram.info.ram_passes);
	json_add_uint(obj, "percent", move->ram.percent);
	for (size_t i = 0; i < MOVE_STAMP_COUNT; i++)
		json_add_uint(stamps, stamp_names[i], move->stamps[i]);
	json_object_object_add(obj, "stamps_us", stamps);
	json_object_object_add(obj, "peer_times", json_object_get(move->peer_times));
	if (move->plan)
		json_object_object_add(obj, "plan", json_encode(transfer_plan_fields, move->plan));
	free(move->row.detail);
	move->row.detail = xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
}

static uint64_t get_uint(struct json_object *obj, const char *key)
{
	int64_t value = json_get_int(obj, key, 0);

	return value > 0 ? (uint64_t)value : 0;
}

static int block_jobs_from_name(const char *name)
{
	int value = 0;

	while (name && move_block_jobs_names[value] &&
	       strcmp(move_block_jobs_names[value], name) != 0)
		value++;
	return name && move_block_jobs_names[value] ? value : MOVE_BLOCK_JOBS_REFUSE;
}

void move_detail_decode(struct move *move)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(move->row.detail);
	struct json_object *stamps = json_get_obj(obj, "stamps_us");
	struct err ignored;

	json_decode_object(obj, durable_facts, &move->facts, JSON_IGNORE_UNKNOWN, &ignored);
	move->options.bandwidth_bytes_per_s = get_uint(obj, "bandwidth_bytes_per_s");
	move->options.downtime_limit_ms = get_uint(obj, "downtime_limit_ms");
	move->options.block_jobs = block_jobs_from_name(json_get_str(obj, "block_jobs"));
	move->options.assert_same_disks = json_get_bool(obj, "assert_same_disks", false);
	move->options.assert_same_cpu = json_get_bool(obj, "assert_same_cpu", false);
	if (json_get_str(obj, "request"))
		move->request = xstrdup(json_get_str(obj, "request"));
	move->stream_id.pid = (pid_t)get_uint(obj, "stream_pid");
	move->stream_id.start_time = get_uint(obj, "stream_start_time");
	snprintf(move->offer.port_key, sizeof(move->offer.port_key), "%s",
		 json_get_str(obj, "port_key") ? json_get_str(obj, "port_key") : "");
	move->ram.info.total_time_ms = get_uint(obj, "qemu_total_ms");
	move->ram.info.setup_time_ms = get_uint(obj, "qemu_setup_ms");
	move->ram.info.downtime_ms = get_uint(obj, "qemu_downtime_ms");
	move->ram.info.ram_total_bytes = get_uint(obj, "ram_total_bytes");
	move->ram.info.ram_transferred_bytes = get_uint(obj, "ram_transferred_bytes");
	move->ram.info.ram_passes = get_uint(obj, "ram_passes");
	move->ram.percent = (unsigned)get_uint(obj, "percent");
	for (size_t i = 0; i < MOVE_STAMP_COUNT; i++)
		move->stamps[i] = get_uint(stamps, stamp_names[i]);
	move->peer_times = json_object_get(json_get_obj(obj, "peer_times"));
	if (json_get_obj(obj, "plan"))
		move->plan = move_plan_decode(json_get_obj(obj, "plan"), &ignored);
}

/* ---- shown ----------------------------------------------------------- */

/* Milliseconds with their fraction; left out unless both moments have been. */
static void add_span(struct json_object *obj, const char *key, const struct move *move,
		     enum move_stamp from, enum move_stamp to)
{
	uint64_t a = move->stamps[from], b = move->stamps[to];
	char text[32];

	if (!a || b < a)
		return;
	snprintf(text, sizeof(text), "%.3f", (double)(b - a) / 1000);
	json_object_object_add(obj, key, json_object_new_double_s((double)(b - a) / 1000, text));
}

struct json_object *move_times_json(const struct move *move)
{
	struct json_object *obj = json_object_new_object();

	if (move->side == MOVE_DST) {
		add_span(obj, "prepare_ms", move, MOVE_STAMP_CREATED, MOVE_STAMP_PREPARED);
		add_span(obj, "go_to_taken_ms", move, MOVE_STAMP_GO, MOVE_STAMP_TAKEN);
		add_span(obj, "taken_to_running_ms", move, MOVE_STAMP_TAKEN, MOVE_STAMP_RUNNING);
		add_span(obj, "total_ms", move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED);
		return obj;
	}
	add_span(obj, "total_ms", move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED);
	json_add_uint(obj, "qemu_total_ms", move->ram.info.total_time_ms);
	json_add_uint(obj, "qemu_setup_ms", move->ram.info.setup_time_ms);
	json_add_uint(obj, "qemu_downtime_ms", move->ram.info.downtime_ms);
	add_span(obj, "created_to_prepared_ms", move, MOVE_STAMP_CREATED, MOVE_STAMP_PREPARED);
	add_span(obj, "prepared_to_migrate_ms", move, MOVE_STAMP_PREPARED, MOVE_STAMP_MIGRATE);
	add_span(obj, "migrate_to_completed_ms", move, MOVE_STAMP_MIGRATE, MOVE_STAMP_COMPLETED);
	/* At most: the guest ran on a moment before its new host's answer came. */
	add_span(obj, "blackout_ms", move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN);
	add_span(obj, "stopped_to_completed_ms", move, MOVE_STAMP_STOPPED, MOVE_STAMP_COMPLETED);
	add_span(obj, "completed_to_go_ms", move, MOVE_STAMP_COMPLETED, MOVE_STAMP_GO);
	add_span(obj, "go_to_answer_ms", move, MOVE_STAMP_GO, MOVE_STAMP_TAKEN);
	add_span(obj, "answer_to_end_ms", move, MOVE_STAMP_TAKEN, MOVE_STAMP_ENDED);
	if (move->peer_times)
		json_object_object_add(obj, "destination", json_object_get(move->peer_times));
	return obj;
}

static struct json_object *progress_json(const struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	struct json_object *obj = json_object_new_object();

	json_add_uint(obj, "percent",
		      move->machine.state == MOVE_STATE_DONE ? 100 : move->ram.percent);
	json_add_uint(obj, "ram_total_bytes", info->ram_total_bytes);
	json_add_uint(obj, "ram_remaining_bytes", info->ram_remaining_bytes);
	json_add_uint(obj, "ram_transferred_bytes", info->ram_transferred_bytes);
	json_add_uint(obj, "passes", info->ram_passes);
	json_object_object_add(obj, "throughput_mbit_per_s",
			       json_object_new_double(info->throughput_mbit_per_s));
	json_add_uint(obj, "dirty_pages_per_s", info->ram_dirty_pages_per_s);
	json_add_uint(obj, "expected_downtime_ms", info->expected_downtime_ms);
	json_add_uint(obj, "throttle_percent", info->throttle_percent);
	return obj;
}

static struct json_object *error_json(const struct move *move)
{
	struct json_object *obj;

	if (!move->row.error_code[0])
		return NULL;
	obj = json_object_new_object();
	json_add_str(obj, "code", move->row.error_code);
	json_add_str(obj, "detail", move->row.error_text);
	return obj;
}

struct json_object *move_json(const struct move *move)
{
	const struct store_move *row = &move->row;
	struct json_object *obj = json_object_new_object();
	struct json_object *options = json_object_new_object();

	json_add_str(obj, "id", row->id);
	json_add_str(obj, "vm", row->vm_name);
	json_add_str(obj, "vm_uuid", row->vm_uuid);
	json_add_str(obj, "kind", row->kind);
	json_add_str(obj, "source", move_source(move));
	json_add_str(obj, "destination", move_destination(move));
	json_add_str(obj, "state", move_state_name(move));
	json_add_bool(obj, "final", move_is_final(move));
	json_add_bool(obj, "can_cancel", move_can_cancel(move));
	json_add_str(obj, "owner", move_owner(move));
	json_add_uint(obj, "generation", row->generation);
	json_add_str(obj, "reason", move_reason(move));
	json_object_object_add(obj, "error", error_json(move));
	json_object_object_add(obj, "progress", progress_json(move));
	json_object_object_add(obj, "times", move_times_json(move));
	json_add_uint(options, "bandwidth_bytes_per_s", move->options.bandwidth_bytes_per_s);
	json_add_uint(options, "downtime_limit_ms", move->options.downtime_limit_ms);
	if (move->side == MOVE_SRC)
		json_add_str(options, "block_jobs",
			     move_block_jobs_names[move->options.block_jobs]);
	json_add_bool(options, "assert_same_disks", move->options.assert_same_disks);
	json_add_bool(options, "assert_same_cpu", move->options.assert_same_cpu);
	json_object_object_add(obj, "options", options);
	json_add_time(obj, "created_at", row->created_ms);
	json_add_time(obj, "updated_at", row->updated_ms);
	json_add_time(obj, "ended_at", row->ended_ms);
	return obj;
}
