/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A question to all hosts at once, and what is made of their answers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/fleet.h"
#include "base/mem.h"

#define ASK_MS        3000
#define QUESTIONS_MAX 4   /* at a time: each may hold a page of every host */
#define DETAIL_SIZE   512 /* of the reason why a host was not heard */

struct asking;

/* One host's turn. */
struct turn {
	struct asking *asking;
	char host[ID_NAME_SIZE];
	struct fleet_page page;
	bool answered;
	uint64_t took_ms, shown; /* items of it in the answer */
	enum err_code code;
	char detail[DETAIL_SIZE];
};

struct asking {
	struct api *api;
	struct http_request *req;
	const struct fleet_kind *kind;
	uint64_t limit, begun_ms;
	char after_key[ID_NAME_SIZE], after_host[ID_NAME_SIZE]; /* "": from the start */
	struct turn *turns;
	size_t turn_count, pending;
	bool is_asking; /* the last turn is not begun yet */
};

/* An item and whose it is. */
struct line {
	const struct fleet_kind *kind;
	const struct fleet_entry *entry;
	struct turn *turn;
};

/* ---- the answer -------------------------------------------------------------------- */

static int compare(const struct fleet_kind *kind, const char *key, const char *host,
		   const char *other_key, const char *other_host)
{
	int by_key = fleet_key_compare(kind, key, other_key);

	return by_key ? by_key : strcmp(host, other_host);
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *one = a, *other = b;

	return compare(one->kind, one->entry->key, one->turn->host, other->entry->key,
		       other->turn->host);
}

static bool is_after_cursor(const struct asking *asking, const struct line *line)
{
	return !asking->after_key[0] || compare(asking->kind, line->entry->key, line->turn->host,
						asking->after_key, asking->after_host) > 0;
}

/* A host that has more may have items right after its last one, so what comes behind that is not
 * known yet.  RET: the first such item; false: no host has more. */
static bool find_end(const struct asking *asking, struct line *ret)
{
	bool is_found = false;

	for (size_t i = 0; i < asking->turn_count; i++) {
		struct turn *turn = &asking->turns[i];
		struct line last = { asking->kind, NULL, turn };

		if (!turn->page.more)
			continue;
		last.entry = &turn->page.list[turn->page.count - 1];
		if (is_found && compare_lines(&last, ret) > 0)
			continue;
		*ret = last;
		is_found = true;
	}
	return is_found;
}

/* All that have come, in order; the caller frees it. */
static struct line *gather(struct asking *asking, size_t *ret_count)
{
	struct line *lines;
	size_t count = 0;

	for (size_t i = 0; i < asking->turn_count; i++)
		count += asking->turns[i].page.count;
	lines = xcalloc(count + 1, sizeof(*lines));
	count = 0;
	for (size_t i = 0; i < asking->turn_count; i++) {
		struct turn *turn = &asking->turns[i];

		for (size_t k = 0; k < turn->page.count; k++)
			lines[count++] = (struct line){ asking->kind, &turn->page.list[k], turn };
	}
	qsort(lines, count, sizeof(*lines), compare_lines);
	*ret_count = count;
	return lines;
}

/* Adds items and `next'. */
static void add_items(struct asking *asking, struct strbuf *text)
{
	size_t count, at = 0;
	struct line *lines = gather(asking, &count);
	const struct line *last = NULL;
	struct line end = { 0 };
	bool has_end = find_end(asking, &end);
	uint64_t shown = 0;

	strbuf_adds(text, "{\"items\":[");
	for (; at < count && shown < asking->limit; at++) {
		if (has_end && compare_lines(&lines[at], &end) > 0)
			break;
		if (!is_after_cursor(asking, &lines[at]))
			continue;
		last = &lines[at];
		strbuf_adds(text, shown++ ? "," : "");
		strbuf_add(text, last->entry->text, last->entry->len);
		last->turn->shown++;
	}
	if (last && (at < count || has_end))
		strbuf_addf(text, "],\"next\":\"%s@%s\"", last->entry->key, last->turn->host);
	else
		strbuf_adds(text, "],\"next\":null");
	free(lines);
}

