/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify/parties.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "tls/hmac.h"
#include "wire/notice.h"

#define SECRET_PREFIX "whsec_"
#define SECRET_BYTES  512 /* of a file */

struct notify_parties {
	struct notify_party list[NOTICE_PARTIES_MAX];
	size_t count;
	struct tls_trust *everybody; /* that the host trusts; NULL: no party needs it */
};

struct notify_parties *notify_parties_new(void)
{
	return xnew(struct notify_parties);
}

void notify_parties_free(struct notify_parties *parties)
{
	if (!parties)
		return;
	for (size_t i = 0; i < parties->count; i++) {
		free(parties->list[i].url);
		tls_trust_unref(parties->list[i].trust);
		free(parties->list[i].command);
	}
	tls_trust_unref(parties->everybody);
	secret_wipe(parties, sizeof(*parties));
	free(parties);
}

/* ---- the secret ----------------------------------------------------------- */

/* The open file, which only its owner may read. */
static int open_secret(const char *path, struct err *err)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set(err, ERR_INVALID, "the secret_file '%s' cannot be read: %s", path,
			strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err, ERR_INVALID, "the secret_file '%s' is no regular file", path);
		return -1;
	}
	if (st.st_mode & 077) {
		err_set(err, ERR_INVALID,
			"the secret_file '%s' has mode %04o, so that others may read it: make it "
			"0600",
			path, (unsigned)(st.st_mode & 07777));
		return -1;
	}
	return TAKE_FD(fd);
}

bool notify_party_add_key(struct notify_party *party, const char *line)
{
	struct notify_key *key = &party->keys[party->key_count];

	if (party->key_count == NOTIFY_KEYS_MAX ||
	    strncmp(line, SECRET_PREFIX, strlen(SECRET_PREFIX)) != 0 ||
	    !base64_bytes(line + strlen(SECRET_PREFIX), key->bytes, sizeof(key->bytes),
			  &key->len) ||
	    key->len < NOTIFY_KEY_MIN)
		return false;
	party->key_count++;
	return true;
}

static bool take_keys(struct notify_party *party, char *text)
{
	char *rest = text;
	const char *line;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line && !rest)
			break; /* behind the last end of a line */
		if (!notify_party_add_key(party, line))
			return false;
	}
	return party->key_count > 0;
}

static bool read_secret(struct notify_party *party, const char *path, struct err *err)
{
	CLEANUP(closep) int fd = open_secret(path, err);
	char text[SECRET_BYTES + 1];
	ssize_t len;
	bool ok;

	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text));
	if (len < 0)
		return err_set(err, ERR_INVALID, "the secret_file '%s' cannot be read: %s", path,
			       strerror(errno));
	ok = len < (ssize_t)sizeof(text) && !memchr(text, '\0', (size_t)len);
	text[ok ? len : 0] = '\0';
	ok = ok && take_keys(party, text);
	secret_wipe(text, sizeof(text));
	return ok ||
	       err_set(err, ERR_INVALID,
		       "the secret_file '%s' is to have one line, or two while a key is replaced: "
		       "%s and the base64 of %d to %d bytes, as `printf whsec_; head -c 32 "
		       "/dev/urandom | base64' makes it",
		       path, SECRET_PREFIX, NOTIFY_KEY_MIN, NOTIFY_KEY_MAX);
}

/* ---- parties ---------------------------------------------------------------- */

static void set_selector(struct notify_party *party, const char *label)
{
	const char *equals = strchr(label, '=');
	CLEANUP(json_putp) struct json_object *obj = json_object_new_object();
	CLEANUP(free_charp) char *key = xstrndup(label, strcspn(label, "="));

	json_add_str(obj, key, equals ? equals + 1 : "");
	snprintf(party->selector, sizeof(party->selector), "%s", json_text(obj, NULL));
}

static bool read_trust(struct notify_parties *parties, struct notify_party *party,
		       const char *ca_file, struct err *err)
{
	if (!ca_file && !parties->everybody)
		parties->everybody = tls_trust_read_blocking(NULL, err);
	party->trust = ca_file              ? tls_trust_read_blocking(ca_file, err)
		       : parties->everybody ? tls_trust_ref(parties->everybody)
					    : NULL;
	return party->trust || err_wrap(err, "ca_file");
}

static bool fill(struct notify_parties *parties, struct notify_party *party,
		 const struct notify_setting *setting, struct err *err)
{
	if (!setting->command && (!read_secret(party, setting->secret_file, err) ||
				  !read_trust(parties, party, setting->ca_file, err)))
		return false;
	snprintf(party->name, sizeof(party->name), "%s", setting->name);
	party->url = setting->url ? xstrdup(setting->url) : NULL;
	party->command = setting->command ? xstrdup(setting->command) : NULL;
	party->timeout_ms = (uint32_t)setting->timeout_ms;
	party->may_delay_s = setting->may_delay_s;
	party->before = setting->before;
	party->after = setting->after;
	if (setting->label)
		set_selector(party, setting->label);
	return true;
}

bool notify_parties_add_blocking(struct notify_parties *parties,
				 const struct notify_setting *setting, struct err *err)
{
	struct notify_party *party = &parties->list[parties->count];

	if (parties->count == ARRAY_LEN(parties->list))
		return err_set(err, ERR_LIMIT, "more than %d parties are to be notified",
			       NOTICE_PARTIES_MAX);
	if (!fill(parties, party, setting, err)) {
		secret_wipe(party, sizeof(*party));
		return err_wrap(err, "[%s %s]", setting->section ? setting->section : "notify",
				setting->name);
	}
	parties->count++;
	return true;
}

const struct notify_party *notify_parties_next(const struct notify_parties *parties,
					       const struct notify_party *after)
{
	const struct notify_party *next = after ? after + 1 : parties->list;

	return next < parties->list + parties->count ? next : NULL;
}

const struct notify_party *notify_parties_find(const struct notify_parties *parties,
					       const char *name)
{
	for (size_t i = 0; i < parties->count; i++)
		if (strcmp(parties->list[i].name, name) == 0)
			return &parties->list[i];
	return NULL;
}
