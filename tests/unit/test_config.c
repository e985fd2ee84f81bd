/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "migrd/config.h"
#include "tests/lib/check_main.h"
#include "tests/lib/json_rig.h"

static char dir[] = "/tmp/migrd-config-XXXXXX";
static char path[64], drop_in_dir[64];
static struct faults *faults;
static struct config config;

static void set_up(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/migrd.conf", dir);
	snprintf(drop_in_dir, sizeof(drop_in_dir), "%s/migrd.conf.d", dir);
	faults = faults_new();
	config = (struct config){ 0 };
}

static void tear_down(void)
{
	struct err err;

	config_fini(&config);
	faults_free(faults);
	ck_assert(dir_remove(drop_in_dir, &err));
	ck_assert(dir_remove(dir, &err));
}

static void write_to(const char *file, const void *data, size_t len)
{
	struct err err;

	if (!file_write(file, data, len, 0600, &err))
		ck_abort_msg("%s", err.msg);
}

static bool load(const char *text)
{
	write_to(path, text, strlen(text));
	return config_load(path, &config, faults);
}

static void write_drop_in(const char *name, const char *text)
{
	CLEANUP(free_charp) char *file = xasprintf("%s/%s", drop_in_dir, name);

	mkdir(drop_in_dir, 0700);
	write_to(file, text, strlen(text));
}

static void assert_fault_in_line(int line, const char *words)
{
	CLEANUP(free_charp) char *at = xasprintf("%s:%d", path, line);

	rig_assert_fault(faults, at, words);
}

/* FILE is the path of NAME in the directory of the configuration. */
static void assert_beside(const char *file, const char *name)
{
	CLEANUP(free_charp) char *wanted = xasprintf("%s/%s", dir, name);

	ck_assert_str_eq(file, wanted);
}

/* Two bare hosts need next to no settings for their first move. */
START_TEST(least_file_gets_its_defaults)
{
	ck_assert_msg(load("[host]\nid = a\n"), "%s", faults->list[0].detail);
	ck_assert_str_eq(config.host_id, "a");
	ck_assert_str_eq(config.api_listen, "0.0.0.0:8440");
	ck_assert_str_eq(config.data_advertise, "0.0.0.0:8441");
	ck_assert_str_eq(config.qemu_binary, "qemu-system-x86_64");
	ck_assert_uint_eq(config.qemu_start_timeout_ms, 15000);
	ck_assert_uint_eq(config.move_link_timeout_ms, 20000);
	ck_assert_uint_eq(config.move_handover_link_timeout_ms, 3000);
	ck_assert_uint_eq(config.move_prepare_timeout_ms, 30000);
	ck_assert_uint_eq(config.move_bandwidth_bytes_per_s, 0);
	ck_assert_uint_eq(config.move_downtime_limit_ms, 300);
	ck_assert_int_eq(config.log_level, LOG_LEVEL_INFO);
	ck_assert_uint_eq(config.peer_count, 0);
	assert_beside(config.tls_ca, "ca.pem");
	assert_beside(config.tls_key, "host-key.pem");
}
END_TEST

START_TEST(full_file_is_read)
{
	ck_assert_msg(
		load("# comment\n; comment\n[host]\nid=a\nstate_dir = state\n\trun_dir = /run/m\n"
		     "[api]\r\nlisten = [::1]:1\r\nsocket = /s ; a socket\n[data]\n"
		     "listen = 127.0.0.1:0\nadvertise = a.example.net:8441\n[tls]\nca = tls/ca\n"
		     "[qemu]\nbinary = ./qemu\n[log]\nlevel = debug\n[peer c]\n"
		     "address = c:1\n[peer b]\naddress = [fd00::2]:8440\n"
		     "[peer a]\naddress = a:1"),
		"%s: %s", faults->list[0].pointer, faults->list[0].detail);
	assert_beside(config.host_state_dir, "state");
	ck_assert_str_eq(config.host_run_dir, "/run/m");
	ck_assert_str_eq(config.api_socket, "/s");
	ck_assert_str_eq(config.data_listen, "127.0.0.1:0");
	assert_beside(config.tls_ca, "tls/ca");
	assert_beside(config.qemu_binary, "./qemu");
	ck_assert_int_eq(config.log_level, LOG_LEVEL_DEBUG);
	ck_assert_uint_eq(config.peer_count, 2); /* its own section is ignored */
	ck_assert_str_eq(config.peers[0].id, "b");
	ck_assert_str_eq(config.peers[0].address, "[fd00::2]:8440");
	ck_assert_str_eq(config.peers[1].id, "c");
}
END_TEST

