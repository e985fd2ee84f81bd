/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_schema NAME -- prints one published schema; without NAME, the names. */
#include <stdio.h>

#include "wire/schema.h"

int main(int argc, char **argv)
{
	struct json_object *schema;

	if (argc < 2) {
		for (size_t i = 0; wire_schema_names[i]; i++)
			puts(wire_schema_names[i]);
		return 0;
	}
	schema = wire_schema(argv[1]);
	if (!schema) {
		fprintf(stderr, "print_schema: no schema '%s'\n", argv[1]);
		return 1;
	}
	puts(json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(schema);
	return 0;
}
