/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.h -- the configuration file and its drop-ins.
 *
 * FILE is read first, then the *.conf of FILE.d in the order of their names; a later
 * file overrides an earlier one, a key or section that comes twice in one file
 * is a fault.  All faults are found in one go, each at FILE:LINE.  One table says
 * of every key what it may be; --help-config prints that table, and a check
 * compares the manual with it.
 *
 * Thread: any.  It reads files: for the start and for a reload.
 */
#ifndef MIGRD_CONFIG_H
#define MIGRD_CONFIG_H

#include <stdio.h>

#include "base/id.h"
#include "base/json.h"

#define CONFIG_PEER_MAX     256
#define CONFIG_NOTIFY_MAX   16
#define CONFIG_HOOK_MAX     16
#define CONFIG_ADDRESS_SIZE 272 /* HOST:PORT, a DNS name has 253 */
#define CONFIG_FILE_DEFAULT MIGRD_SYSCONFDIR "/migrd/migrd.conf"

struct config_peer {
	char id[ID_NAME_SIZE];
	char address[CONFIG_ADDRESS_SIZE];
};

/* A party that is told of moves ([notify NAME]). */
struct config_notify {
	char name[ID_NAME_SIZE];
	char *url, *secret_file;
	char *ca_file; /* NULL: what the system trusts */
	char *agent_command; /* of a program inside the guest; then there is no url */
	uint64_t timeout_ms, may_delay_s;
	char *when;  /* "before", "after" or both with a comma */
	char *label; /* KEY=VALUE; NULL: told of all VMs */
};

/* What this host does when it is empty ([hook NAME]). */
struct config_hook {
	char name[ID_NAME_SIZE];
	char *program, *only_if; /* absolute path and arguments; NULL: none */
	char *url, *secret_file; /* instead of a program; NULL: none */
	char *ca_file;           /* NULL: what the system trusts */
	uint64_t timeout_s;
	int reboots, restarts; /* 1: yes */
};

/* Paths are absolute; a program without '/' is looked up in PATH. */
struct config {
	char *host_id;
	char *host_state_dir, *host_run_dir, *host_log_dir;
	uint64_t host_memory_reserve_mib;
	uint64_t host_autostart_at_once, host_autostart_pause_ms, host_autostart_give_up_s;
	uint64_t host_vcpus_per_core;  /* 0: no limit */
	char *host_rack, *host_labels; /* NULL: none; "KEY=VALUE,KEY=VALUE" */
	char *host_makes_room_for;     /* "HOST, HOST"; NULL: none */
	uint64_t capacity_ask_every_s;
	char *host_shutdown; /* as shutdown_mode_of() takes it */
	uint64_t host_shutdown_limit_s;
	char *api_listen, *api_socket;
	char *data_listen, *data_advertise;
	char *tls_ca, *tls_cert, *tls_key;
	char *maintenance_conductors; /* "HOST, HOST"; NULL: none */
	char *maintenance_hook_program;
	char *webhooks_ca_file; /* NULL: what the system trusts */
	char *qemu_binary, *qemu_output_program;
	uint64_t qemu_log_size_kib;
	uint64_t qemu_start_timeout_ms;
	uint64_t qemu_monitor_wait_ms;
	char *move_stream_program;
	uint64_t move_link_timeout_ms, move_handover_link_timeout_ms, move_prepare_timeout_ms;
	uint64_t move_stuck_after_ms, move_offer_timeout_ms;
	uint64_t move_in_max;
	uint64_t move_link_probe_ms; /* 0: no probe */
	uint64_t move_offers_max, move_offers_memory_percent, move_hold_max_s;
	uint64_t move_outage_ping_ms, move_outage_ping_min_ms;
	uint64_t move_bandwidth_bytes_per_s; /* 0: no limit */
	uint64_t move_bandwidth_budget_bytes_per_s,
		move_bandwidth_budget_in_bytes_per_s; /* 0: none */
	uint64_t move_downtime_limit_ms;
	uint64_t queue_out_max;
	/* struct storage_rules; maps: or NULL */
	char *storage_dirs, *storage_map, *storage_firmware_map, *storage_qemu_img;
	char *storage_save_dirs; /* "DIR:DIR": saved guests may be below these */
	char *storage_backup_dirs; /* "DIR:DIR": backups may be below these */
	char *tpm_state_dir, *tpm_swtpm;
	int log_level;             /* enum log_level */
	struct config_peer *peers; /* without the host itself, by id */
	size_t peer_count;
	struct config_notify *notify; /* in the order in which they came */
	size_t notify_count;
	struct config_hook *hooks; /* likewise */
	size_t hook_count;
};

/* Sets *RET wholly when it returns true. */
bool config_load(const char *path, struct config *ret, struct faults *faults);
/* Takes over from FRESH what may change while migrd runs, but for the peers; each
 * other difference is reported to KEPT, and RUNNING keeps its value. */
struct config_key;
typedef void config_kept_fn(void *data, const struct config_key *key);
void config_take_live(struct config *running, const struct config *fresh, config_kept_fn *kept,
		      void *data);
void config_fini(struct config *config);

/* Every section and key with type, range, default and meaning. */
void config_print_keys(FILE *out);

#endif
