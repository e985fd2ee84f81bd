/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/events.h -- QEMU's event names, and what each of them asks of us.
 *
 * An event is a hint to look, not a fact to keep: none is replayed to a client
 * that was away.  Names this table does not know are UNKNOWN and harmless.
 * Every event of a VM, known or not, is passed to the clients of GET /v1/events; vm/events.h
 * has what else is done.
 *
 * Thread: any (pure).  Source: query-qmp-schema of QEMU 7.2, 10.0 and 11.1 (x86), against
 * which tests compare this table, and qapi/ of the releases between.  Sorted by
 * name: lookup is a binary search, and a test checks the order.
 */
#ifndef MIGRD_QMP_EVENTS_H
#define MIGRD_QMP_EVENTS_H

#include <stdbool.h>

enum qmp_event_flags {
	QMP_EVENT_RUN_STATE = 1 << 0, /* the run state changed: query-status has the new one */
	QMP_EVENT_MIGRATION = 1 << 1, /* a move goes on: query-migrate */
	QMP_EVENT_JOB = 1 << 2,       /* a block job or another job changed */
	QMP_EVENT_DEVICE = 1 << 3,    /* devices changed: the definition may be stale */
	QMP_EVENT_ENDING = 1 << 4,    /* QEMU or the guest is about to end or to start anew */
	QMP_EVENT_AGENT = 1 << 5,     /* a guest agent's port opened or closed */
	QMP_EVENT_WARN = 1 << 6,      /* a person should know: log a warning */
	QMP_EVENT_QUIET = 1 << 7,     /* passed to clients, and nothing else */
	QMP_EVENT_NETWORK = 1 << 8,   /* the host's network may have to follow the guest */
};

