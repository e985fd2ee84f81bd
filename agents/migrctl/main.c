/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl -- the command line of migrd. */
#include <locale.h>
#include <signal.h>

#include "agents/migrctl/cmd_adopt.h"
#include "agents/migrctl/cmd_agent.h"
#include "agents/migrctl/cmd_autostart.h"
#include "agents/migrctl/cmd_backup.h"
#include "agents/migrctl/cmd_capacity.h"
#include "agents/migrctl/cmd_console.h"
#include "agents/migrctl/cmd_context.h"
#include "agents/migrctl/cmd_device.h"
#include "agents/migrctl/cmd_edit.h"
#include "agents/migrctl/cmd_evacuation.h"
#include "agents/migrctl/cmd_events.h"
#include "agents/migrctl/cmd_explain.h"
#include "agents/migrctl/cmd_fleet.h"
#include "agents/migrctl/cmd_hold.h"
#include "agents/migrctl/cmd_host.h"
#include "agents/migrctl/cmd_job.h"
#include "agents/migrctl/cmd_maintenance.h"
#include "agents/migrctl/cmd_monitor.h"
#include "agents/migrctl/cmd_move.h"
#include "agents/migrctl/cmd_pki.h"
#include "agents/migrctl/cmd_policy.h"
#include "agents/migrctl/cmd_queue.h"
#include "agents/migrctl/cmd_refresh.h"
#include "agents/migrctl/cmd_rename.h"
#include "agents/migrctl/cmd_save.h"
#include "agents/migrctl/cmd_snapshot.h"
#include "agents/migrctl/cmd_top.h"
#include "agents/migrctl/cmd_vm.h"
#include "agents/migrctl/cmd_vm_top.h"
#include "agents/migrctl/cmd_vmbackup.h"
#include "agents/migrctl/cmd_vnc.h"
#include "agents/migrctl/cmd_wait.h"
#include "agents/migrctl/cmd_web.h"
#include "agents/migrctl/cmd_webhook.h"
#include "agents/migrctl/complete.h"
#include "agents/migrctl/error_page.h"
#include "agents/migrctl/examples.h"
#include "agents/migrctl/migrctl.h"

static const char *const outputs[] = { "table", "wide", "json", "yaml", "name", NULL };

#define GLOBAL(field) .offset = offsetof(struct migrctl_globals, field)
static const struct cli_option globals[] = {
	{
		.name = "output",
		.letter = 'o',
		.type = CLI_CHOICE,
		GLOBAL(output),
		.choices = outputs,
		.arg = "table|wide|json|yaml|name",
		.help = "for people (default), with more columns, the API's JSON, the same as "
			"YAML, or names alone; with json and yaml errors too",
	},
	{
		.name = "context",
		.type = CLI_TEXT,
		GLOBAL(context),
		.arg = "NAME",
		.help = "a daemon that `context add' gave a name, or `local' (default: "
			"$MIGRD_CONTEXT, or that of `context use')",
	},
	{
		.name = "socket",
		.type = CLI_TEXT,
		GLOBAL(socket),
		.arg = "PATH",
		.help = "the daemon's UNIX socket (default: $" CLIENT_SOCKET_VARIABLE
			", or " CLIENT_SOCKET ")",
	},
	{
		.name = "host",
		.type = CLI_TEXT,
		GLOBAL(host),
		.arg = "URL",
		.help = "a daemon elsewhere: [https://]ADDRESS[:PORT]; needs --cert, --key and "
			"--ca (default: $MIGRD_HOST)",
	},
	{
		.name = "host-id",
		.type = CLI_TEXT,
		GLOBAL(host_id),
		.arg = "ID",
		.help = "with --host: it must be this host (default: any host of the CA); without: "
			"this one of the peers of the host that is asked otherwise",
	},
	{
		.name = "cert",
		.type = CLI_TEXT,
		GLOBAL(cert),
		.arg = "FILE",
		.help = "with --host: the certificate to show (default: $MIGRD_CERT)",
	},
	{
		.name = "key",
		.type = CLI_TEXT,
		GLOBAL(key),
		.arg = "FILE",
		.help = "with --host: its private key (default: $MIGRD_KEY)",
	},
	{
		.name = "ca",
		.type = CLI_TEXT,
		GLOBAL(ca),
		.arg = "FILE",
		.help = "with --host: the CA that the server's certificate must be of (default: "
			"$MIGRD_CA)",
	},
	{ .name = NULL },
};

