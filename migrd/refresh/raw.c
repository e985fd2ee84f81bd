/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a raw argument of a definition names that two QEMUs cannot have at the same time.
 *
 * A new QEMU removes the UNIX socket of the old one and listens there itself (unix_listen_saddr()
 * in util/qemu-sockets.c of QEMU), so after a rollback nobody reaches the old one; a TCP port that
 * is taken ends it; and a file that is not appended to is emptied.  Options: qemu-system-x86_64(1);
 * qemu_chr_parse_compat() in chardev/char.c for devices that are one word. */
#include <string.h>

#include "base/mem.h"
#include "refresh/raw.h"
#include "wire/optlist.h"

#define LISTENS  "listens, which one QEMU can do"
#define EMPTIES  "has a file that a second QEMU would empty: let it append (append=on, logappend=on)"
#define IS_READ  "opens something of the host whose data two QEMUs would share between them"
#define IS_BOUND "binds an address, which one QEMU can do"

static bool is_on(const struct optlist *opts, const char *key)
{
	const struct extra_arg arg = { .opts = *opts };

	return extra_arg_is_on(&arg, key);
}

static bool has(const struct optlist *opts, const char *key)
{
	return optlist_get(opts, key) != NULL;
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- character devices ------------------------------------------------------------------ */

static const char *look_chardev(const struct optlist *opts)
{
	const char *backend = optlist_get(opts, "backend");

	if (!backend)
		return NULL;
	if (strcmp(backend, "socket") == 0 && is_on(opts, "server"))
		return LISTENS;
	if (strcmp(backend, "udp") == 0 && (has(opts, "localport") || has(opts, "localaddr")))
		return IS_BOUND;
	if (strcmp(backend, "pipe") == 0 || strcmp(backend, "serial") == 0 ||
	    strcmp(backend, "tty") == 0 || strcmp(backend, "parallel") == 0 ||
	    strcmp(backend, "parport") == 0)
		return IS_READ;
	if (strcmp(backend, "file") == 0 && !is_on(opts, "append"))
		return EMPTIES;
	return has(opts, "logfile") && !is_on(opts, "logappend") ? EMPTIES : NULL;
}

static bool is_server(const char *word)
{
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
	struct err ignored;

	return optlist_look(word, "address", &opts, &ignored) && is_on(&opts, "server");
}

/* The older form, as of -serial. */
static const char *look_word(const char *word)
{
	static const struct {
		const char *prefix;
		const char *why; /* NULL: it depends */
	} words[] = {
		{ "unix:", NULL },    { "tcp:", NULL },       { "telnet:", NULL },
		{ "tn3270:", NULL },  { "websocket:", NULL }, { "udp:", NULL },
		{ "file:", EMPTIES }, { "pipe:", IS_READ },   { "/dev/", IS_READ },
	};

	if (begins(word, "mon:"))
		word += strlen("mon:");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!begins(word, words[i].prefix))
			continue;
		if (words[i].why)
			return words[i].why;
		if (begins(word, "udp:"))
			return strchr(word, '@') ? IS_BOUND : NULL;
		return is_server(word) ? LISTENS : NULL;
	}
	return NULL;
}

/* QEMU's gdbstub listens at a TCP address, also without `server'. */
static const char *look_gdb(const char *word)
{
	return begins(word, "tcp:") ? LISTENS : look_word(word);
}

/* ---- what else listens ----------------------------------------------------------------------- */

static const char *look_vnc(const struct optlist *opts)
{
	return optlist_is(opts, "vnc", "none", "none") || is_on(opts, "reverse") ? NULL : LISTENS;
}

static const char *look_display(const char *word)
{
	return begins(word, "vnc") || begins(word, "spice-app") ? LISTENS : NULL;
}

static bool forwards(const struct optlist *opts)
{
	for (size_t i = 0; i < opts->count; i++) {
		if (begins(opts->opts[i].key, "hostfwd"))
			return true;
	}
	return false;
}

