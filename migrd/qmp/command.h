/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/command.h -- the commands of one monitor that have not been answered.
 *
 * A command waits in `queued' until the monitor can take it, then in `sent'
 * until its reply.  A command whose deadline passes in `queued' is removed and
 * never runs.  One whose deadline passes in `sent' stays there, abandoned, because
 * QEMU still holds it: it waits for its late reply, and counts in the window.
 *
 * Thread: loop.
 */
#ifndef MIGRD_QMP_COMMAND_H
#define MIGRD_QMP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"
#include "qmp/conn.h"

#define QMP_COMMAND_TAG_SIZE 9

struct qmp_command_args {
	const char *name;
	struct json_object *args; /* borrowed */
	uint32_t deadline_ms;
	bool is_oob;
	int fd; /* goes along, and is owned from here on; 0 (not a descriptor to pass): none */
	qmp_reply_fn *fn;
	void *data;
};

struct qmp_cmd {
	TAILQ_ENTRY(qmp_cmd) link;
	uint64_t number;
	char *name;
	char *line; /* NULL once it was sent */
	uint32_t deadline_ms;
	int fd; /* -1: none, or it was sent */
	bool is_oob;
	bool is_abandoned; /* answered with TIMEOUT; FN has been called */
	bool is_off_wire;  /* QEMU does not hold it (a fault point ate it or its reply) */
	struct loop_timer *timer;
	qmp_reply_fn *fn;
	void *data;
	void *owner; /* for the timer's callback */
};

TAILQ_HEAD(qmp_cmd_list, qmp_cmd);

struct qmp_commands {
	struct qmp_cmd_list queued, sent;
	unsigned count;  /* in both lists */
	unsigned window; /* in-band commands that QEMU may hold at a time */
	uint64_t last_number;
	char tag[QMP_COMMAND_TAG_SIZE]; /* tells this connection's ids from a predecessor's */
};

void qmp_commands_init(struct qmp_commands *cmds);
/* LIMIT when too many wait already. */
bool qmp_commands_have_room(const struct qmp_commands *cmds, bool is_oob, struct err *err);
/* Appends to `queued' and starts the deadline: EXPIRED is called with the command. */
struct qmp_cmd *qmp_commands_add(struct qmp_commands *cmds, const struct qmp_command_args *args,
				 struct loop *loop, loop_fn *expired, void *owner);
/* The command to send next, out-of-band ones first; NULL: none may be sent. */
struct qmp_cmd *qmp_commands_next(struct qmp_commands *cmds);
void qmp_commands_mark_sent(struct qmp_commands *cmds, struct qmp_cmd *cmd);
/* Finds the sent command of a reply by its id; NULL: the id is foreign, or its command is over
 * or not sent yet. */
struct qmp_cmd *qmp_commands_find(struct qmp_commands *cmds, const char *id);
/* The oldest sent command that waits for an answer; if there is none, the oldest queued one. */
struct qmp_cmd *qmp_commands_first(struct qmp_commands *cmds);
/* Takes CMD out of its list and stops its deadline; the caller frees it. */
void qmp_commands_remove(struct qmp_commands *cmds, struct qmp_cmd *cmd);
/* The name of the command that the monitor is busy with, for a message; NULL: none. */
const char *qmp_commands_busy_with(const struct qmp_commands *cmds);

void qmp_cmd_free(struct qmp_cmd *cmd);

#endif
