/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/top.h"

#include <inttypes.h>
#include <string.h>

#include "agents/lib/table.h"
#include "agents/lib/units.h"
#include "agents/migrctl/vm_figures.h"
#include "base/mem.h"

#define BAR       10u
#define FULL_WARN 80.0
#define FULL_BAD  95.0

static bool is_wanted(const struct top *top, const char *name)
{
	return !top->filter[0] || strcasestr(name, top->filter);
}

static void put(struct frame_row *row, size_t at, enum frame_style style, const char *text)
{
	free(row->cells[at]);
	row->cells[at] = xstrdup(text);
	row->styles[at] = style;
}

static void put_bar(struct frame_row *row, size_t at, enum frame_style style, double percent)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	progress_add_bar(percent < 0 ? 0 : percent < 100 ? percent : 100, BAR, &text);
	strbuf_addf(&text, " %3.0f %%", percent);
	put(row, at, style, strbuf_str(&text));
}

static double number(struct json_object *obj, const char *path)
{
	return json_object_get_double(table_member(obj, path));
}

/* ---- hosts -------------------------------------------------------------- */

enum {
	HOST_ID,
	HOST_STATE,
	HOST_FILL,
	HOST_AFTER,
	HOST_WORST,
	HOST_MEMORY,
	HOST_VCPUS,
	HOST_LOAD,
	HOST_GUESTS,
	HOST_WHY
};

static const struct frame_column host_columns[] = {
	[HOST_ID] = { "HOST", false, 0 },      [HOST_STATE] = { "STATE", false, 2 },
	[HOST_FILL] = { "FILL", false, 0 },    [HOST_AFTER] = { "AFTER", true, 1 },
	[HOST_WORST] = { "AT MOST", true, 4 }, [HOST_MEMORY] = { "MEMORY", false, 5 },
	[HOST_VCPUS] = { "VCPUS", false, 6 },  [HOST_LOAD] = { "LOAD", true, 7 },
	[HOST_GUESTS] = { "GUESTS", true, 3 }, [HOST_WHY] = { "REASON", false, 8 },
};

static enum frame_style style_of_fill(double percent)
{
	return percent >= FULL_BAD ? FRAME_BAD : percent >= FULL_WARN ? FRAME_WARN : FRAME_GOOD;
}

static enum frame_style style_of_host(const char *state)
{
	return strcmp(state, "online") == 0    ? FRAME_GOOD
	       : strcmp(state, "offline") == 0 ? FRAME_BAD
					       : FRAME_WARN;
}

/* What guests have of what they may have. */
static void put_memory(struct frame_row *row, struct json_object *host)
{
	double guests = number(host, "figures.memory_mib.guests") +
			number(host, "figures.memory_mib.incoming");
	double room = number(host, "figures.memory_mib.total") -
		      number(host, "figures.memory_mib.reserved");
	double percent = room > 0 ? guests * 100 / room : guests > 0 ? 100 : 0;
	char used[UNITS_SIZE], all[UNITS_SIZE];
	CLEANUP(free_charp) char *text = NULL;

	units_bytes((uint64_t)(guests > 0 ? guests : 0) << 20, used);
	units_bytes((uint64_t)(room > 0 ? room : 0) << 20, all);
	text = xasprintf("%s of %s", used, all);
	put_bar(row, HOST_FILL, style_of_fill(percent), percent);
	put(row, HOST_MEMORY, FRAME_PLAIN, text);
}

static void put_figures(struct frame_row *row, struct json_object *host)
{
	CLEANUP(free_charp)
	char *vcpus = xasprintf("%.0f on %.0f", number(host, "figures.vcpus"),
				number(host, "figures.cores"));
	CLEANUP(free_charp) char *load = xasprintf("%.1f", number(host, "figures.load"));
	CLEANUP(free_charp) char *guests = xasprintf("%.0f", number(host, "figures.guests"));

	put_memory(row, host);
	put(row, HOST_VCPUS, FRAME_PLAIN, vcpus);
	put(row, HOST_LOAD, FRAME_PLAIN, load);
	put(row, HOST_GUESTS, FRAME_PLAIN, guests);
}

