/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings.h -- what the configuration says, in the form in which each layer takes it.
 *
 * What a function returns points into CONFIG.  Thread: any.
 */
#ifndef MIGRD_SETTINGS_H
#define MIGRD_SETTINGS_H

#include "api/selfcheck.h"
#include "base/err.h"
#include "capacity/capacity.h"
#include "config.h"
#include "hook/sections.h"
#include "move/move.h"
#include "notify/parties.h"
#include "storage/place.h"
#include "tls/live.h"
#include "tls/trust.h"

/* A certificate must be this host's. */
bool settings_check_identity(const struct tls_identity *identity, const struct config *config,
			     struct err *err);
/* Reads the certificate, of which the caller owns a reference. */
bool settings_load_tls_blocking(const struct config *config, struct tls_live **ret,
				struct err *err);
/* Reads the secrets of the parties that are told of moves; the caller owns *RET. */
bool settings_load_parties_blocking(const struct config *config, struct notify_parties **ret,
				    struct err *err);
/* Reads who may vouch for the receivers of webhooks; the caller owns *RET.  NULL: the configuration
 * names no file, so whom the system trusts. */
bool settings_load_webhook_trust_blocking(const struct config *config, struct tls_trust **ret,
					  struct err *err);
/* Reads the secrets of the hooks that have urls, and who may ask for hooks; the same. */
bool settings_load_hooks_blocking(const struct config *config, struct hook_sections **ret,
				  struct err *err);

struct moves_limits settings_moves_limits(const struct config *config);
/* This host's room. */
struct capacity_settings settings_capacity(const struct config *config);
struct storage_rules settings_storage_rules(const struct config *config);
struct selfcheck_env settings_selfcheck(const struct config *config);

#endif
