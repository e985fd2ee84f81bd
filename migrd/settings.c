/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <string.h>

#include "shutdown/logind.h"
#include "tls/identity.h"

bool settings_check_identity(const struct tls_identity *identity, const struct config *config,
			     struct err *err)
{
	if (identity->kind == TLS_KIND_HOST && strcmp(identity->name, config->host_id) == 0)
		return true;
	return err_set(err, ERR_INVALID,
		       "the certificate '%s' is for '%s', but this host's id is '%s': make one "
		       "with "
		       "'migrctl pki host %s=ADDRESS'",
		       config->tls_cert, identity->name, config->host_id, config->host_id);
}

/* An expired certificate is no reason not to start: guests and the local socket do
 * without. */
bool settings_load_tls_blocking(const struct config *config, struct tls_live **ret, struct err *err)
{
	struct tls_live *tls =
		tls_live_load_blocking(config->tls_ca, config->tls_cert, config->tls_key, err);
	bool ok = tls && settings_check_identity(&tls->identity, config, err);

	if (ok)
		*ret = tls_live_ref(tls);
	tls_live_unref(tls);
	return ok;
}

bool settings_load_parties_blocking(const struct config *config, struct notify_parties **ret,
				    struct err *err)
{
	struct notify_parties *parties = notify_parties_new();

	for (size_t i = 0; i < config->notify_count; i++) {
		const struct config_notify *notify = &config->notify[i];
		const struct notify_setting setting = {
			.name = notify->name,
			.url = notify->url,
			.secret_file = notify->secret_file,
			.ca_file = notify->ca_file,
			.command = notify->agent_command,
			.label = notify->label,
			.timeout_ms = notify->timeout_ms,
			.may_delay_s = notify->may_delay_s,
			.before = strstr(notify->when, "before") != NULL,
			.after = strstr(notify->when, "after") != NULL,
		};

		if (!notify_parties_add_blocking(parties, &setting, err)) {
			notify_parties_free(parties);
			return false;
		}
	}
	*ret = parties;
	return true;
}

bool settings_load_webhook_trust_blocking(const struct config *config, struct tls_trust **ret,
					  struct err *err)
{
	struct tls_trust *trust = config->webhooks_ca_file
					  ? tls_trust_read_blocking(config->webhooks_ca_file, err)
					  : NULL;

	if (config->webhooks_ca_file && !trust)
		return err_wrap(err, "[webhooks] ca_file");
	*ret = trust;
	return true;
}

bool settings_load_hooks_blocking(const struct config *config, struct hook_sections **ret,
				  struct err *err)
{
	struct hook_sections *sections = hook_sections_new(config->maintenance_conductors);

	for (size_t i = 0; i < config->hook_count; i++) {
		const struct config_hook *hook = &config->hooks[i];
		const struct hook_setting setting = {
			.name = hook->name,
			.program = hook->program,
			.only_if = hook->only_if,
			.url = hook->url,
			.secret_file = hook->secret_file,
			.ca_file = hook->ca_file,
			.timeout_s = hook->timeout_s,
			.reboots = hook->reboots,
			.restarts = hook->restarts,
		};

		if (!hook_sections_add_blocking(sections, &setting, err)) {
			hook_sections_free(sections);
			return false;
		}
	}
	*ret = sections;
	return true;
}

struct moves_limits settings_moves_limits(const struct config *config)
{
	return (struct moves_limits){
		.in_max = (unsigned)config->move_in_max,
		.budget_bytes_per_s = config->move_bandwidth_budget_bytes_per_s,
		.budget_in_bytes_per_s = config->move_bandwidth_budget_in_bytes_per_s,
		.vcpus_per_core = config->host_vcpus_per_core,
	};
}

struct capacity_settings settings_capacity(const struct config *config)
{
	return (struct capacity_settings){
		.rack = config->host_rack,
		.labels = config->host_labels,
		.reserved_mib = config->host_memory_reserve_mib,
		.vcpus_per_core = config->host_vcpus_per_core,
		.in_max = config->move_in_max,
		.out_max = config->queue_out_max,
		.budget_bytes_per_s = config->move_bandwidth_budget_bytes_per_s,
		.ask_every_s = config->capacity_ask_every_s,
	};
}

struct storage_rules settings_storage_rules(const struct config *config)
{
	return (struct storage_rules){ .dirs = config->storage_dirs,
				       .map = config->storage_map,
				       .firmware_map = config->storage_firmware_map,
				       .swtpm = config->tpm_swtpm,
				       .tpm_dir = config->tpm_state_dir,
				       .qemu_img = config->storage_qemu_img };
}

struct selfcheck_env settings_selfcheck(const struct config *config)
{
	return (struct selfcheck_env){
		.state_dir = config->host_state_dir,
		.run_dir = config->host_run_dir,
		.log_dir = config->host_log_dir,
		.qemu_binary = config->qemu_binary,
		.output_program = config->qemu_output_program,
		.hook_program = config->hook_count ? config->maintenance_hook_program : NULL,
		.stream_program = config->move_stream_program,
		.shutdown = config->host_shutdown,
		.has_logind = logind_is_built,
	};
}
