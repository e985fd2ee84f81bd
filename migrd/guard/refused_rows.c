/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The class of each command, with the reason of a refusal; guard/refused.h explains the
 * classes. */
#include "guard/refused_rows.h"

#include "base/mem.h"

#define REASON(name_, why_, verb_, rest_) \
	static const struct refused_reason name_ = { .why = why_, .verb = verb_, .rest = rest_ }

REASON(resume, "only migrd lets a guest run", "vm resume", "");
REASON(pause_, "migrd has to know that the guest shall not run", "vm pause", "");
REASON(reset, "a move that is under way has to know of it", "vm reset", "");
REASON(powerdown, "a move that is under way has to know of it", "vm shutdown", "");
REASON(quit, "migrd would take it for a crash", "vm stop", "");
REASON(move_start, "only the coordinators of both hosts can move a guest", "move start",
       " --to HOST");
REASON(move_cancel, "a move is ended by the coordinators of both hosts", "move cancel", "");
REASON(move_set, "the limits of a move are migrd's to set", "move set", "");
REASON(move, "moves are migrd's own, and so is what they use", NULL, NULL);
REASON(attach, "the definition would not know of it, and a moved guest would lack it", "vm attach",
       " FILE");
REASON(detach, "the definition would not know of it, and a moved guest would have it again",
       "vm detach", " ID");
REASON(backend,
       "what is behind the guest's devices is made and removed with them (vm attach, vm detach)",
       NULL, NULL);
REASON(eject, "a move has to know what is in the drive", "vm eject", " ID");
REASON(insert, "a move has to know what is in the drive", "vm insert", " ID FILE");
REASON(disk, "the disks are those of the definition, and jobs on them are a move's", NULL, NULL);
REASON(snapshot, "it stops the guest, or puts another state in its place", NULL, NULL);
REASON(file, "it makes QEMU write a file of the host", NULL, NULL);
REASON(descriptor, "the descriptors in QEMU were passed by migrd", NULL, NULL);
REASON(shared, "the monitor is migrd's, and was set up by it", NULL, NULL);
REASON(actions, "what follows a panic, a reset or the watchdog is 'actions' of the definition",
       NULL, NULL);
REASON(door, "it can do what other commands are refused for", NULL, NULL);
REASON(developers, "it is for the developers of QEMU, and no guest shall depend on it", NULL, NULL);
REASON(not_here, "migrd runs no guest that has a use for it", NULL, NULL);

#define Q       REFUSED_CLASS_QUERY, NULL
#define M       REFUSED_CLASS_MODIFY, NULL
#define NO(why) REFUSED_CLASS_REFUSED, &(why)

