/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/evidence.h -- what the source of a move knows of the files, NICs and CPU of its guest,
 * so that the destination can compare them with its own (preflight/checks.h).  It travels in
 * peer_prepare.  The destination notes what it finds in the same form.
 *
 * A struct evidence holds no pointers; it is large (about 320 KiB): keep it on the heap.
 * Thread: any.
 */
#ifndef MIGRD_WIRE_EVIDENCE_H
#define MIGRD_WIRE_EVIDENCE_H

#include "wire/vm_def.h"

#define EVIDENCE_FILES_MAX  128 /* images with their backing files */
#define EVIDENCE_NICS_MAX   ((size_t)2 * VM_DEF_NIC_MAX) /* NICs of raw arguments included */
#define EVIDENCE_WORDS_MAX  128 /* feature words of CPUID */
#define EVIDENCE_QUEUES_MAX 512
#define EVIDENCE_QOM_SIZE   128 /* of a path in QEMU's object model */
#define EVIDENCE_BOOT_SIZE  40
#define EVIDENCE_QEMU_SIZE  24
#define EVIDENCE_VENDOR_SIZE 13 /* CPUID has 12 bytes of it */
#define EVIDENCE_NAME_SIZE  256 /* NAME_MAX and its end */
#define EVIDENCE_TOKEN_SIZE (ID_TOKEN_SIZE + 8)

enum evidence_type {
	EVIDENCE_TYPE_NONE, /* there is nothing, or it cannot be reached */
	EVIDENCE_TYPE_FILE,
	EVIDENCE_TYPE_BLOCK,
	EVIDENCE_TYPE_OTHER,
};

struct evidence_file {
	char path[VM_DEF_PATH_SIZE];   /* as the definition or the overlay names it */
	int type;                      /* enum evidence_type */
	char name[EVIDENCE_NAME_SIZE]; /* in its directory, all symbolic links followed */
	char inode[40];                /* device and inode; comparable only within one kernel */
	uint64_t size;                 /* bytes */
	uint64_t mtime_s;
	char token[EVIDENCE_TOKEN_SIZE]; /* content of the token file beside it; "": none */
	char device[328];                /* world-wide name of a block device; "": none */
	char digest[65];                 /* SHA-256 of what was read; "": not read */
	bool sampled;                    /* the digest is of samples, not of all bytes */
	bool has_locks;                  /* it is a file, and was looked at */
	uint64_t locks; /* bytes that are locked by anybody (preflight/locks.c); bits */
};

/* One word of features of the guest's first CPU, from QEMU's property feature-words
 * (target/i386/cpu.c). */
struct evidence_word {
	uint64_t eax, ecx; /* CPUID's input */
	bool has_ecx;
	char reg[8]; /* "EDX" */
	uint64_t features;
};

/* The bridge of which a NIC's interface on the host is a port. */
struct evidence_nic {
	char id[VM_DEF_ID_SIZE];
	char bridge[IF_NAMESIZE]; /* "": none */
};

/* A virtqueue of the guest's device at PATH (x-query-virtio-queue-status). */
struct evidence_queue {
	char path[EVIDENCE_QOM_SIZE]; /* "/machine/peripheral/net0/virtio-backend" */
	uint64_t queue;
	uint64_t entries; /* that it has; on the destination: for how many QEMU has room */
	uint64_t room;    /* for how many another QEMU has, by the queue-size; 0: not known */
};

struct evidence {
	char boot_id[EVIDENCE_BOOT_SIZE]; /* the kernel in which the inodes were read */
	struct evidence_file files[EVIDENCE_FILES_MAX];
	size_t file_count;
	struct evidence_nic nics[EVIDENCE_NICS_MAX];
	size_t nic_count;
	struct evidence_word words[EVIDENCE_WORDS_MAX];
	size_t word_count;
	char cpu_vendor[EVIDENCE_VENDOR_SIZE]; /* that the guest's CPU tells; "": not known */
	struct evidence_queue queues[EVIDENCE_QUEUES_MAX]; /* only where they may not fit */
	size_t queue_count;
	char qemu[EVIDENCE_QEMU_SIZE]; /* version of the guest's QEMU, "10.0.13"; "": not known */
	bool assert_disks; /* the user who asked for the move vouches for the disks */
	bool assert_cpu;
};

extern const struct json_field evidence_fields[];

/* Skips unknown keys.  INVALID: *RET must not be used. */
bool evidence_decode(struct json_object *obj, struct evidence *ret, struct err *err);
/* The file that EVIDENCE has under PATH; NULL: none. */
const struct evidence_file *evidence_find(const struct evidence *evidence, const char *path);
/* Takes the feature words from QEMU's answer to qom-get; elements that are none are skipped. */
void evidence_take_words(struct evidence *evidence, struct json_object *words);
/* The same of the property vendor; what is none counts as not known. */
void evidence_take_vendor(struct evidence *evidence, struct json_object *vendor);

#endif
