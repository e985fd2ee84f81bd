/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "base/mem.h"
#include "store/db.h"

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

struct store_sizes store_db_sizes(const struct store_db *db)
{
	CLEANUP(free_charp) char *log = xasprintf("%s-wal", db->path);

	return (struct store_sizes){ size_of(db->path), size_of(log) };
}
