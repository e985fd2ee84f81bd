/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_keys.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "wire/labels.h"

#define AT(member) .offset = offsetof(struct config, member)
#define MS_MAX     3600000

const struct config_key config_keys[] = {
	{ "host", "id", CONFIG_TYPE_HOST_ID, AT(host_id), 1, ID_NAME_SIZE - 1,
	  .help = "Name of this host, as in its certificate; required." },
	{ "host", "state_dir", CONFIG_TYPE_PATH, AT(host_state_dir),
	  .fallback = MIGRD_LOCALSTATEDIR "/lib/migrd",
	  .help = "The state database, which must survive a restart of the host." },
	/* Sockets lie in run_dir/vms/NAME: sun_path has 108 bytes (unix(7)). */
	{ "host", "run_dir", CONFIG_TYPE_PATH, AT(host_run_dir), 0, 50,
	  .fallback = MIGRD_RUNSTATEDIR "/migrd",
	  .help = "Sockets, and what is gone after a reboot; at most 50 bytes long." },
	{ "host", "log_dir", CONFIG_TYPE_PATH, AT(host_log_dir),
	  .fallback = MIGRD_LOCALSTATEDIR "/log/migrd",
	  .help = "Output of the QEMUs; no other migrd may use the directory." },
	{ "host", "memory_reserve_mib", CONFIG_TYPE_UINT, AT(host_memory_reserve_mib), 0,
	  INT64_C(1) << 40, "0", NULL, "MiB",
	  "Memory that an incoming guest, a restore or a copying refresh must leave available." },
	{ "host", "autostart_at_once", CONFIG_TYPE_UINT, AT(host_autostart_at_once), 1, 1000, "4",
	  NULL, "VMs", "So many VMs with autostart are being started at most, after a boot." },
	{ "host", "autostart_pause_ms", CONFIG_TYPE_UINT, AT(host_autostart_pause_ms), 0, MS_MAX,
	  "500", NULL, "ms", "Time between the beginnings of two such starts." },
	{ "host", "autostart_give_up_s", CONFIG_TYPE_UINT, AT(host_autostart_give_up_s), 0, 86400,
	  "900", NULL, "seconds",
	  "How long a VM with autostart is tried again that could not be started; 0: not at all." },
	{ "host", "vcpus_per_core", CONFIG_TYPE_UINT, AT(host_vcpus_per_core), 0, 1000, "0", NULL,
	  "vCPUs",
	  "An incoming guest is refused if the guests of this host would have more vCPUs to a core "
	  "with it; 0: no limit.",
	  .is_live = true },
	{ "host", "rack", CONFIG_TYPE_NAME, AT(host_rack), .fallback_text = "none",
	  .help = "Where this host is: plans spread the members of a group over racks." },
	{ "host", "labels", CONFIG_TYPE_LABELS, AT(host_labels), .fallback_text = "none",
	  .help = "What VMs may require, forbid or prefer of their host." },
	{ "host", "makes_room_for", CONFIG_TYPE_HOSTS, AT(host_makes_room_for),
	  .fallback_text = "none",
	  .help = "Hosts that may have guests of this one moved to another host while they are "
		  "being emptied, so that theirs find room here.",
	  .is_live = true },
	{ "host", "shutdown", CONFIG_TYPE_SHUTDOWN, AT(host_shutdown), .fallback = "off",
	  .help = "What a shutdown of the host waits for, by locks of systemd-logind: off is "
		  "nothing; limit, that its guests are elsewhere or shutdown_limit_s is over; "
		  "wait, "
		  "that they are, and it is refused meanwhile." },
	{ "host", "shutdown_limit_s", CONFIG_TYPE_UINT, AT(host_shutdown_limit_s), 1, 86400, "600",
	  NULL, "seconds",
	  "How long a shutdown may wait for the host's guests; InhibitDelayMaxSec of "
	  "logind.conf(5) has to be as long." },
	{ "api", "listen", CONFIG_TYPE_LISTEN, AT(api_listen), .fallback = "0.0.0.0:8440",
	  .help = "Address of the REST API for users and peers (TLS 1.3)." },
	{ "api", "socket", CONFIG_TYPE_PATH, AT(api_socket), 0, 107,
	  .fallback_text = "api.sock in run_dir",
	  .help = "UNIX socket of the same API for local administrators." },
	{ "data", "listen", CONFIG_TYPE_LISTEN, AT(data_listen), .fallback = "0.0.0.0:8441",
	  .help = "The one port that takes the memory and disks of incoming guests." },
	{ "data", "advertise", CONFIG_TYPE_ADDRESS, AT(data_advertise),
	  .fallback_text = "listen; if that is a wildcard, the host of this host's own peer "
			   "section",
	  .help = "Address that peers connect to when they send a guest here." },
	{ "tls", "ca", CONFIG_TYPE_PATH, AT(tls_ca), .fallback = "ca.pem",
	  .help = "Certificates of the authorities that are trusted, PEM." },
	{ "tls", "cert", CONFIG_TYPE_PATH, AT(tls_cert), .fallback = "host.pem",
	  .help = "This host's certificate, PEM." },
	{ "tls", "key", CONFIG_TYPE_PATH, AT(tls_key), .fallback = "host-key.pem",
	  .help = "Private key of the certificate, PEM." },
	{ "qemu", "binary", CONFIG_TYPE_PROGRAM, AT(qemu_binary), .fallback = "qemu-system-x86_64",
	  .help = "The QEMU that is started." },
	{ "qemu", "start_timeout_ms", CONFIG_TYPE_UINT, AT(qemu_start_timeout_ms), 100, MS_MAX,
	  "15000", NULL, "milliseconds", "How long QEMU may take until its monitor has answered." },
	{ "qemu", "monitor_wait_ms", CONFIG_TYPE_UINT, AT(qemu_monitor_wait_ms), 1, MS_MAX, "5000",
	  NULL, "milliseconds",
	  "How long a request waits for its turn at a VM's monitor before it fails as busy." },
	{ "qemu", "output_program", CONFIG_TYPE_PROGRAM, AT(qemu_output_program),
	  .fallback = MIGRD_LIBEXECDIR "/migrd-output",
	  .help = "The program that keeps what a QEMU prints." },
	{ "qemu", "log_size_kib", CONFIG_TYPE_UINT, AT(qemu_log_size_kib), 8, 1 << 20, "1024", NULL,
	  "KiB", "What is kept of a QEMU's output, at most; older output goes." },
	{ "maintenance", "conductors", CONFIG_TYPE_HOSTS, AT(maintenance_conductors),
	  .fallback_text = "none",
	  .help = "Hosts that may have this one emptied and its hooks run, as the conductors of a "
		  "maintenance.",
	  .is_live = true },
	{ "maintenance", "hook_program", CONFIG_TYPE_PROGRAM, AT(maintenance_hook_program),
	  .fallback = MIGRD_LIBEXECDIR "/migrd-hook", .help = "The program that runs hooks." },
	{ "webhooks", "ca_file", CONFIG_TYPE_PATH, AT(webhooks_ca_file),
	  .fallback_text = "what the system trusts",
	  .help = "Certificates of the authorities that may vouch for the receivers of webhooks, "
		  "PEM.",
	  .is_live = true },
	{ "move", "stream_program", CONFIG_TYPE_PROGRAM, AT(move_stream_program),
	  .fallback = MIGRD_LIBEXECDIR "/migrd-stream",
	  .help = "The program that carries a guest over the network." },
	{ "move", "link_timeout_ms", CONFIG_TYPE_UINT, AT(move_link_timeout_ms), 100, MS_MAX,
	  "20000", NULL, "milliseconds",
	  "Silence of the network after which a transfer is given up." },
	{ "move", "handover_link_timeout_ms", CONFIG_TYPE_UINT, AT(move_handover_link_timeout_ms),
	  100, MS_MAX, "3000", NULL, "milliseconds",
	  "The same while the guest stands still at the end of a move." },
	{ "move", "prepare_timeout_ms", CONFIG_TYPE_UINT, AT(move_prepare_timeout_ms), 100, MS_MAX,
	  "30000", NULL, "milliseconds", "How long the destination may take to get ready." },
	{ "move", "link_probe_ms", CONFIG_TYPE_UINT, AT(move_link_probe_ms), 0, 1000, "300", NULL,
	  "milliseconds",
	  "How long a link that no move has measured is measured by a short transfer; 0 is "
	  "never." },
	{ "move", "stuck_after_ms", CONFIG_TYPE_UINT, AT(move_stuck_after_ms), 100, MS_MAX, "30000",
	  NULL, "milliseconds",
	  "Silence of the peer, with a guest that stands still, until the move is shown as "
	  "stuck." },
	{ "move", "offer_timeout_ms", CONFIG_TYPE_UINT, AT(move_offer_timeout_ms), 15000, MS_MAX,
	  "120000", NULL, "milliseconds",
	  "An incoming guest whose source sends nothing for so long is refused." },
	{ "move", "in_max", CONFIG_TYPE_UINT, AT(move_in_max), 1, 1000, "16", NULL, "moves",
	  "To this host at a time; the last quarter is for those with priority interactive.",
	  .is_live = true },
	{ "move", "offers_max", CONFIG_TYPE_UINT, AT(move_offers_max), 1, 1000, "16", NULL,
	  "guests", "That one peer may have on their way here at a time." },
	{ "move", "offers_memory_percent", CONFIG_TYPE_UINT, AT(move_offers_memory_percent), 1, 100,
	  "75", NULL, "percent",
	  "Of the available memory, for the guests that one peer has on their way here; one "
	  "that comes alone may be larger." },
	{ "move", "hold_max_s", CONFIG_TYPE_UINT, AT(move_hold_max_s), 0, 604800, "86400", NULL,
	  "seconds",
	  "For so long the source of an incoming guest may hold its move, with memory promised "
	  "here; a longer hold is refused." },
	{ "move", "outage_ping_ms", CONFIG_TYPE_UINT, AT(move_outage_ping_ms), 0, 1000, "0", NULL,
	  "milliseconds",
	  "So often a guest is asked for an answer around its switch, to measure the network "
	  "outage, in moves that say nothing of it; 0: never. Less than 10 counts as 10." },
	{ "move", "outage_ping_min_ms", CONFIG_TYPE_UINT, AT(move_outage_ping_min_ms), 10, 1000,
	  "10", NULL, "milliseconds",
	  "No more often than that a move, a policy or another host may have it; 0: not at all.",
	  .or_zero = true },
	{ "move", "bandwidth_bytes_per_s", CONFIG_TYPE_UINT, AT(move_bandwidth_bytes_per_s), 1024,
	  UINT64_C(1000000000000), "0", NULL, "bytes per second",
	  "Limit of a move that sets none itself; 0: none.", .or_zero = true, .is_live = true },
	{ "move", "bandwidth_budget_bytes_per_s", CONFIG_TYPE_UINT,
	  AT(move_bandwidth_budget_bytes_per_s), 1048576, UINT64_C(1000000000000), "0", NULL,
	  "bytes per second",
	  "What all moves away from this host may send together, disks and memory; 0: no limit.",
	  .or_zero = true, .is_live = true },
	{ "move", "bandwidth_budget_in_bytes_per_s", CONFIG_TYPE_UINT,
	  AT(move_bandwidth_budget_in_bytes_per_s), 1048576, UINT64_C(1000000000000), "0", NULL,
	  "bytes per second", "The same of all moves to this host.", .or_zero = true,
	  .is_live = true },
	/* QEMU: MAX_MIGRATE_DOWNTIME, migration/migration.h. */
	{ "move", "downtime_limit_ms", CONFIG_TYPE_UINT, AT(move_downtime_limit_ms), 1, 2000000,
	  "300", NULL, "milliseconds",
	  "How long a guest may stand still in a move that does not say.", .is_live = true },
	{ "queue", "out_max", CONFIG_TYPE_UINT, AT(queue_out_max), 1, 1000, "16", NULL, "moves",
	  "The queue begins no move while so many go out from this host.", .is_live = true },
	{ "capacity", "ask_every_s", CONFIG_TYPE_UINT, AT(capacity_ask_every_s), 1, 3600, "10",
	  NULL, "seconds",
	  "How often peers are asked what they have room for, while somebody looks at it; what a "
	  "peer told is good for three times as long.",
	  .is_live = true },
	{ "storage", "dirs", CONFIG_TYPE_DIRS, AT(storage_dirs),
	  .fallback = MIGRD_LOCALSTATEDIR "/lib/migrd/images",
	  .help = "Below these, images may be made for incoming guests whose disks are local." },
	{ "storage", "map", CONFIG_TYPE_MAP, AT(storage_map),
	  .help = "Where images of other hosts are made: what is below FROM there, below TO "
		  "here." },
	{ "storage", "firmware_map", CONFIG_TYPE_MAP, AT(storage_firmware_map),
	  .help = "Where firmware of other hosts is here: what is FROM there, or below it, is TO "
		  "here." },
	{ "storage", "save_dirs", CONFIG_TYPE_DIRS, AT(storage_save_dirs),
	  .fallback = MIGRD_LOCALSTATEDIR "/lib/migrd/saved",
	  .help = "Below these, guests may be saved and restored." },
	{ "storage", "backup_dirs", CONFIG_TYPE_DIRS, AT(storage_backup_dirs),
	  .fallback = MIGRD_LOCALSTATEDIR "/lib/migrd/backups",
	  .help = "Below these, backups of guests' disks may be made." },
	{ "storage", "qemu_img", CONFIG_TYPE_PROGRAM, AT(storage_qemu_img), .fallback = "qemu-img",
	  .help = "The program that makes images." },
	{ "tpm", "state_dir", CONFIG_TYPE_PATH, AT(tpm_state_dir),
	  .fallback = MIGRD_LOCALSTATEDIR "/lib/migrd/tpm",
	  .help = "The state of each guest's TPM, which holds its keys; only for migrd, and for no "
		  "other host." },
	{ "tpm", "swtpm", CONFIG_TYPE_PROGRAM, AT(tpm_swtpm), .fallback = "swtpm",
	  .help = "The program that emulates TPMs." },
	{ "log", "level", CONFIG_TYPE_LEVEL, AT(log_level), .fallback = "info",
	  .help = "The least important records that are written: error, warning, info or "
		  "debug.",
	  .is_live = true },
};
const size_t config_key_count = ARRAY_LEN(config_keys);

