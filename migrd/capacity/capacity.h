/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capacity/capacity.h -- what the hosts have room for, and which VMs are where: the picture on
 * which plans are made.
 *
 * This host looks at itself (capacity/own.h); each peer tells the same of itself when it is asked
 * (GET /peer/v1/capacity, wire/capacity.h), and what it told is kept with its age.  Peers are asked
 * at an interval while somebody wants the picture, and for CAPACITY_WANTED_MS after; a host at
 * which nobody looks asks nobody.  What a peer told is aged after three intervals without an
 * answer: the peer is offline in the picture from then on, or at once if it was never heard.
 *
 * The picture is never trusted: the admission of a move's destination decides
 * (move/dst_admission.c). What peers say is bounded by wire/capacity.h, whatever they say.
 *
 * Thread: loop.
 */
#ifndef MIGRD_CAPACITY_CAPACITY_H
#define MIGRD_CAPACITY_CAPACITY_H

#include "base/loop.h"
#include "base/strbuf.h"
#include "plan/plan.h"
#include "wire/capacity.h"
#include "wire/placement.h"

struct capacity;
struct moves;
struct peer_clients;
struct vms;

/* So long after the last look at the picture the peers are asked on. */
#define CAPACITY_WANTED_MS 300000
/* capacity_ask() is done after that, whoever has not answered. */
#define CAPACITY_ASK_MS 3000
/* What is kept of all peers together, in bytes of memory. */
#define CAPACITY_KEPT_MAX ((size_t)64 << 20)

/* Who keeps automata away from this host and its VMs.  Each adds one sentence to WHY and returns
 * true, or returns false and adds nothing; a NULL is as if it returned false. */
struct capacity_hooks {
	bool (*is_cordoned)(void *data, struct strbuf *why); /* takes no new guest */
	bool (*is_draining)(void *data, struct strbuf *why); /* is being emptied, or is empty */
	bool (*is_held)(void *data, struct strbuf *why);     /* no automaton may touch the host */
	bool (*is_vm_held)(void *data, const char *uuid, struct strbuf *why);
	void *data;
};

/* What the configuration says; a reload may change all of it. */
struct capacity_settings {
	const char *rack;            /* NULL: none */
	const char *labels;          /* "a=b,c=d"; NULL: none */
	uint64_t reserved_mib;       /* of the memory, not for guests (memory_reserve_mib) */
	uint64_t vcpus_per_core;     /* 0: any number */
	uint64_t in_max, out_max;    /* moves at a time */
	uint64_t budget_bytes_per_s; /* of moves away; 0: none */
	uint64_t ask_every_s;
};

struct capacity_env {
	struct loop *loop;
	struct vms *vms;
	struct moves *moves;
	struct peer_clients *peers;
	const char *const *peer_ids; /* ended by NULL; may be another list after a reload */
	const char *host_id;
	uint64_t interface_bytes_per_s;    /* host_interface_rate_blocking() */
	struct capacity_settings settings; /* copied */
	struct capacity_hooks hooks;
};

struct capacity *capacity_new(const struct capacity_env *env);
void capacity_set(struct capacity *capacity, const struct capacity_settings *settings);
/* Whoever waits for capacity_ask() is called; no callback follows. */
void capacity_end(struct capacity *capacity);
/* When the peers are closed, so that no answer can come any more.  Accepts NULL. */
void capacity_free(struct capacity *capacity);

/* Asks every peer now.  DONE is called once, on the loop, never from inside the call: when all
 * have answered or failed, after CAPACITY_ASK_MS, or at capacity_end().  A question to a peer that
 * is under way is not sent a second time: its answer counts. */
typedef void capacity_done_fn(void *data);
void capacity_ask(struct capacity *capacity, capacity_done_fn *done, void *data);
/* Every peer has answered, or has been asked in vain, within the interval: nothing to wait for. Who
 * wants a picture and has not looked for a while asks first. */
bool capacity_is_fresh(const struct capacity *capacity);

/* A VM of this host has changed: the next picture sees it.  Without, this host may be up to a
 * second old in it. */
void capacity_note(struct capacity *capacity);
/* What the hooks tell has changed: the next picture sees it, and so does the next peer that asks.
 */
void capacity_note_state(struct capacity *capacity);

/* ---- the picture ----------------------------------------------------------- */

/* Beside the plan's host of the same index.  All texts are the picture's. */
struct capacity_host {
	const char *id;
	bool is_own;
	bool is_aged;    /* it has not told for three intervals, or never: offline in the plan */
	uint64_t age_ms; /* of what it told; 0 without it */
	const char *trouble; /* why its last answer is missing or was not taken; NULL: none */
	const struct capacity_told *told; /* NULL: it has told nothing */
	size_t vm_first, vm_count;        /* its VMs in the list of VMs of all hosts */
};

/* Beside the plan's VM of the same index.  A VM that has a move is there twice, on both hosts. */
struct capacity_vm {
	const char *name, *uuid; /* the plan's name is "NAME@HOST" if a VM before has this name */
	const char *state;
	size_t host;
	const char *why;                         /* not movable; NULL: it is */
	enum placement_evacuation on_evacuation; /* what if it cannot be moved */
};

struct capacity_picture;
/* This host and its VMs, then each peer with its VMs as it last told, in the order of the
 * configuration.  Stopped VMs take nothing and are not in it, only counted in `told'.  It borrows
 * nothing: VMs and peers may go.  What it costs grows with the hosts, not with their VMs. */
struct capacity_picture *capacity_take(struct capacity *capacity);
void capacity_picture_free(struct capacity_picture *picture); /* accepts NULL */
size_t capacity_host_count(const struct capacity_picture *picture);
const struct capacity_host *capacity_hosts(const struct capacity_picture *picture);
/* The VM of the number AT of a host of the picture, as it told. */
struct capacity_guest {
	const char *name, *uuid, *state;
	const char *text; /* all of it as JSON, by capacity_vm_told_fields */
};
struct capacity_guest capacity_guest(const struct capacity_picture *picture, size_t host,
				     size_t at);

/* Makes the input of a plan of it, and the list of VMs: once, before what follows.  It takes
 * milliseconds for each thousand VMs.  Thread: any, as long as no other has the picture. */
void capacity_work_out(struct capacity_picture *picture);
/* For plan_cluster_new(), which takes it.  A host that has not told has 1 MiB and one core, and is
 * offline; a pin to a host that is in no configuration is left out, and a VM with no other pins is
 * not movable then.  As many hosts as capacity_hosts(). */
const struct plan_input *capacity_input(const struct capacity_picture *picture);
const struct capacity_vm *capacity_vms(const struct capacity_picture *picture);

/* ---- what this host tells ---------------------------------------------------- */

/* Of this host, at most a second old; borrowed until the callback returns. */
const struct capacity_told *capacity_own(struct capacity *capacity);
/* The answer to GET /peer/v1/capacity?after=AFTER (may be NULL), likewise. */
const char *capacity_page_text(struct capacity *capacity, const char *after, size_t *ret_len);

#endif
