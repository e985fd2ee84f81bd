/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Can the guest have its TPM on this host? */
#include "preflight/checks.h"
#include "storage/tpm_state.h"

void tpm_look_blocking(struct preflight *preflight)
{
	if (preflight->needs->tpm_uuid[0])
		tpm_state_look_blocking(&preflight->rules, preflight->needs->tpm_uuid,
					preflight->id, &preflight->tpm_err);
}

void tpm_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	if (err_is_set(&preflight->tpm_err))
		preflight_add(ret, "tpm", "TPM: %s", preflight->tpm_err.msg);
}