/* How full it gets by the plan of the evacuation. */
static void put_forecast(struct frame_row *row, struct json_object *evacuation, const char *id)
{
	struct json_object *hosts = table_member(evacuation, "plan.hosts");

	for (size_t i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_object_array_get_idx(hosts, i);
		const char *name = json_get_str(host, "host");
		double after = number(host, "memory_percent_after");
		double worst = number(host, "memory_percent_worst");
		CLEANUP(free_charp) char *text = NULL;
		CLEANUP(free_charp) char *most = NULL;

		if (!name || strcmp(name, id) != 0)
			continue;
		text = xasprintf("%.0f %%", after);
		most = xasprintf("%.0f %%", worst);
		put(row, HOST_AFTER, style_of_fill(after), text);
		put(row, HOST_WORST, style_of_fill(worst), most);
	}
}

static void put_reason(struct frame_row *row, struct json_object *host)
{
	static const char *const members[] = { "trouble", "hold", "why" };
	char text[TABLE_CELL_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (!table_text(host, members[i], text)[0])
			continue;
		put(row, HOST_WHY, FRAME_DIM, text);
		return;
	}
}

static void host_rows(const struct top *top, struct frame_rows *rows)
{
	struct json_object *items = table_member(top->hosts, "items");
	char text[TABLE_CELL_SIZE];

	for (size_t i = 0; i < json_count(items); i++) {
		struct json_object *host = json_object_array_get_idx(items, i);
		const char *id = json_get_str(host, "id");
		struct frame_row *row;

		if (!id || !is_wanted(top, id))
			continue;
		row = frame_rows_add(rows, id);
		put(row, HOST_ID, FRAME_PLAIN, table_text(host, "id", text));
		table_text(host, "state", text);
		put(row, HOST_STATE, style_of_host(text), text);
		if (table_member(host, "figures"))
			put_figures(row, host);
		put_forecast(row, top->evacuation, id);
		put_reason(row, host);
	}
}

/* ---- moves -------------------------------------------------------------- */

enum { MOVE_VM, MOVE_FROM, MOVE_TO, MOVE_STATE, MOVE_DONE, MOVE_LEFT, MOVE_RATE, MOVE_ETA };

static const struct frame_column move_columns[] = {
	[MOVE_VM] = { "MOVE OF", false, 0 }, [MOVE_FROM] = { "FROM", false, 4 },
	[MOVE_TO] = { "TO", false, 2 },      [MOVE_STATE] = { "STATE", false, 5 },
	[MOVE_DONE] = { "DONE", false, 0 },  [MOVE_LEFT] = { "LEFT", true, 6 },
	[MOVE_RATE] = { "RATE", true, 3 },   [MOVE_ETA] = { "STILL", false, 1 },
};

static enum frame_style style_of_move(const struct progress *progress)
{
	if (strcmp(progress->state, "done") == 0)
		return FRAME_GOOD;
	if (strcmp(progress->state, "stuck") == 0 || strcmp(progress->state, "lost") == 0 ||
	    strcmp(progress->state, "failed") == 0)
		return FRAME_BAD;
	return strcmp(progress->state, "cancelled") == 0 || strcmp(progress->state, "rollback") == 0
		       ? FRAME_WARN
		       : FRAME_PLAIN;
}

static bool is_sending(const struct progress *progress)
{
	return strcmp(progress->state, "transfer") == 0 || strcmp(progress->state, "fetch") == 0;
}

static void put_rest(struct frame_row *row, const struct progress *progress)
{
	CLEANUP(strbuf_fini) struct strbuf eta = STRBUF_INIT;
	char amount[UNITS_SIZE];
	CLEANUP(free_charp) char *rate = NULL;

	if (!is_sending(progress))
		return;
	units_bytes(progress->remaining_bytes, amount);
	put(row, MOVE_LEFT, FRAME_PLAIN, amount);
	progress_eta(progress, &eta);
	put(row, MOVE_ETA, FRAME_PLAIN, strbuf_str(&eta));
	if (!progress->bytes_per_s)
		return;
	units_bytes(progress->bytes_per_s, amount);
	rate = xasprintf("%s/s", amount);
	put(row, MOVE_RATE, FRAME_PLAIN, rate);
}

/* Why it takes as long as it does, what it waits for, or how it ended. */
static void put_why(struct frame_row *row, const struct top_move *move)
{
	static const char *const members[] = { "error.detail", "progress.sentence", "reason",
					       "explanation" };
	char text[TABLE_WORDS_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (!table_words(move->move, members[i], text)[0])
			continue;
		row->below = xstrdup(text);
		return;
	}
}