START_TEST(storage_is_read)
{
	ck_assert_msg(load("[host]\nid = a\n[storage]\ndirs = /images:/fast/images\n"
			   "map = /srv/vms:/images   /opt/vms:/fast/images/old\nqemu_img = "
			   "./img\n"),
		      "%s", faults->list[0].detail);
	ck_assert_str_eq(config.storage_dirs, "/images:/fast/images");
	ck_assert_str_eq(config.storage_map, "/srv/vms:/images   /opt/vms:/fast/images/old");
	assert_beside(config.storage_qemu_img, "./img");
}
END_TEST

START_TEST(storage_has_defaults)
{
	ck_assert(load("[host]\nid = a\n"));
	ck_assert_ptr_nonnull(strstr(config.storage_dirs, "/lib/migrd/images"));
	ck_assert_ptr_null(config.storage_map);
	ck_assert_str_eq(config.storage_qemu_img, "qemu-img");
}
END_TEST

/* Images would be made in another place than the administrator meant. */
START_TEST(storage_with_wrong_paths_is_refused)
{
	static const char *const dirs[] = { "images",         "/images/", "/images:", ":/images",
					    "/images::/fast", "/a/../b",  "/a/./b",   "/a /b/" };
	static const char *const maps[] = { "/a",     "/a:",      ":/b",      "/a:b",
					    "/a:/b/", "/a:/b:/c", "/a:/b /c", "/a:/b,/c:/d/" };
	CLEANUP(free_charp)
	char *text =
		xasprintf("[host]\nid = a\n[storage]\ndirs = %s\nmap = %s\n", dirs[_i], maps[_i]);

	ck_assert(!load(text));
	assert_fault_in_line(4, "is not a list of directories");
	assert_fault_in_line(5, "is not a list of FROM:TO");
}
END_TEST

/* A host that takes none at all says so by its peers, not by 0. */
START_TEST(no_place_for_moves_is_a_fault)
{
	ck_assert(!load("[host]\nid = a\n[move]\nin_max = 0\n"));
	assert_fault_in_line(4, "0 is out of range: 1 to 1000 moves");
}
END_TEST

START_TEST(budget_is_none_or_lets_each_move_live)
{
	ck_assert(!load("[host]\nid = a\n[move]\nbandwidth_budget_bytes_per_s = 1000\n"));
	assert_fault_in_line(4, "1000 is out of range: 0, or 1048576 to 1000000000000 bytes per");
	faults->count = 0;
	ck_assert(load("[host]\nid = a\n[move]\nbandwidth_budget_bytes_per_s = 0\n"));
}
END_TEST

/* A limit of 0 is none, or it is a fault: it never stops all moves in silence. */
START_TEST(limit_of_nothing_is_a_fault)
{
	static const char *const keys[] = {
		"[queue]\nout_max",          "[move]\nin_max",
		"[move]\noffers_max",        "[move]\noffers_memory_percent",
		"[move]\ndowntime_limit_ms", "[move]\nprepare_timeout_ms",
		"[move]\noffer_timeout_ms",
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		CLEANUP(free_charp) char *text = xasprintf("[host]\nid = a\n%s = 0\n", keys[i]);

		ck_assert_msg(!load(text), "%s", keys[i]);
		assert_fault_in_line(4, "0 is out of range: ");
		faults->count = 0;
	}
}
END_TEST

