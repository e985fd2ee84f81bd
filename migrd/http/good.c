/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the header of a good answer says of the object in it: ETag, Location; and 304. */
#include <string.h>

#include "http/internal.h"
#include "http/object.h"

/* ---- Location ------------------------------------------------------------ */

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("-._~", c);
}

static void add_encoded(struct strbuf *path, const char *text)
{
	for (; *text; text++) {
		if (is_unreserved(*text))
			strbuf_add(path, text, 1);
		else
			strbuf_addf(path, "%%%02X", (unsigned char)*text);
	}
}

/* What {KEY} of the path of an object is: the last one is a member of the object itself, those
 * before it are in the path of the request. */
static const char *value_of(const struct http_request *req, struct json_object *obj,
			    const char *key, bool is_last)
{
	const char *from_path = http_param(req, key);
	const char *from_obj = obj ? json_get_str(obj, key) : NULL;

	if (is_last)
		return from_obj ? from_obj : from_path;
	return from_path ? from_path : from_obj;
}

/* OBJ NULL: the object is that of the request's path.  False: it has no id here. */
static bool make_path(const struct http_request *req, const struct http_route *object,
		      struct json_object *obj, struct strbuf *ret)
{
	const char *at = object->path;

	while (*at) {
		size_t len = strcspn(at, "{");
		char key[32];
		const char *value;

		strbuf_add(ret, at, len);
		at += len;
		if (!*at)
			break;
		len = strcspn(++at, "}");
		snprintf(key, sizeof(key), "%.*s", (int)len, at);
		at += len + 1;
		value = value_of(req, obj, key, !strchr(at, '{'));
		if (!value)
			return false;
		add_encoded(ret, value);
	}
	return true;
}

static bool find_location(const struct http_request *req, bool is_routes_own,
			  struct json_object *obj, struct strbuf *ret)
{
	const struct http_route *routes = req->server->routes, *object = NULL;

	if (is_routes_own)
		object = http_object_of_reply(routes, req->route);
	if (object && make_path(req, object, obj, ret))
		return true;
	strbuf_clear(ret);
	object = http_object_of_path(routes, req->route);
	return object && make_path(req, object, NULL, ret);
}

static void add_location(const struct http_request *req, struct http_content *content,
			 bool is_routes_own, struct json_object *obj)
{
	struct strbuf path = STRBUF_INIT;

	if (find_location(req, is_routes_own, obj, &path))
		MHD_add_response_header(content->response, MHD_HTTP_HEADER_LOCATION,
					strbuf_str(&path));
	strbuf_fini(&path);
}

/* ---- ETag and 304 ----------------------------------------------------------- */

/* The client has what it would get. */
static bool is_known(const struct http_request *req, const char *tag)
{
	const char *list = http_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH);

	return list && strcmp(req->route->method, "GET") == 0 &&
	       http_etag_compare(list, tag, false) == HTTP_ETAG_YES;
}

void http_good_headers(const struct http_request *req, unsigned *status,
		       struct http_content *content, const struct http_good *good)
{
	bool is_routes_own = good->fields == req->route->reply;

	if (!req->server || *status >= 300)
		return;
	if (*status == MHD_HTTP_CREATED || *status == MHD_HTTP_ACCEPTED)
		add_location(req, content, is_routes_own, good->obj);
	if (!is_routes_own || !http_has_etag(req->server->routes, req->route))
		return;
	http_etag_make(good->fields, good->obj, good->text, good->len, content->etag);
	if (is_known(req, content->etag)) {
		http_content_empty(content);
		*status = MHD_HTTP_NOT_MODIFIED;
	}
	MHD_add_response_header(content->response, MHD_HTTP_HEADER_ETAG, content->etag);
}
