/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/evidence.h -- what the source of a move says of the things that its guest uses, so
 * that the destination can compare them with its own (preflight/checks.h).  It travels in
 * peer_prepare, and what a look at a host finds has the same form.
 *
 * A struct evidence holds no pointers; it is large (about 250 KiB): keep it on the heap.
 * Thread: any.
 */
#ifndef MIGRD_WIRE_EVIDENCE_H
#define MIGRD_WIRE_EVIDENCE_H

#include "wire/vm_def.h"

#define EVIDENCE_FILES_MAX  128 /* images with their backing files */
#define EVIDENCE_NICS_MAX   ((size_t)2 * VM_DEF_NIC_MAX) /* with those of raw arguments */
#define EVIDENCE_WORDS_MAX  128 /* of CPUID */
#define EVIDENCE_BOOT_SIZE  40
#define EVIDENCE_NAME_SIZE  256 /* NAME_MAX and its end */
#define EVIDENCE_TOKEN_SIZE (ID_TOKEN_SIZE + 8)

enum evidence_type {
	EVIDENCE_TYPE_NONE, /* there is nothing, or it cannot be reached */
	EVIDENCE_TYPE_FILE,
	EVIDENCE_TYPE_BLOCK,
	EVIDENCE_TYPE_OTHER,
};
extern const char *const evidence_type_names[];

struct evidence_file {
	char path[VM_DEF_PATH_SIZE];   /* as the definition or the overlay names it */
	int type;                      /* enum evidence_type */
	char name[EVIDENCE_NAME_SIZE]; /* in its directory, when symbolic links were followed */
	char inode[40];                /* device and inode; only of meaning within one kernel */
	uint64_t size;                 /* bytes */
	uint64_t mtime_s;
	char token[EVIDENCE_TOKEN_SIZE]; /* in the token file of its directory; "": none */
	char device[328];                /* world-wide name of a block device; "": none */
	char digest[65];                 /* SHA-256 of what was read; "": nothing was */
	bool sampled;                    /* the digest is of samples, not of all bytes */
};

/* One word of features of the guest's first CPU, as QEMU's property feature-words tells
 * (target/i386/cpu.c). */
struct evidence_word {
	uint64_t eax, ecx; /* CPUID's input */
	bool has_ecx;
	char reg[8]; /* "EDX" */
	uint64_t features;
};

/* What the host's interface of a NIC is a port of. */
struct evidence_nic {
	char id[VM_DEF_ID_SIZE];
	char bridge[IF_NAMESIZE]; /* "": of none */
};

struct evidence {
	char boot_id[EVIDENCE_BOOT_SIZE]; /* of the kernel that gave the inodes */
	struct evidence_file files[EVIDENCE_FILES_MAX];
	size_t file_count;
	struct evidence_nic nics[EVIDENCE_NICS_MAX];
	size_t nic_count;
	struct evidence_word words[EVIDENCE_WORDS_MAX];
	size_t word_count;
	bool assert_disks; /* who asked for the move vouches for them */
	bool assert_cpu;
};

extern const struct json_field evidence_fields[];

/* Keys that are not known are skipped.  INVALID; *RET is then not to be used. */
bool evidence_decode(struct json_object *obj, struct evidence *ret, struct err *err);
/* The file that EVIDENCE has under PATH; NULL: none. */
const struct evidence_file *evidence_find(const struct evidence *evidence, const char *path);
/* The feature words in QEMU's answer to qom-get; what is none is left out. */
void evidence_take_words(struct evidence *evidence, struct json_object *words);

#endif
