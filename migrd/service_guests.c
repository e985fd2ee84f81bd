/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guests of this host, and what is done with a single one of them. */
#include "service.h"

#include "settings.h"

static bool start_policies(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->api.policies = policies_new(daemon->api.store);
	return true;
}

static void free_policies(struct daemon *daemon)
{
	policies_free(daemon->api.policies);
}

const struct service service_policies = { start_policies, NULL, free_policies };

static bool start_holds(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->holds = holds_new(&(struct holds_env){
		.loop = api->loop,
		.store = api->store,
		.host_id = daemon->config->host_id,
		.changed = api_hold_changed,
		.data = api,
	});
	return true;
}

static void end_holds(struct daemon *daemon)
{
	holds_end(daemon->api.holds);
}

static void free_holds(struct daemon *daemon)
{
	holds_free(daemon->api.holds);
}

const struct service service_holds = { start_holds, end_holds, free_holds };

static bool start_vms(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->vms = vms_new(&(struct vms_env){
		.qemu = {
			.loop = api->loop,
			.binary = config->qemu_binary,
			.run_dir = config->host_run_dir,
			.log_dir = config->host_log_dir,
			.log_bytes = config->qemu_log_size_kib << 10,
			.output_program = config->qemu_output_program,
			.swtpm = config->tpm_swtpm,
			.tpm_dir = config->tpm_state_dir,
			.start_timeout_ms = (uint32_t)config->qemu_start_timeout_ms,
		},
		.store = api->store,
		.memory_reserve_mib = config->host_memory_reserve_mib,
		.monitor_wait_ms = (uint32_t)config->qemu_monitor_wait_ms,
		.changed = api_vm_changed,
		.event = api_vm_event,
		.data = api,
	});
	return true;
}

static void end_vms(struct daemon *daemon)
{
	vms_clear(daemon->api.vms);
}

static void free_vms(struct daemon *daemon)
{
	vms_free(daemon->api.vms);
}

const struct service service_vms = { start_vms, end_vms, free_vms };

static bool start_adopter(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon->api.adopter = adopter_new(daemon->api.loop, daemon->api.vms);
	return true;
}

static void end_adopter(struct daemon *daemon)
{
	adopter_clear(daemon->api.adopter);
}

static void free_adopter(struct daemon *daemon)
{
	adopter_free(daemon->api.adopter);
}

const struct service service_adopter = { start_adopter, end_adopter, free_adopter };

static bool start_moves(struct daemon *daemon, struct err *err)
{
	const struct config *config = daemon->config;
	struct api *api = &daemon->api;

	(void)err;
	api->moves = moves_new(&(struct moves_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.policies = api->policies,
		.holds = api->holds,
		.peers = api->peers,
		.notify = api->notify,
		.host_id = config->host_id,
		.run_dir = config->host_run_dir,
		.stream_program = config->move_stream_program,
		.ca_file = config->tls_ca,
		.cert_file = config->tls_cert,
		.key_file = config->tls_key,
		.data_address = daemon->data_address,
		.link_timeout_ms = (uint32_t)config->move_link_timeout_ms,
		.handover_link_timeout_ms = (uint32_t)config->move_handover_link_timeout_ms,
		.stuck_after_ms = (uint32_t)config->move_stuck_after_ms,
		.offer_timeout_ms = (uint32_t)config->move_offer_timeout_ms,
		.offers_max = (unsigned)config->move_offers_max,
		.offers_memory_percent = (unsigned)config->move_offers_memory_percent,
		.hold_max_s = config->move_hold_max_s,
		.limits = settings_moves_limits(config),
		.outage_ping_ms = (uint32_t)config->move_outage_ping_ms,
		.outage_ping_min_ms = (uint32_t)config->move_outage_ping_min_ms,
		.prepare_timeout_ms = (uint32_t)config->move_prepare_timeout_ms,
		.link_probe_ms = (uint32_t)config->move_link_probe_ms,
		.storage = settings_storage_rules(config),
		.changed = api_move_changed,
		.start_lost = api_start_lost,
		.data = api,
	});
	return true;
}

static void end_moves(struct daemon *daemon)
{
	moves_clear(daemon->api.moves);
}

static void free_moves(struct daemon *daemon)
{
	moves_free(daemon->api.moves);
}

const struct service service_moves = { start_moves, end_moves, free_moves };

static bool start_saves(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->saves = saves_new(&(struct saves_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.host_id = daemon->config->host_id,
		.qemu_img = daemon->config->storage_qemu_img,
		.dirs = daemon->config->storage_save_dirs,
		.changed = api_save_changed,
		.data = api,
	});
	return true;
}

static void end_saves(struct daemon *daemon)
{
	saves_clear(daemon->api.saves);
}

static void free_saves(struct daemon *daemon)
{
	saves_free(daemon->api.saves);
}

const struct service service_saves = { start_saves, end_saves, free_saves };

static bool start_snapshots(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->snapshots = snapshots_new(&(struct snapshots_env){
		.loop = api->loop,
		.vms = api->vms,
		.qemu_img = daemon->config->storage_qemu_img,
	});
	return true;
}

static void end_snapshots(struct daemon *daemon)
{
	snapshots_clear(daemon->api.snapshots);
}

static void free_snapshots(struct daemon *daemon)
{
	snapshots_free(daemon->api.snapshots);
}

const struct service service_snapshots = { start_snapshots, end_snapshots, free_snapshots };

static bool start_refreshes(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->refreshes = refreshes_new(&(struct refreshes_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.host_id = daemon->config->host_id,
		.start_timeout_ms = (uint32_t)daemon->config->qemu_start_timeout_ms,
		.changed = api_refresh_changed,
		.data = api,
	});
	return true;
}

static void end_refreshes(struct daemon *daemon)
{
	refreshes_clear(daemon->api.refreshes);
}

static void free_refreshes(struct daemon *daemon)
{
	refreshes_free(daemon->api.refreshes);
}

const struct service service_refreshes = { start_refreshes, end_refreshes, free_refreshes };

static bool start_vmbackups(struct daemon *daemon, struct err *err)
{
	struct api *api = &daemon->api;

	(void)err;
	api->vmbackups = vmbackups_new(&(struct vmbackups_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.host_id = daemon->config->host_id,
		.qemu_img = daemon->config->storage_qemu_img,
		.dirs = daemon->config->storage_backup_dirs,
		.changed = api_vmbackup_changed,
		.data = api,
	});
	return true;
}

static void end_vmbackups(struct daemon *daemon)
{
	vmbackups_clear(daemon->api.vmbackups);
}

static void free_vmbackups(struct daemon *daemon)
{
	vmbackups_free(daemon->api.vmbackups);
}

const struct service service_vmbackups = { start_vmbackups, end_vmbackups, free_vmbackups };
