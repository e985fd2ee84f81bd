/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan/plan.h -- where the VMs of a cluster go, and in which order.
 *
 *   plan_cluster_new()   hosts, VMs and limits are checked and indexed
 *   plan_evacuate()      empties hosts: a destination for each VM, an order in which no move lacks
 *                        room, how full each host gets, and what may be lost afterwards
 *   plan_balance()       moves VMs so that hosts are evenly full, as far as a move is worth it
 *   plan_candidates()    the hosts that would take a VM instead, once the plan is carried out
 *   plan_reject()        why a host does not take a VM, once the plan is carried out
 *
 * What a host must have for a VM is a table (plan/constraints.c), and what it should have another
 * (plan/wishes.c).
 * How full hosts are is compared by the imbalance: with the capacity w of each host in service, its
 * use u (a share) and the use U of all, s = sqrt(sum w (u - U)^2 / sum w), for memory and for CPU
 * load; the imbalance is sqrt((s_memory^2 + s_cpu^2) / 2).
 *
 * Pure: no clock, no files; the same input gives the same plan.  A plan is made within a fixed
 * amount of work, not a time.  Thread: any; a cluster may be read by several at once.
 * Ownership: all names and lists of the input stay the caller's and must outlive the cluster, and
 * the cluster its plans.
 */
#ifndef MIGRD_PLAN_PLAN_H
#define MIGRD_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

#define PLAN_HOSTS_MAX    10000
#define PLAN_VMS_MAX      200000
#define PLAN_NAME_MAX     253 /* bytes of a name, a group, a value of a label */
#define PLAN_KEY_MAX      317 /* of a key of a label: PREFIX/NAME, as wire/labels.h has it */
#define PLAN_LABELS_MAX   64  /* in each list */
#define PLAN_PINS_MAX     1000
#define PLAN_MEM_MAX_MIB  (1u << 30)
#define PLAN_CPUS_MAX     100000
#define PLAN_NODES_MAX    64 /* NUMA nodes of a host; bits of a plan_bound */
#define PLAN_PRIORITY_MAX 7
#define PLAN_PER_HOST_MAX 1000 /* moves at a time */
#define PLAN_RATE_MAX     1e6  /* Gbit/s, MiB/s, vCPUs a core */
#define PLAN_TIME_MAX_S   1e9
#define PLAN_NOWHERE      UINT32_MAX
#define PLAN_GAP_MIN      0.005 /* of plan_balance.gap_min */
#define PLAN_GAP_CALM     0.2   /* the same, for who has set no other end */

/* ---- input ----------------------------------------------------------------- */

struct plan_label {
	const char *key, *value;
};
struct plan_labels {
	const struct plan_label *list;
	size_t count;
};
struct plan_names {
	const char *const *list;
	size_t count;
};

enum plan_host_state {
	PLAN_HOST_ONLINE,
	PLAN_HOST_DRAINING, /* takes no VM */
	PLAN_HOST_OFFLINE,  /* nothing can be moved from it either */
};

/* What the memory of a VM is made of.  Huge pages are set aside, so what is free of one kind is of
 * no use for another. */
enum plan_pages { PLAN_PAGES_ORDINARY, PLAN_PAGES_2M, PLAN_PAGES_1G, PLAN_PAGES_COUNT };

/* Huge pages of a NUMA node of a host. */
struct plan_node {
	unsigned node; /* below PLAN_NODES_MAX; others are left out */
	enum plan_pages pages;
	uint64_t free_mib; /* now, beside the VMs that are there */
};
struct plan_nodes {
	const struct plan_node *list;
	size_t count;
};

/* Memory of a VM that comes from these NUMA nodes of its host, and from no others. */
struct plan_bound {
	uint64_t nodes; /* bits */
	uint64_t mib;
};
struct plan_bounds {
	const struct plan_bound *list;
	size_t count;
};

struct plan_host {
	const char *name;
	uint64_t mem_mib, reserved_mib; /* reserved: of it, not for VMs */
	bool knows_pages;               /* false: VMs of all kinds share the memory */
	uint64_t pages_mib[PLAN_PAGES_COUNT]; /* for VMs of each kind */
	struct plan_nodes nodes;              /* if knows_pages */
	uint64_t cpus;                  /* cores */
	double nic_gbps;                /* each way */
	const char *rack;               /* NULL: none is known */
	enum plan_host_state state;
	struct plan_labels labels;
	const char *hold; /* why no plan may touch the host; NULL: it may */
};

struct plan_vm {
	const char *name;
	const char *host; /* where it runs */
	uint64_t mem_mib, vcpus;
	enum plan_pages pages;     /* of all its memory */
	struct plan_bounds bounds; /* looked at if it is in huge pages */
	double cpu_load;           /* cores that it really uses */
	double dirty_mibps; /* memory that it changes */
	const char *group;  /* of which a host has one member at most, and a rack as few as can be;
			     * NULL: none */
	const char *affinity; /* members should be on one host; NULL: none */
	bool is_movable;
	const char *hold;            /* why no plan may touch it; NULL: it may */
	struct plan_labels requires; /* labels that its host must have */
	struct plan_labels forbids;  /* that its host may not have */
	struct plan_labels prefers;  /* that its host should have */
	struct plan_names pins;      /* the hosts on which it may run; none: all */
	unsigned priority;           /* the highest goes first, and stays last */
	double forecast_mib;         /* what a move of it sends; 0: its memory, once */
};

