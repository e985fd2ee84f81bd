/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/needs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define VNC_PORT_BASE 5900 /* QEMU's -vnc HOST:N listens at 5900 + N (ui/vnc.c) */

/* ---- adding ---------------------------------------------------------------- */

void needs_add_file(struct needs *needs, const struct need_file *file)
{
	if (needs->file_count < NEED_FILES_MAX)
		needs->files[needs->file_count++] = *file;
	else
		needs->is_cut = true;
}

static void add_file(struct needs *needs, enum need_kind kind, const char *what, const char *path)
{
	struct need_file file = { .kind = kind };

	if (strlen(path) >= sizeof(file.path)) {
		needs->is_cut = true;
		return;
	}
	snprintf(file.what, sizeof(file.what), "%s", what);
	snprintf(file.path, sizeof(file.path), "%s", path);
	needs_add_file(needs, &file);
}

/* The directory in which PATH will be made; NULL: not in one, or there are too many. */
static struct need_dir *add_dir_of(struct needs *needs, const char *what, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct need_dir *dir = &needs->dirs[needs->dir_count];

	if (path[0] != '/')
		return NULL;
	if (needs->dir_count == NEED_DIRS_MAX) {
		needs->is_cut = true;
		return NULL;
	}
	snprintf(dir->what, sizeof(dir->what), "%s", what);
	snprintf(dir->path, sizeof(dir->path), "%.*s", slash > path ? (int)(slash - path) : 1,
		 path);
	needs->dir_count++;
	return dir;
}

static void add_listener(struct needs *needs, const char *what, const char *path)
{
	struct need_dir *dir = add_dir_of(needs, what, path);

	if (dir)
		snprintf(dir->socket, sizeof(dir->socket), "%s", path);
}

static void add_port(struct needs *needs, const char *what, const char *host, size_t host_len,
		     uint64_t number)
{
	struct need_port *port = &needs->ports[needs->port_count];

	if (number == 0 || number > UINT16_MAX || host_len >= sizeof(port->host))
		return;
	if (needs->port_count == NEED_PORTS_MAX) {
		needs->is_cut = true;
		return;
	}
	snprintf(port->what, sizeof(port->what), "%s", what);
	snprintf(port->host, sizeof(port->host), "%.*s", (int)host_len, host);
	port->port = (unsigned)number;
	needs->port_count++;
}

/* ---- the members of a definition -------------------------------------------- */

static void add_disks(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		const struct vm_def_disk *disk = &def->disks[i];
		struct need_file file = {
			.kind = disk->readonly ? NEED_SAME_CONTENT : NEED_SAME_FILE,
			.is_qcow2 = disk->format == VM_DEF_DISK_FORMAT_QCOW2,
		};

		snprintf(file.what, sizeof(file.what), "disk '%s'", disk->id);
		snprintf(file.path, sizeof(file.path), "%s", disk->path);
		needs_add_file(needs, &file);
	}
}

/* The guest only reads it. */
static void add_cdroms(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->cdrom_count; i++) {
		const struct vm_def_cdrom *cdrom = &def->cdroms[i];
		struct need_file file = {
			.kind = NEED_SAME_CONTENT,
			.is_qcow2 = cdrom->format == VM_DEF_DISK_FORMAT_QCOW2,
		};

		if (!*cdrom->path)
			continue;
		snprintf(file.what, sizeof(file.what), "CD drive '%s'", cdrom->id);
		snprintf(file.path, sizeof(file.path), "%s", cdrom->path);
		needs_add_file(needs, &file);
	}
}

static void add_shared_memory(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->shared_memory_count; i++) {
		char what[NEED_WHAT_SIZE];

		snprintf(what, sizeof(what), "shared memory '%s'", def->shared_memory[i].id);
		add_file(needs, NEED_SAME_FILE, what, def->shared_memory[i].path);
	}
}

static void add_monitors(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->monitor_count; i++) {
		const struct vm_def_monitor *monitor = &def->monitors[i];
		char what[NEED_WHAT_SIZE];

		snprintf(what, sizeof(what), "monitor '%s'", monitor->id);
		if (monitor->type == VM_DEF_MONITOR_TYPE_UNIX)
			add_listener(needs, what, monitor->path);
		else if (monitor->type == VM_DEF_MONITOR_TYPE_TCP)
			add_port(needs, what, "127.0.0.1", strlen("127.0.0.1"), monitor->port);
	}
}

static void add_nics(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->nic_count; i++) {
		const struct vm_def_nic *nic = &def->nics[i];
		struct need_nic *need = &needs->nics[needs->nic_count];

		if (nic->type == VM_DEF_NIC_TYPE_USER)
			continue;
		snprintf(need->id, sizeof(need->id), "%s", nic->id);
		snprintf(need->ifname, sizeof(need->ifname), "%s", nic->ifname);
		need->type = nic->type;
		needs->nic_count++;
	}
}

/* ---- raw arguments ----------------------------------------------------------- */

/* The value of KEY in QEMU's KEY=VALUE,... or JSON text, a doubled comma being one;
 * false: it has none. */
static bool value_of(const char *text, const char *key, char *ret_value, size_t size)
{
	size_t len = strlen(key), used = 0;
	const char *p = text;

	while (strncmp(p, key, len) != 0 || p[len] != '=') {
		p = strchr(p, ',');
		if (!p)
			return false;
		p++;
	}
	for (p += len + 1; *p && used + 1 < size; p++) {
		if (*p == ',' && *++p != ',')
			break;
		ret_value[used++] = *p;
	}
	ret_value[used] = '\0';
	return used > 0;
}

