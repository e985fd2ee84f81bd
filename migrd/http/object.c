/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/object.h"

#include <string.h>

#define USER_PREFIX "/v1/"

static bool is_for_users(const struct http_route *route)
{
	return strncmp(route->path, USER_PREFIX, strlen(USER_PREFIX)) == 0;
}

static bool is_get(const struct http_route *route)
{
	return strcmp(route->method, "GET") == 0;
}

static bool is_object(const struct http_route *route)
{
	return is_get(route) && route->reply && !route->is_list && is_for_users(route) &&
	       strchr(route->path, '{');
}

/* PATH is that of OBJECT, or goes on from there. */
static bool is_above(const char *object, const char *path)
{
	size_t len = strlen(object);

	return strncmp(object, path, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

const struct http_route *http_object_of_path(const struct http_route *routes,
					     const struct http_route *route)
{
	const struct http_route *found = NULL;

	for (const struct http_route *each = routes; each->method; each++)
		if (is_object(each) && is_above(each->path, route->path) &&
		    (!found || strlen(each->path) > strlen(found->path)))
			found = each;
	return found;
}

const struct http_route *http_object_of_reply(const struct http_route *routes,
					      const struct http_route *route)
{
	if (!route->reply || route->is_list || !is_for_users(route))
		return NULL;
	for (const struct http_route *each = routes; each->method; each++)
		if (is_object(each) && each->reply == route->reply)
			return each;
	return NULL;
}

bool http_has_etag(const struct http_route *routes, const struct http_route *route)
{
	if (is_get(route))
		return !route->is_list && !route->is_stream &&
		       strncmp(route->path, "/peer/", strlen("/peer/")) != 0 &&
		       (route->reply || (route->type && strstr(route->type, "json")));
	return http_object_of_reply(routes, route);
}

bool http_has_location(const struct http_route *routes, const struct http_route *route)
{
	return (route->status == 201 || route->status == 202) &&
	       (http_object_of_reply(routes, route) || http_object_of_path(routes, route));
}
