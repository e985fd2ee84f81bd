/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* api/api.h -- the routes of this host's coordinator, for users and for peers.
 * Thread: loop. */
#ifndef MIGRD_API_API_H
#define MIGRD_API_API_H

#include "api/answers.h"
#include "api/list.h"
#include "api/readyz.h"
#include "api/waits.h"
#include "base/bus.h"
#include "base/strbuf.h"
#include "capacity/capacity.h"
#include "check/check.h"
#include "console/console.h"
#include "evacuation/evacuation.h"
#include "hold/hold.h"
#include "hook/hook.h"
#include "http/http.h"
#include "maintenance/maintenance.h"
#include "metrics/metrics.h"
#include "move/move.h"
#include "owner/autostart.h"
#include "owner/newest.h"
#include "queue/queue.h"
#include "refresh/refresh.h"
#include "save/save.h"
#include "shutdown/shutdown.h"
#include "snapshot/snapshots.h"
#include "vm/adopt.h"
#include "vm/vm.h"
#include "vmbackup/vmbackup.h"
#include "webhook/webhook.h"
#include "wire/host_reply.h"
#include "wire/vm_reply.h"

/* What the handlers work on; the handler_data of every route. */
struct api {
	struct loop *loop;
	struct bus *bus;
	struct vms *vms;
	struct consoles *consoles;
	struct adopter *adopter;
	struct policies *policies;
	struct holds *holds;
	struct notify *notify;
	struct webhooks *webhooks;
	struct moves *moves;
	struct saves *saves;
	struct snapshots *snapshots;
	struct refreshes *refreshes;
	struct vmbackups *vmbackups;
	struct queue *queue;
	struct hooks *hooks;
	struct evacuations *evacuations;
	struct autostart *autostart;
	struct maintenances *maintenances;
	struct capacity *capacity;
	struct shutdown *shutdown;
	struct waits *waits;
	struct answers *answers;
	bool shutdown_is_off; /* logind has said that there is none */
	bool is_shutdown;     /* the guests have to go, within so long */
	uint64_t shutdown_limit_s;
	struct loop_timer *shutdown_retry; /* active: the evacuation for it was refused */
	char shutdown_error[ERR_MSG_SIZE]; /* and why; "": it was not */
	bool has_evacuations;              /* those of the daemon's earlier run were found again */
	struct check *check;
	struct newest_env newest_env;
	struct newest *newest;
	struct readiness *readiness;
	struct store *store;
	struct peer_clients *peers;
	const char *host_id, *state_dir;
	const char *api_address, *data_address, *qemu_binary;
	const char *const *peer_ids; /* ended by NULL */
	struct move_options defaults;
	int64_t started_ms;
	struct tls_live *tls; /* of this host, in use */
	struct metrics *metrics;
	struct {
		int64_t at_ms; /* 0: none yet */
		char error[ERR_MSG_SIZE];
	} reload;
	struct {
		bool is_count_right; /* no VM has changed since */
		uint64_t at_ms;      /* of the last look */
		uint64_t total, running;
		uint64_t memory_total_mib, memory_available_mib;
		struct host_reply *reply; /* what `text' was made from */
		char *text;
		size_t len;
	} host; /* host.c */
	struct {
		char *text; /* NULL: none yet */
		size_t len;
		uint64_t at_ms;
	} capacity_list;         /* capacity.c */
	struct {
		char *text; /* NULL: none yet */
		size_t len;
	} document;              /* openapi.c */
	unsigned peer_questions; /* known.c: under way */
	unsigned fleet_questions; /* fleet_ask.c: likewise */
	bool is_ready;           /* everything of the daemon's earlier run was found again */
};

/* Ended by a NULL method. */
extern const struct http_route api_routes[];
/* The query of a request whose dry run is answered with 204. */
extern const struct http_query_key api_try_query[];

/* Callbacks of vms_env and moves_env: put what changed on the bus. */
void api_vm_changed(void *api, const char *name, const struct vm *vm);
void api_vm_event(void *api, const struct vm *vm, const struct qmp_event *event, unsigned left_out);
void api_move_changed(void *api, const struct move *move);
void api_start_lost(void *api, const struct move *move, const char *reason);
void api_save_changed(void *api, const struct save *save);
void api_refresh_changed(void *api, const struct refresh *refresh);
void api_vmbackup_changed(void *api, const struct vmbackup *backup);
void api_queue_changed(void *api, const struct queue_entry *entry);
void api_evacuation_changed(void *api, struct evacuation *evac);
void api_maintenance_changed(void *api, struct maintenance *m);
void api_hold_changed(void *api, const struct store_hold *hold, enum hold_change change,
		      const char *by);

