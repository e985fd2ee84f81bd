/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every route of the coordinator. */
#include "api/api.h"
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
#include "wire/known_reply.h"
#include "wire/maintenance_reply.h"
#include "wire/medium_request.h"
#include "wire/monitor_request.h"
#include "wire/move_request.h"
#include "wire/peer_back.h"
#include "wire/peer_evacuation.h"
#include "wire/peer_msg.h"
#include "wire/peer_room.h"
#include "wire/policy_reply.h"
#include "wire/queue_reply.h"
#include "wire/refresh_request.h"
#include "wire/save_request.h"
#include "wire/snapshot.h"
#include "wire/trial_reply.h"
#include "wire/vm_def.h"
#include "wire/vm_request.h"
#include "wire/vm_stats.h"
#include "wire/vmbackup_request.h"
#include "wire/webhook.h"

#define V HTTP_ROLE_VIEWER
#define O HTTP_ROLE_OPERATOR
#define A HTTP_ROLE_ADMIN
#define P HTTP_ROLE_PEER
#define N HTTP_ROLE_NONE

#define ANY_STATES "active", "final"
static const char *const job_states[] = { ANY_STATES, NULL };
static const char *const move_states[] = { ANY_STATES, "begin", "prepare",   "transfer",
					   "handover", "fetch", "confirm",   "rollback",
					   "stuck",    "done",  "cancelled", "failed",
					   "lost",     NULL };
static const char *const move_kinds[] = { "MIGRATION_OUT", "MIGRATION_IN", NULL };
static const char *const queue_states[] = { ANY_STATES, "waiting",   "moving", "done",
					    "failed",   "cancelled", NULL };
static const char *const save_states[] = { ANY_STATES, "begin",     "transfer", "seal", "end",
					   "disks",    "load",      "claim",    "run",  "rollback",
					   "done",     "cancelled", "failed",   NULL };
static const char *const refresh_states[] = { ANY_STATES,  "begin",    "transfer",
					      "switched",  "rollback", "done",
					      "cancelled", "failed",   NULL };
static const char *const vmbackup_states[] = { ANY_STATES,  "begin",  "copy",     "close",
					       "seal",      "tidy",   "rollback", "done",
					       "cancelled", "failed", NULL };
static const char *const evacuation_states[] = { ANY_STATES, "planned", "waiting",
						 "draining", "drained", "returning",
						 "ended",    "aborted", NULL };
static const char *const maintenance_states[] = { ANY_STATES, "planned",  "running",
						  "waiting",  "stopping", "done",
						  "failed",   "aborted",  NULL };

#define FIELDS                                                                          \
	{                                                                               \
		"fields", HTTP_QUERY_FIELDS, .help = "Only these members of each item." \
	}
#define PAGE                                                                   \
	{ "limit",                                                             \
	  HTTP_QUERY_UINT,                                                     \
	  .min = 1,                                                            \
	  .max = API_PAGE_MAX,                                                 \
	  .fallback = API_PAGE_DEFAULT,                                        \
	  .help = "Most items of a page." },                                   \
	{                                                                      \
		"after", HTTP_QUERY_TEXT, .help = "`next' of the page before." \
	}
#define OF_VM                                                                 \
	{                                                                     \
		"vm", HTTP_QUERY_TEXT, .help = "Only of the VM of this name." \
	}
#define STATE(names_)                                                                              \
	{                                                                                          \
		"state", HTTP_QUERY_ENUM,                                                          \
			.names = names_,                                                           \
			.help = "Only in this state; active: what has not ended, final: what has." \
	}

static const struct http_query_key fields_query[] = { FIELDS, { 0 } };
static const struct http_query_key evacuations_query[] = {
	PAGE, STATE(evacuation_states), FIELDS, { 0 }
};
static const struct http_query_key maintenances_query[] = {
	PAGE, STATE(maintenance_states), FIELDS, { 0 }
};
static const struct http_query_key vms_query[] = {
	PAGE,
	{ "state", HTTP_QUERY_TEXT, .help = "Only in this state." },
	{ "label", HTTP_QUERY_TEXT, .help = "Only with this label: KEY=VALUE." },
	FIELDS,
	{ 0 }
};
static const struct http_query_key stats_query[] = { PAGE, FIELDS, { 0 } };
static const struct http_query_key peer_capacity_query[] = {
	{ "after", HTTP_QUERY_TEXT, .help = "`next' of the page before." }, { 0 }
};
static const struct http_query_key peer_vms_query[] = {
	{ "after", HTTP_QUERY_TEXT, .help = "`next' of the page before." },
	{ "uuid", HTTP_QUERY_TEXT, .help = "Only this VM, with or without a record." },
	{ 0 }
};
static const struct http_query_key moves_query[] = {
	PAGE,
	OF_VM,
	STATE(move_states),
	{ "kind", HTTP_QUERY_ENUM, .names = move_kinds, .help = "Only away, or only to here." },
	{ "peer", HTTP_QUERY_TEXT, .help = "Only with this other host." },
	FIELDS,
	{ 0 }
};
static const char *const move_state_filters[] = { "active", NULL };
/* What both users and peers may ask for of all hosts. */
#define FLEET_VM_FILTERS                                                                   \
	{ "name", HTTP_QUERY_TEXT, .help = "Only VMs of this name." },                     \
		{ "uuid", HTTP_QUERY_TEXT, .help = "Only the VM of this uuid." },          \
		{ "label", HTTP_QUERY_TEXT,                                                \
		  .help = "Only VMs with this label: KEY=VALUE, or KEY with any value." }, \
	{                                                                                  \
		"state", HTTP_QUERY_TEXT, .help = "Only VMs in this state."                \
	}
