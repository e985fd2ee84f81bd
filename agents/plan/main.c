/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd-plan -- plans moves in a cluster that a file describes. */
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

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

struct reading {
	struct plan_file *file;
	struct plan_cluster *cluster;
};

static void release(struct reading *reading)
{
	plan_cluster_free(reading->cluster);
	plan_file_free(reading->file);
}

static bool read_cluster(struct cli_call *call, struct reading *reading, struct err *err)
{
	reading->file = read_file(call, call->words[0], err);
	if (!reading->file)
		return false;
	reading->cluster = plan_cluster_new(plan_file_input(reading->file), err);
	return reading->cluster || err_wrap(err, "'%s'", call->words[0]);
}

static void print_plan(const struct plan *plan, const struct reading *reading, uint64_t began_us)
{
	CLEANUP(strbuf_fini) struct strbuf out = STRBUF_INIT;

	plan_file_write(plan, plan_file_input(reading->file),
			(double)(clock_monotonic_us() - began_us) / 1e6, &out);
	fputs(strbuf_str(&out), stdout);
}

/* ---- evacuate -------------------------------------------------------------- */

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
	CLEANUP(release) struct reading reading = { NULL, NULL };
	CLEANUP(free_plan) struct plan *plan = NULL;
	uint64_t began_us = clock_monotonic_us();
	uint32_t hosts[CLI_TEXTS_MAX];
	struct plan_evacuate wanted = {
		.hosts = hosts,
		.host_count = values->hosts.count,
		.others_max = values->others.is_set ? (unsigned)values->others.value : OTHERS_MAX,
	};

	if (!read_cluster(call, &reading, err) ||
	    !find_hosts(reading.cluster, &values->hosts, hosts, err))
		return false;
	plan = plan_evacuate(reading.cluster, &wanted, err);
	if (!plan)
		return false;
	print_plan(plan, &reading, began_us);
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

/* ---- balance --------------------------------------------------------------- */

struct balance_values {
	struct cli_number moves, gib;
	const char *stop_at;
	struct cli_texts explain;
};

static const struct cli_option balance_options[] = {
	{
		.name = "max-moves",
		.type = CLI_COUNT,
		.offset = offsetof(struct balance_values, moves),
		.max = PLAN_VMS_MAX,
		.arg = "N",
		.help = "so many VMs are moved at most",
	},
	{
		.name = "max-gib",
		.type = CLI_COUNT,
		.offset = offsetof(struct balance_values, gib),
		.max = PLAN_MEM_MAX_MIB,
		.arg = "N",
		.help = "so many GiB are moved at most",
	},
	{
		.name = "stop-at",
		.type = CLI_TEXT,
		.offset = offsetof(struct balance_values, stop_at),
		.arg = "IMBALANCE",
		.help = "an imbalance that is good enough, as 0.05",
	},
	{
		.name = "explain",
		.type = CLI_TEXTS,
		.offset = offsetof(struct balance_values, explain),
		.arg = "VM",
		.help = "why the VM stays, with each host that it does not go to; may be given "
			"more "
			"than once",
	},
	{ .name = NULL },
};

static bool parse_imbalance(const char *text, double *ret_imbalance, struct err *err)
{
	char *end = NULL;
	double value = text ? strtod(text, &end) : 0;

	if (text && (end == text || *end || !(value >= 0 && value <= 1)))
		return err_set(err, ERR_INVALID, "--stop-at '%.40s': 0 to 1 is wanted, as 0.05",
			       text);
	*ret_imbalance = value;
	return true;
}

static bool find_vms(const struct plan_cluster *cluster, const struct cli_texts *names,
		     uint32_t *ret_vms, struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		ret_vms[i] = plan_find_vm(cluster, names->list[i]);
		if (ret_vms[i] == PLAN_NOWHERE)
			return err_set(err, ERR_NOT_FOUND, "the file has no VM '%s'",
				       names->list[i]);
	}
	return true;
}

/* Who says where it ends wants all that is worth something until there. */
static bool has_end(const struct balance_values *values)
{
	return values->moves.is_set || values->gib.is_set || values->stop_at;
}

static bool run_balance(struct cli_call *call, struct err *err)
{
	const struct balance_values *values = call->values;
	CLEANUP(release) struct reading reading = { NULL, NULL };
	CLEANUP(free_plan) struct plan *plan = NULL;
	uint64_t began_us = clock_monotonic_us();
	uint32_t vms[CLI_TEXTS_MAX];
	struct plan_balance wanted = {
		.moves_max = values->moves.is_set ? (uint32_t)values->moves.value : PLAN_VMS_MAX,
		.mib_max = values->gib.is_set ? (double)values->gib.value * 1024 : INFINITY,
		.gap_min = has_end(values) ? PLAN_GAP_MIN : PLAN_GAP_CALM,
		.explain = vms,
		.explain_count = values->explain.count,
	};

	if (!parse_imbalance(values->stop_at, &wanted.stop_at, err) ||
	    !read_cluster(call, &reading, err) ||
	    !find_vms(reading.cluster, &values->explain, vms, err))
		return false;
	plan = plan_balance(reading.cluster, &wanted, err);
	if (!plan)
		return false;
	print_plan(plan, &reading, began_us);
	return true;
}

static const struct cli_command cmd_balance = {
	.noun = "balance",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.options = balance_options,
	.values_size = sizeof(struct balance_values),
	.summary = "make hosts evenly full: which VMs go where, and in which order",
	.details = "FILE is a migrd-cluster/1, the plan is printed as JSON: see migrd-plan(1).\n",
	.run = run_balance,
};

static const struct cli_command *const commands[] = { &cmd_evacuate, &cmd_balance, NULL };

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
