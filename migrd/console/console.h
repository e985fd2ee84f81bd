/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* console/console.h -- users at the consoles of guests, each by a WebSocket.
 *
 * A guest's console is its first serial port (`serial' of type `console'): QEMU listens at a socket
 * in its private directory, and takes one client at a time.  So one user at a time has it; another
 * one may take it away from him.  While nobody is there, what the guest writes is lost.
 *
 * Nothing of it is kept: at the end of the coordinator, and when the guest moves, users are told
 * and open it again.
 *
 * Thread: loop.
 */
#ifndef MIGRD_CONSOLE_CONSOLE_H
#define MIGRD_CONSOLE_CONSOLE_H

#include "base/loop.h"
#include "http/websocket.h"
#include "vm/vm.h"

/* Of all VMs of this host. */
#define CONSOLES_MAX 256
/* What waits for a guest that does not read; then nothing more is taken from the user. */
#define CONSOLE_TO_GUEST_MAX 65536u
/* What waits for a user who does not read; then nothing more is taken from the guest. */
#define CONSOLE_TO_USER_MAX 262144u

struct consoles;

struct consoles *consoles_new(struct loop *loop);
/* The HTTP server was freed before.  Accepts NULL. */
void consoles_free(struct consoles *consoles);

/* Who has the console of VM open, borrowed until the loop goes on; NULL: nobody. */
const char *console_user(const struct consoles *consoles, const struct vm *vm);
/* Opens the console of VM for the caller of REQ, and answers REQ; with TAKE also if another user
 * has it.  False: REQ is still to be answered.  INVALID and FORBIDDEN of http_websocket_is_asked();
 * CONFLICT: the VM has no console, does not run, or somebody has it; UNAVAILABLE: too many. */
bool console_open(struct consoles *consoles, struct vm *vm, struct http_request *req, bool take,
		  struct err *err);

#endif