/* As of a request: QEMU cannot hold less. */
START_TEST(bandwidth_that_cannot_be_held_is_a_fault)
{
	ck_assert(!load("[host]\nid = a\n[move]\nbandwidth_bytes_per_s = 1023\n"));
	assert_fault_in_line(4, "1023 is out of range: 0, or 1024 to ");
	faults->count = 0;
	ck_assert(load("[host]\nid = a\n[move]\nbandwidth_bytes_per_s = 0\n"));
}
END_TEST

/* A wrong file is corrected in one round, not in one for each mistake. */
START_TEST(all_faults_are_found_at_once)
{
	ck_assert(!load("early = 1\n"                      /* 1 */
			"[hots]\nid = a\n"                 /* 2 */
			"[host]\nid = A\nid = b\n"         /* 4 */
			"rundir = /x\nrun_dir =\n"         /* 7 */
			"[qemu]\nstart_timeout_ms = 15s\n" /* 9 */
			"[move]\ndowntime_limit_ms = 0\nlink_timeout_ms = 99999999999999999999\n"
			"[api]\nlisten = 8440\nsocket\n"                /* 14 */
			"[log]\nlevel = loud\n"                         /* 17 */
			"[peer B]\naddress = b:1\n"                     /* 19 */
			"[peer b]\n[peer c]\nport = 1\naddress = c:0\n" /* 21 */
			"[host]\n[tls\n= x\nkey ; = y\n"));
	assert_fault_in_line(1, "before the first [section]");
	assert_fault_in_line(2, "unknown section [hots]: is [host] meant?");
	assert_fault_in_line(5, "'A' is not a host id");
	assert_fault_in_line(6, "id is in line 5 already");
	assert_fault_in_line(7, "is 'run_dir' meant?");
	assert_fault_in_line(8, "the value is missing: a path");
	assert_fault_in_line(10, "'15s' is not a number (milliseconds");
	assert_fault_in_line(12, "0 is out of range: 1 to 2000000 milliseconds");
	assert_fault_in_line(13, "out of range");
	assert_fault_in_line(15, "'8440' is not HOST:PORT");
	assert_fault_in_line(16, "KEY = VALUE");
	assert_fault_in_line(18, "none of error, warning, info, debug");
	assert_fault_in_line(19, "'B' is not a host id");
	assert_fault_in_line(21, "[peer b] has no address");
	assert_fault_in_line(23, "the only one is 'address'");
	assert_fault_in_line(24, "'c:0' is not HOST:PORT");
	assert_fault_in_line(25, "this section is in line 4 already");
	assert_fault_in_line(26, "a section is written [NAME]");
	assert_fault_in_line(27, "KEY = VALUE");
	assert_fault_in_line(28, "KEY = VALUE");
	ck_assert_uint_eq(faults->count, 20);
	ck_assert_ptr_null(config.host_id); /* a failed load leaves the outputs alone */
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
	static const char text[] = "[host]\nid = a\xff\nrun_dir = /a\0b\nstate_dir = /\x1b\n";
	CLEANUP(free_charp) char *long_line = xcalloc(1, 400);

	write_to(path, text, sizeof(text) - 1);
	ck_assert(!config_load(path, &config, faults));
	assert_fault_in_line(2, "invalid UTF-8");
	assert_fault_in_line(3, "control character");
	assert_fault_in_line(4, "control character");
	memset(long_line, 'x', 399);
	faults->count = 0;
	ck_assert(!load(long_line));
	assert_fault_in_line(1, "399 bytes: at most 190");
}
END_TEST

/* A UNIX socket's path has at most 107 bytes: the daemon says so at its start, not at the
 * first VM. */
START_TEST(long_run_dir_is_refused)
{
	ck_assert(!load(
		"[host]\nid = a\nrun_dir = /23456789012345678901234567890123456789012345678901"
		"\n"));
	assert_fault_in_line(3, "has 51 bytes: at most 50");
	ck_assert_uint_eq(faults->count, 1);
}
END_TEST

