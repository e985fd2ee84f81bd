/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check/storage.h -- the look at the storage of this host, on a worker of its own: storage that
 * does not answer holds up neither the check nor what else it looks at.  Thread: loop.
 */
#ifndef MIGRD_CHECK_STORAGE_H
#define MIGRD_CHECK_STORAGE_H

#include "base/work.h"
#include "storage/marks.h"

#define CHECK_STORAGE_MS 3000 /* what is not there by then is a gap */

struct check_storage;

/* Called once, on the loop, never from inside check_storage_look().  MARKS is the receiver's to
 * free; if storage did not answer in time there are none, and `gap' says so. */
typedef void check_storage_fn(void *data, struct storage_marks *marks);

/* The texts of RULES must outlive it. */
struct check_storage *check_storage_new(struct loop *loop, const struct storage_rules *rules);
/* A look under way ends in here, by a call of its function.  Accepts NULL. */
void check_storage_free(struct check_storage *storage);
/* One look at a time. */
void check_storage_look(struct check_storage *storage, check_storage_fn *fn, void *data);

#endif
