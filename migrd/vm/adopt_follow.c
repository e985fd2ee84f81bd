/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line tells how a QEMU began.  What it says of drives, networks and
 * character devices is compared here with what they are now: QEMU counts, and what
 * could not be repeated on another host is refused by its name. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "vm/adopt_priv.h"

/* ---- what a drive is told --------------------------------------------------- */

/* The same file in two spellings. */
static const char *bare(const char *file)
{
	static const char *const prefixes[] = { "file:", "host_device:" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (strncmp(file, prefixes[i], strlen(prefixes[i])) == 0)
			return file + strlen(prefixes[i]);
	}
	return file;
}

static const char *file_key(const struct optlist *opts)
{
	return optlist_get(opts, "file.filename") ? "file.filename"
	       : optlist_get(opts, "filename")    ? "filename"
						  : "file";
}

static const char *format_key(const struct optlist *opts)
{
	return optlist_get(opts, "driver") ? "driver" : "format";
}

static void refuse_graph(struct adopt_plan *plan, const struct adopt_item *item,
			 const struct adopt_block *block)
{
	ADOPT_REFUSE(plan, item->option,
		     "what is open there is '%.100s' (%.20s): a path alone, of a raw or qcow2 "
		     "image, would not open the same on another host",
		     block->file, block->format);
}

static void note_now(struct adopt_plan *plan, const struct adopt_item *item, const char *said,
		     const char *now)
{
	ADOPT_NOTE(plan, item->option,
		   "the command line says '%.80s', and QEMU has '%.80s' open now: QEMU counts",
		   said ? said : "", now);
}

/* The format is never left to QEMU's guess: the guest can write what it likes. */
static void follow_format(struct adopt_plan *plan, struct adopt_item *item,
			  const struct adopt_block *block)
{
	const char *key = format_key(&item->opts), *said = optlist_get(&item->opts, key);

	if (said && strcmp(said, block->format) == 0)
		return;
	if (!said)
		ADOPT_NOTE(plan, item->option,
			   "the format of '%.80s' was guessed by QEMU: it is '%s' from here on",
			   block->file, block->format);
	adopt_change(item, key, block->format);
}

static void follow_file(struct adopt_plan *plan, struct adopt_item *item,
			const struct adopt_block *block)
{
	const char *key = file_key(&item->opts), *said = optlist_get(&item->opts, key);

	if (!said || strcmp(bare(said), block->file) != 0) {
		if (!adopt_block_is_plain(block)) {
			refuse_graph(plan, item, block);
			return;
		}
		note_now(plan, item, said, block->file);
		adopt_change(item, key, block->file);
	}
	follow_format(plan, item, block);
}

static bool is_cd(const struct optlist *opts)
{
	return optlist_is(opts, "media", "cdrom", "disk");
}

static void follow_readonly(struct adopt_item *item, const struct adopt_block *block)
{
	const char *key = item->kind == ADOPT_BLOCKDEV || optlist_get(&item->opts, "read-only")
				  ? "read-only"
				  : "readonly";
	bool said = optlist_is(&item->opts, key, "on", "off") ||
		    optlist_is(&item->opts, key, "true", "off");

	if (said != block->readonly && !is_cd(&item->opts))
		adopt_change(item, key, block->readonly ? "on" : "off");
}

static bool says_cache(const struct optlist *opts, const char *flag, const char *mode,
		       const char *other)
{
	CLEANUP(free_charp) char *key = xasprintf("cache.%s", flag);

	return optlist_is(opts, key, "on", "off") || optlist_is(opts, key, "true", "off") ||
	       optlist_is(opts, "cache", mode, "") || optlist_is(opts, "cache", other, "");
}

static void follow_cache(struct adopt_plan *plan, struct adopt_item *item,
			 const struct adopt_block *block)
{
	if (says_cache(&item->opts, "direct", "none", "directsync") == block->direct &&
	    says_cache(&item->opts, "no-flush", "unsafe", "unsafe") == block->no_flush)
		return;
	if (item->kind == ADOPT_BLOCKDEV) {
		adopt_change(item, "cache.direct", block->direct ? "on" : "off");
		adopt_change(item, "cache.no-flush", block->no_flush ? "on" : "off");
	} else if (block->direct && block->no_flush) {
		ADOPT_REFUSE(plan, item->option,
			     "'%.80s' is open now with cache.direct and cache.no-flush: -drive has "
			     "no word for both",
			     block->file);
	} else {
		adopt_change(item, "cache",
			     block->direct     ? "none"
			     : block->no_flush ? "unsafe"
					       : "writeback");
	}
}

