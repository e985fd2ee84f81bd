/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vmbackup_reply.h -- what is shown of a backup.  Texts are borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_VMBACKUP_REPLY_H
#define MIGRD_WIRE_VMBACKUP_REPLY_H

#include "wire/vmbackup_request.h"

#define VMBACKUP_WHY_SIZE  200
#define VMBACKUP_NODE_SIZE 32 /* of the name of a block node; QEMU's own limit is 31 bytes */
#define VMBACKUP_FILE_SIZE (VM_DEF_ID_SIZE + 8)

/* A disk of a backup; also in its record and its description. */
struct vmbackup_disk {
	char id[VM_DEF_ID_SIZE];
	int mode;                         /* enum vmbackup_mode: what is made of it */
	char why_full[VMBACKUP_WHY_SIZE]; /* though an incremental one was asked for; "" */
	char file[VMBACKUP_FILE_SIZE];    /* its image, in the directory of the backup */
	uint64_t virtual_bytes;
	uint64_t file_bytes; /* of a complete backup: length of the image */
	bool has_bitmap;     /* what changes from now on is noted, so that a next one can follow */
	/* Not in the description. */
	char node[VMBACKUP_NODE_SIZE]; /* QEMU's, of the disk */
	uint64_t done_bytes, total_bytes;
	uint64_t allocated_bytes; /* of its image and all below it; not in the record */
};
/* Of the record, and of the description, which has less. */
extern const struct json_field vmbackup_disk_record_fields[], vmbackup_disk_file_fields[];

struct vmbackup_failure {
	const char *code, *detail;
};

struct vmbackup_reply {
	const char *id, *kind, *vm, *vm_uuid, *directory, *state, *mode;
	const char *parent;   /* NULL: it needs no other backup */
	const char *quiesced; /* "frozen", "not-frozen"; NULL: not known yet */
	bool final, can_cancel, has_failed;
	const char *reason;
	struct vmbackup_failure error;
	const struct vmbackup_disk *disks;
	size_t disk_count;
	int64_t created_at, updated_at, ended_at;
	int64_t taken_at; /* 0: not yet */
};
extern const struct json_field vmbackup_reply_fields[];

struct event_vmbackup {
	struct vmbackup_reply backup;
	int64_t at;
};
extern const struct json_field event_vmbackup_fields[];

#endif
