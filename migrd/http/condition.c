/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* If-Match and If-None-Match of a request that changes something.
 *
 * The object's present ETag is that of its own GET route, whose handler is called with a request
 * that nobody sent.  So it is right for each object without a line in its routes.  Comparison and
 * handler are in one turn of the loop; what is still being written by another request of a user
 * could change the object after the comparison, so that makes the answer `busy'. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "http/internal.h"
#include "http/object.h"

/* ---- the object ------------------------------------------------------------ */

static bool is_write(const struct http_request *req)
{
	return strcmp(req->route->method, "GET") != 0;
}

static size_t param_count(const struct http_route *route)
{
	size_t count = 0;

	for (const char *at = strchr(route->path, '{'); at; at = strchr(at + 1, '{'))
		count++;
	return count;
}

/* Two requests with these {parameters} are about one object, or may be. */
static bool is_one(const struct http_route *object, const char *a, const char *b)
{
	return strcmp(a, b) == 0 ||
	       (object->alias && (strcmp(a, object->alias) == 0 || strcmp(b, object->alias) == 0));
}

/* One that the loop has not come to yet changes nothing meanwhile. */
static bool is_about(const struct http_request *other, const struct http_request *req,
		     const struct http_route *object)
{
	if (other == req || !other->is_begun || !is_write(other) || other->has_waited ||
	    http_object_of_path(req->server->routes, other->route) != object)
		return false;
	for (size_t i = 0; i < param_count(object); i++)
		if (!is_one(object, other->params.list[i].value, req->params.list[i].value))
			return false;
	return true;
}

static bool is_being_changed(const struct http_request *req, const struct http_route *object)
{
	const struct http_request *other;
	bool found = false;

	pthread_mutex_lock(&req->server->lock);
	TAILQ_FOREACH(other, &req->server->held, link)
	found = found || is_about(other, req, object);
	pthread_mutex_unlock(&req->server->lock);
	return found;
}

/* A request that nobody sent.  False: the handler did not answer at once. */
static bool look(const struct http_request *req, const struct http_route *object,
		 struct http_seen *ret)
{
	struct http_request *own = xnew(struct http_request);

	own->server = req->server;
	own->route = object;
	own->method = xstrdup(object->method);
	own->path = xstrdup(req->path);
	own->raw_query = xstrdup("");
	own->role = req->role;
	memcpy(own->caller, req->caller, sizeof(own->caller));
	own->uid = req->uid;
	own->seen = ret;
	for (size_t i = 0; i < param_count(object); i++)
		http_pairs_add(&own->params, xstrdup(req->params.list[i].key),
			       xstrdup(req->params.list[i].value));
	object->handler(own, req->server->handler_data);
	if (ret->status)
		return true;
	own->seen = NULL; /* its answer, when it comes, only frees it */
	own->server = NULL;
	return false;
}

/* ---- the condition ----------------------------------------------------------- */

static bool refuse_list(const char *header, struct err *err)
{
	return err_set(err, ERR_INVALID,
		       "%s: tags in quotes as ETag gave them, with commas between them, or * alone",
		       header);
}

/* An If-Match without an object is only "*" or a list that is right. */
static bool check_match(const struct http_seen *seen, const char *list, const char *path,
			struct err *err)
{
	enum http_etag_verdict verdict = http_etag_compare(list, seen->etag, true);

	if (verdict == HTTP_ETAG_BAD)
		return refuse_list(MHD_HTTP_HEADER_IF_MATCH, err);
	if (seen->status == MHD_HTTP_NOT_FOUND)
		return err_set(err, ERR_PRECONDITION,
			       "If-Match: there is no such object here (any more): nothing was "
			       "changed; GET it to see why");
	if (verdict == HTTP_ETAG_YES)
		return true;
	return err_set(err, ERR_PRECONDITION,
		       "If-Match: the object has changed since it had this ETag, and has %s now: "
		       "nothing was changed; GET it (%s), see whether the request is still right, "
		       "and repeat it with the new ETag",
		       seen->etag, path);
}

static bool check_none_match(const struct http_seen *seen, const char *list, struct err *err)
{
	enum http_etag_verdict verdict = http_etag_compare(list, seen->etag, false);

	if (verdict == HTTP_ETAG_BAD)
		return refuse_list(MHD_HTTP_HEADER_IF_NONE_MATCH, err);
	if (verdict == HTTP_ETAG_NO || seen->status == MHD_HTTP_NOT_FOUND)
		return true;
	return err_set(err, ERR_PRECONDITION,
		       "If-None-Match: there is such an object, and its ETag is %s: nothing was "
		       "changed; leave the header out to replace the object, or choose another "
		       "name",
		       seen->etag);
}

static bool check(const struct http_request *req, const struct http_route *object,
		  struct http_seen *seen, struct err *err)
{
	const char *match = http_header(req, MHD_HTTP_HEADER_IF_MATCH);
	const char *none_match = http_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH);

	if (!object)
		return err_set(err, ERR_INVALID,
			       "%s: this path names no object that has an ETag: leave the header "
			       "out",
			       match ? MHD_HTTP_HEADER_IF_MATCH : MHD_HTTP_HEADER_IF_NONE_MATCH);
	if (is_being_changed(req, object))
		return err_set(err, ERR_BUSY,
			       "another request to change this object is under way: GET it when "
			       "that is over, and try again with its new ETag");
	if (!look(req, object, seen) ||
	    (seen->status != MHD_HTTP_OK && seen->status != MHD_HTTP_NOT_FOUND))
		return err_set(err, ERR_UNAVAILABLE,
			       "the object cannot be compared at the moment: try again");
	return (!match || check_match(seen, match, req->path, err)) &&
	       (!none_match || check_none_match(seen, none_match, err));
}

static bool is_twice(const struct http_request *req, const char *name)
{
	unsigned count = 0;

	for (size_t i = 0; i < req->headers.count; i++)
		count += strcasecmp(req->headers.list[i].key, name) == 0;
	return count > 1;
}

bool http_condition_holds(struct http_request *req)
{
	struct http_seen seen = { 0 };
	struct http_content content;
	struct err err = { 0 };

	if (!is_write(req) || (!http_header(req, MHD_HTTP_HEADER_IF_MATCH) &&
			       !http_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH)))
		return true;
	if (is_twice(req, MHD_HTTP_HEADER_IF_MATCH) || is_twice(req, MHD_HTTP_HEADER_IF_NONE_MATCH))
		err_set(&err, ERR_INVALID, "If-Match and If-None-Match: each once, as a list");
	else if (check(req, http_object_of_path(req->server->routes, req->route), &seen, &err))
		return true;
	content = http_content_problem(0, &err, NULL);
	if (seen.etag[0])
		MHD_add_response_header(content.response, MHD_HTTP_HEADER_ETAG, seen.etag);
	http_answer(req, (unsigned)err_http_status(err.code), content, NULL);
	return false;
}
