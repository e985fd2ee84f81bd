/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/transfer_plan.h -- the plan of a transfer: how a guest's state goes to the other host.
 *
 * The source makes the plan before the destination is asked for anything, records it with
 * the move, and sends it with `prepare'; both sides set what it says and nothing else.  It
 * depends only on what both hosts offer and on what the user asked for: the same input gives
 * the same plan.
 *
 * Thread: any.  Source of the names: QEMU qapi/migration.json.
 */
#ifndef MIGRD_WIRE_TRANSFER_PLAN_H
#define MIGRD_WIRE_TRANSFER_PLAN_H

#include "base/json.h"
#include "wire/disk_copy.h"
#include "wire/transfer_channel.h"

#define TRANSFER_NAME_SIZE      40
#define TRANSFER_WHY_SIZE       160
#define TRANSFER_NAMES_MAX      64 /* QEMU 11.1 has 27 capabilities and 31 parameters */
#define TRANSFER_PARAMETER_MAX  8
#define TRANSFER_WORD_SIZE      16
#define TRANSFER_MULTIFD_MAX    16 /* multifd channels */

/* What a host offers: its QEMU, by its own answers (qemu/offers.h), and itself. */
struct transfer_features {
	char capabilities[TRANSFER_NAMES_MAX][TRANSFER_NAME_SIZE];
	size_t capability_count;
	/* Arguments of migrate-set-parameters; none: not known, or an older coordinator. */
	char parameters[TRANSFER_NAMES_MAX][TRANSFER_NAME_SIZE];
	size_t parameter_count;
	uint64_t connections; /* most of one channel; 0: one, of an older coordinator */
	uint64_t cpus;        /* 0: not known */
	/* Why the QEMU would not take a guest that fetches its memory; "": it would. */
	char postcopy_refused[TRANSFER_WHY_SIZE];
	bool postcopy_multifd; /* it can do so over several connections */
	bool stopped;          /* the coordinator can take a stopped VM */
	bool bitmaps;          /* it takes a plan that sends bitmaps of disks */
	/* The rest is not sent: only the QEMU's own coordinator speaks to it. */
	bool preempt;    /* it can send what the guest waits for over a connection of its own */
	bool cancel_keeps_images; /* whenever it comes: see qemu_may_lack_images() */
	bool has_schema; /* the parameters and the form are known */
	/* Why this host's QEMU writes no background snapshot; "": it does, or was not asked. */
	char background_snapshot_refused[TRANSFER_WHY_SIZE];
	struct transfer_form {
		bool channels; /* `migrate' is best told `channels', not `uri' */
		bool capabilities_as_parameters;
	} form;
};

enum transfer_compression {
	TRANSFER_COMPRESSION_NONE,
	TRANSFER_COMPRESSION_ZLIB,
	TRANSFER_COMPRESSION_ZSTD,
};

/* When a move switches to post-copy. */
enum transfer_postcopy_start {
	TRANSFER_POSTCOPY_MANUAL,     /* when a user asks for it */
	TRANSFER_POSTCOPY_FIRST_PASS, /* after the first pass over memory, unless it is over then */
	TRANSFER_POSTCOPY_AT_ONCE,
};

/* What the user asks for.  Zero: one connection, nothing special. */
struct transfer_wish {
	struct transfer_postcopy {
		int start; /* enum transfer_postcopy_start */
	} postcopy;
	bool has_postcopy;
	struct transfer_multifd {
		uint64_t channels; /* 0: by the number of CPUs of both hosts */
		int compression;   /* enum transfer_compression */
	} multifd;
	bool has_multifd;
	bool xbzrle;
	bool auto_converge;
};

struct transfer_capability {
	char name[TRANSFER_NAME_SIZE];
	bool on;
	char why[TRANSFER_WHY_SIZE];
};

/* A migration parameter of QEMU; its value is WORD, or NUMBER if WORD is "". */
struct transfer_parameter {
	bool only_source; /* the destination's QEMU is not told */
	char name[TRANSFER_NAME_SIZE];
	uint64_t number;
	char word[TRANSFER_WORD_SIZE];
	char why[TRANSFER_WHY_SIZE];
};

struct transfer_plan {
	/* Those of its table; each QEMU has its others off (transfer_plan_capabilities()). */
	struct transfer_capability capabilities[TRANSFER_NAMES_MAX];
	size_t capability_count;
	bool has_parameters; /* false: of a coordinator that planned none */
	struct transfer_parameter parameters[TRANSFER_PARAMETER_MAX];
	size_t parameter_count;
	struct transfer_channel channels[TRANSFER_CHANNEL_MAX];
	size_t channel_count;
	/* The local disks, which are copied, in the order of the definition. */
	struct disk_copy disks[VM_DEF_IMAGE_MAX];
	size_t disk_count;
};

/* What QEMU takes for the rate of the last pass (8.2); and the capability that sends bitmaps. */
#define TRANSFER_SWITCHOVER_BANDWIDTH "avail-switchover-bandwidth"
#define TRANSFER_DIRTY_BITMAPS        "dirty-bitmaps"

extern const struct json_field transfer_features_fields[];
extern const struct json_field transfer_plan_fields[];
extern const struct json_field transfer_multifd_fields[];
extern const struct json_field transfer_postcopy_fields[];

/* Adds what this host itself offers to FEATURES of its QEMU. */
void transfer_features_add_host(struct transfer_features *features);
/* A plan for WISH can be made without knowing what the destination offers. */
bool transfer_wish_is_plain(const struct transfer_wish *wish);
/* What WISH holds that excludes itself: a fault each, by pointers as POST /v1/moves has them. */
bool transfer_wish_check(const struct transfer_wish *wish, struct faults *faults);

/* What a plan is made of; all is borrowed. */
struct transfer_basis {
	const struct transfer_wish *wish;
	/* NULL: that coordinator has not told what it offers. */
	const struct transfer_features *source, *destination;
	uint64_t limit_bytes_per_s; /* of the transfer, as asked for; 0: none */
	uint64_t link_bytes_per_s;  /* what moves to that host got lately; 0: not known */
	const struct disk_copy *disks; /* local disks */
	size_t disk_count;
	size_t bitmap_count;     /* that are kept in their images, and can be sent */
	uint64_t bitmap_bytes;   /* as QEMU counts all of them: transfer_bitmaps_ms() */
	uint64_t first_limit_ms; /* of the guest's stop, that QEMU is told first */
	bool stopped; /* the VM does not run, and shall not run there */
	bool plain_memory; /* some is in a file, into which it may not be possible to fetch it */
	/* With auto_converge: the guest's CPUs are slowed by so much at most; 0: QEMU's own. */
	uint64_t throttle_max_percent;
};
/* Error QEMU: one of the two lacks what every move needs, or what the wish asks for; ERR names
 * all of it and the side.  Of a side that has not told what it offers, what every move needs is
 * assumed, and that QEMU itself refuses what it lacks; what the wish asks for is refused:
 * UNAVAILABLE. */
bool transfer_plan_make(const struct transfer_basis *basis, struct transfer_plan *ret,
			struct err *err);
/* Of a record, or of another coordinator's offer: RET is zeroed.  INVALID: it is no plan, a
 * channel is unknown to this version or there twice, that for memory is not there or has not as
 * many connections as QEMU will make, or it would set in QEMU what this version does not know,
 * or a disk's image cannot be made. */
bool transfer_plan_decode(struct json_object *obj, struct transfer_plan *ret, struct err *err);
/* CAPABILITY is on; of no plan (NULL): none is. */
bool transfer_plan_has(const struct transfer_plan *plan, const char *capability);
/* Why it is on, or off; belongs to the plan.  "": the plan does not say. */
const char *transfer_plan_why(const struct transfer_plan *plan, const char *capability);
/* The number that the parameter NAME is set to; 0: it is not in the plan, which may be NULL. */
uint64_t transfer_plan_number(const struct transfer_plan *plan, const char *name);
bool transfer_plan_has_postcopy(const struct transfer_plan *plan);
bool transfer_plan_has_disks(const struct transfer_plan *plan);
/* So long QEMU takes bitmaps to need, of which it counts BYTES (a byte for each bit) as yet to be
 * sent until the guest stands still; BYTES_PER_S: its avail-switchover-bandwidth.  UINT64_MAX: it
 * is not told. */
uint64_t transfer_bitmaps_ms(uint64_t bytes, uint64_t bytes_per_s);
/* How many connections QEMU makes for memory and devices. */
uint64_t transfer_plan_connections(const struct transfer_plan *plan);
/* CAPABILITY is there, also as a parameter. */
bool transfer_features_have(const struct transfer_features *features, const char *capability);
/* The argument of migrate-set-capabilities for a QEMU with FEATURES (NULL: not known): all that it
 * has, so that nothing is on that an earlier job of any kind has set; those that PLAN does not name
 * are off.  The caller owns it.  NULL: all are parameters of this QEMU. */
struct json_object *transfer_plan_capabilities(const struct transfer_plan *plan,
					       const struct transfer_features *features);
/* The same for a job without a plan: ON (ended by NULL) names those that are on, if the QEMU has
 * them.  Never NULL. */
struct json_object *transfer_capabilities(const struct transfer_features *features,
					  const char *const *on);
/* Adds what PLAN sets by migrate-set-parameters on SIDE to ARGS. */
void transfer_plan_add_parameters(const struct transfer_plan *plan, enum transfer_side side,
				  const struct transfer_features *features,
				  struct json_object *args);
/* The argument of migrate and migrate-incoming for the UNIX socket at PATH.  The caller owns
 * it. */
struct json_object *transfer_address(const struct transfer_features *features, const char *path);

#endif