const struct config_key config_peer_address = {
	"peer ID",
	"address",
	CONFIG_TYPE_ADDRESS,
	.help = "Address of the REST API of the host ID; one section for each peer, required in "
		"it. "
		"A section for this host itself is allowed.",
};

#define OF_NOTIFY(member) .offset = offsetof(struct config_notify, member)

/* Of [notify NAME]; their offsets are in struct config_notify. */
static const struct config_key notify_keys[] = {
	{ "notify NAME", "url", CONFIG_TYPE_URL, OF_NOTIFY(url),
	  .help = "Where the party NAME takes notices of moves; this or agent_command is required. "
		  "NAME is also the name in the certificate with which it may ask for a delay." },
	{ "notify NAME", "secret_file", CONFIG_TYPE_PATH, OF_NOTIFY(secret_file),
	  .help = "The key that signs what the party is told, whsec_ and base64; required with "
		  "url, and only its owner may read it." },
	{ "notify NAME", "ca_file", CONFIG_TYPE_PATH, OF_NOTIFY(ca_file),
	  .fallback_text = "what the system trusts",
	  .help = "Certificates of the authorities that may vouch for the party, PEM." },
	{ "notify NAME", "agent_command", CONFIG_TYPE_COMMAND, OF_NOTIFY(agent_command),
	  .help = "In place of url: a program inside the guest, and its arguments, which the "
		  "guest's agent runs before the move and after it, where the guest is then." },
	{ "notify NAME", "timeout_ms", CONFIG_TYPE_UINT, OF_NOTIFY(timeout_ms), 100, 60000, "10000",
	  NULL, "milliseconds",
	  "How long the party may take for its answer; then the move goes on without it." },
	{ "notify NAME", "may_delay_s", CONFIG_TYPE_UINT, OF_NOTIFY(may_delay_s), 0, 86400, "0",
	  NULL, "seconds",
	  "For how long, from when it is told, the party may delay a move; 0: it is only told." },
	{ "notify NAME", "when", CONFIG_TYPE_WHEN, OF_NOTIFY(when), .fallback = "before,after",
	  .help = "Of what the party is told: before a guest's memory is sent, after the end of "
		  "its move, or both." },
	{ "notify NAME", "label", CONFIG_TYPE_LABEL, OF_NOTIFY(label), .fallback_text = "all VMs",
	  .help = "Only of VMs that have this label." },
};

