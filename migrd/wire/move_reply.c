/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/move_reply.h"

#include "wire/move_request.h"

static const struct json_field failure_fields[] = {
	JSON_SHOWN(struct move_failure, code, "One of schema/errors.md."),
	JSON_SHOWN(struct move_failure, detail, "Description of the error."),
	{ 0 },
};

static const struct json_field disk_progress_fields[] = {
	JSON_SHOWN(struct move_disk_progress, id, "Id of the disk."),
	JSON_SHOWN(struct move_disk_progress, total_bytes,
		   "What there is to copy, in bytes; grows while the guest writes."),
	JSON_SHOWN(struct move_disk_progress, copied_bytes, "Copied, in bytes."),
	JSON_SHOWN(struct move_disk_progress, ready,
		   "All is copied but for what the guest is writing."),
	{ 0 },
};

/* Left out where it is not known. */
#define ETA(member_, help_)                                                                        \
	{                                                                                          \
		.key = #member_, .type = JSON_UINT,                                                \
		JSON_MEMBER(struct move_progress, member_.value),                                  \
		.present_offset = offsetof(struct move_progress, member_.is_known), .help = help_, \
	}

static const struct json_field progress_fields[] = {
	JSON_SHOWN(struct move_progress, percent,
		   "Part of the way to the handover, in percent; never goes back."),
	JSON_SHOWN(struct move_progress, ram_total_bytes, "Memory of the guest in bytes."),
	JSON_SHOWN(struct move_progress, ram_remaining_bytes,
		   "Memory that is still to be sent, in bytes."),
	JSON_SHOWN(struct move_progress, ram_transferred_bytes,
		   "Sent, in bytes; pages that changed count again."),
	JSON_SHOWN(struct move_progress, passes, "Passes over the guest's memory."),
	JSON_SHOWN(struct move_progress, throughput_mbit_per_s,
		   "Throughput of the transfer in megabits per second, as QEMU tells."),
	JSON_SHOWN(struct move_progress, dirty_pages_per_s,
		   "Pages that the guest changes, per second."),
	JSON_SHOWN(struct move_progress, expected_downtime_ms,
		   "How long the guest would stand still by now, in milliseconds."),
	JSON_SHOWN(struct move_progress, throttle_percent,
		   "How much QEMU slows the guest's CPUs down, in percent."),
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct move_progress, disks, disk_count),
	  .fields = disk_progress_fields,
	  .help = "Source: the copies of local disks; none: no disk is copied." },
	{ .key = "sentence",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct move_progress, sentence),
	  .present_offset = offsetof(struct move_progress, has_outlook),
	  .help = "Source, until its end: what is to be expected of the move." },
	ETA(eta_min_ms, "Source: how long it still takes in the best case, in milliseconds."),
	ETA(eta_max_ms, "Source: how long it still takes in the worst case, in milliseconds; "
			"absent: it may come to no end."),
	{ .key = "limit_bytes_per_s",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct move_progress, limit_bytes_per_s),
	  .present_offset = offsetof(struct move_progress, has_limit),
	  .help = "From the transfer on, of a destination with a budget: what may go over now, "
		  "disks and memory, in bytes per second; 0: there is no limit." },
	{ .key = "limit_why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct move_progress, limit_why),
	  .present_offset = offsetof(struct move_progress, has_limit),
	  .help = "Reason of that limit." },
	{ 0 },
};

/* A row of milliseconds, to the microsecond; left out unless both moments have passed. */
#define SPAN(name, help_)                                                                         \
	{                                                                                         \
		.key = #name "_ms", .type = JSON_NUMBER, JSON_MEMBER(struct move_times, name.ms), \
		.present_offset = offsetof(struct move_times, name.is_over), .digits = 3,         \
		.help = help_,                                                                    \
	}
#define OF_SOURCE(owner) .present_offset = offsetof(owner, is_source)

