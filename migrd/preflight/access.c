/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May QEMU open the files here?  It runs as the user of migrd. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "preflight/checks.h"

/* A read-only mount counts, and a server that gives root no rights. */
void access_look_blocking(struct preflight *preflight)
{
	for (size_t i = 0; i < preflight->needs->file_count; i++) {
		const struct need_file *need = &preflight->needs->files[i];
		int mode = need->kind == NEED_SAME_FILE ? R_OK | W_OK : R_OK;

		if (need_path(need)[0] == '/' &&
		    faccessat(AT_FDCWD, need_path(need), mode, AT_EACCESS) != 0)
			preflight->access_errno[i] = errno;
	}
}

/* A file that is not there is told by proof.c. */
void access_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->file_count; i++) {
		const struct need_file *need = &preflight->needs->files[i];
		const struct evidence_file *here = evidence_find(preflight->here, need->path);
		int error = preflight->access_errno[i];

		if (error && here && here->type != EVIDENCE_TYPE_NONE)
			preflight_add(ret, "access",
				      "%s: '%s' is there, and the user of migrd may not %s it on "
				      "this host: %s: change its owner or mode, or how it is "
				      "mounted or exported",
				      need->what, need_path(need),
				      need->kind == NEED_SAME_FILE ? "write" : "read",
				      strerror(error));
	}
}
