/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/host_reply.h"

/* ---- the host ------------------------------------------------------------ */

static const struct json_field protocol_fields[] = {
	JSON_SHOWN(struct host_protocol, min, "Oldest version."),
	JSON_SHOWN(struct host_protocol, max, "Newest version."),
	{ 0 },
};

static const struct json_field store_fields[] = {
	JSON_SHOWN(struct host_store, id, "Id of the state database."),
	JSON_SHOWN(struct host_store, epoch, "Counter that grows at each start of migrd."),
	JSON_SHOWN(struct host_store, doubt,
		   "Reason why the records may be old; null: they are not.", .nullable = true),
	{ 0 },
};

static const struct json_field certificate_fields[] = {
	JSON_SHOWN_TIME(struct host_certificate, not_before,
			"Beginning of the certificate's validity."),
	JSON_SHOWN_TIME(struct host_certificate, not_after, "End of the certificate's validity."),
	JSON_SHOWN(struct host_certificate, days_left, "Days until the certificate ends."),
	JSON_SHOWN(struct host_certificate, valid,
		   "The certificate is valid now; else other hosts refuse it."),
	{ 0 },
};

static const struct json_field reload_fields[] = {
	JSON_SHOWN_TIME(struct host_reload, at, "Time of the reload."),
	JSON_SHOWN(struct host_reload, ok, "The changed configuration is in use."),
	JSON_SHOWN_IF(struct host_reload, error, "Reason why nothing was changed."),
	{ 0 },
};

static const struct json_field vms_fields[] = {
	JSON_SHOWN(struct host_vms, total, "VMs with a record on this host."),
	JSON_SHOWN(struct host_vms, running, "VMs in the state running."),
	{ 0 },
};

static const struct json_field moves_fields[] = {
	JSON_SHOWN(struct host_moves, active, "Moves that have not ended."),
	{ 0 },
};

static const struct json_field memory_fields[] = {
	JSON_SHOWN(struct host_memory, total, "Memory of the host, in MiB."),
	JSON_SHOWN(struct host_memory, available, "Memory that programs can have, in MiB."),
	{ 0 },
};

const struct json_field host_shutdown_fields[] = {
	JSON_SHOWN(struct host_shutdown, mode, "off, limit or wait: [host] shutdown."),
	JSON_SHOWN(struct host_shutdown, logind,
		   "there, away (it is tried again), off (not wanted) or not-built."),
	JSON_SHOWN(struct host_shutdown, delays, "logind waits for migrd before a shutdown."),
	JSON_SHOWN(struct host_shutdown, refuses, "logind refuses a shutdown."),
	JSON_SHOWN(struct host_shutdown, stage,
		   "none, evacuating (the host shuts down when its guests are gone), empty (none "
		   "is "
		   "left) or gave-up (the limit was over first)."),
	JSON_SHOWN(struct host_shutdown, limit_s, "Longest wait by the configuration, in seconds."),
	JSON_SHOWN(struct host_shutdown, logind_limit_s,
		   "Longest wait by logind, in seconds; 0: not known."),
	JSON_SHOWN_TIME(struct host_shutdown, until,
			"Time until which the host waits for its guests at most; null: it does "
			"not wait, or no limit is known.",
			.nullable = true),
	JSON_SHOWN(struct host_shutdown, problem,
		   "Reason why a shutdown may not wait as configured; null: none.",
		   .nullable = true),
	{ 0 },
};

const struct json_field host_reply_fields[] = {
	JSON_SHOWN(struct host_reply, id, "Host id."),
	JSON_SHOWN(struct host_reply, version, "Version of migrd."),
	JSON_SHOWN_OBJECT(struct host_reply, protocol, protocol_fields,
			  "Versions that it speaks with other coordinators."),
	JSON_SHOWN(struct host_reply, api_address, "Address of the REST API: HOST:PORT."),
	JSON_SHOWN(struct host_reply, data_address,
		   "Address that incoming guests are sent to: HOST:PORT."),
	JSON_SHOWN(struct host_reply, boot_id, "Boot id of the kernel."),
	JSON_SHOWN_TIME(struct host_reply, started_at, "Time of the start of migrd."),
	JSON_SHOWN(struct host_reply, ready, "Everything of an earlier life was found again."),
	JSON_SHOWN_OBJECT(struct host_reply, store, store_fields, "The state database."),
	JSON_SHOWN(struct host_reply, qemu_binary, "QEMU that new VMs are started with."),
	JSON_SHOWN_OBJECT(struct host_reply, certificate, certificate_fields, "The host's own."),
	JSON_SHOWN_OBJECT_IF(struct host_reply, reload, reload_fields, "The last SIGHUP, if any.",
			     .present_offset = offsetof(struct host_reply, was_reloaded)),
	JSON_SHOWN_OBJECT(struct host_reply, vms, vms_fields, "Numbers of VMs."),
	JSON_SHOWN_OBJECT(struct host_reply, moves, moves_fields, "Numbers of moves."),
	JSON_SHOWN_OBJECT(struct host_reply, memory_mib, memory_fields, "Memory of the host."),
	JSON_SHOWN_OBJECT(struct host_reply, shutdown, host_shutdown_fields,
			  "What a shutdown of the host waits for."),
	JSON_PART_OF(struct host_reply, cordon, cordon_reply_fields),
	JSON_SHOWN(struct host_reply, held,
		   "Who keeps automata from moving guests to and from this host, until when and "
		   "why; null: nobody.",
		   .nullable = true),
	{ 0 },
};

const struct json_field host_peer_fields[] = {
	JSON_SHOWN(struct host_peer, id, "Host id."),
	JSON_SHOWN(struct host_peer, address,
		   "Address of the peer's REST API: HOST:PORT; null: not known.", .nullable = true),
	{ 0 },
};

const struct json_field host_backup_fields[] = {
	JSON_SHOWN(struct host_backup, file, "Path of the copy on this host."),
	{ 0 },
};

/* ---- a check of it ------------------------------------------------------------ */

static const struct json_field finding_fields[] = {
	JSON_SHOWN(struct host_finding, kind, "Kind of the finding, in one word."),
	JSON_SHOWN(struct host_finding, object, "Path, name or id of what was found."),
	JSON_SHOWN(struct host_finding, explanation, "Description of what was found."),
	JSON_SHOWN(struct host_finding, remedy, "Advice on what can be done."),
	JSON_SHOWN(struct host_finding, safe, "A repair is provably safe."),
	JSON_SHOWN(struct host_finding, repair,
		   "none (for people to decide), possible, done or failed."),
	JSON_SHOWN(struct host_finding, error, "Reason why the repair failed; null: it did not.",
		   .nullable = true),
	{ 0 },
};

const struct json_field host_check_fields[] = {
	JSON_SHOWN(struct host_check, host, "Id of the host that was looked at."),
	JSON_SHOWN(struct host_check, clean, "Nothing is left that was not repaired."),
	JSON_SHOWN_LIST(struct host_check, items, item_count, finding_fields,
			"Findings: what should not be on the host.", .required = true),
	JSON_SHOWN(struct host_check, left_out, "Findings beyond 500."),
	JSON_SHOWN_LIST(struct host_check, peers_asked, peer_count, NULL,
			"The hosts that have answered.", .required = true),
	JSON_SHOWN(struct host_check, processes_looked_at,
		   "Number of processes that were looked at."),
	{ 0 },
};
