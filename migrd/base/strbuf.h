/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/strbuf.h -- a growing byte buffer, always ended by a NUL beyond `len'.
 * Thread: any; one owner at a time. */
#ifndef MIGRD_BASE_STRBUF_H
#define MIGRD_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *data; /* never NULL once something was added */
	size_t len;
	size_t size;
};

#define STRBUF_INIT { NULL, 0, 0 }

void strbuf_fini(struct strbuf *sb);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Drops the first N bytes. */
void strbuf_consume(struct strbuf *sb, size_t n);
void strbuf_clear(struct strbuf *sb);
/* The text, "" if nothing was added; stays the buffer's. */
const char *strbuf_str(const struct strbuf *sb);
/* The text, owned by the caller; the buffer is empty again. */
char *strbuf_take(struct strbuf *sb);

#endif