/* hooks.c: callbacks of hooks_env and evacuations_env. */
void api_hook_changed(void *api, const struct hook_run *run);
bool api_hook_may_begin(void *api, const char *requester, struct err *err);
bool api_is_kept_empty(void *api);
/* autostart.c: callbacks of autostart_env. */
bool api_may_autostart(void *api, struct strbuf *why);
void api_autostart_told(void *api, const struct autostart_told *told);

/* shutdown.c: callbacks of shutdown_env. */
bool api_has_guests(void *api);
void api_shutdown_changed(void *api);
void api_shutdown_evacuate(void *api, uint64_t limit_s);
void api_shutdown_called_off(void *api);
void api_shutdown_retry(void *api); /* of the timer */
/* The evacuations were recovered. */
void api_shutdown_recovered(struct api *api);

/* ---- shared by the files of the routes ------------------------------- */

/* False while the coordinator is still finding its guests: then REQ was answered. */
bool api_ready(struct http_request *req, const struct api *api);

/* As api_ready(), and false also while the records may be old (owner/newest.h). */
bool api_sure(struct http_request *req, const struct api *api);

/* REQ has dry_run=true in its query: nothing may be changed. */
bool api_is_dry_run(const struct http_request *req);
/* Answers a dry run of what would be done. */
void api_reply_dry(struct http_request *req);
/* A vm_done_fn of a request, which is DATA: the end of its dry run. */
void api_on_tried(void *data, const struct err *err);

/* A request until its answer.  What it is about may be gone by then, so the name of that is kept,
 * or the uuid of a VM. Who answers frees it. */
struct api_pending {
	struct http_request *req;
	struct api *api;
	char name[ID_NAME_SIZE];
	int status; /* of the answer, if all goes well */
};
struct api_pending *api_pending_new(struct http_request *req, struct api *api, const char *name,
				    int status);

/* Sends the definition and the present state of VM; VM NULL: sends no body. */
void api_vm_reply(struct http_request *req, int status, const struct api *api, const struct vm *vm);
/* The VM of the path; NULL: there is none, and the request was answered. */
struct vm *api_vm_find(struct http_request *req, const struct api *api);

/* vm_summary.c: a VM without its definition.  The text is borrowed until the VM changes. */
void api_vm_summary(const struct api *api, const struct vm *vm, struct vm_summary *ret);
/* The same for a caller who has parsed the VM's definition. */
void api_vm_summary_of(const struct api *api, const struct vm *vm, struct json_object *definition,
		       struct vm_summary *ret);
const char *api_vm_summary_text(const struct api *api, struct vm *vm, size_t *ret_len);

/* vms.c */
void api_vms_list(struct http_request *req, void *data);
void api_vms_create(struct http_request *req, void *data);
void api_vm_get(struct http_request *req, void *data);
void api_vm_delete(struct http_request *req, void *data);
void api_vm_run(struct http_request *req, void *data);
void api_vm_action(struct http_request *req, void *data);
void api_vm_change(struct http_request *req, void *data);
void api_vm_rename(struct http_request *req, void *data);
/* policies.c */
void api_policies_list(struct http_request *req, void *data);
void api_policy_get(struct http_request *req, void *data);
void api_policy_put(struct http_request *req, void *data);
void api_policy_delete(struct http_request *req, void *data);
/* False, and a fault at /policy: this host has no policy NAME, which is not "". */
bool api_policy_is_known(const struct api *api, const char *name, struct faults *faults);
/* console.c */
void api_vm_console(struct http_request *req, void *data);
void api_vm_vnc(struct http_request *req, void *data);