static void add_hosts(const struct asking *asking, struct strbuf *text)
{
	bool is_complete = true;

	strbuf_adds(text, ",\"hosts\":[");
	for (size_t i = 0; i < asking->turn_count; i++) {
		const struct turn *turn = &asking->turns[i];
		const struct fleet_heard heard = {
			.id = turn->host,
			.answered = turn->answered,
			.items = turn->shown,
			.took_ms = turn->took_ms,
			.code = turn->answered ? NULL : err_name(turn->code),
			.detail = turn->answered ? NULL : turn->detail,
		};
		CLEANUP(json_putp)
		struct json_object *obj = json_encode(fleet_heard_fields, &heard);

		is_complete = is_complete && turn->answered;
		strbuf_addf(text, "%s%s", i ? "," : "", json_text(obj, NULL));
	}
	strbuf_addf(text, "],\"complete\":%s}", is_complete ? "true" : "false");
}

static void end(struct asking *asking)
{
	struct strbuf text = STRBUF_INIT;
	size_t len;

	asking->api->fleet_questions--;
	add_items(asking, &text);
	add_hosts(asking, &text);
	len = text.len;
	http_reply_json(asking->req, 200, strbuf_take(&text), len);
	for (size_t i = 0; i < asking->turn_count; i++)
		fleet_page_clear(&asking->turns[i].page);
	free(asking->turns);
	free(asking);
}

static void end_turn(struct turn *turn, const struct err *err)
{
	struct asking *asking = turn->asking;

	turn->took_ms = loop_now_ms(asking->api->loop) - asking->begun_ms;
	turn->answered = !err;
	if (err) {
		fleet_page_clear(&turn->page);
		turn->code = err->code;
		snprintf(turn->detail, sizeof(turn->detail), "%.*s", DETAIL_SIZE - 1, err->msg);
	}
	asking->pending--;
	if (!asking->pending && !asking->is_asking)
		end(asking);
}

/* ---- what a host says ----------------------------------------------------------------- */

/* Keys go up from FROM; without that a page could go on for ever. */
static bool check_order(const struct turn *turn, const char *key, struct err *err)
{
	const struct asking *asking = turn->asking;
	const struct fleet_page *page = &turn->page;

	if (page->count &&
	    fleet_key_compare(asking->kind, key, page->list[page->count - 1].key) <= 0)
		return err_set(err, ERR_PEER, "its items are in no order");
	if (asking->after_key[0] && fleet_key_compare(asking->kind, key, asking->after_key) < 0)
		return err_set(err, ERR_PEER, "it tells what was not asked for");
	return true;
}

/* ITEM is room for one. */
static bool take_item(struct turn *turn, struct json_object *obj, void *item, struct err *err)
{
	const struct fleet_kind *kind = turn->asking->kind;
	const struct fleet_head *head = item;

	memset(item, 0, kind->size);
	if (!json_decode_object(obj, kind->fields, item, JSON_IGNORE_UNKNOWN, err))
		return false;
	if (strcmp(kind->is_host ? head->key : head->host, turn->host) != 0)
		return err_set(err, ERR_PEER, "it tells of host '%s'",
			       kind->is_host ? head->key : head->host);
	if (!check_order(turn, head->key, err))
		return false;
	/* Only what the table has goes on to the user. */
	return fleet_page_add(&turn->page, kind->fields, item) ||
	       err_set(err, ERR_PEER, "it has over %zu bytes", FLEET_PAGE_BYTES);
}

static bool take_page(struct turn *turn, struct json_object *reply, struct err *err)
{
	struct fleet_page_read read = { 0 };
	void *item = xcalloc(1, turn->asking->kind->size);
	bool ok = fleet_page_read(reply, &read, err);

	for (size_t i = 0; ok && i < json_count(read.items); i++)
		ok = take_item(turn, json_object_array_get_idx(read.items, i), item, err) ||
		     err_wrap(err, "/items/%zu", i);
	turn->page.more = ok && read.more;
	fleet_page_fini(&read);
	free(item);
	return ok;
}

static void on_page(void *data, struct json_object *reply, const struct err *err)
{
	struct turn *turn = data;
	struct err why;

	if (err && problem_is_of_older(reply, err)) {
		err_set(&why, ERR_PROTOCOL,
			"host '%s' has an older migrd, which does not tell this: update it, or ask "
			"it itself",
			turn->host);
		err = &why;
	} else if (!err && !take_page(turn, reply, &why)) {
		why.code = ERR_PEER;
		err_wrap(&why, "the answer of host '%s' was not taken", turn->host);
		err = &why;
	}
	end_turn(turn, err);
}

/* ---- the question --------------------------------------------------------------------- */