static bool json_value_of(const char *text, const char *key, char *ret_value, size_t size)
{
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(text);
	struct json_object *file = json_get_obj(obj, "file");
	const char *value = json_get_str(obj, key);

	if (!value && file)
		value = json_get_str(file, key);
	if (value)
		snprintf(ret_value, size, "%s", value);
	return value != NULL;
}

static bool has_value(const char *text, const char *key, const char *value)
{
	char found[VM_DEF_PATH_SIZE];

	return value_of(text, key, found, sizeof(found)) && strcmp(found, value) == 0;
}

struct raw_option;
typedef void take_fn(struct needs *needs, const struct raw_option *row, const char *value);

struct raw_option {
	const char *option;
	const char *key; /* of the path in the value; NULL: the value is the path */
	take_fn *take;
	enum need_kind kind;
};

static void take_path(struct needs *needs, const struct raw_option *row, const char *value)
{
	char path[VM_DEF_PATH_SIZE], what[NEED_WHAT_SIZE];
	bool found = true;

	if (!row->key)
		snprintf(path, sizeof(path), "%s", value);
	else if (value[0] == '{')
		found = json_value_of(value, row->key, path, sizeof(path));
	else
		found = value_of(value, row->key, path, sizeof(path));
	snprintf(what, sizeof(what), "'-%s' of extra_args", row->option);
	if (found)
		add_file(needs, row->kind, what, path);
}

/* A device of storage: one that is only read may be a copy. */
static void take_drive(struct needs *needs, const struct raw_option *row, const char *value)
{
	struct raw_option as = *row;
	char path[VM_DEF_PATH_SIZE];

	if (has_value(value, "readonly", "on") || has_value(value, "read-only", "on") ||
	    has_value(value, "media", "cdrom"))
		as.kind = NEED_SAME_CONTENT;
	if (value[0] != '{' && !value_of(value, row->key, path, sizeof(path)))
		as.key = "file.filename";
	take_path(needs, &as, value);
}

/* Only what other processes see too. */
static void take_memory(struct needs *needs, const struct raw_option *row, const char *value)
{
	if (strncmp(value, "memory-backend-file,", strlen("memory-backend-file,")) == 0 &&
	    (has_value(value, "share", "on") || has_value(value, "share", "yes")))
		take_path(needs, row, value);
}

static void take_vnc(struct needs *needs, const struct raw_option *row, const char *value)
{
	size_t len = strcspn(value, ",");
	const char *colon = memrchr(value, ':', len);

	(void)row;
	if (strncmp(value, "unix:", 5) == 0)
		add_dir_of(needs, "the VNC server", value + 5);
	else if (colon && !strstr(value, "reverse") && !strstr(value, ",to="))
		add_port(needs, "the VNC server", value, (size_t)(colon - value),
			 VNC_PORT_BASE + strtoull(colon + 1, NULL, 10));
}

/* A server's socket, or a file that is made. */
static void take_chardev(struct needs *needs, const struct raw_option *row, const char *value)
{
	char path[VM_DEF_PATH_SIZE];
	bool is_file = strncmp(value, "file,", 5) == 0;
	bool is_server = strncmp(value, "socket,", 7) == 0 &&
			 (has_value(value, "server", "on") || strstr(value, ",server"));

	(void)row;
	if ((is_file || is_server) && value_of(value, "path", path, sizeof(path)))
		add_dir_of(needs, "'-chardev' of extra_args", path);
}

static const struct raw_option raw_options[] = {
	{ "drive", "file", take_drive, NEED_SAME_FILE },
	{ "blockdev", "filename", take_drive, NEED_SAME_FILE },
	{ "cdrom", NULL, take_path, NEED_SAME_CONTENT },
	{ "hda", NULL, take_path, NEED_SAME_FILE },
	{ "hdb", NULL, take_path, NEED_SAME_FILE },
	{ "hdc", NULL, take_path, NEED_SAME_FILE },
	{ "hdd", NULL, take_path, NEED_SAME_FILE },
	{ "fda", NULL, take_path, NEED_SAME_FILE },
	{ "fdb", NULL, take_path, NEED_SAME_FILE },
	{ "sd", NULL, take_path, NEED_SAME_FILE },
	{ "mtdblock", NULL, take_path, NEED_SAME_FILE },
	{ "pflash", NULL, take_path, NEED_SAME_FILE },
	{ "object", "mem-path", take_memory, NEED_SAME_FILE },
	{ "kernel", NULL, take_path, NEED_PRESENT },
	{ "initrd", NULL, take_path, NEED_PRESENT },
	{ "dtb", NULL, take_path, NEED_PRESENT },
	{ "vnc", NULL, take_vnc, NEED_PRESENT },
	{ "chardev", NULL, take_chardev, NEED_PRESENT },
};

/* QEMU takes -X and --X. */
static void add_raw(struct needs *needs, const char *option, const char *value)
{
	if (option[0] != '-' || value[0] == '-')
		return;
	option += option[1] == '-' ? 2 : 1;
	for (size_t i = 0; i < ARRAY_LEN(raw_options); i++) {
		if (strcmp(option, raw_options[i].option) == 0)
			raw_options[i].take(needs, &raw_options[i], value);
	}
}

struct needs *needs_of(const struct vm_def *def)
{
	struct needs *needs = xnew(struct needs);

	add_disks(needs, def);
	add_cdroms(needs, def);
	add_shared_memory(needs, def);
	add_monitors(needs, def);
	add_nics(needs, def);
	if (def->serial.type == VM_DEF_SERIAL_TYPE_FILE)
		add_dir_of(needs, "the serial port's file", def->serial.path);
	for (size_t i = 0; i + 1 < def->extra_arg_count; i++)
		add_raw(needs, def->extra_args[i], def->extra_args[i + 1]);
	return needs;
}
