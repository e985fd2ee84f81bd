/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/answers.h -- the answers to POST requests with an Idempotency-Key, for as long as they are
 * kept.
 *
 * A key belongs to its caller.  The request is on disk before it is handled, and its answer before
 * it is sent, so a client that heard nothing sends it again and gets the same answer, also from a
 * restarted daemon.  A request that was refused has changed nothing: its key is free again.  One
 * whose answer a restart has lost, or that was begun and then answered with 503 or 507, may be
 * done: it is never done again by itself.  Moves, entries of the queue and holds keep their keys in
 * their own records (`takes_key' of the route) and are not in here. Thread: loop.
 */
#ifndef MIGRD_API_ANSWERS_H
#define MIGRD_API_ANSWERS_H

#include "http/http.h"
#include "store/store.h"

#define ANSWERS_KEPT_S        86400
#define ANSWERS_MAX           4096
#define ANSWERS_OF_CALLER_MAX 1024
#define ANSWER_BODY_MAX       8192 /* a longer one is not kept */

struct api;
struct answers;

struct answers *answers_new(struct api *api);
/* After the store was closed.  NULL is fine. */
void answers_free(struct answers *answers);
/* At the start.  Takes over what ROW owns. */
void answers_add_row(struct answers *answers, struct store_answer *row);

/* Of http_config: the key of REQ, without quotes.  False: it is none, with ERR. */
bool api_key_of(const struct http_request *req, char ret[ID_NAME_SIZE], struct err *err);
/* Of http_config: REQ has a key, and its route keeps none itself.  Answers it from here, or lets it
 * be handled and notes the answer. */
void api_with_key(struct http_request *req, void *data);

#endif
