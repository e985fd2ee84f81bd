/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/admission.h"

#include <assert.h>
#include <inttypes.h>

#include "base/proc.h"
#include "vm/vm_priv.h"

bool admission_check(const struct admission *admission, const char *what, struct err *err)
{
	uint64_t taken = admission->reserved_mib + admission->kept_mib;
	uint64_t left = admission->available_mib > taken ? admission->available_mib - taken : 0;

	if (admission->wanted_mib <= left)
		return true;
	return err_set(err, ERR_NO_SPACE,
		       "%s needs %" PRIu64 " MiB of memory: %" PRIu64
		       " MiB are available, of which %" PRIu64
		       " MiB are promised to guests that are moved here, restored or refreshed, "
		       "and %" PRIu64 " MiB stay free: stop or move a guest of this "
		       "host, wait for one that is on its way, or lower memory_reserve_mib",
		       what, admission->wanted_mib, admission->available_mib,
		       admission->reserved_mib, admission->kept_mib);
}

void vms_count_promises(struct vms *vms, vms_promised_fn *fn, void *data)
{
	assert(vms->promise_count < VMS_PROMISES_MAX);
	vms->promises[vms->promise_count++] = (struct vms_promise){ fn, data };
}

bool vms_have_room(struct vms *vms, const char *what, uint64_t wanted_mib, struct err *err)
{
	struct admission admission = {
		.available_mib = proc_available_mib(),
		.kept_mib = vms->env.memory_reserve_mib,
		.wanted_mib = wanted_mib,
	};

	for (size_t i = 0; i < vms->promise_count; i++)
		admission.reserved_mib += vms->promises[i].fn(vms->promises[i].data);
	return admission_check(&admission, what, err);
}
