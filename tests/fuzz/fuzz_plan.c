/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: any bytes as a cluster whose first host is emptied.  No crash, and either faults, an
 * error, or a plan that can be read again. */
#include <assert.h>
#include <stdint.h>

#include "plan/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_plan(const struct plan *plan, const struct plan_input *input)
{
	struct strbuf text = STRBUF_INIT;
	struct json_object *obj;

	plan_file_write(plan, input, 0, &text);
	obj = json_read_back(strbuf_str(&text));
	assert(obj && json_count(json_object_object_get(obj, "hosts")) == input->host_count);
	json_object_put(obj);
	strbuf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint32_t host = 0;
	const struct plan_evacuate wanted = { &host, 1, 3 };
	struct faults *faults = faults_new();
	struct plan_file *file = plan_file_parse((const char *)data, size, faults);
	struct plan_cluster *cluster = NULL;
	struct plan *plan = NULL;
	struct err err = { ERR_NONE, "" };

	assert((file == NULL) == (faults->count > 0));
	if (file)
		cluster = plan_cluster_new(plan_file_input(file), &err);
	if (cluster)
		plan = plan_evacuate(cluster, &wanted, &err);
	assert(!file || (plan == NULL) == err_is_set(&err));
	if (plan)
		write_plan(plan, plan_file_input(file));
	plan_free(plan);
	plan_cluster_free(cluster);
	plan_file_free(file);
	faults_free(faults);
	return 0;
}
