/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transfer plan of a move: made by the source, read from the offer by the destination. */
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "converge/converge.h"
#include "move/foresee.h"
#include "move/links.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "wire/peer_msg.h"

/* How long, and how often, the destination is asked what it offers. */
#define HELLO_DEADLINE_MS 1000
#define HELLO_WAIT_MS     5000
#define HELLO_AGAIN_MS    200
/* A move that sends less is over before the stream has come up to speed. */
#define LINK_BYTES_MIN (UINT64_C(64) << 20)

/* Before the first move to a host the link is measured; see links.h. */
struct first_look {
	struct moves *moves;
	char id[ID_UUID_SIZE];
	bool has_features;
	struct transfer_features features;
};

static void free_first_lookp(struct first_look **look)
{
	free(*look);
}

/* What is set beyond what every move has. */
static void note_parameters(struct move *move)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < move->plan->parameter_count; i++) {
		const struct transfer_parameter *parameter = &move->plan->parameters[i];

		strbuf_addf(&text, "%s%s ", i ? ", " : "", parameter->name);
		if (parameter->word[0])
			strbuf_addf(&text, "%s (%s)", parameter->word, parameter->why);
		else
			strbuf_addf(&text, "%llu (%s)", (unsigned long long)parameter->number,
				    parameter->why);
	}
	if (text.len)
		move_note(move, "plan", "%s", strbuf_str(&text));
}

static void take_plan(struct move *move)
{
	note_parameters(move);
	foresee_move(move);
	move_parts_begin(move, MOVE_PHASE_PREPARE);
}

uint64_t moves_link_bytes_per_s(struct moves *moves, const char *peer)
{
	for (const struct move *of = moves_first(moves); of; of = move_next(of)) {
		uint64_t began_us = of->stamps[MOVE_STAMP_MIGRATE];
		uint64_t ended_us = of->stamps[MOVE_STAMP_COMPLETED];
		uint64_t bytes = of->ram.info.ram_transferred_bytes, rate;

		if (of->side != MOVE_SRC || strcmp(of->row.peer, peer) != 0 ||
		    of->options.bandwidth_bytes_per_s || of->facts.switch_wanted ||
		    bytes < LINK_BYTES_MIN || !began_us || ended_us <= began_us)
			continue;
		rate = bytes / ((ended_us - began_us) / 1000 + 1) * 1000;
		if (!move_was_held_by_budget(of, rate))
			return rate;
	}
	return 0;
}

/* What of the policy both hosts can do becomes part of the move's options, which BASIS has. */
static void prefer(struct move *move, const struct transfer_basis *basis)
{
	const struct transfer_wish preferred = transfer_preferred(&move->policy);
	struct transfer_wish wish = move->options.transfer;

	transfer_prefer(basis, &preferred, &wish, &move->begin.left_out);
	move->options.transfer = wish;
	for (size_t i = 0; i < move->begin.left_out.count; i++)
		move_note(move, "policy-left-out", "%s: %s",
			  move->begin.left_out.items[i].capability,
			  move->begin.left_out.items[i].why);
}

static void make(struct move *move, const struct transfer_features *there)
{
	const struct qemu *qemu = move_qemu(move);
	const struct transfer_features *of_qemu = qemu ? qemu_migration_features(qemu) : NULL;
	const struct vm_def *def = move_definition(move);
	struct transfer_features here = { 0 };
	struct transfer_basis basis = {
		.wish = &move->options.transfer,
		.source = of_qemu ? &here : NULL,
		.destination = there,
		.limit_bytes_per_s = moves_limit_of_new(move->moves, &move->options),
		.link_bytes_per_s = moves_link_bytes_per_s(move->moves, move->row.peer),
		.disks = move->begin.disks,
		.disk_count = move->begin.disk_count,
		.bitmap_count = move->begin.bitmap_sums.go_count,
		.bitmap_bytes = move->begin.bitmap_sums.go_bytes,
		.first_limit_ms = converge_first_limit_ms(move->options.downtime_limit_ms),
		.stopped = move->facts.stopped,
		.plain_memory = def && needs_has_plain_memory(def),
		.throttle_max_percent =
			move->policy.observe ? 0 : move->policy.throttle_max_percent,
	};
	struct err err;

	if (of_qemu)
		here = *of_qemu;
	transfer_features_add_host(&here);
	prefer(move, &basis);
	free(move->plan);
	move->plan = xnew(struct transfer_plan);
	if (transfer_plan_make(&basis, move->plan, &err)) {
		transfer_left_out_explain(&move->begin.left_out, move->plan);
		take_plan(move);
	} else {
		move_roll_back(move, &err);
	}
}

static void refuse(struct move *move, const struct err *why)
{
	struct err err;

	err_set(&err, why->code, "host '%s' does not tell what its QEMU offers: %s", move->row.peer,
		move_peer_words(move, why));
	move_roll_back(move, &err);
}

