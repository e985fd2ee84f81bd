/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* save/file.h -- the file of a saved guest.
 *
 *     0      "MIGRDSAV", version and length of the description (both 32 bits, little-endian),
 *            SHA-256 of these 16 bytes and the description, as 64 hexadecimal digits
 *     512    the mark: 8 zeros, or "RESTORED"
 *     4096   the description: struct save_file as JSON
 *     1 MiB  QEMU's data: its migration stream, or with mapped-ram what it has at fixed places
 *
 * The mark has a sector of its own, so that writing it cannot harm the rest.  What is checked of
 * QEMU's data is its length: a checksum would need a second reading of it, since QEMU writes it;
 * QEMU itself finds a stream that is broken where devices begin and end, not inside of memory.
 *
 * A file is written under the name `.NAME.migrd-ID' beside its own, ID being that of the save; it
 * gets its own name when it is complete and synced.  A file that had the name is there until then.
 *
 * Thread: a worker; all of it may wait for storage.
 */
#ifndef MIGRD_SAVE_FILE_H
#define MIGRD_SAVE_FILE_H

#include <sys/types.h>

#include "base/id.h"
#include "base/json.h"
#include "wire/save_reply.h"

#define SAVE_FILE_VERSION 1
#define SAVE_FILE_DATA_AT (1 << 20)

enum save_file_mode { SAVE_FILE_STREAM, SAVE_FILE_MAPPED_RAM };

struct save_file {
	char id[ID_UUID_SIZE]; /* of the save */
	bool complete;
	char vm[ID_NAME_SIZE], uuid[ID_UUID_SIZE];
	uint64_t generation;
	char host[ID_NAME_SIZE]; /* that saved it */
	char qemu_version[48];
	char machine[64]; /* QEMU's machine type */
	int mode;         /* enum save_file_mode */
	bool runs;        /* the guest ran: so it does after a restore */
	bool live;        /* a background snapshot: the guest ran on */
	int64_t saved_at; /* wall clock, ms */
	uint64_t bytes;   /* length of the file; 0: not complete */
	struct save_disk disks[VM_DEF_IMAGE_MAX]; /* of a background snapshot: save/copies.h */
	size_t disk_count;
	struct json_object *definition;
};
extern const char *const save_file_mode_names[];

/* Frees what it owns. */
void save_file_fini(struct save_file *head);

/* The save whose file has a name; "": its description cannot be read. */
struct save_former {
	bool is_there; /* false: the name is free */
	char id[ID_UUID_SIZE];
};

/* PATH can be the file of a save: an absolute path below one of DIRS ("DIR:DIR"; NULL: none), also
 * behind symbolic links, in a directory that is there and may be written to; its name is free or
 * that of a saved guest, *RET_FORMER.  CONFLICT or INVALID, with the reason. */
bool save_file_check_blocking(const char *dirs, const char *path, struct save_former *ret_former,
			      struct err *err);
/* The same of the directory DIR alone, in which files of saves are to be made; *RET_BYTES are free
 * there. */
bool save_file_check_dir_blocking(const char *dirs, const char *dir, uint64_t *ret_bytes,
				  struct err *err);
/* Makes the file of a save, not complete; *RET_FD is for QEMU, at SAVE_FILE_DATA_AT, write-only.
 * CONFLICT: the name does not have FORMER any more. */
bool save_file_begin_blocking(const char *dirs, const char *path, const struct save_file *head,
			      const struct save_former *former, int *ret_fd, struct err *err);
/* QEMU has written its data: syncs them, completes HEAD (complete, bytes) in the file, and gives
 * it its name, which has FORMER, else CONFLICT.  May be called again after a crash in the middle of
 * it. */
bool save_file_finish_blocking(const char *path, const struct save_file *head,
			       const struct save_former *former, struct err *err);
/* Removes what save_file_begin_blocking() made, unless it has its name already. */
bool save_file_drop_blocking(const char *path, const char *id, struct err *err);

/* Reads the description of a file, which RET gets whole.  *RET_RESTORED: it has the mark. *RET_FD
 * (may be NULL) is for QEMU, at SAVE_FILE_DATA_AT, read-only.  INVALID: it is no file of a save, of
 * another version, damaged, not complete, or cut; FORBIDDEN: migrd may not read it. */
bool save_file_read_blocking(const char *dirs, const char *path, struct save_file *ret,
			     bool *ret_restored, int *ret_fd, struct err *err);
/* Sets or removes the mark, and syncs it.  CONFLICT: the file at PATH is not that of save ID. */
bool save_file_mark_blocking(const char *path, const char *id, bool is_restored, struct err *err);
/* Removes the file of save ID; nothing there, or another file, is fine. */
bool save_file_remove_blocking(const char *path, const char *id, struct err *err);

#endif