static const char *look_netdev(const struct optlist *opts)
{
	const char *type = optlist_get(opts, "type");

	if (!type)
		return NULL;
	if (strcmp(type, "tap") == 0 && has(opts, "ifname"))
		return "names a tap, which one QEMU can open: make it a NIC of the definition";
	if ((strcmp(type, "socket") == 0 && has(opts, "listen")) ||
	    (strcmp(type, "stream") == 0 && is_on(opts, "server")) ||
	    (strcmp(type, "user") == 0 && forwards(opts)))
		return LISTENS;
	if ((strcmp(type, "socket") == 0 && has(opts, "udp")) || strcmp(type, "l2tpv3") == 0 ||
	    (strcmp(type, "dgram") == 0 && has(opts, "local.type")))
		return IS_BOUND;
	return NULL;
}

static const char *look_object(const struct optlist *opts)
{
	return optlist_is(opts, "qom-type", "filter-dump", "") ? EMPTIES : NULL;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct row {
	const char *option;
	const char *why;     /* always; NULL: one of the next two tells */
	const char *implied; /* of a list of options; NULL: a word */
	const char *(*look_opts)(const struct optlist *opts);
	const char *(*look_word)(const char *word);
} rows[] = {
	{ "chardev", NULL, "backend", look_chardev, NULL },
	{ "serial", NULL, NULL, NULL, look_word },
	{ "parallel", NULL, NULL, NULL, look_word },
	{ "monitor", NULL, NULL, NULL, look_word },
	{ "qmp", NULL, NULL, NULL, look_word },
	{ "qmp-pretty", NULL, NULL, NULL, look_word },
	{ "debugcon", NULL, NULL, NULL, look_word },
	{ "qtest", NULL, NULL, NULL, look_word },
	{ "gdb", NULL, NULL, NULL, look_gdb },
	{ "s", LISTENS, NULL, NULL, NULL },
	{ "vnc", NULL, "vnc", look_vnc, NULL },
	{ "display", NULL, NULL, NULL, look_display },
	{ "spice", LISTENS, NULL, NULL, NULL },
	{ "netdev", NULL, "type", look_netdev, NULL },
	{ "nic", NULL, "type", look_netdev, NULL },
	{ "net", NULL, "type", look_netdev, NULL },
	{ "object", NULL, "qom-type", look_object, NULL },
	{ "tpmdev", "has a TPM, which serves one QEMU", NULL, NULL, NULL },
	{ "pidfile", "has a file that one QEMU can lock", NULL, NULL, NULL },
	{ "D", EMPTIES, NULL, NULL, NULL },
	{ "qtest-log", EMPTIES, NULL, NULL, NULL },
	{ "readconfig", "has options that are not looked at", NULL, NULL, NULL },
};

static const struct row *find(const char *option)
{
	const char *name = extra_arg_name(option);

	for (size_t i = 0; name && i < ARRAY_LEN(rows); i++) {
		if (strcmp(name, rows[i].option) == 0)
			return &rows[i];
	}
	return NULL;
}

const char *refresh_raw_conflict(const char *option, const char *value)
{
	const struct row *row = find(option);
	CLEANUP(optlist_fini) struct optlist opts = OPTLIST_INIT;
	struct err ignored;

	if (!row || row->why || !value)
		return row ? row->why : NULL;
	if (row->look_word)
		return row->look_word(value);
	return optlist_look(value, row->implied, &opts, &ignored) ? row->look_opts(&opts) : NULL;
}

void refresh_check_raw(const struct vm_def *def, struct reasons *reasons)
{
	for (size_t i = 0; i < def->extra_arg_count; i++) {
		const char *option = def->extra_args[i];
		const char *value = i + 1 < def->extra_arg_count ? def->extra_args[i + 1] : NULL;
		const char *why = refresh_raw_conflict(option, value);
		bool has_value = value && strcmp(option + strspn(option, "-"), "s") != 0;

		if (why)
			reasons_add(reasons, "the raw argument '%.20s%s%.200s' %s", option,
				    has_value ? " " : "", has_value ? value : "", why);
	}
}
