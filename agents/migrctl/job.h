/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/job.h -- a job of the daemon that is no move: to its end, and what came of it. */
#ifndef MIGRD_MIGRCTL_JOB_H
#define MIGRD_MIGRCTL_JOB_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"

/* Waits for the end of the job *JOB, which is read from PATH and its `id', and of which events of
 * TYPE tell; replaces *JOB by what it is then. */
bool job_follow(struct cli_call *call, struct client *client, const char *path, const char *type,
		struct json_object **job, struct err *err);
/* False: the ended JOB is not done; ERR says why. */
bool job_result(struct json_object *job, struct err *err);

#endif
