/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/upgrade.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/sound.h"

bool store_upgrade_check(struct store_db *db, size_t count, struct err *err)
{
	int64_t application_id = 0, version = 0;

	if (!store_sql_int(db, "PRAGMA application_id", &application_id, err) ||
	    !store_sql_int(db, "PRAGMA user_version", &version, err))
		return false;
	if (application_id != STORE_APPLICATION_ID)
		return err_set(err, ERR_STORE,
			       "'%s' is a database of another program; migrd did not touch it: "
			       "give migrd a state_dir of its own",
			       db->path);
	if (version < 0 || (uint64_t)version > count)
		return err_set(err, ERR_STORE,
			       "the state in '%s' was written by a newer migrd (schema %lld, this "
			       "one knows %zu): install that version again, or put back a copy of "
			       "the state directory from before its upgrade",
			       db->path, (long long)version, count);
	return true;
}

static bool run_one(struct store_db *db, const struct store_upgrade *upgrade, struct err *err)
{
	CLEANUP(free_charp)
	char *change = xasprintf("BEGIN IMMEDIATE;\n%s\n", upgrade->sql);
	CLEANUP(free_charp)
	char *end = xasprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			      STORE_APPLICATION_ID, upgrade->number);

	if (store_sql_exec(db, change, err) && store_sums_renew(db, err) &&
	    store_sql_exec(db, end, err))
		return true;
	if (!sqlite3_get_autocommit(db->sqlite))
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
	return err_wrap(err, "upgrade %s", upgrade->name);
}

bool store_upgrade_run(struct store_db *db, const struct store_upgrade *upgrades, size_t count,
		       struct err *err)
{
	int64_t version = 0;

	if (!store_sql_int(db, "PRAGMA user_version", &version, err))
		return false;
	for (size_t i = (size_t)version; i < count; i++) {
		if (!run_one(db, &upgrades[i], err))
			return false;
		log_info("store", "upgraded", "schema=%d name=%s", upgrades[i].number,
			 upgrades[i].name);
	}
	return true;
}
