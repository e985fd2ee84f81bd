/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/top.h"

#include <string.h>

#include "agents/lib/table.h"
#include "agents/migrctl/vm_figures.h"
#include "base/mem.h"

void top_init(struct top *top)
{
	memset(top, 0, sizeof(*top));
	top->section = TOP_MOVES;
}

static void move_fini(struct top_move *move)
{
	json_object_put(move->move);
}

void top_fini(struct top *top)
{
	json_object_put(top->host);
	json_object_put(top->hosts);
	json_object_put(top->vms);
	json_object_put(top->evacuation);
	for (size_t i = 0; i < top->move_count; i++)
		move_fini(&top->moves[i]);
	free(top->moves);
}

static void take(struct json_object **place, struct json_object *now)
{
	json_object_put(*place);
	*place = now;
}

void top_take_host(struct top *top, struct json_object *host)
{
	take(&top->host, host);
}

void top_take_hosts(struct top *top, struct json_object *list)
{
	take(&top->hosts, list);
}

void top_take_evacuation(struct top *top, struct json_object *evacuation)
{
	take(&top->evacuation, evacuation);
}

void top_take_vms(struct top *top, struct json_object *list)
{
	struct json_object *items = table_member(list, "items");

	for (size_t i = 0; i < json_count(items); i++)
		vm_figures_sum(json_object_array_get_idx(items, i));
	take(&top->vms, list);
}

/* ---- moves -------------------------------------------------------------- */

static struct top_move *find(const struct top *top, const char *id)
{
	for (size_t i = 0; i < top->move_count; i++)
		if (strcmp(top->moves[i].id, id) == 0)
			return &top->moves[i];
	return NULL;
}

const struct top_move *top_find_move(const struct top *top, const char *id)
{
	return find(top, id);
}

static struct top_move *add(struct top *top, const char *id)
{
	struct top_move *move;

	top->moves = xrealloc(top->moves, (top->move_count + 1) * sizeof(*top->moves));
	move = &top->moves[top->move_count++];
	memset(move, 0, sizeof(*move));
	snprintf(move->id, sizeof(move->id), "%s", id);
	return move;
}

void top_take_move(struct top *top, struct json_object *now)
{
	const char *id =
		json_object_is_type(now, json_type_object) ? json_get_str(now, "id") : NULL;
	struct top_move *move;

	if (!id || strlen(id) >= TOP_ID_SIZE || !json_get_str(now, "state")) {
		json_object_put(now);
		return;
	}
	move = find(top, id);
	if (!move)
		move = add(top, id);
	progress_update(&move->progress, now);
	if (move->progress.is_final && !move->ended_ms)
		move->ended_ms = top->now_ms;
	move->is_heard = true;
	take(&move->move, now);
}

/* It ended unheard, or long ago. */
static bool is_old(const struct top *top, const struct top_move *move)
{
	if (!move->ended_ms)
		return !move->is_heard;
	return top->now_ms - move->ended_ms >= TOP_ENDED_SHOW_MS &&
	       strcmp(move->id, top->opened) != 0;
}

static void drop_old(struct top *top)
{
	size_t kept = 0;

	for (size_t i = 0; i < top->move_count; i++) {
		if (is_old(top, &top->moves[i]))
			move_fini(&top->moves[i]);
		else
			top->moves[kept++] = top->moves[i];
	}
	top->move_count = kept;
}

void top_take_moves(struct top *top, struct json_object *list)
{
	struct json_object *items = table_member(list, "items");

	for (size_t i = 0; i < top->move_count; i++)
		top->moves[i].is_heard = false;
	/* They come newest first; those that go on stay where they are. */
	for (size_t i = json_count(items); i > 0; i--)
		top_take_move(top, json_object_get(json_object_array_get_idx(items, i - 1)));
	drop_old(top);
	json_object_put(list);
}
