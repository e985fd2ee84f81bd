/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refuses by name what was added, removed or changed since QEMU was started, if a definition
 * has no place for it except the option of that start. */
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"

#define VNC_PORT 5900

/* ---- -object -------------------------------------------------------------------- */

/* Objects of QEMU itself: memory of a machine without memory-backend; since 11.1, monitors. */
static bool is_made_by_qemu(const struct adopt_backend *object)
{
	return strcmp(object->id, "pc.ram") == 0 || strncmp(object->type, "monitor-", 8) == 0;
}

static struct adopt_item *object_of(struct adopt_plan *plan, const char *id)
{
	return adopt_find(plan, ADOPT_OBJECT, "id", id);
}

static void compare_objects(struct adopt_plan *plan)
{
	const struct adopt_facts *facts = plan->facts;

	for (size_t i = 0; i < facts->objects.count; i++) {
		const struct adopt_backend *object = &facts->objects.list[i];

		if (!is_made_by_qemu(object) && !object_of(plan, object->id))
			ADOPT_REFUSE(plan, "-object",
				     "object '%s' (%s) was added since that QEMU was started: "
				     "remove "
				     "it with object-del first",
				     object->id, object->type);
	}
	for (size_t i = 0; i < plan->item_count; i++) {
		const char *id = plan->items[i].kind == ADOPT_OBJECT
					 ? optlist_get(&plan->items[i].opts, "id")
					 : NULL;

		if (id && !adopt_object_find(facts, id))
			ADOPT_REFUSE(plan, "-object",
				     "object '%s' was removed since that QEMU was started: add it "
				     "with object-add again",
				     id);
	}
}

/* ---- -vnc ------------------------------------------------------------------------ */

/* The port of "HOST:N"; 0: another form, or not one fixed port that VNC listens on. */
static unsigned port_of(const struct optlist *opts)
{
	const char *address = optlist_get(opts, "vnc"), *colon;
	unsigned number;
	char more;

	colon = address && strncmp(address, "unix:", 5) != 0 ? strrchr(address, ':') : NULL;
	if (!colon || optlist_get(opts, "to") || optlist_get(opts, "reverse") ||
	    sscanf(colon + 1, "%5u%c", &number, &more) != 1)
		return 0;
	return VNC_PORT + number;
}

static void compare_display(struct adopt_plan *plan, const struct optlist *opts)
{
	const char *id = optlist_get(opts, "id");
	unsigned port = port_of(opts);
	char text[16];

	snprintf(text, sizeof(text), "%u", port);
	if (port && !adopt_vnc_listens(plan->facts, id ? id : "default", text))
		ADOPT_REFUSE(plan, "-vnc",
			     "it does not listen on port %u any more, as it did when that QEMU was "
			     "started: set it back with display-update",
			     port);
}

/* -vnc stays as it was given, even if it cannot be parsed here; only its port is compared. */
static void compare_vnc(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
		const struct adopt_item *item = &plan->items[i];
		struct err err;

		if (item->kind == ADOPT_PLAIN && strcmp(item->option, "-vnc") == 0 &&
		    optlist_parse(item->text, "vnc", &opts, &err))
			compare_display(plan, &opts);
	}
}

/* ---- hostfwd --------------------------------------------------------------------- */

/* "tcp:[HOST]:PORT-[GUEST]:PORT" as "tcp:PORT-PORT"; "" when it is another form. */
static void read_forward(const char *text, char ret[32])
{
	const char *dash = strchr(text, '-');
	const char *from = dash ? memrchr(text, ':', (size_t)(dash - text)) : NULL;
	const char *to = dash ? strrchr(dash, ':') : NULL;
	unsigned host, guest;
	char more;

	ret[0] = '\0';
	if (from && to && sscanf(from, ":%5u%c", &host, &more) == 2 && more == '-' &&
	    sscanf(to, ":%5u%c", &guest, &more) == 1)
		snprintf(ret, 32, "%s:%u-%u", strncmp(text, "udp", 3) == 0 ? "udp" : "tcp", host,
			 guest);
}

static bool has_forward(const struct adopt_facts *facts, const char *forward)
{
	for (size_t i = 0; i < facts->forwards.count; i++) {
		if (strcmp(facts->forwards.list[i].type, forward) == 0)
			return true;
	}
	return false;
}

/* Compares the forwards of all networks together: those of -nic and -net have no name. */
static size_t compare_options(struct adopt_plan *plan, const struct adopt_item *item)
{
	char forward[32];
	size_t count = 0;

	for (size_t i = 0; i < item->opts.count; i++) {
		const struct opt *opt = &item->opts.opts[i];

		if (!opt->value || strncmp(opt->key, "hostfwd", 7) != 0)
			continue;
		count++;
		read_forward(opt->value, forward);
		if (*forward && !has_forward(plan->facts, forward))
			ADOPT_REFUSE(plan, item->option,
				     "hostfwd=%.60s was removed since that QEMU was started: add "
				     "it "
				     "with hostfwd_add again",
				     opt->value);
	}
	return count;
}

static void compare_forwards(struct adopt_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->item_count; i++) {
		enum adopt_kind kind = plan->items[i].kind;

		if (kind == ADOPT_NETDEV || kind == ADOPT_NIC || kind == ADOPT_NET)
			count += compare_options(plan, &plan->items[i]);
	}
	if (plan->facts->forwards.count > count)
		ADOPT_REFUSE(plan, "-netdev",
			     "%zu ports of the host lead to the guest, and that QEMU was started "
			     "with %zu (hostfwd): take the others back with hostfwd_remove",
			     plan->facts->forwards.count, count);
}

void adopt_refuse_changed(struct adopt_plan *plan)
{
	compare_objects(plan);
	compare_vnc(plan);
	compare_forwards(plan);
}