/* A destination has only total_ms and the rows before it, a source has not the latter. */
const struct json_field move_times_fields[] = {
	SPAN(prepare, "Destination: until its QEMU waited, in milliseconds."),
	SPAN(go_to_taken, "Destination: from go until it was on disk that it has the guest, in "
			  "milliseconds."),
	SPAN(taken_to_running, "Destination: from then until the guest ran, in milliseconds."),
	SPAN(total, "From its record to its end, in milliseconds."),
	JSON_SHOWN_IF(struct move_times, qemu_total_ms,
		      "Source: all of the transfer in QEMU's words, in milliseconds.",
		      OF_SOURCE(struct move_times)),
	JSON_SHOWN_IF(struct move_times, qemu_setup_ms,
		      "Source: its beginning in QEMU's words, in milliseconds.",
		      OF_SOURCE(struct move_times)),
	JSON_SHOWN_IF(struct move_times, qemu_downtime_ms,
		      "Source: the guest's standstill in QEMU's words, in milliseconds.",
		      OF_SOURCE(struct move_times)),
	SPAN(created_to_prepared, "Source: until the destination was prepared, in milliseconds."),
	SPAN(prepared_to_migrate,
	     "Source: from then until QEMU was told to send, in milliseconds."),
	SPAN(held, "Source: of that, held as was asked for, in milliseconds."),
	SPAN(parties, "Source: of that, waited for the parties that were told, in milliseconds."),
	SPAN(migrate_to_completed, "Source: from then until QEMU had sent all, in milliseconds."),
	SPAN(blackout, "Source: at most so long the guest stood still, in milliseconds: it ran on "
		       "a moment before its new host's answer came."),
	SPAN(stopped_to_completed,
	     "Source: from the stop of the guest until QEMU had sent all, in milliseconds."),
	SPAN(completed_to_go, "Source: from then until go was sent, in milliseconds."),
	SPAN(go_to_answer, "Source: until go was answered, in milliseconds."),
	SPAN(answer_to_fetched, "Source, post-copy: from then until all memory was on the "
				"destination, in milliseconds."),
	SPAN(answer_to_end, "Source: from then to the end, in milliseconds."),
	JSON_SHOWN_IF(struct move_times, destination,
		      "Source: the times of the destination, as it told them."),
	{ 0 },
};

/* A figure with DIGITS after the point; null where it is not known. */
#define MEASURED(member_, known, digits_, help_)                                              \
	{                                                                                     \
		.key = #member_, .type = JSON_NUMBER, .required = true, .nullable = true,     \
		JSON_MEMBER(struct move_measured, member_),                                   \
		.present_offset = offsetof(struct move_measured, known), .digits = (digits_), \
		.help = help_,                                                                \
	}

#define OF_NIC(member_, known, help_)                                                     \
	{                                                                                 \
		.key = #member_, .type = JSON_NUMBER, .required = true, .nullable = true, \
		JSON_MEMBER(struct move_nic_outage, member_),                             \
		.present_offset = offsetof(struct move_nic_outage, known), .digits = 3,   \
		.help = help_,                                                            \
	}

static const struct json_field nic_outage_fields[] = {
	JSON_SHOWN(struct move_nic_outage, id, "Id of the NIC in the definition."),
	OF_NIC(outage_ms, has_outage,
	       "From the last frame that the guest sent before its stop to its first one after "
	       "that, in milliseconds, the difference of the hosts' clocks taken out."),
	OF_NIC(outage_error_ms, has_outage, "By how much that may be wrong, in milliseconds."),
	OF_NIC(announced_ms, has_outage,
	       "The same to the first frame of any kind, which may be an announcement by the new "
	       "host, in milliseconds."),
	OF_NIC(pause_ms, has_pause,
	       "The longest pause between two frames that was seen before the stop, in "
	       "milliseconds: so much of an outage may be the guest's own silence."),
	JSON_SHOWN(struct move_nic_outage, ping,
		   "Whether the source asked the guest for answers (sent), and if not, why: off, "
		   "no-address, macvtap."),
	JSON_SHOWN(struct move_nic_outage, note,
		   "Reason why the outage is not known; empty where it is."),
	{ 0 },
};

