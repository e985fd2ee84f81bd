/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SIZE_FIRST 64

static void grow(struct strbuf *sb, size_t n)
{
	size_t size = sb->size ? sb->size : SIZE_FIRST;

	if (n > SIZE_MAX / 4 || sb->len > SIZE_MAX / 4)
		abort();
	while (size < sb->len + n + 1)
		size *= 2;
	sb->data = xrealloc(sb->data, size);
	sb->size = size;
}

/* Makes room for N more bytes and the end. */
static inline void reserve(struct strbuf *sb, size_t n)
{
	if (n >= sb->size - sb->len)
		grow(sb, n);
}

void strbuf_fini(struct strbuf *sb)
{
	free(sb->data);
	*sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	reserve(sb, len);
	if (len)
		memcpy(sb->data + sb->len, data, len);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	reserve(sb, 0);
	n = vsnprintf(sb->data + sb->len, sb->size - sb->len, fmt, ap);
	if (n < 0)
		abort();
	if ((size_t)n >= sb->size - sb->len) {
		reserve(sb, (size_t)n);
		vsnprintf(sb->data + sb->len, sb->size - sb->len, fmt, again);
	}
	sb->len += (size_t)n;
	va_end(again);
}

void strbuf_consume(struct strbuf *sb, size_t n)
{
	if (n >= sb->len) {
		strbuf_clear(sb);
		return;
	}
	memmove(sb->data, sb->data + n, sb->len - n + 1);
	sb->len -= n;
}

void strbuf_clear(struct strbuf *sb)
{
	sb->len = 0;
	if (sb->data)
		sb->data[0] = '\0';
}

const char *strbuf_str(const struct strbuf *sb)
{
	return sb->data ? sb->data : "";
}

char *strbuf_take(struct strbuf *sb)
{
	char *text = sb->data ? sb->data : xstrdup("");

	*sb = (struct strbuf)STRBUF_INIT;
	return text;
}
