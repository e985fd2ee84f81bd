/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon.h -- migrd while it runs: its services, started in order, ended the other way round.
 *
 * Thread: the main one, which becomes the loop's.
 */
#ifndef MIGRD_DAEMON_H
#define MIGRD_DAEMON_H

#include "base/err.h"
#include "config.h"

/* Runs until a signal ends it.  False and ERR: a service could not be started; nothing is left.
 * PATH, the file of CONFIG, is read again at SIGHUP. */
bool daemon_run(const char *path, struct config *config, struct err *err);

#endif