static const struct json_field measured_fields[] = {
	MEASURED(blackout_ms, has_blackout, 3,
		 "How long the guest stood still, in milliseconds: from QEMU's STOP to RESUME, the "
		 "difference of the hosts' clocks taken out."),
	MEASURED(blackout_error_ms, has_blackout, 3,
		 "By how much that may be wrong, in milliseconds."),
	JSON_SHOWN(struct move_measured, blackout_note,
		   "Reason why it is not known; empty where it is."),
	MEASURED(cpu_before_percent, has_pace, 1,
		 "CPU time of the guest before the transfer, in percent of one CPU."),
	MEASURED(cpu_during_percent, has_pace, 1,
		 "The same from there to its stop, in percent of one CPU."),
	MEASURED(brownout_percent, has_brownout, 1,
		 "How much slower the guest ran in the transfer, in percent of its pace before."),
	JSON_SHOWN(struct move_measured, brownout_note,
		   "Reason why it is not known; empty where it is."),
	MEASURED(outage_ms, has_outage, 3,
		 "How long the network saw nothing of the guest, in milliseconds: of the NIC where "
		 "it was longest."),
	MEASURED(outage_error_ms, has_outage, 3, "By how much that may be wrong, in milliseconds."),
	JSON_SHOWN(struct move_measured, outage_nic, "Id of that NIC; empty where none is known."),
	JSON_SHOWN(struct move_measured, outage_note,
		   "Reason why it is not known; empty where it is."),
	{ .key = "nics",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct move_measured, nics, nic_count),
	  .fields = nic_outage_fields,
	  .help = "The outage of each NIC whose frames can be seen." },
	{ 0 },
};

static const struct json_field options_fields[] = {
	JSON_SHOWN(struct move_shown_options, bandwidth_bytes_per_s,
		   "Limit of the transfer in bytes per second; 0: none."),
	JSON_SHOWN(struct move_shown_options, downtime_limit_ms,
		   "How long the guest may stand still at the end, in milliseconds."),
	{ .key = "priority",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct move_shown_options, priority),
	  .names = move_priority_names,
	  .help = "Who comes first where moves share a host's places and bandwidth." },
	{ .key = "block_jobs",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct move_shown_options, block_jobs),
	  OF_SOURCE(struct move_shown_options),
	  .names = move_block_jobs_names,
	  .help = "Source: what becomes of block jobs and exports of the guest's disks." },
	{ .key = "multifd",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_shown_options, transfer.multifd),
	  .present_offset = offsetof(struct move_shown_options, transfer.has_multifd),
	  .fields = transfer_multifd_fields,
	  .help = "Source: memory goes over several connections." },
	{ .key = "postcopy",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_shown_options, transfer.postcopy),
	  .present_offset = offsetof(struct move_shown_options, transfer.has_postcopy),
	  .fields = transfer_postcopy_fields,
	  .help = "Source: the guest may run on the destination before all its memory is there." },
	{ .key = "xbzrle",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_shown_options, transfer.xbzrle),
	  .help = "Source: only the changed bytes of a page that is sent again go out." },
	{ .key = "auto_converge",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_shown_options, transfer.auto_converge),
	  .help = "Source: QEMU may slow the guest's CPUs down." },
	JSON_SHOWN_IF(struct move_shown_options, outage_ping_ms,
		      "Source: so often the guest is asked for an answer around its switch, in "
		      "milliseconds; 0: never.",
		      OF_SOURCE(struct move_shown_options)),
	JSON_SHOWN(struct move_shown_options, assert_same_disks,
		   "The caller vouched for the disks."),
	JSON_SHOWN(struct move_shown_options, assert_same_cpu, "The caller vouched for the CPU."),
	{ .key = "remove_source_disks",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_shown_options, remove_source_disks),
	  .help = "Source: images of disks that were copied are removed in the end." },
	{ .key = "hold",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_shown_options, hold),
	  .present_offset = offsetof(struct move_shown_options, has_hold),
	  .fields = move_hold_fields,
	  .help = "Source: the move waits before memory is sent." },
	{ 0 },
};

