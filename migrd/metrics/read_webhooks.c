/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics of webhooks. */
#include "base/mem.h"
#include "metrics/priv.h"

void metrics_read_webhooks(struct metrics_out *out, const struct metrics *metrics)
{
	const struct webhooks_figures figures = webhooks_figures(metrics->env.webhooks);

	metrics_add(out, (double)figures.enabled, LABELS("enabled"));
	metrics_add(out, (double)figures.disabled, LABELS("disabled"));
}

void metrics_read_deliveries(struct metrics_out *out, const struct metrics *metrics)
{
	const struct webhooks_figures figures = webhooks_figures(metrics->env.webhooks);

	metrics_add(out, (double)figures.delivered, LABELS("delivered"));
	metrics_add(out, (double)figures.failed, LABELS("failed"));
	metrics_add(out, (double)figures.dead, LABELS("dead"));
}

void metrics_read_deliveries_kept(struct metrics_out *out, const struct metrics *metrics)
{
	const struct webhooks_figures figures = webhooks_figures(metrics->env.webhooks);

	metrics_add(out, (double)figures.pending, LABELS("pending"));
	metrics_add(out, (double)figures.kept_dead, LABELS("dead"));
}

void metrics_read_delivery_oldest(struct metrics_out *out, const struct metrics *metrics)
{
	const struct webhooks_figures figures = webhooks_figures(metrics->env.webhooks);

	if (figures.oldest_pending_ms)
		metrics_add(out, (double)figures.oldest_pending_ms / 1000, NULL);
}

void metrics_read_events_lost(struct metrics_out *out, const struct metrics *metrics)
{
	metrics_add(out, (double)webhooks_figures(metrics->env.webhooks).lost, NULL);
}
