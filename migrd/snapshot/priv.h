/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot/priv.h -- shared by the files of migrd/snapshot. */
#ifndef MIGRD_SNAPSHOT_PRIV_H
#define MIGRD_SNAPSHOT_PRIV_H

#include "base/work.h"
#include "snapshot/snapshots.h"
#include "snapshot/work.h"
#include "vm/entry.h"

struct snapshots {
	struct snapshots_env env;
	struct worker *worker;
	size_t runs;
};

enum snapshot_what { SNAPSHOT_LIST, SNAPSHOT_CREATE, SNAPSHOT_DELETE, SNAPSHOT_REVERT };

/* One request until its answer. */
struct snapshot_run {
	struct work work;
	struct snapshots *snapshots;
	char uuid[ID_UUID_SIZE];
	enum snapshot_what what;
	bool is_dry;
	struct snapshot_request request; /* of others than a create the name alone */
	struct vm_entry *entry;          /* NULL: it has none */
	struct vm_def *def;              /* owned */
	struct snapshot_images images;
	bool (*task)(struct snapshot_run *run, struct err *err); /* of the worker */
	void (*then)(struct snapshot_run *run);                  /* after a task without an error */
	bool is_frozen;                                          /* by this run */
	size_t at;                  /* the image at which a delete is */
	struct err err;             /* not set: all went well */
	struct json_object *result; /* owned; NULL: none */
	snapshots_fn *fn;
	void *data;
};

/* Answers, and frees RUN. */
void snapshot_finish(struct snapshot_run *run);
void snapshot_fail(struct snapshot_run *run, const struct err *err);
/* Runs TASK on the worker, then THEN; an error of TASK fails the run. */
void snapshot_work(struct snapshot_run *run,
		   bool (*task)(struct snapshot_run *run, struct err *err),
		   void (*then)(struct snapshot_run *run));
/* What forbids it, when the images were looked at. */
bool snapshot_judge(const struct snapshot_run *run, struct err *err);
/* Puts the answer to a create together from the images. */
void snapshot_take_result(struct snapshot_run *run);

/* live.c: QEMU has the images. */
void snapshot_begin_live(struct snapshot_run *run);
/* still.c: no QEMU of this host has them. */
void snapshot_begin_still(struct snapshot_run *run);

#endif
