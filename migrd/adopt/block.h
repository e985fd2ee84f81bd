/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/block.h -- which images a foreign QEMU has open now.
 *
 * A snapshot, a mirror, a change of medium or a throttle does not change the command
 * line, so QEMU itself is asked.  Pure; thread: any.
 * Source: QEMU qapi/block-core.json (BlockInfo, BlockDeviceInfo).
 */
#ifndef MIGRD_ADOPT_BLOCK_H
#define MIGRD_ADOPT_BLOCK_H

#include "wire/vm_def.h"

#define ADOPT_BLOCK_MAX 64

/* X(name of the limit in query-block, key of -drive, its older key or NULL) */
#define ADOPT_LIMITS(X)                                                   \
	X("bps", "throttling.bps-total", "bps")                           \
	X("bps_rd", "throttling.bps-read", "bps_rd")                      \
	X("bps_wr", "throttling.bps-write", "bps_wr")                     \
	X("iops", "throttling.iops-total", "iops")                        \
	X("iops_rd", "throttling.iops-read", "iops_rd")                   \
	X("iops_wr", "throttling.iops-write", "iops_wr")                  \
	X("bps_max", "throttling.bps-total-max", "bps_max")               \
	X("bps_rd_max", "throttling.bps-read-max", "bps_rd_max")          \
	X("bps_wr_max", "throttling.bps-write-max", "bps_wr_max")         \
	X("iops_max", "throttling.iops-total-max", "iops_max")            \
	X("iops_rd_max", "throttling.iops-read-max", "iops_rd_max")       \
	X("iops_wr_max", "throttling.iops-write-max", "iops_wr_max")      \
	X("bps_max_length", "throttling.bps-total-max-length", NULL)      \
	X("bps_rd_max_length", "throttling.bps-read-max-length", NULL)    \
	X("bps_wr_max_length", "throttling.bps-write-max-length", NULL)   \
	X("iops_max_length", "throttling.iops-total-max-length", NULL)    \
	X("iops_rd_max_length", "throttling.iops-read-max-length", NULL)  \
	X("iops_wr_max_length", "throttling.iops-write-max-length", NULL) \
	X("iops_size", "throttling.iops-size", "iops_size")

#define ADOPT_LIMIT_ONE(query, key, old) +1
enum { ADOPT_LIMIT_COUNT = 0 ADOPT_LIMITS(ADOPT_LIMIT_ONE) };
/* The first ADOPT_RATE_COUNT rows are limits; bursts and sizes have no effect without one. */
#define ADOPT_RATE_COUNT 6

struct adopt_limit {
	const char *query, *key, *old;
};
extern const struct adopt_limit adopt_limits[ADOPT_LIMIT_COUNT];

/* A drive of QEMU, and the medium in it. */
struct adopt_block {
	char device[64]; /* id of the -drive; "" if a -blockdev is behind it */
	char qdev[256];  /* id or object path of the device that uses it; "" */
	bool has_tray, is_open; /* only CD drives have a tray */
	bool has_medium;
	/* the medium: */
	char file[VM_DEF_PATH_SIZE]; /* "json:{...}" if a path alone would not open it again */
	char format[32];
	char node[64];
	bool readonly, direct, no_flush;
	char group[64]; /* throttling group; "" */
	uint64_t limits[ADOPT_LIMIT_COUNT];
};

/* A node of the block graph, made by an option, a command or QEMU itself. */
struct adopt_node {
	char name[64], driver[32];
	char file[VM_DEF_PATH_SIZE];
};

#define ADOPT_NODE_MAX 256

struct adopt_blocks {
	struct adopt_block list[ADOPT_BLOCK_MAX];
	size_t count;
	struct adopt_node nodes[ADOPT_NODE_MAX];
	size_t node_count;
	size_t jobs; /* block jobs under way, each of which may change what is open */
};

/* Take the answer of query-block, query-named-block-nodes, query-block-jobs.  Errors: LIMIT. */
bool adopt_blocks_take(struct adopt_blocks *blocks, struct json_object *result, struct err *err);
bool adopt_blocks_take_nodes(struct adopt_blocks *blocks, struct json_object *result,
			     struct err *err);
bool adopt_blocks_take_jobs(struct adopt_blocks *blocks, struct json_object *result,
			    struct err *err);

/* NULL: there is none. */
const struct adopt_block *adopt_block_of_drive(const struct adopt_blocks *blocks, const char *name);
/* The block of the device at OBJECT ("/machine/peripheral/vd0"); ID may be "". */
const struct adopt_block *adopt_block_of_device(const struct adopt_blocks *blocks,
						const char *object, const char *id);
const struct adopt_node *adopt_node_find(const struct adopt_blocks *blocks, const char *name);
/* The image is a regular file: a node of the driver "file" has it open, and that driver
 * takes no other kind of file (block/file-posix.c). */
bool adopt_block_is_file(const struct adopt_blocks *blocks, const struct adopt_block *block);
/* The image is raw or qcow2, and its path alone opens it again with its backing files. */
bool adopt_block_is_plain(const struct adopt_block *block);
bool adopt_block_is_throttled(const struct adopt_block *block);

#endif