START_TEST(missing_file_or_id_is_a_fault)
{
	ck_assert(!config_load(path, &config, faults));
	rig_assert_fault(faults, path, "cannot");
	faults->count = 0;
	ck_assert(!load(""));
	rig_assert_fault(faults, path, "[host] id is required");
	ck_assert_uint_eq(faults->count, 1);
}
END_TEST

/* Peers may have a file of their own, and a site's file overrides one of a package. */
START_TEST(drop_ins_override_in_the_order_of_their_names)
{
	write_drop_in("20-b.conf", "[log]\nlevel = error\n[peer b]\naddress = b:2\n");
	write_drop_in("10-a.conf",
		      "[log]\nlevel = debug\n[peer b]\naddress = b:1\n[tls]\nca = x\n");
	write_drop_in("30-c.conf.bak", "nonsense");
	write_drop_in(".hidden.conf", "nonsense");
	ck_assert_msg(load("[host]\nid = a\n[log]\nlevel = info\n[data]\nlisten = 127.0.0.1:1\n"),
		      "%s: %s", faults->list[0].pointer, faults->list[0].detail);
	ck_assert_int_eq(config.log_level, LOG_LEVEL_ERROR);
	ck_assert_uint_eq(config.peer_count, 1);
	ck_assert_str_eq(config.peers[0].address, "b:2");
	assert_beside(config.tls_ca, "x"); /* relative to the main file */
}
END_TEST

START_TEST(fault_in_a_drop_in_names_that_file)
{
	CLEANUP(free_charp) char *at = xasprintf("%s/x.conf:2", drop_in_dir);

	write_drop_in("x.conf", "[log]\nlvl = error\n");
	ck_assert(!load("[host]\nid = a\n"));
	rig_assert_fault(faults, at, "is 'level' meant?");
}
END_TEST

/* No peer can connect to 0.0.0.0: the daemon says so at its start, not at the first move. */
START_TEST(wildcard_is_not_advertised_to_peers)
{
	ck_assert(!load("[host]\nid = a\n[peer b]\naddress = b:1\n"));
	rig_assert_fault(faults, path, "[data] advertise is needed");
	faults->count = 0;
	ck_assert(
		load("[host]\nid = a\n[peer b]\naddress = b:1\n[peer a]\naddress = [fd00::1]:1\n"));
	ck_assert_str_eq(config.data_advertise, "[fd00::1]:8441");
}
END_TEST

START_TEST(too_many_peers_are_refused)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "[host]\nid = a\n[data]\nlisten = 127.0.0.1:1\n");
	for (int i = 0; i < CONFIG_PEER_MAX; i++)
		strbuf_addf(&text, "[peer p%d]\naddress = p:1\n", i);
	ck_assert(load(text.data));
	ck_assert_uint_eq(config.peer_count, CONFIG_PEER_MAX);
	config_fini(&config);
	strbuf_adds(&text, "[peer q]\naddress = q:1\n");
	ck_assert(!load(text.data));
	assert_fault_in_line(5 + 2 * CONFIG_PEER_MAX, "more than 256 peers");
	strbuf_fini(&text);
}
END_TEST

/* What peers would not take is found at home. */
START_TEST(labels_and_rack_of_the_host_are_checked)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "labels = zone\n", "is not a list of labels" },
		{ "labels = zone=a,\n", "is not a list of labels" },
		{ "labels = zone=a,zone=b\n", "each key once" },
		{ "labels = a/b/c=d\n", "no label" },
		{ "labels = zone=-\n", "no value" },
		{ "rack = row 4\n", "is not a name" },
		{ "vcpus_per_core = 1001\n", "out of range" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(free_charp) char *text = xasprintf("[host]\nid = a\n%s", bad[i].text);

		faults->count = 0;
		ck_assert(!load(text));
		assert_fault_in_line(3, bad[i].words);
	}
	faults->count = 0;
	ck_assert(load("[host]\nid = a\nrack = r.4\nlabels = zone=a,example.net/disk=ssd,x=\n"));
	ck_assert_str_eq(config.host_rack, "r.4");
	ck_assert_str_eq(config.host_labels, "zone=a,example.net/disk=ssd,x=");
	ck_assert_uint_eq(config.host_vcpus_per_core, 0);
	ck_assert_uint_eq(config.capacity_ask_every_s, 10);
}
END_TEST

