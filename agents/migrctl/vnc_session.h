/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/vnc_session.h -- one viewer at a guest's display: what it says goes into a WebSocket, and
 * the other way round, both bounded.  Thread: main. */
#ifndef MIGRD_MIGRCTL_VNC_SESSION_H
#define MIGRD_MIGRCTL_VNC_SESSION_H

#include <poll.h>

#include "agents/lib/client_websocket.h"

struct vnc_session;

/* PATH: of the WebSocket.  VIEWER is taken in both cases.  NULL: the errors of
 * client_websocket_open(). */
struct vnc_session *vnc_session_new(struct client *client, const char *path, int viewer,
				    struct err *err);
void vnc_session_free(struct vnc_session *session);

enum vnc_step { VNC_GOES_ON, VNC_VIEWER_LEFT, VNC_ENDED };

/* Passes on what can be passed on; then what to wait for is in RET_FDS.  ENDED: the errors of
 * client_websocket_run(). */
enum vnc_step vnc_session_run(struct vnc_session *session, struct pollfd ret_fds[2],
			      struct err *err);

#endif