/* ---- throttling ---------------------------------------------------------------- */

static uint64_t said_limit(const struct optlist *opts, const struct adopt_limit *limit)
{
	const char *text = optlist_get(opts, limit->key);

	if (!text && limit->old)
		text = optlist_get(opts, limit->old);
	return text ? strtoull(text, NULL, 10) : 0;
}

static bool is_throttled_as_said(const struct optlist *opts, const struct adopt_block *block)
{
	/* The length of a burst is 1 where there are bursts: all of them count only with limits. */
	for (size_t i = 0; i < ADOPT_LIMIT_COUNT; i++) {
		bool is_length = strstr(adopt_limits[i].query, "_length") != NULL;
		uint64_t said = said_limit(opts, &adopt_limits[i]), now = block->limits[i];

		if (said != now && !(is_length && said <= 1 && now <= 1))
			return false;
	}
	return true;
}

static void set_limits(struct adopt_item *item, const struct adopt_block *block)
{
	for (size_t i = 0; i < ADOPT_LIMIT_COUNT; i++) {
		char value[24];

		optlist_remove(&item->opts, adopt_limits[i].key);
		if (adopt_limits[i].old)
			optlist_remove(&item->opts, adopt_limits[i].old);
		item->is_changed = true;
		if (!block->limits[i] || !adopt_block_is_throttled(block))
			continue;
		snprintf(value, sizeof(value), "%llu", (unsigned long long)block->limits[i]);
		adopt_change(item, adopt_limits[i].key, value);
	}
	if (adopt_block_is_throttled(block) && strcmp(block->group, block->device) != 0)
		adopt_change(item, "throttling.group", block->group);
	else
		optlist_remove(&item->opts, "throttling.group");
}

static void follow_limits(struct adopt_plan *plan, struct adopt_item *item,
			  const struct adopt_block *block)
{
	if (item->kind == ADOPT_BLOCKDEV) {
		if (adopt_block_is_throttled(block))
			ADOPT_REFUSE(plan, item->option,
				     "'%.80s' is throttled now, which -blockdev cannot say: take "
				     "the limits off (block_set_io_throttle)",
				     block->file);
	} else if (!is_throttled_as_said(&item->opts, block)) {
		ADOPT_NOTE(plan, item->option,
			   "the limits of '%.80s' are not those of the command line: they are "
			   "taken as they are now",
			   block->file);
		set_limits(item, block);
	}
}

static void follow_medium(struct adopt_plan *plan, struct adopt_item *item,
			  const struct adopt_block *block)
{
	follow_file(plan, item, block);
	follow_readonly(item, block);
	follow_cache(plan, item, block);
	follow_limits(plan, item, block);
}

/* ---- -drive -------------------------------------------------------------------- */

static bool is_interface(const struct optlist *opts, const char *interface)
{
	return optlist_is(opts, "if", interface, "ide");
}

