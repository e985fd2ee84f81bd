/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events become deliveries, or are counted as lost. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "webhook/priv.h"

static struct delivery *put(struct webhook *w, const char *type, const char *event,
			    const char *data)
{
	const struct webhook_message message = {
		.type = type,
		.timestamp = webhooks_now_ms(w->webhooks),
		.host = w->webhooks->env.host_id,
		.webhook = w->row.id,
		.number = ++w->row.number,
		.event = event,
	};
	struct delivery *d = delivery_add(w, type, webhook_message_text(&message, data));

	webhook_look_soon(w);
	return d;
}

/* ---- what is lost -------------------------------------------------------------------- */

static char *gap_text(const struct webhook_gap *gap)
{
	const struct event_gap shown = {
		.detail = "events were lost: read again what you follow",
		.reason = gap->reason,
		.is_counted = !gap->is_uncounted,
		.lost = gap->lost,
	};
	CLEANUP(json_putp) struct json_object *obj = json_encode(event_gap_fields, &shown);

	return xstrdup(json_text(obj, NULL));
}

static void add(struct webhook_gap *gap, const struct webhook_gap *more)
{
	if (!gap->reason)
		gap->reason = more->reason;
	gap->is_uncounted = gap->is_uncounted || more->is_uncounted;
	gap->lost += more->lost;
}

void webhook_note_loss(struct webhook *w, const char *reason, uint64_t lost)
{
	add(&w->gap, &(struct webhook_gap){ reason, lost == 0, lost });
	w->lost += lost;
	w->webhooks->lost += lost;
}

/* The last one that waits is a gap that nobody can have heard: it takes in what is lost since. */
static struct delivery *open_gap(const struct webhook *w)
{
	struct delivery *last = TAILQ_LAST(&w->waiting, delivery_list);

	return last && last->gap.reason && !last->was_sent ? last : NULL;
}

static void widen(struct webhook *w, struct delivery *d)
{
	CLEANUP(free_charp) char *data = NULL;
	const struct webhook_message message = {
		.type = WEBHOOK_TYPE_GAP,
		.timestamp = d->row.created_ms,
		.host = w->webhooks->env.host_id,
		.webhook = w->row.id,
		.number = d->row.number,
	};

	add(&d->gap, &w->gap);
	data = gap_text(&d->gap);
	delivery_set_body(d, webhook_message_text(&message, data));
}

bool webhook_tell_gap(struct webhook *w)
{
	struct delivery *last = open_gap(w);
	CLEANUP(free_charp) char *data = NULL;

	if (!w->gap.reason)
		return true;
	if (w->row.disabled[0] || w->is_new)
		return false;
	if (last) {
		widen(w, last);
	} else if (delivery_has_room(w)) {
		data = gap_text(&w->gap);
		put(w, WEBHOOK_TYPE_GAP, NULL, data)->gap = w->gap;
	} else {
		return false;
	}
	w->gap = (struct webhook_gap){ 0 };
	return true;
}

/* ---- what is heard ---------------------------------------------------------------------- */

static void take(struct webhook *w, const struct bus_event *event)
{
	if (w->row.disabled[0])
		webhook_note_loss(w, "disabled", 1);
	else if (!webhook_tell_gap(w) || !delivery_has_room(w))
		webhook_note_loss(w, "overflow", 1);
	else
		put(w, event->type, event->id, event->json);
}

void webhooks_hear(void *data, const struct bus_event *event)
{
	struct webhooks *webhooks = data;
	struct webhook *w;

	TAILQ_FOREACH(w, &webhooks->list, link)
	if (!w->is_new && bus_filter_passes(&w->filter, event, webhooks->env.host_id))
		take(w, event);
}
