/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_capacity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agents/lib/units.h"
#include "agents/migrctl/migrctl.h"
#include "base/mem.h"

/* ---- host list -------------------------------------------------------------------------- */

static const struct table_field host_fields[] = {
	{ "HOST", "id", TABLE_TEXT },
	{ "STATE", "state", TABLE_TEXT },
	{ "AGE", "age_ms", TABLE_MS },
	{ "MEMORY", "cells.memory", TABLE_NUMBER },
	{ "VCPUS", "cells.vcpus", TABLE_NUMBER },
	{ "LOAD", "cells.load", TABLE_NUMBER },
	{ "PRESSURE", "cells.pressure", TABLE_NUMBER },
	{ "GUESTS", "figures.guests", TABLE_NUMBER },
	{ "REASON", "cells.reason", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct table_field wide_fields[] = {
	{ "ADDRESS", "address", TABLE_TEXT },
	{ "STOPPED", "figures.stopped", TABLE_NUMBER },
	{ "AT MOST IN", "figures.limits.in_max", TABLE_NUMBER },
	{ "AT MOST OUT", "figures.limits.out_max", TABLE_NUMBER },
	{ "LINK", "figures.link_bytes_per_s", TABLE_RATE },
	{ "RACK", "figures.rack", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static uint64_t mib(struct json_object *memory, const char *member)
{
	int64_t value = json_get_int(memory, member, 0);

	return value > 0 ? (uint64_t)value : 0;
}

/* "12 GiB of 64 GiB": what guests and others have of it. */
static void add_memory(struct json_object *cells, struct json_object *figures)
{
	struct json_object *memory = json_get_obj(figures, "memory_mib");
	char used[UNITS_SIZE], total[UNITS_SIZE], text[TABLE_CELL_SIZE];

	units_bytes((mib(memory, "guests") + mib(memory, "incoming") + mib(memory, "reserved"))
			    << 20,
		    used);
	units_bytes(mib(memory, "total") << 20, total);
	snprintf(text, sizeof(text), "%s of %s", used, total);
	json_add_str(cells, "memory", text);
}

static double number(struct json_object *obj, const char *member)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(obj, member, &value);
	return json_object_get_double(value);
}

static void add_cpus(struct json_object *cells, struct json_object *figures)
{
	struct json_object *pressure = json_get_obj(figures, "pressure");
	char text[TABLE_CELL_SIZE];

	snprintf(text, sizeof(text), "%" PRId64 " on %" PRId64, json_get_int(figures, "vcpus", 0),
		 json_get_int(figures, "cores", 0));
	json_add_str(cells, "vcpus", text);
	snprintf(text, sizeof(text), "%.1f", number(figures, "load"));
	json_add_str(cells, "load", text);
	if (!pressure)
		return;
	snprintf(text, sizeof(text), "%.0f/%.0f/%.0f %%", number(pressure, "cpu"),
		 number(pressure, "memory"), number(pressure, "io"));
	json_add_str(cells, "pressure", text);
}

static void add_reason(struct json_object *cells, struct json_object *host)
{
	static const char *const members[] = { "trouble", "hold", "why" };
	const char *reason = NULL;

	for (size_t i = 0; i < ARRAY_LEN(members) && !reason; i++)
		reason = json_get_str(host, members[i]);
	if (reason)
		json_add_str(cells, "reason", reason);
}

/* The table shows what is made of several members as one. */
static void add_cells(struct json_object *host)
{
	struct json_object *cells = json_object_new_object();
	struct json_object *figures = json_get_obj(host, "figures");

	if (figures) {
		add_memory(cells, figures);
		add_cpus(cells, figures);
	}
	add_reason(cells, host);
	json_object_object_add(host, "cells", cells);
}

static bool run_list(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *list = NULL;
	struct json_object *items;

	if (!client || !client_list(client, "/v1/capacity", "", &list, err))
		return false;
	items = table_member(list, "items");
	for (size_t i = 0; !migrctl_wants_json(call) && i < json_count(items); i++)
		add_cells(json_object_array_get_idx(items, i));
	migrctl_print_wide(call, list, host_fields, wide_fields);
	return true;
}

const struct cli_command cmd_host_list = {
	.noun = "host",
	.verb = "list",
	.summary = "this host and its peers, and what each has room for",
	.details = "MEMORY: that of guests and what is reserved, of all. VCPUS: of guests, on so\n"
		   "many cores. LOAD: cores in use. PRESSURE: share of the last 10 s in which a\n"
		   "task waited for CPU, memory and disks.\n",
	.run = run_list,
};

/* ---- vm place --------------------------------------------------------------------------- */

static const struct table_field placement_fields[] = {
	{ "name", "name", TABLE_TEXT },
	{ "group", "definition.placement.group", TABLE_TEXT },
	{ "affinity", "definition.placement.affinity", TABLE_TEXT },
	{ "requires", "definition.placement.requires", TABLE_TEXT },
	{ "forbids", "definition.placement.forbids", TABLE_TEXT },
	{ "prefers", "definition.placement.prefers", TABLE_TEXT },
	{ "pins", "definition.placement.pins", TABLE_TEXT },
	{ "priority", "definition.placement.priority", TABLE_NUMBER },
	{ "on evacuation", "definition.placement.on_evacuation", TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static struct json_object *pins_of(const char *value)
{
	struct json_object *pins = json_object_new_array();
	CLEANUP(free_charp) char *copy = xstrdup(value);
	char *rest = copy, *id;

	while ((id = strsep(&rest, ",")))
		json_object_array_add(pins, json_new_str(id));
	return pins;
}

/* NULL and ERR: it is no value of that member. */
static struct json_object *value_of(const char *member, const char *value, struct err *err)
{
	uint64_t number;

	if (strcmp(member, "pins") == 0)
		return pins_of(value);
	if (strcmp(member, "priority") != 0)
		return json_new_str(value);
	return units_parse_count(value, &number, err) ? json_object_new_uint64(number) : NULL;
}

/* MEMBER=VALUE or MEMBER-; of a list of labels LIST.KEY=VALUE or LIST.KEY-. */
static bool add_word(struct json_object *placement, const char *word, struct err *err)
{
	static const char *const lists[] = { "requires.", "forbids.", "prefers." };
	const char *equals = strchr(word, '='), *end = equals ? equals : word + strlen(word) - 1;
	struct json_object *into = placement, *value = NULL;
	CLEANUP(free_charp) char *member = NULL;
	const char *from = word;

	if (!*word || (!equals && *end != '-'))
		return err_set(err, ERR_INVALID,
			       "'%s': a setting is MEMBER=VALUE, and MEMBER- removes one", word);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		size_t len = strlen(lists[i]);

		if (strncmp(word, lists[i], len) != 0)
			continue;
		member = xstrndup(word, len - 1);
		into = json_get_obj(placement, member);
		if (!into) {
			into = json_object_new_object();
			json_object_object_add(placement, member, into);
		}
		free(TAKE_PTR(member));
		from = word + len;
	}
	member = xstrndup(from, (size_t)(end - from));
	if (equals && into == placement) {
		value = value_of(member, equals + 1, err);
		if (!value)
			return err_wrap(err, "'%s'", word);
	} else if (equals) {
		value = json_new_str(equals + 1);
	}
	json_object_object_add(into, member, value);
	return true;
}

static bool run_place(struct cli_call *call, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(free_charp) char *path = client_path("/v1/vms/", call->words[0], "");
	CLEANUP(json_putp) struct json_object *body = json_object_new_object();
	CLEANUP(json_putp) struct json_object *vm = NULL;
	struct json_object *placement = json_object_new_object();
	struct client_request request = { .method = "PATCH", .path = path };
	bool ok;

	json_object_object_add(body, "placement", placement);
	for (int i = 1; i < call->word_count; i++)
		if (!add_word(placement, call->words[i], err))
			return false;
	if (!client)
		return false;
	request.body = json_text(body, &request.body_len);
	ok = call->word_count == 1 ? client_get(client, path, &vm, err)
				   : client_call(client, &request, &vm, err);
	if (ok)
		migrctl_print_object(call, vm, placement_fields);
	return ok;
}

const struct cli_command cmd_vm_place = {
	.noun = "vm",
	.verb = "place",
	.args = "VM [MEMBER=VALUE|MEMBER-...]",
	.min_args = 1,
	.max_args = -1,
	.summary = "show or change where a guest may be, also while it runs",
	.details = "Members: group, affinity, requires.LABEL, forbids.LABEL, prefers.LABEL,\n"
		   "pins (HOST,HOST), priority (0 to 7), on_evacuation (leave, restart, save).\n"
		   "MEMBER- removes one. Plans keep to them; a move that you start does not.\n",
	.run = run_place,
};