#define FLEET_MOVE_FILTERS                                                   \
	{ "vm", HTTP_QUERY_TEXT, .help = "Only of VMs of this name." },      \
	{                                                                    \
		"state", HTTP_QUERY_ENUM, .names = move_state_filters,       \
					  .help = "Only what has not ended." \
	}
#define FLEET_HOST                                                              \
	{                                                                       \
		"host", HTTP_QUERY_TEXT, .help = "Only of the host of this id." \
	}
#define FLEET_FROM                                                        \
	{                                                                 \
		"from", HTTP_QUERY_TEXT, .help = "Only from this key on." \
	}
static const struct http_query_key fleet_vms_query[] = {
	PAGE, FLEET_HOST, FLEET_VM_FILTERS, { 0 }
};
static const struct http_query_key fleet_moves_query[] = {
	PAGE, FLEET_HOST, FLEET_MOVE_FILTERS, { 0 }
};
static const struct http_query_key fleet_hosts_query[] = { PAGE, FLEET_HOST, { 0 } };
static const struct http_query_key peer_fleet_vms_query[] = { FLEET_FROM, FLEET_VM_FILTERS, { 0 } };
static const struct http_query_key peer_fleet_moves_query[] = { FLEET_FROM,
								FLEET_MOVE_FILTERS,
								{ 0 } };
static const struct http_query_key peer_fleet_hosts_query[] = { FLEET_FROM, { 0 } };
static const struct http_query_key jobs_query[] = {
	PAGE,   OF_VM, STATE(job_states), { "kind", HTTP_QUERY_TEXT, .help = "Only of this kind." },
	FIELDS, { 0 }
};
static const struct http_query_key queue_query[] = {
	PAGE, OF_VM, STATE(queue_states), FIELDS, { 0 }
};
static const struct http_query_key saves_query[] = { OF_VM, STATE(save_states), FIELDS, { 0 } };
static const struct http_query_key refreshes_query[] = {
	OF_VM, STATE(refresh_states), FIELDS, { 0 }
};
static const struct http_query_key vmbackups_query[] = {
	OF_VM, STATE(vmbackup_states), FIELDS, { 0 }
};
static const struct http_query_key holds_query[] = { OF_VM, FIELDS, { 0 } };
static const struct http_query_key events_query[] = {
	{ "type", HTTP_QUERY_SET, .names = event_type_names, .help = "Only these types." },
	{ "vm", HTTP_QUERY_TEXT, .help = "Only what is about the VM of this name." },
	{ "move", HTTP_QUERY_TEXT, .help = "Only what is about the move of this id." },
	{ "host", HTTP_QUERY_TEXT, .help = "Only what is about the host of this id." },
	{ "after", HTTP_QUERY_TEXT,
	  .help = "`position' of a list, or an id: begin behind it.  Last-Event-ID is taken "
		  "first." },
	{ 0 }
};
static const struct http_query_key fate_query[] = {
	{ "uuid", HTTP_QUERY_TEXT, .help = "Uuid of the VM." },
	{ "generation", HTTP_QUERY_TEXT, .help = "Generation of the VM before the move." },
	{ "priority", HTTP_QUERY_TEXT,
	  .help = "Of a source whose user has changed it: the priority of the move." },
	{ 0 }
};
static const char *const yes_no[] = { "true", "false", NULL };
#define TRY                                                                                     \
	{                                                                                       \
		"dry_run", HTTP_QUERY_ENUM,                                                     \
			.names = yes_no,                                                        \
			.help = "true: only say whether it would be done: 204, and nothing is " \
				"changed."                                                      \
	}
static const struct http_query_key detach_query[] = {
	{ "timeout_ms", HTTP_QUERY_UINT, .min = 1, .max = API_DETACH_MAX_MS,
	  .fallback = API_DETACH_MS,
	  .help = "Time for the guest to let go of the device, in milliseconds." },
	TRY,
	{ 0 }
};

static const struct http_query_key wait_query[] = {
	{ "until", HTTP_QUERY_TEXT,
	  .help = "State to wait for; not given: final, any in which it has ended." },
	{ "timeout", HTTP_QUERY_UINT, .min = 1, .max = WAIT_MAX_S, .fallback = WAIT_S,
	  .help = "How long to wait, in seconds." },
	{ 0 }
};

static const struct http_query_key eject_query[] = {
	{ "force", HTTP_QUERY_ENUM, .names = yes_no,
	  .help = "Open the tray even if the guest has locked it." },
	{ "timeout_ms", HTTP_QUERY_UINT, .min = 1, .max = MEDIUM_TIMEOUT_MAX_MS,
	  .fallback = MEDIUM_TIMEOUT_MS,
	  .help = "Time for a guest that has locked the tray to open it, in milliseconds." },
	{ 0 }
};
static const struct http_query_key console_query[] = {
	{ "take", HTTP_QUERY_ENUM, .names = yes_no,
	  .help = "Take it away from the user who has it." },
	{ 0 }
};
static const struct http_query_key vnc_query[] = { { "take", HTTP_QUERY_ENUM, .names = yes_no,
						     .help = "End the connections of the others." },
						   { 0 } };
