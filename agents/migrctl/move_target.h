/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/move_target.h -- what the commands of `migrctl move' share: the move that is meant, the
 * request about it, the limits that it may be given. */
#ifndef MIGRD_MIGRCTL_MOVE_TARGET_H
#define MIGRD_MIGRCTL_MOVE_TARGET_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"
#include "agents/lib/table.h"
#include "base/json.h"

#define MOVE_ARGS "ID|VM"

/* Client and move of a command whose argument is MOVE_ARGS.  To be freed with
 * move_target_fini(), also after an error; zeroed before. */
struct move_target {
	struct client *client;
	char *id;
};
void move_target_fini(struct move_target *target);
/* Finds the move that the command's first word means: by its id, or by the name of a VM its active
 * move, or (unless MUST_BE_ACTIVE) its latest one.  NOT_FOUND: there is none. */
bool move_target_find(struct move_target *target, struct cli_call *call, bool must_be_active,
		      struct err *err);
/* "/v1/moves/ID" and SUFFIX; the caller frees it. */
char *move_target_path(const struct move_target *target, const char *suffix);

/* Sends BODY; RET_MOVE, which the caller puts, is the answer.  KEY: an Idempotency-Key, or NULL.
 * PROTOCOL: the answer names no move. */
bool move_send(struct client *client, const char *method, const char *path,
	       struct json_object *body, const char *key, struct json_object **ret_move,
	       struct err *err);

/* What a move may use; the values of two options. */
struct move_limits {
	struct cli_number bandwidth, downtime_limit;
};
void move_add_limits(const struct move_limits *limits, struct json_object *obj);
/* The options that fill the member `limits' of VALUES_TYPE. */
#define OPTION_BANDWIDTH(values_type)                                                            \
	{                                                                                        \
		.name = "bandwidth", .letter = 'b', .type = CLI_BYTES,                           \
		.offset = offsetof(values_type, limits.bandwidth), .max = INT64_MAX,             \
		.arg = "BYTES", .help = "at most so much each second, such as 64M; 0: no limit", \
	}
#define OPTION_DOWNTIME(values_type)                                                              \
	{                                                                                         \
		.name = "downtime-limit", .type = CLI_COUNT,                                      \
		.offset = offsetof(values_type, limits.downtime_limit), .min = 1, .max = 2000000, \
		.arg = "MS",                                                                      \
		.help = "how long the guest may stand still at the end, in milliseconds",         \
	}

/* All that people are shown of one move. */
extern const struct table_field move_show_fields[];

#endif
