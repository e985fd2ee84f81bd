/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new QEMU that starts changes the settings of taps that the old one has open too
 * (net/tap_share.h).  So the guest stands still meanwhile, and before it goes on in the old QEMU
 * the settings are those of before. */
#include "machine/machine.h"
#include "refresh/priv.h"
#include "vm/swap.h"

bool refresh_has_taps(const struct refresh *refresh)
{
	return refresh->detail.taps.count > 0;
}

/* The guest may have been reset between the look and its stop. */
bool refresh_taps_check(struct refresh *refresh, struct err *err)
{
	struct vm_taps now;

	if (!refresh_has_taps(refresh))
		return true;
	if (!vm_taps_look(refresh_vm(refresh), &now, err))
		return false;
	if (vm_taps_equal(&now, &refresh->detail.taps))
		return true;
	refresh->detail.taps.count = 0; /* those of a former time are not set again */
	return err_set(err, ERR_CONFLICT,
		       "the guest has set up its network anew at this moment: try again");
}

bool refresh_taps_restore(const struct refresh *refresh, struct err *err)
{
	return !refresh_has_taps(refresh) ||
	       vm_taps_restore(refresh_vm(refresh), &refresh->detail.taps, err);
}

static void on_went_on(struct refresh *refresh, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		refresh_fail(refresh, err);
		return;
	}
	refresh->facts.are_taps_back = true;
	machine_step(&refresh->machine);
}

bool refresh_taps_give_back(struct refresh *refresh)
{
	struct err err;

	if (!refresh_has_taps(refresh) || refresh_way(refresh)->is_old_first)
		return true;
	if (refresh->facts.are_taps_back) {
		refresh->detail.taps.count = 0;
		return true;
	}
	if (refresh->facts.seen[REFRESH_SIDE_VM].is_asked)
		return false;
	if (!refresh_taps_restore(refresh, &err)) {
		refresh_fail(refresh, &err);
		return false;
	}
	refresh->facts.are_taps_back = !refresh->facts.is_stopped;
	if (refresh->facts.are_taps_back)
		return refresh_taps_give_back(refresh);
	refresh_ask(refresh, REFRESH_SIDE_VM, "cont", NULL, on_went_on);
	return false;
}