const struct http_query_key api_try_query[] = { TRY, { 0 } };
static const struct http_query_key plan_query[] = {
	{ "dry_run", HTTP_QUERY_ENUM, .names = yes_no,
	  .help = "As `dry_run' of the body: 200 with what would be done, and nothing is "
		  "changed." },
	{ 0 }
};
static const struct http_query_key start_query[] = {
	{ "dry_run", HTTP_QUERY_ENUM, .names = yes_no,
	  .help = "Only look, at both hosts, and forecast; nothing is changed." },
	{ 0 }
};

const struct http_route api_routes[] = {
	{ "GET", "/v1/host", V, api_host_get, .summary = "This host", .reply = host_reply_fields },
	{ "GET", "/v1/caller", V, api_caller_get, .summary = "Who asks, and with which role",
	  .reply = caller_reply_fields },
	{ "GET", "/v1/host/check", V, api_host_check, .summary = "What should not be on this host",
	  .reply = host_check_fields },
	{ "POST", "/v1/host/check/repair", A, api_host_repair,
	  .summary = "The same, and removes what is provably safe to remove",
	  .reply = host_check_fields },
	{ "POST", "/v1/host/backup", A, api_host_backup, .summary = "Copy the state database",
	  .body = backup_request_fields, .reply = host_backup_fields, .status = 201 },
	{ "POST", "/v1/host/cordon", O, api_host_cordon,
	  .summary = "Let no new guest come: creations, adoptions and moves to here",
	  .body = cordon_request_fields, .reply = cordon_reply_fields, .query = api_try_query },
	{ "POST", "/v1/host/uncordon", O, api_host_uncordon,
	  .summary = "Let new guests come again, unless an evacuation forbids it",
	  .reply = cordon_reply_fields, .query = api_try_query },
	{ "GET", "/v1/peers", V, api_peers_list, .summary = "The hosts it knows",
	  .reply = host_peer_fields, .query = fields_query, .is_list = true },
	{ "GET", "/v1/peers/{id}", V, api_peer_get,
	  .summary = "What is known of a peer and its guests, also if it is dead",
	  .reply = known_reply_fields },
	{ "GET", "/v1/capacity", V, api_capacity_get,
	  .summary = "What it and its peers have room for", .reply = capacity_shown_fields,
	  .is_list = true },
	{ "GET", "/v1/capacity/{host}", V, api_capacity_get,
	  .summary = "What one of them has room for, and its guests",
	  .reply = capacity_host_fields },
	{ "GET", "/v1/fleet/vms", V, api_fleet_vms,
	  .summary = "The VMs of this host and its peers, which are asked now",
	  .query = fleet_vms_query, .reply = fleet_vms_fields },
	{ "GET", "/v1/fleet/moves", V, api_fleet_moves, .summary = "Their moves, newest first",
	  .query = fleet_moves_query, .reply = fleet_moves_fields },
	{ "GET", "/v1/fleet/hosts", V, api_fleet_hosts,
	  .summary = "These hosts themselves, in short", .query = fleet_hosts_query,
	  .reply = fleet_hosts_fields },
	{ "GET", "/v1/vms", V, api_vms_list, .summary = "The VMs of this host", .query = vms_query,
	  .reply = vm_summary_fields, .is_list = true },
	{ "POST", "/v1/vms", O, api_vms_create, .summary = "Define a VM", .body = vm_def_fields,
	  .reply = vm_reply_fields, .status = 201, .query = api_try_query },
	{ "POST", "/v1/vms/adopt", A, api_vms_adopt,
	  .summary = "Take over a QEMU that somebody else started", .body = adopt_request_fields,
	  .reply = vm_reply_fields, .other_reply = adopt_reply_fields, .status = 201 },
	{ "GET", "/v1/vms/{name}", V, api_vm_get, .summary = "One VM", .reply = vm_reply_fields },
	{ "PATCH", "/v1/vms/{name}", O, api_vm_change,
	  .summary =
		  "Change what is said of it, also while it runs; and itself, now or at the next "
		  "start",
	  .body = vm_patch_fields, .reply = vm_reply_fields, .query = api_try_query },
	{ "DELETE", "/v1/vms/{name}", O, api_vm_delete, .summary = "Forget a stopped VM",
	  .query = api_try_query },
	{ "POST", "/v1/vms/{name}/agent/freeze", O, api_vm_agent,
	  .summary = "Freeze its file systems, for the time of a lease",
	  .body = agent_freeze_fields, .reply = vm_agent_fields },
	{ "POST", "/v1/vms/{name}/agent/{call}", O, api_vm_agent,
	  .summary = "ping, info, thaw, shutdown, set-time, fs-list or network",
	  .reply = vm_agent_fields, .is_private = true },
	{ "POST", "/v1/vms/{name}/monitor", A, api_vm_monitor,
	  .summary = "One command for its QEMU, human or machine", .body = monitor_request_fields,
	  .reply = vm_monitor_fields, .problem = problem_of_qemu_fields, .problem_status = 502,
	  .is_private = true },
	{ "GET", "/v1/vms/{name}/console", O, api_vm_console,
	  .summary = "Its console: a WebSocket, for one user at a time; else who has it",
	  .query = console_query, .reply = vm_console_fields, .status = 101 },
	{ "GET", "/v1/vms/{name}/snapshots", V, api_snapshots_list,
	  .summary = "Snapshots of its disks, oldest first", .reply = snapshot_reply_fields,
	  .query = fields_query, .is_list = true },
	{ "POST", "/v1/vms/{name}/snapshots", O, api_snapshot_create,
	  .summary = "Keep what is on its disks now, also while it runs",
	  .body = snapshot_request_fields, .reply = snapshot_reply_fields, .status = 201,
	  .query = api_try_query },
	{ "DELETE", "/v1/vms/{name}/snapshots/{snapshot}", O, api_snapshot_delete,
	  .summary = "Forget a snapshot, also while it runs", .query = api_try_query },
	{ "POST", "/v1/vms/{name}/snapshots/{snapshot}/revert", O, api_snapshot_revert,
	  .summary = "Make the disks of the stopped VM what they were at a snapshot",
	  .reply = vm_reply_fields, .query = api_try_query },
	{ "GET", "/v1/vms/{name}/stats", V, api_vm_stats,
	  .summary = "What it uses of CPU, memory, disks and network", .reply = vm_stats_fields },
	{ "GET", "/v1/vms/{name}/vnc", O, api_vm_vnc,
	  .summary = "Its display: RFB in a WebSocket, for some users at a time; else who has it",
	  .query = vnc_query, .reply = vm_vnc_fields, .status = 101 },
	{ "GET", "/v1/vms/{name}/devices", V, api_devices_list,
	  .summary = "Its devices, with their places", .reply = vm_device_fields,
	  .query = fields_query, .is_list = true },
	{ "POST", "/v1/vms/{name}/devices", O, api_device_attach,
	  .summary = "Add a device, also while it runs: an element of a list of the definition, "
		     "with its kind",
	  .handler_checks_body = true, .reply = vm_device_fields, .status = 201,
	  .query = api_try_query },
	{ "GET", "/v1/vms/{name}/devices/{id}", V, api_device_get, .summary = "One device",
	  .reply = vm_device_fields },
	{ "DELETE", "/v1/vms/{name}/devices/{id}", O, api_device_detach,
	  .summary = "Remove a device; answers when the guest has let go of it",
	  .query = detach_query },
	{ "PUT", "/v1/vms/{name}/devices/{id}/medium", O, api_medium_change,
	  .summary = "Put a medium into a CD drive, in place of what is in there",
	  .body = medium_request_fields, .reply = vm_device_fields },
	{ "DELETE", "/v1/vms/{name}/devices/{id}/medium", O, api_medium_eject,
	  .summary = "Take the medium out of a CD drive", .query = eject_query },
	{ "POST", "/v1/vms/{name}/start", O, api_vm_run, .summary = "Start it, if no peer has it",
	  .body = vm_start_fields, .reply = vm_reply_fields, .query = api_try_query },
	{ "POST", "/v1/vms/{name}/resume", O, api_vm_run, .summary = "Let a paused guest run",
	  .body = vm_start_fields, .reply = vm_reply_fields, .query = api_try_query },
	{ "POST", "/v1/vms/restore", O, api_vms_restore,
	  .summary = "Let a guest go on that was saved to a file", .body = restore_request_fields,
	  .reply = save_reply_fields, .status = 202, .query = api_try_query },
	{ "POST", "/v1/vms/{name}/save", O, api_vm_save,
	  .summary = "Save its guest to a file, and end it", .body = save_request_fields,
	  .reply = save_reply_fields, .status = 202, .query = api_try_query },
	{ "POST", "/v1/vms/{name}/refresh", O, api_vm_refresh,
	  .summary = "Let a new QEMU of this host take its guest over",
	  .body = refresh_request_fields, .reply = refresh_reply_fields, .status = 202,
	  .query = api_try_query },
	{ "POST", "/v1/vms/{name}/rename", O, api_vm_rename, .summary = "Give a VM another name",
	  .body = vm_rename_fields, .reply = vm_reply_fields, .query = api_try_query },
	{ "POST", "/v1/vms/{name}/backup", O, api_vm_backup,
	  .summary = "Back its disks up while it runs", .body = vmbackup_request_fields,
	  .reply = vmbackup_reply_fields, .status = 202, .query = api_try_query },
	{ "POST", "/v1/vms/{name}/{action}", O, api_vm_action,
	  .summary = "stop, pause, reset or shutdown", .reply = vm_reply_fields,
	  .other_reply = move_cancel_fields, .status = 202, .query = api_try_query },
	{ "GET", "/v1/stats", V, api_stats_list,
	  .summary = "What each VM of this host uses of CPU, memory, disks and network",
	  .query = stats_query, .reply = vm_stats_fields, .is_list = true },
	{ "GET", "/v1/policies", V, api_policies_list,
	  .summary = "Policies of moves: built in, then by name", .reply = policy_reply_fields,
	  .query = fields_query, .is_list = true },
	{ "GET", "/v1/policies/{name}", V, api_policy_get, .summary = "One policy",
	  .reply = policy_reply_fields },
	{ "PUT", "/v1/policies/{name}", O, api_policy_put, .summary = "Make or replace a policy",
	  .body = policy_def_fields, .handler_checks_body = true, .reply = policy_reply_fields,
	  .status = 201, .query = api_try_query },
	{ "DELETE", "/v1/policies/{name}", O, api_policy_delete,
	  .summary = "Remove a policy that no VM names", .query = api_try_query },
	{ "GET", "/v1/moves", V, api_moves_list, .summary = "Moves, newest first",
	  .query = moves_query, .reply = move_reply_fields, .is_list = true },
	{ "POST", "/v1/moves", O, api_moves_start,
	  .summary = "Move a VM to another host; or only say whether it would go, and how",
	  .query = start_query, .body = move_request_fields, .reply = move_reply_fields,
	  .other_reply = trial_reply_fields, .status = 202, .takes_key = true },
	{ "GET", "/v1/moves/{id}", V, api_move_get, .summary = "One move",
	  .reply = move_reply_fields },
	{ "GET", "/v1/moves/{id}/wait", V, api_wait,
	  .summary = "One move, when it has come to a state", .query = wait_query,
	  .reply = move_reply_fields },
	{ "PATCH", "/v1/moves/{id}", O, api_move_set, .summary = "Change a running move",
	  .body = move_patch_fields, .reply = move_patch_reply_fields },
	{ "POST", "/v1/moves/{id}/cancel", O, api_move_cancel,
	  .summary = "Cancel; answers when it is known who owns the guest",
	  .reply = move_cancel_fields, .status = 202, .problem = move_cancel_problem_fields,
	  .problem_status = 409 },
	{ "POST", "/v1/moves/{id}/finish", O, api_move_finish,
	  .summary = "End the transfer as soon as it can be; says what that costs the guest",
	  .body = move_finish_fields, .reply = move_finish_reply_fields, .status = 202 },
	{ "POST", "/v1/moves/{id}/postcopy", O, api_move_postcopy,
	  .summary = "Let the guest run on the destination before all its memory is there",
	  .reply = move_did_fields, .status = 202 },
	{ "POST", "/v1/moves/{id}/release", O, api_move_release, .summary = "Let a held move go on",
	  .reply = move_did_fields, .status = 202 },
	{ "POST", "/v1/moves/{id}/delay", V, api_move_delay,
	  .summary = "Delay a move, or let it go on, as the party that the certificate names",
	  .body = notice_delay_fields, .reply = move_reply_fields, .status = 202 },
	{ "POST", "/v1/moves/{id}/resolve", A, api_move_resolve,
	  .summary = "Decide in the place of two hosts that cannot know",
	  .body = move_resolve_fields, .reply = move_reply_fields },
	{ "GET", "/v1/moves/{id}/plan", V, api_move_plan,
	  .summary = "How it sends the guest, and why so", .reply = transfer_plan_fields },
	{ "GET", "/v1/moves/{id}/timeline", V, api_move_timeline, .summary = "What happened",
	  .reply = move_timeline_fields, .query = fields_query, .is_list = true },
	{ "GET", "/v1/moves/{id}/passes", V, api_move_passes,
	  .summary = "What each pass over the guest's memory sent", .reply = move_pass_fields,
	  .query = fields_query, .is_list = true },
	{ "GET", "/v1/queue", V, api_queue_list, .summary = "Entries of the queue, newest first",
	  .query = queue_query, .reply = queue_reply_fields, .is_list = true },
	{ "POST", "/v1/queue", O, api_queue_add,
	  .summary =
		  "Move a VM as soon as it is its turn, to the first of some hosts that takes it",
	  .body = queue_request_fields, .reply = queue_reply_fields, .takes_key = true,
	  .status = 202 },
	{ "GET", "/v1/queue/{id}", V, api_queue_get, .summary = "One entry",
	  .reply = queue_reply_fields },
	{ "GET", "/v1/queue/{id}/wait", V, api_wait,
	  .summary = "One entry, when it has come to a state", .query = wait_query,
	  .reply = queue_reply_fields },
	{ "PATCH", "/v1/queue/{id}", O, api_queue_set, .summary = "Change its priority",
	  .body = queue_patch_fields, .reply = queue_did_fields },
	{ "POST", "/v1/queue/{id}/cancel", O, api_queue_cancel,
	  .summary = "Cancel it: at once while it waits, else with its move",
	  .reply = queue_reply_fields, .status = 202 },
	{ "GET", "/v1/holds", V, api_holds_list,
	  .summary = "Holds of this host and its VMs, oldest first", .query = holds_query,
	  .reply = hold_reply_fields, .is_list = true },
	{ "POST", "/v1/holds", O, api_holds_add,
	  .summary = "Keep automata from moving a VM, or any guest of this host",
	  .body = hold_request_fields, .reply = hold_reply_fields, .status = 201, .takes_key = true,
	  .query = api_try_query },
	{ "GET", "/v1/holds/{id}", V, api_hold_get, .summary = "One hold",
	  .reply = hold_reply_fields },
	{ "PATCH", "/v1/holds/{id}", O, api_hold_renew, .summary = "Renew it: another end",
	  .body = hold_patch_fields, .reply = hold_reply_fields, .query = api_try_query },
	{ "DELETE", "/v1/holds/{id}", O, api_hold_remove, .summary = "End it now",
	  .query = api_try_query },
	{ "GET", "/v1/evacuations", V, api_evacuations_list,
	  .summary = "Evacuations of this host, newest first", .query = evacuations_query,
	  .reply = evacuation_summary_fields, .is_list = true },
	{ "POST", "/v1/evacuations", O, api_evacuations_begin,
	  .summary = "Want this host to be empty: begin an evacuation, join it, or see its plan",
	  .body = evacuation_request_fields, .reply = evacuation_reply_fields, .status = 202,
	  .query = plan_query },
	{ "GET", "/v1/evacuations/{id}", V, api_evacuation_get,
	  .summary = "One evacuation; `current' is the one under way, or the last",
	  .reply = evacuation_reply_fields, .alias = "current" },
	{ "GET", "/v1/evacuations/{id}/wait", V, api_wait,
	  .summary = "One evacuation, when it has come to a state", .query = wait_query,
	  .reply = evacuation_reply_fields },
	{ "POST", "/v1/evacuations/{id}/approve", O, api_evacuation_approve,
	  .summary = "Let one begin that waits for it", .body = evacuation_approve_fields,
	  .reply = evacuation_reply_fields, .status = 202 },
	{ "POST", "/v1/evacuations/{id}/pause", O, api_evacuation_pause,
	  .summary = "Begin no other move", .body = evacuation_pause_fields,
	  .reply = evacuation_reply_fields, .status = 202 },
	{ "POST", "/v1/evacuations/{id}/resume", O, api_evacuation_resume,
	  .summary = "Go on, by a new plan", .reply = evacuation_reply_fields, .status = 202 },
	{ "POST", "/v1/evacuations/{id}/abort", O, api_evacuation_abort,
	  .summary = "End it, with what has moved where it is, or on its way back",
	  .body = evacuation_abort_fields, .reply = evacuation_reply_fields, .status = 202 },
	{ "POST", "/v1/evacuations/{id}/return", O, api_evacuation_return,
	  .summary = "The host is used again, with its VMs or without",
	  .body = evacuation_return_fields, .reply = evacuation_reply_fields, .status = 202 },
	{ "POST", "/v1/evacuations/{id}/withdraw", O, api_evacuation_withdraw,
	  .summary = "Take a request back", .body = evacuation_withdraw_fields,
	  .reply = evacuation_reply_fields, .status = 202 },
	{ "GET", "/v1/hooks", V, api_hooks_list,
	  .summary = "What this host can do when it is empty, and what of it was done",
	  .reply = hook_reply_fields, .query = fields_query, .is_list = true },
	{ "GET", "/v1/hooks/{id}", V, api_hook_get, .summary = "One run of a hook",
	  .reply = hook_run_fields },
	{ "GET", "/v1/maintenances", V, api_maintenances_list,
	  .summary = "Maintenances that this host conducts, newest first",
	  .query = maintenances_query, .reply = maintenance_summary_fields, .is_list = true },
	{ "POST", "/v1/maintenances", O, api_maintenances_start,
	  .summary = "Maintain hosts one after another, or see the steps",
	  .body = maintenance_request_fields, .reply = maintenance_reply_fields, .status = 202,
	  .query = plan_query },
	{ "GET", "/v1/maintenances/{id}", V, api_maintenance_get,
	  .summary = "One maintenance; `current' is the one under way, or the last",
	  .reply = maintenance_reply_fields, .alias = "current" },
	{ "GET", "/v1/maintenances/{id}/wait", V, api_wait,
	  .summary = "One maintenance, when it has come to a state", .query = wait_query,
	  .reply = maintenance_reply_fields },
	{ "POST", "/v1/maintenances/{id}/go", O, api_maintenance_go,
	  .summary = "Let a host go on that waits for it", .body = maintenance_go_fields,
	  .reply = maintenance_reply_fields, .status = 202 },
	{ "POST", "/v1/maintenances/{id}/pause", O, api_maintenance_pause,
	  .summary = "Begin no other host", .body = maintenance_pause_fields,
	  .reply = maintenance_reply_fields, .status = 202 },
	{ "POST", "/v1/maintenances/{id}/resume", O, api_maintenance_resume,
	  .summary = "Begin hosts again", .reply = maintenance_reply_fields, .status = 202 },
	{ "POST", "/v1/maintenances/{id}/stop", O, api_maintenance_stop,
	  .summary = "End it when the hosts under way have ended", .body = maintenance_stop_fields,
	  .reply = maintenance_reply_fields, .status = 202 },
	{ "POST", "/v1/maintenances/{id}/abort", O, api_maintenance_abort,
	  .summary = "End it, and undo what is under way", .body = maintenance_abort_fields,
	  .reply = maintenance_reply_fields, .status = 202 },
	{ "POST", "/v1/maintenances/{id}/skip", O, api_maintenance_skip,
	  .summary = "Leave a host out that was not begun", .body = maintenance_skip_fields,
	  .reply = maintenance_reply_fields, .status = 202 },
	{ "GET", "/v1/saves", V, api_saves_list, .summary = "Saves and restores, newest first",
	  .reply = save_reply_fields, .query = saves_query, .is_list = true },
	{ "GET", "/v1/saves/{id}", V, api_save_get, .summary = "One save or restore",
	  .reply = save_reply_fields },
	{ "GET", "/v1/saves/{id}/wait", V, api_wait,
	  .summary = "One save or restore, when it has come to a state", .query = wait_query,
	  .reply = save_reply_fields },
	{ "GET", "/v1/refreshes", V, api_refreshes_list,
	  .summary = "Refreshes: guests that a new QEMU takes over, newest first",
	  .reply = refresh_reply_fields, .query = refreshes_query, .is_list = true },
	{ "GET", "/v1/refreshes/{id}", V, api_refresh_get, .summary = "One refresh",
	  .reply = refresh_reply_fields },
	{ "GET", "/v1/refreshes/{id}/wait", V, api_wait,
	  .summary = "One refresh, when it has come to a state", .query = wait_query,
	  .reply = refresh_reply_fields },
	{ "POST", "/v1/refreshes/{id}/cancel", O, api_refresh_cancel,
	  .summary = "Cancel it: the guest goes on in the old QEMU", .reply = refresh_reply_fields,
	  .status = 202 },
	{ "POST", "/v1/saves/{id}/cancel", O, api_save_cancel,
	  .summary = "Cancel it: a guest that was to be saved runs on, a file that was to be "
		     "restored stays as it is",
	  .reply = save_reply_fields, .status = 202 },
	{ "GET", "/v1/backups", V, api_vmbackups_list,
	  .summary = "Backups of guests' disks, newest first", .reply = vmbackup_reply_fields,
	  .query = vmbackups_query, .is_list = true },
	{ "GET", "/v1/backups/{id}", V, api_vmbackup_get, .summary = "One backup",
	  .reply = vmbackup_reply_fields },
	{ "GET", "/v1/backups/{id}/wait", V, api_wait,
	  .summary = "One backup, when it has come to a state", .query = wait_query,
	  .reply = vmbackup_reply_fields },
	{ "POST", "/v1/backups/{id}/cancel", O, api_vmbackup_cancel,
	  .summary = "Cancel it: what was copied is removed, and the guest runs on",
	  .reply = vmbackup_reply_fields, .status = 202 },
	{ "GET", "/v1/jobs", V, api_jobs_list, .summary = "The jobs of this host",
	  .query = jobs_query, .reply = job_reply_fields, .is_list = true },
	{ "GET", "/v1/jobs/{id}", V, api_job_get,
	  .summary = "One move, save, restore, refresh or backup", .reply = job_reply_fields },
	{ "GET", "/v1/jobs/{id}/wait", V, api_wait,
	  .summary = "One job, when it has come to a state", .query = wait_query,
	  .reply = job_reply_fields },
	{ "GET", "/v1/events", V, api_events, .is_stream = true, .query = events_query,
	  .summary = "Server-sent events; resumes by Last-Event-ID" },
	{ "GET", "/v1/webhooks", O, api_webhooks_list,
	  .summary = "Webhooks of the events of this host, oldest first", .query = fields_query,
	  .reply = webhook_reply_fields, .is_list = true },
	{ "POST", "/v1/webhooks", A, api_webhooks_add,
	  .summary = "Have events sent to a url, signed, and kept until they are heard or expire",
	  .body = webhook_request_fields, .reply = webhook_reply_fields, .status = 201,
	  .query = api_try_query, .is_private = true },
	{ "GET", "/v1/webhooks/{id}", O, api_webhook_get, .summary = "One webhook",
	  .reply = webhook_reply_fields },
	{ "PATCH", "/v1/webhooks/{id}", A, api_webhook_change,
	  .summary = "Change it, disable it, or enable it again", .body = webhook_patch_fields,
	  .reply = webhook_reply_fields, .query = api_try_query },
	{ "DELETE", "/v1/webhooks/{id}", A, api_webhook_remove,
	  .summary = "Remove it, with what it was not told yet", .query = api_try_query },
	{ "POST", "/v1/webhooks/{id}/test", O, api_webhook_test,
	  .summary = "Send it a message of the type test now, and say what came of it",
	  .reply = webhook_tested_fields },
	{ "POST", "/v1/webhooks/{id}/redeliver", O, api_webhook_redeliver,
	  .summary = "Try all its dead deliveries again", .reply = webhook_reply_fields,
	  .status = 202 },
	{ "GET", "/v1/webhooks/{id}/dead", O, api_webhook_dead_list,
	  .summary = "Its deliveries that are not tried any more, by number", .query = fields_query,
	  .reply = webhook_dead_fields, .is_list = true },
	{ "DELETE", "/v1/webhooks/{id}/dead", O, api_webhook_dead_clear,
	  .summary = "Remove all of them", .query = api_try_query },
	{ "GET", "/v1/webhooks/{id}/dead/{number}", O, api_webhook_dead_get,
	  .summary = "One of them, with what was sent", .reply = webhook_dead_whole_fields },
	{ "DELETE", "/v1/webhooks/{id}/dead/{number}", O, api_webhook_dead_remove,
	  .summary = "Remove one of them", .query = api_try_query },
	{ "POST", "/v1/webhooks/{id}/dead/{number}/redeliver", O, api_webhook_dead_redeliver,
	  .summary = "Try one of them again", .reply = webhook_reply_fields, .status = 202 },
	{ "GET", "/healthz", N, api_healthz, .summary = "The coordinator answers",
	  .type = "text/plain" },
	{ "GET", "/readyz", N, api_readyz, .summary = "It has found its guests again",
	  .type = "text/plain", .problem = problem_of_readiness_fields, .problem_status = 503 },
	{ "GET", "/metrics", V, api_metrics,
	  .summary = "Figures for Prometheus; as OpenMetrics, if Accept asks for it",
	  .type = "text/plain" },
	{ "GET", "/openapi.json", V, api_openapi, .summary = "This document",
	  .type = "application/json" },
	{ "GET", "/ui", V, api_web_page, .summary = "A page for browsers", .is_file = true },
	{ "GET", "/ui/{file}", V, api_web_file, .summary = "A part of it", .is_file = true },
	{ "POST", "/peer/v1/hello", P, api_peer_hello, .summary = "Agree on a protocol",
	  .body = peer_hello_fields, .reply = peer_hello_reply_fields },
	{ "POST", "/peer/v1/moves/{id}/prepare", P, api_peer_prepare, .summary = "Get ready",
	  .body = peer_prepare_fields, .reply = peer_prepare_reply_fields,
	  .problem = problem_of_offer_fields, .problem_status = 409 },
	{ "POST", "/peer/v1/preflight", P, api_peer_preflight,
	  .summary = "What would speak against it; nothing is made", .body = peer_prepare_fields,
	  .reply = peer_preflight_reply_fields },
	{ "POST", "/peer/v1/probe", P, api_peer_probe,
	  .summary = "Measure the link: a moment of data", .body = peer_probe_fields,
	  .reply = peer_probe_reply_fields },
	{ "POST", "/peer/v1/moves/{id}/go", P, api_peer_go, .summary = "Take the guest",
	  .body = peer_claim_fields, .reply = peer_verdict_reply_fields },
	{ "POST", "/peer/v1/moves/{id}/drop", P, api_peer_drop, .summary = "It will not come",
	  .body = peer_claim_fields, .reply = peer_verdict_reply_fields },
	{ "POST", "/peer/v1/moves/{id}/recover", P, api_peer_recover,
	  .summary = "Post-copy: a new data stream", .body = peer_claim_fields,
	  .reply = peer_prepare_reply_fields },
	{ "POST", "/peer/v1/moves/{id}/settle", P, api_peer_settle,
	  .summary = "The source has noted the end", .body = peer_settle_fields,
	  .reply = peer_settled_fields },
	{ "GET", "/peer/v1/moves/{id}", P, api_peer_fate, .summary = "What became of it",
	  .query = fate_query, .reply = peer_fate_fields },
	{ "GET", "/peer/v1/capacity", P, api_peer_capacity,
	  .summary = "What it has room for, and its guests", .query = peer_capacity_query,
	  .reply = capacity_page_fields },
	{ "POST", "/peer/v1/evacuations", P, api_peer_evacuations_begin,
	  .summary = "As POST /v1/evacuations, for the conductor of a maintenance",
	  .body = evacuation_request_fields, .reply = peer_evacuation_fields, .status = 202 },
	{ "GET", "/peer/v1/evacuations/{id}", P, api_peer_evacuation_get,
	  .summary = "One evacuation, in short", .reply = peer_evacuation_fields },
	{ "POST", "/peer/v1/evacuations/{id}/withdraw", P, api_peer_evacuation_withdraw,
	  .summary = "Take a request back", .body = evacuation_withdraw_fields,
	  .reply = peer_evacuation_fields, .status = 202 },
	{ "POST", "/peer/v1/hooks", P, api_peer_hook_begin,
	  .summary = "Begin a hook of its configuration, once for each hook_id, or see whether it "
		     "is needed",
	  .body = hook_request_fields, .reply = hook_run_fields, .status = 202 },
	{ "GET", "/peer/v1/hooks/{id}", P, api_peer_hook_get, .summary = "What has come of it",
	  .reply = hook_run_fields },
	{ "POST", "/peer/v1/evacuations/{id}/back", P, api_peer_back,
	  .summary = "Send back a guest that came from the caller", .body = peer_back_fields,
	  .reply = peer_back_reply_fields },
	{ "POST", "/peer/v1/evacuations/{id}/room", P, api_peer_room,
	  .summary = "Move a guest to another host, so that one of the caller has room",
	  .body = peer_room_fields, .reply = peer_back_reply_fields },
	{ "GET", "/peer/v1/fleet/vms", P, api_peer_fleet_vms,
	  .summary = "A page of its VMs, as a viewer sees them", .query = peer_fleet_vms_query,
	  .reply = fleet_vm_page_fields },
	{ "GET", "/peer/v1/fleet/moves", P, api_peer_fleet_moves,
	  .summary = "A page of its moves, newest first", .query = peer_fleet_moves_query,
	  .reply = fleet_move_page_fields },
	{ "GET", "/peer/v1/fleet/hosts", P, api_peer_fleet_hosts,
	  .summary = "The host itself, in short", .query = peer_fleet_hosts_query,
	  .reply = fleet_host_page_fields },
	{ "GET", "/peer/v1/vms", P, api_peer_vms, .summary = "The VMs it has a record of",
	  .query = peer_vms_query, .reply = peer_vms_fields },
	{ 0 },
};
