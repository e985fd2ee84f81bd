/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/kinds.h -- the kinds of targets, as a table: what is looked at before a backup begins,
 * and what becomes of the images that QEMU has made.
 *
 * Thread: a worker; all of it may wait for storage or a server.
 */
#ifndef MIGRD_VMBACKUP_KINDS_H
#define MIGRD_VMBACKUP_KINDS_H

#include "vmbackup/files.h"
#include "vmbackup/gauge.h"

struct vmbackup_kind {
	/* Before there is a job; NULL: the directory is all. */
	bool (*check_blocking)(const char *dirs, const struct vmbackup_target *target,
			       struct err *err);
	/* When the sizes of the disks are known; NULL: nothing. */
	bool (*check_sizes_blocking)(const char *dirs, const struct vmbackup_detail *detail,
				     struct err *err);
	/* Brings complete images to where they belong; then they are not kept.  It may be done over
	 * again.  CANCELLED: GAUGE was stopped.  NULL: they are there. */
	bool (*push_blocking)(const struct vmbackup_place *place,
			      const struct vmbackup_detail *detail, struct vmbackup_gauge *gauge,
			      struct err *err);
};

const struct vmbackup_kind *vmbackup_kind(const struct vmbackup_target *target);

/* ---- push.c: of NBD ---- */
bool vmbackup_push_check_blocking(const char *dirs, const struct vmbackup_target *target,
				  struct err *err);
bool vmbackup_push_check_sizes_blocking(const char *dirs, const struct vmbackup_detail *detail,
					struct err *err);
bool vmbackup_push_blocking(const struct vmbackup_place *place,
			    const struct vmbackup_detail *detail, struct vmbackup_gauge *gauge,
			    struct err *err);

#endif
