/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/edit_session.h -- a person changes a VM's definition in an editor.
 *
 * What cannot be made of what was typed is said in comments above it, and the editor is opened
 * again, until all is right or nothing was typed since.  A VM that has changed meanwhile is read
 * again (If-Match, 412), and what was typed stays in a file that is named.  Thread: any. */
#ifndef MIGRD_MIGRCTL_EDIT_SESSION_H
#define MIGRD_MIGRCTL_EDIT_SESSION_H

#include "agents/lib/client.h"

/* NAME: the VM; WHEN: as of PATCH, or NULL.  RET_VM: the answer to the change, the caller's; NULL:
 * nothing was changed, and nothing sent.  False: nothing was changed; a file with what was typed is
 * named in ERR. */
bool edit_session_run(struct client *client, const char *name, const char *when,
		      struct json_object **ret_vm, struct err *err);

#endif
