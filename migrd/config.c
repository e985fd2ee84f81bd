/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "config_keys.h"

#define FILE_MAX_BYTES (1u << 20)
/* inih's line buffer has 200 bytes (INI_MAX_LINE) and splits longer lines; its
 * section and key buffers have 50 and cut longer names.  So each line is checked
 * before inih gets it. */
#define LINE_MAX_BYTES 190
#define PEER_PREFIX    "peer "
#define KEY_MAX        64
#define PREFIX_SIZE    8 /* of a section with a name; longer than each of them */

enum section_kind { SECTION_NONE, SECTION_KEYS, SECTION_PEER, SECTION_NAMED, SECTION_BAD };

/* One load: the result so far. */
struct load {
	struct config config;
	struct faults *faults;
	const char *path;   /* the main file */
	char *base_dir;     /* its directory, absolute */
	bool seen[KEY_MAX]; /* index of config_keys: some file has the key, right or wrong */
};

/* One file. */
struct source {
	struct load *load;
	const char *path;
	const char *pos, *end;
	unsigned line;
	enum section_kind kind;
	char section[ID_NAME_SIZE + PREFIX_SIZE];
	size_t peer;         /* index of the section's peer */
	size_t named, index; /* kind and index of a section with a name */
	/* The lines at which these were seen in this file; 0: not yet. */
	unsigned key_lines[KEY_MAX];
	unsigned section_lines[KEY_MAX]; /* by the first key of the section */
	unsigned peer_lines[CONFIG_PEER_MAX], address_lines[CONFIG_PEER_MAX];
	unsigned named_lines[CONFIG_NAMED_KINDS][CONFIG_NAMED_MAX];
	unsigned named_key_lines[CONFIG_NAMED_KINDS][CONFIG_NAMED_MAX][CONFIG_NAMED_KEYS_MAX];
};

#define FAULT(source, ...) fault_at(source, (source)->line, __VA_ARGS__)

