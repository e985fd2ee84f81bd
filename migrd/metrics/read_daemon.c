/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics of the daemon itself, and of the hosts that it speaks to. */
#include "base/mem.h"
#include "metrics/priv.h"
#include "peer/client.h"

void metrics_read_build(struct metrics_out *out, const struct metrics *metrics)
{
	(void)metrics;
	metrics_add(out, 1, LABELS(PACKAGE_VERSION));
}

void metrics_read_certificate(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)(*metrics->env.tls)->times.to_s, NULL);
}

void metrics_read_loop(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add_histogram(out, loop_turns(metrics->env.loop), &loop_turn_kind, NULL);
}

/* ---- the store -------------------------------------------------------------------------- */

void metrics_read_store_size(struct metrics_out *out, const struct metrics *metrics)
{
	const struct store_figures figures = store_figures(metrics->env.store);

	metrics_add(out, (double)figures.file_bytes, LABELS("database"));
	metrics_add(out, (double)figures.log_bytes, LABELS("log"));
}

void metrics_read_store_write(struct metrics_out *out, const struct metrics *metrics)
{
	const struct store_figures figures = store_figures(metrics->env.store);

	metrics_add_histogram(out, &figures.writes, &store_write_kind, NULL);
}

void metrics_read_store_waiting(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)store_figures(metrics->env.store).waiting, NULL);
}

void metrics_read_store_refusing(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, store_figures(metrics->env.store).is_refusing, NULL);
}

/* ---- peers -------------------------------------------------------------------------------- */

typedef void peer_fn(struct metrics_out *out, const char *id, const struct peer_figures *figures);

static void each_peer(struct metrics_out *out, const struct metrics *metrics, peer_fn *add)
{
	struct peer_figures figures;

	for (const char *const *id = metrics->env.peer_ids; *id; id++)
		if (peer_clients_figures(metrics->env.peers, *id, &figures) && figures.was_asked)
			add(out, *id, &figures);
}

static void add_up(struct metrics_out *out, const char *id, const struct peer_figures *figures)
{
	metrics_add(out, figures->has_answered, LABELS(id));
}

static void add_asked(struct metrics_out *out, const char *id, const struct peer_figures *figures)
{
	metrics_add(out, (double)figures->asked_ms / 1000, LABELS(id));
}

static void add_answer(struct metrics_out *out, const char *id, const struct peer_figures *figures)
{
	if (figures->answered_ms)
		metrics_add(out, (double)figures->answered_ms / 1000, LABELS(id));
}

static void add_clock(struct metrics_out *out, const char *id, const struct peer_figures *figures)
{
	if (figures->has_clock)
		metrics_add(out, figures->clock_ahead_s, LABELS(id));
}

void metrics_read_peer_up(struct metrics_out *out, const struct metrics *metrics)
{
	each_peer(out, metrics, add_up);
}

void metrics_read_peer_asked(struct metrics_out *out, const struct metrics *metrics)
{
	each_peer(out, metrics, add_asked);
}

void metrics_read_peer_answer(struct metrics_out *out, const struct metrics *metrics)
{
	each_peer(out, metrics, add_answer);
}

void metrics_read_peer_clock(struct metrics_out *out, const struct metrics *metrics)
{
	each_peer(out, metrics, add_clock);
}

/* ---- the process ---------------------------------------------------------------------------- */

static void add_if_known(struct metrics_out *out, const struct metrics *metrics, double value)
{
	if (metrics->look.process.is_known)
		metrics_add(out, value, NULL);
}

void metrics_read_process_cpu(struct metrics_out *out, const struct metrics *metrics)
{
	add_if_known(out, metrics, metrics->look.process.cpu_s);
}

void metrics_read_process_resident(struct metrics_out *out, const struct metrics *metrics)
{
	add_if_known(out, metrics, (double)metrics->look.process.resident_bytes);
}

void metrics_read_process_virtual(struct metrics_out *out, const struct metrics *metrics)
{
	add_if_known(out, metrics, (double)metrics->look.process.virtual_bytes);
}

void metrics_read_process_threads(struct metrics_out *out, const struct metrics *metrics)
{
	add_if_known(out, metrics, (double)metrics->look.process.threads);
}

void metrics_read_process_fds(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)metrics->look.process.fds, NULL);
}

void metrics_read_process_max_fds(struct metrics_out *out, const struct metrics *metrics)
{
	if (metrics->look.process.max_fds)
		metrics_add(out, (double)metrics->look.process.max_fds, NULL);
}

void metrics_read_process_start(struct metrics_out *out, const struct metrics *metrics)
{
	if (metrics->started_ms)
		metrics_add(out, (double)metrics->started_ms / 1000, NULL);
}