static uint64_t number_of(const struct optlist *opts, const char *key, uint64_t otherwise)
{
	const char *text = optlist_get(opts, key);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* How many drives of IDE a bus takes, by which QEMU counts them: one on q35
 * (MachineClass.units_per_default_bus), two on i440fx. */
static uint64_t units(const struct adopt_plan *plan)
{
	return strncmp(plan->facts->machine, "pc-q35-", 7) == 0 ? 1 : 2;
}

/* Its place among those of its interface, counted over buses; TAKEN: of those before. */
static uint64_t place_of(const struct adopt_plan *plan, const struct optlist *opts, uint64_t taken)
{
	uint64_t place = number_of(opts, "index", UINT64_MAX);

	if (place == UINT64_MAX && (optlist_get(opts, "unit") || optlist_get(opts, "bus")))
		place = number_of(opts, "bus", 0) * units(plan) + number_of(opts, "unit", 0);
	if (place != UINT64_MAX)
		return place;
	for (place = 0; place < 63 && taken & UINT64_C(1) << place;)
		place++;
	return place;
}

static uint64_t place_in_order(const struct adopt_plan *plan, const struct adopt_item *item)
{
	const char *interface = optlist_get(&item->opts, "if");
	uint64_t taken = 0, place = 0;

	for (const struct adopt_item *each = plan->items; each <= item; each++) {
		if (each->kind != ADOPT_DRIVE ||
		    !is_interface(&each->opts, interface ? interface : "ide"))
			continue;
		place = place_of(plan, &each->opts, taken);
		taken |= place < 64 ? UINT64_C(1) << place : 0;
	}
	return place;
}

/* As QEMU names a drive that was given none (blockdev.c, drive_new()). */
static char *name_of(const struct adopt_plan *plan, const struct adopt_item *item)
{
	const struct optlist *opts = &item->opts;
	const char *id = optlist_get(opts, "id"), *interface = optlist_get(opts, "if");
	unsigned long long place = place_in_order(plan, item);

	if (id)
		return xstrdup(id);
	if (is_interface(opts, "ide"))
		return xasprintf("ide%llu-%s%llu", place / units(plan), is_cd(opts) ? "cd" : "hd",
				 place % units(plan));
	return xasprintf("%s%llu", interface, place);
}

void adopt_follow_drive(struct adopt_plan *plan, struct adopt_item *item)
{
	CLEANUP(free_charp) char *name = name_of(plan, item);
	const struct adopt_block *block = adopt_block_of_drive(&plan->facts->blocks, name);

	if (!block && is_interface(&item->opts, "none")) {
		item->is_gone = true; /* it went with its device */
	} else if (!block) {
		ADOPT_REFUSE(plan, item->option,
			     "QEMU has no drive '%.40s' any more: what is open in its place is not "
			     "known",
			     name);
	} else if (block->has_medium) {
		follow_medium(plan, item, block);
	} else if (optlist_get(&item->opts, file_key(&item->opts))) {
		note_now(plan, item, optlist_get(&item->opts, file_key(&item->opts)), "");
		optlist_remove(&item->opts, file_key(&item->opts));
		optlist_remove(&item->opts, "format");
		item->is_changed = true;
	}
}

void adopt_follow_drives(struct adopt_plan *plan)
{
	if (plan->facts->blocks.jobs)
		ADOPT_REFUSE(plan, "-drive",
			     "%zu block jobs are under way, at whose end other images may be open: "
			     "wait for them or cancel them (query-block-jobs)",
			     plan->facts->blocks.jobs);
	for (size_t i = 0; i < plan->item_count; i++) {
		if (plan->items[i].kind == ADOPT_DRIVE)
			adopt_follow_drive(plan, &plan->items[i]);
	}
}

/* ---- -blockdev ------------------------------------------------------------------- */

static const char *const children[] = { "file", "backing" };

static bool is_referred_to(const struct adopt_plan *plan, const char *node)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		const struct adopt_item *item = &plan->items[i];

		if (!item->is_gone && (optlist_is(&item->opts, "drive", node, "") ||
				       (item->kind == ADOPT_BLOCKDEV &&
					(optlist_is(&item->opts, "file", node, "") ||
					 optlist_is(&item->opts, "backing", node, "")))))
			return true;
	}
	return false;
}

/* With the nodes that only it had. */
static void drop_node(struct adopt_plan *plan, const char *node)
{
	struct adopt_item *item = adopt_find(plan, ADOPT_BLOCKDEV, "node-name", node);

	if (!item || item->is_gone || is_referred_to(plan, node))
		return;
	item->is_gone = true;
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		drop_node(plan, optlist_get(&item->opts, children[i]));
}

/* A node and those below it are what the command line says. */
static bool is_as_said(const struct adopt_plan *plan, const struct adopt_item *item)
{
	const char *name = optlist_get(&item->opts, "node-name");
	const struct adopt_node *node = name ? adopt_node_find(&plan->facts->blocks, name) : NULL;
	const char *file = optlist_get(&item->opts, "file.filename");

	if (!node || !optlist_is(&item->opts, "driver", node->driver, ""))
		return false;
	if (!file)
		file = optlist_get(&item->opts, "filename");
	if (file && strcmp(bare(file), node->file) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		const char *child = optlist_get(&item->opts, children[i]);
		const struct adopt_item *below = adopt_find((struct adopt_plan *)(uintptr_t)plan,
							    ADOPT_BLOCKDEV, "node-name", child);

		if (child && *child && below && !is_as_said(plan, below))
			return false;
	}
	return true;
}