static void fault_at(const struct source *source, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void fault_at(const struct source *source, unsigned line, const char *fmt, ...)
{
	CLEANUP(free_charp) char *text = NULL;
	CLEANUP(free_charp) char *where = xasprintf("%s:%u", source->path, line);
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	faults_add(source->load->faults, where, "%s", text);
}

/* True, and adds a fault, when *LINE was set before in this file. */
static bool is_repeated(struct source *source, unsigned *line, const char *what)
{
	if (*line == 0) {
		*line = source->line;
		return false;
	}
	FAULT(source, "%s is in line %u already", what, *line);
	return true;
}

/* ---- sections ------------------------------------------------------------ */

static bool peer_find(struct load *load, const char *id, size_t *ret_index)
{
	struct config *config = &load->config;

	for (size_t i = 0; i < config->peer_count; i++) {
		if (!strcmp(config->peers[i].id, id)) {
			*ret_index = i;
			return true;
		}
	}
	if (config->peer_count == CONFIG_PEER_MAX)
		return false;
	if (!config->peers)
		config->peers = xcalloc(CONFIG_PEER_MAX, sizeof(config->peers[0]));
	*ret_index = config->peer_count++;
	snprintf(config->peers[*ret_index].id, ID_NAME_SIZE, "%s", id);
	return true;
}

static enum section_kind begin_peer(struct source *source, const char *id)
{
	if (!id_host_is_valid(id)) {
		FAULT(source, "'%s' is not a host id: 1 to 63 of a-z 0-9 -, no '-' at either end",
		      id);
		return SECTION_BAD;
	}
	if (!peer_find(source->load, id, &source->peer)) {
		FAULT(source, "more than %d peers", CONFIG_PEER_MAX);
		return SECTION_BAD;
	}
	is_repeated(source, &source->peer_lines[source->peer], "this section");
	return SECTION_PEER;
}

/* A list of sections with names, whatever their struct is; NULL: none. */
static char *list_of(const struct config *config, const struct config_named *named)
{
	char *list;

	memcpy(&list, (const char *)config + named->list_offset, sizeof(list));
	return list;
}

static void set_list(struct config *config, const struct config_named *named, const char *list)
{
	memcpy((char *)config + named->list_offset, &list, sizeof(list));
}

static size_t *count_of(struct config *config, const struct config_named *named)
{
	return (size_t *)(void *)((char *)config + named->count_offset);
}

/* The section INDEX, which begins with its name. */
static char *item_of(struct config *config, const struct config_named *named, size_t index)
{
	return list_of(config, named) + index * named->item_size;
}

/* A new one with the values of what is not given. */
static void item_init(struct load *load, const struct config_named *named, char *item,
		      const char *name)
{
	snprintf(item, ID_NAME_SIZE, "%s", name);
	for (size_t i = 0; i < named->key_count; i++) {
		const struct config_key *key = &named->keys[i];
		CLEANUP(free_charp) char *why = NULL;

		if (key->fallback)
			config_value_set(key, key->fallback, load->base_dir, item + key->offset,
					 &why);
	}
}

static bool item_find(struct load *load, const struct config_named *named, const char *name,
		      size_t *ret_index)
{
	struct config *config = &load->config;
	size_t *count = count_of(config, named);

	for (size_t i = 0; i < *count; i++) {
		if (!strcmp(item_of(config, named, i), name)) {
			*ret_index = i;
			return true;
		}
	}
	if (*count == named->max)
		return false;
	if (!list_of(config, named))
		set_list(config, named, xcalloc(named->max, named->item_size));
	*ret_index = (*count)++;
	item_init(load, named, item_of(config, named, *ret_index), name);
	return true;
}

static enum section_kind begin_named(struct source *source, size_t kind, const char *name)
{
	const struct config_named *named = &config_named[kind];

	if (!id_name_is_valid(name)) {
		FAULT(source,
		      "'%s' is no name of a %s: 1 to 63 of A-Z a-z 0-9 . _ -, a letter or digit "
		      "first",
		      name, named->what);
		return SECTION_BAD;
	}
	source->named = kind;
	if (!item_find(source->load, named, name, &source->index)) {
		FAULT(source, "more than %zu sections [%sNAME]", named->max, named->prefix);
		return SECTION_BAD;
	}
	is_repeated(source, &source->named_lines[kind][source->index], "this section");
	return SECTION_NAMED;
}

/* False: SECTION is of another kind. */
static bool is_named(struct source *source, const char *section)
{
	for (size_t i = 0; i < CONFIG_NAMED_KINDS; i++) {
		const size_t len = strlen(config_named[i].prefix);

		if (strncmp(section, config_named[i].prefix, len) != 0)
			continue;
		source->kind = begin_named(source, i, section + len);
		return true;
	}
	return false;
}

static enum section_kind begin_keys(struct source *source, const char *name)
{
	struct nearest nearest = { .word = name };

	for (size_t i = 0; i < config_key_count; i++) {
		if (!strcmp(config_keys[i].section, name)) {
			is_repeated(source, &source->section_lines[i], "this section");
			return SECTION_KEYS;
		}
		nearest_offer(&nearest, config_keys[i].section);
	}
	if (nearest.best)
		FAULT(source, "unknown section [%s]: is [%s] meant?", name, nearest.best);
	else
		FAULT(source, "unknown section [%s]", name);
	return SECTION_BAD;
}

/* LINE begins with '['. */
static void begin_section(struct source *source, char *line)
{
	char *end = strchr(line, ']');

	source->kind = SECTION_BAD;
	if (!end || (end[1] && !strchr(" \t;#", end[1]))) {
		FAULT(source, "a section is written [NAME]");
		return;
	}
	*end = '\0';
	snprintf(source->section, sizeof(source->section), "%s", line + 1);
	if (!strncmp(line + 1, PEER_PREFIX, strlen(PEER_PREFIX)))
		source->kind = begin_peer(source, line + 1 + strlen(PEER_PREFIX));
	else if (!is_named(source, line + 1))
		source->kind = begin_keys(source, line + 1);
}

/* ---- keys ---------------------------------------------------------------- */

static void set_value(struct source *source, const struct config_key *key, const char *value,
		      void *out)
{
	CLEANUP(free_charp) char *why = NULL;

	if (!config_value_set(key, value, source->load->base_dir, out, &why))
		FAULT(source, "%s: %s", key->key, why);
}

static void *key_out(struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

static void take_key(struct source *source, const char *name, const char *value)
{
	struct nearest nearest = { .word = name };

	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (strcmp(key->section, source->section) != 0)
			continue;
		nearest_offer(&nearest, key->key);
		if (strcmp(key->key, name) != 0)
			continue;
		source->load->seen[i] = true;
		if (!is_repeated(source, &source->key_lines[i], name))
			set_value(source, key, value, key_out(&source->load->config, key));
		return;
	}
	if (nearest.best)
		FAULT(source, "unknown key '%s' in [%s]: is '%s' meant?", name, source->section,
		      nearest.best);
	else
		FAULT(source, "unknown key '%s' in [%s]", name, source->section);
}

static void take_peer_key(struct source *source, const char *name, const char *value)
{
	struct config_peer *peer = &source->load->config.peers[source->peer];
	char *address = NULL;

	if (strcmp(name, config_peer_address.key) != 0) {
		FAULT(source, "unknown key '%s' in [%s]: the only one is 'address'", name,
		      source->section);
		return;
	}
	if (is_repeated(source, &source->address_lines[source->peer], name))
		return;
	set_value(source, &config_peer_address, value, &address);
	if (address)
		snprintf(peer->address, sizeof(peer->address), "%s", address);
	free(address);
}

static void take_named_key(struct source *source, const char *name, const char *value)
{
	const struct config_named *named = &config_named[source->named];
	char *item = item_of(&source->load->config, named, source->index);
	unsigned *lines = source->named_key_lines[source->named][source->index];
	struct nearest nearest = { .word = name };

	for (size_t i = 0; i < named->key_count; i++) {
		const struct config_key *key = &named->keys[i];

		nearest_offer(&nearest, key->key);
		if (strcmp(key->key, name) != 0)
			continue;
		if (!is_repeated(source, &lines[i], name))
			set_value(source, key, value, item + key->offset);
		return;
	}
	if (nearest.best)
		FAULT(source, "unknown key '%s' in [%s]: is '%s' meant?", name, source->section,
		      nearest.best);
	else
		FAULT(source, "unknown key '%s' in [%s]", name, source->section);
}

/* Called by inih.  SECTION may have been cut, so it is not used. */
static int take(void *data, const char *section, const char *name, const char *value)
{
	struct source *source = data;

	(void)section;
	switch (source->kind) {
	case SECTION_NONE:
		FAULT(source, "'%s' comes before the first [section]", name);
		break;
	case SECTION_KEYS:
		take_key(source, name, value);
		break;
	case SECTION_PEER:
		take_peer_key(source, name, value);
		break;
	case SECTION_NAMED:
		take_named_key(source, name, value);
		break;
	case SECTION_BAD: /* reported already */
		break;
	}
	return 1;
}

/* ---- lines --------------------------------------------------------------- */

static bool text_is_clean(struct source *source, const char *line, size_t len)
{
	if (utf8_valid_prefix(line, len) < len) {
		FAULT(source, "invalid UTF-8");
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f) {
			FAULT(source, "a control character");
			return false;
		}
	}
	if (len > LINE_MAX_BYTES) {
		FAULT(source, "the line has %zu bytes: at most %d are read", len, LINE_MAX_BYTES);
		return false;
	}
	return true;
}

