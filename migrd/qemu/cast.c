/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void cast_fini(struct cast *cast)
{
	for (size_t i = 0; i < cast->owned_count; i++)
		free(cast->owned[i]);
	for (size_t i = 0; i < cast->driver_count; i++)
		optlist_fini(&cast->drivers[i].properties);
}

static void add_arg(struct cast *cast, const char *option, const char *value)
{
	if (cast->arg_count + 2 >= CAST_ARGS_MAX)
		return;
	cast->args[cast->arg_count++] = option;
	if (value)
		cast->args[cast->arg_count++] = value;
}

static void add_owned(struct cast *cast, const char *option, char *value)
{
	if (cast->arg_count + 2 >= CAST_ARGS_MAX) {
		free(value);
		return;
	}
	cast->owned[cast->owned_count++] = value;
	add_arg(cast, option, value);
}

/* -device takes other names of some types, which nothing else of QEMU knows (qdev_alias_table in
 * system/qdev-monitor.c); those of virtio are of PCI in an x86 machine. */
static void name_type(const char *name, char ret[VM_DEF_DRIVER_SIZE])
{
	static const char *const of_pci[] = {
		"virtio-9p",     "virtio-balloon",    "virtio-blk",   "virtio-gpu",
		"virtio-gpu-gl", "virtio-input-host", "virtio-iommu", "virtio-keyboard",
		"virtio-mouse",  "virtio-net",        "virtio-rng",   "virtio-scsi",
		"virtio-serial", "virtio-sound",      "virtio-tablet"
	};
	static const struct {
		const char *alias, *type;
	} others[] = { { "ahci", "ich9-ahci" },
		       { "lsi", "lsi53c895a" },
		       { "e1000-82540em", "e1000" } };

	for (size_t i = 0; i < ARRAY_LEN(of_pci); i++) {
		if (strcmp(name, of_pci[i]) == 0) {
			snprintf(ret, VM_DEF_DRIVER_SIZE, "%s-pci", of_pci[i]);
			return;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (strcmp(name, others[i].alias) == 0)
			name = others[i].type;
	}
	snprintf(ret, VM_DEF_DRIVER_SIZE, "%s", name);
}

/* NULL: there are too many of them. */
static struct rehearsal_driver *add_driver(struct cast *cast, const char *name)
{
	struct rehearsal_driver *driver;

	for (size_t i = 0; i < cast->driver_count; i++) {
		if (strcmp(cast->drivers[i].name, name) == 0)
			return &cast->drivers[i];
	}
	if (cast->driver_count == REHEARSAL_DRIVERS_MAX)
		return NULL;
	driver = &cast->drivers[cast->driver_count++];
	snprintf(driver->name, sizeof(driver->name), "%s", name);
	return driver;
}

/* Not what -device takes for itself (system/qdev-monitor.c), nor an element of an array, as
 * "ports[0]", which QEMU before 9.0 makes only when "len-ports" is set
 * (hw/core/qdev-properties.c). */
static bool is_property(const char *key)
{
	return strcmp(key, "driver") != 0 && strcmp(key, "id") != 0 && strcmp(key, "bus") != 0 &&
	       !strchr(key, '[');
}

/* What is in a property that is a list or an object has a dotted key. */
static void add_properties(struct rehearsal_driver *driver, const struct optlist *opts)
{
	for (size_t i = 0; i < opts->count; i++) {
		const char *key = opts->opts[i].key;
		CLEANUP(free_charp) char *name = xasprintf("%.*s", (int)strcspn(key, "."), key);

		if (is_property(name) && driver->properties.count < OPTLIST_MAX)
			optlist_set(&driver->properties, name, "");
	}
}

static void take_plain(struct cast *cast, const char *option, const char *value)
{
	add_arg(cast, option, value);
}

/* VALUE: "{\"driver\":\"e1000\",...}" or "e1000,...". */
static void take_device(struct cast *cast, const char *option, const char *value)
{
	struct rehearsal_driver *driver;
	struct optlist opts;
	struct err ignored;
	char type[VM_DEF_DRIVER_SIZE];
	const char *name;

	(void)option;
	if (!optlist_look(value, "driver", &opts, &ignored))
		return;
	name = optlist_get(&opts, "driver");
	if (name && *name && strlen(name) < sizeof(type)) {
		name_type(name, type);
		driver = add_driver(cast, type);
		if (driver)
			add_properties(driver, &opts);
	}
	optlist_fini(&opts);
}

/* Without what names things that are not there: objects, block nodes, files. */
static void take_machine(struct cast *cast, const char *option, const char *value)
{
	static const char *const elsewhere[] = { "memory-backend",
						 "pflash0",
						 "pflash1",
						 "firmware",
						 "kernel",
						 "initrd",
						 "dtb",
						 "dumpdtb",
						 "igvm-cfg",
						 "memory-encryption",
						 "confidential-guest-support" };
	struct optlist opts;
	struct err ignored;
	size_t count;

	if (!optlist_look(value, "type", &opts, &ignored)) {
		add_arg(cast, option, value); /* QEMU says what is wrong with it */
		return;
	}
	count = opts.count;
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
		optlist_remove(&opts, elsewhere[i]);
	if (opts.count == count)
		add_arg(cast, option, value);
	else if (opts.count)
		add_owned(cast, option, optlist_format(&opts));
	optlist_fini(&opts);
}

/* mem-lock would lock memory here. */
static void take_overcommit(struct cast *cast, const char *option, const char *value)
{
	if (strstr(value, "cpu-pm=on"))
		add_arg(cast, option, "cpu-pm=on");
}

static const struct option {
	const char *name;
	bool has_value;
	void (*take)(struct cast *cast, const char *option, const char *value);
} options[] = {
	{ "-machine", true, take_machine },
	{ "-M", true, take_machine },
	{ "-accel", true, take_plain },
	{ "-cpu", true, take_plain },
	{ "-smp", true, take_plain },
	{ "-global", true, take_plain },
	{ "-overcommit", true, take_overcommit },
	{ "-device", true, take_device },
	{ "-sandbox", true, take_plain },
	{ "-nodefaults", false, take_plain },
	{ "-no-user-config", false, take_plain },
};

static const struct option *find_option(const char *arg)
{
	if (arg[0] == '-' && arg[1] == '-')
		arg++;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strcmp(options[i].name, arg) == 0)
			return &options[i];
	}
	return NULL;
}

void cast_choose(struct cast *cast, const char *const *argv)
{
	size_t count = 0;

	while (argv[count])
		count++;
	for (size_t i = 1; i < count; i++) {
		const struct option *option = find_option(argv[i]);

		if (!option || (option->has_value && i + 1 == count))
			continue;
		option->take(cast, option->name, option->has_value ? argv[i + 1] : NULL);
		i += option->has_value;
	}
}
