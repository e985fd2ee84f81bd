/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/cmd_job.h -- migrctl job: what the daemon is doing. */
#ifndef MIGRD_MIGRCTL_CMD_JOB_H
#define MIGRD_MIGRCTL_CMD_JOB_H

#include "agents/lib/cli.h"

extern const struct cli_command cmd_job_list;

#endif
