/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/list.h -- answers that are lists: {"items": [...], "next": ..., "position": ...}.
 *
 * An item is added as text.  `fields' of the query leaves out the other members of each, which
 * costs the caller what reading the items costs.  `position' is that of the events: who follows
 * them from there misses nothing that happened after the list was made.
 *
 * A cursor of a list that has its items by time is "MILLISECONDS.ID" of the last item: when that
 * is gone, the list goes on with what was made no later.  Thread: loop.
 */
#ifndef MIGRD_API_LIST_H
#define MIGRD_API_LIST_H

#include "base/strbuf.h"
#include "http/http.h"

struct api;

struct api_list {
	struct http_request *req;
	const struct api *api;
	struct strbuf text;
	const char *fields; /* names with commas between them; NULL: all members */
};

/* Begins the answer to REQ.  api_list_reply() ends it. */
struct api_list api_list_begin(struct http_request *req, const struct api *api);
void api_list_add(struct api_list *list, const char *item, size_t len);
/* Adds an item, encoded by its table. */
void api_list_show(struct api_list *list, const struct json_field *fields, const void *item);
/* NEXT: the cursor of the next page; in a name or an id nothing has to be escaped.  NULL: this
 * was the last one. */
void api_list_reply(struct api_list *list, const char *next);

/* ---- pages ------------------------------------------------------------------ */

/* The part of a list that is wanted: how many items, and after which one. */
struct api_page {
	uint64_t limit;
	const char *after; /* NULL: from the start */
};
#define API_PAGE_DEFAULT 100
#define API_PAGE_MAX     1000
/* The query of REQ's route must have both keys, `limit' and `after'. */
struct api_page api_page_of(const struct http_request *req);

struct api_cursor {
	char id[ID_NAME_SIZE];
	int64_t ms; /* -1: it is not known */
};
#define API_CURSOR_SIZE (ID_NAME_SIZE + 24)
/* False: REQ asks for the first page. */
bool api_cursor_of(const struct http_request *req, struct api_cursor *ret);
void api_cursor_text(const char *id, int64_t ms, char ret[API_CURSOR_SIZE]);
/* Answers that the item of the cursor is not known, nor its time. */
void api_cursor_unknown(struct http_request *req, const struct api_cursor *cursor);

/* ---- filters ------------------------------------------------------------------- */

/* WANTED, the value of `state': "active", "final", or a state.  NULL: all pass. */
bool api_state_passes(const char *wanted, const char *state, bool is_final);
/* By `vm' and `state' of REQ. */
bool api_job_passes(const struct http_request *req, const char *vm, const char *state,
		    bool is_final);

#endif
