/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/contexts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define FILE_VERSION   1

static bool check_name(const char *name, const char **ret_why)
{
	*ret_why = strcmp(name, CONTEXTS_LOCAL) == 0
			   ? "'" CONTEXTS_LOCAL "' is the daemon of this host"
			   : "must be 1 to 63 of letters, digits, '.', '_' and '-', a letter or "
			     "digit first";
	return id_name_is_valid(name) && strcmp(name, CONTEXTS_LOCAL) != 0;
}

#define TEXT(member_, help_)                                                              \
	{                                                                                 \
		.key = #member_, .type = JSON_TEXT, JSON_MEMBER(struct context, member_), \
		.max = 4095, .help = help_                                                \
	}
const struct json_field context_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct context, name),
	  .check = check_name,
	  .help = "Name of the context." },
	TEXT(socket, "UNIX socket of the daemon."),
	TEXT(host, "[https://]ADDRESS[:PORT] of the daemon."),
	TEXT(host_id, "Id of the host that it must be."),
	TEXT(cert, "File of the certificate to show."),
	TEXT(key, "File of its private key."),
	TEXT(ca, "File of the CA that the server's certificate must be of."),
	{ 0 },
};

static const struct json_field file_fields[] = {
	{ .key = "version",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct contexts, version),
	  .min = FILE_VERSION,
	  .max = FILE_VERSION,
	  .help = "Version of this file's form." },
	{ .key = "current",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct contexts, current),
	  .help = "Name of the context in use; none: the daemon of this host." },
	{ .key = "contexts",
	  .type = JSON_ARRAY,
	  .required = true,
	  JSON_MEMBERS(struct contexts, list, count),
	  .fields = context_fields,
	  .help = "The contexts." },
	{ 0 },
};

/* ---- where it is ------------------------------------------------------------------ */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

char *contexts_path(void)
{
	const char *path = variable(CONTEXTS_VARIABLE);
	const char *config = variable("XDG_CONFIG_HOME"), *home = variable("HOME");

	if (path)
		return xstrdup(path);
	/* A relative one is to be ignored (XDG Base Directory Specification). */
	if (config && config[0] == '/')
		return xasprintf("%s/migrd/contexts.json", config);
	return home ? xasprintf("%s/.config/migrd/contexts.json", home) : NULL;
}

/* ---- reading ----------------------------------------------------------------------- */

/* Who can change the file decides to which host commands go. */
static bool check_owner(const char *path, const struct stat *st, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_INVALID, "'%s' is no regular file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(err, ERR_FORBIDDEN,
			       "'%s' belongs to user %u, who could send your commands to another "
			       "host: make it yours",
			       path, (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, ERR_FORBIDDEN,
			       "others may write to '%s', and so send your commands to another "
			       "host: `chmod 600' it",
			       path);
	return true;
}

static void release(struct contexts *contexts)
{
	json_release(file_fields, contexts);
	memset(contexts, 0, sizeof(*contexts));
}

void contexts_free(struct contexts *contexts)
{
	if (!contexts)
		return;
	release(contexts);
	free(contexts);
}

static bool check_places(const struct contexts *contexts, struct faults *faults)
{
	size_t before = faults->count;

	for (size_t i = 0; i < contexts->count; i++) {
		const struct context *context = &contexts->list[i];
		char pointer[64];

		snprintf(pointer, sizeof(pointer), "/contexts/%zu", i);
		if (!context->socket == !context->host)
			faults_add(faults, pointer, "needs either `host' or `socket'");
		for (size_t k = 0; k < i; k++)
			if (strcmp(contexts->list[k].name, context->name) == 0)
				faults_add(faults, pointer, "'%s' is there twice", context->name);
	}
	return faults->count == before;
}

