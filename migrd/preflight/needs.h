/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/needs.h -- what a definition needs on its host: files, images, directories, ports,
 * interfaces.  Pure; look.h adds the backing files.  Thread: any.
 */
#ifndef MIGRD_PREFLIGHT_NEEDS_H
#define MIGRD_PREFLIGHT_NEEDS_H

#include "storage/place.h"
#include "wire/disk_copy.h"
#include "wire/evidence.h"

#define NEED_WHAT_SIZE        64
#define NEED_FILES_MAX        EVIDENCE_FILES_MAX
#define NEED_DIRS_MAX         32
#define NEED_PORTS_MAX        16
#define NEED_SOCKETS_MAX      16
#define NEED_NICS_MAX         EVIDENCE_NICS_MAX
#define NEED_BOUND_MAX        VM_DEF_NUMA_NODE_MAX
#define NEED_MEMORY_FILES_MAX 16

/* A disk that only the source has: the move copies it, so the destination makes its image. */
struct need_image {
	char id[VM_DEF_ID_SIZE];
	int format;       /* enum vm_def_disk_format */
	bool shared_base; /* its backing file, if it has one, is not copied */
	char path[VM_DEF_PATH_SIZE];
};

/* What must be the same about a file on both hosts. */
enum need_kind {
	NEED_SAME_FILE,    /* written, so it must be the very same file */
	NEED_SAME_CONTENT, /* only read, so a copy will do */
	NEED_PRESENT,      /* read when QEMU starts; the guest's memory has all else */
};

struct need_file {
	enum need_kind kind;
	bool is_qcow2;             /* so the definition says: the header may name other files */
	char what[NEED_WHAT_SIZE]; /* "disk 'data'" */
	char path[VM_DEF_PATH_SIZE];
	bool is_firmware;            /* read whole; its path may be another on the destination */
	bool is_base;                /* the backing file of a copy; so may its */
	char here[VM_DEF_PATH_SIZE]; /* that path; "": PATH */
};

struct need_dir {
	char what[NEED_WHAT_SIZE];
	char path[VM_DEF_PATH_SIZE];
	char socket[VM_DEF_PATH_SIZE]; /* a listener's, in PATH; must be free; "": none */
};

/* A UNIX socket that QEMU will connect to. */
struct need_socket {
	char what[NEED_WHAT_SIZE];
	char path[VM_DEF_PATH_SIZE];
	bool may_come_later; /* QEMU tries again and again; otherwise it does not start without */
};

/* A TCP port that QEMU will listen at. */
struct need_port {
	char what[NEED_WHAT_SIZE];
	char host[64]; /* "": every address */
	unsigned port;
};

struct need_nic {
	char id[VM_DEF_ID_SIZE];
	int type; /* enum vm_def_nic_type, never USER */
	char ifname[IF_NAMESIZE];
	char bridge[IF_NAMESIZE]; /* named by the definition; "": none */
};

/* A file that holds memory of the guest; QEMU makes one that is not there.  The memory that the
 * definition has in files is in huge pages, and is none of these. */
struct need_memory_file {
	char what[NEED_WHAT_SIZE];
	char path[VM_DEF_PATH_SIZE];
};

/* Memory that is bound to NUMA nodes of the host. */
struct need_bound {
	char what[NEED_WHAT_SIZE]; /* "NUMA node 1" */
	uint64_t size_mib;
	char host_nodes[VM_DEF_NUMBERS_SIZE];
};

/* Of ordinary memory any place will do, and the move's own admission counts it. */
struct need_memory {
	uint64_t huge_page_mib;      /* 0: none of the guest's memory is in huge pages */
	uint64_t huge_mib;           /* how much of it is */
	char path[VM_DEF_PATH_SIZE]; /* of a hugetlbfs; "": none */
	struct need_bound bound[NEED_BOUND_MAX];
	size_t bound_count;
};

struct needs {
	struct need_file files[NEED_FILES_MAX];
	size_t file_count;
	struct need_image images[VM_DEF_IMAGE_MAX];
	size_t image_count;
	struct need_dir dirs[NEED_DIRS_MAX];
	size_t dir_count;
	struct need_socket sockets[NEED_SOCKETS_MAX];
	size_t socket_count;
	struct need_port ports[NEED_PORTS_MAX];
	size_t port_count;
	struct need_nic nics[NEED_NICS_MAX];
	size_t nic_count;
	struct need_memory memory;
	struct need_memory_file memory_files[NEED_MEMORY_FILES_MAX];
	size_t memory_file_count;
	uint64_t locked_mib;         /* memory that QEMU locks; 0: none */
	uint64_t vsock_cid;          /* 0: none */
	char tpm_uuid[ID_UUID_SIZE]; /* of the VM, if it has a TPM; "" */
	bool is_cut;                 /* there was more than fits, which counts as not proved */
};

/* What DEF wants of the host's memory; RET is empty before. */
void needs_memory(const struct vm_def *def, struct need_memory *ret);
/* The caller frees it. */
struct needs *needs_of(const struct vm_def *def);
/* Memory of the guest is in a file, and not in one of the places that are tmpfs or huge pages on
 * each host (/dev/shm, /dev/hugepages). */
bool needs_has_plain_memory(const struct vm_def *def);
/* Adds the backing files that the copies have on both hosts. */
void needs_add_bases(struct needs *needs, const struct disk_copy *copies, size_t count);
/* Sets where files are on this host, if they are elsewhere by what its configuration says. */
void needs_place(struct needs *needs, const struct storage_rules *rules);
/* The path of FILE on the host that looks at it. */
const char *need_path(const struct need_file *file);
void needs_add_file(struct needs *needs, const struct need_file *file);

#endif
