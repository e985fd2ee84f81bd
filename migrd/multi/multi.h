/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multi/multi.h -- transfers of libcurl on the loop: its sockets and its timer.
 *
 * Who asks others over HTTPS makes the handle of each request, and says by it what is asked; here
 * it runs.  Thread: loop.
 */
#ifndef MIGRD_MULTI_MULTI_H
#define MIGRD_MULTI_MULTI_H

#include <curl/curl.h>

#include "base/err.h"
#include "base/loop.h"

struct multi;

struct multi_limits {
	unsigned connections_per_host; /* at a time; further requests wait */
	unsigned idle_connections;     /* that are kept open for the next request */
};

/* TRANSFER has ended with CODE, and its handle is still there: multi_remove() is next.  Called
 * from inside libcurl's work, so it may add and remove transfers, and must not free MULTI. */
typedef void multi_done_fn(void *transfer, CURLcode code);

/* NULL and INTERNAL: libcurl did not start. */
struct multi *multi_new(struct loop *loop, const struct multi_limits *limits, multi_done_fn *done,
			struct err *err);
/* All transfers must have been removed.  Accepts NULL. */
void multi_free(struct multi *multi);

/* Starts EASY, whose DONE gets TRANSFER.  INTERNAL: libcurl refuses it, and it stays the
 * caller's. */
bool multi_add(struct multi *multi, CURL *easy, void *transfer, struct err *err);
/* Ends EASY, in the middle too, and frees it. */
void multi_remove(struct multi *multi, CURL *easy);

#endif
