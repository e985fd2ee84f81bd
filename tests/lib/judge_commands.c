/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the commands on standard input for which guard/refused.c has no row; a line is
 * "qmp NAME" or "hmp NAME".  Exit status 1: there was one. */
#include <stdio.h>
#include <string.h>

#include "guard/refused.h"

static bool is_known(const char *line)
{
	struct refused_verdict verdict;

	if (strncmp(line, "qmp ", 4) == 0)
		refused_judge_qmp(line + 4, NULL, &verdict);
	else
		refused_judge_hmp(line + 4, &verdict);
	return verdict.class != REFUSED_CLASS_UNKNOWN;
}

int main(void)
{
	char line[256];
	int status = 0;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strlen(line) > 4 && !is_known(line)) {
			puts(line);
			status = 1;
		}
	}
	return status;
}
