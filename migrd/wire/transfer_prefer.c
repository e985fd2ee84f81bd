/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/transfer_prefer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/transfer_plan_priv.h"

struct transfer_wish transfer_preferred(const struct policy *policy)
{
	struct transfer_wish wish = { 0 };

	if (policy->observe)
		return wish;
	wish.has_multifd = policy->channels > 0;
	wish.multifd.channels = policy->channels;
	wish.multifd.compression = policy->compression;
	wish.auto_converge = policy->throttle_max_percent > 0;
	wish.has_postcopy = policy->postcopy != POLICY_POSTCOPY_NEVER;
	if (policy->postcopy == POLICY_POSTCOPY_FIRST_PASS)
		wish.postcopy.start = TRANSFER_POSTCOPY_FIRST_PASS;
	return wish;
}

__attribute__((format(printf, 3, 4))) static bool
leave_out(struct transfer_left_out *left_out, const char *capability, const char *fmt, ...)
{
	struct transfer_left_out_item *item = &left_out->items[left_out->count++];
	va_list ap;

	item->capability = capability;
	va_start(ap, fmt);
	vsnprintf(item->why, sizeof(item->why), fmt, ap);
	va_end(ap);
	return false;
}

/* Both QEMUs have CAPABILITY. */
static bool both_have(const struct transfer_basis *basis, const char *capability,
		      struct transfer_left_out *left_out)
{
	if (!basis->source || !basis->destination)
		return leave_out(left_out, capability,
				 "the policy's wish is left out: the %s has not told what its QEMU "
				 "offers",
				 basis->source ? "destination" : "source");
	if (transfer_features_have(basis->source, capability) &&
	    transfer_features_have(basis->destination, capability))
		return true;
	return leave_out(left_out, capability,
			 "the policy's wish is left out: the %s's QEMU does not have it",
			 transfer_features_have(basis->source, capability) ? "destination"
									   : "source");
}

static bool can_postcopy(const struct transfer_basis *basis, struct transfer_left_out *left_out)
{
	static const char capability[] = "postcopy-ram";

	if (basis->stopped)
		return leave_out(left_out, capability,
				 "the policy's wish is left out: the VM is stopped");
	if (basis->disk_count)
		return leave_out(left_out, capability,
				 "the policy's wish is left out: local disks are copied");
	if (basis->plain_memory)
		return leave_out(left_out, capability,
				 "the policy's wish is left out: memory of the guest is in a file, "
				 "and QEMU fetches it only into tmpfs or huge pages");
	if (!both_have(basis, capability, left_out))
		return false;
	if (basis->destination->postcopy_refused[0])
		return leave_out(left_out, capability,
				 "the policy's wish is left out: the destination's QEMU takes "
				 "none: %.80s",
				 basis->destination->postcopy_refused);
	if (basis->wish->has_multifd &&
	    !(basis->source->postcopy_multifd && basis->destination->postcopy_multifd))
		return leave_out(left_out, capability,
				 "the policy's wish is left out: the request asks for multifd, and "
				 "one QEMU cannot do both");
	return true;
}

/* WISH has the post-copy that there will be. */
static bool can_multifd(const struct transfer_basis *basis, const struct transfer_wish *preferred,
			const struct transfer_wish *wish, struct transfer_left_out *left_out)
{
	static const char capability[] = "multifd";
	bool source_does;

	if (basis->wish->xbzrle)
		return leave_out(left_out, capability,
				 "the policy's wish is left out: the request asks for xbzrle, "
				 "which "
				 "QEMU uses on one connection only");
	if (!both_have(basis, capability, left_out))
		return false;
	source_does = transfer_features_compress(basis->source, preferred->multifd.compression);
	if (!source_does ||
	    !transfer_features_compress(basis->destination, preferred->multifd.compression))
		return leave_out(left_out, capability,
				 "the policy's wish is left out: the %s's QEMU was built without "
				 "its compression, '%s'",
				 source_does ? "destination" : "source",
				 transfer_compression_names[preferred->multifd.compression]);
	if (preferred->multifd.channels + 1 > basis->destination->connections)
		return leave_out(left_out, capability,
				 "the policy's wish is left out: so many connections are too many "
				 "for the destination's coordinator");
	if (wish->has_postcopy &&
	    !(basis->source->postcopy_multifd && basis->destination->postcopy_multifd))
		return leave_out(left_out, capability,
				 "the policy's wish is left out: one QEMU cannot do post-copy over "
				 "several connections");
	return true;
}

void transfer_prefer(const struct transfer_basis *basis, const struct transfer_wish *preferred,
		     struct transfer_wish *wish, struct transfer_left_out *ret)
{
	ret->count = 0;
	/* It is what brings a move to its end, so it goes before more connections. */
	if (preferred->has_postcopy && !wish->has_postcopy && can_postcopy(basis, ret)) {
		wish->has_postcopy = true;
		wish->postcopy = preferred->postcopy;
	}
	if (preferred->has_multifd && !wish->has_multifd &&
	    can_multifd(basis, preferred, wish, ret)) {
		wish->has_multifd = true;
		wish->multifd = preferred->multifd;
	}
	if (preferred->auto_converge && !wish->auto_converge)
		wish->auto_converge = both_have(basis, "auto-converge", ret);
}

void transfer_left_out_explain(const struct transfer_left_out *left_out, struct transfer_plan *plan)
{
	for (size_t i = 0; i < left_out->count; i++) {
		for (size_t j = 0; j < plan->capability_count; j++) {
			struct transfer_capability *capability = &plan->capabilities[j];

			if (strcmp(capability->name, left_out->items[i].capability) == 0)
				snprintf(capability->why, sizeof(capability->why), "%s",
					 left_out->items[i].why);
		}
	}
}
