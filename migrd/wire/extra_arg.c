/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/extra_arg.h"

#include <string.h>

#include "base/mem.h"

static const struct row {
	const char *option;
	enum extra_kind kind;
	const char *implied; /* key of a first word that has none; NULL: it needs one */
	bool is_path;        /* the whole value is a path, commas too */
} rows[] = {
	{ "drive", EXTRA_IMAGE, NULL, false },
	{ "blockdev", EXTRA_IMAGE, "driver", false },
	{ "hda", EXTRA_IMAGE, NULL, true },
	{ "hdb", EXTRA_IMAGE, NULL, true },
	{ "hdc", EXTRA_IMAGE, NULL, true },
	{ "hdd", EXTRA_IMAGE, NULL, true },
	{ "fda", EXTRA_IMAGE, NULL, true },
	{ "fdb", EXTRA_IMAGE, NULL, true },
	{ "sd", EXTRA_IMAGE, NULL, true },
	{ "mtdblock", EXTRA_IMAGE, NULL, true },
	{ "pflash", EXTRA_IMAGE, NULL, true },
	{ "cdrom", EXTRA_MEDIUM, NULL, true },
	{ "object", EXTRA_OBJECT, "qom-type", false },
	{ "kernel", EXTRA_BOOT, NULL, true },
	{ "initrd", EXTRA_BOOT, NULL, true },
	{ "dtb", EXTRA_BOOT, NULL, true },
	{ "vnc", EXTRA_VNC, "vnc", false },
	{ "chardev", EXTRA_CHARDEV, "backend", false },
	{ "netdev", EXTRA_NETDEV, "type", false },
	{ "nic", EXTRA_NETDEV, "type", false },
	{ "net", EXTRA_NETDEV, "type", false },
};

const char *extra_arg_name(const char *option)
{
	if (option[0] != '-')
		return NULL;
	return option + (option[1] == '-' ? 2 : 1);
}

static const struct row *find(const char *option)
{
	const char *name = extra_arg_name(option);

	for (size_t i = 0; name && i < ARRAY_LEN(rows); i++) {
		if (strcmp(name, rows[i].option) == 0)
			return &rows[i];
	}
	return NULL;
}

bool extra_arg_read(const char *option, const char *value, struct extra_arg *ret)
{
	const struct row *row = find(option);
	struct extra_arg arg = { .opts = OPTLIST_INIT };
	struct err ignored;

	if (!row)
		return false;
	arg.option = row->option;
	arg.kind = row->kind;
	if (row->is_path)
		optlist_set(&arg.opts, "file", value);
	else if (!optlist_look(value, row->implied, &arg.opts, &ignored))
		return false;
	*ret = arg;
	return true;
}

bool extra_arg_next(const struct vm_def *def, size_t *at, struct extra_arg *ret)
{
	for (size_t i = *at; i + 1 < def->extra_arg_count; i++) {
		const char *value = def->extra_args[i + 1];

		*at = i + 1;
		if (value[0] != '-' && extra_arg_read(def->extra_args[i], value, ret))
			return true;
	}
	return false;
}

void extra_arg_fini(struct extra_arg *arg)
{
	optlist_fini(&arg->opts);
}

const char *extra_arg_file(const struct extra_arg *arg)
{
	static const char *const keys[] = { "file.filename", "filename", "mem-path", "path",
					    "file" };

	/* The last key, "file", is the name of a node in -blockdev. */
	for (size_t i = 0; i < ARRAY_LEN(keys) - (strcmp(arg->option, "blockdev") == 0); i++) {
		const char *file = optlist_get(&arg->opts, keys[i]);

		if (file)
			return file;
	}
	return NULL;
}

const char *extra_arg_tap(const struct extra_arg *arg)
{
	if (arg->kind != EXTRA_NETDEV || !optlist_is(&arg->opts, "type", "tap", ""))
		return NULL;
	return optlist_get(&arg->opts, "ifname");
}

bool extra_arg_is_on(const struct extra_arg *arg, const char *key)
{
	static const char *const words[] = { "on", "yes", "true", "y" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (optlist_is(&arg->opts, key, words[i], "off"))
			return true;
	}
	return false;
}

static bool may_be_written(const struct extra_arg *arg)
{
	return arg->kind == EXTRA_IMAGE && !extra_arg_is_on(arg, "readonly") &&
	       !extra_arg_is_on(arg, "read-only") &&
	       !optlist_is(&arg->opts, "media", "cdrom", "disk");
}

const char *extra_arg_written(const struct vm_def *def)
{
	struct extra_arg arg;
	size_t at = 0;

	while (extra_arg_next(def, &at, &arg)) {
		bool is_written = may_be_written(&arg);

		extra_arg_fini(&arg);
		if (is_written)
			return arg.option;
	}
	return NULL;
}
