/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/move_page.h"

#include <string.h>

#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/move_target.h"
#include "base/mem.h"

#define FIELDS_MAX 64

static const struct table_field disk_fields[] = {
	{ "DISK", "id", TABLE_TEXT },         { "COPIED", "copied_bytes", TABLE_BYTES },
	{ "OF", "total_bytes", TABLE_BYTES }, { "READY", "ready", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field nic_fields[] = {
	{ "NIC", "id", TABLE_TEXT },
	{ "OUTAGE", "outage_ms", TABLE_MS_ERROR },
	{ "ANNOUNCED", "announced_ms", TABLE_MS },
	{ "PAUSE", "pause_ms", TABLE_MS },
	{ "PING", "ping", TABLE_TEXT },
	{ "NOTE", "note", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field notice_fields[] = {
	{ "PARTY", "party", TABLE_TEXT },
	{ "BEFORE", "before", TABLE_TEXT },
	{ "TOLD", "told_at", TABLE_TEXT },
	{ "DELAYED UNTIL", "delayed_until", TABLE_TEXT },
	{ "AFTER", "after", TABLE_TEXT },
	{ "REASON", "reason", TABLE_TEXT },
	{ "NOT TOLD", "after_reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field time_fields[] = {
	{ "total time", "times.total_ms", TABLE_MS },
	{ "until the destination was ready", "times.created_to_prepared_ms", TABLE_MS },
	{ "then until memory began", "times.prepared_to_migrate_ms", TABLE_MS },
	{ "of that held", "times.held_ms", TABLE_MS },
	{ "of that for parties", "times.parties_ms", TABLE_MS },
	{ "then until all was sent", "times.migrate_to_completed_ms", TABLE_MS },
	{ "of that after the guest's stop", "times.stopped_to_completed_ms", TABLE_MS },
	{ "then until the hand-over", "times.completed_to_go_ms", TABLE_MS },
	{ "then until its answer", "times.go_to_answer_ms", TABLE_MS },
	{ "then until all memory was there", "times.answer_to_fetched_ms", TABLE_MS },
	{ "from the answer to the end", "times.answer_to_end_ms", TABLE_MS },
	{ "longest possible blackout", "times.blackout_ms", TABLE_MS },
	{ "QEMU's blackout", "times.qemu_downtime_ms", TABLE_MS },
	{ "QEMU's set-up", "times.qemu_setup_ms", TABLE_MS },
	{ "QEMU's total", "times.qemu_total_ms", TABLE_MS },
	{ "destination until it was ready", "times.destination.prepare_ms", TABLE_MS },
	{ "destination until it had taken", "times.destination.go_to_taken_ms", TABLE_MS },
	{ "destination until the guest ran", "times.destination.taken_to_running_ms", TABLE_MS },
	{ "destination in total", "times.destination.total_ms", TABLE_MS },
	/* Of a destination itself. */
	{ "until it was ready", "times.prepare_ms", TABLE_MS },
	{ "until it had taken", "times.go_to_taken_ms", TABLE_MS },
	{ "until the guest ran", "times.taken_to_running_ms", TABLE_MS },
	{ NULL, NULL, TABLE_TEXT },
};

/* What means nothing once a move has ended. */
static const char *const until_end[] = {
	"can_cancel",
	"progress.ram_remaining_bytes",
	"progress.throughput_mbit_per_s",
	"progress.dirty_pages_per_s",
	"progress.expected_downtime_ms",
	"progress.throttle_percent",
	"progress.limit_bytes_per_s",
	"forecast.summary",
};

/* Why something could not be measured: of a guest that is on its new host. */
static const char *const notes[] = {
	"measured.blackout_note",
	"measured.outage_note",
	"measured.brownout_note",
};

/* What is left out where it is 0: it has not begun, or is not used. */
static const char *const not_zero[] = {
	"options.outage_ping_ms",
	"progress.ram_total_bytes",
	"progress.ram_transferred_bytes",
	"progress.ram_remaining_bytes",
	"progress.passes",
	"progress.throughput_mbit_per_s",
	"progress.dirty_pages_per_s",
	"progress.expected_downtime_ms",
	"progress.throttle_percent",
	"progress.limit_bytes_per_s",
	"times.qemu_downtime_ms",
};

static bool is_in(const char *const *paths, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(paths[i], path) == 0)
			return true;
	return false;
}

static bool has_arrived(struct json_object *move)
{
	const char *state = json_get_str(move, "state");

	return state && strcmp(state, "done") == 0;
}

static bool is_above_zero(struct json_object *move, const char *path)
{
	return json_object_get_double(table_member(move, path)) > 0;
}

static bool means_something(struct json_object *move, const char *path)
{
	if (is_in(notes, ARRAY_LEN(notes), path))
		return has_arrived(move);
	if (strcmp(path, "times.qemu_downtime_ms") == 0 && json_get_bool(move, "stopped", false))
		return false;
	if (strcmp(path, "progress.limit_why") == 0)
		return is_above_zero(move, "progress.limit_bytes_per_s") &&
		       !json_get_bool(move, "final", false);
	if (json_get_bool(move, "final", false) && is_in(until_end, ARRAY_LEN(until_end), path))
		return false;
	return !is_in(not_zero, ARRAY_LEN(not_zero), path) || is_above_zero(move, path);
}

void move_page_print_fields(FILE *out, struct json_object *move, const struct table_field *fields)
{
	struct table_field shown[FIELDS_MAX + 1] = { { NULL, NULL, TABLE_TEXT } };
	char words[TABLE_WORDS_SIZE];
	size_t count = 0;

	for (; fields->title && count < FIELDS_MAX; fields++)
		if (means_something(move, fields->path))
			shown[count++] = *fields;
	table_print_object(out, move, shown);
	if (table_words(move, "explanation", words)[0])
		fprintf(out, "\n%s\n", words);
}

void move_page_print(FILE *out, struct json_object *move)
{
	move_page_print_fields(out, move, move_show_fields);
	table_print_rows(out, move, "progress.disks", disk_fields);
	table_print_rows(out, move, "measured.nics", nic_fields);
	table_print_rows(out, move, "notices", notice_fields);
}

void move_page_show(const struct cli_call *call, struct json_object *move)
{
	if (migrctl_wants_json(call)) {
		migrctl_print_data(call, move);
		return;
	}
	move_page_print(stdout, move);
}

void move_page_print_times(FILE *out, struct json_object *move)
{
	table_print_object(out, move, time_fields);
}