/* clang-format off */
const struct refused_row refused_qmp_rows[] = {
	/* the guest runs, stops, ends */
	{ "cont",                         NO(resume) },
	{ "stop",                         NO(pause_) },
	{ "system_reset",                 NO(reset) },
	{ "system_powerdown",             NO(powerdown) },
	{ "system_wakeup",                M },
	{ "quit",                         NO(quit) },
	{ "inject-ghes-*",                M }, /* an error for the guest's firmware to report */
	{ "inject-nmi",                   M }, /* an event for the guest, like a key */
	{ "snapshot-*",                   NO(snapshot) },
	{ "set-action",                   NO(actions) },
	{ "watchdog-set-action",          NO(actions) },
	{ "replay-*",                     NO(not_here) },

	/* moves, and what they use */
	{ "migrate",                      NO(move_start) },
	{ "migrate_cancel",               NO(move_cancel) },
	{ "migrate-set-parameters",       NO(move_set) },
	{ "migrate*",                     NO(move) },
	{ "client_migrate_info",          NO(move) },
	{ "yank",                         NO(move_cancel) },
	{ "x-colo-*",                     NO(move) },
	{ "set-vcpu-dirty-limit",         NO(move) },
	{ "cancel-vcpu-dirty-limit",      NO(move) },
	/* Mode dirty-ring of calc-dirty-rate kills a QEMU 7.2 without KVM. */
	{ "calc-dirty-rate",              NO(move) },
	{ "nbd-server-*",                 NO(move) },
	{ "block-export-*",               NO(move) },
	{ "job-*",                        NO(disk) },
	{ "announce-self",                M },

	/* devices and what is behind them */
	{ "device_add",                   NO(attach) },
	{ "device_del",                   NO(detach) },
	{ "device_*",                     NO(backend) },
	{ "device-list-properties",       M }, /* creates an instance for a moment */
	{ "device-sync-config",           M },
	{ "netdev_*",                     NO(backend) },
	{ "object-*",                     NO(backend) },
	{ "chardev-*",                    NO(backend) },
	{ "chardev-send-break",           M },
	{ "cxl-add-*",                    NO(backend) },
	{ "cxl-release-*",                NO(backend) },
	{ "cxl-inject-*",                 M },
	{ "set_link",                     M },
	{ "balloon",                      M },
	{ "qom-set",                      NO(door) }, /* "realized": an unplug */
	{ "qom-get",                      Q },
	{ "qom-list",                     Q },
	{ "qom-list-get",                 Q },
	{ "qom-list-types",               Q },
	{ "qom-list-properties",          M }, /* creates an instance for a moment */

	/* disks */
	{ "block*",                       NO(disk) },
	{ "drive-*",                      NO(disk) },
	{ "x-blockdev-*",                 NO(disk) },
	{ "change-backing-file",          NO(disk) },
	{ "eject",                        NO(eject) },
	{ "blockdev-change-medium",       NO(insert) },
	{ "blockdev-insert-medium",       NO(insert) },
	{ "blockdev-remove-medium",       NO(eject) },
	{ "transaction",                  NO(disk) },
	{ "block_resize",                 M }, /* the size is in the image, not in the definition */
	{ "block_set_io_throttle",        M },
	{ "block-latency-histogram-set",  M },
	{ "block-set-write-threshold",    M },

	/* files and descriptors */
	{ "dump*",                        NO(file) },
	{ "memsave",                      NO(file) },
	{ "pmemsave",                     NO(file) },
	{ "screendump",                   NO(file) },
	{ "xen-save-*",                   NO(file) },
	{ "add-fd",                       NO(descriptor) },
	{ "remove-fd",                    NO(descriptor) },
	{ "getfd",                        NO(descriptor) },
	{ "closefd",                      NO(descriptor) },
	{ "add_client",                   NO(descriptor) },

	/* displays, keys, time, secrets */
	{ "display-reload",               M },
	{ "display-update",               M },
	{ "change-vnc-password",          M },
	{ "set_password",                 M },
	{ "expire_password",              M },
	{ "input-send-event",             M },
	{ "send-key",                     M },
	{ "rtc-reset-reinjection",        M },
	{ "ringbuf-read",                 M }, /* removes what it reads */
	{ "ringbuf-write",                M },
	{ "sev-inject-launch-secret",     M },

	/* QEMU itself */
	{ "query-*",                      Q },
	{ "x-query-virtio*",              NO(developers) },
	{ "x-query-*",                    Q },
	{ "x-accel-stats",                Q },
	{ "x-debug-*",                    Q },
	{ "request-ebpf",                 Q },
	{ "trace-event-get-state",        Q },
	{ "trace-event-set-state",        M },
	{ "qmp_capabilities",             NO(shared) },
	{ REFUSED_HMP_BY_QMP,             M }, /* judged by its HMP line, if it has one */
	{ "x-exit-preconfig",             NO(not_here) },
	{ "set-numa-node",                NO(not_here) },
	{ "set-cpu-topology",             NO(not_here) }, /* only on s390x */
	{ "xen-event-list",               Q },
	{ "xen-event-inject",             M },
	{ "xen-*",                        NO(not_here) },
};

