/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/features.h -- what some versions of QEMU lack; qemu/probe.h asks for it. */
#ifndef MIGRD_CMDLINE_FEATURES_H
#define MIGRD_CMDLINE_FEATURES_H

#include <stdbool.h>

#include "wire/transfer_plan.h"

struct qemu_features {
	/* `reconnect-ms' of a socket chardev: since 9.2. Its forerunner `reconnect', in
	 * seconds, is gone since 11.0. */
	bool has_reconnect_ms;
	/* `aux-ram-share' of -machine: since 10.0. */
	bool has_aux_ram_share;
	struct transfer_features migration;
};

#endif
