/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* console/console.h -- users at the consoles and displays of guests, each by a WebSocket.
 *
 * A guest's console is its first serial port (`serial' of type `console'): QEMU listens at a socket
 * in its private directory, and takes one client at a time.  So one user at a time has it; another
 * one may take it away from him.  While nobody is there, what the guest writes is lost.
 *
 * Its display (`graphics' of type `vnc') is at another socket there, where QEMU speaks RFB (RFC
 * 6143).  Some users can be there at a time; one who takes it ends the others.
 *
 * What is said is passed on and not looked at.  Nothing of it is kept: at the end of the
 * coordinator, and when the guest moves, users are told and open it again.
 *
 * Thread: loop.
 */
#ifndef MIGRD_CONSOLE_CONSOLE_H
#define MIGRD_CONSOLE_CONSOLE_H

#include "base/loop.h"
#include "http/websocket.h"
#include "vm/vm.h"

enum console_kind { CONSOLE_SERIAL, CONSOLE_VNC, CONSOLE_KIND_COUNT };

/* Of all VMs and kinds of this host. */
#define CONSOLES_MAX 256
/* Of one guest's display. */
#define CONSOLE_VNC_USERS_MAX 8
/* What waits for a guest that does not read; then nothing more is taken from the user. */
#define CONSOLE_TO_GUEST_MAX 65536u
/* What waits for a user who does not read; then nothing more is taken from the guest. */
#define CONSOLE_TO_USER_MAX 262144u

struct consoles;

struct consoles *consoles_new(struct loop *loop);
/* The HTTP server was freed before.  Accepts NULL. */
void consoles_free(struct consoles *consoles);

/* Who has it of VM open, in the order in which they came; the names are borrowed until the loop
 * goes on.  Returns their number. */
size_t console_users(const struct consoles *consoles, enum console_kind kind, const struct vm *vm,
		     const char *ret_users[CONSOLE_VNC_USERS_MAX]);
/* CONFLICT: VM has none, or does not run. */
bool console_is_there(enum console_kind kind, struct vm *vm, struct err *err);
/* Opens it for the caller of REQ, and answers REQ; with TAKE the connections of others are ended.
 * False: REQ is still to be answered.  INVALID and FORBIDDEN of http_websocket_is_asked();
 * CONFLICT: the VM has none, does not run, or as many users as can be have it; UNAVAILABLE: too
 * many are open on this host. */
bool console_open(struct consoles *consoles, enum console_kind kind, struct vm *vm,
		  struct http_request *req, bool take, struct err *err);

#endif
