/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics/metrics.h -- the figures of GET /metrics, for Prometheus and what reads its formats.
 *
 * One table (metrics/table.c) has name, type, unit, labels, source and help of each metric, and the
 * function that reads it; doc/metrics.md is made of it.  Counters and histograms begin with 0 at
 * each start of the daemon.
 *
 * Work and size are bounded: what grows with VMs is looked at once in METRICS_LOOK_MS at most,
 * however often somebody asks, and of VMs METRICS_VMS_MAX at most have samples of their own.
 *
 * Sources of the formats: OpenMetrics 1.0 (github.com/prometheus/OpenMetrics), Prometheus's
 * exposition formats (prometheus.io/docs/instrumenting/exposition_formats).
 * Thread: loop, unless said otherwise. */
#ifndef MIGRD_METRICS_METRICS_H
#define MIGRD_METRICS_METRICS_H

#include <stdio.h>

#include "base/strbuf.h"
#include "capacity/capacity.h"
#include "evacuation/evacuation.h"
#include "hold/hold.h"
#include "hook/hook.h"
#include "maintenance/maintenance.h"
#include "move/move.h"
#include "queue/queue.h"
#include "tls/live.h"
#include "vm/vm.h"
#include "webhook/webhook.h"

#define METRICS_LOOK_MS 1000
/* VMs with samples of their own, in each metric that has them by name. */
#define METRICS_VMS_MAX 32
/* A value of a label is cut after so many bytes. */
#define METRICS_VALUE_MAX 200

/* What is read.  All of it outlives the metrics. */
struct metrics_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	struct moves *moves;
	struct holds *holds;
	struct queue *queue;
	struct hooks *hooks;
	struct webhooks *webhooks;
	struct capacity *capacity;
	struct evacuations *evacuations;
	struct maintenances *maintenances;
	struct peer_clients *peers;
	const char *const *peer_ids; /* ended by NULL; may be another list after a reload */
	const char *host_id;
	struct tls_live *const *tls; /* the certificates in use, which a reload replaces */
};

struct metrics;
struct metrics *metrics_new(const struct metrics_env *env);
void metrics_free(struct metrics *metrics); /* accepts NULL */

enum metrics_format {
	METRICS_TEXT,        /* Prometheus's own, version 0.0.4 */
	METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
};
/* What a caller wants that sends the header Accept (RFC 9110, 12.5.1; NULL: none): OpenMetrics, if
 * it names that and wants nothing else more.  Thread: any (pure). */
enum metrics_format metrics_format_of(const char *accept);
/* Its media type.  Thread: any (pure). */
const char *metrics_type(enum metrics_format format);
/* All metrics, appended to TEXT. */
void metrics_write(struct metrics *metrics, enum metrics_format format, struct strbuf *text);

/* The table of doc/metrics.md.  Thread: any. */
void metrics_print_table(FILE *out);

#endif