static const struct cli_command *const commands[] = {
	&cmd_vm_create,
	&cmd_vm_list,
	&cmd_vm_show,
	&cmd_vm_top,
	&cmd_vm_find,
	&cmd_vm_start,
	&cmd_vm_stop,
	&cmd_vm_shutdown,
	&cmd_vm_reset,
	&cmd_vm_pause,
	&cmd_vm_resume,
	&cmd_vm_delete,
	&cmd_vm_attach,
	&cmd_vm_detach,
	&cmd_vm_devices,
	&cmd_vm_insert,
	&cmd_vm_eject,
	&cmd_vm_agent,
	&cmd_vm_adopt,
	&cmd_vm_save,
	&cmd_vm_restore,
	&cmd_vm_refresh,
	&cmd_vm_edit,
	&cmd_vm_rename,
	&cmd_vm_backup,
	&cmd_vm_autostart,
	&cmd_vm_label,
	&cmd_vm_set_policy,
	&cmd_vm_place,
	&cmd_vm_qmp,
	&cmd_vm_hmp,
	&cmd_vm_monitor,
	&cmd_vm_console,
	&cmd_vm_vnc,
	&cmd_move_start,
	&cmd_move_list,
	&cmd_move_show,
	&cmd_move_watch,
	&cmd_move_cancel,
	&cmd_move_delay,
	&cmd_move_finish,
	&cmd_move_postcopy,
	&cmd_move_release,
	&cmd_move_set,
	&cmd_move_resolve,
	&cmd_policy_list,
	&cmd_policy_show,
	&cmd_policy_set,
	&cmd_policy_delete,
	&cmd_snapshot_create,
	&cmd_snapshot_list,
	&cmd_snapshot_delete,
	&cmd_snapshot_revert,
	&cmd_save_list,
	&cmd_save_show,
	&cmd_save_cancel,
	&cmd_refresh_list,
	&cmd_refresh_show,
	&cmd_refresh_cancel,
	&cmd_vmbackup_list,
	&cmd_vmbackup_show,
	&cmd_vmbackup_cancel,
	&cmd_vmbackup_restore,
	&cmd_host_show,
	&cmd_host_list,
	&cmd_host_check,
	&cmd_host_hold,
	&cmd_host_cordon,
	&cmd_host_uncordon,
	&cmd_host_evacuate,
	&cmd_evacuation_list,
	&cmd_evacuation_show,
	&cmd_evacuation_watch,
	&cmd_evacuation_approve,
	&cmd_evacuation_pause,
	&cmd_evacuation_resume,
	&cmd_evacuation_abort,
	&cmd_evacuation_return,
	&cmd_evacuation_withdraw,
	&cmd_maintenance_start,
	&cmd_maintenance_list,
	&cmd_maintenance_show,
	&cmd_maintenance_watch,
	&cmd_maintenance_go,
	&cmd_maintenance_pause,
	&cmd_maintenance_resume,
	&cmd_maintenance_stop,
	&cmd_maintenance_abort,
	&cmd_maintenance_skip,
	&cmd_backup,
	&cmd_queue_add,
	&cmd_queue_list,
	&cmd_queue_show,
	&cmd_queue_cancel,
	&cmd_queue_set,
	&cmd_hold_add,
	&cmd_hold_list,
	&cmd_hold_show,
	&cmd_hold_renew,
	&cmd_hold_remove,
	&cmd_top,
	&cmd_job_list,
	&cmd_wait,
	&cmd_events,
	&cmd_web,
	&cmd_webhook_add,
	&cmd_webhook_list,
	&cmd_webhook_show,
	&cmd_webhook_set,
	&cmd_webhook_dead,
	&cmd_webhook_redeliver,
	&cmd_webhook_test,
	&cmd_webhook_remove,
	&cmd_context_add,
	&cmd_context_list,
	&cmd_context_use,
	&cmd_context_show,
	&cmd_context_remove,
	&cmd_explain,
	&cmd_pki_init,
	&cmd_pki_host,
	&cmd_pki_user,
	NULL,
};

static const struct cli_program program = {
	.name = "migrctl",
	.version = PACKAGE_VERSION,
	.summary = "Moves running guests between hosts, and looks after them.",
	.options = globals,
	.values_size = sizeof(struct migrctl_globals),
	.commands = commands,
	.complete = complete_value,
	.examples = examples_of,
	.print_error = error_page_print,
};

int main(int argc, char **argv)
{
	/* Not LC_NUMERIC: numbers look the same in every language. */
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	cmd_evacuate_set_up();
	cmd_maintenance_set_up();
	cmd_queue_set_up();
	return cli_main(&program, argc, argv);
}
