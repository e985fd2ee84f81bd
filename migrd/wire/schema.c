/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/schema.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/adopt_request.h"
#include "wire/agent_request.h"
#include "wire/backup_request.h"
#include "wire/medium_request.h"
#include "wire/monitor_request.h"
#include "wire/move_request.h"
#include "wire/vm_def.h"
#include "wire/vm_request.h"

const char *const wire_schema_names[] = { "vm",
					  "move-request",
					  "move-patch",
					  "move-resolve",
					  "agent-freeze",
					  "monitor-request",
					  "adopt-request",
					  "backup-request",
					  "vm-start",
					  "medium-request",
					  NULL };

static const struct {
	const struct json_field *fields;
	const char *title, *description;
} schemas[] = {
	{ vm_def_fields, "VM definition",
	  "The body of POST /v1/vms. Beyond this schema: device ids and PCI slots are unique, a "
	  "tap or macvtap NIC has an ifname, a serial port of type file or socket has a path." },
	{ move_request_fields, "Move request", "The body of POST /v1/moves." },
	{ move_options_fields, "Move changes",
	  "The body of PATCH /v1/moves/{id}; at least one member." },
	{ move_resolve_fields, "Move resolution", "The body of POST /v1/moves/{id}/resolve." },
	{ agent_freeze_fields, "Freeze", "The body of POST /v1/vms/{name}/agent/freeze." },
	{ monitor_request_fields, "Monitor request",
	  "The body of POST /v1/vms/{name}/monitor: one command for the QEMU of a VM." },
	{ adopt_request_fields, "Adoption",
	  "The body of POST /v1/vms/adopt; without dry_run, confirm is required." },
	{ backup_request_fields, "Backup", "The body of POST /v1/host/backup; optional." },
	{ vm_start_fields, "Start",
	  "The body of POST /v1/vms/{name}/start and /resume; optional." },
	{ medium_request_fields, "Medium", "The body of PUT /v1/vms/{name}/devices/{id}/medium." },
};
static_assert(ARRAY_LEN(wire_schema_names) == ARRAY_LEN(schemas) + 1, "a name for each schema");

struct json_object *wire_schema(const char *name)
{
	for (size_t i = 0; wire_schema_names[i]; i++)
		if (!strcmp(wire_schema_names[i], name))
			return json_schema(schemas[i].fields, JSON_SCHEMA_REQUEST, schemas[i].title,
					   schemas[i].description);
	return NULL;
}

bool wire_schema_print(FILE *out, const char *name)
{
	CLEANUP(json_putp) struct json_object *schema = wire_schema(name);

	if (!schema)
		return false;
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY |
							       JSON_C_TO_STRING_SPACED |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	return true;
}
