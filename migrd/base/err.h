/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/err.h -- the one error type.
 *
 * Fixed size, on the caller's stack, copied freely between threads, owned by
 * nobody.  A function that can fail returns bool (true = done) or a pointer and
 * takes `struct err *err' last, never NULL.  Success leaves *err alone; failure
 * sets it and leaves every ret_ output alone.
 *
 * Messages: lower case, no full stop, names in '...', units on numbers; they
 * say what to do where the reader can do something.
 *
 * Thread: any.
 */
#ifndef MIGRD_BASE_ERR_H
#define MIGRD_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*        code             name                  HTTP  exit  retry   meaning */
#define ERR_CODES(X)                                                                           \
	X(NONE, "none", 200, 0, false, "no error")                                             \
	X(INTERNAL, "internal", 500, 1, false, "a fault of migrd itself")                      \
	X(INVALID, "invalid", 400, 2, false, "the input is wrong")                             \
	X(UNAUTHORIZED, "unauthorized", 401, 3, false, "no acceptable certificate")            \
	X(FORBIDDEN, "forbidden", 403, 3, false, "not allowed, to this role or to anybody")    \
	X(NOT_FOUND, "not-found", 404, 4, false, "there is no such object")                    \
	X(METHOD, "method-not-allowed", 405, 2, false, "the route has no such method")         \
	X(KEY_REUSED, "key-reused", 422, 5, false, "the Idempotency-Key is another request's") \
	X(EXISTS, "exists", 409, 5, false, "the name is taken")                                \
	X(CONFLICT, "conflict", 409, 5, false, "the object's state forbids it")                \
	X(BUSY, "busy", 409, 5, true, "a job holds the object")                                \
	X(TOO_LATE, "too-late", 409, 5, false, "the point of no return is past")               \
	X(TOO_LARGE, "too-large", 413, 2, false, "over a size limit")                          \
	X(MEDIA_TYPE, "media-type", 415, 2, false, "the body is not JSON")                     \
	X(PROTOCOL, "protocol-mismatch", 426, 6, false, "no common protocol version")          \
	X(LIMIT, "limit", 429, 7, true, "a limit of this host is reached")                     \
	X(QEMU, "qemu-error", 502, 8, false, "QEMU refused or failed")                         \
	X(AGENT, "agent-error", 502, 8, false, "the guest agent refused or failed")            \
	X(PEER, "peer-error", 502, 8, true, "the other coordinator failed")                    \
	X(REFUSED, "refused", 409, 8, false, "the other host refused")                         \
	X(UNAVAILABLE, "unavailable", 503, 9, true, "not there at the moment")                 \
	X(TIMEOUT, "timeout", 504, 10, true, "a deadline passed")                              \
	X(CANCELLED, "cancelled", 409, 11, false, "cancelled on request")                      \
	X(STORE, "store", 500, 12, false, "the state database failed")                         \
	X(NO_SPACE, "no-space", 507, 12, true, "memory or disk is used up")

enum err_code {
#define X(code, name, http, exit, retry, meaning) ERR_##code,
	ERR_CODES(X)
#undef X
		ERR_CODE_COUNT
};

#define ERR_MSG_SIZE 2048
#define ERR_CUT_MARK " [cut]" /* ends a text that was cut */

struct err {
	enum err_code code;
	char msg[ERR_MSG_SIZE]; /* ends with a NUL; longer text is cut, and marked */
};

/* All three return false, so that a failing function can end with one. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts text in front: "TEXT: old message"; keeps the code. */
bool err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "TEXT: strerror(errno)"; the code is NO_SPACE for ENOSPC, INTERNAL otherwise. */
bool err_errno(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Formats a text of the same size, cut and marked in the same way; an argument may be the old
 * text. */
void err_text(char ret_text[ERR_MSG_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void err_vtext(char ret_text[ERR_MSG_SIZE], const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Shows the compiler that the result is always false, so that an output set only on
 * success gives no "maybe uninitialized" warning in the caller. */
static inline bool err_false(bool always_false)
{
	(void)always_false;
	return false;
}
#define err_set(...)   err_false((err_set)(__VA_ARGS__))
#define err_wrap(...)  err_false((err_wrap)(__VA_ARGS__))
#define err_errno(...) err_false((err_errno)(__VA_ARGS__))

static inline bool err_is_set(const struct err *err)
{
	return err->code != ERR_NONE;
}

const char *err_name(enum err_code code);
int err_http_status(enum err_code code);
int err_exit_code(enum err_code code);
/* The inverse of err_name(); ERR_INTERNAL for a name of a newer version. */
enum err_code err_from_name(const char *name);

#endif
