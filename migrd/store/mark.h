/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/mark.h -- the copy of a store's position outside of the state directory.
 * Thread: the store's, and the loop before it begins. */
#ifndef MIGRD_STORE_MARK_H
#define MIGRD_STORE_MARK_H

#include "base/id.h"

struct store_mark {
	char id[ID_UUID_SIZE];
	uint64_t epoch, sequence;
};

/* Opens PATH, and makes it if it is missing; -1: that failed, and no mark is written. */
int store_mark_open(const char *path);
/* False: there is none, or it cannot be read. */
bool store_mark_read(int fd, struct store_mark *ret);
/* Not synced, as a mark counts only until the next boot. FD may be -1. */
void store_mark_write(int fd, const struct store_mark *mark);

#endif
