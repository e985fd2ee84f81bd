/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/vnc_listen.h -- where programs of this user, and of no other, connect to migrctl: a
 * viewer that joins a display, a browser that shows the page.
 *
 * Who may use a UNIX socket its permissions say.  A port of 127.0.0.1 is open to every user of the
 * machine, so the kernel is asked whose the other end is (proc_net_tcp(5)).  Thread: main.
 */
#ifndef MIGRD_MIGRCTL_VNC_LISTEN_H
#define MIGRD_MIGRCTL_VNC_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct vnc_listen {
	int fd;
	char *dir;    /* made for the socket; NULL: none was */
	char *path;   /* of the socket; NULL: it is a port */
	char *viewer; /* where a viewer's program finds it: "/.../vm1", "127.0.0.1::5901" */
};

/* At PATH, or in a directory of its own below $XDG_RUNTIME_DIR or /tmp. */
bool vnc_listen_unix(const char *path, const char *vm, struct vnc_listen *ret, struct err *err);
/* 0: any port. */
bool vnc_listen_port(uint16_t port, struct vnc_listen *ret, struct err *err);
/* The next connection; does not block.  -1: there is none, or it was another user's, of which a
 * line on standard error tells; WHO connects there: "viewer", "browser". */
int vnc_listen_accept(const struct vnc_listen *listen, const char *who);
/* The port of vnc_listen_port(). */
uint16_t vnc_listen_port_of(const struct vnc_listen *listen);
void vnc_listen_fini(struct vnc_listen *listen);

#endif
