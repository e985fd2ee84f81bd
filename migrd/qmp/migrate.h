/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/migrate.h -- QEMU's migration words: states, progress, capabilities.
 *
 * Thread: any (pure).  Source: QEMU qapi/migration.json (MigrationStatus,
 * MigrationInfo, MigrationCapability), qapi/run-state.json (RunState).
 */
#ifndef MIGRD_QMP_MIGRATE_H
#define MIGRD_QMP_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/*      code                   QEMU's name */
#define QMP_MIG_STATES(X)                              \
	X(NONE,                "none")                 \
	X(SETUP,               "setup")                \
	X(CANCELLING,          "cancelling")           \
	X(CANCELLED,           "cancelled")            \
	X(ACTIVE,              "active")               \
	X(POSTCOPY_ACTIVE,     "postcopy-active")      \
	X(POSTCOPY_PAUSED,     "postcopy-paused")      \
	X(POSTCOPY_RECOVER_SETUP, "postcopy-recover-setup") \
	X(POSTCOPY_RECOVER,    "postcopy-recover")     \
	X(COMPLETED,           "completed")            \
	X(FAILING,             "failing")              \
	X(FAILED,              "failed")               \
	X(COLO,                "colo")                 \
	X(PRE_SWITCHOVER,      "pre-switchover")       \
	X(DEVICE,              "device")               \
	X(POSTCOPY_DEVICE,     "postcopy-device")      \
	X(WAIT_UNPLUG,         "wait-unplug")          \
	X(UNKNOWN,             "unknown")

enum qmp_mig_state {
#define X(code, name) QMP_MIG_##code,
	QMP_MIG_STATES(X)
#undef X
	QMP_MIG_COUNT
};

const char *qmp_mig_state_name(enum qmp_mig_state state);
enum qmp_mig_state qmp_mig_state_from_name(const char *name);

#define QMP_RUN_STATES(X)                       \
	X(DEBUG,          "debug")              \
	X(INMIGRATE,      "inmigrate")          \
	X(INTERNAL_ERROR, "internal-error")     \
	X(IO_ERROR,       "io-error")           \
	X(PAUSED,         "paused")             \
	X(POSTMIGRATE,    "postmigrate")        \
	X(PRELAUNCH,      "prelaunch")          \
	X(FINISH_MIGRATE, "finish-migrate")     \
	X(RESTORE_VM,     "restore-vm")         \
	X(RUNNING,        "running")            \
	X(SAVE_VM,        "save-vm")            \
	X(SHUTDOWN,       "shutdown")           \
	X(SUSPENDED,      "suspended")          \
	X(WATCHDOG,       "watchdog")           \
	X(GUEST_PANICKED, "guest-panicked")     \
	X(COLO,           "colo")               \
	X(UNKNOWN,        "unknown")

enum qmp_run_state {
#define X(code, name) QMP_RUN_##code,
	QMP_RUN_STATES(X)
#undef X
	QMP_RUN_COUNT
};

const char *qmp_run_state_name(enum qmp_run_state state);
enum qmp_run_state qmp_run_state_from_name(const char *name);
/* The reply of query-status. */
enum qmp_run_state qmp_run_state_decode(struct json_object *reply);

/* The reply of query-migrate; members that QEMU leaves out are 0. */
struct qmp_mig_info {
	enum qmp_mig_state state;          /* absent: NONE */
	char error[256];                   /* error-desc */
	uint64_t total_time_ms;            /* total-time */
	uint64_t setup_time_ms;            /* setup-time */
	uint64_t downtime_ms;              /* downtime: only after success */
	uint64_t expected_downtime_ms;     /* expected-downtime: while active */
	unsigned throttle_percent;         /* cpu-throttle-percentage */
	uint64_t ram_total_bytes;          /* ram.total */
	uint64_t ram_remaining_bytes;      /* ram.remaining */
	uint64_t ram_transferred_bytes;    /* ram.transferred */
	uint64_t ram_page_bytes;           /* ram.page-size */
	uint64_t ram_visited_bytes;        /* (ram.normal + ram.duplicate) * ram.page-size */
	uint64_t ram_dirty_pages_per_s;    /* ram.dirty-pages-rate */
	uint64_t ram_passes;               /* ram.dirty-sync-count */
	double throughput_mbit_per_s;      /* ram.mbps: megabits */
};
bool qmp_mig_info_decode(struct json_object *reply, struct qmp_mig_info *ret, struct err *err);

#endif
