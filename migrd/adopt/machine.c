/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine of a foreign QEMU: its answers count, and a difference from its
 * command line is noted or refused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define MIB (UINT64_C(1) << 20)

/* ---- what QEMU says ------------------------------------------------------- */

static void begin_identity(struct adopt_plan *plan)
{
	const struct adopt_facts *facts = plan->facts;
	const char *name = plan->wishes->name ? plan->wishes->name : facts->name;
	bool has_uuid =
		id_uuid_is_valid(facts->uuid) && strspn(facts->uuid, "0-") < ID_UUID_SIZE - 1;

	if (id_name_is_valid(name))
		snprintf(plan->def->name, sizeof(plan->def->name), "%.*s", ID_NAME_SIZE - 1, name);
	else
		ADOPT_REFUSE(plan, "-name",
			     "%s%.60s%s: give it one (name; migrctl: --name), of 1 to 63 of A-Z "
			     "a-z "
			     "0-9 . _ -",
			     *name ? "'" : "that QEMU has no name", name,
			     *name ? "' cannot be the name of a VM" : "");
	snprintf(plan->def->uuid, sizeof(plan->def->uuid), "%s",
		 has_uuid ? facts->uuid : plan->wishes->uuid);
	if (!has_uuid)
		ADOPT_NOTE(plan, "-uuid",
			   "that QEMU has none: it is given one, which the guest can see in its "
			   "firmware tables when it starts anew after a move");
}

static void begin_memory(struct adopt_plan *plan)
{
	const struct adopt_facts *facts = plan->facts;

	plan->def->memory_mib = facts->memory_bytes / MIB;
	if (facts->memory_bytes % MIB)
		ADOPT_REFUSE(plan, "-m", "%" PRIu64 " bytes are not a whole number of MiB",
			     facts->memory_bytes);
	if (facts->plugged_bytes)
		ADOPT_REFUSE(plan, "-m",
			     "%" PRIu64 " MiB were plugged in later, which no option tells",
			     facts->plugged_bytes / MIB);
}

/* Of other machines migrd does not know which devices they bring themselves. */
static void begin_machine(struct adopt_plan *plan)
{
	const char *machine = plan->facts->machine;

	if (strncmp(machine, "pc-q35-", 7) != 0 && strncmp(machine, "pc-i440fx-", 10) != 0)
		ADOPT_REFUSE(plan, "-machine",
			     "'%s': only machines pc-q35-* and pc-i440fx-* are known", machine);
	snprintf(plan->def->machine, sizeof(plan->def->machine), "%s", machine);
	plan->def->accel = plan->facts->is_kvm ? VM_DEF_ACCEL_KVM : VM_DEF_ACCEL_TCG;
}

/* The model is in the type of the first CPU: "qemu64-x86_64-cpu". */
static void begin_cpu(struct adopt_plan *plan)
{
	static const char suffix[] = "-x86_64-cpu";

	plan->def->vcpus = plan->facts->vcpus;
	for (size_t i = 0; i < plan->facts->device_count; i++) {
		const char *type = plan->facts->devices[i].type;
		const char *end = strstr(type, suffix);

		if (end && !end[sizeof(suffix) - 1]) {
			snprintf(plan->def->cpu_model, sizeof(plan->def->cpu_model), "%.*s",
				 (int)(end - type), type);
			return;
		}
	}
	ADOPT_REFUSE(plan, "-cpu", "QEMU tells of no CPU of x86-64");
}

void adopt_machine_begin(struct adopt_plan *plan)
{
	plan->def->has_hotplug_ports = true; /* 0: vm_def_normalize() must add none */
	begin_identity(plan);
	begin_machine(plan);
	begin_memory(plan);
	begin_cpu(plan);
}

/* ---- what the command line says ------------------------------------------------ */

static void note_difference(struct adopt_plan *plan, const char *option, const char *said,
			    const char *is)
{
	ADOPT_NOTE(plan, option, "the command line says '%.60s', and QEMU '%.60s': QEMU counts",
		   said, is);
}

