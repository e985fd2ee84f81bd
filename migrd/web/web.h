/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* web/web.h -- the page of GET /ui: files of migrd/web/page, which web/embed.sh has put into the
 * program.
 *
 * The page is a client of the REST API like any other, and has no privilege of its own: what its
 * user may do, the role in the certificate says at each request.  Thread: any (constants).
 */
#ifndef MIGRD_WEB_WEB_H
#define MIGRD_WEB_WEB_H

#include <string.h>

#include "http/file.h"

#define WEB_FIRST_PAGE "index.html"

struct web_file {
	const char *name; /* "index.html" */
	struct http_file file;
};
extern const struct web_file web_files[]; /* ended by a NULL name */

/* NULL: there is no such file. */
static inline const struct http_file *web_find(const char *name)
{
	for (const struct web_file *file = web_files; file->name; file++)
		if (strcmp(file->name, name) == 0)
			return &file->file;
	return NULL;
}

#endif