/* In place of what the command line made. */
static void write_node(struct adopt_plan *plan, struct adopt_item *device,
		       const struct adopt_block *block)
{
	CLEANUP(free_charp) char *said = NULL;
	char id[VM_DEF_ID_SIZE];
	struct adopt_item *item;

	if (!adopt_block_is_plain(block)) {
		refuse_graph(plan, device, block);
		return;
	}
	if (optlist_get(&device->opts, "drive"))
		said = xstrdup(optlist_get(&device->opts, "drive"));
	adopt_make_id(plan, NULL, "now", id);
	item = adopt_add_list(plan, ADOPT_BLOCKDEV, "-blockdev", block->format, "driver");
	if (!item)
		return;
	adopt_change(item, "node-name", id);
	adopt_change(item, "read-only", block->readonly ? "on" : "off");
	adopt_change(item, "file.driver", "file");
	adopt_change(item, "file.filename", block->file);
	adopt_change(item, "cache.direct", block->direct ? "on" : "off");
	adopt_change(item, "cache.no-flush", block->no_flush ? "on" : "off");
	note_now(plan, item, said, block->file);
	follow_limits(plan, item, block);
	adopt_change(device, "drive", id);
	drop_node(plan, said);
}

static void take_out(struct adopt_plan *plan, struct adopt_item *device)
{
	CLEANUP(free_charp) char *said = xstrdup(optlist_get(&device->opts, "drive"));

	note_now(plan, device, said, "");
	optlist_remove(&device->opts, "drive");
	device->is_changed = true;
	drop_node(plan, said);
}

static void follow_node(struct adopt_plan *plan, struct adopt_item *device,
			const struct adopt_block *block)
{
	const char *said = optlist_get(&device->opts, "drive");
	struct adopt_item *item = adopt_find(plan, ADOPT_BLOCKDEV, "node-name", said);

	if (!block->has_medium) {
		if (said)
			take_out(plan, device);
	} else if (!item || strcmp(block->node, said) != 0 || !is_as_said(plan, item)) {
		write_node(plan, device, block);
	} else if (strncmp(block->file, "json:", 5) == 0) {
		refuse_graph(plan, item, block);
	} else {
		follow_readonly(item, block);
		follow_cache(plan, item, block);
		follow_limits(plan, item, block);
	}
}

static void follow_block(struct adopt_plan *plan, struct adopt_item *device,
			 const struct adopt_device *fact)
{
	CLEANUP(free_charp) char *object = adopt_object_path(fact);
	const struct adopt_block *block =
		adopt_block_of_device(&plan->facts->blocks, object,
				      fact->place == ADOPT_NAMED ? fact->name : "");
	const char *said = optlist_get(&device->opts, "drive");

	if (!block) {
		if (said)
			ADOPT_REFUSE(plan, device->option,
				     "QEMU does not tell which image the device '%.40s' with "
				     "drive=%.40s has now",
				     fact->name, said);
	} else if (!block->device[0]) {
		follow_node(plan, device, block);
	} else if (!said || strcmp(said, block->device) != 0) {
		if (!adopt_find(plan, ADOPT_DRIVE, "id", block->device))
			ADOPT_REFUSE(plan, device->option,
				     "the device '%.40s' has the drive '%.40s' now, which the "
				     "command line does not tell of: it was added later",
				     fact->name, block->device);
		else
			adopt_change(device, "drive", block->device);
	}
}

/* ---- networks, character devices, and what else a device is told --------------------- */

/* A key that names another option: it may name another one now. */
static void follow_name(struct adopt_plan *plan, struct adopt_item *device,
			const struct adopt_device *fact, enum adopt_kind kind, const char *key,
			const char *now)
{
	const char *said = optlist_get(&device->opts, key);

	if (!said || strcmp(said, now) == 0)
		return;
	if (*now && adopt_find(plan, kind, "id", now))
		adopt_change(device, key, now);
	else
		ADOPT_REFUSE(plan, device->option,
			     "the device '%.40s' has %s=%.40s on the command line, and '%.40s' "
			     "now, "
			     "which was added later",
			     fact->name, key, said, now);
}

