/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/host_reply.h"

/* ---- the host ------------------------------------------------------------ */

static const struct json_field protocol_fields[] = {
	JSON_SHOWN(struct host_protocol, min, "The oldest."),
	JSON_SHOWN(struct host_protocol, max, "The newest."),
	{ 0 },
};

static const struct json_field store_fields[] = {
	JSON_SHOWN(struct host_store, id, "Of the state database."),
	JSON_SHOWN(struct host_store, epoch, "Grows at each start of migrd."),
	JSON_SHOWN(struct host_store, doubt, "Why its records may be old; null: they are not.",
		   .nullable = true),
	{ 0 },
};

static const struct json_field certificate_fields[] = {
	JSON_SHOWN_TIME(struct host_certificate, not_before, "Its beginning."),
	JSON_SHOWN_TIME(struct host_certificate, not_after, "Its end."),
	JSON_SHOWN(struct host_certificate, days_left, "Until its end, in days."),
	JSON_SHOWN(struct host_certificate, valid, "It is now; else other hosts refuse it."),
	{ 0 },
};

static const struct json_field reload_fields[] = {
	JSON_SHOWN_TIME(struct host_reload, at, "When."),
	JSON_SHOWN(struct host_reload, ok, "What had changed is in use."),
	JSON_SHOWN_IF(struct host_reload, error, "Why nothing was changed."),
	{ 0 },
};

static const struct json_field vms_fields[] = {
	JSON_SHOWN(struct host_vms, total, "Of which there is a record."),
	JSON_SHOWN(struct host_vms, running, "Those in the state running."),
	{ 0 },
};

static const struct json_field moves_fields[] = {
	JSON_SHOWN(struct host_moves, active, "That have not ended."),
	{ 0 },
};

static const struct json_field memory_fields[] = {
	JSON_SHOWN(struct host_memory, total, "In MiB."),
	JSON_SHOWN(struct host_memory, available, "In MiB."),
	{ 0 },
};

const struct json_field host_reply_fields[] = {
	JSON_SHOWN(struct host_reply, id, "Host id."),
	JSON_SHOWN(struct host_reply, version, "Of migrd."),
	JSON_SHOWN_OBJECT(struct host_reply, protocol, protocol_fields,
			  "Versions that it speaks with other coordinators."),
	JSON_SHOWN(struct host_reply, api_address, "Where it listens: HOST:PORT."),
	JSON_SHOWN(struct host_reply, data_address, "Where moves come in: HOST:PORT."),
	JSON_SHOWN(struct host_reply, boot_id, "Of its kernel."),
	JSON_SHOWN_TIME(struct host_reply, started_at, "When migrd was started."),
	JSON_SHOWN(struct host_reply, ready, "Everything of an earlier life was found again."),
	JSON_SHOWN_OBJECT(struct host_reply, store, store_fields, "The state database."),
	JSON_SHOWN(struct host_reply, qemu_binary, "Of new VMs."),
	JSON_SHOWN_OBJECT(struct host_reply, certificate, certificate_fields, "The host's own."),
	JSON_SHOWN_OBJECT_IF(struct host_reply, reload, reload_fields, "The last SIGHUP, if any.",
			     .present_offset = offsetof(struct host_reply, was_reloaded)),
	JSON_SHOWN_OBJECT(struct host_reply, vms, vms_fields, "How many."),
	JSON_SHOWN_OBJECT(struct host_reply, moves, moves_fields, "How many."),
	JSON_SHOWN_OBJECT(struct host_reply, memory_mib, memory_fields, "Of the host."),
	{ 0 },
};

const struct json_field host_peer_fields[] = {
	JSON_SHOWN(struct host_peer, id, "Host id."),
	JSON_SHOWN(struct host_peer, address, "Of its API: HOST:PORT; null: not known.",
		   .nullable = true),
	{ 0 },
};

const struct json_field host_backup_fields[] = {
	JSON_SHOWN(struct host_backup, file, "Path of the copy on this host."),
	{ 0 },
};

/* ---- a check of it ------------------------------------------------------------ */

static const struct json_field finding_fields[] = {
	JSON_SHOWN(struct host_finding, kind, "What it is, in one word."),
	JSON_SHOWN(struct host_finding, object, "Where it is: a path, a name or an id."),
	JSON_SHOWN(struct host_finding, explanation, "What was found, in words."),
	JSON_SHOWN(struct host_finding, remedy, "What can be done."),
	JSON_SHOWN(struct host_finding, safe, "A repair is provably safe."),
	JSON_SHOWN(struct host_finding, repair,
		   "none (for people to decide), possible, done or failed."),
	JSON_SHOWN(struct host_finding, error, "Why the repair failed; else null.",
		   .nullable = true),
	{ 0 },
};

const struct json_field host_check_fields[] = {
	JSON_SHOWN(struct host_check, host, "Id of the host that was looked at."),
	JSON_SHOWN(struct host_check, clean, "Nothing is left that was not repaired."),
	JSON_SHOWN_LIST(struct host_check, items, item_count, finding_fields,
			"What should not be there.", .required = true),
	JSON_SHOWN(struct host_check, left_out, "Findings beyond 500."),
	JSON_SHOWN_LIST(struct host_check, peers_asked, peer_count, NULL,
			"The hosts that have answered.", .required = true),
	JSON_SHOWN(struct host_check, processes_looked_at, "How many there were."),
	{ 0 },
};
