/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/nbd_uri.h -- the name of an NBD export: nbd+unix:///EXPORT?socket=/PATH (doc/uri.md of NBD).
 * Thread: any. */
#ifndef MIGRD_WIRE_NBD_URI_H
#define MIGRD_WIRE_NBD_URI_H

#include <stdbool.h>

#define NBD_URI_SIZE    400
#define NBD_EXPORT_SIZE 128

struct nbd_uri {
	char export[NBD_EXPORT_SIZE]; /* "": the server's default */
	char socket[NBD_URI_SIZE];    /* an absolute path */
};

/* Sets all of *RET.  False: *RET_WHY says how it must be; a server is reached by a UNIX socket
 * alone, and no name is percent-encoded. */
bool nbd_uri_parse(const char *uri, struct nbd_uri *ret, const char **ret_why);

#endif
