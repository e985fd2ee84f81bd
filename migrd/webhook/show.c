/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is shown of webhooks. */
#include "base/mem.h"
#include "webhook/priv.h"

const struct webhook *webhooks_next(const struct webhooks *webhooks, const struct webhook *after)
{
	const struct webhook *w = after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&webhooks->list);

	while (w && w->is_new)
		w = TAILQ_NEXT(w, link);
	return w;
}

const struct webhook *webhooks_find(const struct webhooks *webhooks, const char *id)
{
	const struct webhook *w = webhook_find(webhooks, id);

	return w && !w->is_new ? w : NULL;
}

const struct webhook_wish *webhook_wish(const struct webhook *webhook)
{
	return &webhook->wish;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* The one whose turn it is, if it has failed and waits. */
static int64_t next_try_ms(const struct webhook *w)
{
	const struct delivery *first = TAILQ_FIRST(&w->waiting);

	return first && !w->row.disabled[0] && !w->sending ? first->row.retry_ms : 0;
}

static int64_t oldest_ms(const struct webhook *w)
{
	const struct delivery *first = TAILQ_FIRST(&w->waiting);

	return first ? first->row.created_ms : 0;
}

void webhook_show(const struct webhook *w, struct webhook_reply *ret,
		  const char *ret_types[EVENT_TYPE_COUNT])
{
	const struct webhook_wish *wish = &w->wish;

	for (size_t i = 0; i < wish->type_count; i++)
		ret_types[i] = wish->types[i];
	*ret = (struct webhook_reply){
		.id = w->row.id,
		.host_id = w->webhooks->env.host_id,
		.url = wish->url,
		.description = wish->description,
		.types = ret_types,
		.type_count = wish->type_count,
		.vm = or_null(wish->vm),
		.move = or_null(wish->move),
		.host = or_null(wish->host),
		.timeout_s = wish->timeout_s,
		.retry_min_s = wish->retry_min_s,
		.retry_max_s = wish->retry_max_s,
		.expire_s = wish->expire_s,
		.enabled = !w->row.disabled[0],
		.disabled_reason = or_null(w->row.disabled),
		.created_by = w->row.created_by,
		.created_at = w->row.created_ms,
		.updated_at = w->row.updated_ms,
		.number = w->row.number,
		.pending = w->waiting_count,
		.pending_bytes = w->waiting_bytes,
		.dead = w->dead_count,
		.delivered = w->delivered,
		.failed = w->failed,
		.lost = w->lost,
		.oldest_pending_at = oldest_ms(w),
		.next_try_at = next_try_ms(w),
		.delivered_at = w->delivered_ms,
		.error = or_null(w->error),
	};
}

const struct store_delivery *webhook_next_dead(const struct webhook *w, uint64_t after)
{
	const struct delivery *d;

	TAILQ_FOREACH(d, &w->dead, link)
	if (d->row.number > after)
		return &d->row;
	return NULL;
}

static void count(const struct webhook *w, struct webhooks_figures *figures)
{
	const int64_t ms = oldest_ms(w);

	figures->pending += w->waiting_count;
	figures->kept_dead += w->dead_count;
	if (w->row.disabled[0]) {
		figures->disabled++;
		return;
	}
	figures->enabled++;
	if (ms && (!figures->oldest_pending_ms || ms < figures->oldest_pending_ms))
		figures->oldest_pending_ms = ms;
}

struct webhooks_figures webhooks_figures(const struct webhooks *webhooks)
{
	struct webhooks_figures ret = { .delivered = webhooks->delivered,
					.failed = webhooks->failed,
					.dead = webhooks->dead,
					.lost = webhooks->lost };
	const struct webhook *w = NULL;

	while ((w = webhooks_next(webhooks, w)))
		count(w, &ret);
	return ret;
}
