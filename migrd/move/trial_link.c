/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link to the destination of a dry run: is it reached, do large packets pass, is it fast
 * enough? */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "move/amounts.h"
#include "move/foresee.h"
#include "move/links.h"
#include "move/trial.h"

#define REACH_TIMEOUT_MS 3000
/* A link that gives less than that of what a policy wants, in percent, holds its moves back. */
#define LINK_ENOUGH_PERCENT 90

/* ---- its rate ---------------------------------------------------------------------------- */

static void judge_rate(struct trial *trial, uint64_t bytes_per_s)
{
	uint64_t wanted = trial->options.bandwidth_bytes_per_s;
	char gives[AMOUNT_SIZE], limit[AMOUNT_SIZE];

	if (wanted && bytes_per_s < wanted / 100 * LINK_ENOUGH_PERCENT)
		preflight_add(trial->warnings, "link-rate",
			      "the link to host '%s' gives %s/s, and the move may use %s/s: it "
			      "takes longer than that would; look for what else uses the link",
			      trial->to, amount_bytes(bytes_per_s, gives),
			      amount_bytes(wanted, limit));
}

/* What is known of the link by now, whoever has measured it. */
static void judge_link(struct trial *trial)
{
	struct forecast_input known = { 0 };

	foresee_history(trial->moves, trial->to, &known);
	if (known.link_moves)
		judge_rate(trial, (uint64_t)known.link_bytes_per_s[0]);
	else if (known.probe_bytes_per_s > 0 && !known.probe_is_least)
		judge_rate(trial, (uint64_t)known.probe_bytes_per_s);
}

/* ---- the way to its data port ------------------------------------------------------------ */

struct reaching {
	struct fair_work work;
	struct trial_ref *ref;
	char address[PEER_ADDRESS_SIZE];
	struct stream_reach reach;
	struct err err; /* not set: it was reached */
};

static void run_reach(struct fair_work *work)
{
	struct reaching *reaching = (struct reaching *)work;

	stream_reach_blocking(reaching->address, REACH_TIMEOUT_MS, &reaching->reach,
			      &reaching->err);
}

static void reach_done(struct fair_work *work)
{
	struct reaching *reaching = (struct reaching *)work;
	struct trial *trial = trial_ref_take(reaching->ref);

	if (trial) {
		trial->is_reached = !err_is_set(&reaching->err);
		trial->reach = reaching->reach;
	}
	if (trial && !trial->is_reached)
		preflight_add(trial->here, "data-port",
			      "the data port of host '%s' is not reached: %s: let a firewall pass "
			      "it, or set what 'advertise' of [data] says there",
			      trial->to, reaching->err.msg);
	free(reaching);
	if (!trial)
		return;
	judge_link(trial);
	trial_answer(trial);
}

/* The other host gives the address, as it does in a move: so it may hold up threads of its own
 * share only. */
static void reach_port(struct trial *trial)
{
	struct reaching *reaching = xnew(struct reaching);

	reaching->ref = trial_ref_new(trial);
	reaching->work.run = run_reach;
	reaching->work.done = reach_done;
	memcpy(reaching->address, trial->there->data_address, sizeof(reaching->address));
	fair_worker_submit(trial->moves->looker, trial->to, &reaching->work);
}

/* A host that cannot be probed may still be reached. */
static void note_not_probed(struct trial *trial, const struct err *why)
{
	if (foresee_knows_link(trial->moves, trial->to))
		return; /* only the packets would have been looked at */
	if (why->code == ERR_NOT_FOUND)
		preflight_add(trial->warnings, "link-rate",
			      "host '%s' has an older migrd, which lets nobody measure the link: "
			      "upgrade it, or let a first move measure it",
			      trial->to);
	else if (why->code != ERR_CONFLICT || trial->moves->env.link_probe_ms)
		preflight_add(trial->warnings, "link-rate", "the link was not measured: %s",
			      why->msg);
}

/* The link may give more: the rate still grew, or a limit held it back. */
static bool is_least(const struct trial *trial, const struct gauge_report *report)
{
	struct link_found found;

	return report->is_growing || (links_found(trial->moves->links, trial->to, &found) &&
				      found.is_least && found.bytes_per_s == report->bytes_per_s);
}

static void on_probed(void *data, const struct stream_probe_result *result, const struct err *why)
{
	struct trial *trial = trial_ref_take(data);
	char text[ERR_MSG_SIZE];

	if (!trial)
		return;
	if (!result) {
		note_not_probed(trial, why);
		reach_port(trial);
		return;
	}
	trial->is_reached = result->end == STREAM_PROBE_DONE;
	trial->reach = (struct stream_reach){ result->mtu_bytes, result->round_trip_us };
	if (trial->is_reached) {
		trial->probed = result->report;
		trial->probed.is_growing = is_least(trial, &result->report);
		judge_link(trial);
	} else {
		links_say(trial->to, result, text);
		if (result->end == STREAM_PROBE_SMALL_ONLY)
			preflight_add(trial->here, "mtu", "%s", text);
		else
			preflight_add(trial->here, "data-port", "%s", text);
	}
	trial_answer(trial);
}

/* A link whose rate is known is only looked at: do large packets pass? */
void trial_look_at_link(struct trial *trial)
{
	struct link_question question = {
		.peer = trial->to,
		.bytes = foresee_knows_link(trial->moves, trial->to) ? LINKS_LOOK_BYTES
								     : STREAM_PROBE_BYTES_MAX,
		.limit_bytes_per_s = moves_limit_of_new(trial->moves, &trial->options),
	};
	struct link_found found;
	bool is_fresh = links_found(trial->moves->links, trial->to, &found) &&
			clock_wall_ms() - found.at_ms < LINKS_FRESH_MS;

	if (is_fresh || !trial->moves->env.link_probe_ms)
		reach_port(trial);
	else
		links_probe(trial->moves->links, &question, on_probed, trial_ref_new(trial));
}
