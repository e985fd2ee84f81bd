/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May QEMU lock the guest's memory here, if the guest is one whose memory is locked?  It has the
 * limit and the capabilities of migrd, and its sandbox lets it change neither. */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/mem.h"
#include "preflight/checks.h"

#define MIB (UINT64_C(1) << 20)

/* capabilities(7): with CAP_IPC_LOCK there is no limit.  The kernel tells the mask in
 * hexadecimal. */
static bool may_lock_all(void)
{
	CLEANUP(free_charp) char *text = NULL;
	const char *line;
	struct err ignored;
	size_t len;

	if (!file_read("/proc/self/status", 65536, &text, &len, &ignored))
		return true;
	line = strstr(text, "\nCapEff:");
	return !line || (strtoull(line + strlen("\nCapEff:"), NULL, 16) >> CAP_IPC_LOCK & 1);
}

void memory_lock_look(struct preflight *preflight)
{
	struct rlimit limit;

	preflight->lock_limit_mib = UINT64_MAX;
	if (preflight->needs->locked_mib && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY && !may_lock_all())
		preflight->lock_limit_mib = limit.rlim_cur / MIB;
}

void memory_lock_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	uint64_t wanted_mib = preflight->needs->locked_mib;

	if (wanted_mib && preflight->lock_limit_mib < wanted_mib)
		preflight_add(ret, "memory-lock",
			      "the guest's memory is locked (-overcommit mem-lock), %" PRIu64
			      " MiB and what QEMU needs itself, and migrd may lock %" PRIu64
			      " MiB on this host: raise the limit of its service (LimitMEMLOCK= of "
			      "systemd.exec(5)) and start it again",
			      wanted_mib, preflight->lock_limit_mib);
}