#define HOST_A "[host]\nid = a\n[data]\nlisten = 127.0.0.1:1\n"
#define PARTY  "[notify backup]\nurl = https://backup.example:8443/moves\nsecret_file = key\n"

START_TEST(parties_are_read)
{
	ck_assert(load(HOST_A PARTY "label = example.net/tier=data-base\nmay_delay_s = 600\n"
				    "[notify B.2]\nurl = https://[fd00::2]:8443/a:b\nwhen = after\n"
				    "secret_file = /x\nca_file = ca\ntimeout_ms = 500\n"
				    "[notify in]\nagent_command = /bin/x --a b\n"));
	ck_assert_uint_eq(config.notify_count, 3);
	ck_assert_str_eq(config.notify[2].agent_command, "/bin/x --a b");
	ck_assert_str_eq(config.notify[0].name, "backup");
	ck_assert_str_eq(config.notify[0].url, "https://backup.example:8443/moves");
	assert_beside(config.notify[0].secret_file, "key");
	ck_assert_ptr_null(config.notify[0].ca_file);
	ck_assert_str_eq(config.notify[0].label, "example.net/tier=data-base");
	ck_assert_str_eq(config.notify[0].when, "before,after");
	ck_assert_uint_eq(config.notify[0].timeout_ms, 10000);
	ck_assert_uint_eq(config.notify[0].may_delay_s, 600);
	ck_assert_str_eq(config.notify[1].name, "B.2");
	ck_assert_str_eq(config.notify[1].when, "after");
	ck_assert_uint_eq(config.notify[1].timeout_ms, 500);
	ck_assert_uint_eq(config.notify[1].may_delay_s, 0);
}
END_TEST

START_TEST(party_is_completed_by_a_drop_in)
{
	write_drop_in("10-x.conf", "[notify backup]\nsecret_file = key\nmay_delay_s = 5\n");
	ck_assert(load(HOST_A "[notify backup]\nurl = https://a/\nmay_delay_s = 9\n"));
	ck_assert_uint_eq(config.notify_count, 1);
	ck_assert_uint_eq(config.notify[0].may_delay_s, 5);
}
END_TEST

static const struct {
	const char *text;
	int line; /* 0: of the whole configuration */
	const char *words;
} bad_parties[] = {
	{ "[notify ]\nurl = https://a/\n", 5, "no name of a party" },
	{ "[notify -a]\n", 5, "no name of a party" },
	{ PARTY "[notify backup]\n", 8, "this section is in line 5 already" },
	{ PARTY "url = https://b/\n", 8, "url is in line 6 already" },
	{ PARTY "urls = https://b/\n", 8, "is 'url' meant?" },
	{ "[notify a]\nurl = http://a/\n", 6, "is not an https URL" },
	{ "[notify a]\nurl = https://\n", 6, "is not an https URL" },
	{ "[notify a]\nurl = https://joe:pw@a/\n", 6, "is not an https URL" },
	{ "[notify a]\nurl = https://a:0/\n", 6, "is not an https URL" },
	{ "[notify a]\nurl = https://a b/\n", 6, "is not an https URL" },
	{ PARTY "when = never\n", 8, "before, after and before,after" },
	{ PARTY "label = tier\n", 8, "is not a label" },
	{ PARTY "label = tier=\n", 8, "is not a label" },
	{ PARTY "timeout_ms = 99\n", 8, "out of range: 100 to 60000" },
	{ PARTY "may_delay_s = 86401\n", 8, "out of range: 0 to 86400" },
	{ PARTY "when = after\nmay_delay_s = 1\n", 0, "cannot delay one" },
	{ "[notify a]\nsecret_file = key\n", 0, "[notify a] has no url" },
	{ "[notify a]\nurl = https://a/\n", 0, "[notify a] has no secret_file" },
	{ "[notify a]\nagent_command = notice\n", 6, "absolute path" },
	{ "[notify a]\nagent_command = /a/../b\n", 6, "absolute path" },
	{ "[notify a]\nagent_command = /a\nwhen = after\nmay_delay_s = 1\n", 0, "cannot delay" },
	{ PARTY "agent_command = /a\nwhen = before\n", 0, "so it has no url" },
};