#define QMP_EVENTS(X)                                                 \
	X(ACPI_DEVICE_OST, QMP_EVENT_DEVICE)                          \
	X(BALLOON_CHANGE, QMP_EVENT_QUIET)                            \
	X(BLOCK_EXPORT_DELETED, QMP_EVENT_JOB)                        \
	X(BLOCK_IMAGE_CORRUPTED, QMP_EVENT_WARN)                      \
	X(BLOCK_IO_ERROR, QMP_EVENT_WARN | QMP_EVENT_RUN_STATE)       \
	X(BLOCK_JOB_CANCELLED, QMP_EVENT_JOB)                         \
	X(BLOCK_JOB_COMPLETED, QMP_EVENT_JOB)                         \
	X(BLOCK_JOB_ERROR, QMP_EVENT_JOB | QMP_EVENT_WARN)            \
	X(BLOCK_JOB_PENDING, QMP_EVENT_JOB)                           \
	X(BLOCK_JOB_READY, QMP_EVENT_JOB)                             \
	X(BLOCK_WRITE_THRESHOLD, QMP_EVENT_WARN)                      \
	X(COLO_EXIT, QMP_EVENT_MIGRATION)                             \
	X(CPU_POLARIZATION_CHANGE, QMP_EVENT_QUIET)                   \
	X(DEVICE_DELETED, QMP_EVENT_DEVICE)                           \
	X(DEVICE_TRAY_MOVED, QMP_EVENT_DEVICE)                        \
	X(DEVICE_UNPLUG_GUEST_ERROR, QMP_EVENT_DEVICE | QMP_EVENT_WARN) \
	X(DUMP_COMPLETED, QMP_EVENT_JOB)                              \
	X(FAILOVER_NEGOTIATED, QMP_EVENT_DEVICE)                      \
	X(GUEST_CRASHLOADED, QMP_EVENT_WARN)                          \
	X(GUEST_PANICKED, QMP_EVENT_RUN_STATE | QMP_EVENT_WARN)       \
	X(GUEST_PVSHUTDOWN, QMP_EVENT_ENDING)                         \
	X(HV_BALLOON_STATUS_REPORT, QMP_EVENT_QUIET)                  \
	X(JOB_STATUS_CHANGE, QMP_EVENT_JOB)                           \
	X(MEMORY_DEVICE_SIZE_CHANGE, QMP_EVENT_DEVICE)                \
	X(MEMORY_FAILURE, QMP_EVENT_WARN)                             \
	X(MEM_UNPLUG_ERROR, QMP_EVENT_DEVICE | QMP_EVENT_WARN)        \
	X(MIGRATION, QMP_EVENT_MIGRATION)                             \
	X(MIGRATION_PASS, QMP_EVENT_MIGRATION)                        \
	X(NETDEV_STREAM_CONNECTED, QMP_EVENT_DEVICE)                  \
	X(NETDEV_STREAM_DISCONNECTED, QMP_EVENT_DEVICE | QMP_EVENT_WARN) \
	X(NETDEV_VHOST_USER_CONNECTED, QMP_EVENT_DEVICE)              \
	X(NETDEV_VHOST_USER_DISCONNECTED, QMP_EVENT_DEVICE | QMP_EVENT_WARN) \
	X(NIC_RX_FILTER_CHANGED, QMP_EVENT_NETWORK)                   \
	X(POWERDOWN, QMP_EVENT_ENDING)                                \
	X(PR_MANAGER_STATUS_CHANGED, QMP_EVENT_WARN)                  \
	X(QUORUM_FAILURE, QMP_EVENT_WARN)                             \
	X(QUORUM_REPORT_BAD, QMP_EVENT_WARN)                          \
	X(RDMA_GID_STATUS_CHANGED, QMP_EVENT_QUIET)                   \
	X(RESET, QMP_EVENT_ENDING)                                    \
	X(RESUME, QMP_EVENT_RUN_STATE)                                \
	X(RTC_CHANGE, QMP_EVENT_QUIET)                                \
	X(SCLP_CPI_INFO_AVAILABLE, QMP_EVENT_QUIET)                   \
	X(SHUTDOWN, QMP_EVENT_RUN_STATE | QMP_EVENT_ENDING)           \
	X(SPICE_CONNECTED, QMP_EVENT_QUIET)                           \
	X(SPICE_DISCONNECTED, QMP_EVENT_QUIET)                        \
	X(SPICE_INITIALIZED, QMP_EVENT_QUIET)                         \
	X(SPICE_MIGRATE_COMPLETED, QMP_EVENT_QUIET)                   \
	X(STOP, QMP_EVENT_RUN_STATE)                                  \
	X(SUSPEND, QMP_EVENT_RUN_STATE)                               \
	X(SUSPEND_DISK, QMP_EVENT_ENDING)                             \
	X(UNPLUG_PRIMARY, QMP_EVENT_DEVICE)                           \
	X(VFIO_MIGRATION, QMP_EVENT_MIGRATION)                        \
	X(VFU_CLIENT_HANGUP, QMP_EVENT_WARN)                          \
	X(VNC_CONNECTED, QMP_EVENT_QUIET)                             \
	X(VNC_DISCONNECTED, QMP_EVENT_QUIET)                          \
	X(VNC_INITIALIZED, QMP_EVENT_QUIET)                           \
	X(VSERPORT_CHANGE, QMP_EVENT_AGENT)                           \
	X(WAKEUP, QMP_EVENT_RUN_STATE)                                \
	X(WATCHDOG, QMP_EVENT_RUN_STATE | QMP_EVENT_WARN)

enum qmp_event_type {
#define X(name, flags) QMP_EVENT_TYPE_##name,
	QMP_EVENTS(X)
#undef X
	QMP_EVENT_TYPE_UNKNOWN,
	QMP_EVENT_TYPE_COUNT = QMP_EVENT_TYPE_UNKNOWN
};

/* UNKNOWN for a name that is not in the table, and for NULL. */
enum qmp_event_type qmp_event_type_from_name(const char *name);
const char *qmp_event_type_name(enum qmp_event_type type); /* UNKNOWN: "UNKNOWN" */
/* A mask of enum qmp_event_flags; UNKNOWN: 0. */
unsigned qmp_event_type_flags(enum qmp_event_type type);

#endif
