/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd: the command line. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/api.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stdout.h"
#include "daemon.h"
#include "reload.h"
#include "settings.h"
#include "shutdown/logind.h"
#include "store/backup.h"
#include "wire/schema.h"

/* As in migrd.service. */
#define DESCRIPTORS_MAX 65536

/* ---- command line ----------------------------------------------------------- */

static int complain(const struct err *err)
{
	fprintf(stderr, "migrd: %s: %s\n", err_name(err->code), err->msg);
	return err_exit_code(err->code);
}

static int complain_of_faults(const char *path, const struct faults *faults)
{
	fprintf(stderr, "migrd: the configuration '%s' has %zu fault%s:\n", path, faults->count,
		faults->count == 1 ? "" : "s");
	for (size_t i = 0; i < faults->count && i < FAULT_MAX; i++)
		fprintf(stderr, "  %s: %s\n", faults->list[i].pointer, faults->list[i].detail);
	return err_exit_code(ERR_INVALID);
}

static void usage(FILE *out)
{
	fputs("usage: migrd [-c FILE] [--check-config | --restore FILE | --help-config |\n"
	      "             --print-routes | --print-metrics | --print-schema NAME]\n"
	      "\n"
	      "The coordinator of a host: runs its guests and moves them to other hosts.\n"
	      "\n"
	      "  -c, --config FILE      the configuration (default " CONFIG_FILE_DEFAULT ")\n"
	      "      --check-config     read it, say what is wrong with it, and end\n"
	      "      --restore FILE     put a backup of the state database back, and end\n"
	      "      --help-config      every section and key it may have\n"
	      "      --print-routes     each route of the API: method, path, role, ?query\n"
	      "      --print-metrics    each metric of GET /metrics, as a table\n"
	      "      --print-schema NAME  the JSON Schema of an object of the API\n"
	      "      --version, --help\n",
	      out);
}

enum {
	OPT_CHECK = 1000,
	OPT_RESTORE,
	OPT_HELP_CONFIG,
	OPT_ROUTES,
	OPT_METRICS,
	OPT_SCHEMA,
	OPT_VERSION,
	OPT_HELP
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "restore", required_argument, NULL, OPT_RESTORE },
	{ "help-config", no_argument, NULL, OPT_HELP_CONFIG },
	{ "print-routes", no_argument, NULL, OPT_ROUTES },
	{ "print-metrics", no_argument, NULL, OPT_METRICS },
	{ "print-schema", required_argument, NULL, OPT_SCHEMA },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int print_schema(const char *name)
{
	if (wire_schema_print(stdout, name))
		return 0;
	fprintf(stderr, "migrd: there is no schema '%s'\n", name);
	return err_exit_code(ERR_NOT_FOUND);
}

static void print_routes(void)
{
	for (const struct http_route *route = api_routes; route->method; route++) {
		printf("%s %s %s", route->method, route->path, http_role_name(route->role));
		for (const struct http_query_key *key = route->query; key && key->name; key++)
			printf(" ?%s", key->name);
		putchar('\n');
	}
}

/* A fault that would not keep migrd from starting is only a warning. */
static int check_certificate(const struct config *config)
{
	struct tls_live *tls = NULL;
	struct err err;

	if (!settings_load_tls_blocking(config, &tls, &err))
		return complain(&err);
	if (!tls_live_is_valid(tls, &err))
		fprintf(stderr, "migrd: warning: %s\n", err.msg);
	tls_live_unref(tls);
	return 0;
}

static int check_parties(const struct config *config)
{
	struct notify_parties *parties = NULL;
	struct err err;

	if (!settings_load_parties_blocking(config, &parties, &err))
		return complain(&err);
	notify_parties_free(parties);
	return 0;
}

static int check_hooks(const struct config *config)
{
	struct hook_sections *sections = NULL;
	struct err err;

	if (!settings_load_hooks_blocking(config, &sections, &err))
		return complain(&err);
	hook_sections_free(sections);
	return 0;
}

static int restore(const struct config *config, const char *file)
{
	CLEANUP(free_charp) char *kept = NULL;
	struct err err;

	if (!store_restore_blocking(config->host_state_dir, file, &kept, &err))
		return complain(&err);
	printf("migrd: '%s' is in the place of the state database", file);
	if (kept)
		printf("; what was there is '%s'", kept);
	puts("\nmigrd: at its start migrd asks every peer which VMs it has, before it trusts the "
	     "records");
	return 0;
}

static void complain_of_check(void *data, const char *check, const struct err *err)
{
	(void)data;
	fprintf(stderr, "migrd: %s: %s: %s\n", check, err_name(err->code), err->msg);
}

static bool check_host(const struct config *config)
{
	const struct selfcheck_env env = settings_selfcheck(config);

	return selfcheck_run(&env, complain_of_check, NULL) == 0;
}

/* One of the two, or neither: then migrd runs. */
struct task {
	bool check_only;
	const char *restore; /* FILE */
};

static int load_and_run(const char *path, const struct task *task)
{
	struct config config = { 0 };
	struct faults *faults = faults_new();
	struct err err;
	int status = 0;

	if (!config_load(path, &config, faults)) {
		status = complain_of_faults(path, faults);
		faults_free(faults);
		return status;
	}
	faults_free(faults);
	log_set_level((enum log_level)config.log_level);
	if (!fault_init(&err)) {
		status = complain(&err);
	} else if (task->restore) {
		status = restore(&config, task->restore);
	} else if (task->check_only) {
		status = check_certificate(&config);
		if (!status)
			status = check_parties(&config);
		if (!status)
			status = check_hooks(&config);
		if (!check_host(&config) && !status)
			status = err_exit_code(ERR_INVALID);
	} else if (!daemon_run(path, &config, &err)) {
		status = complain(&err);
	}
	config_fini(&config);
	return status;
}

/* Each VM takes two or three descriptors, so the usual limit of a shell is enough
 * for some hundreds of VMs only. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int obey(int argc, char **argv)
{
	const char *path = CONFIG_FILE_DEFAULT;
	struct task task = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case OPT_CHECK:
			task.check_only = true;
			break;
		case OPT_RESTORE:
			task.restore = optarg;
			break;
		case OPT_HELP_CONFIG:
			config_print_keys(stdout);
			return 0;
		case OPT_ROUTES:
			print_routes();
			return 0;
		case OPT_METRICS:
			metrics_print_table(stdout);
			return 0;
		case OPT_SCHEMA:
			return print_schema(optarg);
		case OPT_VERSION:
			printf("migrd %s\n%s\n", VERSION,
			       logind_is_built ? "with locks of systemd-logind"
					       : "without locks of systemd-logind");
			return 0;
		case OPT_HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return err_exit_code(ERR_INVALID);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "migrd: '%s' is not understood\n", argv[optind]);
		usage(stderr);
		return err_exit_code(ERR_INVALID);
	}
	return load_and_run(path, &task);
}

int main(int argc, char **argv)
{
	struct err err;
	int status;

	reload_catch_signal();
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	raise_descriptor_limit();
	status = obey(argc, argv);
	if (!stdout_end(&err)) {
		int code = complain(&err);

		return status ? status : code;
	}
	return status;
}
