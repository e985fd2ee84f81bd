/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/when.h -- moments as a person says them.  Thread: any. */
#ifndef MIGRD_MIGRCTL_WHEN_H
#define MIGRD_MIGRCTL_WHEN_H

#include <stdint.h>

#include "base/err.h"
#include "base/when.h"

/* Makes TEXT what the API takes: a time of day, as "02:00", is the next one of this host's time
 * zone after NOW_S (seconds since 1970); all else is left as it is, for the daemon to judge. */
void when_say(const char *text, int64_t now_s, char ret[WHEN_SIZE]);

#endif