static void move_rows(const struct top *top, struct frame_rows *rows)
{
	char text[TABLE_CELL_SIZE];

	for (size_t i = 0; i < top->move_count; i++) {
		const struct top_move *move = &top->moves[i];
		const struct progress *progress = &move->progress;
		struct frame_row *row;

		if (!is_wanted(top, progress->vm))
			continue;
		row = frame_rows_add(rows, move->id);
		put(row, MOVE_VM, FRAME_PLAIN, progress->vm);
		put(row, MOVE_FROM, FRAME_PLAIN, table_text(move->move, "source", text));
		put(row, MOVE_TO, FRAME_PLAIN, table_text(move->move, "destination", text));
		put(row, MOVE_STATE, style_of_move(progress), progress->state);
		put_bar(row, MOVE_DONE, style_of_move(progress), progress->percent);
		put_rest(row, progress);
		put_why(row, move);
	}
}

/* ---- VMs ---------------------------------------------------------------- */

static const struct frame_column vm_columns[] = {
	{ "VM", false, 0 },    { "STATE", false, 1 },  { "CPU", true, 0 },  { "RESIDENT", true, 2 },
	{ "READ/S", true, 5 }, { "WRITE/S", true, 6 }, { "RX/S", true, 3 }, { "TX/S", true, 4 },
	{ "WAITS", true, 7 },  { "SWAP", true, 8 },
};

static const struct table_field vm_fields[ARRAY_LEN(vm_columns)] = {
	{ "VM", "name", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "CPU", "cpu.percent", TABLE_PERCENT },
	{ "RESIDENT", "memory.resident_bytes", TABLE_BYTES },
	{ "READ/S", "read.bytes_per_s", TABLE_BYTES },
	{ "WRITE/S", "write.bytes_per_s", TABLE_BYTES },
	{ "RX/S", "rx.bytes_per_s", TABLE_BYTES },
	{ "TX/S", "tx.bytes_per_s", TABLE_BYTES },
	{ "WAITS", "cpu.vcpu_wait_percent", TABLE_PERCENT },
	{ "SWAP", "memory.swap_bytes", TABLE_BYTES },
};

static enum frame_style style_of_vm(const char *state)
{
	return strcmp(state, "running") == 0   ? FRAME_GOOD
	       : strcmp(state, "crashed") == 0 ? FRAME_BAD
	       : strcmp(state, "stopped") == 0 ? FRAME_DIM
					       : FRAME_WARN;
}

static void vm_rows(const struct top *top, struct frame_rows *rows)
{
	CLEANUP(json_putp)
	struct json_object *sorted =
		top->vms ? vm_figures_sorted(top->vms, vm_figures_sorts[top->sort]) : NULL;
	struct json_object *items = table_member(sorted, "items");
	char text[TABLE_CELL_SIZE];

	for (size_t i = 0; i < json_count(items); i++) {
		struct json_object *vm = json_object_array_get_idx(items, i);
		const char *name = json_get_str(vm, "name"), *state = json_get_str(vm, "state");
		struct frame_row *row;

		if (!name || !is_wanted(top, name))
			continue;
		row = frame_rows_add(rows, name);
		for (size_t c = 0; c < ARRAY_LEN(vm_fields); c++)
			if (table_member(vm, vm_fields[c].path))
				put(row, c, c == 1 ? style_of_vm(state ? state : "") : FRAME_PLAIN,
				    table_cell(vm, &vm_fields[c], text));
	}
}

/* ---- sections ----------------------------------------------------------- */

void top_rows(const struct top *top, enum top_section section, struct frame_rows *rows)
{
	static void (*const makers[TOP_SECTION_COUNT])(const struct top *, struct frame_rows *) = {
		[TOP_HOSTS] = host_rows,
		[TOP_MOVES] = move_rows,
		[TOP_VMS] = vm_rows,
	};

	makers[section](top, rows);
}

const struct frame_column *top_columns(enum top_section section, size_t *ret_count)
{
	static const struct {
		const struct frame_column *list;
		size_t count;
	} columns[TOP_SECTION_COUNT] = {
		[TOP_HOSTS] = { host_columns, ARRAY_LEN(host_columns) },
		[TOP_MOVES] = { move_columns, ARRAY_LEN(move_columns) },
		[TOP_VMS] = { vm_columns, ARRAY_LEN(vm_columns) },
	};

	*ret_count = columns[section].count;
	return columns[section].list;
}

const char *top_selected(const struct top *top, enum top_section section,
			 const struct frame_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		if (strcmp(rows->list[i].key, top->selected[section]) == 0)
			return rows->list[i].key;
	return rows->count ? rows->list[0].key : NULL;
}