/* snapshots.c */
void api_snapshots_list(struct http_request *req, void *data);
void api_snapshot_create(struct http_request *req, void *data);
void api_snapshot_delete(struct http_request *req, void *data);
void api_snapshot_revert(struct http_request *req, void *data);
/* stats.c */
void api_vm_stats(struct http_request *req, void *data);
void api_stats_list(struct http_request *req, void *data);
/* agent.c */
void api_vm_agent(struct http_request *req, void *data);
/* monitor.c */
void api_vm_monitor(struct http_request *req, void *data);
/* adopt.c */
void api_vms_adopt(struct http_request *req, void *data);
/* devices.c */
#define API_DETACH_MS     20000
#define API_DETACH_MAX_MS 100000 /* migrctl waits two minutes for an answer */
void api_devices_list(struct http_request *req, void *data);
void api_device_get(struct http_request *req, void *data);
void api_device_attach(struct http_request *req, void *data);
void api_device_detach(struct http_request *req, void *data);
void api_medium_change(struct http_request *req, void *data);
void api_medium_eject(struct http_request *req, void *data);
/* move/moves.c */
void api_moves_start(struct http_request *req, void *data);
void api_peer_preflight(struct http_request *req, void *data);
void api_peer_probe(struct http_request *req, void *data);
void api_move_get(struct http_request *req, void *data);
void api_move_set(struct http_request *req, void *data);
/* Cancels MOVE and answers when it is known what came of it. */
void api_cancel(struct http_request *req, struct api *api, struct move *move);
void api_move_cancel(struct http_request *req, void *data);
void api_move_resolve(struct http_request *req, void *data);
void api_move_postcopy(struct http_request *req, void *data);
void api_move_release(struct http_request *req, void *data);
void api_move_finish(struct http_request *req, void *data);
void api_move_delay(struct http_request *req, void *data);
void api_move_plan(struct http_request *req, void *data);
void api_move_passes(struct http_request *req, void *data);
void api_move_timeline(struct http_request *req, void *data);
/* queue.c */
void api_queue_add(struct http_request *req, void *data);
void api_queue_list(struct http_request *req, void *data);
void api_queue_get(struct http_request *req, void *data);
void api_queue_set(struct http_request *req, void *data);
void api_queue_cancel(struct http_request *req, void *data);
/* holds.c */
void api_holds_list(struct http_request *req, void *data);
void api_holds_add(struct http_request *req, void *data);
void api_hold_get(struct http_request *req, void *data);
void api_hold_renew(struct http_request *req, void *data);
void api_hold_remove(struct http_request *req, void *data);
void api_host_cordon(struct http_request *req, void *data);
void api_host_uncordon(struct http_request *req, void *data);
/* RET must be all zero. */
void api_cordon_show(const struct api *api, struct cordon_reply *ret);
/* evacuations.c */
void api_evacuations_list(struct http_request *req, void *data);
void api_evacuations_begin(struct http_request *req, void *data);
void api_evacuation_get(struct http_request *req, void *data);
void api_evacuation_approve(struct http_request *req, void *data);
void api_evacuation_pause(struct http_request *req, void *data);
void api_evacuation_resume(struct http_request *req, void *data);
void api_evacuation_abort(struct http_request *req, void *data);
void api_evacuation_return(struct http_request *req, void *data);
void api_evacuation_withdraw(struct http_request *req, void *data);

/* maintenances.c */
void api_maintenances_list(struct http_request *req, void *data);
void api_maintenances_start(struct http_request *req, void *data);
void api_maintenance_get(struct http_request *req, void *data);
void api_maintenance_go(struct http_request *req, void *data);
void api_maintenance_pause(struct http_request *req, void *data);
void api_maintenance_resume(struct http_request *req, void *data);
void api_maintenance_stop(struct http_request *req, void *data);
void api_maintenance_abort(struct http_request *req, void *data);
void api_maintenance_skip(struct http_request *req, void *data);
void api_peer_back(struct http_request *req, void *data);
void api_peer_room(struct http_request *req, void *data);
/* hooks.c */
void api_hooks_list(struct http_request *req, void *data);
void api_hook_get(struct http_request *req, void *data);
void api_peer_hook_begin(struct http_request *req, void *data);
void api_peer_hook_get(struct http_request *req, void *data);
/* False: the caller may not maintain this host, or it is too early; REQ was answered. */
bool api_conducts(struct http_request *req, const struct api *api);
/* REQUESTER is a name that conductors have; else a fault is added.  A conductor may not act in the
 * name of a person. */
