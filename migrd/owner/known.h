/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner/known.h -- what this host knows of the guests of a peer, which may be dead: by its own
 * records of VMs and moves, and by what the peer says if it answers, else by what it told last
 * (capacity/).  Nothing is guessed: silence of a host is no proof that its guests do not run.
 *
 * Thread: loop.
 */
#ifndef MIGRD_OWNER_KNOWN_H
#define MIGRD_OWNER_KNOWN_H

#include "owner/claims.h"
#include "wire/host_reply.h"

/* The most urgent first. */
enum known_where {
	KNOWN_MOVING,       /* a move between the two has not ended */
	KNOWN_HERE_STOPPED, /* this host owns it; a start has to ask the peer first */
	KNOWN_THERE,        /* the peer has it, as far as is known */
	KNOWN_HERE,         /* this host owns it and has its QEMU, or starts it without the peer */
	KNOWN_WHERE_COUNT
};

struct known_guest {
	char uuid[ID_UUID_SIZE], name[ID_NAME_SIZE];
	enum known_where where;
	const char *by;              /* "record", "move", "host", "told": what says so */
	int64_t at_ms;               /* when that was; 0: not known */
	char state[PEER_STATE_SIZE]; /* of the VM, or of the move; "": not known */
	char move[ID_UUID_SIZE];     /* the last one between the two; "": none is kept */
	uint64_t generation;         /* of its owner, as far as is known; 0: not */
};

struct known {
	struct known_guest *list;
	size_t count;
};

#define KNOWN_MAX 1000 /* more are counted, and left out of an answer */

/* Which guests the peer told that it has, before it fell silent. */
struct known_told_guest {
	const char *uuid, *name, *state;
};
struct known_told {
	const struct known_told_guest *list;
	size_t count;
	int64_t at_ms; /* wall clock */
};

/* CLAIMS: of this peer alone; one that has not answered has none.  TOLD: NULL if it has answered,
 * or has told nothing.  Guests that were sent on to a third host are left out, unless it has told
 * since that it has them.  The caller frees it. */
struct known *known_gather(struct vms *vms, struct moves *moves, const char *peer,
			   const struct claims *claims, const struct known_told *told);
void known_free(struct known *known); /* accepts NULL */

/* What is known of GUEST, what may be done, and what must not be: sentences for people, of a host
 * that IS_SILENT or answers.  RET_MUST_NOT is "" if there is nothing that may not. */
struct known_words {
	char what[512], may[512], must_not[512];
};
void known_say(const struct known_guest *guest, const char *peer, bool is_silent,
	       struct known_words *ret);

extern const char *const known_where_names[]; /* ended by NULL */

#endif
