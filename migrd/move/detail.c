/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a move keeps in its row beside the columns, and what is shown of a move. */
#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "move/foresee_past.h"
#include "move/priv.h"

/* ---- durable --------------------------------------------------------- */

#define FACT_FIELD(type_, name_, side_)                \
	{                                              \
		.key = #name_,                         \
		.type = _Generic((type_)0, bool        \
				 : JSON_BOOL, uint64_t \
				 : JSON_UINT),         \
		JSON_MEMBER(struct move, facts.name_), \
	},
#define FIELD(name, type_, member)                                            \
	{                                                                     \
		.key = name, .type = type_, JSON_MEMBER(struct move, member), \
	}
#define STAMP(name, stamp)                                                            \
	{                                                                             \
		.key = name, .type = JSON_UINT, .offset = (stamp) * sizeof(uint64_t), \
	}

static const struct json_field stamps[] = {
	STAMP("created", MOVE_STAMP_CREATED),
	STAMP("prepared", MOVE_STAMP_PREPARED),
	STAMP("held", MOVE_STAMP_HELD),
	STAMP("told", MOVE_STAMP_TOLD),
	STAMP("migrate", MOVE_STAMP_MIGRATE),
	STAMP("stopped", MOVE_STAMP_STOPPED),
	STAMP("completed", MOVE_STAMP_COMPLETED),
	STAMP("go", MOVE_STAMP_GO),
	STAMP("taken", MOVE_STAMP_TAKEN),
	STAMP("running", MOVE_STAMP_RUNNING),
	STAMP("fetched", MOVE_STAMP_FETCHED),
	STAMP("ended", MOVE_STAMP_ENDED),
	{ 0 },
};
static_assert(ARRAY_LEN(stamps) == MOVE_STAMP_COUNT + 1, "each stamp is kept");

#define MEASURED(name, type_, member)                                                 \
	{                                                                             \
		.key = name, .type = type_, JSON_MEMBER(struct move_measure, member), \
	}
#define PACE(name, moment)                                        \
	MEASURED(name "_cpu_us", JSON_UINT, pace[moment].cpu_us), \
		MEASURED(name "_at_us", JSON_UINT, pace[moment].at_us)

static const struct json_field measured[] = {
	MEASURED("has_begun", JSON_BOOL, has_begun),
	MEASURED("stopped_us", JSON_UINT, stopped_us),
	MEASURED("resumed_us", JSON_UINT, resumed_us),
	MEASURED("has_come_back", JSON_BOOL, has_come_back),
	MEASURED("clocks", JSON_BOOL, clocks.is_known),
	MEASURED("clock_ahead_us", JSON_INT, clocks.ahead_us),
	MEASURED("clock_error_us", JSON_UINT, clocks.error_us),
	MEASURED("clock_at_us", JSON_UINT, clocks.at_us),
	MEASURED("held_us", JSON_UINT, held_us),
	MEASURED("held_count", JSON_UINT, held_count),
	MEASURED("rejoins", JSON_UINT, rejoins),
	MEASURED("disk_bytes", JSON_UINT, disk_bytes),
	PACE("begin", MOVE_PACE_BEGIN),
	PACE("transfer", MOVE_PACE_TRANSFER),
	PACE("stop", MOVE_PACE_STOP),
	{ 0 },
};

static const struct json_field passes[] = {
	{ .key = "rows",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct passes, rows, count),
	  .fields = move_pass_fields },
	{ 0 },
};

