/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of each option of a foreign QEMU.  An option that is not in the
 * table is refused by its name. */
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"

/* For an option that means the same on the other host. */
static void keep(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	adopt_add(plan, ADOPT_PLAIN, option->name, value);
}

/* For the path of a file that the other host must have too. */
static void keep_path(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	if (value[0] != '/') {
		ADOPT_REFUSE(plan, option->name,
			     "'%.80s' is relative to where that QEMU was started: only an absolute "
			     "path names a file on another host",
			     value);
		return;
	}
	ADOPT_NOTE(plan, option->name, "the other host of a move must have '%.120s' too", value);
	keep(plan, option, value);
}

/* For an option that is about the QEMU process, not about the guest. */
static void drop(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	(void)plan;
	(void)option;
	(void)value;
}

static void refuse(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	(void)value;
	ADOPT_REFUSE(plan, option->name, "%s", option->why);
}

static void take_display(struct adopt_plan *plan, const struct adopt_option *option,
			 const char *value)
{
	if (strcmp(value, "none") != 0)
		refuse(plan, option, value);
}

#define WINDOW   "a window or console cannot move with the guest: start it with -display none or -vnc"
#define DEBUGGER "a debugger could run the guest behind migrd's back"

static const struct adopt_option options[] = {
	/* members of the definition */
	{ "-name", true, adopt_take_name, NULL },
	{ "-uuid", true, adopt_take_uuid, NULL },
	{ "-machine", true, adopt_take_machine, NULL },
	{ "-M", true, adopt_take_machine, NULL },
	{ "-cpu", true, adopt_take_cpu, NULL },
	{ "-m", true, adopt_take_memory, NULL },
	{ "-smp", true, adopt_take_smp, NULL },
	{ "-action", true, adopt_take_action, NULL },
	{ "-no-reboot", false, adopt_take_action, "reboot=shutdown" },
	{ "-no-shutdown", false, adopt_take_action, "shutdown=pause" },
	{ "-watchdog-action", true, adopt_take_action, "watchdog" },
	{ "-accel", true, drop, NULL }, /* query-kvm tells */
	{ "-enable-kvm", false, drop, NULL },
	{ "-usb", false, adopt_take_switch, "usb=on" },
	{ "-no-hpet", false, adopt_take_switch, "hpet=off" },
	{ "-no-acpi", false, adopt_take_switch, "acpi=off" },
	{ "-nographic", false, adopt_take_switch, "graphics=off" },
	/* devices and what is behind them */
	{ "-device", true, adopt_take_device, NULL },
	{ "-object", true, adopt_take_object, NULL },
	{ "-drive", true, adopt_take_drive, NULL },
	{ "-blockdev", true, adopt_take_blockdev, NULL },
	{ "-hda", true, adopt_take_old_drive, "if=ide,index=0,media=disk" },
	{ "-hdb", true, adopt_take_old_drive, "if=ide,index=1,media=disk" },
	{ "-hdc", true, adopt_take_old_drive, "if=ide,index=2,media=disk" },
	{ "-hdd", true, adopt_take_old_drive, "if=ide,index=3,media=disk" },
	{ "-cdrom", true, adopt_take_old_drive, "if=ide,index=2,media=cdrom" },
	{ "-fda", true, adopt_take_old_drive, "if=floppy,index=0" },
	{ "-fdb", true, adopt_take_old_drive, "if=floppy,index=1" },
	{ "-netdev", true, adopt_take_netdev, NULL },
	{ "-nic", true, adopt_take_nic, NULL },
	{ "-net", true, adopt_take_net, NULL },
	{ "-chardev", true, adopt_take_chardev, NULL },
	{ "-serial", true, adopt_take_serial, NULL },
	{ "-parallel", true, adopt_take_parallel, NULL },
	{ "-vga", true, drop, NULL }, /* the devices tell */
	/* monitors: one is migrd's from here on */
	{ "-qmp", true, adopt_take_monitor, NULL },
	{ "-qmp-pretty", true, adopt_take_monitor, NULL },
	{ "-monitor", true, adopt_take_monitor, NULL },
	{ "-mon", true, adopt_take_mon, NULL },
	/* about the process */
	{ "-S", false, drop, NULL },
	{ "-daemonize", false, drop, NULL },
	{ "-pidfile", true, drop, NULL },
	{ "-nodefaults", false, drop, NULL }, /* the devices tell */
	{ "-no-user-config", false, drop, NULL },
	{ "-nouserconfig", false, drop, NULL },
	{ "-sandbox", true, drop, NULL },
	{ "-msg", true, drop, NULL },
	{ "-D", true, drop, NULL },
	{ "-d", true, drop, NULL },
	{ "-trace", true, drop, NULL },
	{ "-L", true, drop, NULL },
	{ "-incoming", true, drop, NULL },
	{ "-loadvm", true, drop, NULL },
	{ "-only-migratable", false, drop, NULL },
	{ "-display", true, take_display, WINDOW },
	/* the same on both hosts */
	{ "-boot", true, keep, NULL },
	{ "-rtc", true, keep, NULL },
	{ "-k", true, keep, NULL },
	{ "-smbios", true, keep, NULL },
	{ "-global", true, keep, NULL },
	{ "-append", true, keep, NULL },
	{ "-vnc", true, keep, NULL },
	{ "-overcommit", true, keep, NULL },
	{ "-numa", true, keep, NULL },
	{ "-no-fd-bootchk", false, keep, NULL },
	{ "-win2k-hack", false, keep, NULL },
	{ "-kernel", true, keep_path, NULL },
	{ "-initrd", true, keep_path, NULL },
	{ "-bios", true, keep_path, NULL },
	/* cannot be repeated without loss */
	{ "-snapshot", false, refuse,
	  "what the guest has written is in a temporary file of that QEMU, which a move would "
	  "lose" },
	{ "-readconfig", true, refuse, "its options are not on the command line" },
	{ "-set", true, refuse, "it changes other options behind our back" },
	{ "-gdb", true, refuse, DEBUGGER },
	{ "-s", false, refuse, DEBUGGER },
	{ "-runas", true, refuse, "on the other host QEMU would be of migrd's user" },
	{ "-chroot", true, refuse, "on the other host its files would be elsewhere" },
	{ "-pflash", true, refuse, "firmware with variables of its own is not known to move" },
	{ "-sd", true, refuse, "an SD card is not known to move" },
	{ "-mtdblock", true, refuse, "flash memory is not known to move" },
	{ "-spice", true, refuse, WINDOW },
	{ "-curses", false, refuse, WINDOW },
	{ "-full-screen", false, refuse, WINDOW },
	{ "-usbdevice", true, refuse, "its device has no id of its own: use -usb -device" },
	{ "-virtfs", true, refuse, "QEMU cannot move a guest with a 9p file system" },
	{ "-fsdev", true, refuse, "QEMU cannot move a guest with a 9p file system" },
	{ "-tpmdev", true, refuse, "a TPM is not known to move" },
	{ "-icount", true, refuse, "a guest on counted instructions is not known to move" },
	{ "-mem-path", true, refuse,
	  "use -object memory-backend-file with -machine memory-backend" },
	{ "-mem-prealloc", false, refuse, "use -object memory-backend-ram,prealloc=on" },
	{ "-add-fd", true, refuse, "a descriptor of that process does not exist on another host" },
	{ "-plugin", true, refuse, "a plug-in is not known to move" },
};

const struct adopt_option *adopt_option_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	}
	return NULL;
}