static bool is_plain(const struct move *move)
{
	return transfer_wish_is_plain(&move->options.transfer) && !move->begin.disk_count &&
	       !move->facts.stopped;
}

/* The policy would like something that depends on what the destination offers. */
static bool has_wishes(const struct move *move)
{
	const struct transfer_wish preferred = transfer_preferred(&move->policy);

	return !transfer_wish_is_plain(&preferred);
}

/* So the destination is waited for, as long as it is there but does not know. */
static bool has_to_wait(const struct move *move, const struct err *err)
{
	bool is_late = loop_now_ms(move->moves->env.loop) >= move->begin.plan_deadline_ms;

	return (!err || err->code == ERR_TIMEOUT) && !is_late &&
	       (!is_plain(move) || has_wishes(move));
}

/* ---- the link, before the first move to a host ------------------------------ */

/* Whatever came of it, the move goes on: its own stream has the last word. */
static void on_probed(void *data, const struct stream_probe_result *result, const struct err *why)
{
	CLEANUP(free_first_lookp) struct first_look *look = data;
	struct move *move = moves_find(look->moves, look->id);
	char text[ERR_MSG_SIZE];

	if (!move || move->machine.state != MOVE_STATE_BEGIN || move->machine.is_saving)
		return;
	if (result)
		links_say(move->row.peer, result, text);
	move_note(move, "link", "%s%s", result ? "" : "not measured: ", result ? text : why->msg);
	make(move, look->has_features ? &look->features : NULL);
}

/* Of a link that nothing is known of. */
static bool is_to_be_probed(const struct move *move)
{
	struct forecast_input known = { 0 };

	foresee_history(move->moves, move->row.peer, &known);
	return move->moves->env.link_probe_ms && !known.link_moves && known.probe_bytes_per_s <= 0;
}

/* The destination is there. */
static void look_then_make(struct move *move, const struct transfer_features *there)
{
	const struct link_question question = {
		.peer = move->row.peer,
		.bytes = STREAM_PROBE_BYTES_MAX,
		.limit_bytes_per_s = moves_limit_of_new(move->moves, &move->options),
		.for_move = move,
	};
	struct first_look *look;

	if (!is_to_be_probed(move)) {
		make(move, there);
		return;
	}
	look = xnew(struct first_look);
	look->moves = move->moves;
	memcpy(look->id, move->row.id, sizeof(look->id));
	look->has_features = there != NULL;
	if (there)
		look->features = *there;
	links_probe(move->moves->links, &question, on_probed, look);
}

/* ---- what the destination offers ---------------------------------------------- */

/* A destination that was started just now tells it when it has asked its QEMU program.  A wish
 * waits for that; for a plain move it is assumed that the destination has what every move
 * needs, and `prepare' has the better words when the destination cannot be reached. */
static void on_hello(struct move *move, struct json_object *result, const struct err *err)
{
	struct peer_hello_reply reply = { 0 };
	struct err bad;

	move->facts.plan_waits = false;
	if (!err && !peer_hello_reply_decode(result, &reply, &bad))
		err = &bad;
	move->begin.let_come_bytes_per_s = err ? 0 : reply.let_come_bytes_per_s;
	if (!err && reply.has_migration) {
		look_then_make(move, &reply.migration);
	} else if (has_to_wait(move, err)) {
		move->facts.plan_waits = true;
		loop_timer_start(move->retry, HELLO_AGAIN_MS); /* then move_plan_step() asks */
	} else if (is_plain(move) && err) {
		make(move, NULL);
	} else if (err) {
		refuse(move, err);
	} else {
		look_then_make(move, NULL); /* has the words for it */
	}
}

/* A new question each time: the destination may have been upgraded since the last. */
static void ask(struct move *move)
{
	move->facts.plan_waits = move->facts.asked = true; /* the retry timer clears `asked' */
	move_ask_hello(move, HELLO_DEADLINE_MS, on_hello);
}

void move_plan_make(struct move *move)
{
	move->begin.plan_deadline_ms = loop_now_ms(move->moves->env.loop) + HELLO_WAIT_MS;
	ask(move);
}

void move_plan_step(struct move *move)
{
	if (move->facts.plan_waits && !move->facts.asked)
		ask(move);
}

const struct transfer_plan *move_plan(const struct move *move)
{
	return move->plan;
}

struct transfer_plan *move_plan_decode(struct json_object *obj, struct err *err)
{
	static const struct transfer_wish nothing;
	static const struct transfer_basis of_before = { .wish = &nothing };
	CLEANUP(free_planp) struct transfer_plan *plan = xnew(struct transfer_plan);

	if (obj ? transfer_plan_decode(obj, plan, err) : transfer_plan_make(&of_before, plan, err))
		return TAKE_PTR(plan);
	err_wrap(err, "the transfer plan");
	return NULL;
}
