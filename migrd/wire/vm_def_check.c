/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define LETTER LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT  "0123456789"

/* ---- one value ----------------------------------------------------------- */

static bool consists_of(const char *value, const char *first, const char *rest)
{
	return *value && strchr(first, *value) && value[strspn(value, rest)] == '\0';
}

bool vm_def_check_name(const char *value, const char **ret_why)
{
	*ret_why = "a name has 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or digit";
	return id_name_is_valid(value);
}

bool vm_def_check_uuid(const char *value, const char **ret_why)
{
	*ret_why = "a uuid has 32 lower-case hexadecimal digits, as 8-4-4-4-12";
	return id_uuid_is_valid(value);
}

bool vm_def_check_machine(const char *value, const char **ret_why)
{
	size_t family = strspn(value, LOWER DIGIT);

	*ret_why = "a versioned machine type is wanted, such as pc-q35-7.2: an alias names "
		   "another machine on another QEMU";
	return family > 0 && value[family] == '-' &&
	       consists_of(value, LOWER DIGIT, LETTER DIGIT "-._") && !strstr(value, "--") &&
	       value[strlen(value) - 1] != '-';
}

/* Bytes of the KEY=VALUE at VALUE; 0: it is none, or another member of the definition sets it. */
static size_t machine_option_len(const char *value)
{
	static const char *const elsewhere[] = { "type", "accel" };
	size_t key = strspn(value, LOWER DIGIT ".-");
	size_t rest = value[key] == '=' ? strspn(value + key + 1, LETTER DIGIT "._-") : 0;

	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		if (strlen(elsewhere[i]) == key && !strncmp(value, elsewhere[i], key))
			return 0;
	}
	return rest > 0 && strchr(LOWER, *value) ? key + 1 + rest : 0;
}

bool vm_def_check_policy(const char *value, const char **ret_why)
{
	*ret_why = "no name of a policy: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first";
	return !value[0] || id_name_is_valid(value);
}

bool vm_def_check_machine_options(const char *value, const char **ret_why)
{
	*ret_why = "options are KEY=VALUE, with commas between; the machine type and the "
		   "accelerator have members of their own";
	if (!*value)
		return true;
	for (;; value++) {
		size_t len = machine_option_len(value);

		value += len;
		if (!len || (*value && *value != ','))
			return false;
		if (!*value)
			return true;
	}
}

bool vm_def_check_cpu_model(const char *value, const char **ret_why)
{
	*ret_why = "a CPU model and its features have only A-Z a-z 0-9 . _ + = , : -";
	return consists_of(value, LETTER DIGIT, LETTER DIGIT "._+=,:-");
}

/* QEMU wants a letter first (util/id.c, id_wellformed). */
bool vm_def_check_id(const char *value, const char **ret_why)
{
	*ret_why = "ids that begin with '" VM_DEF_OWN_PREFIX "' are migrd's own";
	if (!strncmp(value, VM_DEF_OWN_PREFIX, strlen(VM_DEF_OWN_PREFIX)))
		return false;
	*ret_why = "an id has 1 to 24 of A-Z a-z 0-9 . _ - and begins with a letter";
	return consists_of(value, LETTER, LETTER DIGIT "._-");
}

static bool has_control(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return true;
	return false;
}

bool vm_def_check_path(const char *value, const char **ret_why)
{
	if (*value != '/') {
		*ret_why = "the path must be absolute";
		return false;
	}
	*ret_why = "a path may not contain control characters";
	return !has_control(value);
}

bool vm_def_check_ifname(const char *value, const char **ret_why)
{
	*ret_why = "an interface name has 1 to 15 of A-Z a-z 0-9 . _ - and begins with a letter "
		   "or digit";
	return consists_of(value, LETTER DIGIT, LETTER DIGIT "._-");
}

static bool is_hex(char c)
{
	return c && strchr(DIGIT "abcdefABCDEF", c);
}

bool vm_def_check_mac(const char *value, const char **ret_why)
{
	*ret_why = "a MAC address has six pairs of hexadecimal digits, as 52:54:00:12:34:56";
	if (strlen(value) != VM_DEF_MAC_SIZE - 1)
		return false;
	for (size_t i = 0; value[i]; i++)
		if (i % 3 == 2 ? value[i] != ':' : !is_hex(value[i]))
			return false;
	*ret_why = "a group address: the second digit must be even";
	return strchr("02468aceACE", value[1]);
}

