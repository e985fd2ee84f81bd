/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/adopt_request.h"

#include <string.h>

static bool check_qmp(const char *value, const char **ret_why)
{
	size_t prefix = strlen(ADOPT_QMP_PREFIX);

	*ret_why = "unix: and the absolute path of QEMU's QMP socket is wanted, at most 107 bytes";
	return strncmp(value, ADOPT_QMP_PREFIX, prefix) == 0 && value[prefix] == '/' &&
	       strlen(value) - prefix < sizeof(((struct sockaddr_un *)0)->sun_path);
}

static bool check_name(const char *value, const char **ret_why)
{
	*ret_why = "a name has 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or digit";
	return id_name_is_valid(value);
}

const struct json_field adopt_request_fields[] = {
	{ .key = "qmp",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct adopt_request, qmp),
	  .check = check_qmp,
	  .pattern = "^unix:/",
	  .help = "Address of the QMP monitor of the QEMU: unix:/PATH." },
	{ .key = "name",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct adopt_request, name),
	  .check = check_name,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "Name of the VM; default: what QEMU was told (-name)." },
	{ .key = "disks_shared",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct adopt_request, disks_shared),
	  .help = "Both hosts of a move see its images at the same paths; default: false." },
	{ .key = "dry_run",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct adopt_request, dry_run),
	  .help = "Only look: the answer has the definition; default: false." },
	{ .key = "confirm",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct adopt_request, confirm),
	  .help = "Member confirm of the answer to dry_run; the QEMU is adopted only if nothing "
		  "has changed since." },
	{ 0 },
};

bool adopt_request_decode(struct json_object *obj, struct adopt_request *ret, struct faults *faults)
{
	memset(ret, 0, sizeof(*ret));
	if (!json_decode(obj, adopt_request_fields, ret, "", faults))
		return false;
	if (ret->dry_run || ret->confirm[0])
		return true;
	faults_add(faults, "/confirm", "required without dry_run: look first, then confirm");
	return false;
}
