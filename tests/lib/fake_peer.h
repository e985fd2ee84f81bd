/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_peer.h -- fake peer/client.h: the test plays the other coordinators.
 *
 * A request waits until the test answers it, or until its deadline.  VERB is the last
 * word of its path, "fate" for the GET of a move.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_PEER_H
#define MIGRD_TESTS_LIB_FAKE_PEER_H

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "wire/transfer_plan.h"

/* What all peers answer to hello, at once: what they offer (NULL: they do not tell), or an error. */
extern const struct transfer_features *fake_peer_features;
extern enum err_code fake_peer_hello_error;
extern uint64_t fake_peer_lets_come; /* in bytes a second; 0: there is no budget */
extern void (*fake_peer_before)(const char *verb, struct json_object *body);

struct peer_clients *fake_peer_new(struct loop *loop);
size_t fake_peer_pending(const char *verb);
/* The same, for one host. */
size_t fake_peer_pending_at(const char *host, const char *verb);
/* The path of the oldest request of VERB; there must be one. */
const char *fake_peer_path(const char *verb);
/* Answers the oldest request of VERB; there must be one. */
void fake_peer_answer(const char *verb, const char *json);
/* The same, for the oldest request to HOST. */
void fake_peer_answer_at(const char *host, const char *verb, const char *json);
/* The peer answers the oldest request of VERB with an error.  (For a silent peer, a test lets
 * the deadline pass.) */
void fake_peer_fail(const char *verb, enum err_code code);
/* As of a host that is no peer: it is not asked. */
void fake_peer_is_none(const char *verb);
/* The same as fake_peer_fail(), in these words. */
void fake_peer_refuse(const char *verb, enum err_code code, const char *words);

#endif
