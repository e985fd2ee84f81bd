/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the texts by which a move is shown. */
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"

void move_forget_texts(struct move *move)
{
	for (size_t i = 0; i < MOVE_TEXT_COUNT; i++)
		free(TAKE_PTR(move->texts[i].text));
}

/* The text of a running move is made anew: it changes all the time, and few moves run. */
const char *move_text(struct move *move, enum move_text_kind kind, move_show_fn *show,
		      size_t *ret_len)
{
	if (move->is_active)
		move_forget_texts(move);
	if (!move->texts[kind].text) {
		CLEANUP(json_putp) struct json_object *obj = show(move);

		move->texts[kind].text = xstrdup(json_text(obj, &move->texts[kind].len));
	}
	*ret_len = move->texts[kind].len;
	return move->texts[kind].text;
}