bool api_check_conductors_name(const char *requester, struct faults *faults);
/* False: no guest may come back, as a hook runs; REQ was answered. */
bool api_may_fill(struct http_request *req, const struct api *api);
/* peer_evacuations.c */
void api_peer_evacuations_begin(struct http_request *req, void *data);
void api_peer_evacuation_get(struct http_request *req, void *data);
void api_peer_evacuation_withdraw(struct http_request *req, void *data);
/* saves.c */
void api_vm_save(struct http_request *req, void *data);
void api_vms_restore(struct http_request *req, void *data);
void api_saves_list(struct http_request *req, void *data);
void api_save_get(struct http_request *req, void *data);
void api_save_cancel(struct http_request *req, void *data);
/* vmbackups.c */
void api_vm_backup(struct http_request *req, void *data);
void api_vmbackups_list(struct http_request *req, void *data);
void api_vmbackup_get(struct http_request *req, void *data);
void api_vmbackup_cancel(struct http_request *req, void *data);

/* refreshes.c */
void api_vm_refresh(struct http_request *req, void *data);
void api_refreshes_list(struct http_request *req, void *data);
void api_refresh_get(struct http_request *req, void *data);
void api_refresh_cancel(struct http_request *req, void *data);
/* jobs.c */
void api_moves_list(struct http_request *req, void *data);
void api_job_get(struct http_request *req, void *data);
void api_jobs_list(struct http_request *req, void *data);
/* fleet.c */
void api_fleet_vms(struct http_request *req, void *data);
void api_fleet_moves(struct http_request *req, void *data);
void api_fleet_hosts(struct http_request *req, void *data);
void api_peer_fleet_vms(struct http_request *req, void *data);
void api_peer_fleet_moves(struct http_request *req, void *data);
void api_peer_fleet_hosts(struct http_request *req, void *data);
/* host.c */
/* RET must be all zero. */
void api_host_look(struct api *api, struct host_reply *ret);
void api_host_get(struct http_request *req, void *data);
void api_host_fini(struct api *api);
void api_peers_list(struct http_request *req, void *data);
/* known.c */
void api_peer_get(struct http_request *req, void *data);
void api_healthz(struct http_request *req, void *data);
/* capacity.c */
void api_capacity_get(struct http_request *req, void *data);
void api_peer_capacity(struct http_request *req, void *data);
void api_capacity_fini(struct api *api);
/* openapi.c */
void api_openapi(struct http_request *req, void *data);
/* web.c */
void api_web_page(struct http_request *req, void *data);
void api_web_file(struct http_request *req, void *data);
void api_caller_get(struct http_request *req, void *data);
/* metrics.c */
void api_metrics(struct http_request *req, void *data);
/* readyz.c */
void api_readyz(struct http_request *req, void *data);
/* check/check.c */
void api_host_check(struct http_request *req, void *data);
void api_host_repair(struct http_request *req, void *data);
/* backup.c */
void api_host_backup(struct http_request *req, void *data);
/* events.c */
void api_events(struct http_request *req, void *data);
/* webhooks.c */
void api_webhooks_list(struct http_request *req, void *data);
void api_webhooks_add(struct http_request *req, void *data);
void api_webhook_get(struct http_request *req, void *data);
void api_webhook_change(struct http_request *req, void *data);
void api_webhook_remove(struct http_request *req, void *data);
void api_webhook_dead_list(struct http_request *req, void *data);
void api_webhook_dead_get(struct http_request *req, void *data);
void api_webhook_redeliver(struct http_request *req, void *data);
void api_webhook_dead_redeliver(struct http_request *req, void *data);
void api_webhook_dead_clear(struct http_request *req, void *data);
void api_webhook_dead_remove(struct http_request *req, void *data);
void api_webhook_test(struct http_request *req, void *data);
/* peer.c */
void api_peer_hello(struct http_request *req, void *data);
void api_peer_prepare(struct http_request *req, void *data);
void api_peer_go(struct http_request *req, void *data);
void api_peer_drop(struct http_request *req, void *data);
void api_peer_recover(struct http_request *req, void *data);
void api_peer_settle(struct http_request *req, void *data);
void api_peer_fate(struct http_request *req, void *data);
void api_peer_vms(struct http_request *req, void *data);

#endif