/* True: LINE, without blanks at its ends, is a key and a value.  All other lines
 * are handled here. */
static bool is_assignment(struct source *source, char *line)
{
	if (*line == '\0' || *line == ';' || *line == '#')
		return false;
	if (*line == '[') {
		begin_section(source, line);
		return false;
	}
	if (*line == '=' || *line == ':' || !strpbrk(line, "=:")) {
		FAULT(source, "KEY = VALUE is wanted");
		return false;
	}
	return true;
}

/* The next line without its end and the blanks around it. */
static const char *next_line(struct source *source, size_t *ret_len)
{
	const char *line = source->pos;
	const char *newline = memchr(line, '\n', (size_t)(source->end - line));
	size_t len = (size_t)((newline ? newline : source->end) - line);

	source->pos = newline ? newline + 1 : source->end;
	if (source->line++ == 0 && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	for (; len > 0 && (*line == ' ' || *line == '\t'); len--)
		line++;
	*ret_len = len;
	return line;
}

/* Gives inih the lines with a key, and empty lines in place of the others.  It
 * never sees a blank at the start of a line, which it would take for a continuation
 * of the value before. */
static char *read_line(char *buf, int size, void *data)
{
	struct source *source = data;
	const char *line;
	size_t len;

	if (source->pos == source->end || size < LINE_MAX_BYTES + 2)
		return NULL;
	line = next_line(source, &len);
	buf[0] = '\0';
	if (text_is_clean(source, line, len)) {
		memcpy(buf, line, len);
		buf[len] = '\0';
		if (!is_assignment(source, buf))
			buf[0] = '\0';
	}
	len = strlen(buf);
	buf[len] = '\n';
	buf[len + 1] = '\0';
	return buf;
}

/* ---- files --------------------------------------------------------------- */

static void check_peers(const struct source *source)
{
	const struct config *config = &source->load->config;

	for (size_t i = 0; i < config->peer_count; i++)
		if (source->peer_lines[i] && !source->address_lines[i] &&
		    !*config->peers[i].address)
			fault_at(source, source->peer_lines[i], "[peer %s] has no address",
				 config->peers[i].id);
}

static void load_file(struct load *load, const char *path)
{
	CLEANUP(free_charp) char *text = NULL;
	struct source *source;
	struct err err;
	size_t len;
	int bad_line;

	if (!file_read(path, FILE_MAX_BYTES, &text, &len, &err)) {
		faults_add(load->faults, path, "%s", err.msg);
		return;
	}
	source = xnew(struct source);
	*source = (struct source){ .load = load, .path = path, .pos = text, .end = text + len };
	/* inih has to refuse only one thing: a comment before the '='. */
	bad_line = ini_parse_stream(read_line, source, take, source);
	if (bad_line > 0)
		fault_at(source, (unsigned)bad_line, "KEY = VALUE is wanted");
	else if (bad_line < 0 || source->pos < source->end)
		FAULT(source, "the rest cannot be read");
	check_peers(source);
	free(source);
}

static int is_drop_in(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

/* Not alphasort(): the order may not depend on the locale. */
static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_drop_ins(struct load *load)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s.d", load->path);
	struct dirent **entries;
	int count = scandir(dir, &entries, is_drop_in, compare_entries);

	if (count < 0) {
		if (errno != ENOENT)
			faults_add(load->faults, dir, "cannot read the directory: %s",
				   strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, entries[i]->d_name);

		load_file(load, path);
		free(entries[i]);
	}
	free(entries);
}

/* ---- what was not given ---------------------------------------------------- */

static void set_fallbacks(struct load *load)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		CLEANUP(free_charp) char *why = NULL;

		if (load->seen[i] || !key->fallback)
			continue;
		if (!config_value_set(key, key->fallback, load->base_dir,
				      key_out(&load->config, key), &why))
			faults_add(load->faults, load->path, "[%s] %s: the default %s",
				   key->section, key->key, why);
	}
}

