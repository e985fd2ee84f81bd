/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/command.h"

#include "base/id.h"
#include "base/mem.h"
#include "qmp/codec.h"

#define MAX_COUNT 256
/* Extra places for out-of-band commands: commands that hang must not keep out the
 * one that ends the hang. */
#define OOB_RESERVE 16

_Static_assert(QMP_COMMAND_TAG_SIZE <= ID_TOKEN_SIZE, "the tag is the beginning of a token");

/* A reply to a command of the client before us can still arrive on our
 * connection (QEMU finishes what it runs), so ids differ from process to
 * process and from connection to connection. */
void qmp_commands_init(struct qmp_commands *cmds)
{
	char token[ID_TOKEN_SIZE];

	*cmds = (struct qmp_commands){ .window = 1 };
	TAILQ_INIT(&cmds->queued);
	TAILQ_INIT(&cmds->sent);
	id_token_new(token);
	memcpy(cmds->tag, token, sizeof(cmds->tag) - 1);
}

bool qmp_commands_have_room(const struct qmp_commands *cmds, bool is_oob, struct err *err)
{
	if (cmds->count < MAX_COUNT + (is_oob ? OOB_RESERVE : 0))
		return true;
	return err_set(err, ERR_LIMIT, "%u monitor commands wait for an answer already",
		       cmds->count);
}

struct qmp_cmd *qmp_commands_add(struct qmp_commands *cmds, const struct qmp_command_args *args,
				 struct loop *loop, loop_fn *expired, void *owner)
{
	struct qmp_cmd *cmd = xnew(struct qmp_cmd);
	char id[48];

	cmd->number = ++cmds->last_number;
	snprintf(id, sizeof(id), "%s-%llu", cmds->tag, (unsigned long long)cmd->number);
	cmd->name = xstrdup(args->name);
	cmd->line = qmp_codec_command(args->name, args->args, id, args->is_oob);
	cmd->deadline_ms = args->deadline_ms;
	cmd->fd = args->fd ? args->fd : -1;
	cmd->is_oob = args->is_oob;
	cmd->fn = args->fn;
	cmd->data = args->data;
	cmd->owner = owner;
	cmd->timer = loop_timer_new(loop, expired, cmd);
	loop_timer_start(cmd->timer, args->deadline_ms);
	TAILQ_INSERT_TAIL(&cmds->queued, cmd, link);
	cmds->count++;
	return cmd;
}

static bool holds_window(const struct qmp_cmd *cmd)
{
	return !cmd->is_oob && !cmd->is_off_wire;
}

static unsigned window_used(const struct qmp_commands *cmds)
{
	const struct qmp_cmd *cmd;
	unsigned n = 0;

	TAILQ_FOREACH(cmd, &cmds->sent, link)
	n += holds_window(cmd);
	return n;
}

struct qmp_cmd *qmp_commands_next(struct qmp_commands *cmds)
{
	struct qmp_cmd *cmd;

	TAILQ_FOREACH(cmd, &cmds->queued, link)
	if (cmd->is_oob)
		return cmd;
	return window_used(cmds) < cmds->window ? TAILQ_FIRST(&cmds->queued) : NULL;
}

void qmp_commands_mark_sent(struct qmp_commands *cmds, struct qmp_cmd *cmd)
{
	TAILQ_REMOVE(&cmds->queued, cmd, link);
	TAILQ_INSERT_TAIL(&cmds->sent, cmd, link);
	free(TAKE_PTR(cmd->line));
}

static bool parse_id(const struct qmp_commands *cmds, const char *id, uint64_t *ret_number)
{
	size_t tag_len = sizeof(cmds->tag) - 1;
	char *end;

	if (!id || strncmp(id, cmds->tag, tag_len) != 0 || id[tag_len] != '-' ||
	    id[tag_len + 1] < '1' || id[tag_len + 1] > '9')
		return false;
	*ret_number = strtoull(id + tag_len + 1, &end, 10);
	return *end == '\0';
}

struct qmp_cmd *qmp_commands_find(struct qmp_commands *cmds, const char *id)
{
	struct qmp_cmd *cmd;
	uint64_t number;

	if (!parse_id(cmds, id, &number))
		return NULL;
	TAILQ_FOREACH(cmd, &cmds->sent, link)
	if (cmd->number == number && !cmd->is_off_wire)
		return cmd;
	return NULL;
}

struct qmp_cmd *qmp_commands_first(struct qmp_commands *cmds)
{
	struct qmp_cmd *sent = TAILQ_FIRST(&cmds->sent);

	return sent ? sent : TAILQ_FIRST(&cmds->queued);
}

void qmp_commands_remove(struct qmp_commands *cmds, struct qmp_cmd *cmd)
{
	if (cmd->line)
		TAILQ_REMOVE(&cmds->queued, cmd, link);
	else
		TAILQ_REMOVE(&cmds->sent, cmd, link);
	cmds->count--;
	loop_timer_free(TAKE_PTR(cmd->timer));
}

const char *qmp_commands_busy_with(const struct qmp_commands *cmds)
{
	const struct qmp_cmd *cmd;

	TAILQ_FOREACH(cmd, &cmds->sent, link)
	if (holds_window(cmd))
		return cmd->name;
	return NULL;
}

void qmp_cmd_free(struct qmp_cmd *cmd)
{
	loop_timer_free(cmd->timer);
	closep(&cmd->fd);
	free(cmd->name);
	free(cmd->line);
	free(cmd);
}
