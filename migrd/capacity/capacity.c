/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capacity/capacity.h"

#include "base/mem.h"
#include "capacity/priv.h"

struct capacity {
	bool has_changed;       /* since the last picture */
	bool has_state_changed; /* since the last look of any kind */
	struct own *own;
	struct peers *peers;
	struct loop *loop;
};

struct capacity *capacity_new(const struct capacity_env *env)
{
	struct capacity *capacity = xnew(struct capacity);

	loop_assert_thread(env->loop);
	capacity->loop = env->loop;
	capacity->own = own_new(env);
	capacity->peers = peers_new(env);
	return capacity;
}

void capacity_set(struct capacity *capacity, const struct capacity_settings *settings)
{
	own_set(capacity->own, settings);
	peers_set(capacity->peers, settings);
}

void capacity_end(struct capacity *capacity)
{
	if (capacity)
		peers_end(capacity->peers);
}

void capacity_free(struct capacity *capacity)
{
	if (!capacity)
		return;
	peers_free(capacity->peers);
	own_free(capacity->own);
	free(capacity);
}

void capacity_ask(struct capacity *capacity, capacity_done_fn *done, void *data)
{
	peers_ask(capacity->peers, done, data);
}

bool capacity_is_fresh(const struct capacity *capacity)
{
	return peers_are_fresh(capacity->peers);
}

void capacity_note(struct capacity *capacity)
{
	capacity->has_changed = true;
}

void capacity_note_state(struct capacity *capacity)
{
	capacity->has_changed = capacity->has_state_changed = true;
}

/* Its VMs change too often for that. */
static void look_at_state(struct capacity *capacity)
{
	if (capacity->has_state_changed)
		own_forget(capacity->own);
	capacity->has_state_changed = false;
}

const struct capacity_told *capacity_own(struct capacity *capacity)
{
	look_at_state(capacity);
	return &own_look(capacity->own)->host;
}

/* Pages that follow are those of the first one. */
const char *capacity_page_text(struct capacity *capacity, const char *after, size_t *ret_len)
{
	if (!after)
		look_at_state(capacity);
	return own_page(capacity->own, after, ret_len);
}

/* ---- the picture ----------------------------------------------------------------------- */

struct capacity_picture *capacity_take(struct capacity *capacity)
{
	struct capacity_picture *picture;
	uint64_t now_ms = loop_now_ms(capacity->loop);

	peers_want(capacity->peers);
	if (capacity->has_changed)
		own_forget(capacity->own);
	capacity->has_changed = capacity->has_state_changed = false;
	picture = picture_begin(own_look(capacity->own));
	for (const struct asked_peer *peer = peers_next(capacity->peers, NULL); peer;
	     peer = peers_next(capacity->peers, peer))
		picture_add(picture, peer,
			    (struct picture_age){
				    .is_aged = peers_is_aged(capacity->peers, peer),
				    .is_late = peers_is_late(capacity->peers, peer),
				    .ms = peer->told ? now_ms - peer->told_ms : 0,
			    });
	return picture;
}
