/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Character devices, serial and parallel lines, monitors. */
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"

/* Backends that a person or program at the QEMU process uses: nobody does so on
 * another host. */
static const char *const attended[] = { "stdio", "pty", "vc", "msmouse", "braille", NULL };
static const char *const repeatable[] = { "null", "file", "socket", "udp", "ringbuf", NULL };

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

static void note_attended(struct adopt_plan *plan, const char *option, const char *what)
{
	ADOPT_NOTE(plan, option,
		   "'%.60s' is of that process: after a move, what the guest writes there goes "
		   "nowhere",
		   what);
}

/* ---- -chardev -------------------------------------------------------------------- */

void adopt_take_chardev(struct adopt_plan *plan, const struct adopt_option *option,
			const char *value)
{
	struct adopt_item *item =
		adopt_add_list(plan, ADOPT_CHARDEV, option->name, value, "backend");
	const char *backend = item ? optlist_get(&item->opts, "backend") : NULL;

	if (!item)
		return;
	adopt_follow_chardev(plan, item);
	if (backend && is_one_of(backend, attended)) {
		note_attended(plan, option->name, backend);
		adopt_change(item, "backend", "null");
		optlist_remove(&item->opts, "signal");
	} else if (!backend || !is_one_of(backend, repeatable)) {
		ADOPT_REFUSE(plan, option->name, "'%.20s' is not known to move",
			     backend ? backend : "");
	} else if (optlist_get(&item->opts, "fd")) {
		ADOPT_REFUSE(plan, option->name,
			     "a descriptor of that process does not exist on another host");
	} else if (strcmp(backend, "file") == 0) {
		adopt_change(item, "append", "on"); /* a move must not empty it */
	}
}

/* ---- monitors ----------------------------------------------------------------------- */

void adopt_take_monitor(struct adopt_plan *plan, const struct adopt_option *option,
			const char *value)
{
	(void)option;
	plan->monitors += strcmp(value, "none") != 0;
}

void adopt_take_mon(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	struct adopt_item *item = adopt_add_list(plan, ADOPT_MON, option->name, value, "chardev");

	plan->monitors++;
	if (item)
		item->is_gone = true;
}

/* The chardev of a monitor is dropped with it, unless another device uses it too. */
static bool is_used_elsewhere(const struct adopt_plan *plan, const char *id)
{
	CLEANUP(free_charp) char *serial = xasprintf("chardev:%s", id);

	for (size_t i = 0; i < plan->item_count; i++) {
		const struct adopt_item *item = &plan->items[i];

		if (item->kind != ADOPT_MON && optlist_is(&item->opts, "chardev", id, ""))
			return true;
		if (item->kind == ADOPT_PLAIN && item->text && strcmp(item->text, serial) == 0)
			return true;
	}
	return false;
}

void adopt_chardevs_end(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		const struct adopt_item *mon = &plan->items[i];
		struct adopt_item *chardev =
			mon->kind == ADOPT_MON ? adopt_find(plan, ADOPT_CHARDEV, "id",
							    optlist_get(&mon->opts, "chardev"))
					       : NULL;

		if (chardev && !is_used_elsewhere(plan, optlist_get(&chardev->opts, "id")))
			chardev->is_gone = true;
	}
	if (plan->monitors > 1)
		ADOPT_NOTE(plan, "-monitor",
			   "that QEMU has %u monitors: whoever reaches another one than this can "
			   "command it behind migrd's back, until its first move",
			   plan->monitors);
}

/* ---- serial lines -------------------------------------------------------------------- */

static bool set_serial(struct adopt_plan *plan, enum vm_def_serial_type type, const char *path)
{
	struct vm_def_serial *serial = &plan->def->serial;

	if (!path || path[0] != '/' || strlen(path) >= sizeof(serial->path))
		return false;
	serial->type = type;
	snprintf(serial->path, sizeof(serial->path), "%s", path);
	return true;
}

/* For the first serial line only: that of the definition comes before all others. */
static bool map_serial(struct adopt_plan *plan, const char *value)
{
	static const char *const file[] = { "backend", "id", "path", "append", NULL };
	static const char *const socket[] = { "backend",   "id",           "path", "server",
					      "reconnect", "reconnect-ms", NULL };
	struct adopt_item *item;

	if (strncmp(value, "file:", 5) == 0)
		return set_serial(plan, VM_DEF_SERIAL_TYPE_FILE, value + 5);
	if (strncmp(value, "chardev:", 8) != 0)
		return false;
	item = adopt_find(plan, ADOPT_CHARDEV, "id", value + 8);
	if (!item)
		return false;
	if (optlist_is(&item->opts, "backend", "file", "") && !optlist_stranger(&item->opts, file))
		item->is_gone =
			set_serial(plan, VM_DEF_SERIAL_TYPE_FILE, optlist_get(&item->opts, "path"));
	else if (optlist_is(&item->opts, "backend", "socket", "") &&
		 optlist_is(&item->opts, "server", "off", "off") &&
		 !optlist_stranger(&item->opts, socket))
		item->is_gone = set_serial(plan, VM_DEF_SERIAL_TYPE_SOCKET,
					   optlist_get(&item->opts, "path"));
	return item->is_gone;
}

static bool is_attended(const char *value)
{
	return strncmp(value, "mon:", 4) == 0 || strcmp(value, "stdio") == 0 ||
	       strcmp(value, "pty") == 0 || strncmp(value, "vc", 2) == 0;
}

static bool is_repeatable(const char *value)
{
	static const char *const prefixes[] = { "null", "none",    "file:", "unix:",
						"tcp:", "telnet:", "udp:",  "chardev:" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (strncmp(value, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

void adopt_take_serial(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	bool is_first = plan->serials == 0;

	plan->serials += strcmp(value, "none") != 0;
	if (is_first && map_serial(plan, value))
		return;
	if (is_attended(value)) {
		note_attended(plan, option->name, value);
		adopt_add(plan, ADOPT_PLAIN, option->name, "null");
	} else if (is_repeatable(value)) {
		adopt_add(plan, ADOPT_PLAIN, option->name, value);
	} else {
		ADOPT_REFUSE(plan, option->name, "'%.60s' is not known to move", value);
	}
}

void adopt_take_parallel(struct adopt_plan *plan, const struct adopt_option *option,
			 const char *value)
{
	plan->parallels += strcmp(value, "none") != 0;
	if (strcmp(value, "null") == 0 || strcmp(value, "none") == 0)
		adopt_add(plan, ADOPT_PLAIN, option->name, value);
	else
		ADOPT_REFUSE(plan, option->name, "'%.60s' is not known to move", value);
}
