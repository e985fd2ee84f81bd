/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/control.h -- the control socket of migrd-stream: the one thread that takes
 * commands and reports changes.  It also decides when the process ends: see
 * control_run(). */
#ifndef MIGRD_STREAM_CONTROL_H
#define MIGRD_STREAM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct control_args {
	int listen_fd;
	uint32_t startup_ms; /* how long the process may live without any READY channel */
	uint32_t linger_ms;  /* how long it can be asked after its channels ended */
	uint32_t alone_ms;   /* how long READY without a byte of data and without a controller */
	uint32_t stand_ms;   /* how long a guest may be seen to stand still without a controller */
};

/* Returns true when told to quit or when its time is over.  Threads of channels
 * may still run. */
bool control_run(const struct control_args *args, struct err *err);

#endif
