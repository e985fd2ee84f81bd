/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/page_watch.h -- follows something that goes on by itself, until it rests.
 *
 * On a terminal its page is one screen, which is renewed; elsewhere there is a line for each change
 * that a reader of a log wants to know; with `-o json' nothing but the end.
 */
#ifndef MIGRD_MIGRCTL_PAGE_WATCH_H
#define MIGRD_MIGRCTL_PAGE_WATCH_H

#include <stdio.h>

#include "agents/lib/cli.h"
#include "agents/lib/client.h"
#include "base/json.h"
#include "base/strbuf.h"

struct page_kind {
	const char *noun; /* of the commands, and the type of its events */
	const char *path; /* "/v1/evacuations/", which its id follows */
	/* Members of which a change is worth a line, ended by NULL; NULL: the line itself. */
	const char *const *told;
	uint32_t outage_max_ms; /* so long the daemon may be away */
	void (*line)(struct json_object *obj, int64_t now_ms, struct strbuf *line);
	void (*screen)(FILE *out, struct json_object *obj, int64_t now_ms);
	void (*page)(FILE *out, struct json_object *obj, int64_t now_ms);
	/* UNTIL_END: what it comes to before its end does not count. */
	bool (*rests)(struct json_object *obj, bool until_end);
	/* Did it end well?  If not, *err says why. */
	bool (*result)(struct json_object *obj, struct err *err);
};

/* True when it has ended well.  An interrupt ends the program, and not what is watched, and says
 * so. */
bool page_watch(const struct page_kind *kind, struct cli_call *call, struct client *client,
		const char *id, bool until_end, struct err *err);

#endif
