/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmdline/cdrom_seen.h -- what is in the CD drives of a QEMU, from what query-block answers.
 *
 * Pure functions on an answer that may be missing or of any shape.  Thread: any.
 * Source: QEMU qapi/block-core.json (BlockInfo).
 */
#ifndef MIGRD_CMDLINE_CDROM_SEEN_H
#define MIGRD_CMDLINE_CDROM_SEEN_H

#include "wire/vm_def.h"

/* Strings are those of the answer, and last as long. */
struct cdrom_seen {
	const char *qdev; /* names the drive in commands */
	bool is_open;     /* the tray */
	bool is_locked;   /* by the guest: it opens only for itself, or by force */
	const char *node; /* of the medium; NULL: the drive is empty */
	const char *path, *format;
};

/* The drive of DEF->cdroms[INDEX], by its id or by the name of its -drive; one that somebody
 * else started may have neither: those are found by their order, if as many are left over as
 * DEF has.  False: it is not there. */
bool cdrom_seen_find(struct json_object *blocks, const struct vm_def *def, size_t index,
		     struct cdrom_seen *ret);
/* The medium is the file PATH in FORMAT; PATH "": there is none. */
bool cdrom_seen_has(const struct cdrom_seen *seen, const char *path, int format);
/* Takes medium and tray over.  INVALID: the medium is none that a definition can name;
 * then only the tray is taken.  *RET_CHANGED is set where something differed, and else
 * left alone. */
bool cdrom_seen_take(const struct cdrom_seen *seen, struct vm_def_cdrom *cdrom, bool *ret_changed,
		     struct err *err);
/* All drives of DEF have the media that it says.  CONFLICT, naming the first that has not. */
bool cdrom_seen_check(struct json_object *blocks, const struct vm_def *def, struct err *err);

#endif
