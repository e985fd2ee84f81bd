/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/evacuation_page.h"

#include <inttypes.h>
#include <string.h>

#include "agents/lib/table.h"
#include "agents/lib/units.h"
#include "base/mem.h"
#include "base/when.h"

/* Members that are made of others for the page are put below this one. */
#define MADE "made"

static const struct table_field head_fields[] = {
	{ "evacuation", "id", TABLE_TEXT },
	{ "host", "host", TABLE_TEXT },
	{ "state", "state", TABLE_TEXT },
	{ "what it does", "reason", TABLE_TEXT },
	{ "left", MADE ".left", TABLE_TEXT },
	{ "blocked by", MADE ".blocked", TABLE_TEXT },
	{ "ends", MADE ".ends", TABLE_TEXT },
	{ "error", "error.code", TABLE_TEXT },
	{ "error detail", "error.detail", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field more_fields[] = {
	{ "on its way to", "ending", TABLE_TEXT },
	{ "approved", "approved", TABLE_TEXT },
	{ "not before", "not_before", TABLE_TEXT },
	{ "not begun after", "window_until", TABLE_TEXT },
	{ "deadline", "deadline_at", TABLE_TEXT },
	{ "given up at", "return_until", TABLE_TEXT },
	{ "plan", "plan.state_id", TABLE_TEXT },
	{ "begun by", "began_by", TABLE_TEXT },
	{ "paused by", "paused_by", TABLE_TEXT },
	{ "aborted by", "aborted_by", TABLE_TEXT },
	{ "created at", "created_at", TABLE_TEXT },
	{ "started at", "started_at", TABLE_TEXT },
	{ "drained at", "drained_at", TABLE_TEXT },
	{ "updated at", "updated_at", TABLE_TEXT },
	{ "ended at", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field host_fields[] = {
	{ "HOST", "host", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "MEMORY", "memory_mib", TABLE_MIB },
	{ "BEFORE", MADE ".before", TABLE_PERCENT },
	{ "AFTER", "memory_percent_after", TABLE_PERCENT },
	{ "AT MOST", "memory_percent_worst", TABLE_PERCENT },
	{ "CPUS", "cpus", TABLE_NUMBER },
	{ "VCPUS AFTER", "after.vcpus", TABLE_NUMBER },
	{ "HOMELESS IF LOST", "homeless_after", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field vm_fields[] = {
	{ "VM", "vm", TABLE_TEXT },     { "STATE", "state", TABLE_TEXT },
	{ "HOST", "host", TABLE_TEXT }, { "FAILED", "attempts", TABLE_NUMBER },
	{ "WHY", "why", TABLE_TEXT },   { NULL, NULL, TABLE_TEXT },
};

static const struct table_field request_fields[] = {
	{ "REQUESTER", "requester", TABLE_TEXT }, { "SINCE", "asked_at", TABLE_TEXT },
	{ "UNTIL", "until", TABLE_TEXT },         { "THEN", "on_withdraw", TABLE_TEXT },
	{ "REASON", "why", TABLE_TEXT },          { NULL, NULL, TABLE_TEXT },
};

static const struct table_field plan_move_fields[] = {
	{ "VM", "vm", TABLE_TEXT },         { "FROM", "from", TABLE_TEXT },
	{ "TO", "to", TABLE_TEXT },         { "OR", "others", TABLE_TEXT },
	{ "STARTS", "start_ms", TABLE_MS }, { "ENDS", "end_ms", TABLE_MS },
	{ "WHY", "why", TABLE_TEXT },       { NULL, NULL, TABLE_TEXT },
};

static const struct table_field room_fields[] = {
	{ "GIVES WAY", "vm", TABLE_TEXT }, { "FROM", "from", TABLE_TEXT },
	{ "TO", "to", TABLE_TEXT },        { "STATE", "state", TABLE_TEXT },
	{ "WHY", "why", TABLE_TEXT },      { NULL, NULL, TABLE_TEXT },
};

static const struct table_field plan_stay_fields[] = {
	{ "STAYS", "vm", TABLE_TEXT },
	{ "BECOMES", "becomes", TABLE_TEXT },
	{ "WHY", "why", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

/* ---- the answers ----------------------------------------------------------------------- */

static uint64_t count_at(struct json_object *evacuation, const char *path)
{
	int64_t count = json_object_get_int64(table_member(evacuation, path));

	return count > 0 ? (uint64_t)count : 0;
}

static bool is_over(struct json_object *evacuation)
{
	return json_get_bool(evacuation, "final", false);
}

static bool is_in(struct json_object *evacuation, const char *state)
{
	const char *now = json_get_str(evacuation, "state");

	return now && strcmp(now, state) == 0;
}

/* "7 of 24: 2 on their way, 1 blocked, 1 stays". */
static void add_left(struct json_object *evacuation, struct strbuf *text)
{
	static const struct {
		const char *path, *words;
	} parts[] = {
		{ "counts.moving", "on their way" },
		{ "counts.blocked", "blocked" },
		{ "counts.stays", "to stay" },
		{ "counts.returned", "back" },
	};
	const char *before = ": ";

	strbuf_addf(text, "%" PRIu64 " of %" PRIu64, count_at(evacuation, "counts.left"),
		    count_at(evacuation, "counts.total"));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint64_t count = count_at(evacuation, parts[i].path);

		if (!count)
			continue;
		strbuf_addf(text, "%s%" PRIu64 " %s", before, count, parts[i].words);
		before = ", ";
	}
}

static struct json_object *find_vm(struct json_object *evacuation, const char *name)
{
	struct json_object *vms = table_member(evacuation, "vms");

	for (size_t i = 0; i < json_count(vms); i++) {
		struct json_object *vm = json_object_array_get_idx(vms, i);
		const char *this_name = json_get_str(vm, "vm");

		if (this_name && strcmp(this_name, name) == 0)
			return vm;
	}
	return NULL;
}

/* "a17: no host takes it (b: ...; c: ...)"; nothing if none blocks. */
static void add_blocked(struct json_object *evacuation, struct strbuf *text)
{
	const char *name = json_get_str(evacuation, "blocked_by");
	struct json_object *vm = name ? find_vm(evacuation, name) : NULL;
	struct json_object *rejected = table_member(vm, "rejected");
	char why[TABLE_WORDS_SIZE], host[TABLE_CELL_SIZE];

	if (!name)
		return;
	strbuf_adds(text, table_text(evacuation, "blocked_by", host));
	if (table_words(vm, "why", why)[0])
		strbuf_addf(text, ": %s", why);
	for (size_t i = 0; i < json_count(rejected); i++) {
		struct json_object *one = json_object_array_get_idx(rejected, i);

		strbuf_addf(text, "%s%s: %s", i ? "; " : " (", table_text(one, "host", host),
			    table_words(one, "why", why));
	}
	if (json_count(rejected))
		strbuf_adds(text, ")");
}

/* How long it is until the moment at PATH; false: there is none. */
static bool time_until(struct json_object *evacuation, const char *path, int64_t now_ms,
		       char ret_text[UNITS_SIZE])
{
	const char *at = json_object_get_string(table_member(evacuation, path));
	int64_t at_ms;

	if (!at || !when_parse(at, &at_ms))
		return false;
	units_duration(at_ms > now_ms ? (uint64_t)(at_ms - now_ms + 999) / 1000 * 1000 : 0,
		       ret_text);
	return true;
}

/* "in about 12 s, 8 s to 31 s"; nothing of one that has nothing left to do. */
static void add_ends(struct json_object *evacuation, int64_t now_ms, struct strbuf *text)
{
	char expected[UNITS_SIZE], earliest[UNITS_SIZE], latest[UNITS_SIZE];

	if (is_over(evacuation) || is_in(evacuation, "drained"))
		return;
	if (!time_until(evacuation, "expected_end.expected", now_ms, expected)) {
		strbuf_adds(text, "not known");
		return;
	}
	strbuf_addf(text, "in about %s", expected);
	if (time_until(evacuation, "expected_end.earliest", now_ms, earliest) &&
	    time_until(evacuation, "expected_end.latest", now_ms, latest))
		strbuf_addf(text, ", %s to %s", earliest, latest);
}

static void put(struct json_object *made, const char *key, const struct strbuf *text)
{
	if (text->len)
		json_add_str(made, key, strbuf_str(text));
}

void evacuation_page_answers(struct json_object *evacuation, int64_t now_ms,
			     struct evacuation_answers *ret_answers)
{
	*ret_answers = (struct evacuation_answers){ STRBUF_INIT, STRBUF_INIT, STRBUF_INIT };
	if (table_member(evacuation, "counts"))
		add_left(evacuation, &ret_answers->left);
	add_blocked(evacuation, &ret_answers->blocked);
	add_ends(evacuation, now_ms, &ret_answers->ends);
}

void evacuation_answers_fini(struct evacuation_answers *answers)
{
	strbuf_fini(&answers->left);
	strbuf_fini(&answers->blocked);
	strbuf_fini(&answers->ends);
}

/* Adds to EVACUATION what is made of its other members. */
static void make_members(struct json_object *evacuation, int64_t now_ms)
{
	CLEANUP(evacuation_answers_fini) struct evacuation_answers answers;
	struct json_object *made = json_object_new_object();

	evacuation_page_answers(evacuation, now_ms, &answers);
	put(made, "left", &answers.left);
	put(made, "blocked", &answers.blocked);
	put(made, "ends", &answers.ends);
	json_object_object_add(evacuation, MADE, made);
}

void evacuation_page_line(struct json_object *evacuation, int64_t now_ms, struct strbuf *line)
{
	CLEANUP(strbuf_fini) struct strbuf blocked = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf ends = STRBUF_INIT;
	char host[TABLE_CELL_SIZE], state[TABLE_CELL_SIZE];

	strbuf_addf(line, "%s: %s%s: left ", table_text(evacuation, "host", host),
		    table_text(evacuation, "state", state),
		    json_get_bool(evacuation, "paused", false) ? ", paused" : "");
	add_left(evacuation, line);
	add_ends(evacuation, now_ms, &ends);
	if (ends.len)
		strbuf_addf(line, "; ends %s", strbuf_str(&ends));
	add_blocked(evacuation, &blocked);
	if (blocked.len)
		strbuf_addf(line, "; blocked by %s", strbuf_str(&blocked));
}

/* ---- how full the hosts are -------------------------------------------------------------- */

/* Of what guests may have. */
static void make_percent_before(struct json_object *host)
{
	double memory = json_object_get_double(table_member(host, "memory_mib"));
	double used = json_object_get_double(table_member(host, "before.memory_mib"));
	struct json_object *made = json_object_new_object();

	if (memory > 0)
		json_object_object_add(made, "before", json_object_new_double(used * 100 / memory));
	json_object_object_add(host, MADE, made);
}

static void print_hosts(FILE *out, struct json_object *evacuation)
{
	struct json_object *hosts = table_member(evacuation, "plan.hosts");

	for (size_t i = 0; i < json_count(hosts); i++)
		make_percent_before(json_object_array_get_idx(hosts, i));
	table_print_rows(out, evacuation, "plan.hosts", host_fields);
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void print_answers(FILE *out, struct json_object *evacuation, int64_t now_ms)
{
	make_members(evacuation, now_ms);
	table_print_object(out, evacuation, head_fields);
	print_hosts(out, evacuation);
}

/* Nothing more will happen to it here, or nothing has happened yet. */
static bool is_dull(struct json_object *vm)
{
	static const char *const dull[] = { "waiting", "moved", "returned", "gone" };
	const char *state = json_get_str(vm, "state");

	for (size_t i = 0; state && i < ARRAY_LEN(dull); i++)
		if (strcmp(state, dull[i]) == 0)
			return true;
	return false;
}

void evacuation_page_print_answers(FILE *out, struct json_object *evacuation, int64_t now_ms)
{
	struct json_object *vms = table_member(evacuation, "vms");
	struct json_object *told = json_object_new_array();

	for (size_t i = 0; i < json_count(vms); i++) {
		struct json_object *vm = json_object_array_get_idx(vms, i);

		if (!is_dull(vm))
			json_object_array_add(told, json_object_get(vm));
	}
	print_answers(out, evacuation, now_ms);
	json_object_object_add(evacuation, "told", told);
	table_print_rows(out, evacuation, "told", vm_fields);
	table_print_rows(out, evacuation, "rooms", room_fields);
}

void evacuation_page_print(FILE *out, struct json_object *evacuation, int64_t now_ms)
{
	print_answers(out, evacuation, now_ms);
	table_print_rows(out, evacuation, "vms", vm_fields);
	table_print_rows(out, evacuation, "rooms", room_fields);
	table_print_rows(out, evacuation, "requests", request_fields);
	fprintf(out, "\n");
	table_print_object(out, evacuation, more_fields);
}

/* ---- a plan ----------------------------------------------------------- */

static void print_rejected(FILE *out, struct json_object *stay)
{
	struct json_object *rejected = table_member(stay, "rejected");
	char vm[TABLE_CELL_SIZE], host[TABLE_CELL_SIZE], why[TABLE_WORDS_SIZE];

	for (size_t i = 0; i < json_count(rejected); i++) {
		struct json_object *one = json_object_array_get_idx(rejected, i);

		fprintf(out, "  %s not to %s: %s\n", table_text(stay, "vm", vm),
			table_text(one, "host", host), table_words(one, "why", why));
	}
}

static void print_verdict(FILE *out, struct json_object *evacuation)
{
	size_t moves = json_count(table_member(evacuation, "plan.moves"));
	size_t stays = json_count(table_member(evacuation, "plan.stays"));
	char host[TABLE_CELL_SIZE], span[UNITS_SIZE], bound[UNITS_SIZE];

	units_duration(count_at(evacuation, "plan.makespan_ms"), span);
	units_duration(count_at(evacuation, "plan.bound_ms"), bound);
	fprintf(out, "host %s: %zu move%s", table_text(evacuation, "host", host), moves,
		moves == 1 ? "" : "s");
	if (moves)
		fprintf(out, " in about %s (bytes and links alone: %s)", span, bound);
	if (stays)
		fprintf(out, ", %zu guest%s would stay", stays, stays == 1 ? "" : "s");
	fprintf(out, "\n");
}

void evacuation_page_print_plan(FILE *out, struct json_object *evacuation)
{
	struct json_object *stays = table_member(evacuation, "plan.stays");
	char id[TABLE_CELL_SIZE];

	print_verdict(out, evacuation);
	print_hosts(out, evacuation);
	table_print_rows(out, evacuation, "plan.moves", plan_move_fields);
	table_print_rows(out, evacuation, "plan.stays", plan_stay_fields);
	for (size_t i = 0; i < json_count(stays); i++)
		print_rejected(out, json_object_array_get_idx(stays, i));
	if (table_text(evacuation, "plan.state_id", id)[0])
		fprintf(out, "\nplan %s: nothing was changed\n", id);
}
