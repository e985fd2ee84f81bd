/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_schema NAME -- prints one published schema; without NAME, the names. */
#include <stdio.h>

#include "wire/schema.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		const char *name;

		for (size_t i = 0; (name = wire_schema_name(i)); i++)
			puts(name);
		return 0;
	}
	if (wire_schema_print(stdout, argv[1]))
		return 0;
	fprintf(stderr, "print_schema: no schema '%s'\n", argv[1]);
	return 1;
}