START_TEST(bad_party_is_refused_in_words)
{
	CLEANUP(free_charp) char *text = xasprintf("%s%s", HOST_A, bad_parties[_i].text);

	ck_assert(!load(text));
	if (bad_parties[_i].line)
		assert_fault_in_line(bad_parties[_i].line, bad_parties[_i].words);
	else
		rig_assert_fault(faults, path, bad_parties[_i].words);
}
END_TEST

START_TEST(too_many_parties_are_refused)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, HOST_A);
	for (int i = 0; i < CONFIG_NOTIFY_MAX; i++)
		strbuf_addf(&text, "[notify p%d]\nurl = https://p/\nsecret_file = k\n", i);
	ck_assert(load(text.data));
	ck_assert_uint_eq(config.notify_count, CONFIG_NOTIFY_MAX);
	config_fini(&config);
	strbuf_adds(&text, "[notify q]\nurl = https://q/\n");
	ck_assert(!load(text.data));
	assert_fault_in_line(5 + 3 * CONFIG_NOTIFY_MAX, "more than 16 sections [notify NAME]");
	strbuf_fini(&text);
}
END_TEST

START_TEST(hooks_and_conductors_are_read)
{
	ck_assert(load(HOST_A "[maintenance]\nconductors = b, c-1\n"
			      "[hook reboot]\nprogram = /usr/bin/systemctl reboot\nreboots = yes\n"
			      "only_if = /x/needs --reboot\n"
			      "[hook told]\nurl = https://a/\nsecret_file = key\ntimeout_s = 5\n"
			      "[hook up]\nprogram = /up\nrestarts = yes\n" PARTY));
	ck_assert_str_eq(config.maintenance_conductors, "b, c-1");
	ck_assert_uint_eq(config.hook_count, 3);
	ck_assert_uint_eq(config.notify_count, 1);
	ck_assert_str_eq(config.hooks[0].name, "reboot");
	ck_assert_str_eq(config.hooks[0].program, "/usr/bin/systemctl reboot");
	ck_assert_str_eq(config.hooks[0].only_if, "/x/needs --reboot");
	ck_assert_int_eq(config.hooks[0].reboots, 1);
	ck_assert_int_eq(config.hooks[0].restarts, 0);
	ck_assert_uint_eq(config.hooks[0].timeout_s, 900);
	ck_assert_str_eq(config.hooks[1].url, "https://a/");
	ck_assert_uint_eq(config.hooks[1].timeout_s, 5);
	assert_beside(config.hooks[1].secret_file, "key");
	ck_assert_int_eq(config.hooks[2].restarts, 1);
}
END_TEST

