/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/web_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* ---- the head ----------------------------------------------------------------- */

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
/* What a migrd makes something of; all else stays here, the cookie above all. */
static const char *const passed[] = { "Accept",   "Content-Type",  "Idempotency-Key",
				      "If-Match", "If-None-Match", "Last-Event-ID",
				      "Prefer" };

static bool is_one_of(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(list[i], text) == 0)
			return true;
	return false;
}

/* Printable, without blanks: what a target or a header's name may consist of at most. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < 0x21 || *text > 0x7e)
			return false;
	return true;
}

static bool is_value(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 && *text != '\t')
			return false;
	return true;
}

/* The line at *AT, ended by a NUL; *AT goes behind its CR LF. */
static char *take_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	*end = '\0';
	*at = end + 2;
	return line;
}

static bool parse_first(char *line, struct web_request *ret, const char **ret_why)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;

	*ret_why = "this is no request of HTTP/1.1";
	if (!version || strcmp(version + 1, "HTTP/1.1") != 0)
		return false;
	*target++ = '\0';
	*version = '\0';
	ret->method = line;
	ret->target = target;
	if (*target != '/' || !is_plain(target) || strchr(target, '#'))
		return false;
	*ret_why = "this method is not passed on";
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i], line) == 0)
			return true;
	return false;
}

static bool parse_length(const char *text, size_t *ret)
{
	*ret = 0;
	if (!*text || strlen(text) > 9)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*ret = *ret * 10 + (size_t)(*text - '0');
	}
	return *ret <= WEB_BODY_MAX;
}

/* Those that are looked at stand once at most: two could be read in two ways. */
static bool set_once(const char **member, const char *value, const char **ret_why)
{
	*ret_why = "a header stands twice";
	if (*member)
		return false;
	*member = value;
	return true;
}

static bool parse_header(char *line, struct web_request *ret, size_t *count, const char **length,
			 const char **ret_why)
{
	char *colon = strchr(line, ':');
	char *value = colon ? colon + 1 + strspn(colon + 1, " \t") : NULL;

	*ret_why = "a header is malformed";
	if (!colon || colon == line || !is_value(value))
		return false;
	*colon = '\0';
	if (!is_plain(line))
		return false;
	if (strcasecmp(line, "Host") == 0)
		return set_once(&ret->host, value, ret_why);
	if (strcasecmp(line, "Origin") == 0)
		return set_once(&ret->origin, value, ret_why);
	if (strcasecmp(line, "Sec-Fetch-Site") == 0)
		return set_once(&ret->site, value, ret_why);
	if (strcasecmp(line, "Cookie") == 0)
		return set_once(&ret->cookies, value, ret_why);
	if (strcasecmp(line, "Content-Length") == 0)
		return set_once(length, value, ret_why);
	*ret_why = "a body in chunks is not taken";
	if (strcasecmp(line, "Transfer-Encoding") == 0)
		return false;
	*ret_why = "there are too many headers";
	if (!is_one_of(passed, ARRAY_LEN(passed), line))
		return true;
	*colon = ':';
	if (*count == WEB_LINES_MAX - 1)
		return false;
	ret->lines[(*count)++] = line;
	return true;
}

enum web_parsed web_request_parse(char *head, size_t len, struct web_request *ret,
				  const char **ret_why)
{
	char *end = strstr(head, "\r\n\r\n"), *at = head;
	const char *length = NULL;
	size_t count = 0;

	*ret = (struct web_request){ 0 };
	*ret_why = "the head of the request is too long, or no text";
	if (!end)
		return len >= WEB_HEAD_MAX || strlen(head) < len ? WEB_MALFORMED : WEB_INCOMPLETE;
	ret->head_len = (size_t)(end - head) + 4;
	if (ret->head_len > WEB_HEAD_MAX)
		return WEB_MALFORMED;
	if (!parse_first(take_line(&at), ret, ret_why))
		return WEB_MALFORMED;
	while (at < end + 2)
		if (!parse_header(take_line(&at), ret, &count, &length, ret_why))
			return WEB_MALFORMED;
	*ret_why = "the length of the body is no number, or too large";
	if (length && !parse_length(length, &ret->body_len))
		return WEB_MALFORMED;
	return WEB_COMPLETE;
}

