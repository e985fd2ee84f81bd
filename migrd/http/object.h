/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/object.h -- which object a request is about, and which one it answers with: both follow
 * from the table of routes.
 *
 * An object is what a GET route without a list answers, with at least one {parameter} in its path.
 * Routes between coordinators have none.  Thread: any (pure).
 */
#ifndef MIGRD_HTTP_OBJECT_H
#define MIGRD_HTTP_OBJECT_H

#include "http/http.h"

/* The object at ROUTE's own path, or else the nearest above it: what If-Match compares.
 * "/v1/moves/{id}" of "/v1/moves/{id}/cancel".  NULL: there is none. */
const struct http_route *http_object_of_path(const struct http_route *routes,
					     const struct http_route *route);
/* The object that a good answer of ROUTE shows: it has the same table.  NULL: none. */
const struct http_route *http_object_of_reply(const struct http_route *routes,
					      const struct http_route *route);
/* ROUTE answers with one value that has an ETag: an object, or a GET without a list. */
bool http_has_etag(const struct http_route *routes, const struct http_route *route);
/* Good answers of ROUTE with 201 or 202 have a Location. */
bool http_has_location(const struct http_route *routes, const struct http_route *route);

#endif
