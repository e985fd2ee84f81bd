/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/optlist.h -- the value of a QEMU option: "type=user,id=n0,hostfwd=a,,b", or
 * the same as a JSON object.
 *
 * In text a comma ends a value unless it is doubled, and a word without '=' is a
 * switch, but for the first where the option has an implied key.  JSON members of
 * members get dotted keys, elements of a list their number, as QEMU does it
 * (util/keyval.c).  What comes in is a stranger's: it is bounded.
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
	char *value; /* NULL: a switch that is there */
};

struct optlist {
	struct opt *opts;
	size_t count;
	bool skips_null; /* it was made by optlist_look() */
};
#define OPTLIST_INIT           \
	{                      \
		NULL, 0, false \
	}

/* IMPLIED may be NULL; RET is written after success only, and is then to be ended by
 * optlist_fini().  INVALID or LIMIT with what is wrong. */
bool optlist_parse(const char *text, const char *implied, struct optlist *ret, struct err *err);
/* For who only looks: a JSON member that is null is left out, and no error. */
bool optlist_look(const char *text, const char *implied, struct optlist *ret, struct err *err);
void optlist_fini(struct optlist *list);

/* Of the last KEY, as QEMU takes it: NULL if it is not there, "on" for a switch. */
const char *optlist_get(const struct optlist *list, const char *key);
/* KEY is there and says VALUE; not there: whether VALUE is IF_ABSENT. */
bool optlist_is(const struct optlist *list, const char *key, const char *value,
		const char *if_absent);
/* Each KEY is replaced, or one is added at the end. */
void optlist_set(struct optlist *list, const char *key, const char *value);
void optlist_remove(struct optlist *list, const char *key);
/* The first key that is none of KNOWN (ended by NULL); NULL: there is none. */
const char *optlist_stranger(const struct optlist *list, const char *const *known);
/* As text, with the keys all written out; the caller frees it. */
char *optlist_format(const struct optlist *list);

#endif
