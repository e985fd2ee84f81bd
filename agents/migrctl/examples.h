/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/examples.h -- command lines for the help of each command.  Thread: any. */
#ifndef MIGRD_MIGRCTL_EXAMPLES_H
#define MIGRD_MIGRCTL_EXAMPLES_H

#include "agents/lib/cli.h"

/* As the member `examples' of struct cli_program wants it.  A test has the program parse each
 * line. */
const char *examples_of(const struct cli_command *command);

#endif
