/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/admission.h"

#include <inttypes.h>

#include "base/file.h"
#include "base/mem.h"

bool admission_check(const struct admission *admission, struct err *err)
{
	uint64_t taken = admission->reserved_mib + admission->kept_mib;
	uint64_t left = admission->available_mib > taken ? admission->available_mib - taken : 0;

	if (admission->wanted_mib <= left)
		return true;
	return err_set(err, ERR_NO_SPACE,
		       "the guest needs %" PRIu64 " MiB of memory: %" PRIu64
		       " MiB are available, of which %" PRIu64
		       " MiB are promised to guests on their way and %" PRIu64 " MiB stay free",
		       admission->wanted_mib, admission->available_mib, admission->reserved_mib,
		       admission->kept_mib);
}

uint64_t admission_available_mib(void)
{
	CLEANUP(free_charp) char *text = NULL;
	const char *line;
	struct err ignored;
	size_t len;

	if (!file_read("/proc/meminfo", 65536, &text, &len, &ignored))
		return UINT64_MAX;
	line = strstr(text, "MemAvailable:");
	if (!line)
		return UINT64_MAX;
	return strtoull(line + strlen("MemAvailable:"), NULL, 10) / 1024;
}
