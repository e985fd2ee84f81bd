/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/error_page.h"

#include <string.h>

#include "agents/lib/table.h"
#include "agents/lib/yaml.h"
#include "agents/migrctl/migrctl.h"

static struct json_object *shown_faults(const struct faults *faults)
{
	struct json_object *list = json_object_new_array();
	size_t listed = faults->count < FAULT_MAX ? faults->count : FAULT_MAX;

	for (size_t i = 0; i < listed; i++) {
		struct json_object *item = json_object_new_object();

		json_add_str(item, "pointer", faults->list[i].pointer);
		json_add_str(item, "detail", faults->list[i].detail);
		json_object_array_add(list, item);
	}
	return list;
}

static struct json_object *shown(const struct cli_call *call, const struct err *err)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "code", err_name(err->code));
	json_add_str(obj, "detail", err->msg);
	json_add_int(obj, "exit_code", err_exit_code(err->code));
	if (call->faults && call->faults->count)
		json_object_object_add(obj, "errors", shown_faults(call->faults));
	return obj;
}

bool error_page_print(const struct cli_call *call, const struct err *err)
{
	const struct migrctl_globals *globals = call->globals;
	bool is_yaml = globals->output && strcmp(globals->output, "yaml") == 0;
	bool is_json = globals->output && strcmp(globals->output, "json") == 0;
	struct json_object *obj;

	if (!is_yaml && !is_json)
		return false;
	obj = shown(call, err);
	if (is_yaml)
		yaml_print(stderr, obj);
	else
		table_print_json(stderr, obj);
	json_object_put(obj);
	return true;
}
