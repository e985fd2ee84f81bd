/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon.h -- migrd while it runs: its services, started in order, ended the other way round.
 *
 * Thread: the main one, which becomes the loop's.
 */
#ifndef MIGRD_DAEMON_H
#define MIGRD_DAEMON_H

#include "api/selfcheck.h"
#include "base/err.h"
#include "config.h"
#include "tls/live.h"

/* Runs until a signal ends it.  False and ERR: a service could not be started; nothing is left.
 * PATH, the file of CONFIG, is read again at SIGHUP. */
bool daemon_run(const char *path, struct config *config, struct err *err);

/* For a program that only checks a configuration. */
bool daemon_load_tls(const struct config *config, struct tls_live **ret, struct err *err);
/* Reads the secrets of the parties that are told of moves; the caller owns *RET. */
struct notify_parties;
bool daemon_load_parties_blocking(const struct config *config, struct notify_parties **ret,
				  struct err *err);
/* What the configuration says of this host's room; texts are CONFIG's. */
struct capacity_settings daemon_capacity_settings(const struct config *config);
struct selfcheck_env daemon_selfcheck_env(const struct config *config);

#endif
