/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_pki.h"

#include "agents/migrctl/migrctl.h"
#include "agents/pki/cert.h"
#include "agents/pki/pki.h"
#include "base/mem.h"

#define DEFAULT_DIR "migrd-pki"

struct pki_values {
	const char *dir, *state_dir, *run_dir, *role;
	struct cli_number days;
	bool force;
};

#define OPTION_DIR                                                        \
	{                                                                 \
		.name = "dir", .letter = 'd', .type = CLI_TEXT,           \
		.offset = offsetof(struct pki_values, dir), .arg = "DIR", \
		.help = "the pki directory (default: " DEFAULT_DIR ")",   \
	}
#define OPTION_FORCE                                                                         \
	{                                                                                    \
		.name = "force", .letter = 'f', .type = CLI_FLAG,                            \
		.offset = offsetof(struct pki_values, force), .help = "replace what exists", \
	}
#define OPTION_DAYS(text)                                                                       \
	{                                                                                       \
		.name = "days", .type = CLI_COUNT, .offset = offsetof(struct pki_values, days), \
		.min = 1, .max = PKI_DAYS_MAX, .arg = "DAYS", .help = text,                     \
	}

static const struct cli_option init_options[] = {
	OPTION_DIR,
	OPTION_DAYS("how long the CA is valid (default: 3650)"),
	OPTION_FORCE,
	{ .name = NULL },
};

static const struct cli_option host_options[] = {
	OPTION_DIR,
	OPTION_DAYS("how long the certificates are valid (default: 365)"),
	OPTION_FORCE,
	{
		.name = "state-dir",
		.type = CLI_TEXT,
		.offset = offsetof(struct pki_values, state_dir),
		.arg = "DIR",
		.help = "state_dir of the written migrd.conf (default: " PKI_STATE_DIR
			"); a relative one is below the configuration's directory; %h becomes the "
			"host's id",
	},
	{
		.name = "run-dir",
		.type = CLI_TEXT,
		.offset = offsetof(struct pki_values, run_dir),
		.arg = "DIR",
		.help = "run_dir likewise (default: " PKI_RUN_DIR
			"); at most 50 bytes when absolute",
	},
	{ .name = NULL },
};

static const char *const roles[] = { "viewer", "operator", "admin", NULL };

static const struct cli_option user_options[] = {
	{
		.name = "role",
		.type = CLI_CHOICE,
		.offset = offsetof(struct pki_values, role),
		.is_required = true,
		.choices = roles,
		.arg = "viewer|operator|admin",
		.help = "what the user may do: look; move and run guests; everything",
	},
	OPTION_DIR,
	OPTION_DAYS("how long the certificate is valid (default: 365)"),
	OPTION_FORCE,
	{ .name = NULL },
};

static struct pki_options options_of(const struct pki_values *values, unsigned default_days)
{
	return (struct pki_options){
		.dir = values->dir ? values->dir : DEFAULT_DIR,
		.days = values->days.is_set ? (unsigned)values->days.value : default_days,
		.force = values->force,
	};
}

static void print_end(const char *what, time_t expires_at)
{
	struct tm tm;
	char day[32] = "?";

	if (gmtime_r(&expires_at, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	printf("%s, valid until %s\n", what, day);
}

static bool run_init(struct cli_call *call, struct err *err)
{
	struct pki_options options = options_of(call->values, PKI_CA_DAYS);
	time_t expires_at;

	if (!pki_init(&options, &expires_at, err))
		return false;
	print_end("new CA", expires_at);
	printf("  %s/ca.pem      public: every host and user gets it\n"
	       "  %s/ca-key.pem  secret: whoever has it can pass for any host\n"
	       "next: migrctl pki host NAME=ADDRESS ... --dir %s\n",
	       options.dir, options.dir, options.dir);
	return true;
}

static void print_host(const struct cli_call *call, const char *dir, const struct pki_host *host)
{
	char endpoint[PKI_ENDPOINT_SIZE];

	pki_host_endpoint(host, host->api_port, endpoint);
	printf("%s  %s  %s/%s\n", host->id, endpoint, dir, host->id);
	if (host->kind == PKI_ADDRESS_NAME)
		fprintf(stderr,
			"%s: warning: '%s' is a name: a host that cannot look it up cannot reach "
			"'%s'; an address is safer\n",
			call->program->name, host->address, host->id);
}

static bool run_host(struct cli_call *call, struct err *err)
{
	const struct pki_values *values = call->values;
	struct pki_options options = options_of(values, PKI_LEAF_DAYS);
	struct pki_host_request request = {
		.hosts = (const char *const *)call->words,
		.count = (size_t)call->word_count,
		.state_dir = values->state_dir,
		.run_dir = values->run_dir,
	};
	CLEANUP(pki_hosts_fini) struct pki_hosts hosts = { NULL, 0 };

	if (!pki_add_hosts(&options, &request, &hosts, err))
		return false;
	for (size_t i = 0; i < hosts.count; i++)
		print_host(call, options.dir, &hosts.list[i]);
	printf("copy each directory to /etc/migrd of its host; peers.conf is new in all of them\n");
	return true;
}

static bool run_user(struct cli_call *call, struct err *err)
{
	const struct pki_values *values = call->values;
	struct pki_options options = options_of(values, PKI_LEAF_DAYS);
	const char *name = call->words[0];
	time_t expires_at;

	if (!pki_add_user(&options, name, values->role, &expires_at, err))
		return false;
	print_end("new user certificate", expires_at);
	printf("  migrctl --host https://ADDRESS:%d --cert %s/users/%s.pem --key %s/users/%s.key "
	       "--ca %s/ca.pem host show\n",
	       PKI_API_PORT, options.dir, name, options.dir, name, options.dir);
	return true;
}

#define COMMAND(verb_, args_, min_, max_, options_, run_)                                \
	.noun = "pki", .verb = verb_, .args = args_, .min_args = min_, .max_args = max_, \
	.options = options_, .values_size = sizeof(struct pki_values), .run = run_

const struct cli_command cmd_pki_init = {
	COMMAND("init", NULL, 0, 0, init_options, run_init),
	.summary = "make a private certificate authority",
};

const struct cli_command cmd_pki_host = {
	COMMAND("host", "NAME=ADDRESS[:APIPORT[:DATAPORT]]...", 1, -1, host_options, run_host),
	.summary = "make certificate and configuration of hosts",
	.details =
		"Each host gets DIR/NAME, to be copied to its /etc/migrd: it is complete.  The\n"
		"peer list is written for all hosts of DIR, so a host that is added later makes\n"
		"DIR/*/migrd.conf.d/peers.conf new everywhere.\n"
		"\n"
		"NAME is the host's id, ADDRESS where its peers reach it, best numeric; an IPv6\n"
		"address stands in brackets when ports follow: c=[2001:db8::3]:8440.  APIPORT is\n"
		"8440 and DATAPORT the one after APIPORT unless given.  NAME alone with --force\n"
		"makes a new certificate for a known host and leaves its migrd.conf.\n",
};

const struct cli_command cmd_pki_user = {
	COMMAND("user", "NAME", 1, 1, user_options, run_user),
	.summary = "make a certificate for a person or program",
};
