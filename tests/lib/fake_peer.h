/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_peer.h -- peer/client.h: the other coordinators, played by a test.
 *
 * A request waits until the test answers it, or its deadline is over.  VERB is
 * the last word of its path, "fate" for the GET of a move.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_PEER_H
#define MIGRD_TESTS_LIB_FAKE_PEER_H

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

extern void (*fake_peer_before)(const char *verb, struct json_object *body);

struct peer_clients *fake_peer_new(struct loop *loop);
size_t fake_peer_pending(const char *verb);
/* The same, of one host. */
size_t fake_peer_pending_at(const char *host, const char *verb);
/* Answers the oldest request of VERB; there must be one. */
void fake_peer_answer(const char *verb, const char *json);
/* HOST does. */
void fake_peer_answer_at(const char *host, const char *verb, const char *json);
/* It says so itself; who is silent lets the deadline pass. */
void fake_peer_fail(const char *verb, enum err_code code);

#endif