/* A key that is absent means 0, false or none. */
static const struct json_field durable[] = {
	MOVE_DURABLE_FACTS(FACT_FIELD)
		FIELD("bandwidth_bytes_per_s", JSON_UINT, options.bandwidth_bytes_per_s),
	FIELD("downtime_limit_ms", JSON_UINT, options.downtime_limit_ms),
	{ .key = "priority",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move, options.priority),
	  .names = move_priority_names },
	{ .key = "block_jobs",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move, options.block_jobs),
	  .names = move_block_jobs_names },
	{ .key = "multifd",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, options.transfer.multifd),
	  .present_offset = offsetof(struct move, options.transfer.has_multifd),
	  .fields = transfer_multifd_fields },
	{ .key = "postcopy",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, options.transfer.postcopy),
	  .present_offset = offsetof(struct move, options.transfer.has_postcopy),
	  .fields = transfer_postcopy_fields },
	FIELD("xbzrle", JSON_BOOL, options.transfer.xbzrle),
	FIELD("auto_converge", JSON_BOOL, options.transfer.auto_converge),
	FIELD("assert_same_disks", JSON_BOOL, options.assert_same_disks),
	FIELD("assert_same_cpu", JSON_BOOL, options.assert_same_cpu),
	FIELD("remove_source_disks", JSON_BOOL, options.remove_source_disks),
	{ .key = "hold",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, options.hold),
	  .present_offset = offsetof(struct move, options.has_hold),
	  .fields = move_hold_fields },
	{ .key = "policy",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, policy),
	  .present_offset = offsetof(struct move, has_policy),
	  .fields = policy_fields },
	{ .key = "policy_origin",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, policy_origin),
	  .present_offset = offsetof(struct move, has_policy),
	  .fields = policy_origin_fields },
	FIELD("bandwidth_asked", JSON_BOOL, options.has_bandwidth),
	FIELD("downtime_limit_asked", JSON_BOOL, options.has_downtime_limit),
	{ .key = "outage_ping_ms",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct move, options.outage_ping_ms),
	  .present_offset = offsetof(struct move, options.has_outage_ping) },
	FIELD("request", JSON_TEXT, request),
	FIELD("began_by", JSON_STRING, began_by),
	FIELD("cancelled_by", JSON_STRING, cancelled_by),
	FIELD("stream_start_time", JSON_UINT, stream_id.start_time),
	FIELD("port_key", JSON_STRING, offer.port_key),
	FIELD("qemu_total_ms", JSON_UINT, ram.info.total_time_ms),
	FIELD("qemu_setup_ms", JSON_UINT, ram.info.setup_time_ms),
	FIELD("qemu_downtime_ms", JSON_UINT, ram.info.downtime_ms),
	FIELD("ram_total_bytes", JSON_UINT, ram.info.ram_total_bytes),
	FIELD("ram_transferred_bytes", JSON_UINT, ram.info.ram_transferred_bytes),
	FIELD("ram_passes", JSON_UINT, ram.info.ram_passes),
	FIELD("percent", JSON_UINT, percent),
	{ .key = "stamps_us",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, stamps),
	  .fields = stamps },
	FIELD("peer_times", JSON_ANY, peer_times),
	{ .key = "measured",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move, measure),
	  .fields = measured },
	{ 0 },
};

void move_detail_encode(struct move *move)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(durable, move);
	CLEANUP(json_putp) struct json_object *frames = move_frames_json(move);

	move_forget_texts(move);
	json_add_int(obj, "stream_pid", move->stream_id.pid);
	if (move_is_final(move))
		json_object_object_del(obj, "port_key");
	if (move->plan)
		json_object_object_add(obj, "plan", json_encode(transfer_plan_fields, move->plan));
	if (move->passes)
		json_object_object_add(obj, "passes", json_encode(passes, move->passes));
	if (move->notices)
		json_object_object_add(obj, "notices",
				       json_encode(move_notices_fields, move->notices));
	if (move->forecast)
		json_object_object_add(obj, "forecast",
				       json_encode(forecast_fields, move->forecast));
	if (frames)
		json_object_object_add(obj, "frames", json_object_get(frames));
	free(move->row.detail);
	move->row.detail = xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
}

/* It is only to be shown, so one that cannot be read is left out. */
static void decode_forecast(struct move *move, struct json_object *obj)
{
	struct forecast *forecast = obj ? xnew(struct forecast) : NULL;
	struct err ignored;

	if (forecast &&
	    json_decode_object(obj, forecast_fields, forecast, JSON_IGNORE_UNKNOWN, &ignored))
		move->forecast = TAKE_PTR(forecast);
	free(forecast);
}

