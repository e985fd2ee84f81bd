/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrd: builds the world out of its layers and runs the loop. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/api.h"
#include "api/http_shares.h"
#include "api/selfcheck.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stdout.h"
#include "config.h"
#include "peer/client.h"
#include "reload.h"
#include "store/backup.h"
#include "stream/port.h"
#include "tls/identity.h"
#include "wire/schema.h"

/* As in migrd.service. */
#define DESCRIPTORS_MAX 65536

struct daemon {
	struct config config;
	struct api api;
	char *data_address;
	const char **peer_ids;
	struct http_server *server;
	struct stream_port *port;
	struct reload *reload;
	const char *path;
	struct loop_signal *signals[2];
};

/* ---- build -------------------------------------------------------------- */

/* An expired certificate is no reason not to start: guests and the local socket do
 * without. */
static bool load_tls(const struct config *config, struct tls_live **ret, struct err *err)
{
	struct tls_live *tls =
		tls_live_load_blocking(config->tls_ca, config->tls_cert, config->tls_key, err);
	bool ok = tls && reload_check_identity(&tls->identity, config, err);

	if (ok)
		*ret = tls_live_ref(tls);
	tls_live_unref(tls);
	return ok;
}

static bool make_dirs(const struct config *config, struct err *err)
{
	CLEANUP(free_charp) char *vms = xasprintf("%s/vms", config->host_run_dir);
	CLEANUP(free_charp) char *moves = xasprintf("%s/moves", config->host_run_dir);

	return dir_make(config->host_run_dir, 0700, err) && dir_make(vms, 0700, err) &&
	       dir_make(moves, 0700, err);
}

static bool make_peers(struct daemon *daemon, struct err *err)
{
	const struct config *config = &daemon->config;
	const struct peer_config peer_config = { config->host_id, config->tls_ca, config->tls_cert,
						 config->tls_key };

	daemon->api.peers = peer_clients_new(daemon->api.loop, &peer_config, err);
	if (!daemon->api.peers)
		return false;
	daemon->peer_ids = xcalloc(CONFIG_PEER_MAX + 1, sizeof(*daemon->peer_ids));
	for (size_t i = 0; i < config->peer_count; i++) {
		peer_clients_set(daemon->api.peers, config->peers[i].id, config->peers[i].address);
		daemon->peer_ids[i] = peer_clients_id(daemon->api.peers, config->peers[i].id);
	}
	daemon->api.peer_ids = daemon->peer_ids;
	return true;
}

static struct selfcheck_env selfcheck_env(const struct config *config)
{
	return (struct selfcheck_env){
		.state_dir = config->host_state_dir,
		.run_dir = config->host_run_dir,
		.log_dir = config->host_log_dir,
		.qemu_binary = config->qemu_binary,
		.output_program = config->qemu_output_program,
		.stream_program = config->move_stream_program,
	};
}

static void make_jobs(struct daemon *daemon)
{
	const struct config *config = &daemon->config;
	struct api *api = &daemon->api;
	const struct vms_env vms_env = {
		.qemu = {
			.loop = api->loop,
			.binary = config->qemu_binary,
			.run_dir = config->host_run_dir,
			.log_dir = config->host_log_dir,
			.log_bytes = config->qemu_log_size_kib << 10,
			.output_program = config->qemu_output_program,
			.start_timeout_ms = (uint32_t)config->qemu_start_timeout_ms,
		},
		.store = api->store,
		.monitor_wait_ms = (uint32_t)config->qemu_monitor_wait_ms,
		.changed = api_vm_changed,
		.event = api_vm_event,
		.data = api,
	};

	api->vms = vms_new(&vms_env);
	api->adopter = adopter_new(api->loop, api->vms);
	api->moves = moves_new(&(struct moves_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.peers = api->peers,
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
		.memory_reserve_mib = config->host_memory_reserve_mib,
		.offer_timeout_ms = (uint32_t)config->move_offer_timeout_ms,
		.offers_max = (unsigned)config->move_offers_max,
		.offers_memory_percent = (unsigned)config->move_offers_memory_percent,
		.prepare_timeout_ms = (uint32_t)config->move_prepare_timeout_ms,
		.changed = api_move_changed,
		.data = api,
	});
	api->newest_env = (struct newest_env){
		.loop = api->loop,
		.store = api->store,
		.vms = api->vms,
		.moves = api->moves,
		.peers = api->peers,
		.peer_ids = api->peer_ids,
		.host_id = config->host_id,
	};
	api->newest = newest_new(&api->newest_env);
	api->check = check_new(&(struct check_env){
		.loop = api->loop,
		.vms = api->vms,
		.moves = api->moves,
		.peers = api->peers,
		.peer_ids = api->peer_ids,
		.host_id = config->host_id,
		.run_dir = config->host_run_dir,
		.log_dir = config->host_log_dir,
		.newest = api->newest,
	});
}