#define OF_HOOK(member) .offset = offsetof(struct config_hook, member)

/* Of [hook NAME]; their offsets are in struct config_hook. */
static const struct config_key hook_keys[] = {
	{ "hook NAME", "program", CONFIG_TYPE_COMMAND, OF_HOOK(program),
	  .help = "What this host does when it is empty, as the hook NAME of a maintenance: a "
		  "program and its arguments; this or url is required." },
	{ "hook NAME", "only_if", CONFIG_TYPE_COMMAND, OF_HOOK(only_if),
	  .fallback_text = "it is always needed",
	  .help = "A program that says whether program is needed: by status 0 that it is, by 1 "
		  "that it is not." },
	{ "hook NAME", "url", CONFIG_TYPE_URL, OF_HOOK(url),
	  .help = "In place of program: it is told, signed as notices are, and answers when it is "
		  "done." },
	{ "hook NAME", "secret_file", CONFIG_TYPE_PATH, OF_HOOK(secret_file),
	  .help = "As of notify NAME; required with url." },
	{ "hook NAME", "ca_file", CONFIG_TYPE_PATH, OF_HOOK(ca_file),
	  .fallback_text = "what the system trusts", .help = "As of notify NAME." },
	{ "hook NAME", "timeout_s", CONFIG_TYPE_UINT, OF_HOOK(timeout_s), 1, 86400, "900", NULL,
	  "seconds", "Deadline: the program and all that it has started is ended then." },
	{ "hook NAME", "reboots", CONFIG_TYPE_YES, OF_HOOK(reboots), .fallback = "no",
	  .help = "yes: it is over when the host has been booted anew." },
	{ "hook NAME", "restarts", CONFIG_TYPE_YES, OF_HOOK(restarts), .fallback = "no",
	  .help = "yes: it is over when the program has ended, and migrd has been started anew." },
};

