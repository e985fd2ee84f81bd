/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt/links.h -- what the host says of the taps of a QEMU that somebody else started.
 * A worker asks the kernel.  Thread: loop. */
#ifndef MIGRD_ADOPT_LINKS_H
#define MIGRD_ADOPT_LINKS_H

#include "adopt/facts.h"
#include "base/work.h"

/* Called once, later.  FACTS: the copy of those given, with the links of their taps. */
typedef void adopt_links_fn(void *data, const struct adopt_facts *facts);

struct adopt_links;
/* Copies FACTS. */
struct adopt_links *adopt_links_ask(struct worker *worker, const struct adopt_facts *facts,
				    adopt_links_fn *fn, void *data);
/* FN is not called after this.  LINKS is gone once FN was called.  Accepts NULL. */
void adopt_links_cancel(struct adopt_links *links);

#endif
