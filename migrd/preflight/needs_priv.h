/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight/needs_priv.h -- shared by the files that find what a guest needs. */
#ifndef MIGRD_PREFLIGHT_NEEDS_PRIV_H
#define MIGRD_PREFLIGHT_NEEDS_PRIV_H

#include "preflight/needs.h"

/* ---- needs_add.c ----------------------------------------------------------- */

/* WHAT names the thing to a person.  Texts are copied; what does not fit sets is_cut. */
void needs_add_path(struct needs *needs, enum need_kind kind, const char *what, const char *path);
/* The directory in which QEMU will make PATH; NULL: PATH is not absolute, or there are too many
 * directories. */
struct need_dir *needs_add_dir_of(struct needs *needs, const char *what, const char *path);
/* Nothing if PATH is not absolute. */
void needs_add_socket(struct needs *needs, const char *what, const char *path, bool may_come_later);
/* Nothing if NUMBER is no port; HOST has HOST_LEN characters. */
void needs_add_port(struct needs *needs, const char *what, const char *host, size_t host_len,
		    uint64_t number);
void needs_add_memory_file(struct needs *needs, const char *what, const char *path);

/* ---- needs_raw.c ----------------------------------------------------------- */

/* What the raw arguments of DEF name. */
void needs_add_raw(struct needs *needs, const struct vm_def *def);

#endif
