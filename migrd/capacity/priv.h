/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capacity/priv.h -- shared by the files of the layer. */
#ifndef MIGRD_CAPACITY_PRIV_H
#define MIGRD_CAPACITY_PRIV_H

#include <sys/queue.h>

#include "capacity/capacity.h"
#include "capacity/host.h"
#include "capacity/snapshot.h"

/* ---- this host (own.c) ------------------------------------------------------------ */

/* The figures of this host are made again when they are so old. */
#define OWN_FRESH_MS 1000

struct own;
struct own *own_new(const struct capacity_env *env);
void own_free(struct own *own);
void own_set(struct own *own, const struct capacity_settings *settings);
/* At most OWN_FRESH_MS old; borrowed until the callback returns. */
struct snapshot *own_look(struct own *own);
/* The next own_look() makes it again. */
void own_forget(struct own *own);
/* Of the snapshot that own_look() gives: the answer to a peer, of guests from the page on that has
 * the first name after AFTER (may be NULL).  Borrowed likewise. */
const char *own_page(struct own *own, const char *after, size_t *ret_len);

/* ---- the others (peers.c) ----------------------------------------------------------- */

struct asked_peer {
	TAILQ_ENTRY(asked_peer) link;
	char id[ID_NAME_SIZE];
	struct snapshot *told;           /* as it last told; NULL: never */
	uint64_t told_ms;                /* when that was, on the loop's clock */
	uint64_t answered_ms;            /* when a question to it ended last; 0: none has */
	char trouble[CAPACITY_WHY_SIZE]; /* why the last answer is missing or was not taken; "" */
	struct question *question;       /* under way; NULL: none */
	bool is_wanted;                  /* it is in the configuration */
};

struct peers;
struct peers *peers_new(const struct capacity_env *env);
void peers_set(struct peers *peers, const struct capacity_settings *settings);
void peers_end(struct peers *peers);
void peers_free(struct peers *peers);
void peers_ask(struct peers *peers, capacity_done_fn *done, void *data);
bool peers_are_fresh(const struct peers *peers);
/* Somebody looks: from now on they are asked at the interval. */
void peers_want(struct peers *peers);
/* In the order of the configuration; AFTER may be NULL. */
const struct asked_peer *peers_next(struct peers *peers, const struct asked_peer *after);
/* What it told is too old to be believed. */
bool peers_is_aged(const struct peers *peers, const struct asked_peer *peer);
/* It has been asked in vain for so long that nobody waits for it any more. */
bool peers_is_late(const struct peers *peers, const struct asked_peer *peer);

/* ---- both together (picture.c) -------------------------------------------------------- */

/* Its first host; then the others, in turn. */
struct capacity_picture *picture_begin(struct snapshot *own);
struct picture_age {
	bool is_aged, is_late;
	uint64_t ms; /* of what it told; 0 without it */
};
void picture_add(struct capacity_picture *picture, const struct asked_peer *peer,
		 struct picture_age age);

#endif