struct plan_limits {
	double vcpu_ratio;                  /* allocated vCPUs to a core, at most */
	unsigned out_per_host, in_per_host; /* moves at a time */
};

struct plan_input {
	const struct plan_host *hosts;
	size_t host_count;
	const struct plan_vm *vms;
	size_t vm_count;
	struct plan_limits limits;
};

/* INVALID: a value is out of bounds, a name is twice, or a VM or a pin names no host; the message
 * begins with the place, as "/vms/17". */
struct plan_cluster *plan_cluster_new(const struct plan_input *input, struct err *err);
void plan_cluster_free(struct plan_cluster *cluster);
/* Of pages of so many MiB, 0 for no huge ones; PLAN_PAGES_COUNT: of no kind that plans know. */
enum plan_pages plan_pages_of(uint64_t page_mib);
/* PLAN_NOWHERE: there is none of that name. */
uint32_t plan_find_host(const struct plan_cluster *cluster, const char *name);
uint32_t plan_find_vm(const struct plan_cluster *cluster, const char *name);

/* ---- plan ------------------------------------------------------------------ */

/* Hosts and VMs are numbers of theirs in the input. */
struct plan_move {
	uint32_t vm, from, to;
	/* Moves may be started in any order and at the same time, but for two rules: a VM's second
	 * move begins when its first has ended, and a move that waits begins when all moves before
	 * it in the list that leave its destination have ended.  Then no host ever lacks room,
	 * however long each takes. */
	bool waits;
	bool makes_room;       /* the VM's host is not emptied: it goes for the sake of another */
	bool is_detour;        /* it goes on from there */
	double start_s, end_s; /* with out_per_host and in_per_host moves at a time, and links that
				* moves share equally */
	double gain; /* by so much the imbalance of the hosts that stay gets less; may be < 0 */
	char *why;
};

struct plan_stay {
	uint32_t vm;
	bool has_tried; /* false: plans may not touch it, whatever hosts there are */
	char *why;
};

struct plan_use {
	uint64_t mem_mib, vcpus;
	double cpu_load;
	uint64_t pages_mib[PLAN_PAGES_COUNT]; /* mem_mib by kinds; not of worst and peak */
};

/* Of one host.  worst: the most of each at any moment of the moves' times, with what is on its way
 * there.  peak: the most that it can be, however long each move takes. */
struct plan_fill {
	struct plan_use before, after, worst, peak;
	/* If the host were lost then: one of its VMs for which no place on the others is found,
	 * with none moved there; PLAN_NOWHERE: all would find one. */
	uint32_t homeless_before, homeless_after;
};

struct plan_score {
	double imbalance;
	double max_mem, max_cpu; /* shares of capacity, of hosts in service */
	uint64_t violations;     /* of hard constraints, and VMs on hosts that are to be empty */
};

struct plan {
	const struct plan_cluster *cluster;
	struct plan_move *moves;
	size_t move_count;
	struct plan_stay *stays; /* VMs of hosts to be emptied that stay there */
	size_t stay_count; /* of a balance: those that were to be explained */
	struct plan_fill *fills; /* one for each host */
	struct plan_score before, after;
	double gap_min;         /* of plan_balance(): as it was used */
	double least_imbalance; /* of plan_balance(): no plan within the limits gets below */
	bool is_balance;        /* no host is emptied; what a lost host would mean was not asked */
	bool was_limited;       /* it would have gone on, but for the limits */
	double makespan_s, bound_s; /* bound: no order can be faster, by bytes, links and limits */
	struct plan_state *state;   /* private: after all moves */
};

struct plan_evacuate {
	const uint32_t *hosts; /* to be emptied */
	size_t host_count;
	/* If there is no place otherwise: so many VMs of other hosts may be moved. */
	unsigned others_max;
};

/* CONFLICT: no host would be left in service. */
struct plan *plan_evacuate(const struct plan_cluster *cluster, const struct plan_evacuate *wanted,
			   struct err *err);
struct plan_balance {
	uint32_t moves_max;
	double mib_max; /* that moves send */
	double stop_at; /* an imbalance that is good enough; 0: as far as moves are worth it */
	/* A move is worth it if the uses of both hosts, as shares, differ by more than this for
	 * what it sends and half a GiB; less than PLAN_GAP_MIN counts as that. */
	double gap_min;
	const uint32_t *explain; /* VMs that are wanted among the stays, if they stay */
	size_t explain_count;
};

/* Hosts that are not online, or held, and the VMs there are left alone.  No VM is moved to where a
 * constraint forbids it to be, and none that breaks one already is moved for that.
 * CONFLICT: no host is in service. */
struct plan *plan_balance(const struct plan_cluster *cluster, const struct plan_balance *wanted,
			  struct err *err);
void plan_free(struct plan *plan);
/* The hosts that would take VM after all moves of the plan, beside the one where it is then and the
 * one where it was at first: the best first, as the plan weighs them.  At most MAX go into
 * RET_HOSTS; the result is how many do.  Each is a place for VM alone: once one is used, what it
 * says of other VMs may be wrong. */
size_t plan_candidates(const struct plan *plan, uint32_t vm, uint32_t *ret_hosts, size_t max);
/* True: HOST does not take VM after all moves of the plan, and OUT has the reason added. */
bool plan_reject(const struct plan *plan, uint32_t vm, uint32_t host, struct strbuf *out);

#endif
