/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics/priv.h -- shared by the files of the layer. */
#ifndef MIGRD_METRICS_PRIV_H
#define MIGRD_METRICS_PRIV_H

#include "base/histogram.h"
#include "metrics/look.h"
#include "metrics/metrics.h"

enum metrics_kind { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM, METRICS_INFO };

struct metrics_out;
/* Adds the samples of the metric OUT is at. */
typedef void metrics_read_fn(struct metrics_out *out, const struct metrics *metrics);

#define METRICS_LABELS_MAX 3
struct metric {
	const char *name; /* without `_total' and `_info', which the samples of some kinds have */
	enum metrics_kind kind;
	const char *unit;                       /* the end of the name; "": it has none */
	const char *labels[METRICS_LABELS_MAX]; /* the first ones; NULL: no more */
	const char *source;                     /* what tells it */
	const char *help;                       /* one sentence, without \ and quotation marks */
	metrics_read_fn *read;
};
extern const struct metric metrics_table[];
extern const size_t metrics_table_count;

struct metrics {
	struct metrics_env env;
	struct look look;
	bool has_looked;
	uint64_t looked_ms;
	int64_t started_ms; /* this process, on the wall clock; 0: not known */
};

/* ---- text.c: what a sample looks like ------------------------------------------------ */

struct metrics_out {
	struct strbuf *text;
	enum metrics_format format;
	const struct metric *metric;
};
/* As many values as the metric has labels, in their order.  A metric without: NULL. */
#define LABELS(...) ((const char *const[]){ __VA_ARGS__ })
void metrics_head(struct metrics_out *out);
void metrics_add(struct metrics_out *out, double value, const char *const *values);
void metrics_add_histogram(struct metrics_out *out, const struct histogram *histogram,
			   const struct histogram_kind *kind, const char *const *values);

/* ---- of a host: read_host.c ------------------------------------------------------------ */
metrics_read_fn metrics_read_host_info, metrics_read_host_memory, metrics_read_host_cores,
	metrics_read_host_cores_used, metrics_read_host_vcpus, metrics_read_host_guests,
	metrics_read_host_pressure, metrics_read_host_cordoned, metrics_read_vms;
/* ---- of its moves: read_moves.c ---------------------------------------------------------- */
metrics_read_fn metrics_read_moves, metrics_read_moves_active, metrics_read_move_blackout,
	metrics_read_move_of_limit, metrics_read_move_outage, metrics_read_move_duration,
	metrics_read_forecast_error, metrics_read_move_sent, metrics_read_move_left,
	metrics_read_move_rate, metrics_read_move_dirty, metrics_read_budget, metrics_read_given,
	metrics_read_used, metrics_read_notices, metrics_read_queue, metrics_read_queue_ended,
	metrics_read_queue_waiting;
/* ---- of hosts that are emptied: read_fleet.c ----------------------------------------------- */
metrics_read_fn metrics_read_evacuation_state, metrics_read_evacuation_paused,
	metrics_read_evacuation_vms, metrics_read_evacuation_blocked, metrics_read_evacuation_end,
	metrics_read_evacuation_deadline, metrics_read_evacuation_fill, metrics_read_evacuations,
	metrics_read_maintenance_state, metrics_read_maintenance_hosts, metrics_read_maintenances,
	metrics_read_hooks, metrics_read_hook_running, metrics_read_holds;
/* ---- of what is told to others: read_webhooks.c ------------------------------------------ */
metrics_read_fn metrics_read_webhooks, metrics_read_deliveries, metrics_read_deliveries_kept,
	metrics_read_delivery_oldest, metrics_read_events_lost;
/* ---- of the daemon: read_daemon.c ------------------------------------------------------------ */
metrics_read_fn metrics_read_build, metrics_read_certificate, metrics_read_loop,
	metrics_read_store_size, metrics_read_store_write, metrics_read_store_waiting,
	metrics_read_store_refusing, metrics_read_peer_up, metrics_read_peer_asked,
	metrics_read_peer_answer, metrics_read_peer_clock, metrics_read_process_cpu,
	metrics_read_process_resident, metrics_read_process_virtual, metrics_read_process_fds,
	metrics_read_process_max_fds, metrics_read_process_threads, metrics_read_process_start;

#endif