void move_detail_decode(struct move *move)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(move->row.detail);
	struct err ignored;

	move->policy = (struct policy){ 0 }; /* a key that is absent leaves its member alone */
	if (obj && !json_decode_object(obj, durable, move, JSON_IGNORE_UNKNOWN, &ignored))
		log_warning("move", "detail", "move=%s error=%s", move->row.id, ignored.msg);
	if (!move->has_policy)
		move->policy = policy_of_before();
	if (json_get_obj(obj, "passes")) {
		move->passes = xnew(struct passes);
		json_decode_object(json_get_obj(obj, "passes"), passes, move->passes,
				   JSON_IGNORE_UNKNOWN, &ignored);
	}
	if (json_get_obj(obj, "notices")) {
		move->notices = xnew(struct move_notices);
		json_decode_object(json_get_obj(obj, "notices"), move_notices_fields, move->notices,
				   JSON_IGNORE_UNKNOWN, &ignored);
	}
	move->stream_id.pid = (pid_t)json_get_int(obj, "stream_pid", 0);
	decode_forecast(move, json_get_obj(obj, "forecast"));
	move_frames_decode(move, json_get_obj(obj, "frames"));
	if (json_get_obj(obj, "plan"))
		move->plan = move_plan_decode(json_get_obj(obj, "plan"), &ignored);
}

/* ---- shown ----------------------------------------------------------- */

/* The span is over once both moments have passed. */
static struct move_span span(const struct move *move, enum move_stamp from, enum move_stamp to)
{
	uint64_t a = move->stamps[from], b = move->stamps[to];

	return (struct move_span){ .ms = (double)(b - a) / 1000, .is_over = a && b >= a };
}

static struct move_times dst_times(const struct move *move)
{
	return (struct move_times){
		.prepare = span(move, MOVE_STAMP_CREATED, MOVE_STAMP_PREPARED),
		.go_to_taken = span(move, MOVE_STAMP_GO, MOVE_STAMP_TAKEN),
		.taken_to_running = span(move, MOVE_STAMP_TAKEN, MOVE_STAMP_RUNNING),
		.total = span(move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED),
	};
}

static struct move_times src_times(const struct move *move)
{
	return (struct move_times){
		.is_source = true,
		.total = span(move, MOVE_STAMP_CREATED, MOVE_STAMP_ENDED),
		.qemu_total_ms = move->ram.info.total_time_ms,
		.qemu_setup_ms = move->ram.info.setup_time_ms,
		.qemu_downtime_ms = move->ram.info.downtime_ms,
		.created_to_prepared = span(move, MOVE_STAMP_CREATED, MOVE_STAMP_PREPARED),
		.prepared_to_migrate = span(move, MOVE_STAMP_PREPARED, MOVE_STAMP_MIGRATE),
		.held = span(move, MOVE_STAMP_HELD,
			     move->stamps[MOVE_STAMP_TOLD] ? MOVE_STAMP_TOLD : MOVE_STAMP_MIGRATE),
		.parties = span(move, MOVE_STAMP_TOLD, MOVE_STAMP_MIGRATE),
		.migrate_to_completed = span(move, MOVE_STAMP_MIGRATE, MOVE_STAMP_COMPLETED),
		.blackout = span(move, MOVE_STAMP_STOPPED, MOVE_STAMP_TAKEN),
		.stopped_to_completed = span(move, MOVE_STAMP_STOPPED, MOVE_STAMP_COMPLETED),
		.completed_to_go = span(move, MOVE_STAMP_COMPLETED, MOVE_STAMP_GO),
		.go_to_answer = span(move, MOVE_STAMP_GO, MOVE_STAMP_TAKEN),
		.answer_to_fetched = span(move, MOVE_STAMP_TAKEN, MOVE_STAMP_FETCHED),
		.answer_to_end = span(move, MOVE_STAMP_TAKEN, MOVE_STAMP_ENDED),
		.destination = move->peer_times,
	};
}

struct move_times move_show_times(const struct move *move)
{
	return move->side == MOVE_DST ? dst_times(move) : src_times(move);
}

static void show_disks(const struct move *move, struct move_progress *ret)
{
	if (move->side != MOVE_SRC || !transfer_plan_has_disks(move->plan))
		return;
	for (size_t i = 0; i < move->plan->disk_count; i++) {
		const struct move_mirror *mirror = &move->disks.mirrors[i];

		ret->disks[ret->disk_count++] = (struct move_disk_progress){
			.id = move->plan->disks[i].id,
			.total_bytes = mirror->total,
			.copied_bytes = mirror->done,
			.ready = mirror->state == MOVE_MIRROR_READY ||
				 mirror->state == MOVE_MIRROR_ENDED,
		};
	}
}

