/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /metrics, one row for each metric: text of OpenMetrics 1.0, which Prometheus reads.
 * The name of a metric ends in its unit, a base unit such as seconds. */
#include <inttypes.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "move/totals.h"

#define TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Adds the samples of the metric NAME. */
typedef void read_fn(struct strbuf *text, const char *name, const struct api *api);

static void read_build(struct strbuf *text, const char *name, const struct api *api)
{
	(void)api;
	strbuf_addf(text, "%s_info{version=\"" PACKAGE_VERSION "\"} 1\n", name);
}

static void read_certificate(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %" PRId64 "\n", name, api->tls->times.to_s);
}

static void read_moves(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %zu\n", name, moves_active_count(api->moves));
}

static void add_histogram(struct strbuf *text, const char *name,
			  const struct totals_histogram *histogram, const struct totals_kind *kind)
{
	uint64_t below = 0;

	for (size_t i = 0; i < kind->count; i++) {
		below += histogram->buckets[i];
		strbuf_addf(text, "%s_bucket{le=%c%.3f%c} %" PRIu64 "\n", name, '"',
			    kind->bounds[i], '"', below);
	}
	strbuf_addf(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
	strbuf_addf(text, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, histogram->sum_s, name,
		    histogram->count);
}

static void read_blackouts(struct strbuf *text, const char *name, const struct api *api)
{
	add_histogram(text, name, &moves_totals(api->moves)->blackout, &totals_blackout);
}

static void read_outages(struct strbuf *text, const char *name, const struct api *api)
{
	add_histogram(text, name, &moves_totals(api->moves)->outage, &totals_outage);
}

static void read_durations(struct strbuf *text, const char *name, const struct api *api)
{
	add_histogram(text, name, &moves_totals(api->moves)->duration, &totals_duration);
}

/* A bound between the quotation marks of a label. */
#define BOUND "\042%.2f\042"

/* WHAT is a value of a label, in its quotation marks. */
static void add_errors(struct strbuf *text, const char *name, const char *what,
		       const struct move_error *error)
{
	for (size_t i = 0; i < MOVE_ERROR_BOUNDS; i++)
		strbuf_addf(text, "%s_bucket{of=%s,le=" BOUND "} %" PRIu64 "\n", name, what,
			    move_error_bounds[i], error->buckets[i]);
	strbuf_addf(text, "%s_bucket{of=%s,le=\"+Inf\"} %" PRIu64 "\n", name, what, error->count);
	strbuf_addf(text, "%s_count{of=%s} %" PRIu64 "\n", name, what, error->count);
	strbuf_addf(text, "%s_sum{of=%s} %.6f\n", name, what, error->sum);
}

static void read_queue(struct strbuf *text, const char *name, const struct api *api)
{
	const struct queue_counts counts = queue_counts(api->queue);

	strbuf_addf(text, "%s{state=\"waiting\"} %zu\n%s{state=\"moving\"} %zu\n", name,
		    counts.waiting, name, counts.moving);
}

static void read_cordon(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %d\n", name, cordon_is_on(api->holds, NULL));
}

static void read_holds(struct strbuf *text, const char *name, const struct api *api)
{
	const struct store_hold *row = NULL;
	size_t of_host = 0, of_vms = 0;

	while ((row = holds_next(api->holds, row))) {
		if (row->vm_uuid[0])
			of_vms++;
		else
			of_host++;
	}
	strbuf_addf(text, "%s{kind=\"host\"} %zu\n%s{kind=\"vm\"} %zu\n", name, of_host, name,
		    of_vms);
}

/* The one under way; NULL: there is none. */
static const struct evacuation_reply *evacuation_now(const struct api *api)
{
	struct evacuation *evac = evacuations_find(api->evacuations, "current");

	return evac && !evacuation_is_final(evac) ? evacuation_show(evac) : NULL;
}

static void read_evacuation(struct strbuf *text, const char *name, const struct api *api)
{
	const struct evacuation_reply *reply = evacuation_now(api);
	const struct evacuation_counts none = { 0 }, *counts = reply ? &reply->counts : &none;

	strbuf_addf(text, "%s{state=\"left\"} %" PRIu64 "\n", name, counts->left);
	strbuf_addf(text, "%s{state=\"moving\"} %" PRIu64 "\n", name, counts->moving);
	strbuf_addf(text, "%s{state=\"blocked\"} %" PRIu64 "\n", name, counts->blocked);
	strbuf_addf(text, "%s{state=\"moved\"} %" PRIu64 "\n", name, counts->moved);
	strbuf_addf(text, "%s{state=\"stays\"} %" PRIu64 "\n", name, counts->stays);
	strbuf_addf(text, "%s{state=\"returned\"} %" PRIu64 "\n", name, counts->returned);
}

static void read_evacuation_end(struct strbuf *text, const char *name, const struct api *api)
{
	const struct evacuation_reply *reply = evacuation_now(api);

	if (reply && reply->has_end)
		strbuf_addf(text, "%s %.3f\n", name, (double)reply->expected_end.expected / 1000);
}

static void read_evacuation_state(struct strbuf *text, const char *name, const struct api *api)
{
	const struct evacuation_reply *reply = evacuation_now(api);
	const char *now = reply ? reply->state : "";
	static const char *const states[] = { "planned", "waiting", "draining", "drained",
					      "returning" };

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		strbuf_addf(text, "%s{state=%c%s%c} %d\n", name, '"', states[i], '"',
			    strcmp(states[i], now) == 0);
}

static const struct maintenance_reply *maintenance_now(const struct api *api)
{
	struct maintenance *m = maintenances_find(api->maintenances, "current");

	return m && !maintenance_is_final(m) ? maintenance_show(m) : NULL;
}

static void read_maintenance(struct strbuf *text, const char *name, const struct api *api)
{
	const struct maintenance_reply *reply = maintenance_now(api);
	const struct maintenance_counts none = { 0 }, *counts = reply ? &reply->counts : &none;

	strbuf_addf(text, "%s{state=\"todo\"} %" PRIu64 "\n", name, counts->todo);
	strbuf_addf(text, "%s{state=\"under_way\"} %" PRIu64 "\n", name, counts->under_way);
	strbuf_addf(text, "%s{state=\"done\"} %" PRIu64 "\n", name, counts->done);
	strbuf_addf(text, "%s{state=\"failed\"} %" PRIu64 "\n", name, counts->failed);
	strbuf_addf(text, "%s{state=\"skipped\"} %" PRIu64 "\n", name, counts->skipped);
	strbuf_addf(text, "%s{state=\"aborted\"} %" PRIu64 "\n", name, counts->aborted);
}

static void read_maintenance_state(struct strbuf *text, const char *name, const struct api *api)
{
	const struct maintenance_reply *reply = maintenance_now(api);
	const char *now = reply ? reply->state : "";
	static const char *const states[] = { "planned", "running", "waiting", "stopping" };

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		strbuf_addf(text, "%s{state=%c%s%c} %d\n", name, '"', states[i], '"',
			    strcmp(states[i], now) == 0);
}

static void read_waited(struct strbuf *text, const char *name, const struct api *api)
{
	add_histogram(text, name, queue_waited(api->queue), &totals_duration);
}

static void read_errors(struct strbuf *text, const char *name, const struct api *api)
{
	const struct move_errors *errors = moves_forecast_errors(api->moves);

	add_errors(text, name, "\"duration\"", &errors->duration);
	add_errors(text, name, "\"blackout\"", &errors->blackout);
}

static void read_budget(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %" PRIu64 "\n", name, moves_bandwidth(api->moves).budget);
}

static void add_rates(struct strbuf *text, const char *name, const uint64_t *rates)
{
	for (int i = 0; i < MOVE_PRIORITY_COUNT; i++)
		strbuf_addf(text, "%s{priority=\042%s\042} %" PRIu64 "\n", name,
			    move_priority_names[i], rates[i]);
}

static void read_given(struct strbuf *text, const char *name, const struct api *api)
{
	add_rates(text, name, moves_bandwidth(api->moves).given);
}

static void read_used(struct strbuf *text, const char *name, const struct api *api)
{
	add_rates(text, name, moves_bandwidth(api->moves).used);
}

static void read_notices(struct strbuf *text, const char *name, const struct api *api)
{
	static const char *const results[MOVE_NOTICE_COUNTS] = {
		[MOVE_NOTICE_SENT] = "sent",
		[MOVE_NOTICE_UNHEARD] = "unheard",
		[MOVE_NOTICE_DELAYED] = "delayed",
		[MOVE_NOTICE_REFUSED] = "refused",
	};

	for (size_t i = 0; i < MOVE_NOTICE_COUNTS; i++)
		strbuf_addf(text, "%s_total{result=%c%s%c} %" PRIu64 "\n", name, '"', results[i],
			    '"', moves_notice_count(api->moves, (enum move_notice_count)i));
}

static void add_kind(struct strbuf *text, const char *name, const char *kind, uint64_t mib)
{
	strbuf_addf(text, "%s{kind=\042%s\042} %" PRIu64 "\n", name, kind, mib << 20);
}

static void read_host_memory(struct strbuf *text, const char *name, const struct api *api)
{
	const struct capacity_memory *mib = &capacity_own(api->capacity)->figures.memory_mib;

	add_kind(text, name, "total", mib->total);
	add_kind(text, name, "available", mib->available);
	add_kind(text, name, "reserved", mib->reserved);
	add_kind(text, name, "guests", mib->guests);
	add_kind(text, name, "incoming", mib->incoming);
}

static void read_host_cores(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %" PRIu64 "\n", name, capacity_own(api->capacity)->figures.cores);
}

static void read_host_used(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %.3f\n", name, capacity_own(api->capacity)->figures.load);
}

static void read_host_vcpus(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %" PRIu64 "\n", name, capacity_own(api->capacity)->figures.vcpus);
}

static void read_host_guests(struct strbuf *text, const char *name, const struct api *api)
{
	strbuf_addf(text, "%s %" PRIu64 "\n", name, capacity_own(api->capacity)->figures.guests);
}

static void read_host_pressure(struct strbuf *text, const char *name, const struct api *api)
{
	const struct capacity_figures *figures = &capacity_own(api->capacity)->figures;
	const struct capacity_pressure *percent = &figures->pressure;

	if (!figures->has_pressure)
		return;
	strbuf_addf(text, "%s{resource=\"cpu\"} %.4f\n", name, percent->cpu / 100);
	strbuf_addf(text, "%s{resource=\"memory\"} %.4f\n", name, percent->memory / 100);
	strbuf_addf(text, "%s{resource=\"io\"} %.4f\n", name, percent->io / 100);
}

static const struct {
	const char *name, *type, *unit, *help; /* UNIT "": it has none */
	read_fn *read;
} metrics[] = {
	{ "migrd_build", "info", "", "The version of migrd.", read_build },
	{ "migrd_certificate_expiration_timestamp_seconds", "gauge", "seconds",
	  "When the certificate of this host ends.", read_certificate },
	{ "migrd_host_memory_bytes", "gauge", "bytes",
	  "Memory of the host: all, what programs can have, what is not for guests, what guests "
	  "have, and what guests will have that are on their way here.",
	  read_host_memory },
	{ "migrd_host_cores", "gauge", "", "Cores of the host.", read_host_cores },
	{ "migrd_host_cores_used", "gauge", "",
	  "Cores that all programs use, over about half a minute.", read_host_used },
	{ "migrd_host_vcpus", "gauge", "", "vCPUs of guests that are here or on their way here.",
	  read_host_vcpus },
	{ "migrd_host_guests", "gauge", "", "Guests that are here or on their way here.",
	  read_host_guests },
	{ "migrd_host_pressure_ratio", "gauge", "ratio",
	  "Share of the last 10 s in which a task waited for a resource; none: the kernel does not "
	  "tell.",
	  read_host_pressure },
	{ "migrd_moves_active", "gauge", "", "Moves that have not ended, to and from this host.",
	  read_moves },
	{ "migrd_host_cordoned", "gauge", "", "1: no new guest may come to this host.",
	  read_cordon },
	{ "migrd_holds", "gauge", "", "Holds that keep automata from moving guests.", read_holds },
	{ "migrd_queue_entries", "gauge", "", "Entries of the queue that have not ended.",
	  read_queue },
	{ "migrd_evacuation_state", "gauge", "",
	  "State of the evacuation under way; all 0: none is.", read_evacuation_state },
	{ "migrd_evacuation_vms", "gauge", "", "VMs of the evacuation under way.",
	  read_evacuation },
	{ "migrd_evacuation_expected_end_timestamp_seconds", "gauge", "seconds",
	  "When its last move will end; absent: not known.", read_evacuation_end },
	{ "migrd_maintenance_state", "gauge", "",
	  "State of the maintenance that this host conducts; all 0: none is under way.",
	  read_maintenance_state },
	{ "migrd_maintenance_hosts", "gauge", "", "Hosts of the maintenance under way.",
	  read_maintenance },
	{ "migrd_queue_waiting_seconds", "histogram", "seconds",
	  "How long entries of the queue waited for their first attempt.", read_waited },
	{ "migrd_move_blackout_seconds", "histogram", "seconds",
	  "How long guests that were moved away stood still, where it could be measured.",
	  read_blackouts },
	{ "migrd_move_network_outage_seconds", "histogram", "seconds",
	  "How long the network saw nothing of guests that were moved away, where it could be "
	  "measured.",
	  read_outages },
	{ "migrd_move_duration_seconds", "histogram", "seconds",
	  "How long moves away took that ended well.", read_durations },
	{ "migrd_bandwidth_budget_bytes_per_second", "gauge", "bytes_per_second",
	  "What moves away may send together; 0: as much as they can.", read_budget },
	{ "migrd_bandwidth_given_bytes_per_second", "gauge", "bytes_per_second",
	  "What the moves of a priority may send of the budget.", read_given },
	{ "migrd_bandwidth_used_bytes_per_second", "gauge", "bytes_per_second",
	  "What they have sent in the last second, with a budget.", read_used },
	{ "migrd_forecast_error_ratio", "histogram", "ratio",
	  "By how much the forecasts of moves from this host were missed.", read_errors },
	{ "migrd_notices", "counter", "",
	  "Notices of moves to parties: sent, without an answer that counts, delays that were "
	  "granted, requests for one that were refused.",
	  read_notices },
};

void api_metrics(struct http_request *req, void *data)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
		strbuf_addf(&text, "# TYPE %s %s\n", metrics[i].name, metrics[i].type);
		if (*metrics[i].unit)
			strbuf_addf(&text, "# UNIT %s %s\n", metrics[i].name, metrics[i].unit);
		strbuf_addf(&text, "# HELP %s %s\n", metrics[i].name, metrics[i].help);
		metrics[i].read(&text, metrics[i].name, data);
	}
	strbuf_adds(&text, "# EOF\n");
	http_reply_text(req, 200, TYPE, strbuf_str(&text));
}
