/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/forecast.h"

static const char *const convergence_names[] = { "yes", "maybe", "no", NULL };
static const char *const mode_names[] = { "precopy", "postcopy", "still", NULL };

static const struct json_field value_fields[] = {
	JSON_SHOWN(struct forecast_value, expected, "The likeliest value."),
	JSON_SHOWN(struct forecast_value, low, "With the better end of all that is measured."),
	JSON_SHOWN(struct forecast_value, high, "With the worse end."),
	{ 0 },
};

#define IF(member) .present_offset = offsetof(struct forecast_basis, member)

static const struct json_field basis_fields[] = {
	JSON_SHOWN(struct forecast_basis, memory_bytes, "Memory of the guest in bytes."),
	JSON_SHOWN(struct forecast_basis, nonzero_bytes,
		   "Of it what is not zero, as far as it is known, in bytes."),
	JSON_SHOWN_IF(struct forecast_basis, resident_bytes,
		      "What the host has had to provide of it, in bytes; the rest is zero."),
	JSON_SHOWN_IF(struct forecast_basis, dirty_set_bytes,
		      "How much memory the guest writes again and again, in bytes.", IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, dirty_bytes_per_s,
		      "How fast it begins to change memory that was sent, in bytes per second.",
		      IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, dirty_age_ms,
		      "Age of these two figures in milliseconds.", IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, dirty_short_ms,
		      "They are made of two samples: how long the shorter one took, in "
		      "milliseconds.",
		      IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, dirty_short_bytes,
		      "What was changed in that time, in bytes.", IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, dirty_long_ms,
		      "How long the longer one took, in milliseconds.", IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, dirty_long_bytes,
		      "What was changed in that time, in bytes.", IF(has_dirty)),
	JSON_SHOWN_IF(struct forecast_basis, link_bytes_per_s,
		      "What earlier moves to that host got, or a probe of the link, in bytes per "
		      "second.",
		      IF(has_link)),
	JSON_SHOWN_IF(struct forecast_basis, link_age_ms,
		      "Age of the newest of them, or of the probe, in milliseconds.", IF(has_link)),
	JSON_SHOWN_IF(struct forecast_basis, link_moves, "How many moves they are.", IF(has_link)),
	JSON_SHOWN_IF(struct forecast_basis, link_was_probed,
		      "A short transfer without a guest has told it, not moves."),
	JSON_SHOWN_IF(struct forecast_basis, small_bytes_per_s,
		      "Of a guest of which less than 64 MiB are sent: what earlier moves like that "
		      "got, in bytes per second."),
	JSON_SHOWN_IF(struct forecast_basis, zero_bytes_per_s,
		      "How fast earlier moves have passed over memory that is zero, in bytes per "
		      "second."),
	JSON_SHOWN_IF(struct forecast_basis, pace_percent,
		      "CPU time that guests had in earlier moves to that host, in percent of what "
		      "they had before."),
	JSON_SHOWN(struct forecast_basis, disk_bytes, "Local disks that are copied, in bytes."),
	JSON_SHOWN(struct forecast_basis, disk_write_bytes_per_s,
		   "What the guest writes to them, in bytes per second."),
	JSON_SHOWN_IF(struct forecast_basis, disk_bytes_per_s,
		      "What copies of disks to that host got in earlier moves, in bytes per "
		      "second."),
	JSON_SHOWN_IF(struct forecast_basis, limit_bytes_per_s,
		      "The lowest limit that is known before the move, in bytes per second: its "
		      "own, or what the budgets of the two hosts would leave to it now."),
	JSON_SHOWN(struct forecast_basis, prepare_ms,
		   "What a move takes before its data, in milliseconds, as earlier ones did."),
	JSON_SHOWN(struct forecast_basis, handover_ms,
		   "The same while the guest stands still, without data."),
	JSON_SHOWN(struct forecast_basis, end_ms, "The same after that."),
	JSON_SHOWN_IF(struct forecast_basis, disk_ms,
		      "The same before memory, beside the data of disks."),
	{ 0 },
};

/* The flags of the basis are not sent: a figure that is there was known. */
#define VALUE(member, help) JSON_SHOWN_OBJECT(struct forecast, member, value_fields, help)

const struct json_field forecast_fields[] = {
	{ .key = "converges",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct forecast, converges),
	  .names = convergence_names,
	  .help = "The transfer comes to an end by itself." },
	{ .key = "mode",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct forecast, mode),
	  .names = mode_names,
	  .help = "precopy; postcopy: the guest goes over before its memory; still: it does not "
		  "run." },
	VALUE(duration_ms, "From the request to the end, in milliseconds."),
	VALUE(blackout_ms, "How long the guest stands still, in milliseconds."),
	VALUE(bytes, "Sent over the link, in bytes."),
	VALUE(passes, "Passes over the guest's memory."),
	JSON_SHOWN(struct forecast, summary, "The same in one sentence, with what to do."),
	JSON_SHOWN_OBJECT(struct forecast, basis, basis_fields, "What it was made of."),
	{ 0 },
};