static const struct {
	const char *text;
	int line; /* 0: of the whole configuration */
	const char *words;
} bad_hooks[] = {
	{ "[hook -a]\n", 5, "no name of a hook" },
	{ "[hook a]\nprogram = reboot\n", 6, "absolute path" },
	{ "[hook a]\nprogram = /a\nreboot = yes\n", 7, "is 'reboots' meant?" },
	{ "[hook a]\nprogram = /a\nreboots = true\n", 7, "neither yes nor no" },
	{ "[hook a]\nprogram = /a\ntimeout_s = 0\n", 7, "out of range: 1 to 86400" },
	{ "[hook a]\ntimeout_s = 5\n", 0, "[hook a] has no program" },
	{ "[hook a]\nprogram = /a\nurl = https://a/\n", 0, "so it has no url" },
	{ "[hook a]\nurl = https://a/\n", 0, "[hook a] has no secret_file" },
	{ "[hook a]\nurl = https://a/\nsecret_file = k\nonly_if = /a\n", 0, "leave only_if out" },
	{ "[hook a]\nprogram = /a\nreboots = yes\nrestarts = yes\n", 0, "leave restarts out" },
	{ "[maintenance]\nconductors = a b\n", 6, "is not a list of host ids" },
	{ "[maintenance]\nconductors = a,,b\n", 6, "is not a list of host ids" },
	{ "[maintenance]\nconductors = A\n", 6, "is not a list of host ids" },
};

START_TEST(bad_hook_is_refused_in_words)
{
	CLEANUP(free_charp) char *text = xasprintf("%s%s", HOST_A, bad_hooks[_i].text);

	ck_assert(!load(text));
	if (bad_hooks[_i].line)
		assert_fault_in_line(bad_hooks[_i].line, bad_hooks[_i].words);
	else
		rig_assert_fault(faults, path, bad_hooks[_i].words);
}
END_TEST

START_TEST(file_over_one_mib_is_refused)
{
	size_t size = (1u << 20) + 1;
	CLEANUP(free_charp) char *text = xcalloc(1, size);

	memset(text, '\n', size);
	write_to(path, text, size);
	ck_assert(!config_load(path, &config, faults));
	ck_assert_ptr_nonnull(rig_fault_at(faults, path));
}
END_TEST

/* The printed help of the keys comes from the table that reads them. */
START_TEST(every_key_is_printed_with_its_help)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	config_print_keys(out);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text,
				     "start_timeout_ms  (number, 100 to 3600000 milliseconds; "
				     "default: 15000)"));
	ck_assert_ptr_nonnull(strstr(text, "[peer ID]"));
	ck_assert_ptr_nonnull(strstr(text, "debug."));
	ck_assert_ptr_null(strstr(text, "(null)"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, least_file_gets_its_defaults);
	tcase_add_test(t, full_file_is_read);
	tcase_add_test(t, storage_is_read);
	tcase_add_test(t, storage_has_defaults);
	tcase_add_loop_test(t, storage_with_wrong_paths_is_refused, 0, 8);
	tcase_add_test(t, no_place_for_moves_is_a_fault);
	tcase_add_test(t, budget_is_none_or_lets_each_move_live);
	tcase_add_test(t, limit_of_nothing_is_a_fault);
	tcase_add_test(t, bandwidth_that_cannot_be_held_is_a_fault);
	tcase_add_test(t, all_faults_are_found_at_once);
	tcase_add_test(t, bytes_that_are_no_text_are_refused);
	tcase_add_test(t, long_run_dir_is_refused);
	tcase_add_test(t, missing_file_or_id_is_a_fault);
	tcase_add_test(t, drop_ins_override_in_the_order_of_their_names);
	tcase_add_test(t, fault_in_a_drop_in_names_that_file);
	tcase_add_test(t, wildcard_is_not_advertised_to_peers);
	tcase_add_test(t, too_many_peers_are_refused);
	tcase_add_test(t, labels_and_rack_of_the_host_are_checked);
	tcase_add_test(t, parties_are_read);
	tcase_add_test(t, party_is_completed_by_a_drop_in);
	tcase_add_loop_test(t, bad_party_is_refused_in_words, 0, (int)ARRAY_LEN(bad_parties));
	tcase_add_test(t, too_many_parties_are_refused);
	tcase_add_test(t, hooks_and_conductors_are_read);
	tcase_add_loop_test(t, bad_hook_is_refused_in_words, 0, (int)ARRAY_LEN(bad_hooks));
	tcase_add_test(t, file_over_one_mib_is_refused);
	tcase_add_test(t, every_key_is_printed_with_its_help);
	suite_add_tcase(s, t);
	return s;
}
