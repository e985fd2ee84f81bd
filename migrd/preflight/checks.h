/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/checks.h -- can this host take the guest?  Asked before anything is changed.
 *
 * A check is a row of one table: a function by which a worker looks, and a pure function that
 * judges.  All checks are made, and all reasons are told together.  What proves that two hosts
 * have the same file is a table too, in proof.c.
 */
#ifndef MIGRD_PREFLIGHT_CHECKS_H
#define MIGRD_PREFLIGHT_CHECKS_H

#include "net/link.h"
#include "preflight/memory.h"
#include "preflight/needs.h"
#include "preflight/reasons.h"
#include "storage/image.h"

/* What is copied of a guest: borrowed. */
struct preflight_images {
	const struct storage_rules *rules; /* their texts must outlive the preflight */
	const struct disk_copy *copies;    /* of the offer */
	size_t copy_count;
};

/* What is looked at, and what is found.  It holds copies only, and texts of the configuration, so a
 * worker may use it. */
struct preflight {
	char id[ID_UUID_SIZE];     /* the move */
	char source[ID_NAME_SIZE]; /* host id */
	struct needs *needs;       /* owned */
	struct evidence *there;    /* owned: what the source says */
	bool has_evidence;         /* false: an older source, which says nothing */
	struct evidence *here;     /* owned: what was found on this host */
	struct storage_rules rules;
	struct image_wish images[VM_DEF_IMAGE_MAX]; /* of needs->images */
	bool dir_is_there[NEED_DIRS_MAX];
	struct err socket_err[NEED_DIRS_MAX]; /* not set: the socket's path is free */
	int port_errno[NEED_PORTS_MAX];       /* 0: free */
	bool has_link[NEED_NICS_MAX];
	struct net_link links[NEED_NICS_MAX];
	enum preflight_socket {
		PREFLIGHT_SOCKET_NONE,
		PREFLIGHT_SOCKET_MAYBE_SERVED, /* it is there, and its listener is not seen */
		PREFLIGHT_SOCKET_SERVED,
	} sockets[NEED_SOCKETS_MAX];
	struct memory_found memory;
	bool fetches;                                /* the move has post-copy; the owner's */
	bool is_plain_memory[NEED_MEMORY_FILES_MAX]; /* not looked at without post-copy */
	int access_errno[NEED_FILES_MAX]; /* 0: QEMU may open it */
	uint64_t lock_limit_mib;          /* so much may be locked; UINT64_MAX: any */
	struct err vsock_err; /* not set: the guest can have its CID here */
	struct err tpm_err; /* not set: the guest can have its TPM here */
	struct err link_err[NEED_NICS_MAX]; /* not set: a guest can use the interface */
};

/* Takes ownership of THERE; NULL: the source says nothing.  Images are made for the local disks of
 * DEF, by what IMAGES says. */
struct preflight *preflight_new(const char *id, const char *source, const struct vm_def *def,
				struct evidence *there, const struct preflight_images *images);
void preflight_free(struct preflight *preflight);
/* Thread: a worker. */
void preflight_look_blocking(struct preflight *preflight);
/* Pure.  Adds to RET. */
void preflight_judge(const struct preflight *preflight, struct preflight_reasons *ret);

/* The source's part: finds what it tells the destination.  Thread: a worker. */
void preflight_gather_blocking(struct needs *needs, const char *id, struct evidence *ret);

/* ---- judges that have a file of their own ---------------------------------------- */

/* proof.c */
void proof_judge_files(const struct preflight *preflight, struct preflight_reasons *ret);
/* images.c: where the images of local disks are to be made, and whether they can be. */
void images_plan(struct preflight *preflight, const struct preflight_images *images);
void images_look_blocking(struct preflight *preflight);
void images_judge(const struct preflight *preflight, struct preflight_reasons *ret);
/* memory.c */
void memory_look(struct preflight *preflight);
void memory_judge(const struct preflight *preflight, struct preflight_reasons *ret);
/* access.c, locks.c, memory_lock.c */
void access_look_blocking(struct preflight *preflight);
void access_judge(const struct preflight *preflight, struct preflight_reasons *ret);
void locks_judge(const struct preflight *preflight, struct preflight_reasons *ret);
void memory_lock_look(struct preflight *preflight);
void memory_lock_judge(const struct preflight *preflight, struct preflight_reasons *ret);
/* sockets.c */
void sockets_look_blocking(struct preflight *preflight);
void sockets_judge(const struct preflight *preflight, struct preflight_reasons *ret);
/* fetch.c */
void fetch_look_blocking(struct preflight *preflight);
void fetch_judge(const struct preflight *preflight, struct preflight_reasons *ret);
/* tpm.c */
void tpm_look_blocking(struct preflight *preflight);
void tpm_judge(const struct preflight *preflight, struct preflight_reasons *ret);
/* cpu.c: vendor and features that the guest has on the source, and would not have with HERE. */
void cpu_judge(const struct evidence *there, const struct evidence *here,
	       struct preflight_reasons *ret);
/* virtqueues.c, preflight/virtqueues.h */
void virtqueues_judge(const struct evidence *there, const struct evidence *here,
		      struct preflight_reasons *ret);

#endif
