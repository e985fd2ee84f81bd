/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/summary.h"

#include <string.h>

#include "agents/lib/table.h"
#include "base/mem.h"

static const struct table_field summary_fields[] = {
	{ "move", "id", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "reason", "reason", TABLE_TEXT },
	{ "owner", "owner", TABLE_TEXT },
	{ "generation", "generation", TABLE_NUMBER },
	{ "sent", "progress.ram_transferred_bytes", TABLE_BYTES },
	{ "passes", "progress.passes", TABLE_NUMBER },
	{ "blackout, measured", "measured.blackout_ms", TABLE_MS },
	{ "blackout, error", "measured.blackout_error_ms", TABLE_MS },
	{ "no blackout known", "measured.blackout_note", TABLE_TEXT },
	{ "network outage", "measured.outage_ms", TABLE_MS },
	{ "outage, error", "measured.outage_error_ms", TABLE_MS },
	{ "outage of NIC", "measured.outage_nic", TABLE_TEXT },
	{ "no outage known", "measured.outage_note", TABLE_TEXT },
	{ "brownout", "measured.brownout_percent", TABLE_PERCENT },
	{ "no brownout known", "measured.brownout_note", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* Members of `times' with a better title than their key. */
static const struct {
	const char *key, *title;
} time_titles[] = {
	{ "total_ms", "total time" },
	{ "blackout_ms", "blackout" },
	{ "qemu_downtime_ms", "blackout, as QEMU says" },
	{ "qemu_total_ms", "QEMU's part" },
	{ "qemu_setup_ms", "QEMU's set-up" },
	{ "completed_to_taken_ms", "handover" },
	{ "held_ms", "of that, held" },
	{ "parties_ms", "of that, for parties" },
};

static void time_title(const char *key, char *title, size_t size)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < ARRAY_LEN(time_titles); i++)
		if (strcmp(time_titles[i].key, key) == 0) {
			snprintf(title, size, "%s", time_titles[i].title);
			return;
		}
	if (len > 3 && strcmp(key + len - 3, "_ms") == 0)
		len -= 3;
	snprintf(title, size, "%.*s", (int)len, key);
	for (char *p = title; *p; p++)
		if (*p == '_')
			*p = ' ';
}

#define FIELDS_MAX 64

/* A list of fields made while the program runs. */
struct field_list {
	struct table_field fields[FIELDS_MAX + 1]; /* the last one ends the list */
	char titles[FIELDS_MAX][96], paths[FIELDS_MAX][64];
	size_t count;
};

/* Adds a field for each member of TIMES.  GROUP: the member that holds TIMES, for title and
 * path. */
static void add_times(struct field_list *list, const char *group, struct json_object *times)
{
	bool is_inner = strcmp(group, "times") != 0;
	char title[48];

	json_object_object_foreach(times, key, value)
	{
		size_t i = list->count;

		if (!value || i == FIELDS_MAX || strlen(key) + strlen(group) > 40)
			continue;
		if (json_object_is_type(value, json_type_object)) {
			if (!is_inner) /* the destination's times, one level below */
				add_times(list, key, value);
			continue;
		}
		time_title(key, title, sizeof(title));
		snprintf(list->titles[i], sizeof(list->titles[i]), "%s%s%s", is_inner ? group : "",
			 is_inner ? ", " : "", title);
		snprintf(list->paths[i], sizeof(list->paths[i]), "times.%s%s%s",
			 is_inner ? group : "", is_inner ? "." : "", key);
		list->fields[i] = (struct table_field){ list->titles[i], list->paths[i], TABLE_MS };
		list->count++;
	}
}

void summary_print_fields(FILE *out, struct json_object *move, const struct table_field *fields)
{
	struct json_object *times = table_member(move, "times");
	struct field_list list;
	char words[TABLE_WORDS_SIZE];

	memset(&list, 0, sizeof(list));
	for (; fields->title && list.count < FIELDS_MAX; fields++)
		list.fields[list.count++] = *fields;
	if (json_object_is_type(times, json_type_object))
		add_times(&list, "times", times);
	table_print_object(out, move, list.fields);
	if (table_words(move, "explanation", words)[0])
		fprintf(out, "\n%s\n", words);
}

void summary_print(FILE *out, struct json_object *move)
{
	summary_print_fields(out, move, summary_fields);
}

/* ---- the result --------------------------------------------------------------------- */

static const struct {
	const char *state;
	enum err_code code;
	const char *meaning;
} endings[] = {
	{ "cancelled", ERR_CANCELLED, "was cancelled" },
	{ "failed", ERR_PEER, "failed" },
	{ "lost", ERR_QEMU, "has lost the guest" },
	{ "stuck", ERR_CONFLICT, "is stuck and needs an operator" },
};

static bool ended(struct json_object *move, enum err_code code, const char *meaning,
		  struct err *err)
{
	const char *name = json_get_str(json_get_obj(move, "error"), "code");
	char id[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE], detail[TABLE_CELL_SIZE];
	char owner[TABLE_CELL_SIZE];

	if (!table_text(move, "error.detail", detail)[0])
		table_text(move, "reason", detail);
	if (name && err_from_name(name) != ERR_NONE)
		code = err_from_name(name);
	table_text(move, "owner", owner);
	return err_set(err, code, "move '%.40s' of VM '%.64s' %s%s%.250s; %s%.64s%s",
		       table_text(move, "id", id), table_text(move, "vm", vm), meaning,
		       detail[0] ? ": " : "", detail, owner[0] ? "'" : "", owner,
		       owner[0] ? "' owns the guest" : "nobody owns the guest");
}

bool summary_result(struct json_object *move, struct err *err)
{
	const char *state = json_get_str(move, "state");

	if (!json_get_bool(move, "final", false) || !state || strcmp(state, "done") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (strcmp(endings[i].state, state) == 0)
			return ended(move, endings[i].code, endings[i].meaning, err);
	return ended(move, ERR_INTERNAL, "ended in an unknown state", err);
}