const struct refused_row refused_hmp_rows[] = {
	/* the guest runs, stops, ends */
	{ "cont|c",                       NO(resume) },
	{ "stop|s",                       NO(pause_) },
	{ "system_reset",                 NO(reset) },
	{ "system_powerdown",             NO(powerdown) },
	{ "system_wakeup",                M },
	{ "quit|q",                       NO(quit) },
	{ "nmi|mce|pcie_aer_inject_error", M },
	{ "savevm|loadvm|delvm",          NO(snapshot) },
	{ "snapshot_*",                   NO(snapshot) },
	{ "watchdog_action",              NO(actions) },
	{ "replay_*",                     NO(not_here) },

	/* moves, and what they use */
	{ "migrate",                      NO(move_start) },
	{ "migrate_cancel",               NO(move_cancel) },
	{ "migrate_set_parameter",        NO(move_set) },
	{ "migrate*",                     NO(move) },
	{ "client_migrate_info",          NO(move) },
	{ "x_colo_*",                     NO(move) },
	{ "set_vcpu_dirty_limit",         NO(move) },
	{ "cancel_vcpu_dirty_limit",      NO(move) },
	{ "calc_dirty_rate",              NO(move) },
	{ "nbd_server_*",                 NO(move) },
	{ "announce_self",                M },

	/* devices and what is behind them */
	{ "device_add",                   NO(attach) },
	{ "device_del",                   NO(detach) },
	{ "device_*",                     NO(backend) },
	{ "netdev_*",                     NO(backend) },
	{ "object_*",                     NO(backend) },
	{ "chardev-*",                    NO(backend) },
	{ "chardev-send-break",           M },
	{ "hostfwd_add|hostfwd_remove",   M },
	{ "set_link|balloon|boot_set",    M },
	{ "qom-set",                      NO(door) },
	{ "qom-get|qom-list",             Q },

	/* disks */
	{ "block*",                       NO(disk) },
	{ "drive_*",                      NO(disk) },
	{ "commit",                       NO(disk) },
	{ "change",                       NO(insert) },
	{ "eject",                        NO(eject) },
	{ "block_resize",                 M },
	{ "block_set_io_throttle",        M },
	{ "qemu-io",                      NO(door) }, /* writes to disks that the guest uses */

	/* files and descriptors */
	{ "dump*",                        NO(file) },
	{ "memsave|pmemsave",             NO(file) },
	{ "screendump|wavcapture",        NO(file) },
	{ "logfile|trace-file",           NO(file) },
	{ "getfd|closefd",                NO(descriptor) },

	/* displays, keys, secrets */
	{ "set_password|expire_password", M },
	{ "sendkey|mouse_*",              M },
	{ "ringbuf_read|ringbuf_write",   M },
	{ "stopcapture",                  M },

	/* memory and ports: reading a device's register can change it */
	{ "x|xp|sum|i",                   M },
	{ "o",                            NO(door) }, /* reaches the ports of reset and power */
	{ "gpa2hpa|gpa2hva|gva2gpa",      Q },
	{ "print|p",                      Q },

	/* QEMU itself */
	{ "help|?",                       Q },
	{ "clear",                        Q }, /* clears the terminal */
	{ "info",                         Q },
	{ "info virtio*",                 NO(developers) },
	{ "cpu",                          Q }, /* sets the CPU of a monitor of one command */
	{ "log|trace-event|sync-profile", M },
	{ "singlestep|one-insn-per-tb",   M },
	{ "gdbserver",                    NO(door) },
	{ "exit_preconfig",               NO(not_here) },
	{ "xen-event-list",               Q },
	{ "xen-event-inject",             M },
};
/* clang-format on */

const size_t refused_qmp_row_count = ARRAY_LEN(refused_qmp_rows);
const size_t refused_hmp_row_count = ARRAY_LEN(refused_hmp_rows);
