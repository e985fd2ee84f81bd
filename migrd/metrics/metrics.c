/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics/metrics.h"

#include "base/mem.h"
#include "metrics/priv.h"

struct metrics *metrics_new(const struct metrics_env *env)
{
	struct metrics *metrics = xnew(struct metrics);

	metrics->env = *env;
	metrics->started_ms = process_started_ms();
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	free(metrics);
}

static void look_again(struct metrics *metrics)
{
	const uint64_t now_ms = loop_now_ms(metrics->env.loop);

	if (metrics->has_looked && now_ms < metrics->looked_ms + METRICS_LOOK_MS)
		return;
	look(&metrics->env, &metrics->look);
	metrics->has_looked = true;
	metrics->looked_ms = now_ms;
}

void metrics_write(struct metrics *metrics, enum metrics_format format, struct strbuf *text)
{
	struct metrics_out out = { .text = text, .format = format };

	look_again(metrics);
	for (size_t i = 0; i < metrics_table_count; i++) {
		out.metric = &metrics_table[i];
		metrics_head(&out);
		out.metric->read(&out, metrics);
	}
	if (format == METRICS_OPENMETRICS)
		strbuf_adds(text, "# EOF\n");
}
