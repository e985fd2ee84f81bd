/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_agent.h -- a fake guest agent for tests, behind QEMU's socket.
 *
 * By default it answers like the real one, with file systems that freeze and a clock.
 * A test can keep it silent, answer late, or let it say anything.
 *
 * Thread: loop.  It asserts, since tests are its only user.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_AGENT_H
#define MIGRD_TESTS_LIB_FAKE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct fake_agent;

/* Listens at PATH, and serves one client at a time. */
struct fake_agent *fake_agent_new(struct loop *loop, const char *path);
void fake_agent_free(struct fake_agent *fa);

struct fake_agent_guest {
	bool is_frozen;
	int64_t clock_ns; /* 0: the host's */
	unsigned file_systems;
};
struct fake_agent_guest *fake_agent_guest(struct fake_agent *fa);

/* COMMAND is not answered until fake_agent_answer(); "": no command is. */
void fake_agent_mute(struct fake_agent *fa, const char *command);
void fake_agent_unmute(struct fake_agent *fa);
/* Answers the first COUNT waiting commands, in their order; 0: all. */
void fake_agent_answer(struct fake_agent *fa, unsigned count);
/* The agent starts anew: waiting commands are never answered. */
void fake_agent_restart(struct fake_agent *fa);
/* How all commands of that name are answered: MEMBER is "return" or "error" with its value.
 * COMMAND "": all as the real agent again. */
void fake_agent_on(struct fake_agent *fa, const char *command, const char *member);
/* From now on all output comes in pieces of SIZE bytes; 0: in one piece again. */
void fake_agent_split(struct fake_agent *fa, size_t size);
void fake_agent_say(struct fake_agent *fa, const void *data, size_t len);
/* QEMU drops the client. */
void fake_agent_hang_up(struct fake_agent *fa);

bool fake_agent_has_client(const struct fake_agent *fa);
/* The names of all commands except guest-sync-delimited, each ended by ';'. */
const char *fake_agent_heard(const struct fake_agent *fa);
void fake_agent_clear_heard(struct fake_agent *fa);
unsigned fake_agent_marks(const struct fake_agent *fa); /* how many bytes 0xFF have come */

#endif
