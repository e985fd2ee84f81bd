/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/web_request.h -- what a browser asks of `migrctl web', and whether it may.
 *
 * The port is one of 127.0.0.1, where any page that the user looks at can make the browser ask.  So
 * a request must name the port itself as its host (a name that was made to point to 127.0.0.1
 * does not), come from the page itself if it changes something, and have the cookie, which the
 * browser got for the token in the address that was printed.  The token is taken once.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_MIGRCTL_WEB_REQUEST_H
#define MIGRD_MIGRCTL_WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_HEAD_MAX    16384      /* bytes of a request's head */
#define WEB_BODY_MAX    (1u << 20) /* http/http.h */
#define WEB_SECRET_SIZE 33         /* 128 bits in hexadecimal */
#define WEB_LINES_MAX   16         /* headers that are passed on, with the NULL */

struct web_gate {
	uint16_t port;
	char token[WEB_SECRET_SIZE]; /* "": it was taken */
	char cookie[WEB_SECRET_SIZE];
};

/* A request whose head is complete.  Texts point into the head that was parsed. */
struct web_request {
	const char *method, *target;                /* the path with its query */
	const char *host, *origin, *site, *cookies; /* NULL: it has none */
	size_t body_len;
	size_t head_len;
	const char *lines[WEB_LINES_MAX]; /* "Name: value", to be passed on; ended by NULL */
};

enum web_parsed { WEB_INCOMPLETE, WEB_COMPLETE, WEB_MALFORMED };
/* HEAD, of LEN bytes and ended by a NUL, is cut into texts when it is complete; BODY bytes may
 * stand behind it.  MALFORMED: `*ret_why' says why. */
enum web_parsed web_request_parse(char *head, size_t len, struct web_request *ret,
				  const char **ret_why);

enum web_verdict {
	WEB_PASS,   /* to the migrd */
	WEB_ENTER,  /* the token is right, and is taken now: give the cookie */
	WEB_HOME,   /* the page is elsewhere: send it there */
	WEB_REFUSE, /* 403 with *ret_why */
	WEB_NOT_FOUND
};
enum web_verdict web_request_judge(struct web_gate *gate, const struct web_request *request,
				   const char **ret_why);

#endif
