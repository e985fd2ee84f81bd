/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/file.h -- clusters and plans as JSON: the format "migrd-cluster/1" of migrd-plan(1).
 *
 * Pure: texts, no files.  Thread: any.
 */
#ifndef MIGRD_PLAN_FILE_H
#define MIGRD_PLAN_FILE_H

#include "base/json.h"
#include "plan/plan.h"

#define PLAN_FILE_MAX ((size_t)128 << 20) /* bytes */

struct plan_file;

/* NULL and one or more faults, each with its place: the text is no such cluster.  What
 * plan_cluster_new() finds is still to be found then. */
struct plan_file *plan_file_parse(const char *text, size_t len, struct faults *faults);
void plan_file_free(struct plan_file *file);
/* The cluster; stays the file's. */
const struct plan_input *plan_file_input(const struct plan_file *file);

/* Adds the plan of the cluster INPUT, which took SECONDS to make, as one JSON object. */
void plan_file_write(const struct plan *plan, const struct plan_input *input, double seconds,
		     struct strbuf *out);

#endif
