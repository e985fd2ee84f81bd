/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/needs.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "preflight/needs_priv.h"
#include "wire/vm_def_memory.h"

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

static void add_shared_memory(struct needs *needs, const struct vm_def *def)
{
	for (size_t i = 0; i < def->shared_memory_count; i++) {
		char what[NEED_WHAT_SIZE];

		snprintf(what, sizeof(what), "shared memory '%s'", def->shared_memory[i].id);
		needs_add_path(needs, NEED_SAME_FILE, what, def->shared_memory[i].path);
		needs_add_memory_file(needs, what, def->shared_memory[i].path);
	}
}

static void add_listener(struct needs *needs, const char *what, const char *path)
{
	struct need_dir *dir = needs_add_dir_of(needs, what, path);

	if (dir)
		snprintf(dir->socket, sizeof(dir->socket), "%s", path);
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
			needs_add_port(needs, what, "127.0.0.1", strlen("127.0.0.1"),
				       monitor->port);
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
		needs_add_dir_of(needs, "the serial port's file", def->serial.path);
	else if (def->serial.type == VM_DEF_SERIAL_TYPE_SOCKET)
		needs_add_socket(needs, "the serial port", def->serial.path, true);
	needs_memory(def, &needs->memory);
	needs->vsock_cid = vm_def_vsock_cid(def);
	if (vm_def_has_tpm(def))
		snprintf(needs->tpm_uuid, sizeof(needs->tpm_uuid), "%s", def->uuid);
	needs_add_raw(needs, def);
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
