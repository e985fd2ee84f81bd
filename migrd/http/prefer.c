/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header Prefer (RFC 7240): only "wait=SECONDS" of it is looked at. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/internal.h"

#define WAIT_KEY "wait="

/* Digits, which may be in quotes. */
static bool read_seconds(const char *text, uint64_t *ret)
{
	size_t is_quoted = *text == '"', digits = strspn(text + is_quoted, "0123456789");
	const char *end = text + is_quoted + digits;

	if (digits == 0 || digits > 9 || (is_quoted && *end++ != '"'))
		return false;
	*ret = strtoull(text + is_quoted, NULL, 10);
	return *ret > 0 && (*end == '\0' || strchr(" \t,;", *end));
}

bool http_prefers_wait(const struct http_request *req, uint64_t *ret_s)
{
	const char *at = http_header(req, "Prefer");

	while (at && *at) {
		at += strspn(at, " \t,");
		if (strncasecmp(at, WAIT_KEY, strlen(WAIT_KEY)) == 0)
			return read_seconds(at + strlen(WAIT_KEY), ret_s);
		at += strcspn(at, ",");
	}
	return false;
}
