/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage/place.h -- where this host makes the image of a disk that is copied to it.  Pure.
 * Thread: any.
 */
#ifndef MIGRD_STORAGE_PLACE_H
#define MIGRD_STORAGE_PLACE_H

#include "base/err.h"
#include "wire/vm_def.h"

/* A name in its directory: with what storage/image.h adds to it, it has at most 255 bytes. */
#define STORAGE_NAME_MAX 140

/* The section [storage] of the configuration; borrowed texts, each as the configuration has
 * checked it. */
struct storage_rules {
	const char *dirs;     /* "DIR:DIR": images may be made below these; NULL: nowhere */
	const char *map;      /* "FROM:TO FROM:TO": another host's paths become ours; NULL: none */
	const char *firmware_map; /* the same for the code of firmware; NULL: none */
	const char *tpm_dir; /* the state of VM's TPMs */
	const char *swtpm;   /* the program; as QEMU_IMG */
	const char *qemu_img; /* the program; without '/' it is looked up in PATH; never NULL */
};

/* The path on this host of an image that has PATH on another: its longest beginning that is a
 * FROM of the map becomes its TO; whole components count.  INVALID: PATH is not absolute, has an
 * empty, "." or ".." component, or too long a name.  CONFLICT: it is below none of the dirs.  The
 * texts name PATH and the key to change. */
bool storage_place(const struct storage_rules *rules, const char *path, char ret[VM_DEF_PATH_SIZE],
		   struct err *err);
/* The path on this host of a backing file that has PATH on another, by the map alone: it is only
 * read.  RET may be PATH.  INVALID: it becomes too long. */
bool storage_place_base(const struct storage_rules *rules, const char *path,
			char ret[VM_DEF_PATH_SIZE], struct err *err);
/* The path on this host of firmware that has PATH on another, by the firmware_map.  RET may be
 * PATH.  INVALID: it becomes too long. */
bool storage_place_firmware(const struct storage_rules *rules, const char *path,
			    char ret[VM_DEF_PATH_SIZE], struct err *err);
/* Calls FN for each of the dirs, until it returns true; false: it never did. */
typedef bool storage_dir_fn(void *data, const char *dir, size_t len);
bool storage_any_dir(const struct storage_rules *rules, storage_dir_fn *fn, void *data);

#endif
