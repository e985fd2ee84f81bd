/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/needs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/extra_arg.h"
#include "wire/vm_def_memory.h"

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

/* Adds the directory in which QEMU will make PATH; NULL: PATH is not absolute, or there are too
 * many directories. */
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

static void add_socket(struct needs *needs, const char *what, const char *path, bool may_come_later)
{
	struct need_socket *need = &needs->sockets[needs->socket_count];

	if (path[0] != '/')
		return;
	if (needs->socket_count == NEED_SOCKETS_MAX || strlen(path) >= sizeof(need->path)) {
		needs->is_cut = true;
		return;
	}
	snprintf(need->what, sizeof(need->what), "%s", what);
	snprintf(need->path, sizeof(need->path), "%s", path);
	need->may_come_later = may_come_later;
	needs->socket_count++;
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

static void add_image_of(struct needs *needs, const struct vm_def_disk *disk)
{
	struct need_image *image = &needs->images[needs->image_count++];

	snprintf(image->id, sizeof(image->id), "%s", disk->id);
	image->format = disk->format;
	image->shared_base = disk->shared_base;
	snprintf(image->path, sizeof(image->path), "%s", disk->path);
}

static void add_disks(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		const struct vm_def_disk *disk = &def->disks[i];
		struct need_file file = {
			.kind = disk->readonly ? NEED_SAME_CONTENT : NEED_SAME_FILE,
			.is_qcow2 = disk->format == VM_DEF_DISK_FORMAT_QCOW2,
		};

		if (!disk->shared && !disk->readonly) {
			add_image_of(needs, disk);
			continue;
		}
		snprintf(file.what, sizeof(file.what), "disk '%s'", disk->id);
		snprintf(file.path, sizeof(file.path), "%s", disk->path);
		needs_add_file(needs, &file);
	}
}

/* The guest only reads a medium. */
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

/* Nobody writes to a backing file, so a copy of it will do. */
void needs_add_bases(struct needs *needs, const struct disk_copy *copies, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct disk_copy *copy = &copies[i];
		struct need_file base = {
			.kind = NEED_SAME_CONTENT,
			.is_qcow2 = copy->backing_format == VM_DEF_DISK_FORMAT_QCOW2,
			.is_base = true,
		};

		if (!copy->backing[0])
			continue;
		snprintf(base.what, sizeof(base.what), "backing file of disk '%s'", copy->id);
		snprintf(base.path, sizeof(base.path), "%s", copy->backing);
		needs_add_file(needs, &base);
	}
}

void needs_place(struct needs *needs, const struct storage_rules *rules)
{
	for (size_t i = 0; i < needs->file_count; i++) {
		struct need_file *need = &needs->files[i];
		struct err ignored; /* too long a path is not there */

		if (need->is_firmware)
			storage_place_firmware(rules, need->path, need->here, &ignored);
		else if (need->is_base)
			storage_place_base(rules, need->path, need->here, &ignored);
	}
}

const char *need_path(const struct need_file *file)
{
	return file->here[0] ? file->here : file->path;
}

static void add_firmware(struct needs *needs, const struct vm_def *def)
{
	struct need_file code = { .kind = NEED_SAME_CONTENT,
				  .what = "firmware",
				  .is_firmware = true };

	if (!vm_def_has_firmware(def))
		return;
	snprintf(code.path, sizeof(code.path), "%s", def->firmware.code);
	needs_add_file(needs, &code);
	add_image_of(needs, &def->firmware.vars);
}

static void add_memory_file(struct needs *needs, const char *what, const char *path)
{
	struct need_memory_file *file = &needs->memory_files[needs->memory_file_count];

	if (needs->memory_file_count == NEED_MEMORY_FILES_MAX ||
	    strlen(path) >= sizeof(file->path)) {
		needs->is_cut = true;
		return;
	}
	snprintf(file->what, sizeof(file->what), "%s", what);
	snprintf(file->path, sizeof(file->path), "%s", path);
	needs->memory_file_count++;
}

static void add_shared_memory(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->shared_memory_count; i++) {
		char what[NEED_WHAT_SIZE];

		snprintf(what, sizeof(what), "shared memory '%s'", def->shared_memory[i].id);
		add_file(needs, NEED_SAME_FILE, what, def->shared_memory[i].path);
		add_memory_file(needs, what, def->shared_memory[i].path);
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
		snprintf(need->bridge, sizeof(need->bridge), "%s", nic->bridge);
		need->type = nic->type;
		needs->nic_count++;
	}
}

