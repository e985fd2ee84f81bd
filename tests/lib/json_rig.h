/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/json_rig.h -- helpers for tests of decoders: parses texts, checks faults. */
#ifndef MIGRD_TESTS_LIB_JSON_RIG_H
#define MIGRD_TESTS_LIB_JSON_RIG_H

#include <check.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* TEXT has ' in place of ", because \" is hard to read. */
static inline struct json_object *rig_parse(const char *text)
{
	static struct faults faults;
	char *copy = strdup(text);
	struct json_object *obj;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	faults.count = 0;
	obj = json_parse(copy, strlen(copy), &json_limits_default, &faults);
	if (!obj)
		ck_abort_msg("'%s': %s", text, faults.list[0].detail);
	free(copy);
	return obj;
}

static inline const char *rig_fault_at(const struct faults *faults, const char *pointer)
{
	for (size_t i = 0; i < faults->count && i < FAULT_MAX; i++)
		if (!strcmp(faults->list[i].pointer, pointer))
			return faults->list[i].detail;
	return NULL;
}

/* There is a fault at POINTER whose detail contains WORDS. */
static inline void rig_assert_fault(const struct faults *faults, const char *pointer,
				    const char *words)
{
	const char *detail = rig_fault_at(faults, pointer);

	if (!detail)
		ck_abort_msg("no fault at '%s' among %zu", pointer, faults->count);
	if (!strstr(detail, words))
		ck_abort_msg("'%s': '%s' lacks '%s'", pointer, detail, words);
}

static inline void rig_faults_freep(struct faults **faults)
{
	faults_free(*faults);
}
#define RIG_FAULTS(name) CLEANUP(rig_faults_freep) struct faults *name = faults_new()

#endif
