/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check/kinds.h -- what should not be on a host, as one table.
 *
 * Each row finds one kind of thing in a view, says in words what is known and what may
 * be done, and whether a repair is provably safe; what a row without a repair finds is
 * left to people.  No row ever ends a QEMU that may run a guest.
 */
#ifndef MIGRD_CHECK_KINDS_H
#define MIGRD_CHECK_KINDS_H

#include "check/view.h"

#define CHECK_FINDINGS_MAX 500 /* of all kinds together */
#define CHECK_OBJECT_SIZE  (VM_DEF_PATH_SIZE + NAME_MAX + 64) /* a mark is the longest */

enum check_repair { CHECK_REPAIR_NONE, CHECK_REPAIR_DONE, CHECK_REPAIR_FAILED };

struct check_finding {
	const struct check_kind *kind;
	char object[CHECK_OBJECT_SIZE];                  /* a path, "process 4711", "VM g1" */
	char key[ID_UUID_SIZE];                          /* of the VM or move, or "" */
	struct proc_id process;                          /* pid 0: the finding is about none */
	char explanation[ERR_MSG_SIZE + 1024];          /* what is known, with the reason */
	char remedy[512]; /* what would be done, or what a person may do */
	bool is_safe;     /* the repair is provably safe */
	enum check_repair repair;
	struct err err; /* of a repair that failed */
};

struct check_findings {
	struct check_finding *list;
	size_t count;
	size_t left_out; /* beyond CHECK_FINDINGS_MAX */
};

void check_findings_fini(struct check_findings *findings);
/* Adds a finding, in which all else is empty; NULL: there are too many, and `left_out'
 * counts it. */
struct check_finding *check_findings_add(struct check_findings *findings,
					 const struct check_kind *kind, const char *key);

struct check_env; /* check/check.h */

struct check_kind {
	const char *name; /* in the API */
	/* Such a thing may last for a moment only, like a QEMU that is about to end: it
	 * is reported only if a second look finds it too. */
	bool is_fleeting;
	/* Pure; any thread. */
	void (*find)(const struct check_view *view, const struct check_kind *kind,
		     struct check_findings *findings);
	/* Checks the present records again, then removes what was found.  NULL: there
	 * is no repair.  Thread: loop. */
	bool (*repair)(const struct check_env *env, const struct check_finding *finding,
		       struct err *err);
};

extern const struct check_kind check_kinds[]; /* ended by a NULL name */

/* Applies all rows of the table to VIEW; FINDINGS must be empty. */
void check_find(const struct check_view *view, struct check_findings *findings);
/* Drops the fleeting findings that are not in EARLIER, those of an earlier look. */
void check_confirm(struct check_findings *findings, const struct check_findings *earlier);
bool check_needs_second_look(const struct check_findings *findings);

/* check/macs.c */
void check_find_same_mac(const struct check_view *view, const struct check_kind *kind,
			 struct check_findings *findings);

/* check/marks.c */
void check_find_mark(const struct check_view *view, const struct check_kind *kind,
		     struct check_findings *findings);

/* check/repair.c: the last column. */
bool check_repair_vm_dir(const struct check_env *env, const struct check_finding *finding,
			 struct err *err);
bool check_repair_log(const struct check_env *env, const struct check_finding *finding,
		      struct err *err);
bool check_repair_move_dir(const struct check_env *env, const struct check_finding *finding,
			   struct err *err);
bool check_repair_stream(const struct check_env *env, const struct check_finding *finding,
			 struct err *err);
bool check_repair_incoming(const struct check_env *env, const struct check_finding *finding,
			   struct err *err);

#endif
