/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/peer_page.h -- migrctl host show HOST. */
#ifndef MIGRD_MIGRCTL_PEER_PAGE_H
#define MIGRD_MIGRCTL_PEER_PAGE_H

#include "agents/migrctl/migrctl.h"

/* Prints what the host that is asked knows of its peer ID. */
bool peer_page_print(struct cli_call *call, struct client *client, const char *id, struct err *err);

#endif
