/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/contexts.h -- the hosts that a user has given names: which daemon, and which certificate
 * to show it.
 *
 * One file of JSON, "$MIGRD_CONTEXTS", else "$XDG_CONFIG_HOME/migrd/contexts.json", else
 * "$HOME/.config/migrd/contexts.json".  It is written with mode 0600, whole or not at all, under a
 * lock beside it; a file that others could change is not used, since it says where commands go.
 *
 * Thread: any, one owner at a time.
 */
#ifndef MIGRD_MIGRCTL_CONTEXTS_H
#define MIGRD_MIGRCTL_CONTEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

#define CONTEXTS_VARIABLE "MIGRD_CONTEXTS"
#define CONTEXTS_MAX      256
/* The name that stands for the daemon of this host; no context can have it. */
#define CONTEXTS_LOCAL "local"

/* Texts are NULL if there are none; paths are absolute.  Either `socket', or `host' and the three
 * files. */
struct context {
	char name[ID_NAME_SIZE];
	char *socket, *host, *host_id, *cert, *key, *ca;
};
extern const struct json_field context_fields[];

struct contexts {
	uint64_t version;
	char current[ID_NAME_SIZE]; /* "": none */
	struct context list[CONTEXTS_MAX];
	size_t count;
};

/* The path of the file, which may not be there; the caller frees it.  NULL: neither variable is
 * set, so there are no contexts. */
char *contexts_path(void);
/* No file: no contexts.  INVALID, FORBIDDEN, TOO_LARGE: the file is not used, *err says why.  NULL
 * only with an error; the caller frees it. */
struct contexts *contexts_read(struct err *err);
void contexts_free(struct contexts *contexts); /* accepts NULL */
/* NULL, and NOT_FOUND with the names that there are: there is none of this name. */
struct context *contexts_find(struct contexts *contexts, const char *name, struct err *err);

/* Changes CONTEXTS; false, with *err: the file stays as it is. */
typedef bool contexts_change_fn(struct contexts *contexts, void *data, struct err *err);
/* Reads the file, changes it and writes it, while no other process does.  BUSY: one does. */
bool contexts_change(contexts_change_fn *change, void *data, struct err *err);
/* Adds a copy of CONTEXT.  LIMIT: there are CONTEXTS_MAX; EXISTS, unless MAY_REPLACE. */
bool contexts_add(struct contexts *contexts, const struct context *context, bool may_replace,
		  struct err *err);
void contexts_remove(struct contexts *contexts, struct context *context);

#endif
