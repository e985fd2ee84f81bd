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
	const char *node; /* of the medium; NULL: the drive is empty */
	const char *path, *format;
};

/* Finds the drive of DEF->cdroms[INDEX], by its id or by the name of its -drive.  In a
 * QEMU that somebody else started drives may have neither: those are found by their
 * order, if as many are left over as DEF has.  False: the drive is not there. */
bool cdrom_seen_find(struct json_object *blocks, const struct vm_def *def, size_t index,
		     struct cdrom_seen *ret);
/* The medium is the file PATH in FORMAT; PATH "": there is none. */
bool cdrom_seen_has(const struct cdrom_seen *seen, const char *path, int format);
/* Takes medium and tray over into CDROM.  INVALID: a definition cannot name this
 * medium; then only the tray is taken over.  *RET_CHANGED is set if something differed,
 * and else left alone. */
bool cdrom_seen_take(const struct cdrom_seen *seen, struct vm_def_cdrom *cdrom, bool *ret_changed,
		     struct err *err);
/* True: all CD drives of DEF have the media that it says; else CONFLICT, naming the
 * first that has not. */
bool cdrom_seen_check(struct json_object *blocks, const struct vm_def *def, struct err *err);

#endif
