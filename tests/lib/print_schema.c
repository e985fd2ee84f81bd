/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_schema NAME -- prints one published schema; without NAME, the names. */
#include <stdio.h>

#include "wire/schema.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		for (size_t i = 0; wire_schema_names[i]; i++)
			puts(wire_schema_names[i]);
		return 0;
	}
	if (wire_schema_print(stdout, argv[1]))
		return 0;
	fprintf(stderr, "print_schema: no schema '%s'\n", argv[1]);
	return 1;
}
