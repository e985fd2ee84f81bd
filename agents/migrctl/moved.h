/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/moved.h -- where a guest has gone whose console or display has ended.  Thread: main. */
#ifndef MIGRD_MIGRCTL_MOVED_H
#define MIGRD_MIGRCTL_MOVED_H

#include "agents/migrctl/migrctl.h"
#include "base/id.h"

/* The host that has VM was FROM's, which is asked for its last move; one that is under way is
 * waited for, some seconds.  Returns the client of its new host, whose address the host knows that
 * this command was for, and puts its id into RET_HOST.  NULL: *err tells why; NOT_FOUND: it was not
 * moved away. */
struct client *moved_client(struct cli_call *call, struct client *from, const char *vm,
			    char ret_host[ID_NAME_SIZE], struct err *err);

#endif