static const struct json_field shown_policy_fields[] = {
	JSON_PART_OF(struct move_shown_policy, policy, policy_fields),
	JSON_PART_OF(struct move_shown_policy, origin, policy_origin_fields),
	{ 0 },
};

#define IF(member) .digits = 3, .present_offset = offsetof(struct move_shown_forecast, member)

static const struct json_field shown_forecast_fields[] = {
	JSON_PART_OF(struct move_shown_forecast, said, forecast_fields),
	JSON_SHOWN_IF(struct move_shown_forecast, duration_ratio,
		      "Of a move that is done: the duration that was expected, by that which it "
		      "had.",
		      IF(has_duration)),
	JSON_SHOWN_IF(struct move_shown_forecast, blackout_ratio, "The same of the blackout.",
		      IF(has_blackout)),
	{ 0 },
};

const struct json_field move_reply_fields[] = {
	JSON_SHOWN(struct move_reply, id, "Id of the move, the same on both hosts."),
	JSON_SHOWN(struct move_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct move_reply, vm_uuid, "Uuid of the VM."),
	JSON_SHOWN(struct move_reply, kind, "MIGRATION_OUT or MIGRATION_IN."),
	JSON_SHOWN(struct move_reply, source, "Host id."),
	JSON_SHOWN(struct move_reply, destination, "Host id."),
	JSON_SHOWN(struct move_reply, state, "State of the move on this host."),
	JSON_SHOWN(struct move_reply, final, "The move has ended."),
	JSON_SHOWN(struct move_reply, can_cancel, "A cancel is taken in this state."),
	{ .key = "stopped",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct move_reply, stopped),
	  .help = "The VM is stopped, and is stopped wherever the move ends." },
	JSON_SHOWN(struct move_reply, held,
		   "The move waits before memory is sent, for a release or its time: it was begun "
		   "with `hold', or a party has asked for a delay."),
	JSON_SHOWN_TIME(struct move_reply, held_until,
			"When it ends or goes on by itself; null: it is not held.",
			.nullable = true),
	{ .key = "notices",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct move_reply, notices, notice_count),
	  .fields = notice_shown_fields,
	  .help = "Source: the parties that are told of the move; absent: none is.",
	  .is_passing = true },
	JSON_SHOWN(struct move_reply, owner,
		   "The host that may run the guest; null: only the other host can know.",
		   .nullable = true),
	JSON_SHOWN(struct move_reply, generation, "Changes of owner of this VM before the move."),
	JSON_SHOWN(struct move_reply, reason,
		   "Description of what the move waits for; may be empty.", .is_passing = true),
	JSON_SHOWN_OBJECT(struct move_reply, error, failure_fields,
			  "Reason why the move failed; null: it did not.", .nullable = true,
			  .present_offset = offsetof(struct move_reply, has_failed)),
	JSON_SHOWN_OBJECT(struct move_reply, progress, progress_fields, "Progress of the transfer.",
			  .is_passing = true),
	JSON_SHOWN_OBJECT(struct move_reply, times, move_times_fields,
			  "How long its steps took, as far as it has come.", .is_passing = true),
	{ .key = "explanation",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct move_reply, explanation),
	  .help = "Source, at its end: why it took as long as it did.",
	  .is_passing = true },
	JSON_SHOWN_OBJECT_IF(struct move_reply, measured, measured_fields,
			     "Source, from the transfer on: what the move cost its guest.",
			     .present_offset = offsetof(struct move_reply, is_measured),
			     .is_passing = true),
	JSON_SHOWN_OBJECT(struct move_reply, options, options_fields,
			  "Options of the request, and what holds where it has none."),
	JSON_SHOWN_OBJECT_IF(struct move_reply, policy, shown_policy_fields,
			     "Source: the move's own copy of its policy, and how it came to it; "
			     "not there: an older migrd began the move.",
			     .present_offset = offsetof(struct move_reply, has_policy)),
	JSON_SHOWN_LIST(struct move_reply, warnings, warning_count, NULL,
			"Only in the answer to POST /v1/moves: warnings for its caller.",
			.present_offset = offsetof(struct move_reply, has_warnings),
			.is_passing = true),
	JSON_SHOWN_IF(struct move_reply, began_by,
		      "Source: who began it, by the name of a certificate; local: on this host's "
		      "socket; of an entry of the queue or an evacuation who made that; absent: "
		      "not "
		      "known.", ),
	JSON_SHOWN_IF(struct move_reply, cancelled_by,
		      "Who was the first to ask this host for its cancel; absent: nobody did.", ),
	JSON_SHOWN_TIME(struct move_reply, created_at, "Time of the record on this host."),
	JSON_SHOWN_TIME(struct move_reply, updated_at, "Time of the last change of state."),
	JSON_SHOWN_TIME(struct move_reply, ended_at, "Time of the end; null: not yet.",
			.nullable = true),
	{ .key = "forecast",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_reply, forecast),
	  .present_offset = offsetof(struct move_reply, has_forecast),
	  .fields = shown_forecast_fields,
	  .help = "Source: what the move would be like, if a dry run has sampled its guest in the "
		  "minute before.",
	  .is_passing = true },
	{ 0 },
};

