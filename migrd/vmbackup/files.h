/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/files.h -- a backup on disk.
 *
 *     DIRECTORY/.ID.migrd-backup/     while it is made
 *     DIRECTORY/ID/DISK.qcow2         the content of a disk
 *     DIRECTORY/ID/manifest.json      what it is of, and what it needs
 *
 * The directory gets its name when all in it is synced.  The image of an incremental backup has
 * `../PARENT/DISK.qcow2' as backing file, so that the backups of a directory may be moved together.
 *
 * Thread: a worker; all of it may wait for storage.
 */
#ifndef MIGRD_VMBACKUP_FILES_H
#define MIGRD_VMBACKUP_FILES_H

#include "base/id.h"
#include "wire/vmbackup_reply.h"

#define VMBACKUP_BITMAPS_MAX 16 /* that are looked at, of all disks together */

/* Of a record: what the worker and the states need. */
struct vmbackup_detail {
	struct vmbackup_request wish;
	char parent[ID_UUID_SIZE];
	struct vmbackup_disk disks[VM_DEF_IMAGE_MAX];
	size_t disk_count;
	int64_t taken_ms; /* wall clock; 0: not yet */
	bool was_frozen;
	char qemu_version[48];
	/* Backups of whose bitmaps something is in QEMU, the newest first: those that may be the
	 * parent, and later those whose bitmaps are not needed any more. */
	char bitmaps[VMBACKUP_BITMAPS_MAX][ID_UUID_SIZE];
	size_t bitmap_count;
	/* A disk may follow a backup if its bit is set: the disk of the index, by `bitmaps'. */
	uint64_t may_follow[VMBACKUP_BITMAPS_MAX];
	/* That backup is known to have failed: its bitmap, which a QEMU that has ended has kept, is
	 * of no use; by `bitmaps'. */
	bool is_void[VMBACKUP_BITMAPS_MAX];
	struct json_object *definition; /* of the VM at the beginning */
};

/* Where; borrowed. */
struct vmbackup_place {
	const char *dirs, *qemu_img; /* of struct vmbackups_env */
	char directory[VM_DEF_PATH_SIZE];
	char id[ID_UUID_SIZE];
	char vm[ID_NAME_SIZE], uuid[ID_UUID_SIZE];
	char host[ID_NAME_SIZE];
	uint64_t generation;
};

/* Backups can be made in the directory: it is there, below one of the dirs, also behind symbolic
 * links, and may be written to.  CONFLICT or INVALID, with the reason. */
bool vmbackup_files_check_blocking(const char *dirs, const char *directory, struct err *err);
/* Chooses the parent of an incremental backup, the newest of `bitmaps' that is in the directory,
 * and says of each disk why it cannot follow it; what `bitmaps' has after that is to be removed
 * when the backup is complete.  Then makes the hidden directory, and an empty image for each disk.
 * NO_SPACE: there is less room than the copies will need. */
bool vmbackup_files_make_blocking(const struct vmbackup_place *place,
				  struct vmbackup_detail *detail, struct err *err);
/* Syncs all, writes the description, and gives the directory its name.  May be called again after
 * a crash in the middle of it. */
bool vmbackup_files_seal_blocking(const struct vmbackup_place *place,
				  struct vmbackup_detail *detail, struct err *err);
/* Removes the hidden directory.  NOT_FOUND: it is not there. */
bool vmbackup_files_drop_blocking(const struct vmbackup_place *place, struct err *err);
/* The path of a file of the backup while it is made; FILE "": of the directory. */
void vmbackup_files_path(const struct vmbackup_place *place, const char *file,
			 char ret[VM_DEF_PATH_SIZE + 128]);

#endif
