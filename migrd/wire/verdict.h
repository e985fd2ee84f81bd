/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/verdict.h -- the destination's answer whether it has taken a guest.
 *
 * The protocol, the records and the API use the same set.  `taken' and `refused' are
 * decisions: on disk before they are told, and never changed.  `unknown' means that
 * the destination has no record.  The guest may run there, so `unknown' allows nobody
 * to start it elsewhere.  Thread: any.
 */
#ifndef MIGRD_WIRE_VERDICT_H
#define MIGRD_WIRE_VERDICT_H

#define VERDICTS(X)           \
	X(NONE, "none")       \
	X(TAKEN, "taken")     \
	X(REFUSED, "refused") \
	X(UNKNOWN, "unknown")

enum verdict {
#define VERDICT_MEMBER(member, name) VERDICT_##member,
	VERDICTS(VERDICT_MEMBER)
#undef VERDICT_MEMBER
		VERDICT_COUNT
};

extern const char *const verdict_names[]; /* by enum verdict, ended by NULL */

/* VERDICT_COUNT: NAME is no verdict.  "" is NONE, as in the records. */
enum verdict verdict_from_name(const char *name);

#endif