static const struct json_field kept_fields[] = {
	JSON_SHOWN(struct move_kept_setting, setting, "Setting of the policy."),
	JSON_SHOWN(struct move_kept_setting, why, "Why the move keeps its own."),
	{ 0 },
};

#define DID(owner) \
	JSON_SHOWN(owner, did, "What the request did, and what follows from it, in words.")

const struct json_field move_did_fields[] = {
	JSON_PART_OF(struct move_did_reply, move, move_reply_fields),
	DID(struct move_did_reply),
	{ 0 },
};

const struct json_field move_finish_reply_fields[] = {
	JSON_PART_OF(struct move_finish_reply, move, move_reply_fields),
	DID(struct move_finish_reply),
	JSON_SHOWN(struct move_finish_reply, left_bytes,
		   "What would be sent if the guest were stopped now, in bytes, by what is left "
		   "and "
		   "how fast the guest changes memory."),
	JSON_SHOWN(struct move_finish_reply, sent_bytes_per_s,
		   "Sent lately, in bytes per second; 0: not known yet."),
	JSON_SHOWN(struct move_finish_reply, stop_ms,
		   "How long the guest would stand still for that, in milliseconds; 0: not known "
		   "yet."),
	{ 0 },
};

const struct json_field move_patch_reply_fields[] = {
	JSON_PART_OF(struct move_patch_reply, move, move_reply_fields),
	JSON_SHOWN_LIST(struct move_patch_reply, changed, changed_count, NULL,
			"Settings that are others now.", .required = true),
	JSON_SHOWN_LIST(struct move_patch_reply, kept, kept_count, kept_fields,
			"Settings of the new policy that the move does not have, each with the "
			"reason.",
			.required = true),
	DID(struct move_patch_reply),
	{ 0 },
};

#define OF_MOVE   .present_offset = offsetof(struct job_reply, is_move)
#define OF_SAVE   .present_offset = offsetof(struct job_reply, is_save)
#define OF_HOLDER .present_offset = offsetof(struct job_reply, is_holder)

