/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/schema.h"

#include <string.h>

#include "base/mem.h"
#include "wire/adopt_reply.h"
#include "wire/adopt_request.h"
#include "wire/agent_request.h"
#include "wire/backup_request.h"
#include "wire/caller.h"
#include "wire/capacity.h"
#include "wire/evacuation_reply.h"
#include "wire/event.h"
#include "wire/fleet.h"
#include "wire/hold.h"
#include "wire/hook.h"
#include "wire/host_reply.h"
#include "wire/known_reply.h"
#include "wire/maintenance_reply.h"
#include "wire/medium_request.h"
#include "wire/monitor_request.h"
#include "wire/move_request.h"
#include "wire/notice.h"
#include "wire/policy_reply.h"
#include "wire/queue_reply.h"
#include "wire/refresh_reply.h"
#include "wire/refresh_request.h"
#include "wire/save_reply.h"
#include "wire/save_request.h"
#include "wire/snapshot.h"
#include "wire/trial_reply.h"
#include "wire/vm_def.h"
#include "wire/vm_request.h"
#include "wire/vm_stats.h"
#include "wire/vmbackup_reply.h"
#include "wire/vmbackup_request.h"
#include "wire/webhook.h"

static const struct {
	const char *name;
	const struct json_field *fields;
	enum json_schema_use use;
	const char *title, *description;
} schemas[] = {
	{ "vm", vm_def_fields, JSON_SCHEMA_REQUEST, "VM definition",
	  "The body of POST /v1/vms. Beyond this schema: device ids and PCI slots are unique, a "
	  "tap or macvtap NIC has an ifname, a serial port of type file or socket has a path." },
	{ "move-request", move_request_fields, JSON_SCHEMA_REQUEST, "Move request",
	  "The body of POST /v1/moves." },
	{ "move-patch", move_patch_fields, JSON_SCHEMA_REQUEST, "Move changes",
	  "The body of PATCH /v1/moves/{id}; at least one member." },
	{ "move-finish", move_finish_fields, JSON_SCHEMA_REQUEST, "Finish of a move",
	  "The body of POST /v1/moves/{id}/finish; optional." },
	{ "move-delay", notice_delay_fields, JSON_SCHEMA_REQUEST, "Delay of a move",
	  "The body of POST /v1/moves/{id}/delay." },
	{ "move-resolve", move_resolve_fields, JSON_SCHEMA_REQUEST, "Move resolution",
	  "The body of POST /v1/moves/{id}/resolve." },
	{ "evacuation-request", evacuation_request_fields, JSON_SCHEMA_REQUEST,
	  "Evacuation request", "The body of POST /v1/evacuations." },
	{ "evacuation-approve", evacuation_approve_fields, JSON_SCHEMA_REQUEST, "Approval",
	  "The body of POST /v1/evacuations/{id}/approve; it may be left out." },
	{ "evacuation-pause", evacuation_pause_fields, JSON_SCHEMA_REQUEST, "Pause",
	  "The body of POST /v1/evacuations/{id}/pause; it may be left out." },
	{ "evacuation-abort", evacuation_abort_fields, JSON_SCHEMA_REQUEST, "Abort",
	  "The body of POST /v1/evacuations/{id}/abort; it may be left out." },
	{ "evacuation-return", evacuation_return_fields, JSON_SCHEMA_REQUEST, "Return",
	  "The body of POST /v1/evacuations/{id}/return; it may be left out." },
	{ "evacuation-withdraw", evacuation_withdraw_fields, JSON_SCHEMA_REQUEST, "Withdrawal",
	  "The body of POST /v1/evacuations/{id}/withdraw; it may be left out." },
	{ "maintenance-request", maintenance_request_fields, JSON_SCHEMA_REQUEST,
	  "Maintenance request", "The body of POST /v1/maintenances." },
	{ "maintenance-go", maintenance_go_fields, JSON_SCHEMA_REQUEST, "Go",
	  "The body of POST /v1/maintenances/{id}/go; it may be left out." },
	{ "maintenance-pause", maintenance_pause_fields, JSON_SCHEMA_REQUEST,
	  "Pause of a maintenance",
	  "The body of POST /v1/maintenances/{id}/pause; it may be left out." },
	{ "maintenance-stop", maintenance_stop_fields, JSON_SCHEMA_REQUEST, "Stop",
	  "The body of POST /v1/maintenances/{id}/stop; it may be left out." },
	{ "maintenance-abort", maintenance_abort_fields, JSON_SCHEMA_REQUEST,
	  "Abort of a maintenance",
	  "The body of POST /v1/maintenances/{id}/abort; it may be left out." },
	{ "maintenance-skip", maintenance_skip_fields, JSON_SCHEMA_REQUEST, "Skip",
	  "The body of POST /v1/maintenances/{id}/skip." },
	{ "queue-request", queue_request_fields, JSON_SCHEMA_REQUEST, "Queue request",
	  "The body of POST /v1/queue. Beyond this schema: `to' may be one host id alone." },
	{ "queue-patch", queue_patch_fields, JSON_SCHEMA_REQUEST, "Queue changes",
	  "The body of PATCH /v1/queue/{id}." },
	{ "agent-freeze", agent_freeze_fields, JSON_SCHEMA_REQUEST, "Freeze",
	  "The body of POST /v1/vms/{name}/agent/freeze." },
	{ "monitor-request", monitor_request_fields, JSON_SCHEMA_REQUEST, "Monitor request",
	  "The body of POST /v1/vms/{name}/monitor: one command for the QEMU of a VM." },
	{ "adopt-request", adopt_request_fields, JSON_SCHEMA_REQUEST, "Adoption",
	  "The body of POST /v1/vms/adopt; without dry_run, confirm is required." },
	{ "hold-request", hold_request_fields, JSON_SCHEMA_REQUEST, "Hold",
	  "The body of POST /v1/holds. Beyond this schema: one of until and for_s." },
	{ "hold-patch", hold_patch_fields, JSON_SCHEMA_REQUEST, "Renewal of a hold",
	  "The body of PATCH /v1/holds/{id}: one of until and for_s." },
	{ "webhook-request", webhook_request_fields, JSON_SCHEMA_REQUEST, "Webhook",
	  "The body of POST /v1/webhooks. Beyond this schema: retry_min_s is not over "
	  "retry_max_s." },
	{ "webhook-patch", webhook_patch_fields, JSON_SCHEMA_REQUEST, "Webhook changes",
	  "The body of PATCH /v1/webhooks/{id}; at least one member." },
	{ "cordon-request", cordon_request_fields, JSON_SCHEMA_REQUEST, "Cordon",
	  "The body of POST /v1/host/cordon." },
	{ "backup-request", backup_request_fields, JSON_SCHEMA_REQUEST, "Backup",
	  "The body of POST /v1/host/backup; optional." },
	{ "vm-start", vm_start_fields, JSON_SCHEMA_REQUEST, "Start",
	  "The body of POST /v1/vms/{name}/start and /resume; optional." },
	{ "vm-patch", vm_patch_fields, JSON_SCHEMA_REQUEST, "VM changes",
	  "The body of PATCH /v1/vms/{name}; at least one member." },
	{ "vm-rename", vm_rename_fields, JSON_SCHEMA_REQUEST, "Another name of a VM",
	  "The body of POST /v1/vms/{name}/rename." },
	{ "policy", policy_def_fields, JSON_SCHEMA_REQUEST, "Policy",
	  "The body of PUT /v1/policies/{name}, which may leave out the name. Beyond this schema: "
	  "what contradicts itself is refused." },
	{ "medium-request", medium_request_fields, JSON_SCHEMA_REQUEST, "Medium",
	  "The body of PUT /v1/vms/{name}/devices/{id}/medium." },
	{ "vm-backup-request", vmbackup_request_fields, JSON_SCHEMA_REQUEST, "Backup of a VM",
	  "The body of POST /v1/vms/{name}/backup." },
	{ "refresh-request", refresh_request_fields, JSON_SCHEMA_REQUEST, "Refresh",
	  "The body of POST /v1/vms/{name}/refresh; optional." },
	{ "save-request", save_request_fields, JSON_SCHEMA_REQUEST, "Save",
	  "The body of POST /v1/vms/{name}/save." },
	{ "snapshot-request", snapshot_request_fields, JSON_SCHEMA_REQUEST, "Snapshot of disks",
	  "The body of POST /v1/vms/{name}/snapshots." },
	{ "restore-request", restore_request_fields, JSON_SCHEMA_REQUEST, "Restore",
	  "The body of POST /v1/vms/restore." },
	{ "problem", problem_fields, JSON_SCHEMA_REPLY, "Problem",
	  "The answer of every route with a status from 400 on (RFC 9457); some routes add "
	  "members." },
	{ "host", host_reply_fields, JSON_SCHEMA_REPLY, "Host", "The answer of GET /v1/host." },
	{ "caller", caller_reply_fields, JSON_SCHEMA_REPLY, "Caller",
	  "The answer of GET /v1/caller." },
	{ "host-check", host_check_fields, JSON_SCHEMA_REPLY, "Check of a host",
	  "The answer of GET /v1/host/check and POST /v1/host/check/repair." },
	{ "host-backup", host_backup_fields, JSON_SCHEMA_REPLY, "Copy of the state database",
	  "The answer of POST /v1/host/backup." },
	{ "hold", hold_reply_fields, JSON_SCHEMA_REPLY, "Hold",
	  "The answer of GET /v1/holds/{id}, and an item of GET /v1/holds." },
	{ "hook", hook_reply_fields, JSON_SCHEMA_REPLY, "Hook", "An item of GET /v1/hooks." },
	{ "hook-run", hook_run_fields, JSON_SCHEMA_REPLY, "Run of a hook",
	  "The answer of GET /v1/hooks/{id}." },
	{ "cordon", cordon_reply_fields, JSON_SCHEMA_REPLY, "Cordon",
	  "The answer of POST /v1/host/cordon and /v1/host/uncordon." },
	{ "peer", host_peer_fields, JSON_SCHEMA_REPLY, "Peer", "An item of GET /v1/peers." },
	{ "peer-known", known_reply_fields, JSON_SCHEMA_REPLY, "What is known of a peer",
	  "The answer of GET /v1/peers/{id}." },
	{ "fleet-vms", fleet_vms_fields, JSON_SCHEMA_REPLY, "VMs of all hosts",
	  "The answer of GET /v1/fleet/vms." },
	{ "fleet-moves", fleet_moves_fields, JSON_SCHEMA_REPLY, "Moves of all hosts",
	  "The answer of GET /v1/fleet/moves." },
	{ "fleet-hosts", fleet_hosts_fields, JSON_SCHEMA_REPLY, "All hosts",
	  "The answer of GET /v1/fleet/hosts." },
	{ "capacity", capacity_host_fields, JSON_SCHEMA_REPLY, "Room of a host",
	  "The answer of GET /v1/capacity/{host}, and without the guests an item of GET "
	  "/v1/capacity." },
	{ "vm-summary", vm_summary_fields, JSON_SCHEMA_REPLY, "VM, in short",
	  "An item of GET /v1/vms." },
	{ "vm-reply", vm_reply_fields, JSON_SCHEMA_REPLY, "VM",
	  "The answer of GET /v1/vms/{name} and of what changes a VM." },
	{ "snapshot", snapshot_reply_fields, JSON_SCHEMA_REPLY, "Snapshot of disks",
	  "An item of GET /v1/vms/{name}/snapshots, and the answer of its POST." },
	{ "vm-stats", vm_stats_fields, JSON_SCHEMA_REPLY, "What a VM uses",
	  "The answer of GET /v1/vms/{name}/stats, and an item of GET /v1/stats." },
	{ "vm-device", vm_device_fields, JSON_SCHEMA_REPLY, "Device",
	  "An item of GET /v1/vms/{name}/devices." },
	{ "adopt-reply", adopt_reply_fields, JSON_SCHEMA_REPLY, "What would be adopted",
	  "The answer of POST /v1/vms/adopt with dry_run." },
	{ "agent-reply", vm_agent_fields, JSON_SCHEMA_REPLY, "Answer of a guest agent",
	  "The answer of POST /v1/vms/{name}/agent/{call}; its help says which call has "
	  "what." },
	{ "console-reply", vm_console_fields, JSON_SCHEMA_REPLY, "Console of a guest",
	  "The answer of GET /v1/vms/{name}/console that asks for no WebSocket." },
	{ "vnc-reply", vm_vnc_fields, JSON_SCHEMA_REPLY, "Display of a guest",
	  "The answer of GET /v1/vms/{name}/vnc that asks for no WebSocket." },
	{ "monitor-reply", vm_monitor_fields, JSON_SCHEMA_REPLY, "Answer of a QEMU",
	  "The answer of POST /v1/vms/{name}/monitor." },
	{ "policy-reply", policy_reply_fields, JSON_SCHEMA_REPLY, "Policy",
	  "The answer of GET /v1/policies/{name}, and an item of GET /v1/policies." },
	{ "move", move_reply_fields, JSON_SCHEMA_REPLY, "Move",
	  "The answer of GET /v1/moves/{id}, and an item of GET /v1/moves." },
	{ "move-patch-reply", move_patch_reply_fields, JSON_SCHEMA_REPLY, "Changed move",
	  "The answer of PATCH /v1/moves/{id}." },
	{ "move-did", move_did_fields, JSON_SCHEMA_REPLY, "Move that a request was made of",
	  "The answer of POST /v1/moves/{id}/postcopy and /release." },
	{ "move-finish-reply", move_finish_reply_fields, JSON_SCHEMA_REPLY, "Move that shall end",
	  "The answer of POST /v1/moves/{id}/finish." },
	{ "move-cancel", move_cancel_fields, JSON_SCHEMA_REPLY, "Outcome of a cancel",
	  "The answer of POST /v1/moves/{id}/cancel; one that was too late has these "
	  "members too." },
	{ "move-plan", transfer_plan_fields, JSON_SCHEMA_REPLY, "Plan of a transfer",
	  "Answer of GET /v1/moves/{id}/plan: what both QEMUs are told, and why." },
	{ "move-pass", move_pass_fields, JSON_SCHEMA_REPLY, "Pass of a move",
	  "A pass over the guest's memory, or several that follow each other." },
	{ "move-trial", trial_reply_fields, JSON_SCHEMA_REPLY, "What a move would be like",
	  "The answer of POST /v1/moves?dry_run=true: nothing was changed on either host." },
	{ "move-timeline", move_timeline_fields, JSON_SCHEMA_REPLY, "Moment of a move",
	  "An item of GET /v1/moves/{id}/timeline." },
	{ "notice-before", notice_before_fields, JSON_SCHEMA_REPLY, "Notice before a move",
	  "What a party gets that is told before the memory of a guest is sent; its answer is a "
	  "notice-answer, or empty." },
	{ "notice-after", notice_after_fields, JSON_SCHEMA_REPLY, "Notice after a move",
	  "What a party gets that is told of the end of a move." },
	{ "notice-answer", notice_answer_fields, JSON_SCHEMA_REPLY, "Answer to a notice",
	  "What a party answers to a notice before a move; other members are ignored." },
	{ "notice-hook", hook_notice_fields, JSON_SCHEMA_REPLY, "Notice of a hook",
	  "What the url of a hook gets; its answer is a hook-answer, or empty." },
	{ "hook-answer", hook_answer_fields, JSON_SCHEMA_REPLY, "Answer of the url of a hook",
	  "What the url of a hook answers when it is done; other members are ignored." },
	{ "webhook", webhook_reply_fields, JSON_SCHEMA_REPLY, "Webhook",
	  "The answer of GET /v1/webhooks/{id} and of what changes one, and an item of GET "
	  "/v1/webhooks." },
	{ "webhook-dead", webhook_dead_fields, JSON_SCHEMA_REPLY, "Dead delivery, short",
	  "An item of GET /v1/webhooks/{id}/dead." },
	{ "webhook-dead-whole", webhook_dead_whole_fields, JSON_SCHEMA_REPLY, "Dead delivery",
	  "The answer of GET /v1/webhooks/{id}/dead/{number}." },
	{ "webhook-tested", webhook_tested_fields, JSON_SCHEMA_REPLY, "Test of a webhook",
	  "The answer of POST /v1/webhooks/{id}/test." },
	{ "webhook-message", webhook_message_fields, JSON_SCHEMA_REPLY, "Message to a webhook",
	  "What the url of a webhook gets: its data has the schema event-TYPE." },
	{ "webhook-test", webhook_test_fields, JSON_SCHEMA_REPLY, "Data of a test",
	  "The data of a message to a webhook that has the type test." },
	{ "queue-entry", queue_reply_fields, JSON_SCHEMA_REPLY, "Entry of the queue",
	  "The answer of GET /v1/queue/{id}, of POST /v1/queue and of a cancel, and an item of GET "
	  "/v1/queue." },
	{ "queue-did", queue_did_fields, JSON_SCHEMA_REPLY, "Changed entry of the queue",
	  "The answer of PATCH /v1/queue/{id}." },
	{ "evacuation", evacuation_reply_fields, JSON_SCHEMA_REPLY, "Evacuation",
	  "The answer of GET /v1/evacuations/{id}, and of what is asked of one; of a dry run." },
	{ "maintenance", maintenance_reply_fields, JSON_SCHEMA_REPLY, "Maintenance",
	  "The answer of GET /v1/maintenances/{id}, and of what is asked of one; of a dry run." },
	{ "maintenance-summary", maintenance_summary_fields, JSON_SCHEMA_REPLY,
	  "Maintenance, short", "An item of GET /v1/maintenances." },
	{ "evacuation-summary", evacuation_summary_fields, JSON_SCHEMA_REPLY, "Evacuation, short",
	  "An item of GET /v1/evacuations." },
	{ "job", job_reply_fields, JSON_SCHEMA_REPLY, "Job", "An item of GET /v1/jobs." },
	{ "vm-backup", vmbackup_reply_fields, JSON_SCHEMA_REPLY, "Backup of a VM",
	  "The answer of GET /v1/backups/{id}, and an item of GET /v1/backups." },
	{ "refresh", refresh_reply_fields, JSON_SCHEMA_REPLY, "Refresh",
	  "The answer of GET /v1/refreshes/{id}, and an item of GET /v1/refreshes." },
	{ "save", save_reply_fields, JSON_SCHEMA_REPLY, "Save or restore",
	  "The answer of GET /v1/saves/{id}, and an item of GET /v1/saves." },
	{ "event-vm", event_vm_fields, JSON_SCHEMA_REPLY, "Event vm", "A VM has changed." },
	{ "event-vm-gone", event_vm_gone_fields, JSON_SCHEMA_REPLY, "Event vm, of one that is gone",
	  "A VM is not here any more." },
	{ "event-move", event_move_fields, JSON_SCHEMA_REPLY, "Event move", "A move has changed." },
	{ "event-save", event_save_fields, JSON_SCHEMA_REPLY, "Event save",
	  "A save or a restore has changed." },
	{ "event-backup", event_vmbackup_fields, JSON_SCHEMA_REPLY, "Event backup",
	  "A backup has changed." },
	{ "event-refresh", event_refresh_fields, JSON_SCHEMA_REPLY, "Event refresh",
	  "A refresh has changed." },
	{ "event-queue", event_queue_fields, JSON_SCHEMA_REPLY, "Event queue",
	  "An entry of the queue has changed." },
	{ "event-hold", event_hold_fields, JSON_SCHEMA_REPLY, "Event hold", "A hold has changed." },
	{ "event-hook", event_hook_fields, JSON_SCHEMA_REPLY, "Event hook",
	  "A hook of this host was begun, or has changed." },
	{ "event-cordon", event_cordon_fields, JSON_SCHEMA_REPLY, "Event cordon",
	  "What keeps new guests from this host has changed." },
	{ "event-maintenance", event_maintenance_fields, JSON_SCHEMA_REPLY, "Event maintenance",
	  "A maintenance, or one of its hosts, has changed." },
	{ "event-evacuation", event_evacuation_fields, JSON_SCHEMA_REPLY, "Event evacuation",
	  "An evacuation, or one of its VMs, has changed." },
	{ "event-qemu", event_qemu_fields, JSON_SCHEMA_REPLY, "Event qemu",
	  "An event of a guest's QEMU." },
	{ "event-gap", event_gap_fields, JSON_SCHEMA_REPLY, "Event gap",
	  "Events were lost: what a client that resumes hears first." },
	{ "event-monitor", event_monitor_fields, JSON_SCHEMA_REPLY, "Event monitor",
	  "A command that was passed on to a QEMU, or refused, and is no query." },
	{ "event-autostart", event_autostart_fields, JSON_SCHEMA_REPLY, "Event autostart",
	  "Data of an event `autostart` of GET /v1/events." },
	{ "event-shutdown", event_shutdown_fields, JSON_SCHEMA_REPLY, "Event shutdown",
	  "What a shutdown of the host waits for is another." },
};

