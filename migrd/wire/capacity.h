/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/capacity.h -- what a host tells of its room and its guests: to other coordinators
 * (GET /peer/v1/capacity), and to users (GET /v1/capacity).
 *
 * Guests come in pages; the page after a name may have guests before that name again, which a
 * reader skips.  A host is believed only within the bounds of these tables.  Thread: any.
 */
#ifndef MIGRD_WIRE_CAPACITY_H
#define MIGRD_WIRE_CAPACITY_H

#include "base/id.h"
#include "base/json.h"
#include "wire/labels.h"
#include "wire/placement.h"

#define CAPACITY_VMS_MAX     1000 /* guests of one host */
#define CAPACITY_PAGE_VMS    128  /* so that an answer has fewer than 10,000 values */
#define CAPACITY_PAGE_MAX    ((size_t)512 << 10) /* bytes; another guest is of the next page */
#define CAPACITY_PAGES_MAX   100
#define CAPACITY_WORD_SIZE   32
#define CAPACITY_WHY_SIZE    512
#define CAPACITY_MEM_MAX_MIB (INT64_C(1) << 30)
#define CAPACITY_CPUS_MAX    100000
#define CAPACITY_HUGE_MAX    8 /* sizes of huge pages */
#define CAPACITY_NODES_MAX \
	64 /* NUMA nodes with huge pages, each size apart; further ones are not told */
#define CAPACITY_BOUND_MAX  16
#define CAPACITY_BOUND_SIZE 128

/* Huge pages of one size; all but page_mib in MiB of memory. */
struct capacity_huge {
	uint64_t page_mib;
	uint64_t total; /* with those that the kernel may still make */
	uint64_t free;
	uint64_t reserved; /* neither free nor of guests */
};

/* Huge pages of one size of a NUMA node. */
struct capacity_huge_node {
	uint64_t node, page_mib;
	uint64_t free; /* MiB */
};

struct capacity_memory {
	uint64_t total, available;
	uint64_t reserved; /* kept free by the configuration, or used by others than guests */
	uint64_t guests;   /* of the guests that are here, in full */
	uint64_t incoming; /* of guests that are on their way here, in full */
	uint64_t huge_total, huge_free; /* huge pages, which are part of `total' */
	bool has_huge;                  /* false: an older version, which does not tell the sizes */
	struct capacity_huge huge[CAPACITY_HUGE_MAX];
	size_t huge_count;
	struct capacity_huge_node huge_nodes[CAPACITY_NODES_MAX];
	size_t huge_node_count;
};

/* Share of the last 10 s in which some task waited for it, in percent (the kernel's
 * Documentation/accounting/psi.rst, `some avg10'). */
struct capacity_pressure {
	double cpu, memory, io;
};

struct capacity_limits {
	uint64_t out_max, in_max; /* moves at a time */
	uint64_t vcpus_per_core;  /* 0: any number */
};

struct capacity_figures {
	struct capacity_memory memory_mib;
	uint64_t cores;
	uint64_t vcpus;    /* of guests that are here or on their way */
	double load;       /* cores that all programs of the host use, over about half a minute */
	bool has_pressure; /* false: the kernel does not tell it */
	struct capacity_pressure pressure;
	struct capacity_limits limits;
	uint64_t link_bytes_per_s;        /* to other hosts, each way; 0: not known */
	char link_by[CAPACITY_WORD_SIZE]; /* what tells it: "budget", "moves", "interface"; "" */
	char rack[ID_NAME_SIZE];          /* "": none */
	char labels[LABELS_SIZE];         /* as text; "": none */
	uint64_t guests, stopped;         /* VMs with a QEMU or on their way here; and without */
	uint64_t left_out;                /* guests beyond CAPACITY_VMS_MAX, which are not told */
};

struct capacity_told {
	char id[ID_NAME_SIZE];
	/* "online", "cordoned", "draining", or a word of a newer version, which takes no guests */
	char state[CAPACITY_WORD_SIZE];
	char why[CAPACITY_WHY_SIZE];  /* it takes no guests; "" */
	char hold[CAPACITY_WHY_SIZE]; /* no automaton may touch it; "" */
	struct capacity_figures figures;
};

/* Memory of a guest that is bound to NUMA nodes of its host. */
struct capacity_bound {
	char nodes[CAPACITY_BOUND_SIZE]; /* "0-1,4" (base/number_list.h) */
	uint64_t mib;
};

struct capacity_vm_told {
	char name[ID_NAME_SIZE], uuid[ID_UUID_SIZE];
	char state[CAPACITY_WORD_SIZE];
	uint64_t memory_mib, vcpus;
	uint64_t huge_page_mib; /* all its memory is in huge pages of that size; 0: in none */
	struct capacity_bound huge_bound[CAPACITY_BOUND_MAX]; /* of those pages */
	size_t huge_bound_count;
	double load; /* cores that its QEMU uses, over about half a minute */
	bool has_dirty;
	uint64_t dirty_bytes_per_s; /* as last sampled; more than that in a shorter time */
	uint64_t forecast_bytes;    /* what a move of it sends; 0: not known */
	bool movable;
	char why[CAPACITY_WHY_SIZE];  /* not movable; "" */
	char hold[CAPACITY_WHY_SIZE]; /* no automaton may touch it; "" */
	struct placement placement;
};

/* One page of a host's guests, as it is read. */
struct capacity_page {
	struct capacity_told host;
	struct json_object *vms; /* owned; an array of unread guests */
	char next[ID_NAME_SIZE]; /* value of ?after= for the next page; "": there is none */
};

extern const struct json_field capacity_told_fields[];    /* of a page without its guests */
extern const struct json_field capacity_vm_told_fields[]; /* of a guest */
/* The whole answer, for its schema only: see capacity_page_text(). */
extern const struct json_field capacity_page_fields[];

/* INVALID names every fault.  *RET is large, must be all zero, and is ended by
 * capacity_page_fini(), whatever was returned. */
bool capacity_page_read(struct json_object *obj, struct capacity_page *ret, struct err *err);
void capacity_page_fini(struct capacity_page *page);
/* The guest of that number, below json_count(page->vms); *RET is set wholly, unless it is no
 * guest: INVALID. */
bool capacity_vm_read(const struct capacity_page *page, size_t number, struct capacity_vm_told *ret,
		      struct err *err);

/* ---- for users ------------------------------------------------------------- */

/* A host as this one has heard of it.  Texts are borrowed. */
struct capacity_shown {
	const char *id;
	const char *address; /* NULL: this host itself */
	const char *state;   /* as it told, or "offline" */
	const char *why;     /* it takes no guests; NULL */
	const char *hold;    /* NULL */
	const char *trouble; /* why its last answer is missing, or was not taken; NULL */
	bool has_told;
	uint64_t age_ms; /* of what it told */
	struct capacity_figures figures;
};
extern const struct json_field capacity_shown_fields[];

/* The same with its guests, for the schema of GET /v1/capacity/{host} only. */
extern const struct json_field capacity_host_fields[];

#endif
