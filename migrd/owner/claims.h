/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner/claims.h -- asks all peers at once which VMs they have, and judges what follows for a
 * record of this host.
 *
 * Thread: loop.  The judgement is a pure function.
 */
#ifndef MIGRD_OWNER_CLAIMS_H
#define MIGRD_OWNER_CLAIMS_H

#include "move/move.h"
#include "wire/peer_msg.h"

struct claim {
	char host[ID_NAME_SIZE];
	struct peer_vm vm;
};

/* A peer that was not heard, and why. */
struct claims_silence {
	char host[ID_NAME_SIZE];
	char why[128];
	bool is_required;
};

struct claims {
	struct claim *list;
	size_t count;
	struct claims_silence *silent;
	size_t silent_count;
};

void claims_free(struct claims *claims); /* accepts NULL */

struct claims_question {
	struct loop *loop;
	struct peer_clients *peers;
	const char *const *hosts;                                /* ended by NULL */
	bool (*is_required)(const void *data, const char *host); /* NULL: all are */
	const char *uuid;                                        /* of one VM; NULL: all VMs */
	uint32_t deadline_ms;
	void *data;
};
/* Called once, on the loop, never from inside claims_ask(): CLAIMS are the callee's.
 * That is when all peers have answered or failed, or CLAIMS_GRACE_MS after all required ones
 * have. */
typedef void claims_fn(void *data, struct claims *claims);
#define CLAIMS_GRACE_MS 250
void claims_ask(const struct claims_question *question, claims_fn *fn, void *data);

enum claims_verdict {
	CLAIMS_OURS,      /* nobody has it, or only an older and stopped record */
	CLAIMS_ELSEWHERE, /* a peer owns it with a higher generation */
	CLAIMS_CONFLICT,  /* a peer has it in a way that forbids to run it here */
};
/* RET_CLAIM: the decisive claim; it is set unless the verdict is OURS. */
enum claims_verdict claims_judge(const struct claims *claims, const char *uuid, uint64_t generation,
				 const struct claim **ret_claim);
/* CLAIM's VM may not run on a host whose record of it is of GENERATION. */
bool claims_forbids(const struct claim *claim, uint64_t generation);
/* Sets ERR to the decisive claim in words, for VM NAME of GENERATION here. */
void claims_say(const struct claim *claim, const char *name, uint64_t generation, struct err *err);

#endif
