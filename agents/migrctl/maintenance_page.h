/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/maintenance_page.h -- what people see of the maintenance of some hosts. */
#ifndef MIGRD_MIGRCTL_MAINTENANCE_PAGE_H
#define MIGRD_MIGRCTL_MAINTENANCE_PAGE_H

#include <stdio.h>

#include "base/json.h"
#include "base/strbuf.h"

/* Of a dry run: each step with its number, then what each host said of its guests. */
void maintenance_page_print_plan(FILE *out, struct json_object *maintenance);
/* What fits on one screen while it runs: what it waits for, and the hosts with what each does. */
void maintenance_page_print_screen(FILE *out, struct json_object *maintenance, int64_t now_ms);
/* The whole: of one that has ended, the report. */
void maintenance_page_print(FILE *out, struct json_object *maintenance, int64_t now_ms);
/* "running: 1 of 4 hosts done; b: evacuating, 5 of 24 guests left". */
void maintenance_page_line(struct json_object *maintenance, int64_t now_ms, struct strbuf *line);

#endif
