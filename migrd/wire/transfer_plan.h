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
#include "wire/transfer_channel.h"

#define TRANSFER_NAME_SIZE      40
#define TRANSFER_WHY_SIZE       160
#define TRANSFER_CAPABILITY_MAX 64 /* QEMU 11.1 has 27 */
#define TRANSFER_PARAMETER_MAX  8
#define TRANSFER_WORD_SIZE      16
#define TRANSFER_MULTIFD_MAX    16 /* multifd channels */

/* What a host offers: its QEMU, by the answer to query-migrate-capabilities, and itself. */
struct transfer_features {
	char capabilities[TRANSFER_CAPABILITY_MAX][TRANSFER_NAME_SIZE];
	size_t capability_count;
	uint64_t connections; /* most of one channel; 0: one, of an older coordinator */
	uint64_t cpus;        /* 0: not known */
};

enum transfer_compression {
	TRANSFER_COMPRESSION_NONE,
	TRANSFER_COMPRESSION_ZLIB,
	TRANSFER_COMPRESSION_ZSTD,
};

/* What the user asks for.  Zero: one connection, nothing special. */
struct transfer_wish {
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
	char name[TRANSFER_NAME_SIZE];
	uint64_t number;
	char word[TRANSFER_WORD_SIZE];
	char why[TRANSFER_WHY_SIZE];
};

struct transfer_plan {
	/* Those that migrd knows, in the order of its table; others stay as QEMU has them. */
	struct transfer_capability capabilities[TRANSFER_CAPABILITY_MAX];
	size_t capability_count;
	struct transfer_parameter parameters[TRANSFER_PARAMETER_MAX]; /* set by both sides */
	size_t parameter_count;
	struct transfer_channel channels[TRANSFER_CHANNEL_MAX];
	size_t channel_count;
};

extern const struct json_field transfer_features_fields[];
extern const struct json_field transfer_plan_fields[];
extern const struct json_field transfer_multifd_fields[];

/* Adds what this host itself offers to FEATURES of its QEMU. */
void transfer_features_add_host(struct transfer_features *features);
/* A plan for WISH can be made without knowing what the destination offers. */
bool transfer_wish_is_plain(const struct transfer_wish *wish);
/* What WISH holds that excludes itself: a fault each, by pointers as POST /v1/moves has them. */
bool transfer_wish_check(const struct transfer_wish *wish, struct faults *faults);

/* Error QEMU: one of the two lacks what every move needs, or what WISH asks for; ERR names all
 * of it and the side.  SOURCE or DESTINATION is NULL if that coordinator has not told what it
 * offers.  What every move needs is then assumed, and that QEMU itself refuses what it lacks;
 * what WISH asks for is refused: UNAVAILABLE. */
bool transfer_plan_make(const struct transfer_wish *wish, const struct transfer_features *source,
			const struct transfer_features *destination, struct transfer_plan *ret,
			struct err *err);
/* Of a record, or of another coordinator's offer: RET is zeroed.  INVALID: it is no plan, a
 * channel is unknown to this version or there twice, that for memory is not there or has not as
 * many connections as QEMU will make, or it would set in QEMU what this version does not know. */
bool transfer_plan_decode(struct json_object *obj, struct transfer_plan *ret, struct err *err);
/* How many connections QEMU makes for memory and devices. */
uint64_t transfer_plan_connections(const struct transfer_plan *plan);
/* Reads an answer to query-migrate-capabilities; anything else gives no capabilities. */
void transfer_features_read(struct json_object *answer, struct transfer_features *ret);
bool transfer_features_have(const struct transfer_features *features, const char *capability);
/* The argument of migrate-set-capabilities for a QEMU with FEATURES (NULL: not known): without
 * those that are off and that it does not have.  The caller owns it. */
struct json_object *transfer_plan_capabilities(const struct transfer_plan *plan,
					       const struct transfer_features *features);
/* Adds the parameters of PLAN to ARGS, an argument of migrate-set-parameters. */
void transfer_plan_add_parameters(const struct transfer_plan *plan, struct json_object *args);

#endif