static_assert(CONFIG_NOTIFY_MAX <= CONFIG_NAMED_MAX && CONFIG_HOOK_MAX <= CONFIG_NAMED_MAX &&
		      ARRAY_LEN(notify_keys) <= CONFIG_NAMED_KEYS_MAX &&
		      ARRAY_LEN(hook_keys) <= CONFIG_NAMED_KEYS_MAX,
	      "config.c has room for the lines of each kind");

#define LIST(list, count)                                 \
	.item_size = sizeof(*((struct config *)0)->list), \
	.list_offset = offsetof(struct config, list),     \
	.count_offset = offsetof(struct config, count)

const struct config_named config_named[CONFIG_NAMED_KINDS] = {
	{ "notify ", "party", notify_keys, ARRAY_LEN(notify_keys), CONFIG_NOTIFY_MAX,
	  LIST(notify, notify_count) },
	{ "hook ", "hook", hook_keys, ARRAY_LEN(hook_keys), CONFIG_HOOK_MAX,
	  LIST(hooks, hook_count) },
};

const char *config_type_name(enum config_type type)
{
	static const char *const names[] = {
		[CONFIG_TYPE_HOST_ID] = "host id",
		[CONFIG_TYPE_PATH] = "path",
		[CONFIG_TYPE_PROGRAM] = "program",
		[CONFIG_TYPE_LISTEN] = "HOST:PORT",
		[CONFIG_TYPE_ADDRESS] = "HOST:PORT",
		[CONFIG_TYPE_DIRS] = "DIR:DIR...",
		[CONFIG_TYPE_MAP] = "FROM:TO ...",
		[CONFIG_TYPE_UINT] = "number",
		[CONFIG_TYPE_LEVEL] = "level",
		[CONFIG_TYPE_URL] = "https URL",
		[CONFIG_TYPE_WHEN] = "before,after",
		[CONFIG_TYPE_LABEL] = "KEY=VALUE",
		[CONFIG_TYPE_LABELS] = "KEY=VALUE,KEY=VALUE...",
		[CONFIG_TYPE_NAME] = "name",
		[CONFIG_TYPE_SHUTDOWN] = "off, limit or wait",
		[CONFIG_TYPE_COMMAND] = "PATH ARGUMENT...",
		[CONFIG_TYPE_HOSTS] = "HOST,HOST...",
		[CONFIG_TYPE_YES] = "yes or no",
	};

	return names[type];
}

