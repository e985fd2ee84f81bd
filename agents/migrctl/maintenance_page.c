/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/maintenance_page.h"

#include <inttypes.h>
#include <string.h>

#include "agents/lib/table.h"
#include "agents/lib/units.h"
#include "base/mem.h"

/* Members that are made of others for the page are put below this one. */
#define MADE "made"

static const struct table_field head_fields[] = {
	{ "maintenance", "id", TABLE_TEXT },
	{ "conducted by", "conductor", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "what it does", "reason", TABLE_TEXT },
	{ "hosts", MADE ".hosts", TABLE_TEXT },
	{ "go on with", MADE ".go", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field more_fields[] = {
	{ "with an empty host", MADE ".hook", TABLE_TEXT },
	{ "why", "why", TABLE_TEXT },
	{ "ordered by", "by", TABLE_TEXT },
	{ "plan", "state_id", TABLE_TEXT },
	{ "not before", "not_before", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "started at", "started_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field host_fields[] = {
	{ "HOST", "host", TABLE_TEXT },     { "STATE", "state", TABLE_TEXT },
	{ "GUESTS", "vms", TABLE_NUMBER },  { "LEFT", "left", TABLE_NUMBER },
	{ "MOVED", "moved", TABLE_NUMBER }, { "BACK", "returned", TABLE_NUMBER },
	{ "TOOK", "took_ms", TABLE_MS },    { "WHAT IT DOES", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field report_fields[] = {
	{ "HOST", "host", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "TOOK", "took_ms", TABLE_MS },
	{ "GUESTS", "vms", TABLE_NUMBER },
	{ "MOVED", MADE ".moved", TABLE_NUMBER },
	{ "BACK", "returned", TABLE_NUMBER },
	{ "STAYED", "stays", TABLE_NUMBER },
	{ "STOOD STILL", "blackout_ms", TABLE_MS },
	{ "HOOK", "hook.state", TABLE_TEXT },
	{ "HOW IT ENDED", "reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field step_fields[] = {
	{ "", "number", TABLE_NUMBER }, { "HOST", "host", TABLE_TEXT },
	{ "STEP", "step", TABLE_TEXT }, { "WHAT IS DONE", "text", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field plan_fields[] = {
	{ "HOST", "host", TABLE_TEXT },
	{ "RACK", "rack", TABLE_TEXT },
	{ "GUESTS", "plan.vms", TABLE_NUMBER },
	{ "MOVE", "plan.moves", TABLE_NUMBER },
	{ "STAY", "plan.stays", TABLE_NUMBER },
	{ "BLOCKED", "plan.blocked", TABLE_NUMBER },
	{ "EMPTY IN", "plan.makespan_ms", TABLE_MS },
	{ "FULLEST", "plan.fullest", TABLE_TEXT },
	{ "ITS MEMORY", "plan.fullest_percent", TABLE_PERCENT },
	{ "HOMELESS IF LOST", MADE ".homeless", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* ---- parts of sentences ---------------------------------------------------------------- */

static uint64_t count_at(struct json_object *obj, const char *path)
{
	int64_t count = json_object_get_int64(table_member(obj, path));

	return count > 0 ? (uint64_t)count : 0;
}

/* "4: 1 done, 1 under way, 2 to do". */
static void add_hosts(struct json_object *maintenance, struct strbuf *text)
{
	static const struct {
		const char *path, *words;
	} parts[] = {
		{ "counts.done", "done" },           { "counts.failed", "failed" },
		{ "counts.skipped", "skipped" },     { "counts.aborted", "aborted" },
		{ "counts.under_way", "under way" }, { "counts.todo", "to do" },
	};
	const char *before = ": ";

	strbuf_addf(text, "%" PRIu64, count_at(maintenance, "counts.total"));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint64_t count = count_at(maintenance, parts[i].path);

		if (!count)
			continue;
		strbuf_addf(text, "%s%" PRIu64 " %s", before, count, parts[i].words);
		before = ", ";
	}
}

/* The command that lets the host go on which waits for a person. */
static void add_go(struct json_object *maintenance, struct strbuf *text)
{
	char host[TABLE_CELL_SIZE];

	if (table_text(maintenance, "waits_for", host)[0])
		strbuf_addf(text, "migrctl maintenance go %s", host);
	else if (json_get_bool(maintenance, "paused", false))
		strbuf_adds(text, "migrctl maintenance resume");
}

static void put(struct json_object *made, const char *key, const struct strbuf *text)
{
	if (text->len)
		json_add_str(made, key, strbuf_str(text));
}

static void make_members(struct json_object *maintenance)
{
	CLEANUP(strbuf_fini) struct strbuf hosts = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf go = STRBUF_INIT;
	struct json_object *made = json_object_new_object();
	char hook[TABLE_CELL_SIZE];

	add_hosts(maintenance, &hosts);
	add_go(maintenance, &go);
	put(made, "hosts", &hosts);
	put(made, "go", &go);
	if (table_text(maintenance, "hook", hook)[0])
		json_object_object_add(made, "hook",
				       json_object_new_string_len(hook, (int)strlen(hook)));
	else
		json_add_str(made, "hook", "by hand: it waits until a person says go");
	json_object_object_add(maintenance, MADE, made);
}

/* ---- one line --------------------------------------------------------------------------- */

static bool is_in(struct json_object *host, const char *state)
{
	const char *now = json_get_str(host, "state");

	return now && strcmp(now, state) == 0;
}

static bool is_under_way(struct json_object *host)
{
	return !json_get_bool(host, "final", false) && !is_in(host, "todo");
}

/* "b: evacuating, 5 of 24 guests left, 1 blocked". */
static void add_host(struct json_object *host, struct strbuf *line)
{
	uint64_t total = count_at(host, "vms"), blocked = count_at(host, "blocked");
	uint64_t returned = count_at(host, "returned");
	const char *plural = total == 1 ? "" : "s";
	char name[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE];

	strbuf_addf(line, "; %s: %s", table_text(host, "host", name),
		    table_text(host, "state", state));
	if (is_in(host, "returning") && total)
		strbuf_addf(line, ", %" PRIu64 " of %" PRIu64 " guest%s %s back", returned, total,
			    plural, returned == 1 ? "is" : "are");
	else if (count_at(host, "left"))
		strbuf_addf(line, ", %" PRIu64 " of %" PRIu64 " guest%s left",
			    count_at(host, "left"), total, plural);
	if (blocked)
		strbuf_addf(line, ", %" PRIu64 " blocked", blocked);
}

static void add_failed(struct json_object *host, struct strbuf *line)
{
	char name[TABLE_CELL_SIZE], why[TABLE_WORDS_SIZE];

	strbuf_addf(line, "; %s has failed: %s", table_text(host, "host", name),
		    table_words(host, "reason", why));
}

void maintenance_page_line(struct json_object *maintenance, int64_t now_ms, struct strbuf *line)
{
	struct json_object *hosts = table_member(maintenance, "hosts");
	uint64_t total = count_at(maintenance, "counts.total");
	CLEANUP(strbuf_fini) struct strbuf go = STRBUF_INIT;
	char state[TABLE_CELL_SIZE];

	(void)now_ms;
	strbuf_addf(line, "%s%s: %" PRIu64 " of %" PRIu64 " host%s done",
		    table_text(maintenance, "state", state),
		    json_get_bool(maintenance, "paused", false) ? ", paused" : "",
		    count_at(maintenance, "counts.done"), total, total == 1 ? "" : "s");
	for (size_t i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_object_array_get_idx(hosts, i);

		if (is_under_way(host))
			add_host(host, line);
		else if (is_in(host, "failed"))
			add_failed(host, line);
	}
	add_go(maintenance, &go);
	if (go.len)
		strbuf_addf(line, "; go on with `%s'", strbuf_str(&go));
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* What the hook of a host that has failed said last: the first thing that is asked for. */
static void print_words(FILE *out, struct json_object *maintenance)
{
	struct json_object *hosts = table_member(maintenance, "hosts");
	char name[TABLE_CELL_SIZE], words[TABLE_WORDS_SIZE];

	for (size_t i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_object_array_get_idx(hosts, i);

		if (is_in(host, "failed") && table_words(host, "hook.words", words)[0])
			fprintf(out, "\nthe hook of %s said: %s\n", table_text(host, "host", name),
				words);
	}
}

void maintenance_page_print_screen(FILE *out, struct json_object *maintenance, int64_t now_ms)
{
	(void)now_ms;
	make_members(maintenance);
	table_print_object(out, maintenance, head_fields);
	table_print_rows(out, maintenance, "hosts", host_fields);
}

/* How many have left it, also those that are back. */
static void make_moved(struct json_object *host)
{
	struct json_object *made = json_object_new_object();

	json_add_uint(made, "moved", count_at(host, "moved") + count_at(host, "returned"));
	json_object_object_add(host, MADE, made);
}

static void print_report(FILE *out, struct json_object *maintenance)
{
	struct json_object *hosts = table_member(maintenance, "hosts");

	for (size_t i = 0; i < json_count(hosts); i++)
		make_moved(json_object_array_get_idx(hosts, i));
	table_print_rows(out, maintenance, "hosts", report_fields);
	print_words(out, maintenance);
}

void maintenance_page_print(FILE *out, struct json_object *maintenance, int64_t now_ms)
{
	(void)now_ms;
	make_members(maintenance);
	table_print_object(out, maintenance, head_fields);
	if (json_get_bool(maintenance, "final", false))
		print_report(out, maintenance);
	else
		table_print_rows(out, maintenance, "hosts", host_fields);
	fprintf(out, "\n");
	table_print_object(out, maintenance, more_fields);
}

/* ---- a dry run -------------------------------------------------------- */

/* "v9, with c": which guest would find no place if which host were lost then. */
static void make_homeless(struct json_object *host)
{
	struct json_object *made = json_object_new_object();
	char vm[TABLE_CELL_SIZE], lost[TABLE_CELL_SIZE];
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	if (table_text(host, "plan.homeless", vm)[0])
		strbuf_addf(&text, "%s, with %s", vm, table_text(host, "plan.homeless_host", lost));
	put(made, "homeless", &text);
	json_object_object_add(host, MADE, made);
}

static void print_blocked(FILE *out, struct json_object *host)
{
	char name[TABLE_CELL_SIZE], vm[TABLE_CELL_SIZE], why[TABLE_WORDS_SIZE];

	if (table_text(host, "plan.blocked_by", vm)[0])
		fprintf(out, "  %s on %s: %s\n", vm, table_text(host, "host", name),
			table_words(host, "plan.blocked_why", why));
}

void maintenance_page_print_plan(FILE *out, struct json_object *maintenance)
{
	struct json_object *hosts = table_member(maintenance, "hosts");
	char reason[TABLE_WORDS_SIZE], id[TABLE_CELL_SIZE];

	for (size_t i = 0; i < json_count(hosts); i++)
		make_homeless(json_object_array_get_idx(hosts, i));
	fprintf(out, "%s\n", table_words(maintenance, "reason", reason));
	table_print_rows(out, maintenance, "hosts", plan_fields);
	for (size_t i = 0; i < json_count(hosts); i++)
		print_blocked(out, json_object_array_get_idx(hosts, i));
	table_print_rows(out, maintenance, "steps", step_fields);
	if (table_text(maintenance, "state_id", id)[0])
		fprintf(out, "\nplan %s\n", id);
}