const char *wire_schema_name(size_t i)
{
	return i < ARRAY_LEN(schemas) ? schemas[i].name : NULL;
}

const char *wire_schema_of(const struct json_field *fields, enum json_schema_use use)
{
	for (size_t i = 0; i < ARRAY_LEN(schemas); i++)
		if (schemas[i].fields == fields && schemas[i].use == use)
			return schemas[i].name;
	return NULL;
}

/* An empty list of what is required is left out, as in every schema. */
static void may_leave_out(struct json_object *schema, const char *name)
{
	struct json_object *required, *rest = json_object_new_array();

	json_object_object_get_ex(schema, "required", &required);
	for (size_t i = 0; i < json_count(required); i++) {
		struct json_object *each = json_object_array_get_idx(required, i);

		if (strcmp(json_object_get_string(each), name) != 0)
			json_object_array_add(rest, json_object_get(each));
	}
	json_object_object_del(schema, "required");
	if (json_count(rest))
		json_object_object_add(schema, "required", rest);
	else
		json_object_put(rest);
}

struct json_object *wire_schema(const char *name)
{
	struct json_object *schema;
	size_t i = 0;

	while (i < ARRAY_LEN(schemas) && strcmp(schemas[i].name, name) != 0)
		i++;
	if (i == ARRAY_LEN(schemas))
		return NULL;
	schema = json_schema(schemas[i].fields, schemas[i].use, schemas[i].title,
			     schemas[i].description);
	if (schemas[i].fields == policy_def_fields)
		may_leave_out(schema, "name"); /* the path has it */
	return schema;
}

bool wire_schema_print(FILE *out, const char *name)
{
	CLEANUP(json_putp) struct json_object *schema = wire_schema(name);

	if (!schema)
		return false;
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY |
							       JSON_C_TO_STRING_SPACED |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	return true;
}
