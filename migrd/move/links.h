/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/links.h -- the links to other hosts: what probes have found of them, and the probes that
 * other hosts may make.
 *
 * What earlier moves got is in their records (move/foresee.h); what a probe found is kept in memory
 * only, since it is made again in less than a second.  Private to the layer.  Thread: loop.
 */
#ifndef MIGRD_MOVE_LINKS_H
#define MIGRD_MOVE_LINKS_H

#include "base/id.h"
#include "move/move.h"
#include "stream/probe.h"

struct links;

/* A probe that is not older is not made again. */
#define LINKS_FRESH_MS 60000
/* The rate of moves that are not older needs no probe; that large packets pass is looked at. */
#define LINKS_AGED_MS (INT64_C(3600) * 1000)
/* So much is enough to see that large packets pass. */
#define LINKS_LOOK_BYTES (UINT64_C(1) << 20)

struct link_found {
	uint64_t bytes_per_s;
	bool is_least; /* the link gives that much at least */
	int64_t at_ms; /* wall clock */
};

struct links *links_new(struct moves *moves);
/* Probes under way are given up; their answers come when their threads have ended. */
void links_stop(struct links *links);
void links_free(struct links *links);

/* False: no probe has measured the link to PEER since migrd was started. */
bool links_found(const struct links *links, const char *peer, struct link_found *ret);

struct link_question {
	const char *peer;
	uint64_t bytes;             /* at most */
	uint64_t limit_bytes_per_s; /* of the move and of the host's budget; 0: none */
	const struct move
		*for_move; /* does not count as one that would be disturbed; may be NULL */
};
/* Called once, on the loop, never from inside: what came of it; or RESULT NULL, and WHY it was not
 * made: NOT_FOUND: PEER has an older migrd; BUSY, LIMIT: not now; CONFLICT: probes are off. */
typedef void links_probed_fn(void *data, const struct stream_probe_result *result,
			     const struct err *why);
/* A transfer to the data port of PEER, for a fraction of a second. */
void links_probe(struct links *links, const struct link_question *question, links_probed_fn *fn,
		 void *data);
/* In words: "host 'b' takes 110.2 MiB/s", or what is wrong and what to do. */
void links_say(const char *peer, const struct stream_probe_result *result,
	       char ret_text[ERR_MSG_SIZE]);

/* The data port's question; see stream/port.h. */
bool links_claim(struct links *links, const struct stream_preamble *preamble, int fd);

#endif