static bool is_seen(const struct load *load, size_t offset)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].offset == offset)
			return load->seen[i];
	return false;
}

static const char *own_address(const struct config *config)
{
	for (size_t i = 0; i < config->peer_count; i++)
		if (!strcmp(config->peers[i].id, config->host_id))
			return config->peers[i].address;
	return NULL;
}

/* Nobody can connect to a wildcard: take the host by which peers know us. */
static void set_advertise(struct load *load)
{
	struct config *config = &load->config;
	const char *listen = config->data_listen, *own = own_address(config);
	bool is_wildcard = !strncmp(listen, "0.0.0.0:", 8) || !strncmp(listen, "[::]:", 5);

	if (is_wildcard && own && *own)
		config->data_advertise = xasprintf("%.*s%s", (int)(strrchr(own, ':') - own), own,
						   strrchr(listen, ':'));
	else
		config->data_advertise = xstrdup(listen);
	if (is_wildcard && !own && config->peer_count > 0)
		faults_add(load->faults, load->path,
			   "[data] advertise is needed, or a section [peer %s]: peers cannot "
			   "connect to %s",
			   config->host_id, listen);
}

static void set_derived(struct load *load)
{
	struct config *config = &load->config;

	if (!is_seen(load, offsetof(struct config, api_socket)) && config->host_run_dir)
		config->api_socket = xasprintf("%s/api.sock", config->host_run_dir);
	if (!is_seen(load, offsetof(struct config, host_id)))
		faults_add(load->faults, load->path, "[host] id is required");
	if (!is_seen(load, offsetof(struct config, data_advertise)) && config->data_listen &&
	    config->host_id)
		set_advertise(load);
}

/* What a party needs may be in another file than its section's first. */
static void check_notify(struct load *load)
{
	const struct config *config = &load->config;

	for (size_t i = 0; i < config->notify_count; i++) {
		const struct config_notify *notify = &config->notify[i];

		if (!notify->url && !notify->agent_command)
			faults_add(load->faults, load->path, "[notify %s] has no url",
				   notify->name);
		if (notify->url && !notify->secret_file)
			faults_add(load->faults, load->path, "[notify %s] has no secret_file",
				   notify->name);
		if (notify->agent_command &&
		    (notify->url || notify->secret_file || notify->ca_file))
			faults_add(load->faults, load->path,
				   "[notify %s] has agent_command, so it has no url, secret_file "
				   "and "
				   "ca_file",
				   notify->name);
		if (notify->may_delay_s && strstr(notify->when, "before") == NULL)
			faults_add(load->faults, load->path,
				   "[notify %s] is told only after a move, so it cannot delay one: "
				   "leave may_delay_s out, or add before to when",
				   notify->name);
	}
}

