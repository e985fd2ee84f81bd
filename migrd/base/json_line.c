/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json_line.h"

#include "base/mem.h"

bool json_line_is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

static bool is_too_intricate(const char *line, size_t len, size_t max_structure)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += line[i] == '[' || line[i] == '{' || line[i] == ',';
	return n > max_structure;
}

struct json_object *json_line_parse(const char *line, size_t len,
				    const struct json_line_limits *limits, struct err *err)
{
	const struct json_limits json_limits = { .max_bytes = len, .max_depth = limits->max_depth };
	struct json_object *tree;
	struct faults *faults;

	if (is_too_intricate(line, len, limits->max_structure)) {
		err_set(err, ERR_INVALID, "a line of %zu bytes has too many values", len);
		return NULL;
	}
	faults = faults_new();
	tree = json_parse(line, len, &json_limits, faults);
	if (!tree) {
		faults_to_err(faults, err);
		err_wrap(err, "not JSON");
	} else if (!json_object_is_type(tree, json_type_object)) {
		err_set(err, ERR_INVALID, "a line is not a JSON object");
		json_object_put(TAKE_PTR(tree));
	}
	faults_free(faults);
	return tree;
}
