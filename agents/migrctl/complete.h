/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/complete.h -- what the value at a place of a command line may be: names that the daemon,
 * the contexts or the program itself know.  Thread: main. */
#ifndef MIGRD_MIGRCTL_COMPLETE_H
#define MIGRD_MIGRCTL_COMPLETE_H

#include "agents/lib/cli.h"

/* As the member `complete' of struct cli_program wants it.  A daemon that does not answer within
 * 2 s, or refuses, adds nothing. */
void complete_value(const struct cli_place *place, struct strbuf *text);

#endif