bool config_type_is_text(enum config_type type)
{
	return type != CONFIG_TYPE_UINT && type != CONFIG_TYPE_LEVEL && type != CONFIG_TYPE_YES;
}

/* ---- values -------------------------------------------------------------- */

static bool set_text(const struct config_key *key, char *text, char **out, char **ret_why)
{
	if (key->max > 0 && strlen(text) > key->max) {
		*ret_why = xasprintf("'%s' has %zu bytes: at most %" PRIu64 " are allowed", text,
				     strlen(text), key->max);
		free(text);
		return false;
	}
	free(*out);
	*out = text;
	return true;
}

static bool set_path(const struct config_key *key, const char *value, const char *base_dir,
		     char **out, char **ret_why)
{
	bool is_name = key->type == CONFIG_TYPE_PROGRAM && !strchr(value, '/');

	if (is_name || value[0] == '/')
		return set_text(key, xstrdup(value), out, ret_why);
	return set_text(key, xasprintf("%s/%s", base_dir, value), out, ret_why);
}

static bool set_uint(const struct config_key *key, const char *value, uint64_t *out, char **ret_why)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end) {
		*ret_why = xasprintf("'%s' is not a number (%s, without a unit)", value, key->unit);
		return false;
	}
	if (errno || number > key->max || (number < key->min && (number || !key->or_zero))) {
		*ret_why = xasprintf("%s is out of range: %s%" PRIu64 " to %" PRIu64 " %s", value,
				     key->or_zero ? "0, or " : "", key->min, key->max, key->unit);
		return false;
	}
	*out = number;
	return true;
}

