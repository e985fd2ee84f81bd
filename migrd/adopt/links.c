/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adopt/links.h"

#include "base/mem.h"

struct adopt_links {
	struct work work;
	struct adopt_facts facts;
	adopt_links_fn *fn; /* NULL: cancelled */
	void *data;
};

static void run(struct work *work)
{
	struct adopt_links *links = CONTAINER_OF(work, struct adopt_links, work);
	struct err ignored; /* a missing interface is a fact, no error */

	for (size_t i = 0; i < links->facts.nets.count; i++) {
		struct adopt_backend *net = &links->facts.nets.list[i];

		if (net->ifname[0])
			net->has_link = net_link_look_blocking(net->ifname, &net->link, &ignored);
	}
}

static void done(struct work *work)
{
	struct adopt_links *links = CONTAINER_OF(work, struct adopt_links, work);

	if (links->fn)
		links->fn(links->data, &links->facts);
	free(links);
}

struct adopt_links *adopt_links_ask(struct worker *worker, const struct adopt_facts *facts,
				    adopt_links_fn *fn, void *data)
{
	struct adopt_links *links = xnew(struct adopt_links);

	links->work = (struct work){ .run = run, .done = done };
	links->facts = *facts;
	links->fn = fn;
	links->data = data;
	worker_submit(worker, &links->work);
	return links;
}

void adopt_links_cancel(struct adopt_links *links)
{
	if (links)
		links->fn = NULL;
}
