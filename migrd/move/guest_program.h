/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/guest_program.h -- a party's program inside a guest: run by the guest's agent, and waited
 * for.
 *
 * Which program that is says the configuration of this host, and nothing else; the notice is on its
 * standard input.  A program that takes too long runs on, and nobody waits for it.  Private to the
 * layer.  Thread: loop.
 */
#ifndef MIGRD_MOVE_GUEST_PROGRAM_H
#define MIGRD_MOVE_GUEST_PROGRAM_H

#include "base/err.h"
#include "base/json.h"

struct moves;

/* Called once, never from inside guest_program_run(): RESULT, borrowed, is the agent's word of a
 * program that has ended (notify/agent.h), or ERR.  NOT_FOUND: no such party is configured, or the
 * guest is not on this host; TIMEOUT: it has not ended in the party's timeout_ms; CANCELLED: the
 * daemon stops; and the errors of vm/agent.h. */
typedef void guest_program_fn(void *data, struct json_object *result, const struct err *err);

void guest_program_run(struct moves *moves, const char *party, const char *vm_uuid,
		       const char *body, guest_program_fn *fn, void *data);
/* For the end of the daemon: who waits gets CANCELLED before it returns. */
void guest_programs_clear(struct moves *moves);

#endif
