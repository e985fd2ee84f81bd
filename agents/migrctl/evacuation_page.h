/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/evacuation_page.h -- what people see of an evacuation.  At the top are the answers to
 * four questions: how many guests are left, which one blocks and why, when does it end, and how
 * full do the other hosts get.  migrctl(1) explains each title (tests/lint/check-terms.sh). Thread:
 * any.
 */
#ifndef MIGRD_MIGRCTL_EVACUATION_PAGE_H
#define MIGRD_MIGRCTL_EVACUATION_PAGE_H

#include <stdio.h>

#include "base/json.h"
#include "base/strbuf.h"

/* EVACUATION is that of the API, and NOW_MS the time since 1970.  All print to OUT. */

/* The four answers, then each guest and who wants the host to be empty. */
void evacuation_page_print(FILE *out, struct json_object *evacuation, int64_t now_ms);
/* The four answers, and of the guests those about which there is something to say. */
void evacuation_page_print_answers(FILE *out, struct json_object *evacuation, int64_t now_ms);
/* Of a dry run: who would go where, who would stay and why, and how full the hosts would be. */
void evacuation_page_print_plan(FILE *out, struct json_object *evacuation);
/* Adds the first three answers in one line, without its end. */
void evacuation_page_line(struct json_object *evacuation, int64_t now_ms, struct strbuf *line);

/* The first three answers; empty: there is nothing to say. Needs evacuation_answers_fini(). */
struct evacuation_answers {
	struct strbuf left, blocked, ends;
};
void evacuation_page_answers(struct json_object *evacuation, int64_t now_ms,
			     struct evacuation_answers *ret_answers);
void evacuation_answers_fini(struct evacuation_answers *answers);

#endif
