/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_agent.h -- a guest agent that a test plays, behind QEMU's socket.
 *
 * By itself it answers as the real one does, with file systems that freeze and a
 * clock.  A test lets it be silent, answers late, or says anything.
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

/* Listens at PATH; one client at a time. */
struct fake_agent *fake_agent_new(struct loop *loop, const char *path);
void fake_agent_free(struct fake_agent *fa);

struct fake_agent_guest {
	bool is_frozen;
	int64_t clock_ns; /* 0: the host's */
	unsigned file_systems;
};
struct fake_agent_guest *fake_agent_guest(struct fake_agent *fa);

/* Commands of that name wait for fake_agent_answer(); "": all. */
void fake_agent_mute(struct fake_agent *fa, const char *command);
void fake_agent_unmute(struct fake_agent *fa);
/* Answers, in order, what waits; COUNT 0: all. */
void fake_agent_answer(struct fake_agent *fa, unsigned count);
/* A new life of it: what waits is never answered. */
void fake_agent_restart(struct fake_agent *fa);
/* "return" or "error" with its value, for all commands of that name. */
void fake_agent_on(struct fake_agent *fa, const char *command, const char *member);
/* From here on all that it says comes in pieces of SIZE bytes; 0: no longer. */
void fake_agent_split(struct fake_agent *fa, size_t size);
void fake_agent_say(struct fake_agent *fa, const void *data, size_t len);
/* QEMU drops the client. */
void fake_agent_hang_up(struct fake_agent *fa);

bool fake_agent_has_client(const struct fake_agent *fa);
/* All commands but guest-sync-delimited, each ended by ';'. */
const char *fake_agent_heard(const struct fake_agent *fa);
void fake_agent_clear_heard(struct fake_agent *fa);
unsigned fake_agent_marks(const struct fake_agent *fa); /* bytes 0xFF that came */

#endif
