/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_job.h"

#include "agents/migrctl/migrctl.h"

static const struct table_field job_fields[] = {
	{ "ID", "id", TABLE_TEXT },
	{ "KIND", "kind", TABLE_TEXT },
	{ "VM", "vm", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "PEER", "peer", TABLE_TEXT },
	{ "WAITING", "waiting", TABLE_NUMBER },
	{ "CREATED", "created_at", TABLE_TEXT },
	{ "ENDED", "ended_at", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static bool run_list(struct cli_call *call, struct err *err)
{
	return migrctl_list(call, "/v1/jobs", "", job_fields, err);
}

const struct cli_command cmd_job_list = {
	.noun = "job",
	.verb = "list",
	.summary = "the work of this host: who holds a monitor now, and all moves",
	.run = run_list,
};
