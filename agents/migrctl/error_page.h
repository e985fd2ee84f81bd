/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/error_page.h -- an error as data: for -o json and -o yaml.  Thread: main. */
#ifndef MIGRD_MIGRCTL_ERROR_PAGE_H
#define MIGRD_MIGRCTL_ERROR_PAGE_H

#include "agents/lib/cli.h"

/* As the member `print_error' of struct cli_program wants it: prints to standard error
 * {"code", "detail", "exit_code", "errors": [{"pointer", "detail"}]}; `code' is one of
 * schema/errors.md, `errors' is there if single faults are known.  False: text is wanted. */
bool error_page_print(const struct cli_call *call, const struct err *err);

#endif