static struct move_progress progress(const struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	struct move_progress ret = {
		.percent = move->machine.state == MOVE_STATE_DONE ? 100 : move->percent,
		.ram_total_bytes = info->ram_total_bytes,
		.ram_remaining_bytes = info->ram_remaining_bytes,
		.ram_transferred_bytes = info->ram_transferred_bytes,
		.passes = info->ram_passes,
		.throughput_mbit_per_s = info->throughput_mbit_per_s,
		.dirty_pages_per_s = info->ram_dirty_pages_per_s,
		.expected_downtime_ms = info->expected_downtime_ms,
		.throttle_percent = info->throttle_percent,
	};

	show_disks(move, &ret);
	move_show_outlook(move, &ret);
	move_show_limit(move, &ret);
	return ret;
}

static struct move_shown_options options(const struct move *move)
{
	return (struct move_shown_options){
		.bandwidth_bytes_per_s = move->options.bandwidth_bytes_per_s,
		.downtime_limit_ms = move->options.downtime_limit_ms,
		.priority = move->options.priority,
		.is_source = move->side == MOVE_SRC,
		.block_jobs = move->options.block_jobs,
		.outage_ping_ms = move_outage_ping_ms(move),
		.transfer = move->options.transfer,
		.assert_same_disks = move->options.assert_same_disks,
		.assert_same_cpu = move->options.assert_same_cpu,
		.remove_source_disks = move->options.remove_source_disks,
		.hold = move->options.hold,
		.has_hold = move->options.has_hold,
	};
}

/* The errors are there when there is a truth to compare with. */
static struct move_shown_forecast forecast(const struct move *move)
{
	const bool is_done = move->machine.state == MOVE_STATE_DONE;
	struct move_times times = move_show_times(move);
	struct move_shown_forecast ret = { 0 };
	double duration_ms;

	if (!move->forecast)
		return ret;
	ret.said = *move->forecast;
	duration_ms = foresee_duration_ms(move);
	ret.has_duration = is_done && times.total.is_over && duration_ms > 0;
	ret.has_blackout = is_done && times.blackout.is_over && times.blackout.ms > 0;
	if (ret.has_duration)
		ret.duration_ratio = (double)ret.said.duration_ms.expected / duration_ms;
	if (ret.has_blackout)
		ret.blackout_ratio = (double)ret.said.blackout_ms.expected / times.blackout.ms;
	return ret;
}

struct move_reply move_show(const struct move *move)
{
	const struct store_move *row = &move->row;
	struct move_reply ret = {
		.has_forecast = move->forecast != NULL,
		.forecast = forecast(move),
		.id = row->id,
		.vm = row->vm_name,
		.vm_uuid = row->vm_uuid,
		.kind = row->kind,
		.source = move_source(move),
		.destination = move_destination(move),
		.state = move_state_name(move),
		.final = move_is_final(move),
		.can_cancel = move_can_cancel(move),
		.stopped = move->facts.stopped,
		.held = move_is_held(move) || move_delay_end_ms(move),
		.held_until = move_is_held(move) ? move_hold_end_ms(move) : move_delay_end_ms(move),
		.owner = move_owner(move),
		.generation = row->generation,
		.reason = move_reason(move),
		.has_failed = row->error_code[0],
		.error = { row->error_code, row->error_text },
		.progress = progress(move),
		.times = move_show_times(move),
		.is_measured = move->side == MOVE_SRC && move->measure.has_begun,
		.measured = move_show_measured(move),
		.options = options(move),
		.policy = { move->policy, move->policy_origin },
		.has_policy = move->has_policy,
		.began_by = move->began_by[0] ? move->began_by : NULL,
		.cancelled_by = move->cancelled_by[0] ? move->cancelled_by : NULL,
		.created_at = row->created_ms,
		.updated_at = row->updated_ms,
		.ended_at = row->ended_ms,
	};

	ret.notice_count = move_notices_show(move->notices, ret.notices);
	if (ret.is_measured && move_is_final(move))
		move_explain(move, &ret.measured, ret.explanation);
	return ret;
}

struct json_object *move_json(const struct move *move)
{
	const struct move_reply reply = move_show(move);

	return json_encode(move_reply_fields, &reply);
}
