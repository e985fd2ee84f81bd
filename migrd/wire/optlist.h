/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/optlist.h -- the value of a QEMU option: "type=user,id=n0,hostfwd=a,,b", or
 * the same as a JSON object.
 *
 * In text a comma ends a value unless it is doubled.  A word without '=' is a switch,
 * except the first word of an option that has an implied key: that word is the key's
 * value.  Members of JSON members get dotted keys, elements of a list their number, as
 * in QEMU (util/keyval.c).  The input is foreign, so its size is limited.
 *
 * Thread: any; one owner at a time.
 */
#ifndef MIGRD_WIRE_OPTLIST_H
#define MIGRD_WIRE_OPTLIST_H

#include <stddef.h>

#include "base/err.h"

#define OPTLIST_MAX       64    /* keys */
#define OPTLIST_MAX_BYTES 16384 /* of the text */

struct opt {
	char *key;
	char *value; /* NULL: a switch without '=' */
};

struct optlist {
	struct opt *opts;
	size_t count;
	bool skips_null; /* made by optlist_look() */
};
#define OPTLIST_INIT           \
	{                      \
		NULL, 0, false \
	}

/* IMPLIED may be NULL.  RET is set only after success, and then needs optlist_fini().
 * Errors: INVALID or LIMIT, with what is wrong. */
bool optlist_parse(const char *text, const char *implied, struct optlist *ret, struct err *err);
/* The same for a caller that only reads: a JSON member that is null is left out, no error. */
bool optlist_look(const char *text, const char *implied, struct optlist *ret, struct err *err);
void optlist_fini(struct optlist *list);

/* The value of the last KEY, as QEMU takes it; "on" for a switch; NULL: there is no KEY. */
const char *optlist_get(const struct optlist *list, const char *key);
/* Whether KEY has VALUE; IF_ABSENT stands for the value of a missing KEY. */
bool optlist_is(const struct optlist *list, const char *key, const char *value,
		const char *if_absent);
/* Removes each KEY and adds a new one at the end. */
void optlist_set(struct optlist *list, const char *key, const char *value);
void optlist_remove(struct optlist *list, const char *key);
/* The first key that is none of KNOWN (ended by NULL); NULL: there is none. */
const char *optlist_stranger(const struct optlist *list, const char *const *known);
/* The list as text, with all keys written out; the caller frees it. */
char *optlist_format(const struct optlist *list);

#endif