/* ---- who asks ----------------------------------------------------------------- */

/* Takes as long whatever TEXT is; LEN bytes of it count. */
static bool is_secret(const char *secret, const char *text, size_t len)
{
	unsigned differs = 0;

	if (!*secret || len != WEB_SECRET_SIZE - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)secret[i] ^ (unsigned char)text[i];
	return differs == 0;
}

/* HOST is this port of 127.0.0.1, and ORIGIN its page.  A browser leaves the usual port out. */
static bool is_own_host(const struct web_gate *gate, const char *host)
{
	char by_number[32], by_name[32], port[8] = "";

	if (gate->port != 80)
		snprintf(port, sizeof(port), ":%u", gate->port);
	snprintf(by_number, sizeof(by_number), "127.0.0.1%s", port);
	snprintf(by_name, sizeof(by_name), "localhost%s", port);
	return host && (strcmp(host, by_number) == 0 || strcasecmp(host, by_name) == 0);
}

static bool is_own_origin(const struct web_request *request)
{
	static const char scheme[] = "http://";

	return strncmp(request->origin, scheme, strlen(scheme)) == 0 &&
	       strcasecmp(request->origin + strlen(scheme), request->host) == 0;
}

/* A browser of today says whose page asks; what it opens itself is `none'. */
static bool is_own_site(const struct web_request *request)
{
	return !request->site || strcmp(request->site, "same-origin") == 0 ||
	       strcmp(request->site, "none") == 0;
}

static bool has_cookie(const struct web_gate *gate, const char *cookies)
{
	char name[32];
	size_t name_len = (size_t)snprintf(name, sizeof(name), "migrctl-%u=", gate->port);

	while (cookies && *cookies) {
		size_t len;

		cookies += strspn(cookies, "; ");
		len = strcspn(cookies, ";");
		if (len > name_len && strncmp(cookies, name, name_len) == 0 &&
		    is_secret(gate->cookie, cookies + name_len, len - name_len))
			return true;
		cookies += len;
	}
	return false;
}

/* ---- whether it may ------------------------------------------------------------ */

static bool is_below(const char *target, const char *path)
{
	size_t len = strlen(path);

	return strncmp(target, path, len) == 0 &&
	       (path[len - 1] == '/' || target[len] == '\0' || strchr("/?", target[len]));
}

static bool comes_from_page(const struct web_gate *gate, const struct web_request *request,
			    const char **ret_why)
{
	bool is_read = strcmp(request->method, "GET") == 0;

	*ret_why = "the address is not that which migrctl has printed";
	if (!is_own_host(gate, request->host))
		return false;
	*ret_why = "a page of somebody else may not ask here";
	if (request->origin ? !is_own_origin(request) : !is_read)
		return false;
	return true;
}

enum web_verdict web_request_judge(struct web_gate *gate, const struct web_request *request,
				   const char **ret_why)
{
	static const char enter[] = "/?token=";
	const char *target = request->target;

	if (!comes_from_page(gate, request, ret_why))
		return WEB_REFUSE;
	if (strncmp(target, enter, strlen(enter)) == 0) {
		target += strlen(enter);
		*ret_why = "this address was used already, or is not that which migrctl has "
			   "printed: start `migrctl web' again for another";
		if (!is_secret(gate->token, target, strlen(target)))
			return has_cookie(gate, request->cookies) ? WEB_HOME : WEB_REFUSE;
		gate->token[0] = '\0';
		return WEB_ENTER;
	}
	*ret_why = "open the address that `migrctl web' has printed";
	if (!is_own_site(request) || !has_cookie(gate, request->cookies))
		return WEB_REFUSE;
	if (strcmp(target, "/") == 0)
		return WEB_HOME;
	*ret_why = "there is no such path";
	return is_below(target, "/ui") || is_below(target, "/v1/") ? WEB_PASS : WEB_NOT_FOUND;
}