bool vm_def_check_pci_address(const char *value, const char **ret_why)
{
	unsigned slot = vm_def_pci_slot(value);
	char text[VM_DEF_PCI_SIZE];

	*ret_why = "a PCI slot is 0x1 to 0x1f, in lower-case hexadecimal; a hot-plug port is port1 "
		   "to port32";
	snprintf(text, sizeof(text), "0x%x", slot);
	return vm_def_port(value) || (slot >= 0x1 && slot <= 0x1f && !strcmp(value, text));
}

bool vm_def_check_driver(const char *value, const char **ret_why)
{
	size_t len = strlen(value);

	*ret_why = "use the kind 'memory'";
	if (!strcmp(value, "pc-dimm"))
		return false;
	*ret_why = "use the kind 'vcpu'";
	if (len > 4 && !strcmp(value + len - 4, "-cpu"))
		return false;
	*ret_why = "a driver has only A-Z a-z 0-9 . _ + - and begins with a letter or digit";
	return consists_of(value, LETTER DIGIT, LETTER DIGIT "._+-");
}

bool vm_def_check_device_id(const char *value, const char **ret_why)
{
	*ret_why = "a device_id has only A-Z a-z 0-9 . _ : / -";
	return !*value || consists_of(value, LETTER DIGIT "._:/-", LETTER DIGIT "._:/-");
}

/* ---- extra arguments ------------------------------------------------------- */

/* Options that let somebody else stop, start, replace or rename the guest, or that
 * contradict a member of the definition. */
static const struct {
	const char *option;
	const char *why;
} refused_options[] = {
	{ "incoming", "-incoming is migrd's own: use POST /v1/moves" },
	{ "S", "-S is migrd's own: start the VM with POST /v1/vms/NAME/start" },
	{ "qmp", "use the field 'monitors'" },
	{ "qmp-pretty", "use the field 'monitors'" },
	{ "mon", "use the field 'monitors'" },
	{ "monitor", "use the field 'monitors'" },
	{ "daemonize", "-daemonize may not be given: migrd watches the process it started" },
	{ "pidfile", "-pidfile may not be given: the pid is shown by GET /v1/vms/NAME" },
	{ "name", "use the field 'name'" },
	{ "uuid", "use the field 'uuid'" },
	{ "loadvm", "-loadvm may not be given: migrd decides what the guest begins with" },
	{ "snapshot", "-snapshot may not be given: use 'readonly' or another 'path' of the disk" },
	{ "sandbox", "-sandbox is migrd's own" },
	{ "chroot", "-chroot is migrd's own" },
	{ "runas", "-runas is migrd's own" },
	{ "action", "use the field 'actions'" },
	{ "no-reboot", "use the field 'actions'" },
	{ "no-shutdown", "use the field 'actions'" },
	{ "watchdog-action", "use the field 'actions'" },
	{ "m", "use the field 'memory_mib'" },
	{ "smp", "use the field 'vcpus'" },
	{ "machine", "use the field 'machine'" },
	{ "M", "use the field 'machine'" },
	{ "accel", "use the field 'accel'" },
	{ "enable-kvm", "use the field 'accel'" },
	{ "cpu", "use the field 'cpu_model'" },
	{ "readconfig", "-readconfig may not be given: put its content into the fields" },
	{ "writeconfig", "-writeconfig may not be given: GET /v1/vms/NAME shows the definition" },
	{ "preconfig", "-preconfig may not be given: migrd expects a machine that is built" },
	{ "only-migratable", "-only-migratable is migrd's own" },
	{ "gdb", "a debugger may not be attached: it could run the guest behind migrd's back" },
	{ "s", "a debugger may not be attached: it could run the guest behind migrd's back" },
};

/* QEMU takes -X and --X, and compares the whole word. */
bool vm_def_check_extra_arg(const char *value, const char **ret_why)
{
	const char *option = value + 1;

	*ret_why = "an argument may not contain control characters";
	if (has_control(value))
		return false;
	*ret_why = "mon: puts a monitor on this device: use the field 'monitors'";
	if (!strncmp(value, "mon:", 4))
		return false;
	if (value[0] != '-')
		return true;
	if (*option == '-')
		option++;
	for (size_t i = 0; i < ARRAY_LEN(refused_options); i++) {
		if (!strcmp(option, refused_options[i].option)) {
			*ret_why = refused_options[i].why;
			return false;
		}
	}
	return true;
}