static bool set_level(const char *value, int *out, char **ret_why)
{
	enum log_level level;

	if (!log_level_from_name(value, &level)) {
		*ret_why = xasprintf("'%s' is none of error, warning, info, debug", value);
		return false;
	}
	*out = (int)level;
	return true;
}

static bool set_yes(const char *value, int *out, char **ret_why)
{
	const bool is_yes = strcmp(value, "yes") == 0;

	if (!is_yes && strcmp(value, "no") != 0) {
		*ret_why = xasprintf("'%s' is neither yes nor no", value);
		return false;
	}
	*out = is_yes;
	return true;
}

static bool set_checked(const struct config_key *key, const char *value, bool is_valid,
			const char *wanted, char **out, char **ret_why)
{
	if (is_valid)
		return set_text(key, xstrdup(value), out, ret_why);
	*ret_why = xasprintf("'%s' is not %s", value, wanted);
	return false;
}

/* Every piece of the first LEN bytes of TEXT between colons is a path. */
static bool are_paths(const char *text, size_t len, size_t *ret_count)
{
	*ret_count = 0;
	for (size_t at = 0; at <= len; (*ret_count)++) {
		const char *colon = memchr(text + at, ':', len - at);
		size_t end = colon ? (size_t)(colon - text) : len;

		if (!path_is_plain(text + at, end - at))
			return false;
		at = end + 1;
	}
	return true;
}

static bool dirs_are_valid(const char *value)
{
	size_t count;

	return are_paths(value, strlen(value), &count);
}

static bool map_is_valid(const char *value)
{
	size_t count, len;

	for (const char *pair = value; *pair; pair += len + strspn(pair + len, " \t")) {
		len = strcspn(pair, " \t");
		if (!are_paths(pair, len, &count) || count != 2)
			return false;
	}
	return true;
}

static bool when_is_valid(const char *value)
{
	return strcmp(value, "before") == 0 || strcmp(value, "after") == 0 ||
	       strcmp(value, "before,after") == 0;
}

static bool shutdown_is_valid(const char *value)
{
	return strcmp(value, "off") == 0 || strcmp(value, "limit") == 0 ||
	       strcmp(value, "wait") == 0;
}

/* Of a name of a label or its value: letters and digits at both ends. */
static bool label_word_is_valid(const char *word, size_t len, const char *more)
{
	if (len == 0 || !isalnum((unsigned char)word[0]) || !isalnum((unsigned char)word[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)word[i]) && !strchr(more, word[i]))
			return false;
	return true;
}

static bool label_is_valid(const char *label)
{
	const char *equals = strchr(label, '=');

	return equals && label_word_is_valid(label, (size_t)(equals - label), "._-/") &&
	       label_word_is_valid(equals + 1, strlen(equals + 1), "._-");
}

static bool hosts_are_valid(const char *value)
{
	CLEANUP(free_charp) char *copy = xstrdup(value);
	char *rest = copy, *host;

	while ((host = strsep(&rest, ","))) {
		/* Blanks at its ends go with the comma; elsewhere they are a fault. */
		const size_t begin = strspn(host, " \t");
		size_t end = strlen(host);

		while (end > begin && strchr(" \t", host[end - 1]))
			end--;
		host[end] = '\0';
		if (!id_host_is_valid(host + begin))
			return false;
	}
	return true;
}

