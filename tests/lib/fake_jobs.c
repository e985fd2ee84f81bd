/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_jobs.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct fake_job *fake_jobs_find(struct fake_jobs *jobs, const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(jobs->list); i++) {
		if (jobs->list[i].status && strcmp(jobs->list[i].id, id) == 0)
			return &jobs->list[i];
	}
	return NULL;
}

static char *find_node(struct fake_jobs *jobs, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(jobs->nodes); i++) {
		if (strcmp(jobs->nodes[i], name) == 0)
			return jobs->nodes[i];
	}
	return NULL;
}

bool fake_jobs_are_none(const struct fake_jobs *jobs)
{
	for (size_t i = 0; i < ARRAY_LEN(jobs->list); i++) {
		if (jobs->list[i].status)
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(jobs->nodes); i++) {
		if (jobs->nodes[i][0])
			return false;
	}
	return true;
}

static struct json_object *list(const struct fake_jobs *jobs)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < ARRAY_LEN(jobs->list); i++) {
		const struct fake_job *job = &jobs->list[i];
		struct json_object *obj;

		if (!job->status)
			continue;
		obj = json_object_new_object();
		json_add_str(obj, "id", job->id);
		json_add_str(obj, "type", "mirror");
		json_add_str(obj, "status", job->status);
		json_add_uint(obj, "current-progress", job->done);
		json_add_uint(obj, "total-progress", job->total ? job->total : 1000);
		if (job->error)
			json_add_str(obj, "error", job->error);
		json_object_array_add(array, obj);
	}
	return array;
}

static void add_node(struct fake_jobs *jobs, struct json_object *args)
{
	const char *name = json_get_str(args, "node-name");
	char *node = find_node(jobs, "");

	ck_assert_ptr_nonnull(name);
	ck_assert_msg(!find_node(jobs, name), "node '%s' is there", name);
	ck_assert_ptr_nonnull(node);
	snprintf(node, sizeof(jobs->nodes[0]), "%s", name);
}

/* QEMU keeps a node that a job uses. */
static void delete_node(struct fake_jobs *jobs, struct json_object *args, struct err *err)
{
	const char *name = json_get_str(args, "node-name");
	char *node = name ? find_node(jobs, name) : NULL;

	if (!node)
		err_set(err, ERR_QEMU, "Failed to find node with node-name='%s'", name);
	else if (fake_jobs_find(jobs, name))
		err_set(err, ERR_QEMU, "Node '%s' is busy", name);
	else
		*node = '\0';
}

static void add_job(struct fake_jobs *jobs, struct json_object *args)
{
	const char *id = json_get_str(args, "job-id"), *target = json_get_str(args, "target");
	size_t i = 0;

	ck_assert_ptr_nonnull(id);
	ck_assert_msg(target && find_node(jobs, target), "a mirror without its target");
	ck_assert_msg(!json_get_bool(args, "auto-dismiss", true), "its end would not be seen");
	while (i < ARRAY_LEN(jobs->list) && jobs->list[i].status)
		i++;
	ck_assert_uint_lt(i, ARRAY_LEN(jobs->list));
	jobs->list[i] = (struct fake_job){ .status = "running" };
	snprintf(jobs->list[i].id, sizeof(jobs->list[i].id), "%s", id);
}

static void end_job(struct fake_job *job)
{
	if (strcmp(job->status, "concluded") == 0)
		return;
	job->status = "concluded";
	job->error = "Operation canceled";
}

static void obey_job(struct fake_jobs *jobs, const char *command, const char *id,
		     const struct fake_job **ret_ended, struct err *err)
{
	struct fake_job *job = id ? fake_jobs_find(jobs, id) : NULL;

	if (!job) {
		err_set(err, ERR_QEMU, "Job not found");
	} else if (strcmp(command, "job-cancel") == 0) {
		end_job(job);
		*ret_ended = job;
	} else if (strcmp(command, "job-dismiss") == 0) {
		if (strcmp(job->status, "concluded") == 0)
			*job = (struct fake_job){ 0 };
		else
			err_set(err, ERR_QEMU, "Job '%s' cannot accept command verb 'dismiss'", id);
	}
}

bool fake_jobs_obey(struct fake_jobs *jobs, const char *command, struct json_object *args,
		    struct json_object **ret_result, const struct fake_job **ret_ended,
		    struct err *err)
{
	*ret_ended = NULL;
	if (strcmp(command, "query-jobs") == 0)
		*ret_result = list(jobs);
	else if (strcmp(command, "blockdev-add") == 0)
		add_node(jobs, args);
	else if (strcmp(command, "blockdev-del") == 0)
		delete_node(jobs, args, err);
	else if (strcmp(command, "blockdev-mirror") == 0)
		add_job(jobs, args);
	else if (strcmp(command, "job-cancel") == 0 || strcmp(command, "job-dismiss") == 0)
		obey_job(jobs, command, json_get_str(args, "id"), ret_ended, err);
	else if (strcmp(command, "block-job-cancel") == 0)
		obey_job(jobs, command, json_get_str(args, "device"), ret_ended, err);
	else
		return false;
	return true;
}