static bool parse(const char *data, size_t len, struct contexts *contexts, struct err *err)
{
	struct faults *faults = faults_new();
	struct json_object *obj = json_parse(data, len, &json_limits_default, faults);
	bool ok = obj && json_decode(obj, file_fields, contexts, "", faults) &&
		  check_places(contexts, faults);

	json_object_put(obj);
	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

static bool read_file(const char *path, struct contexts *contexts, struct err *err)
{
	CLEANUP(free_charp) char *data = NULL;
	struct stat st;
	size_t len;

	if (stat(path, &st) < 0) {
		contexts->version = FILE_VERSION;
		return errno == ENOENT || errno == ENOTDIR ||
		       err_errno(err, "cannot read '%s'", path);
	}
	if (!check_owner(path, &st, err) || !file_read(path, FILE_MAX_BYTES, &data, &len, err))
		return false;
	return parse(data, len, contexts, err) ||
	       err_wrap(err, "the file of contexts '%s' is wrong: correct it, or remove it", path);
}

static void contexts_freep(struct contexts **contexts)
{
	contexts_free(*contexts);
}

static struct contexts *read_at(const char *path, struct err *err)
{
	CLEANUP(contexts_freep) struct contexts *contexts = xnew(struct contexts);

	contexts->version = FILE_VERSION;
	if (path && !read_file(path, contexts, err))
		return NULL;
	return TAKE_PTR(contexts);
}

struct contexts *contexts_read(struct err *err)
{
	CLEANUP(free_charp) char *path = contexts_path();

	return read_at(path, err);
}

struct context *contexts_find(struct contexts *contexts, const char *name, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; i < contexts->count; i++) {
		if (strcmp(contexts->list[i].name, name) == 0)
			return &contexts->list[i];
		strbuf_addf(&names, "%s%s", i ? ", " : "", contexts->list[i].name);
	}
	if (contexts->count)
		err_set(err, ERR_NOT_FOUND, "there is no context '%.64s', but %s", name,
			strbuf_str(&names));
	else
		err_set(err, ERR_NOT_FOUND,
			"there is no context '%.64s', nor any other: `migrctl context add' makes "
			"one",
			name);
	return NULL;
}

/* ---- changing ---------------------------------------------------------------------- */

/* The lock goes with the descriptor. */
static bool lock(const char *path, int *ret_fd, struct err *err)
{
	CLEANUP(free_charp) char *beside = xasprintf("%s.lock", path);
	CLEANUP(closep) int fd = open(beside, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0)
		return err_errno(err, "cannot make '%s'", beside);
	if (fcntl(fd, F_OFD_SETLK, &whole) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return err_errno(err, "cannot lock '%s'", beside);
		return err_set(err, ERR_BUSY,
			       "another migrctl is changing the contexts: try again");
	}
	*ret_fd = TAKE_FD(fd);
	return true;
}

static bool make_parent(const char *path, struct err *err)
{
	CLEANUP(free_charp) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return true;
	*slash = '\0';
	return dir_make(dir, 0700, err);
}

static bool write_file(const char *path, const struct contexts *contexts, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(file_fields, contexts);
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s\n",
		    json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_SPACED |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	return file_write(path, text.data, text.len, 0600, err);
}

bool contexts_change(contexts_change_fn *change, void *data, struct err *err)
{
	CLEANUP(free_charp) char *path = contexts_path();
	CLEANUP(contexts_freep) struct contexts *contexts = NULL;
	CLEANUP(closep) int fd = -1;

	if (!path)
		return err_set(err, ERR_INVALID,
			       "neither $" CONTEXTS_VARIABLE ", $XDG_CONFIG_HOME nor $HOME says "
			       "where contexts are kept");
	if (!make_parent(path, err) || !lock(path, &fd, err))
		return false;
	contexts = read_at(path, err);
	return contexts && change(contexts, data, err) && write_file(path, contexts, err);
}

/* ---- one context ------------------------------------------------------------------- */

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

bool contexts_add(struct contexts *contexts, const struct context *context, bool may_replace,
		  struct err *err)
{
	struct err none;
	struct context *old = contexts_find(contexts, context->name, &none);
	struct context *at;

	if (old && !may_replace)
		return err_set(err, ERR_EXISTS,
			       "there is a context '%s' already: --replace replaces it",
			       context->name);
	if (!old && contexts->count == CONTEXTS_MAX)
		return err_set(err, ERR_LIMIT, "there are %d contexts already: remove one",
			       CONTEXTS_MAX);
	if (old)
		json_release(context_fields, old);
	at = old ? old : &contexts->list[contexts->count++];
	*at = (struct context){
		.socket = copy(context->socket),
		.host = copy(context->host),
		.host_id = copy(context->host_id),
		.cert = copy(context->cert),
		.key = copy(context->key),
		.ca = copy(context->ca),
	};
	snprintf(at->name, sizeof(at->name), "%s", context->name);
	return true;
}

void contexts_remove(struct contexts *contexts, struct context *context)
{
	size_t at = (size_t)(context - contexts->list);

	if (strcmp(contexts->current, context->name) == 0)
		contexts->current[0] = '\0';
	json_release(context_fields, context);
	memmove(context, context + 1, (contexts->count - at - 1) * sizeof(*context));
	contexts->count--;
	memset(&contexts->list[contexts->count], 0, sizeof(*context));
}
