/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/nbd_uri.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"

#define PREFIX "nbd+unix:///"
#define SOCKET "?socket="

/* Both are told to QEMU's programs as they are. */
#define PLAIN                        \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789-._/:@+"

bool nbd_uri_parse(const char *uri, struct nbd_uri *ret, const char **ret_why)
{
	const char *name = uri + strlen(PREFIX), *query;

	memset(ret, 0, sizeof(*ret));
	*ret_why = "no nbd+unix:///EXPORT?socket=/PATH: servers are reached by UNIX sockets alone, "
		   "one on another host by a proxy here, such as socat UNIX-LISTEN:/PATH,fork "
		   "TCP:HOST:10809";
	if (strncmp(uri, PREFIX, strlen(PREFIX)) != 0 || !(query = strstr(name, SOCKET)))
		return false;
	*ret_why = "too long";
	if (snprintf(ret->export, sizeof(ret->export), "%.*s", (int)(query - name), name) >=
		    (int)sizeof(ret->export) ||
	    snprintf(ret->socket, sizeof(ret->socket), "%s", query + strlen(SOCKET)) >=
		    (int)sizeof(ret->socket))
		return false;
	*ret_why = "the name of an export and a socket with other characters than letters, digits "
		   "and -._/:@+";
	if (ret->export[strspn(ret->export, PLAIN)] || ret->socket[strspn(ret->socket, PLAIN)])
		return false;
	*ret_why = "no absolute path of a socket without an empty, '.' or '..' component";
	return ret->socket[0] == '/' && path_is_plain(ret->socket, strlen(ret->socket));
}
