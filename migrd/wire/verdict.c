/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/verdict.h"

#include <string.h>

const char *const verdict_names[] = {
#define VERDICT_NAME(member, name) [VERDICT_##member] = name,
	VERDICTS(VERDICT_NAME)
#undef VERDICT_NAME
		[VERDICT_COUNT] = NULL,
};

enum verdict verdict_from_name(const char *name)
{
	unsigned i = 0;

	if (name[0] == '\0')
		return VERDICT_NONE;
	while (verdict_names[i] && strcmp(verdict_names[i], name) != 0)
		i++;
	return (enum verdict)i;
}
