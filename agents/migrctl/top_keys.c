/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/top.h"

#include <stdio.h>
#include <string.h>

#include "agents/lib/screen.h"
#include "agents/migrctl/vm_figures.h"
#include "base/mem.h"

#define PAGE_ROWS 10

/* ---- rows --------------------------------------------------------------- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* The row that is BY further in the part where the user is. */
static void step(struct top *top, long by)
{
	CLEANUP(frame_rows_fini) struct frame_rows rows = { 0 };
	const char *now;
	long at = 0;

	top_rows(top, top->section, &rows);
	if (!rows.count)
		return;
	now = top_selected(top, top->section, &rows);
	while (strcmp(rows.list[at].key, now) != 0)
		at++;
	at += by;
	at = at < 0 ? 0 : at;
	at = at < (long)rows.count ? at : (long)rows.count - 1;
	copy(top->selected[top->section], TOP_ID_SIZE, rows.list[at].key);
}

/* The next part that has rows. */
static void next_section(struct top *top)
{
	for (size_t i = 0; i < TOP_SECTION_COUNT; i++) {
		CLEANUP(frame_rows_fini) struct frame_rows rows = { 0 };

		top->section = (top->section + 1) % TOP_SECTION_COUNT;
		top_rows(top, top->section, &rows);
		if (rows.count)
			return;
	}
}

/* Id of the move that is meant; false: none is. */
static bool chosen_move(const struct top *top, char ret_id[TOP_ID_SIZE])
{
	CLEANUP(frame_rows_fini) struct frame_rows rows = { 0 };
	const char *key;

	if (top->opened[0]) {
		copy(ret_id, TOP_ID_SIZE, top->opened);
		return true;
	}
	if (top->section == TOP_HOSTS)
		return false;
	top_rows(top, top->section, &rows);
	key = top_selected(top, top->section, &rows);
	if (!key)
		return false;
	if (top->section == TOP_MOVES) {
		copy(ret_id, TOP_ID_SIZE, key);
		return true;
	}
	/* The newest move of that VM. */
	for (size_t i = top->move_count; i > 0; i--) {
		if (strcmp(top->moves[i - 1].progress.vm, key) != 0)
			continue;
		copy(ret_id, TOP_ID_SIZE, top->moves[i - 1].id);
		return true;
	}
	return false;
}

/* ---- what keys do ------------------------------------------------------- */

static enum top_action open_move(struct top *top)
{
	char id[TOP_ID_SIZE];

	if (top->opened[0])
		return TOP_STAY;
	if (!chosen_move(top, id)) {
		copy(top->note, sizeof(top->note), "there is no move to open");
		return TOP_STAY;
	}
	copy(top->opened, sizeof(top->opened), id);
	top->opened_line = 0;
	return TOP_OPEN;
}

static void ask_to_cancel(struct top *top)
{
	char id[TOP_ID_SIZE];
	const struct top_move *move = chosen_move(top, id) ? top_find_move(top, id) : NULL;

	if (!move || move->ended_ms)
		copy(top->note, sizeof(top->note), "there is no move to cancel");
	else
		copy(top->asked, sizeof(top->asked), id);
}

static enum top_action typed(struct top *top, int key)
{
	size_t len = strlen(top->filter);

	if (key == SCREEN_ESCAPE)
		top->filter[0] = '\0';
	if (key == SCREEN_ESCAPE || key == SCREEN_ENTER)
		top->is_typing = false;
	else if (key == SCREEN_BACKSPACE && len)
		top->filter[len - 1] = '\0';
	else if (key >= ' ' && key < 0x7f && len + 1 < sizeof(top->filter)) {
		top->filter[len] = (char)key;
		top->filter[len + 1] = '\0';
	}
	return TOP_STAY;
}

/* Also lets go of a filter, the last thing that Esc can end. */
static enum top_action back(struct top *top, int key)
{
	if (top->opened[0])
		top->opened[0] = '\0';
	else if (key == 'q')
		return TOP_QUIT;
	else
		top->filter[0] = '\0';
	return TOP_STAY;
}

static void scroll(struct top *top, long by)
{
	long line = (long)top->opened_line + by, last;

	if (!top->opened[0]) {
		step(top, by);
		return;
	}
	last = (long)top_opened_lines(top) - 1;
	line = line < last ? line : last;
	top->opened_line = line < 0 ? 0 : (size_t)line;
}

enum top_action top_key(struct top *top, int key)
{
	top->note[0] = '\0';
	if (key == SCREEN_GONE)
		return TOP_QUIT; /* it comes again and again */
	if (top->asked[0]) {
		if (key == 'y' || key == 'Y')
			return TOP_CANCEL;
		top->asked[0] = '\0';
		return TOP_STAY;
	}
	if (top->is_typing)
		return typed(top, key);
	switch (key) {
	case 'q':
	case SCREEN_ESCAPE:
		return back(top, key);
	case SCREEN_TAB:
		next_section(top);
		return TOP_STAY;
	case SCREEN_ENTER:
		return open_move(top);
	case 'c':
		ask_to_cancel(top);
		return TOP_STAY;
	case '/':
		top->is_typing = true;
		return TOP_STAY;
	case 's':
		top->sort = vm_figures_sorts[top->sort + 1] ? top->sort + 1 : 0;
		return TOP_STAY;
	case SCREEN_UP:
	case 'k':
		scroll(top, -1);
		return TOP_STAY;
	case SCREEN_DOWN:
	case 'j':
		scroll(top, 1);
		return TOP_STAY;
	case SCREEN_PAGE_UP:
		scroll(top, -PAGE_ROWS);
		return TOP_STAY;
	case SCREEN_PAGE_DOWN:
		scroll(top, PAGE_ROWS);
		return TOP_STAY;
	case SCREEN_HOME:
		scroll(top, -FRAME_LINES_MAX);
		return TOP_STAY;
	case SCREEN_END:
		scroll(top, FRAME_LINES_MAX);
		return TOP_STAY;
	case 'r':
	case 'L' - '@': /* Ctrl-L */
		return TOP_REDRAW;
	}
	return TOP_STAY;
}