static void add_bound(struct need_memory *memory, const char *what, uint64_t size_mib,
		      const char *host_nodes)
{
	struct need_bound *bound = &memory->bound[memory->bound_count];

	if (!*host_nodes)
		return;
	snprintf(bound->what, sizeof(bound->what), "%s", what);
	bound->size_mib = size_mib;
	snprintf(bound->host_nodes, sizeof(bound->host_nodes), "%s", host_nodes);
	memory->bound_count++;
}

void needs_memory(const struct vm_def *def, struct need_memory *ret)
{
	const struct vm_def_memory_backend *backend = &def->memory_backend;
	char what[NEED_WHAT_SIZE];

	ret->huge_page_mib = backend->huge_page_mib;
	ret->huge_mib = vm_def_huge_memory_mib(def);
	snprintf(ret->path, sizeof(ret->path), "%s", backend->path);
	add_bound(ret, "the guest's memory", vm_def_memory_mib(def), backend->host_nodes);
	for (size_t i = 0; i < def->numa_node_count; i++) {
		snprintf(what, sizeof(what), "NUMA node %zu", i);
		add_bound(ret, what, def->numa_nodes[i].memory_mib, def->numa_nodes[i].host_nodes);
	}
}

/* ---- raw arguments ----------------------------------------------------------- */

static void add_raw_file(struct needs *needs, const struct extra_arg *arg, enum need_kind kind)
{
	const char *path = extra_arg_file(arg);
	char what[NEED_WHAT_SIZE];

	snprintf(what, sizeof(what), "'-%s' of extra_args", arg->option);
	if (path)
		add_file(needs, kind, what, path);
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
	add_memory_file(needs, "memory of '-object' of extra_args", path);
	if (extra_arg_is_on(arg, "share"))
		add_raw_file(needs, arg, NEED_SAME_FILE);
}

static void add_vnc(struct needs *needs, const struct extra_arg *arg)
{
	const char *value = optlist_get(&arg->opts, "vnc");
	const char *colon = value ? strrchr(value, ':') : NULL;

	if (value && strncmp(value, "unix:", 5) == 0)
		add_dir_of(needs, "the VNC server", value + 5);
	else if (colon && !extra_arg_is_on(arg, "reverse") && !optlist_get(&arg->opts, "to"))
		add_port(needs, "the VNC server", value, (size_t)(colon - value),
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
		add_dir_of(needs, what, path);
	else if (path && is_socket && !is_abstract)
		add_socket(needs, what, path,
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

static void add_raw_args(struct needs *needs, const struct vm_def *def)
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
		add_memory_file(needs, "'-mem-path' of extra_args", path);
}

struct needs *needs_of(const struct vm_def *def)
{
	struct needs *needs = xnew(struct needs);

	add_disks(needs, def);
	add_firmware(needs, def);
	add_cdroms(needs, def);
	add_shared_memory(needs, def);
	add_monitors(needs, def);
	add_nics(needs, def);
	if (def->serial.type == VM_DEF_SERIAL_TYPE_FILE)
		add_dir_of(needs, "the serial port's file", def->serial.path);
	else if (def->serial.type == VM_DEF_SERIAL_TYPE_SOCKET)
		add_socket(needs, "the serial port", def->serial.path, true);
	needs_memory(def, &needs->memory);
	needs->locked_mib = locks_memory(def) ? vm_def_memory_mib(def) : 0;
	needs->vsock_cid = vm_def_vsock_cid(def);
	if (vm_def_has_tpm(def))
		snprintf(needs->tpm_uuid, sizeof(needs->tpm_uuid), "%s", def->uuid);
	add_raw_args(needs, def);
	add_memory_path(needs, def);
	return needs;
}

static bool is_special_place(const char *path)
{
	static const char *const places[] = { "/dev/shm", "/dev/hugepages" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t len = strlen(places[i]);

		if (strncmp(path, places[i], len) == 0 && (!path[len] || path[len] == '/'))
			return true;
	}
	return false;
}

bool needs_has_plain_memory(const struct vm_def *def)
{
	struct needs *needs = needs_of(def);
	bool has_plain = false;

	for (size_t i = 0; i < needs->memory_file_count; i++)
		has_plain = has_plain || !is_special_place(needs->memory_files[i].path);
	free(needs);
	return has_plain;
}
