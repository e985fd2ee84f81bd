/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/path.h"

#include <string.h>

static bool is_component(const char *text, size_t len)
{
	return len > 0 && !(text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.')));
}

bool path_is_plain(const char *path, size_t len)
{
	size_t at = 1;

	if (len == 0 || path[0] != '/')
		return false;
	while (len > 1 && at <= len) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t end = slash ? (size_t)(slash - path) : len;

		if (!is_component(path + at, end - at))
			return false;
		at = end + 1;
	}
	return true;
}

const char *path_below(const char *path, const char *dir, size_t dir_len)
{
	const char *rest = path + dir_len;

	if (dir_len == 1)
		return path[1] ? path : path + 1;
	if (strncmp(path, dir, dir_len) != 0 || (*rest && *rest != '/'))
		return NULL;
	return rest;
}