static void add_vm(void *data, struct store_vm *row)
{
	vms_add_row(data, row);
}

static void add_move(void *data, struct store_move *row)
{
	moves_add_row(data, row);
}

static bool open_ports(struct daemon *daemon, struct err *err)
{
	const struct config *config = &daemon->config;

	daemon->port = stream_port_new(daemon->api.loop, config->data_listen, moves_claim,
				       daemon->api.moves, err);
	if (!daemon->port)
		return err_wrap(err, "[data] listen");
	daemon->server = http_server_new(daemon->api.loop,
					 &(struct http_config){
						 .listen = config->api_listen,
						 .socket_path = config->api_socket,
						 .ca_file = config->tls_ca,
						 .cert_file = config->tls_cert,
						 .key_file = config->tls_key,
						 .routes = api_routes,
						 .handler_data = &daemon->api,
					 },
					 err);
	return daemon->server || err_wrap(err, "[api] listen");
}

static void fill_api(struct daemon *daemon)
{
	const struct config *config = &daemon->config;
	struct api *api = &daemon->api;

	daemon->data_address =
		xstrdup(config->data_advertise ? config->data_advertise : config->data_listen);
	api->loop = loop_new();
	api->bus = bus_new();
	api->host_id = config->host_id;
	api->state_dir = config->host_state_dir;
	api->api_address = config->api_listen;
	api->data_address = daemon->data_address;
	api->qemu_binary = config->qemu_binary;
	api->defaults.bandwidth_bytes_per_s = config->move_bandwidth_bytes_per_s;
	api->defaults.downtime_limit_ms = config->move_downtime_limit_ms;
	api->started_ms = clock_wall_ms();
}

static bool build(struct daemon *daemon, struct err *err)
{
	const struct config *config = &daemon->config;
	struct api *api = &daemon->api;
	struct selfcheck_env env;

	fill_api(daemon);
	if (!load_tls(config, &api->tls, err) || !make_dirs(config, err))
		return false;
	api->store = store_open_blocking(api->loop, config->host_state_dir, err);
	if (!api->store || !store_identify_blocking(api->store, config->host_run_dir, err) ||
	    !make_peers(daemon, err))
		return false;
	make_jobs(daemon);
	env = selfcheck_env(config);
	api->readiness = readiness_new(api, &env);
	return store_load_vms_blocking(api->store, add_vm, api->vms, err) &&
	       store_load_moves_blocking(api->store, add_move, api->moves, err) &&
	       open_ports(daemon, err);
}

static void on_drained(void *loop)
{
	loop_stop(loop);
}

/* Commands that were under way have been answered with their failure by posts:
 * who asked finds nothing any more, and frees what it kept. */
static void drain(struct loop *loop)
{
	loop_post(loop, on_drained, loop);
	loop_run(loop);
}

static void tear_down(struct daemon *daemon)
{
	struct api *api = &daemon->api;

	reload_free(daemon->reload);
	http_server_free(daemon->server);
	stream_port_free(daemon->port);
	api_host_fini(api);
	readiness_free(api->readiness);
	check_free(api->check);
	newest_end(api->newest);
	moves_clear(api->moves);
	adopter_clear(api->adopter);
	vms_clear(api->vms);
	drain(api->loop);
	peer_clients_free(api->peers);
	drain(api->loop); /* questions to peers have been answered so, too */
	store_close(api->store);
	newest_free(api->newest);
	moves_free(api->moves);
	adopter_free(api->adopter);
	vms_free(api->vms);
	for (size_t i = 0; i < ARRAY_LEN(daemon->signals); i++)
		loop_signal_free(daemon->signals[i]);
	bus_free(api->bus);
	loop_free(api->loop);
	tls_live_unref(api->tls);
	free(daemon->data_address);
	free(daemon->peer_ids);
}

