/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adopt/changes.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

#define IMAGES    "images of drives: file, format, read-only, cache"
#define MEDIA     "medium and tray of CD drives"
#define GUEST     "it is the guest's own state, which a move carries"
#define AN_EVENT  "an event for the guest, over when it has come"
#define A_LOOK    "it changes nothing of the machine"
#define A_MOVE    "adoption waits for the end of a migration, and each move sets what it uses"
#define AN_EXPORT "a move is refused while there is one"
#define OTHERS    "machines that are not adopted"

/* clang-format off */
const struct adopt_change adopt_changes[] = {
	{ "block_set_io_throttle", "limits of drives", "query-block", NULL },
	{ "block_resize", NULL, NULL, "the image says how large it is" },
	{ "block-latency-histogram-set|block-set-write-threshold", NULL, NULL, A_LOOK },
	{ "block-export-*|nbd-server-*|nbd_server_*", NULL, NULL, AN_EXPORT },
	{ "block-dirty-bitmap-*", NULL, NULL, "a move names the bitmaps that it loses" },
	{ "block-job-*|block_job_*|job-*", "block jobs", "query-block-jobs", NULL },
	{ "blockdev-add|blockdev-del|blockdev-reopen|blockdev-set-active|x-blockdev-*",
	  "nodes of -blockdev", "query-named-block-nodes", NULL },
	{ "blockdev-change-medium|blockdev-insert-medium|blockdev-remove-medium|"
	  "blockdev-open-tray|blockdev-close-tray|change|eject", MEDIA, "query-block", NULL },
	{ "block*|drive-*|drive_*|change-backing-file|commit|transaction",
	  IMAGES, "query-block", NULL },
	{ "snapshot-*|snapshot_*|savevm|loadvm|delvm", IMAGES, "query-block", NULL },
	{ "qemu-io", NULL, NULL, "it writes into an image, not into a definition" },
	{ "device_add|device_del", "devices", "qom-list", NULL },
	{ "qom-set", "drive, netdev, chardev, bootindex, serial and mac of a device", "qom-get", NULL },
	{ "device-list-properties|qom-list-properties|device-sync-config|x-query-virtio*",
	  NULL, NULL, A_LOOK },
	{ "netdev_*", "networks: type and interface", "human-monitor-command", NULL },
	{ "hostfwd_add|hostfwd_remove", "ports of the host that lead to the guest (hostfwd)",
	  "human-monitor-command", NULL },
	{ "object-*|object_*", "objects of -object", "qom-list", NULL },
	{ "chardev-send-break", NULL, NULL, AN_EVENT },
	{ "chardev-*", "character devices", "query-chardev", NULL },
	{ "set-action|watchdog-set-action|watchdog_action",
	  "actions (-action, -no-reboot, -no-shutdown, -watchdog-action)", NULL,
	  "the command line counts" },
	{ "display-update", "port of VNC", "query-vnc-servers", NULL },
	{ "change-vnc-password|set_password|expire_password", "passwords of VNC", NULL,
	  "nobody can read them: set them again after a move" },
	{ "set_link|balloon|boot_set|rtc-reset-reinjection", NULL, NULL, GUEST },
	{ "x-colo-*|x_colo_*|migrate*|client_migrate_info|yank|announce-self|announce_self|"
	  "set-vcpu-dirty-limit|set_vcpu_dirty_limit|cancel-vcpu-dirty-limit|"
	  "cancel_vcpu_dirty_limit|calc-dirty-rate|calc_dirty_rate", NULL, NULL, A_MOVE },
	{ "cont|c|stop|s|quit|q|system_reset|system_wakeup|system_powerdown|gdbserver",
	  "whether the guest runs", "query-status", NULL },
	{ "inject-*|nmi|mce|pcie_aer_inject_error|cxl-inject-*|input-send-event|send-key|sendkey|"
	  "mouse_*|ringbuf-*|ringbuf_*|xen-event-inject|sev-inject-launch-secret|o", NULL, NULL,
	  AN_EVENT },
	{ "dump*|memsave|pmemsave|screendump|wavcapture|stopcapture|logfile|trace-file|"
	  "trace-event*|log|sync-profile|display-reload|one-insn-per-tb|singlestep|x|xp|sum|i",
	  NULL, NULL, A_LOOK },
	{ "add-fd|remove-fd|getfd|closefd|add_client", NULL, NULL,
	  "what names a descriptor is refused" },
	{ "qmp_capabilities|human-monitor-command", NULL, NULL, "it is about that connection" },
	{ "xen-*|replay-*|replay_*|cxl-add-*|cxl-release-*|set-numa-node|set-cpu-topology|"
	  "x-exit-preconfig|exit_preconfig", NULL, NULL, OTHERS },
};
/* clang-format on */

const size_t adopt_change_count = ARRAY_LEN(adopt_changes);

static bool matches(const char *pattern, size_t len, const char *command)
{
	if (len && pattern[len - 1] == '*')
		return strncmp(pattern, command, len - 1) == 0;
	return strlen(command) == len && strncmp(pattern, command, len) == 0;
}

const struct adopt_change *adopt_change_find(const char *command)
{
	for (size_t i = 0; i < adopt_change_count; i++) {
		const char *at = adopt_changes[i].commands;

		for (size_t len; *at; at += len + (at[len] == '|')) {
			len = strcspn(at, "|");
			if (matches(at, len, command))
				return &adopt_changes[i];
		}
	}
	return NULL;
}
