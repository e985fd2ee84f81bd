/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/trial_reply.h"

static const struct json_field reason_fields[] = {
	JSON_SHOWN(struct trial_reason, check, "Name of the check that did not pass."),
	JSON_SHOWN(struct trial_reason, side, "`source' or `destination'."),
	JSON_SHOWN(struct trial_reason, blocks, "The move would be refused because of it."),
	JSON_SHOWN(struct trial_reason, detail, "What is wrong, and what to do."),
	{ 0 },
};

#define IF_PROBED .present_offset = offsetof(struct trial_link, was_probed)

static const struct json_field link_fields[] = {
	JSON_SHOWN(struct trial_link, mtu_bytes,
		   "Largest packet on the way, as this host knows it, in bytes; 0: not known."),
	JSON_SHOWN(struct trial_link, round_trip_us, "Round trip in microseconds."),
	JSON_SHOWN_IF(struct trial_link, probe_bytes,
		      "Data that was sent there just now, in packets of the largest size, in "
		      "bytes.",
		      IF_PROBED),
	JSON_SHOWN_IF(struct trial_link, probe_us,
		      "Time from the first of it to the last, as the destination saw it, in "
		      "microseconds.",
		      IF_PROBED),
	JSON_SHOWN_IF(struct trial_link, probe_bytes_per_s,
		      "Rate of the second half, in bytes per second; 0: too little to tell.",
		      IF_PROBED),
	JSON_SHOWN_IF(struct trial_link, probe_is_least,
		      "It grew to the end: the link gives that much at least."),
	{ 0 },
};

const struct json_field trial_reply_fields[] = {
	JSON_SHOWN(struct trial_reply, possible,
		   "Both hosts were looked at, and nothing speaks against the move."),
	JSON_SHOWN(struct trial_reply, vm, "Name of the VM."),
	JSON_SHOWN(struct trial_reply, source, "Host id of the source."),
	JSON_SHOWN(struct trial_reply, destination, "Host id of the destination."),
	JSON_SHOWN(struct trial_reply, destination_asked,
		   "The destination has looked; false: it cannot be asked, or did not answer."),
	{ .key = "reasons",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct trial_reply, reasons, reason_count),
	  .fields = reason_fields,
	  .help = "All checks that did not pass, of both hosts." },
	{ .key = "link",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct trial_reply, link),
	  .present_offset = offsetof(struct trial_reply, has_link),
	  .fields = link_fields,
	  .help = "The way to the destination's data port; not there: it was not reached." },
	JSON_SHOWN_OBJECT(struct trial_reply, forecast, forecast_fields,
			  "What the move would be like."),
	{ .key = "notices",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct trial_reply, notices, notice_count),
	  .fields = notice_expected_fields,
	  .help = "The parties that would be asked at the same time before memory is sent, and may "
		  "delay that; the forecast has no delay in it." },
	{ .key = "plan",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct trial_reply, plan),
	  .present_offset = offsetof(struct trial_reply, has_plan),
	  .fields = transfer_plan_fields,
	  .help = "How it would send the guest, and why so; not there: no plan can be made." },
	{ 0 },
};