/* As peers check them, and no key twice. */
static bool set_labels(const struct config_key *key, const char *value, char **out, char **ret_why)
{
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();
	CLEANUP(free_charp) char *copy = xstrdup(value);
	struct faults *faults = faults_new();
	char *rest = copy, *pair;
	bool ok = true;

	while (ok && (pair = strsep(&rest, ","))) {
		char *equals = strchr(pair, '=');

		ok = equals != NULL;
		if (!ok)
			break;
		*equals = '\0';
		ok = !json_object_object_get_ex(obj, pair, NULL);
		json_add_str(obj, pair, equals + 1);
	}
	ok = ok && labels_check(obj, "", false, faults);
	if (!ok)
		*ret_why = xasprintf("'%s' is not a list of labels KEY=VALUE with commas between "
				     "them, each key once, such as zone=a,disk=ssd%s%s",
				     value, faults->count ? ": " : "",
				     faults->count ? faults->list[0].detail : "");
	faults_free(faults);
	return ok && set_text(key, xstrdup(value), out, ret_why);
}

bool config_value_set(const struct config_key *key, const char *value, const char *base_dir,
		      void *out, char **ret_why)
{
	if (!*value) {
		*ret_why = xasprintf("the value is missing: a %s is wanted",
				     config_type_name(key->type));
		return false;
	}
	switch (key->type) {
	case CONFIG_TYPE_HOST_ID:
		return set_checked(key, value, id_host_is_valid(value),
				   "a host id: 1 to 63 of a-z 0-9 -, no '-' at either end", out,
				   ret_why);
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_PROGRAM:
		return set_path(key, value, base_dir, out, ret_why);
	case CONFIG_TYPE_LISTEN:
		return set_checked(key, value, address_is_valid(value, 0),
				   "HOST:PORT, such as 0.0.0.0:8440 or [::]:8440", out, ret_why);
	case CONFIG_TYPE_ADDRESS:
		return set_checked(key, value, address_is_valid(value, 1),
				   "HOST:PORT, such as b.example.net:8440 or [fd00::2]:8440", out,
				   ret_why);
	case CONFIG_TYPE_DIRS:
		return set_checked(key, value, dirs_are_valid(value),
				   "a list of directories, absolute, without '.' and '..' and a "
				   "'/' at the end, such as /images:/srv/images",
				   out, ret_why);
	case CONFIG_TYPE_MAP:
		return set_checked(key, value, map_is_valid(value),
				   "a list of FROM:TO with blanks between them, both absolute "
				   "paths "
				   "without '.' and '..' and a '/' at the end, such as "
				   "/srv/vms:/images /opt/vms:/images/old",
				   out, ret_why);
	case CONFIG_TYPE_URL:
		return set_checked(key, value, address_is_https_url(value),
				   "an https URL without a user, such as "
				   "https://notices.example.net/migrd",
				   out, ret_why);
	case CONFIG_TYPE_COMMAND:
		return set_checked(key, value, path_is_plain(value, strcspn(value, " ")),
				   "the absolute path of a program, and its arguments, with "
				   "blanks between them",
				   out, ret_why);
	case CONFIG_TYPE_WHEN:
		return set_checked(key, value, when_is_valid(value),
				   "one of before, after and before,after", out, ret_why);
	case CONFIG_TYPE_LABEL:
		return set_checked(key, value, label_is_valid(value),
				   "a label KEY=VALUE, such as tier=database", out, ret_why);
	case CONFIG_TYPE_LABELS:
		return set_labels(key, value, out, ret_why);
	case CONFIG_TYPE_NAME:
		return set_checked(key, value, id_name_is_valid(value),
				   "a name: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit first",
				   out, ret_why);
	case CONFIG_TYPE_SHUTDOWN:
		return set_checked(key, value, shutdown_is_valid(value),
				   "one of off, limit and wait", out, ret_why);
	case CONFIG_TYPE_HOSTS:
		return set_checked(key, value, hosts_are_valid(value),
				   "a list of host ids with commas between them, such as a,b", out,
				   ret_why);
	case CONFIG_TYPE_YES:
		return set_yes(value, out, ret_why);
	case CONFIG_TYPE_UINT:
		return set_uint(key, value, out, ret_why);
	case CONFIG_TYPE_LEVEL:
		return set_level(value, out, ret_why);
	}
	return false;
}
