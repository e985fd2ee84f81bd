/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/refuse.h"

#include "base/mem.h"

struct refusal {
	qmp_reply_fn *fn;
	void *data;
	struct err err;
};

static void tell(void *data)
{
	struct refusal *refusal = data;

	refusal->fn(refusal->data, NULL, &refusal->err);
	free(refusal);
}

void qmp_refuse(struct loop *loop, qmp_reply_fn *fn, void *data, const struct err *err)
{
	struct refusal *refusal;

	if (!fn)
		return;
	refusal = xnew(struct refusal);
	refusal->fn = fn;
	refusal->data = data;
	refusal->err = *err;
	loop_post(loop, tell, refusal);
}
