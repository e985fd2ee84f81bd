/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/top.h -- the page of `migrctl top': what was heard of the daemon, what its user has
 * chosen, and what is shown of both.  No I/O: who reads and draws is cmd_top.c.
 *
 * Thread: any; one owner at a time.
 */
#ifndef MIGRD_MIGRCTL_TOP_H
#define MIGRD_MIGRCTL_TOP_H

#include "agents/lib/frame_table.h"
#include "agents/migrctl/progress.h"
#include "base/json.h"

#define TOP_ID_SIZE       64
#define TOP_TEXT_SIZE     384
#define TOP_ENDED_SHOW_MS 30000 /* for so long a move that has ended stays on the page */

enum top_section { TOP_HOSTS, TOP_MOVES, TOP_VMS, TOP_SECTION_COUNT };

struct top_move {
	char id[TOP_ID_SIZE];
	struct json_object *move;
	struct progress progress; /* whose percent never falls */
	bool is_heard;            /* in the list that is being taken */
	int64_t ended_ms;         /* wall time at which its end was heard of; 0: it goes on */
};

struct top {
	/* what was heard */
	struct json_object *host;       /* GET /v1/host */
	struct json_object *hosts;      /* lists of the API: capacity, */
	struct json_object *vms;        /* and figures, with their sums */
	struct json_object *evacuation; /* the one under way, in full; NULL: none */
	struct top_move *moves;
	size_t move_count;
	int64_t now_ms;              /* wall time */
	int64_t lost_ms;             /* since when there is no connection; 0: there is one */
	char trouble[TOP_TEXT_SIZE]; /* why */
	char unheard[TOP_TEXT_SIZE]; /* why a part of the page is old; "": it is not */
	/* what was chosen */
	enum top_section section;
	char selected[TOP_SECTION_COUNT][TOP_ID_SIZE];
	size_t sort; /* in vm_figures_sorts */
	char filter[TOP_ID_SIZE];
	bool is_typing;           /* the filter */
	char opened[TOP_ID_SIZE]; /* id of the move that is shown alone; "": none */
	size_t opened_line;       /* of its page, the first that is shown */
	char asked[TOP_ID_SIZE];  /* id of the move that a yes would cancel; "": nothing is asked */
	char note[TOP_TEXT_SIZE]; /* what the last key has come to */
};

void top_init(struct top *top);
void top_fini(struct top *top);

/* ---- what was heard (top_heard.c); all take over the reference ---------- */

void top_take_host(struct top *top, struct json_object *host);
void top_take_hosts(struct top *top, struct json_object *list);
void top_take_vms(struct top *top, struct json_object *list);
/* NULL: none is under way. */
void top_take_evacuation(struct top *top, struct json_object *evacuation);
/* All moves that have not ended. */
void top_take_moves(struct top *top, struct json_object *list);
/* One, of an event or by its id. */
void top_take_move(struct top *top, struct json_object *move);
/* The move of this id; NULL: it is not on the page. */
const struct top_move *top_find_move(const struct top *top, const char *id);

/* ---- what is shown ------------------------------------------------------ */

/* The rows of a section that the filter lets through, in their order, whose table has the columns
 * of top_columns() (top_rows.c). */
void top_rows(const struct top *top, enum top_section section, struct frame_rows *rows);
const struct frame_column *top_columns(enum top_section section, size_t *ret_count);
/* The row of ROWS that is chosen in SECTION; NULL: there is none. */
const char *top_selected(const struct top *top, enum top_section section,
			 const struct frame_rows *rows);
/* The whole page in FRAME, which is empty (top_page.c).  Without a footer where its height has no
 * limit. */
void top_page(const struct top *top, struct frame *frame);
/* Of the page of the move `opened'. */
size_t top_opened_lines(const struct top *top);

/* ---- keys (top_keys.c) -------------------------------------------------- */

enum top_action {
	TOP_STAY, /* draw it */
	TOP_QUIT,
	TOP_REDRAW, /* and read all anew */
	TOP_OPEN,   /* read the move `opened' */
	TOP_CANCEL, /* cancel the move `asked', and empty that */
};

/* KEY: of lib/screen.h. */
enum top_action top_key(struct top *top, int key);

#endif
