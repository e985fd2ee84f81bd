/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/web_serve.h -- a port of 127.0.0.1 whose requests are passed on to a migrd, with the
 * user's certificate (migrctl/web_request.h says which).  Each connection has one request.
 *
 * Thread: main.
 */
#ifndef MIGRD_MIGRCTL_WEB_SERVE_H
#define MIGRD_MIGRCTL_WEB_SERVE_H

#include <stdint.h>

#include "agents/lib/client.h"
#include "agents/migrctl/web_request.h"

/* Serves at the listening socket FD until nobody has been connected for IDLE_MS. */
void web_serve(int fd, struct web_gate *gate, struct client *client, uint64_t idle_ms);

#endif
