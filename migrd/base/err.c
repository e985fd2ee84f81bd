/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static const struct err_def {
	const char *name;
	int http_status;
	int exit_code;
	unsigned retry_s;
} err_defs[ERR_CODE_COUNT] = {
#define X(code, name, http, exit, retry, meaning) [ERR_##code] = { name, http, exit, retry },
	ERR_CODES(X)
#undef X
};

static const struct err_def *def_of(enum err_code code)
{
	return &err_defs[code < ERR_CODE_COUNT ? code : ERR_INTERNAL];
}

/* A character cut in half would make JSON with this text invalid. */
static void mark_cut(char msg[ERR_MSG_SIZE])
{
	msg[ERR_MSG_SIZE - sizeof(ERR_CUT_MARK)] = '\0';
	utf8_trim(msg);
	memcpy(msg + strlen(msg), ERR_CUT_MARK, sizeof(ERR_CUT_MARK));
}

/* Appends at *len; long text is cut. */
static __attribute__((format(printf, 3, 0))) void append(char msg[ERR_MSG_SIZE], size_t *len,
							 const char *fmt, va_list ap)
{
	int n = vsnprintf(msg + *len, ERR_MSG_SIZE - *len, fmt, ap);

	if (n < 0)
		return;
	if ((size_t)n < ERR_MSG_SIZE - *len) {
		*len += (size_t)n;
		return;
	}
	mark_cut(msg);
	*len = strlen(msg);
}

/* append() with its arguments given directly. */
static __attribute__((format(printf, 3, 4))) void append_tail(char msg[ERR_MSG_SIZE], size_t *len,
							      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(msg, len, fmt, ap);
	va_end(ap);
}

bool(err_set)(struct err *err, enum err_code code, const char *fmt, ...)
{
	char msg[ERR_MSG_SIZE] = "";
	size_t len = 0;
	va_list ap;

	assert(code != ERR_NONE);
	va_start(ap, fmt);
	append(msg, &len, fmt, ap);
	va_end(ap);
	/* Built in a buffer of its own: an argument may be the old err->msg. */
	err->code = code;
	memcpy(err->msg, msg, sizeof(msg));
	return false;
}

bool(err_wrap)(struct err *err, const char *fmt, ...)
{
	char msg[ERR_MSG_SIZE] = "";
	size_t len = 0;
	va_list ap;

	assert(err_is_set(err));
	va_start(ap, fmt);
	append(msg, &len, fmt, ap);
	va_end(ap);
	append_tail(msg, &len, ": %s", err->msg);
	memcpy(err->msg, msg, sizeof(msg));
	return false;
}

bool(err_errno)(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	char msg[ERR_MSG_SIZE] = "";
	char reason[128];
	size_t len = 0;
	va_list ap;

	va_start(ap, fmt);
	append(msg, &len, fmt, ap);
	va_end(ap);
	append_tail(msg, &len, ": %s", strerror_r(saved, reason, sizeof(reason)));
	err->code = saved == ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL;
	memcpy(err->msg, msg, sizeof(msg));
	return false;
}

void err_vtext(char ret_text[ERR_MSG_SIZE], const char *fmt, va_list ap)
{
	char text[ERR_MSG_SIZE] = "";
	size_t len = 0;

	append(text, &len, fmt, ap);
	memcpy(ret_text, text, sizeof(text));
}

void err_text(char ret_text[ERR_MSG_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vtext(ret_text, fmt, ap);
	va_end(ap);
}

const char *err_name(enum err_code code)
{
	return def_of(code)->name;
}

int err_http_status(enum err_code code)
{
	return def_of(code)->http_status;
}

int err_exit_code(enum err_code code)
{
	return def_of(code)->exit_code;
}

unsigned err_retry_s(enum err_code code)
{
	return def_of(code)->retry_s;
}

enum err_code err_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(err_defs); i++)
		if (strcmp(err_defs[i].name, name) == 0)
			return (enum err_code)i;
	return ERR_INTERNAL;
}
