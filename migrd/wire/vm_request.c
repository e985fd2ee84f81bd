/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_request.h"

#include <string.h>

#include "wire/labels.h"
#include "wire/placement.h"
#include "wire/vm_def_check.h"

static bool check_host(const char *value, const char **ret_why)
{
	*ret_why = "no host id: 1 to 63 of a-z 0-9 -, no '-' at either end";
	return id_host_is_valid(value);
}

const struct json_field vm_start_fields[] = {
	{ .key = "assert_dead",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vm_start_request, assert_dead, assert_count),
	  .check = check_host,
	  .pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
	  .help = "Hosts that do not answer: the caller vouches that the guest does not run there "
		  "and never will. For administrators." },
	{ .key = "why",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_start_request, why),
	  .help = "Reason, for the log." },
	{ 0 },
};

static const char *const when_names[] = { "auto", "now", "next-start", NULL };

const struct json_field vm_patch_fields[] = {
	{ .key = "labels",
	  .type = JSON_ANY,
	  JSON_MEMBER(struct vm_patch_request, labels),
	  .pattern = LABEL_VALUE_PATTERN,
	  .help = "Labels that are added or changed, an object of strings; null removes one." },
	{ .key = "policy",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_patch_request, policy),
	  .present_offset = offsetof(struct vm_patch_request, has_policy),
	  .check = vm_def_check_policy,
	  .pattern = "^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$",
	  .help = "Name of the policy of its moves; empty: none." },
	{ .key = "placement",
	  .type = JSON_ANY,
	  JSON_MEMBER(struct vm_patch_request, placement),
	  .fields = placement_fields,
	  .help = "What of its placement is added or changed; null removes a member or a label." },
	{ .key = "autostart",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_patch_request, autostart),
	  .present_offset = offsetof(struct vm_patch_request, has_autostart),
	  .help = "It is started after a boot of its host." },
	{ .key = "autostart_order",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_patch_request, autostart_order),
	  .present_offset = offsetof(struct vm_patch_request, has_autostart_order),
	  .max = 1000000,
	  .help = "VMs with autostart are begun with the lowest first." },
	JSON_PART_OF(struct vm_patch_request, edit, vm_edit_fields),
	{ .key = "when",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_patch_request, when),
	  .names = when_names,
	  .help = "When it is changed itself, which is neither labels, policy, placement nor "
		  "autostart: auto (the "
		  "default): now if the VM is stopped, else at the next start; now: or not at all; "
		  "next-start." },
	{ 0 },
};

const struct json_field vm_rename_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_rename_request, name),
	  .check = vm_def_check_name,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "Its new name, unique on the host." },
	{ 0 },
};

bool vm_patch_decode(struct json_object *obj, struct vm_patch_request *ret, struct faults *faults)
{
	size_t former = faults->count;

	memset(ret, 0, sizeof(*ret));
	if (json_decode(obj, vm_patch_fields, ret, "", faults) && !ret->labels &&
	    !ret->has_policy && !ret->placement && !ret->has_autostart &&
	    !ret->has_autostart_order && vm_edit_is_empty(&ret->edit))
		faults_add(faults, "",
			   "nothing to change: give labels, policy, placement, autostart, "
			   "autostart_order, memory_mib, vcpus, "
			   "cpu_model, boot_order, disks, nics, cdroms or remove");
	if (json_object_object_get_ex(obj, "firmware", NULL))
		faults_add(faults, "/firmware",
			   "cannot be changed: the variables in its image would be lost or not "
			   "fit; delete the VM's record (its images stay) and create it anew, with "
			   "an image of variables that fits");
	if (ret->labels)
		labels_check(ret->labels, "/labels", true, faults);
	if (ret->placement)
		placement_check_changes(ret->placement, "/placement", faults);
	return faults->count == former;
}

bool vm_start_decode(struct json_object *obj, struct vm_start_request *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	return !obj || json_decode(obj, vm_start_fields, ret, "", faults);
}
