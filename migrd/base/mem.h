/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/mem.h -- allocation and cleanup attributes.
 *
 * Small allocations abort on exhaustion: QEMU goes on without us, and the job
 * table lets a restart resume.  What an outsider can size is limited before it
 * is allocated.  Thread: any.
 */
#ifndef MIGRD_BASE_MEM_H
#define MIGRD_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
/* Moves a pointer out of a CLEANUP variable. */
#define TAKE_PTR(p)                \
	({                         \
		__typeof__(p) t_ = (p); \
		(p) = NULL;        \
		t_;                \
	})
#define TAKE_FD(fd)        \
	({                 \
		int t_ = (fd); \
		(fd) = -1; \
		t_;        \
	})

void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/* Gives memory that was freed back to the kernel: after something large and seldom, which would
 * stay with the process. */
void mem_trim(void);

static inline void free_charp(char **p)
{
	free(*p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
