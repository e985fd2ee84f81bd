/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/upgrade.h -- the numbered scripts of schema/sql.
 *
 * user_version in the file's header is the number of the last script that ran.
 * Thread: loop, at the start.
 */
#ifndef MIGRD_STORE_UPGRADE_H
#define MIGRD_STORE_UPGRADE_H

#include <stddef.h>

#include "base/err.h"

struct store_db;

struct store_upgrade {
	int number;
	const char *name; /* of the file */
	const char *sql;
};

/* schema_sql.c, made by schema/embed.sh: 1, 2, 3, ... */
extern const struct store_upgrade store_upgrades[];
extern const size_t store_upgrade_count;

/* Refuses what is not a database of migrd, and a schema above COUNT. */
bool store_upgrade_check(struct store_db *db, size_t count, struct err *err);
/* Runs the missing scripts, each in a transaction of its own that also sets its
 * number: a script that fails changes nothing. */
bool store_upgrade_run(struct store_db *db, const struct store_upgrade *upgrades, size_t count,
		       struct err *err);

#endif
