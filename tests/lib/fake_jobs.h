/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/fake_jobs.h -- the mirror jobs of a fake QEMU, and the block nodes that it was given.
 *
 * A job goes on only when the test says so; a cancel by job-cancel ends it at once.
 */
#ifndef MIGRD_TESTS_LIB_FAKE_JOBS_H
#define MIGRD_TESTS_LIB_FAKE_JOBS_H

#include "base/err.h"
#include "base/json.h"

struct fake_jobs {
	struct fake_job {
		char id[48];
		const char *status; /* NULL: there is no such job */
		const char *error;  /* or NULL */
		uint64_t done, total; /* bytes; TOTAL 0: 1000 */
	} list[4];
	char nodes[4][48]; /* "": none */
};

/* NULL: there is none of that name. */
struct fake_job *fake_jobs_find(struct fake_jobs *jobs, const char *id);
/* All jobs and nodes are gone. */
bool fake_jobs_are_none(const struct fake_jobs *jobs);
/* Carries out a command about jobs and nodes.  False: the command is about something else.
 * *RET_ENDED: the job that it has ended, or NULL. */
bool fake_jobs_obey(struct fake_jobs *jobs, const char *command, struct json_object *args,
		    struct json_object **ret_result, const struct fake_job **ret_ended,
		    struct err *err);

#endif
