/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/migrctl.h -- what the commands of migrctl share. */
#ifndef MIGRD_MIGRCTL_MIGRCTL_H
#define MIGRD_MIGRCTL_MIGRCTL_H

#include "agents/lib/cli.h"

/* The options that every command has. */
struct migrctl_globals {
	const char *socket;
	const char *host;
	const char *host_id;
	const char *cert, *key, *ca;
	const char *output;
};

static inline const struct migrctl_globals *migrctl_globals(const struct cli_call *call)
{
	return call->globals;
}

#endif
