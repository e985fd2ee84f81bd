/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/file.h -- answers that are files of the program itself, for browsers. */
#ifndef MIGRD_HTTP_FILE_H
#define MIGRD_HTTP_FILE_H

#include <stddef.h>

#include "http/http.h"

/* Constants that live as long as the program. */
struct http_file {
	const char *type;
	const char *etag; /* with its quotes */
	const void *bytes;
	size_t len;
};

/* 200, or 304 to who has it by its ETag.  The browser is told to load scripts, styles and data from
 * here alone, to show it in no frame, and to ask again each time.  Loop. */
void http_reply_file(struct http_request *req, const struct http_file *file);

#endif
