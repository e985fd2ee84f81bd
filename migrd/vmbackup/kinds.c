/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmbackup/kinds.h"

static const struct vmbackup_kind kinds[] = {
	[VMBACKUP_TARGET_FILE] = { 0 },
	[VMBACKUP_TARGET_NBD] = {
		.check_blocking = vmbackup_push_check_blocking,
		.check_sizes_blocking = vmbackup_push_check_sizes_blocking,
		.push_blocking = vmbackup_push_blocking,
	},
};

const struct vmbackup_kind *vmbackup_kind(const struct vmbackup_target *target)
{
	return &kinds[target->type];
}
