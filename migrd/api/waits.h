/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/waits.h -- requests that are answered when an object has come to a state.
 *
 * GET /v1/moves/{id}/wait and its like, and `Prefer: wait=N' of a request that begins one.  A wait
 * ends when the object enters the state, when by its table of states it cannot come there any
 * more, at its time, and at the daemon's end.  There are WAITS_MAX at a time, WAITS_OF_CALLER_MAX
 * of one caller.  Objects are looked at when they change, and never otherwise.  Thread: loop.
 */
#ifndef MIGRD_API_WAITS_H
#define MIGRD_API_WAITS_H

#include "http/http.h"
#include "machine/machine.h"

#define WAITS_MAX           256
#define WAITS_OF_CALLER_MAX 64
#define WAIT_S              60 /* unless the request says another time */
#define WAIT_MAX_S          300

struct api;
struct waits;

struct waits *waits_new(struct api *api);
/* Answers all that still wait: the daemon stops.  NULL is fine. */
void waits_free(struct waits *waits);
/* MACHINE has changed.  WAITS NULL: nothing is done. */
void waits_look(struct waits *waits, const struct machine *machine);

/* The handler of all .../{id}/wait. */
void api_wait(struct http_request *req, void *data);
/* Of http_config: OBJ, by FIELDS, was begun by REQ, which would rather be answered when it has
 * ended.  False: there is nothing to wait for, or no room. */
bool api_prefers_wait(struct http_request *req, uint64_t seconds, const struct json_field *fields,
		      struct json_object *obj, void *data);

#endif