static bool parse(struct adopt_plan *plan, const struct adopt_option *option, const char *value,
		  const char *implied, struct optlist *ret)
{
	struct err err;

	if (optlist_parse(value, implied, ret, &err))
		return true;
	ADOPT_REFUSE(plan, option->name, "'%.60s' is not understood: %s", value, err.msg);
	return false;
}

static bool knows_all(struct adopt_plan *plan, const struct adopt_option *option,
		      const struct optlist *opts, const char *const *known)
{
	const char *stranger = optlist_stranger(opts, known);

	if (stranger)
		ADOPT_REFUSE(plan, option->name, "migrd does not know its '%.40s'", stranger);
	return !stranger;
}

void adopt_take_name(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	static const char *const known[] = { "guest", "process", "debug-threads", NULL };
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
	const char *guest;

	if (!parse(plan, option, value, "guest", &opts) || !knows_all(plan, option, &opts, known))
		return;
	guest = optlist_get(&opts, "guest");
	if (guest && strcmp(guest, plan->facts->name) != 0)
		note_difference(plan, option->name, guest, plan->facts->name);
}

void adopt_take_uuid(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	if (strcasecmp(value, plan->facts->uuid) != 0)
		note_difference(plan, option->name, value, plan->facts->uuid);
}

void adopt_take_cpu(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	char *model = plan->def->cpu_model;
	size_t len = strcspn(value, ",");

	if (strlen(value) >= sizeof(plan->def->cpu_model)) {
		ADOPT_REFUSE(plan, option->name, "it has more than %zu bytes",
			     sizeof(plan->def->cpu_model) - 1);
		return;
	}
	if (strlen(model) != len || strncmp(model, value, len) != 0)
		note_difference(plan, option->name, value, model);
	else
		snprintf(model, sizeof(plan->def->cpu_model), "%s", value);
}

/* Reads a size as QEMU does: without a unit it is in MiB.  0: no size, or not in whole MiB. */
static uint64_t parse_mib(const char *text)
{
	static const char units[] = "bkmgt";
	char *end = NULL;
	uint64_t value = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end | 0x20) : units + 2;

	if (end == text || !unit || (*end && end[1]))
		return 0;
	for (; unit > units + 2; unit--)
		value = value > UINT64_MAX / 1024 ? 0 : value * 1024;
	for (; unit < units + 2; unit++)
		value = value % 1024 ? 0 : value / 1024;
	return value;
}

void adopt_take_memory(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	static const char *const known[] = { "size", "slots", "maxmem", NULL };
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
	const char *slots, *max;

	if (!parse(plan, option, value, "size", &opts) || !knows_all(plan, option, &opts, known))
		return;
	slots = optlist_get(&opts, "slots"); /* the size is from query-memory-size-summary */
	max = optlist_get(&opts, "maxmem");
	if (!slots && !max)
		return;
	plan->def->memory_slots = slots ? strtoull(slots, NULL, 10) : 0;
	plan->def->max_memory_mib = max ? parse_mib(max) : 0;
	if (!plan->def->memory_slots || !plan->def->max_memory_mib)
		ADOPT_REFUSE(plan, option->name,
			     "'%.60s': room for more memory is slots and maxmem, in whole MiB",
			     value);
}

/* ---- options of the machine --------------------------------------------------- */

static void add_machine_option(struct adopt_plan *plan, const char *key, const char *value)
{
	char *options = plan->def->machine_options;
	size_t size = sizeof(plan->def->machine_options);
	size_t len = strlen(options);
	int n = snprintf(options + len, size - len, "%s%s=%s", len ? "," : "", key, value);

	if (n < 0 || (size_t)n >= size - len) {
		options[len] = '\0';
		ADOPT_REFUSE(plan, "-machine", "its options have more than %zu bytes", size - 1);
	}
}

void adopt_take_switch(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	size_t len = strcspn(option->why, "=");
	CLEANUP(free_charp) char *key = xstrndup(option->why, len);

	(void)value;
	add_machine_option(plan, key, option->why + len + 1);
}

