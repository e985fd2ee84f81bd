/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agents/lib/table.h"
#include "agents/lib/units.h"
#include "agents/migrctl/evacuation_page.h"
#include "agents/migrctl/move_page.h"
#include "agents/migrctl/vm_figures.h"
#include "base/mem.h"
#include "base/when.h"

/* From this height on there are empty lines between the parts. */
#define ROOMY_LINES  20u
#define ANSWER_LINES 3u /* at most, of each answer about an evacuation */

/* ---- head and foot ------------------------------------------------------ */

static void add_counts(const struct top *top, struct frame *frame)
{
	const struct {
		size_t count;
		const char *one, *more;
	} counts[] = {
		{ json_count(table_member(top->hosts, "items")), "host", "hosts" },
		{ json_count(table_member(top->vms, "items")), "VM", "VMs" },
		{ top->move_count, "move", "moves" },
	};

	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		frame_addf(frame, FRAME_PLAIN, "  %zu %s", counts[i].count,
			   counts[i].count == 1 ? counts[i].one : counts[i].more);
}

static void add_clock(const struct top *top, struct frame *frame)
{
	char now[WHEN_SIZE];
	unsigned len;

	when_text(top->now_ms, now);
	len = frame_columns(now);
	if (frame->width > len)
		frame_pad(frame, frame->width - len);
	if (frame->count && frame->lines[frame->count - 1].columns + len <= frame->width)
		frame_add(frame, FRAME_DIM, now);
}

static void add_trouble(const struct top *top, struct frame *frame)
{
	char since[UNITS_SIZE];

	if (top->lost_ms) {
		units_duration((uint64_t)(top->now_ms > top->lost_ms ? top->now_ms - top->lost_ms
								     : 0) /
				       1000 * 1000,
			       since);
		if (frame_line(frame))
			frame_addf(frame, FRAME_BAD, "no connection for %s, trying again: %s",
				   since, top->trouble);
	} else if (top->unheard[0] && frame_line(frame)) {
		frame_addf(frame, FRAME_WARN, "old: %s", top->unheard);
	}
}

static void add_head(const struct top *top, struct frame *frame)
{
	char id[TABLE_CELL_SIZE];

	if (!frame_line(frame))
		return;
	frame_addf(frame, FRAME_TITLE, "migrd %s", table_text(top->host, "id", id));
	add_counts(top, frame);
	if (top->filter[0])
		frame_addf(frame, FRAME_WARN, "  /%s", top->filter);
	add_clock(top, frame);
	add_trouble(top, frame);
}

static const char *vm_of(const struct top *top, const char *id)
{
	const struct top_move *move = top_find_move(top, id);

	return move ? move->progress.vm : id;
}

static void add_foot(const struct top *top, struct frame *frame)
{
	if (!frame_line(frame))
		return;
	if (top->asked[0])
		frame_addf(frame, FRAME_WARN, "cancel the move of '%s'? y, or any other key: no",
			   vm_of(top, top->asked));
	else if (top->is_typing)
		frame_addf(frame, FRAME_TITLE, "/%s_  Enter: keep it, Esc: show all", top->filter);
	else if (top->note[0])
		frame_add(frame, FRAME_WARN, top->note);
	else if (top->opened[0])
		frame_add(frame, FRAME_DIM, "q back  c cancel  arrows scroll");
	else
		frame_addf(frame, FRAME_DIM,
			   "q quit  Tab part  Enter open  c cancel  / filter  s sort: %s",
			   vm_figures_sorts[top->sort]);
}

/* ---- an evacuation ------------------------------------------------------ */

static void add_answer(struct frame *frame, enum frame_style style, const char *lead,
		       const struct strbuf *answer)
{
	if (answer->len)
		frame_wrap(frame, style, lead, strbuf_str(answer), ANSWER_LINES);
}

static void add_evacuation(const struct top *top, struct frame *frame)
{
	CLEANUP(evacuation_answers_fini) struct evacuation_answers answers;
	struct json_object *evacuation = top->evacuation;
	char state[TABLE_CELL_SIZE], reason[TABLE_CELL_SIZE];

	evacuation_page_answers(evacuation, top->now_ms, &answers);
	if (frame_line(frame)) {
		frame_addf(frame, FRAME_TITLE, "EVACUATION  ");
		frame_addf(frame, FRAME_WARN, "%s%s", table_text(evacuation, "state", state),
			   json_get_bool(evacuation, "paused", false) ? ", paused" : "");
		if (table_text(evacuation, "reason", reason)[0])
			frame_addf(frame, FRAME_DIM, "  %s", reason);
	}
	add_answer(frame, FRAME_PLAIN, "left        ", &answers.left);
	add_answer(frame, FRAME_BAD, "blocked by  ", &answers.blocked);
	add_answer(frame, FRAME_PLAIN, "ends        ", &answers.ends);
}

