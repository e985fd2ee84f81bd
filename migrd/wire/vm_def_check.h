/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_check.h -- the rules of a VM definition.  For wire/vm_def*.c. */
#ifndef MIGRD_WIRE_VM_DEF_CHECK_H
#define MIGRD_WIRE_VM_DEF_CHECK_H

#include "wire/vm_def.h"

/* Check one value each: json_check_fn. */
bool vm_def_check_name(const char *value, const char **ret_why);
bool vm_def_check_uuid(const char *value, const char **ret_why);
bool vm_def_check_machine(const char *value, const char **ret_why);
bool vm_def_check_policy(const char *value, const char **ret_why);
bool vm_def_check_machine_options(const char *value, const char **ret_why);
bool vm_def_check_cpu_model(const char *value, const char **ret_why);
bool vm_def_check_id(const char *value, const char **ret_why);
bool vm_def_check_path(const char *value, const char **ret_why);
bool vm_def_check_ifname(const char *value, const char **ret_why);
bool vm_def_check_mac(const char *value, const char **ret_why);
bool vm_def_check_pci_address(const char *value, const char **ret_why);
bool vm_def_check_driver(const char *value, const char **ret_why);
bool vm_def_check_device_id(const char *value, const char **ret_why);
bool vm_def_check_extra_arg(const char *value, const char **ret_why);

/* Checks the values that json_decode() has filled in against each other.  Skips objects that
 * have a fault already (from number FIRST on). */
void vm_def_check_across(const struct vm_def *def, struct faults *faults, size_t first);

/* Slots that the machine's own devices, the agent's channel or ports take: a bit each. */
uint32_t vm_def_reserved_slots(const struct vm_def *def);

#endif
