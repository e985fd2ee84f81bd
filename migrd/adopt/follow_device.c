/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is behind a device now: nodes of -blockdev, networks, character devices. */
#include <string.h>
#include <strings.h>

#include "adopt/priv.h"
#include "base/mem.h"

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

void adopt_drop_node(struct adopt_plan *plan, const char *node)
{
	struct adopt_item *item = adopt_find(plan, ADOPT_BLOCKDEV, "node-name", node);

	if (!item || item->is_gone || is_referred_to(plan, node))
		return;
	item->is_gone = true;
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		adopt_drop_node(plan, optlist_get(&item->opts, children[i]));
}

/* The node and the nodes below it are what the command line says. */
static bool is_as_said(const struct adopt_plan *plan, const struct adopt_item *item)
{
	const char *name = optlist_get(&item->opts, "node-name");
	const struct adopt_node *node = name ? adopt_node_find(&plan->facts->blocks, name) : NULL;
	const char *file = optlist_get(&item->opts, "file.filename");

	if (!node || !optlist_is(&item->opts, "driver", node->driver, ""))
		return false;
	if (!file)
		file = optlist_get(&item->opts, "filename");
	if (file && strcmp(adopt_bare_file(file), node->file) != 0)
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

/* Writes a -blockdev for what is open now, in place of the node on the command line. */
static void write_node(struct adopt_plan *plan, struct adopt_item *device,
		       const struct adopt_block *block)
{
	CLEANUP(free_charp) char *said = NULL;
	char id[VM_DEF_ID_SIZE];
	struct adopt_item *item;

	if (!adopt_block_is_plain(block)) {
		adopt_refuse_graph(plan, device, block);
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
	adopt_note_now(plan, item, said, block->file);
	adopt_follow_flags(plan, item, block);
	adopt_change(device, "drive", id);
	adopt_drop_node(plan, said);
}

static void take_out(struct adopt_plan *plan, struct adopt_item *device)
{
	CLEANUP(free_charp) char *said = xstrdup(optlist_get(&device->opts, "drive"));

	adopt_note_now(plan, device, said, "");
	optlist_remove(&device->opts, "drive");
	device->is_changed = true;
	adopt_drop_node(plan, said);
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
		adopt_refuse_graph(plan, item, block);
	} else {
		adopt_follow_flags(plan, item, block);
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

/* ---- networks, character devices, and other values of a device ----------------------- */

/* KEY names another option (-netdev, -chardev); the device may use another of them now. */
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

/* The command line does not tell the host's side of a tap; the host was asked for it. */
static void note_tap(struct adopt_plan *plan, const char *option, const struct adopt_backend *tap)
{
	if (!tap->has_link)
		ADOPT_NOTE(plan, option,
			   "the tap '%.20s' is not among the interfaces that migrd sees on this "
			   "host: "
			   "a move wants one of that name, up, on the other host",
			   tap->ifname);
	else if (!tap->link.is_up)
		ADOPT_NOTE(plan, option,
			   "the tap '%.20s' is down now: the guest has no network by it, and no "
			   "host "
			   "takes the guest or starts it until its tap is up (ip link set %s up)",
			   tap->ifname, tap->ifname);
	if (tap->has_link && tap->link.master[0])
		ADOPT_NOTE(plan, option,
			   "the other host of a move must have the tap '%.20s' too, up and in "
			   "bridge "
			   "'%.20s', as it is here",
			   tap->ifname, tap->link.master);
	else if (tap->has_link)
		ADOPT_NOTE(plan, option,
			   "the tap '%.20s' is in no bridge now: the other host of a move must "
			   "have "
			   "it too, and what it is connected to there is not looked at",
			   tap->ifname);
}

/* A network may have been removed, and another one added with the same id. */
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
	if (now && strcmp(now->type, "tap") == 0)
		note_tap(plan, item->option, now);
}

/* Taps of -nic and -net have no -netdev to be compared with. */
static void note_other_taps(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->facts->nets.count; i++) {
		const struct adopt_backend *net = &plan->facts->nets.list[i];

		if (net->ifname[0] && !adopt_find(plan, ADOPT_NETDEV, "id", net->id))
			note_tap(plan, "-nic", net);
	}
}

void adopt_follow_netdevs(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		if (plan->items[i].kind == ADOPT_NETDEV)
			follow_netdev(plan, &plan->items[i]);
	}
	note_other_taps(plan);
}

/* NOW is the `filename' of query-chardev, which begins with the backend.  A socket has
 * "disconnected:" in front while nobody has called it; after a client has called, its name may
 * be only "unix:", without the path (QEMU's chardev/char-socket.c,
 * qemu_chr_compute_filename()). */
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