/* How many lines it takes. */
static size_t evacuation_lines(const struct top *top, unsigned width)
{
	struct frame scratch;
	size_t lines;

	if (!top->evacuation)
		return 0;
	frame_init(&scratch, width, FRAME_NO_LIMIT);
	add_evacuation(top, &scratch);
	lines = scratch.count;
	frame_fini(&scratch);
	return lines;
}

/* ---- one move ----------------------------------------------------------- */

/* The page of the move that is opened; the caller frees it. */
static char *opened_text(const struct top *top)
{
	const struct top_move *move = top_find_move(top, top->opened);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	if (move)
		move_page_print(out, move->move);
	else
		fprintf(out, "the move %s is not known any more\n", top->opened);
	fclose(out);
	return text;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; count++) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return count;
}

size_t top_opened_lines(const struct top *top)
{
	CLEANUP(free_charp) char *text = opened_text(top);

	return count_lines(text);
}

static void add_opened(const struct top *top, struct frame *frame, size_t lines)
{
	CLEANUP(free_charp) char *text = opened_text(top);
	size_t count = count_lines(text), first = top->opened_line;
	const char *at = text;

	/* The last page is a full one. */
	if (first + lines > count)
		first = count > lines ? count - lines : 0;
	for (size_t line = 0; line < count && line < first + lines; line++) {
		size_t len = strcspn(at, "\n");
		CLEANUP(free_charp) char *part = xstrndup(at, len);

		if (line >= first && frame_line(frame))
			frame_add(frame, FRAME_PLAIN, part);
		at += len + (at[len] == '\n');
	}
}

/* ---- the parts ---------------------------------------------------------- */

#define PART_COUNT (TOP_SECTION_COUNT + 1) /* the evacuation is the first */

/* Who needs less than an equal share leaves the rest to the others. */
static void share(const size_t *needs, size_t *ret_shares, size_t lines)
{
	size_t hungry = 0;

	for (size_t i = 0; i < PART_COUNT; i++) {
		ret_shares[i] = 0;
		hungry += needs[i] > 0;
	}
	while (hungry && lines) {
		size_t each = lines / hungry ? lines / hungry : 1;

		hungry = 0;
		for (size_t i = 0; i < PART_COUNT; i++) {
			size_t more = needs[i] - ret_shares[i];

			more = more < each ? more : each;
			more = more < lines ? more : lines;
			ret_shares[i] += more;
			lines -= more;
			hungry += ret_shares[i] < needs[i];
		}
	}
}

static size_t row_lines(enum top_section section)
{
	return section == TOP_MOVES ? 2 : 1;
}

static void add_section(const struct top *top, enum top_section section,
			const struct frame_rows *rows, struct frame *frame, size_t lines)
{
	struct frame_table table = { .rows = rows,
				     .lines = lines,
				     .row_lines = row_lines(section) };

	table.columns = top_columns(section, &table.column_count);
	if (section == top->section && frame->height != FRAME_NO_LIMIT)
		table.selected = top_selected(top, section, rows);
	frame_table_add(frame, &table);
}

static void add_gap(struct frame *frame, bool is_roomy)
{
	if (is_roomy)
		frame_line(frame);
}

static void add_parts(const struct top *top, struct frame *frame, size_t lines)
{
	struct frame_rows rows[TOP_SECTION_COUNT] = { 0 };
	size_t needs[PART_COUNT] = { evacuation_lines(top, frame->width) }, shares[PART_COUNT];
	bool is_roomy = lines >= ROOMY_LINES;
	size_t gaps = 0;

	for (enum top_section s = 0; s < TOP_SECTION_COUNT; s++) {
		top_rows(top, s, &rows[s]);
		needs[s + 1] = frame_table_lines(&rows[s], row_lines(s));
	}
	for (size_t i = 0; i < PART_COUNT; i++)
		gaps += needs[i] > 0;
	share(needs, shares, is_roomy && lines > gaps ? lines - gaps : lines);
	if (shares[0]) {
		unsigned height = frame->height;

		add_gap(frame, is_roomy);
		if (height != FRAME_NO_LIMIT)
			frame->height = (unsigned)(frame->count + shares[0]);
		add_evacuation(top, frame);
		frame->height = height;
	}
	for (enum top_section s = 0; s < TOP_SECTION_COUNT; s++) {
		if (needs[s + 1] && shares[s + 1]) {
			add_gap(frame, is_roomy);
			add_section(top, s, &rows[s], frame, shares[s + 1]);
		}
		frame_rows_fini(&rows[s]);
	}
}

void top_page(const struct top *top, struct frame *frame)
{
	bool has_foot = frame->height != FRAME_NO_LIMIT;
	size_t lines;

	add_head(top, frame);
	lines = frame_lines_left(frame);
	lines -= has_foot && lines ? 1 : 0;
	if (top->opened[0])
		add_opened(top, frame, lines);
	else
		add_parts(top, frame, lines);
	if (!has_foot)
		return;
	while (frame_lines_left(frame) > 1)
		frame_line(frame);
	add_foot(top, frame);
}