void adopt_take_machine(struct adopt_plan *plan, const struct adopt_option *option,
			const char *value)
{
	static const char *const known[] = { "type",
					     "accel",
					     "usb",
					     "vmport",
					     "smm",
					     "hpet",
					     "acpi",
					     "sata",
					     "smbus",
					     "pit",
					     "pic",
					     "i8042",
					     "graphics",
					     "fd-bootchk",
					     "dump-guest-core",
					     "mem-merge",
					     "kernel-irqchip",
					     "memory-backend",
					     "aux-ram-share",
					     "smbios-entry-point-type",
					     NULL };
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;

	if (!parse(plan, option, value, "type", &opts) || !knows_all(plan, option, &opts, known))
		return;
	for (size_t i = 0; i < opts.count; i++) {
		const char *key = opts.opts[i].key;

		if (strcmp(key, "type") != 0 && strcmp(key, "accel") != 0)
			add_machine_option(plan, key,
					   opts.opts[i].value ? opts.opts[i].value : "on");
	}
}

/* ---- CPUs ------------------------------------------------------------------------ */

static uint64_t number(const struct optlist *opts, const char *key, uint64_t otherwise)
{
	const char *text = optlist_get(opts, key);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

void adopt_take_smp(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	static const char *const known[] = { "cpus",  "sockets", "dies",    "clusters",
					     "cores", "threads", "maxcpus", NULL };
	static const char *const layout[] = { "sockets", "dies", "clusters", "cores", "threads" };
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
	uint64_t vcpus = plan->facts->vcpus, max;
	bool has_layout = false;

	if (!parse(plan, option, value, "cpus", &opts) || !knows_all(plan, option, &opts, known))
		return;
	if (number(&opts, "cpus", vcpus) != vcpus)
		ADOPT_REFUSE(plan, option->name,
			     "it says '%.60s', and QEMU has %" PRIu64
			     " CPUs: some were plugged in or out later",
			     value, vcpus);
	for (size_t i = 0; i < ARRAY_LEN(layout); i++) {
		CLEANUP(free_charp) char *key = xasprintf("smp.%s", layout[i]);

		if (!optlist_get(&opts, layout[i]))
			continue;
		add_machine_option(plan, key, optlist_get(&opts, layout[i]));
		has_layout = true;
	}
	max = number(&opts, "maxcpus", vcpus);
	if (max != vcpus && has_layout)
		ADOPT_REFUSE(plan, option->name,
			     "room for more CPUs (maxcpus) is known only without a layout of "
			     "sockets "
			     "and cores");
	else if (max != vcpus)
		plan->def->max_vcpus = max;
}

/* ---- what the guest does by itself -------------------------------------------------- */

static void set_action(struct adopt_plan *plan, const char *option, const char *key,
		       const char *word)
{
	struct vm_def_actions *actions = &plan->def->actions;
	const struct {
		const char *key;
		const char *const *words;
		int *member;
	} known[] = {
		{ "reboot", vm_def_reboot_names, &actions->reboot },
		{ "shutdown", vm_def_shutdown_names, &actions->shutdown },
		{ "panic", vm_def_panic_names, &actions->panic },
		{ "watchdog", vm_def_watchdog_names, &actions->watchdog },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		for (int k = 0; strcmp(known[i].key, key) == 0 && known[i].words[k]; k++) {
			if (strcmp(known[i].words[k], word) != 0)
				continue;
			*known[i].member = k;
			return;
		}
	}
	ADOPT_REFUSE(plan, option, "migrd does not know '%.40s=%.40s'", key, word);
}

/* -action can set all actions.  Each older option sets one: its WHY is the key, or "key=word". */
void adopt_take_action(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	CLEANUP(free_charp)
	char *text = !option->why         ? xstrdup(value)
		     : !option->has_value ? xstrdup(option->why)
					  : xasprintf("%s=%s", option->why, value);
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;

	if (!parse(plan, option, text, NULL, &opts))
		return;
	if (optlist_is(&opts, "shutdown", "pause", ""))
		ADOPT_NOTE(plan, option->name,
			   "a guest that powers itself off stays, paused, until it is stopped: who "
			   "started QEMU so may have ended it by itself then (libvirt does), and "
			   "migrd does not");
	for (size_t i = 0; i < opts.count; i++)
		set_action(plan, option->name, opts.opts[i].key,
			   opts.opts[i].value ? opts.opts[i].value : "on");
}
