/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-plan -- plans moves in a cluster that a file describes. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "agents/lib/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "plan/file.h"

#define OTHERS_MAX 20 /* if nothing else is asked for */

struct evacuate_values {
	struct cli_texts hosts;
	struct cli_number others;
};

static const struct cli_option evacuate_options[] = {
	{
		.name = "host",
		.type = CLI_TEXTS,
		.offset = offsetof(struct evacuate_values, hosts),
		.is_required = true,
		.arg = "HOST",
		.help = "a host to be emptied; may be given more than once",
	},
	{
		.name = "others",
		.type = CLI_COUNT,
		.offset = offsetof(struct evacuate_values, others),
		.max = PLAN_VMS_MAX,
		.arg = "N",
		.help = "if there is no place otherwise, so many VMs of other hosts may be moved; "
			"20 if not given",
	},
	{ .name = NULL },
};

static void free_file(struct plan_file **file)
{
	plan_file_free(*file);
}

static void free_cluster(struct plan_cluster **cluster)
{
	plan_cluster_free(*cluster);
}

static void free_plan(struct plan **plan)
{
	plan_free(*plan);
}

/* Faults of the file go into CALL. */
static struct plan_file *read_file(struct cli_call *call, const char *path, struct err *err)
{
	CLEANUP(free_charp) char *text = NULL;
	struct plan_file *file;
	size_t len;

	if (!file_read(path, PLAN_FILE_MAX, &text, &len, err))
		return NULL;
	file = plan_file_parse(text, len, call->faults);
	if (!file)
		err_set(err, ERR_INVALID, "'%s' is no migrd-cluster/1", path);
	return file;
}

static bool find_hosts(const struct plan_cluster *cluster, const struct cli_texts *names,
		       uint32_t *ret_hosts, struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		ret_hosts[i] = plan_find_host(cluster, names->list[i]);
		if (ret_hosts[i] == PLAN_NOWHERE)
			return err_set(err, ERR_NOT_FOUND, "the file has no host '%s'",
				       names->list[i]);
	}
	return true;
}

static bool run_evacuate(struct cli_call *call, struct err *err)
{
	const struct evacuate_values *values = call->values;
	CLEANUP(strbuf_fini) struct strbuf out = STRBUF_INIT;
	CLEANUP(free_file) struct plan_file *file = NULL;
	CLEANUP(free_cluster) struct plan_cluster *cluster = NULL;
	CLEANUP(free_plan) struct plan *plan = NULL;
	uint64_t began_us = clock_monotonic_us();
	uint32_t hosts[CLI_TEXTS_MAX];
	struct plan_evacuate wanted = {
		.hosts = hosts,
		.host_count = values->hosts.count,
		.others_max = values->others.is_set ? (unsigned)values->others.value : OTHERS_MAX,
	};

	file = read_file(call, call->words[0], err);
	if (!file)
		return false;
	cluster = plan_cluster_new(plan_file_input(file), err);
	if (!cluster)
		return err_wrap(err, "'%s'", call->words[0]);
	if (!find_hosts(cluster, &values->hosts, hosts, err))
		return false;
	plan = plan_evacuate(cluster, &wanted, err);
	if (!plan)
		return false;
	plan_file_write(plan, plan_file_input(file),
			(double)(clock_monotonic_us() - began_us) / 1e6, &out);
	fputs(strbuf_str(&out), stdout);
	return true;
}

static const struct cli_command cmd_evacuate = {
	.noun = "evacuate",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.options = evacuate_options,
	.values_size = sizeof(struct evacuate_values),
	.summary = "empty hosts: where their VMs go, and in which order",
	.details = "FILE is a migrd-cluster/1, the plan is printed as JSON: see migrd-plan(1).\n",
	.run = run_evacuate,
};

static const struct cli_command *const commands[] = { &cmd_evacuate, NULL };

static const struct cli_program program = {
	.name = "migrd-plan",
	.version = PACKAGE_VERSION,
	.summary = "Plans moves in a cluster that a file describes.",
	.commands = commands,
};

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	return cli_main(&program, argc, argv);
}
