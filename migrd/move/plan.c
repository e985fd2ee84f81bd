/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transfer plan of a move: made by the source, read from the offer by the destination. */
#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"

void move_plan_make(struct move *move)
{
	const struct qemu *qemu = move_qemu(move);
	const struct transfer_features *here = qemu ? qemu_migration_features(qemu) : NULL;
	const struct transfer_features *there =
		peer_features(move->moves->env.peers, move->row.peer);
	struct err err;

	free(move->plan);
	move->plan = xnew(struct transfer_plan);
	if (transfer_plan_make(here, there, move->plan, &err))
		move_parts_next(move);
	else
		move_roll_back(move, &err);
}

struct transfer_plan *move_plan_decode(struct json_object *obj, struct err *err)
{
	CLEANUP(free_planp) struct transfer_plan *plan = xnew(struct transfer_plan);

	if (obj ? transfer_plan_decode(obj, plan, err) : transfer_plan_make(NULL, NULL, plan, err))
		return TAKE_PTR(plan);
	err_wrap(err, "the transfer plan");
	return NULL;
}
