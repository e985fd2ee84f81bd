/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/admission.h"

#include <inttypes.h>

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
