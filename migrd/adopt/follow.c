/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line tells how a QEMU began.  What it says of drives, networks and
 * character devices is compared here with what they are now: QEMU counts, and what
 * could not be repeated on another host is refused by its name. */
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"

/* ---- file, format and flags of a drive -------------------------------------- */

/* QEMU names the same file with and without these prefixes. */
const char *adopt_bare_file(const char *file)
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

void adopt_refuse_graph(struct adopt_plan *plan, const struct adopt_item *item,
			const struct adopt_block *block)
{
	ADOPT_REFUSE(plan, item->option,
		     "what is open there is '%.100s' (%.20s): a path alone, of a raw or qcow2 "
		     "image, would not open the same on another host",
		     block->file, block->format);
}

void adopt_note_now(struct adopt_plan *plan, const struct adopt_item *item, const char *said,
		    const char *now)
{
	ADOPT_NOTE(plan, item->option,
		   "the command line says '%.80s', and QEMU has '%.80s' open now: QEMU counts",
		   said ? said : "", now);
}

/* QEMU never guesses the format on another host: the guest may have written any header. */
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

	if (!said || strcmp(adopt_bare_file(said), block->file) != 0) {
		if (!adopt_block_is_plain(block)) {
			adopt_refuse_graph(plan, item, block);
			return;
		}
		adopt_note_now(plan, item, said, block->file);
		adopt_change(item, key, block->file);
	}
	follow_format(plan, item, block);
}

static void follow_readonly(struct adopt_item *item, const struct adopt_block *block)
{
	const char *key = item->kind == ADOPT_BLOCKDEV || optlist_get(&item->opts, "read-only")
				  ? "read-only"
				  : "readonly";
	bool said = optlist_is(&item->opts, key, "on", "off") ||
		    optlist_is(&item->opts, key, "true", "off");

	if (said != block->readonly)
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
	/* A burst length is 1 by default, and absent without bursts: 0 and 1 are equal. */
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

void adopt_follow_flags(struct adopt_plan *plan, struct adopt_item *item,
			const struct adopt_block *block)
{
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

/* IDE drives per bus, by which QEMU counts their places: one on q35
 * (MachineClass.units_per_default_bus), two on i440fx. */
static uint64_t units(const struct adopt_plan *plan)
{
	return strncmp(plan->facts->machine, "pc-q35-", 7) == 0 ? 1 : 2;
}

/* The place of a drive among all of its interface, counted across buses; TAKEN: bits of the
 * places that the drives before it have. */
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

void adopt_pin_place(struct adopt_plan *plan, struct adopt_item *item)
{
	char place[24];

	if (optlist_get(&item->opts, "index") || optlist_get(&item->opts, "unit") ||
	    optlist_get(&item->opts, "bus"))
		return;
	snprintf(place, sizeof(place), "%llu", (unsigned long long)place_in_order(plan, item));
	adopt_change(item, "index", place);
}

/* Source: QEMU's blockdev.c, drive_new(). */
char *adopt_drive_name(const struct adopt_plan *plan, const struct adopt_item *item)
{
	const struct optlist *opts = &item->opts;
	const char *id = optlist_get(opts, "id"), *interface = optlist_get(opts, "if");
	unsigned long long place = place_in_order(plan, item);

	if (id)
		return xstrdup(id);
	if (is_interface(opts, "ide"))
		return xasprintf("ide%llu-%s%llu", place / units(plan),
				 adopt_is_cd_drive(item) ? "cd" : "hd", place % units(plan));
	return xasprintf("%s%llu", interface, place);
}

void adopt_follow_drive(struct adopt_plan *plan, struct adopt_item *item)
{
	CLEANUP(free_charp) char *name = adopt_drive_name(plan, item);
	const struct adopt_block *block = adopt_block_of_drive(&plan->facts->blocks, name);

	if (!block && is_interface(&item->opts, "none")) {
		item->is_gone = true; /* it was removed with its device */
	} else if (!block) {
		ADOPT_REFUSE(plan, item->option,
			     "QEMU has no drive '%.40s' any more: what is open in its place is not "
			     "known",
			     name);
	} else if (block->has_medium) {
		follow_file(plan, item, block);
		adopt_follow_flags(plan, item, block);
	} else if (optlist_get(&item->opts, file_key(&item->opts))) {
		adopt_note_now(plan, item, optlist_get(&item->opts, file_key(&item->opts)), "");
		optlist_remove(&item->opts, file_key(&item->opts));
		optlist_remove(&item->opts, "format");
		item->is_changed = true;
	}
}

/* A CD drive, whose medium is taken later, when all devices are known (adopt/cdrom.c). */
static bool has_tray(const struct adopt_plan *plan, const struct adopt_item *item)
{
	CLEANUP(free_charp) char *name = adopt_drive_name(plan, item);
	const struct adopt_block *block = adopt_block_of_drive(&plan->facts->blocks, name);

	return block && block->has_tray && adopt_is_cd_drive(item);
}

void adopt_follow_drives(struct adopt_plan *plan)
{
	if (plan->facts->blocks.jobs)
		ADOPT_REFUSE(plan, "-drive",
			     "%zu block jobs are under way, at whose end other images may be open: "
			     "wait for them or cancel them (query-block-jobs)",
			     plan->facts->blocks.jobs);
	for (size_t i = 0; i < plan->item_count; i++) {
		if (plan->items[i].kind == ADOPT_DRIVE && !has_tray(plan, &plan->items[i]))
			adopt_follow_drive(plan, &plan->items[i]);
	}
}
