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

/* code, name, HTTP status, exit status, retry (0: the same request cannot succeed later;
 * else: after so many seconds it may, as Retry-After says), meaning */
#define ERR_CODES(X)                                                                       \
	X(NONE, "none", 200, 0, 0, "no error")                                             \
	X(INTERNAL, "internal", 500, 1, 0, "a fault of migrd itself")                      \
	X(INVALID, "invalid", 400, 2, 0, "the input is wrong")                             \
	X(UNAUTHORIZED, "unauthorized", 401, 3, 0, "no acceptable certificate")            \
	X(FORBIDDEN, "forbidden", 403, 3, 0, "not allowed, to this role or to anybody")    \
	X(NOT_FOUND, "not-found", 404, 4, 0, "there is no such object")                    \
	X(METHOD, "method-not-allowed", 405, 2, 0, "the route has no such method")         \
	X(KEY_REUSED, "key-reused", 422, 5, 0, "the Idempotency-Key is another request's") \
	X(EXISTS, "exists", 409, 5, 0, "the name is taken")                                \
	X(CONFLICT, "conflict", 409, 5, 0, "the object's state forbids it")                \
	X(PRECONDITION, "precondition-failed", 412, 5, 0, "If-Match does not hold")        \
	X(BUSY, "busy", 409, 5, 1, "a job holds the object")                               \
	X(TOO_LATE, "too-late", 409, 5, 0, "the point of no return is past")               \
	X(TOO_LARGE, "too-large", 413, 2, 0, "over a size limit")                          \
	X(MEDIA_TYPE, "media-type", 415, 2, 0, "the body is not JSON")                     \
	X(PROTOCOL, "protocol-mismatch", 426, 6, 0, "no common protocol version")          \
	X(LIMIT, "limit", 429, 7, 5, "a limit of this host is reached")                    \
	X(QEMU, "qemu-error", 502, 8, 0, "QEMU refused or failed")                         \
	X(AGENT, "agent-error", 502, 8, 0, "the guest agent refused or failed")            \
	X(PEER, "peer-error", 502, 8, 5, "the other coordinator failed")                   \
	X(HOOK, "hook-failed", 502, 8, 0, "a hook of the host failed, or may have")        \
	X(REFUSED, "refused", 409, 8, 0, "the other host refused")                         \
	X(UNAVAILABLE, "unavailable", 503, 9, 2, "not there at the moment")                \
	X(TIMEOUT, "timeout", 504, 10, 1, "a deadline passed")                             \
	X(CANCELLED, "cancelled", 409, 11, 0, "cancelled on request")                      \
	X(STORE, "store", 500, 12, 0, "the state database failed")                         \
	X(NO_SPACE, "no-space", 507, 12, 30, "memory or disk is used up")

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
/* After so many seconds the same request may succeed; 0: it cannot. */
unsigned err_retry_s(enum err_code code);
/* The inverse of err_name(); ERR_INTERNAL for a name of a newer version. */
enum err_code err_from_name(const char *name);

#endif