const struct json_field job_reply_fields[] = {
	JSON_SHOWN(struct job_reply, id,
		   "Id of the move, of the save or restore, or of the holder of a "
		   "monitor."),
	JSON_SHOWN(struct job_reply, kind,
		   "MIGRATION_OUT, MIGRATION_IN, SAVE or RESTORE; of a holder what it does."),
	JSON_SHOWN(struct job_reply, vm, "Name of the VM."),
	JSON_SHOWN_IF(struct job_reply, peer, "Of a move: the other host.", OF_MOVE),
	JSON_SHOWN_IF(struct job_reply, file, "Of a save or restore: its file.", OF_SAVE),
	JSON_SHOWN(struct job_reply, state, "State of the job; of a holder holds-monitor."),
	JSON_SHOWN(struct job_reply, final, "The job has ended."),
	JSON_SHOWN_IF(struct job_reply, command,
		      "Of a holder: the last command that was sent to QEMU; null: none.",
		      .nullable = true, OF_HOLDER),
	JSON_SHOWN_IF(struct job_reply, waiting,
		      "Of a holder: number of callers that wait for the monitor.", OF_HOLDER),
	JSON_SHOWN_TIME(struct job_reply, created_at, "Time of the beginning."),
	JSON_SHOWN_TIME_IF(struct job_reply, updated_at, "Of a move: its last change of state.",
			   OF_MOVE),
	JSON_SHOWN_TIME_IF(struct job_reply, ended_at, "Of a move: its end; null: not yet.",
			   .nullable = true, OF_MOVE),
	{ 0 },
};

const struct json_field move_cancel_fields[] = {
	JSON_SHOWN(struct move_cancel_reply, cancelled,
		   "The move has ended because of the cancel."),
	JSON_SHOWN(struct move_cancel_reply, under_way,
		   "The move will end because of the cancel; the other host has not answered yet."),
	JSON_SHOWN(struct move_cancel_reply, owner,
		   "The host that may run the guest; null: only the other host can know.",
		   .nullable = true),
	JSON_SHOWN(struct move_cancel_reply, state, "State of the move."),
	JSON_SHOWN(struct move_cancel_reply, detail, "Description of the outcome."),
	{ 0 },
};

const struct json_field move_cancel_problem_fields[] = {
	JSON_PART_OF(struct move_cancel_problem, problem, problem_fields),
	JSON_PART_OF(struct move_cancel_problem, cancel, move_cancel_fields),
	{ 0 },
};

/* A record of the move has them in the same form. */
const struct json_field move_pass_fields[] = {
	JSON_SHOWN(struct move_pass, first, "Number of the pass, or of the first of several."),
	JSON_SHOWN(struct move_pass, last, "Number of the last of them."),
	JSON_SHOWN(struct move_pass, began_ms,
		   "When it began, in milliseconds since memory began to be sent."),
	JSON_SHOWN(struct move_pass, duration_ms, "How long it took, in milliseconds."),
	JSON_SHOWN(struct move_pass, begun_at_bytes, "Sent by the passes before, in bytes."),
	JSON_SHOWN(struct move_pass, sent_bytes, "Sent by it, in bytes."),
	JSON_SHOWN(struct move_pass, to_send_bytes,
		   "What was to be sent when it began, in bytes; pages of zeros take few."),
	JSON_SHOWN(struct move_pass, dirty_pages_per_s,
		   "Pages that the guest changed meanwhile, per second, as QEMU tells; of several "
		   "passes the mean."),
	JSON_SHOWN(struct move_pass, throttle_percent,
		   "How much QEMU slowed the guest's CPUs down, in percent; the most of it."),
	{ .key = "decision",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct move_pass, decision),
	  .help = "Description of what was decided in it; may be empty." },
	{ 0 },
};

const struct json_field move_timeline_fields[] = {
	JSON_SHOWN_TIME(struct move_timeline_item, at, "Time of the event."),
	JSON_SHOWN(struct move_timeline_item, event, "Name of the event."),
	JSON_SHOWN(struct move_timeline_item, detail, "Details of the event."),
	{ 0 },
};
