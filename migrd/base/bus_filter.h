/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/bus_filter.h -- which events somebody wants to hear.  Thread: any (pure). */
#ifndef MIGRD_BASE_BUS_FILTER_H
#define MIGRD_BASE_BUS_FILTER_H

#include "base/bus.h"

/* An event passes if it passes all of these; all zero: every event does. */
struct bus_filter {
	char *types; /* names with commas between them; NULL: any; owned */
	/* "": any */
	char vm[ID_NAME_SIZE], move[ID_UUID_SIZE], host[ID_NAME_SIZE];
};

void bus_filter_fini(struct bus_filter *filter);
/* OWN is the id of this host: an event that names no host is of this one. */
bool bus_filter_passes(const struct bus_filter *filter, const struct bus_event *event,
		       const char *own);

#endif