static void add_argument(struct strbuf *path, const char *key, const char *value)
{
	strbuf_addf(path, "%s%s=", strchr(strbuf_str(path), '?') ? "&" : "?", key);
	for (; *value; value++) {
		bool is_plain = (*value >= 'a' && *value <= 'z') ||
				(*value >= 'A' && *value <= 'Z') ||
				(*value >= '0' && *value <= '9') || strchr("-._", *value);

		strbuf_addf(path, is_plain ? "%c" : "%%%02X", (unsigned char)*value);
	}
}

/* The caller frees it. */
static char *path_of(const struct asking *asking)
{
	struct strbuf path = STRBUF_INIT;

	strbuf_adds(&path, asking->kind->path);
	for (const char *const *filter = asking->kind->filters; *filter; filter++)
		if (http_query(asking->req, *filter))
			add_argument(&path, *filter, http_query(asking->req, *filter));
	if (asking->after_key[0])
		add_argument(&path, "from", asking->after_key);
	return strbuf_take(&path);
}

static void add_turn(struct asking *asking, const char *host)
{
	struct turn *turn = &asking->turns[asking->turn_count++];

	turn->asking = asking;
	snprintf(turn->host, sizeof(turn->host), "%s", host);
}

static void ask_own(struct turn *turn)
{
	struct asking *asking = turn->asking;

	asking->kind->add_own(asking->api, asking->req,
			      asking->after_key[0] ? asking->after_key : NULL, &turn->page);
	end_turn(turn, NULL);
}

static void ask_all(struct asking *asking)
{
	CLEANUP(free_charp) char *path = path_of(asking);
	struct api *api = asking->api;

	asking->pending = asking->turn_count;
	asking->is_asking = true;
	for (size_t i = 0; i < asking->turn_count; i++) {
		struct turn *turn = &asking->turns[i];

		if (strcmp(turn->host, api->host_id) == 0)
			ask_own(turn);
		else
			peer_request(api->peers, turn->host, "GET", path, NULL, ASK_MS, on_page,
				     turn);
	}
	asking->is_asking = false;
	if (!asking->pending)
		end(asking);
}

/* AFTER is "KEY@HOST". */
static bool take_cursor(struct asking *asking, const char *after, struct err *err)
{
	const char *at = after ? strrchr(after, '@') : NULL;

	if (!after)
		return true;
	if (!at || at == after || (size_t)(at - after) >= sizeof(asking->after_key) ||
	    !id_host_is_valid(at + 1))
		return err_set(err, ERR_INVALID,
			       "after: '%.80s' is not `next' of an answer; begin again without "
			       "'after'",
			       after);
	snprintf(asking->after_key, sizeof(asking->after_key), "%.*s", (int)(at - after), after);
	snprintf(asking->after_host, sizeof(asking->after_host), "%s", at + 1);
	return id_name_is_valid(asking->after_key) ||
	       err_set(err, ERR_INVALID, "after: '%.80s' is not `next' of an answer", after);
}

/* ONLY: of one host alone; NULL: all. */
static bool add_turns(struct asking *asking, const char *only, struct err *err)
{
	const struct api *api = asking->api;
	size_t count = 1;

	for (const char *const *id = api->peer_ids; *id; id++)
		count++;
	asking->turns = xcalloc(count, sizeof(*asking->turns));
	if (!only || strcmp(only, api->host_id) == 0)
		add_turn(asking, api->host_id);
	for (const char *const *id = api->peer_ids; *id; id++)
		if (strcmp(*id, api->host_id) != 0 && (!only || strcmp(only, *id) == 0))
			add_turn(asking, *id);
	return asking->turn_count ||
	       err_set(err, ERR_NOT_FOUND,
		       "host: host '%s' has no peer '%.63s': GET /v1/peers lists those that there "
		       "are",
		       api->host_id, only);
}

static bool is_welcome(const struct api *api, struct err *err)
{
	return api->fleet_questions < QUESTIONS_MAX ||
	       err_set(err, ERR_LIMIT,
		       "%u questions to all hosts are under way: try again in a moment",
		       api->fleet_questions);
}

void fleet_ask(struct api *api, struct http_request *req, const struct fleet_kind *kind)
{
	struct asking *asking = xnew(struct asking);
	struct err err;

	asking->api = api;
	asking->req = req;
	asking->kind = kind;
	asking->limit = http_query_uint(req, "limit");
	asking->begun_ms = loop_now_ms(api->loop);
	if (is_welcome(api, &err) && take_cursor(asking, http_query(req, "after"), &err) &&
	    add_turns(asking, http_query(req, "host"), &err)) {
		api->fleet_questions++;
		ask_all(asking);
		return;
	}
	http_reply_err(req, &err);
	free(asking->turns);
	free(asking);
}
