/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transfer plan of a move: made by the source, read from the offer by the destination. */
#include "base/mem.h"
#include "base/strbuf.h"
#include "move/priv.h"
#include "move/src_priv.h"

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
	move_parts_next(move);
}

void move_plan_make(struct move *move)
{
	const struct qemu *qemu = move_qemu(move);
	const struct transfer_features *of_qemu = qemu ? qemu_migration_features(qemu) : NULL;
	const struct transfer_features *there =
		peer_features(move->moves->env.peers, move->row.peer);
	struct transfer_features here = { 0 };
	struct err err;

	if (of_qemu)
		here = *of_qemu;
	transfer_features_add_host(&here);
	free(move->plan);
	move->plan = xnew(struct transfer_plan);
	if (transfer_plan_make(&move->options.transfer, of_qemu ? &here : NULL, there, move->plan,
			       &err))
		take_plan(move);
	else
		move_roll_back(move, &err);
}

struct transfer_plan *move_plan_decode(struct json_object *obj, struct err *err)
{
	static const struct transfer_wish nothing;
	CLEANUP(free_planp) struct transfer_plan *plan = xnew(struct transfer_plan);

	if (obj ? transfer_plan_decode(obj, plan, err)
		: transfer_plan_make(&nothing, NULL, NULL, plan, err))
		return TAKE_PTR(plan);
	err_wrap(err, "the transfer plan");
	return NULL;
}
