/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_path.h"
#include "base/mem.h"
#include "base/utf8.h"

struct faults *faults_new(void)
{
	return xnew(struct faults);
}

void faults_free(struct faults *faults)
{
	if (faults)
		free(faults->list);
	free(faults);
}

/* Room for one more, up to FAULT_MAX. */
static void grow(struct faults *faults)
{
	if (faults->count < faults->size)
		return;
	faults->size = faults->size ? 2 * faults->size : 1;
	faults->list = xrealloc(faults->list, faults->size * sizeof(*faults->list));
}

static __attribute__((format(printf, 3, 0))) void
faults_vadd(struct faults *faults, const char *pointer, const char *fmt, va_list ap)
{
	struct fault *fault;

	if (faults->count >= FAULT_MAX) {
		faults->count++;
		return;
	}
	grow(faults);
	fault = &faults->list[faults->count++];
	snprintf(fault->pointer, sizeof(fault->pointer), "%s", pointer);
	vsnprintf(fault->detail, sizeof(fault->detail), fmt, ap);
	utf8_trim(fault->pointer);
	utf8_trim(fault->detail);
}

void faults_add(struct faults *faults, const char *pointer, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	faults_vadd(faults, pointer, fmt, ap);
	va_end(ap);
}

bool faults_to_err(const struct faults *faults, struct err *err)
{
	char text[ERR_MSG_SIZE] = "";
	size_t len = 0, kept = faults->count < FAULT_MAX ? faults->count : FAULT_MAX;

	if (faults->count > 1)
		len = (size_t)snprintf(text, sizeof(text), "%zu faults: ", faults->count);
	for (size_t i = 0; i < kept && len < sizeof(text); i++) {
		const struct fault *fault = &faults->list[i];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s", i ? "; " : "",
					fault->pointer, fault->pointer[0] ? ": " : "",
					fault->detail);
	}
	utf8_trim(text);
	return err_set(err, ERR_INVALID, "%s", text);
}

/* Appends as much of KEY as fits, escaped as in RFC 6901, section 3. */
static size_t add_escaped(char *buf, size_t len, size_t size, const char *key)
{
	for (; *key && len + 2 < size; key++) {
		if (*key == '~' || *key == '/') {
			buf[len++] = '~';
			buf[len++] = *key == '~' ? '0' : '1';
		} else {
			buf[len++] = *key;
		}
	}
	buf[len] = '\0';
	return len;
}

static size_t format_path(const struct json_path *path, char *buf, size_t size)
{
	size_t len;

	if (!path->up) {
		snprintf(buf, size, "%s", path->key);
		return strlen(buf);
	}
	len = format_path(path->up, buf, size);
	if (len + 3 > size)
		return len;
	buf[len++] = '/';
	if (path->key)
		return add_escaped(buf, len, size, path->key);
	snprintf(buf + len, size - len, "%zu", path->index);
	return strlen(buf);
}

void json_path_fault(const struct json_path *path, struct faults *faults, const char *fmt, ...)
{
	char pointer[sizeof(faults->list[0].pointer)];
	va_list ap;

	if (faults->count >= FAULT_MAX) { /* too many to keep: only counted */
		faults->count++;
		return;
	}
	format_path(path, pointer, sizeof(pointer));
	va_start(ap, fmt);
	faults_vadd(faults, pointer, fmt, ap);
	va_end(ap);
}
