/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/verdict.h -- the destination's word on whether a guest is its own.
 *
 * One set for the protocol, the records and the API.  `taken' and `refused' are
 * decisions: on disk before they are told, and never changed.  `unknown' says that
 * there is no record, so that it gives leave to nobody: the guest may run there.
 * Thread: any.
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

/* VERDICT_COUNT for a word that is none of them; "" is NONE, as in the records. */
enum verdict verdict_from_name(const char *name);

#endif
