/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a definition needs by its raw arguments of QEMU (extra_args). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preflight/needs_priv.h"
#include "wire/extra_arg.h"
#include "wire/vm_def_memory.h"

#define VNC_PORT_BASE 5900 /* QEMU's -vnc HOST:N listens at 5900 + N (ui/vnc.c) */

static void add_raw_file(struct needs *needs, const struct extra_arg *arg, enum need_kind kind)
{
	const char *path = extra_arg_file(arg);
	char what[NEED_WHAT_SIZE];

	snprintf(what, sizeof(what), "'-%s' of extra_args", arg->option);
	if (path)
		needs_add_path(needs, kind, what, path);
}

/* An image that is only read may be a copy. */
static void add_image(struct needs *needs, const struct extra_arg *arg)
{
	bool is_read = arg->kind == EXTRA_MEDIUM || extra_arg_is_on(arg, "readonly") ||
		       extra_arg_is_on(arg, "read-only") ||
		       optlist_is(&arg->opts, "media", "cdrom", "disk");

	add_raw_file(needs, arg, is_read ? NEED_SAME_CONTENT : NEED_SAME_FILE);
}

/* The content counts only of shared memory, which other processes see too. */
static void add_memory(struct needs *needs, const struct extra_arg *arg)
{
	const char *path = extra_arg_file(arg);

	if (!path || !optlist_is(&arg->opts, "qom-type", "memory-backend-file", ""))
		return;
	needs_add_memory_file(needs, "memory of '-object' of extra_args", path);
	if (extra_arg_is_on(arg, "share"))
		add_raw_file(needs, arg, NEED_SAME_FILE);
}

static void add_vnc(struct needs *needs, const struct extra_arg *arg)
{
	const char *value = optlist_get(&arg->opts, "vnc");
	const char *colon = value ? strrchr(value, ':') : NULL;

	if (value && strncmp(value, "unix:", 5) == 0)
		needs_add_dir_of(needs, "the VNC server", value + 5);
	else if (colon && !extra_arg_is_on(arg, "reverse") && !optlist_get(&arg->opts, "to"))
		needs_add_port(needs, "the VNC server", value, (size_t)(colon - value),
			       VNC_PORT_BASE + strtoull(colon + 1, NULL, 10));
}

/* QEMU makes the socket of a server, or the file; a client's is another program's. */
static void add_chardev(struct needs *needs, const struct extra_arg *arg)
{
	static const char what[] = "'-chardev' of extra_args";
	const char *path = extra_arg_file(arg);
	bool is_file = optlist_is(&arg->opts, "backend", "file", "");
	bool is_socket = optlist_is(&arg->opts, "backend", "socket", "");
	bool is_server = is_socket && extra_arg_is_on(arg, "server");
	bool is_abstract = extra_arg_is_on(arg, "abstract");

	if (path && (is_file || is_server))
		needs_add_dir_of(needs, what, path);
	else if (path && is_socket && !is_abstract)
		needs_add_socket(needs, what, path,
				 !optlist_is(&arg->opts, "reconnect", "0", "0") ||
					 !optlist_is(&arg->opts, "reconnect-ms", "0", "0"));
}

static void add_netdev(struct needs *needs, const struct extra_arg *arg)
{
	const char *id = optlist_get(&arg->opts, "id"), *ifname = extra_arg_tap(arg);
	struct need_nic *need = &needs->nics[needs->nic_count];

	if (!ifname || strlen(ifname) >= sizeof(need->ifname))
		return;
	if (needs->nic_count == NEED_NICS_MAX) {
		needs->is_cut = true;
		return;
	}
	snprintf(need->id, sizeof(need->id), "%s", id ? id : ifname);
	snprintf(need->ifname, sizeof(need->ifname), "%s", ifname);
	need->type = VM_DEF_NIC_TYPE_TAP;
	needs->nic_count++;
}

static void add_raw(struct needs *needs, const struct extra_arg *arg)
{
	switch (arg->kind) {
	case EXTRA_IMAGE:
	case EXTRA_MEDIUM:
		add_image(needs, arg);
		break;
	case EXTRA_OBJECT:
		add_memory(needs, arg);
		break;
	case EXTRA_BOOT:
		add_raw_file(needs, arg, NEED_PRESENT);
		break;
	case EXTRA_VNC:
		add_vnc(needs, arg);
		break;
	case EXTRA_CHARDEV:
		add_chardev(needs, arg);
		break;
	case EXTRA_NETDEV:
		add_netdev(needs, arg);
		break;
	}
}

static void add_options(struct needs *needs, const struct vm_def *def)
{
	struct extra_arg arg;
	size_t at = 0;

	while (extra_arg_next(def, &at, &arg)) {
		add_raw(needs, &arg);
		extra_arg_fini(&arg);
	}
}

/* The value of the next raw option NAME, from *AT on, which is moved behind it; NULL: there is
 * none. */
static const char *next_raw(const struct vm_def *def, const char *name, size_t *at)
{
	for (size_t i = *at; i + 1 < def->extra_arg_count; i++) {
		const char *option = extra_arg_name(def->extra_args[i]);

		*at = i + 1;
		if (option && strcmp(option, name) == 0)
			return def->extra_args[i + 1];
	}
	return NULL;
}

/* "on" locks all at once, "on-fault" (10.0) what is touched, which a move makes all. */
static bool locks_memory(const struct vm_def *def)
{
	const char *value;
	size_t at = 0;

	while ((value = next_raw(def, "overcommit", &at))) {
		if (strstr(value, "mem-lock=on"))
			return true;
	}
	return false;
}

static void add_memory_path(struct needs *needs, const struct vm_def *def)
{
	const char *path;
	size_t at = 0;

	while ((path = next_raw(def, "mem-path", &at)))
		needs_add_memory_file(needs, "'-mem-path' of extra_args", path);
}

void needs_add_raw(struct needs *needs, const struct vm_def *def)
{
	needs->locked_mib = locks_memory(def) ? vm_def_memory_mib(def) : 0;
	add_options(needs, def);
	add_memory_path(needs, def);
}
