/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/job.h -- a job of the daemon that is no move: to its end, and what came of it. */
#ifndef MIGRD_MIGRCTL_JOB_H
#define MIGRD_MIGRCTL_JOB_H

#include "agents/lib/cli.h"
#include "agents/lib/client.h"
#include "agents/lib/table.h"

/* What a kind of job is told and shown by. */
struct job_kind {
	const char *path;                 /* of its jobs: "/v1/saves" */
	const char *type;                 /* of its events */
	const struct table_field *fields; /* of one job */
	const struct table_field *list_fields;
	const char *rows;                 /* a list of it that is shown after them; NULL: none */
	const struct table_field *row_fields;
	/* One line, without its end. */
	void (*print)(struct json_object *job);
};

/* Begins a job by a POST of BODY to PATH, and prints it; WATCH: after its end.  False: it did not
 * begin, or has ended otherwise than done; ERR says why. */
bool job_start(struct cli_call *call, const struct job_kind *kind, const char *path,
	       struct json_object *body, bool watch, struct err *err);

/* What commands run whose data is a struct job_kind: all jobs; the one whose id is the first word;
 * the same is cancelled, and printed after its end. */
bool job_list(struct cli_call *call, struct err *err);
bool job_show(struct cli_call *call, struct err *err);
bool job_cancel(struct cli_call *call, struct err *err);

#endif