static void follow_value(struct adopt_item *device, const char *key, const char *now,
			 const char *none)
{
	const char *said = optlist_get(&device->opts, key);

	if (strcasecmp(said ? said : none, now) == 0)
		return;
	if (strcmp(now, none) == 0) {
		optlist_remove(&device->opts, key);
		device->is_changed = true;
	} else {
		adopt_change(device, key, now);
	}
}

void adopt_follow_device(struct adopt_plan *plan, struct adopt_item *device,
			 const struct adopt_device *fact)
{
	follow_block(plan, device, fact);
	if (fact->has[ADOPT_NETDEV_NOW])
		follow_name(plan, device, fact, ADOPT_NETDEV, "netdev",
			    fact->now[ADOPT_NETDEV_NOW]);
	if (fact->has[ADOPT_CHARDEV_NOW])
		follow_name(plan, device, fact, ADOPT_CHARDEV, "chardev",
			    fact->now[ADOPT_CHARDEV_NOW]);
	if (fact->has[ADOPT_BOOTINDEX_NOW])
		follow_value(device, "bootindex", fact->now[ADOPT_BOOTINDEX_NOW], "-1");
	if (fact->has[ADOPT_SERIAL_NOW])
		follow_value(device, "serial", fact->now[ADOPT_SERIAL_NOW], "");
	if (fact->mac[0] && optlist_get(&device->opts, "mac"))
		follow_value(device, "mac", fact->mac, "");
}

/* -netdev of an id that was taken out and added again may be another one. */
static void follow_netdev(struct adopt_plan *plan, struct adopt_item *item)
{
	const char *id = optlist_get(&item->opts, "id");
	const char *type = optlist_get(&item->opts, "type");
	const struct adopt_backend *now = id ? adopt_backend_find(plan->facts, id) : NULL;

	if (!now) {
		ADOPT_REFUSE(plan, item->option, "QEMU has no network '%.40s' any more",
			     id ? id : "");
	} else if (!type || strcmp(type, now->type) != 0) {
		ADOPT_REFUSE(plan, item->option,
			     "the network '%.40s' is of type '%.20s' on the command line, and of "
			     "'%.20s' now",
			     id, type ? type : "", now->type);
	} else if (now->ifname[0] && !optlist_is(&item->opts, "ifname", now->ifname, "")) {
		ADOPT_NOTE(plan, item->option,
			   "the network '%.40s' has the interface '%.20s' now: QEMU counts", id,
			   now->ifname);
		adopt_change(item, "ifname", now->ifname);
	}
}

void adopt_follow_netdevs(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		if (plan->items[i].kind == ADOPT_NETDEV)
			follow_netdev(plan, &plan->items[i]);
	}
}

/* How query-chardev begins its `filename'; a socket that nobody has called says
 * "disconnected:" before it, and of a client that has called only "unix:", without the
 * path (QEMU's chardev/char-socket.c, qemu_chr_compute_filename()). */
static bool is_chardev_as_said(const struct optlist *opts, const char *now)
{
	const char *backend = optlist_get(opts, "backend"), *path = optlist_get(opts, "path");
	const char *colon = strstr(now, "unix:");

	if (strcmp(backend, "socket") != 0)
		return strncmp(now, backend, strlen(backend)) == 0;
	if (!path)
		return !colon || strcmp(colon, "unix:") == 0;
	return colon && (strcmp(colon, "unix:") == 0 || strstr(colon, path));
}

void adopt_follow_chardev(struct adopt_plan *plan, const struct adopt_item *item)
{
	const char *id = optlist_get(&item->opts, "id");
	const struct adopt_backend *now = id ? adopt_chardev_find(plan->facts, id) : NULL;

	if (!optlist_get(&item->opts, "backend"))
		return; /* refused already */
	if (!now)
		ADOPT_REFUSE(plan, item->option, "QEMU has no character device '%.40s' any more",
			     id ? id : "");
	else if (!is_chardev_as_said(&item->opts, now->type))
		ADOPT_REFUSE(plan, item->option,
			     "the character device '%.40s' is '%.80s' now, not what the command "
			     "line says",
			     id, now->type);
}