static void check_hook(struct load *load, const struct config_hook *hook)
{
	const struct {
		bool is_bad;
		const char *text;
	} rules[] = {
		{ !hook->program && !hook->url, "has no program" },
		{ hook->program && (hook->url || hook->secret_file || hook->ca_file),
		  "has program, so it has no url, secret_file and ca_file" },
		{ hook->url && !hook->secret_file, "has no secret_file" },
		{ hook->url && hook->only_if,
		  "has url, which says by itself whether it is needed: leave only_if out" },
		{ hook->reboots && hook->restarts,
		  "has reboots, and a boot starts migrd too: leave restarts out" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].is_bad)
			faults_add(load->faults, load->path, "[hook %s] %s", hook->name,
				   rules[i].text);
}

/* As check_notify(). */
static void check_hooks(struct load *load)
{
	for (size_t i = 0; i < load->config.hook_count; i++)
		check_hook(load, &load->config.hooks[i]);
}

static int compare_peers(const void *a, const void *b)
{
	return strcmp(((const struct config_peer *)a)->id, ((const struct config_peer *)b)->id);
}

static void tidy_peers(struct config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < config->peer_count; i++)
		if (strcmp(config->peers[i].id, config->host_id) != 0)
			config->peers[kept++] = config->peers[i];
	config->peer_count = kept;
	if (kept > 0)
		qsort(config->peers, kept, sizeof(config->peers[0]), compare_peers);
}

/* ---- life cycle ------------------------------------------------------------ */

static bool find_base_dir(struct load *load)
{
	CLEANUP(free_charp) char *copy = xstrdup(load->path);

	load->base_dir = realpath(dirname(copy), NULL);
	if (!load->base_dir)
		faults_add(load->faults, load->path, "cannot find its directory: %s",
			   strerror(errno));
	return load->base_dir != NULL;
}

bool config_load(const char *path, struct config *ret, struct faults *faults)
{
	struct load load = { .faults = faults, .path = path };
	size_t before = faults->count;

	assert(config_key_count <= KEY_MAX);
	if (!find_base_dir(&load))
		return false;
	load_file(&load, path);
	load_drop_ins(&load);
	set_fallbacks(&load);
	set_derived(&load);
	check_notify(&load);
	check_hooks(&load);
	free(load.base_dir);
	if (faults->count > before) {
		config_fini(&load.config);
		return false;
	}
	tidy_peers(&load.config);
	*ret = load.config;
	return true;
}

static bool is_same(const struct config_key *key, const void *a, const void *b)
{
	if (config_type_is_text(key->type)) {
		const char *left = *(char *const *)a, *right = *(char *const *)b;

		return left && right ? strcmp(left, right) == 0 : left == right;
	}
	if (key->type == CONFIG_TYPE_LEVEL || key->type == CONFIG_TYPE_YES)
		return *(const int *)a == *(const int *)b;
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

static void take_value(const struct config_key *key, void *to, const void *from)
{
	if (config_type_is_text(key->type)) {
		const char *text = *(char *const *)from;

		free(*(char **)to);
		*(char **)to = text ? xstrdup(text) : NULL;
	} else if (key->type == CONFIG_TYPE_LEVEL || key->type == CONFIG_TYPE_YES) {
		*(int *)to = *(const int *)from;
	} else {
		*(uint64_t *)to = *(const uint64_t *)from;
	}
}

void config_take_live(struct config *running, const struct config *fresh, config_kept_fn *kept,
		      void *data)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		const void *from = (const char *)fresh + key->offset;
		void *to = (char *)running + key->offset;

		if (is_same(key, to, from))
			continue;
		if (key->is_live)
			take_value(key, to, from);
		else
			kept(data, key);
	}
}

static void named_fini(struct config *config, const struct config_named *named)
{
	for (size_t i = 0; i < *count_of(config, named); i++)
		for (size_t k = 0; k < named->key_count; k++)
			if (config_type_is_text(named->keys[k].type))
				free(*(char **)(void *)(item_of(config, named, i) +
							named->keys[k].offset));
	free(list_of(config, named));
	set_list(config, named, NULL);
	*count_of(config, named) = 0;
}

void config_fini(struct config *config)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_type_is_text(config_keys[i].type))
			free(*(char **)key_out(config, &config_keys[i]));
	free(config->peers);
	for (size_t i = 0; i < CONFIG_NAMED_KINDS; i++)
		named_fini(config, &config_named[i]);
	*config = (struct config){ 0 };
}