/* ---- run ------------------------------------------------------------------ */

static void on_vms_recovered(void *data, const struct err *err)
{
	struct api *api = data;

	(void)err;
	api->is_ready = true;
	newest_begin(api->newest);
	log_info("migrd", "ready", "host=%s", api->host_id);
}

/* For guests, moves and the store beside the API's connections. */
#define DESCRIPTORS_FOR_WORK 1024

static void check_descriptor_limit(void)
{
	const unsigned wanted = http_shares_total() + DESCRIPTORS_FOR_WORK;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
		log_warning("migrd", "descriptors", "limit=%llu wanted=%u reason=%s",
			    (unsigned long long)limit.rlim_cur, wanted,
			    "few connections and guests fit: raise LimitNOFILE");
}

static void on_signal(void *data)
{
	log_info("migrd", "stopping", "guests run on");
	loop_stop(data);
}

static bool run(struct daemon *daemon, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };

	/* Children are watched by pidfd, and reaped by the kernel. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a full disk is an answer, not a death */
	if (!build(daemon, err))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		daemon->signals[i] =
			loop_signal_new(daemon->api.loop, signals[i], on_signal, daemon->api.loop);
	daemon->reload = reload_new(&(struct reload_env){
		.path = daemon->path,
		.config = &daemon->config,
		.api = &daemon->api,
		.peer_ids = daemon->peer_ids,
		.server = daemon->server,
	});
	check_descriptor_limit();
	log_info("migrd", "started", "version=%s host=%s api=%s data=%s", VERSION,
		 daemon->config.host_id, daemon->config.api_listen, daemon->config.data_listen);
	vms_recover(daemon->api.vms, on_vms_recovered, &daemon->api);
	loop_run(daemon->api.loop);
	return true;
}

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
	      "             --print-routes | --print-schema NAME]\n"
	      "\n"
	      "The coordinator of a host: runs its guests and moves them to other hosts.\n"
	      "\n"
	      "  -c, --config FILE      the configuration (default " CONFIG_FILE_DEFAULT ")\n"
	      "      --check-config     read it, say what is wrong with it, and end\n"
	      "      --restore FILE     put a backup of the state database back, and end\n"
	      "      --help-config      every section and key it may have\n"
	      "      --print-routes     each route of the API: method, path, role, ?query\n"
	      "      --print-schema NAME  the JSON Schema of an object of the API\n"
	      "      --version, --help\n",
	      out);
}

enum {
	OPT_CHECK = 1000,
	OPT_RESTORE,
	OPT_HELP_CONFIG,
	OPT_ROUTES,
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

/* What would not keep it from starting is said, and is no failure. */
static int check_certificate(const struct config *config)
{
	struct tls_live *tls = NULL;
	struct err err;

	if (!load_tls(config, &tls, &err))
		return complain(&err);
	if (!tls_live_is_valid(tls, &err))
		fprintf(stderr, "migrd: warning: %s\n", err.msg);
	tls_live_unref(tls);
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
	const struct selfcheck_env env = selfcheck_env(config);

	return selfcheck_run(&env, complain_of_check, NULL) == 0;
}

/* One of the two, or neither: it runs. */
struct task {
	bool check_only;
	const char *restore; /* FILE */
};

static int load_and_run(const char *path, const struct task *task)
{
	struct daemon daemon = { .path = path };
	struct faults *faults = faults_new();
	struct err err;
	int status = 0;

	if (!config_load(path, &daemon.config, faults)) {
		status = complain_of_faults(path, faults);
		faults_free(faults);
		return status;
	}
	faults_free(faults);
	log_set_level((enum log_level)daemon.config.log_level);
	if (!fault_init(&err)) {
		status = complain(&err);
	} else if (task->restore) {
		status = restore(&daemon.config, task->restore);
	} else if (task->check_only) {
		status = check_certificate(&daemon.config);
		if (!check_host(&daemon.config) && !status)
			status = err_exit_code(ERR_INVALID);
	} else {
		if (!run(&daemon, &err))
			status = complain(&err);
		tear_down(&daemon);
	}
	config_fini(&daemon.config);
	return status;
}

/* Each VM takes two descriptors or three: the usual limit of a shell ends at some
 * hundreds. */
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
		case OPT_SCHEMA:
			return print_schema(optarg);
		case OPT_VERSION:
			puts("migrd " VERSION);
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
