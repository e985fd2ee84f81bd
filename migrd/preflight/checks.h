/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/checks.h -- can this host take the guest?  Asked before anything is changed.
 *
 * A check is a row of one table: what a worker looks at, and a pure function that judges.
 * All of them are made, and all reasons are told together.  What proves that two hosts
 * have the same file is a table too, in proof.c.
 */
#ifndef MIGRD_PREFLIGHT_CHECKS_H
#define MIGRD_PREFLIGHT_CHECKS_H

#include "net/link.h"
#include "preflight/needs.h"

#define PREFLIGHT_REASONS_MAX 32

struct preflight_reason {
	char check[16]; /* the name of its row */
	char text[ERR_MSG_SIZE];
};

/* Beyond PREFLIGHT_REASONS_MAX they are only counted. */
struct preflight_reasons {
	size_t count;
	struct preflight_reason list[PREFLIGHT_REASONS_MAX];
};

/* What is looked at and found; all of it copies, so that a worker may have it. */
struct preflight {
	char id[ID_UUID_SIZE];     /* of the move */
	char source[ID_NAME_SIZE]; /* host id */
	struct needs *needs;       /* owned */
	struct evidence *there;    /* owned: what the source says */
	bool has_evidence;         /* it says anything: an older one does not */
	struct evidence *here;     /* owned: what was found */
	bool dir_is_there[NEED_DIRS_MAX];
	struct err socket_err[NEED_DIRS_MAX]; /* not set: it is free */
	int port_errno[NEED_PORTS_MAX];       /* 0: free */
	bool has_link[NEED_NICS_MAX];
	struct net_link links[NEED_NICS_MAX];
	struct err link_err[NEED_NICS_MAX]; /* not set: a guest can be given it */
};

/* THERE is taken; NULL: the source says nothing. */
struct preflight *preflight_new(const char *id, const char *source, const struct vm_def *def,
				struct evidence *there);
void preflight_free(struct preflight *preflight);
/* Thread: a worker. */
void preflight_look_blocking(struct preflight *preflight);
/* Pure.  RET is added to. */
void preflight_judge(const struct preflight *preflight, struct preflight_reasons *ret);

/* The source's part: what it has to say.  Thread: a worker. */
void preflight_gather_blocking(struct needs *needs, const char *id, struct evidence *ret);

void preflight_add(struct preflight_reasons *reasons, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* One text of all: CONFLICT; false. */
bool preflight_to_err(const struct preflight_reasons *reasons, struct err *err);

/* ---- the judges that are rooms of their own -------------------------------------- */

/* proof.c */
void proof_judge_files(const struct preflight *preflight, struct preflight_reasons *ret);
/* cpu.c: features that the guest has on the source, and would not have with HERE. */
void cpu_judge(const struct evidence *there, const struct evidence *here,
	       struct preflight_reasons *ret);

#endif
