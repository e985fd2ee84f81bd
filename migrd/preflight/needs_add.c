/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One more thing that a guest needs: what is too long or too many is noted as cut. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "preflight/needs_priv.h"

void needs_add_file(struct needs *needs, const struct need_file *file)
{
	if (needs->file_count < NEED_FILES_MAX)
		needs->files[needs->file_count++] = *file;
	else
		needs->is_cut = true;
}

void needs_add_path(struct needs *needs, enum need_kind kind, const char *what, const char *path)
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

struct need_dir *needs_add_dir_of(struct needs *needs, const char *what, const char *path)
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

void needs_add_socket(struct needs *needs, const char *what, const char *path, bool may_come_later)
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

void needs_add_port(struct needs *needs, const char *what, const char *host, size_t host_len,
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

void needs_add_memory_file(struct needs *needs, const char *what, const char *path)
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
