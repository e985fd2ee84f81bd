/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/sections.h -- what the configuration says of hooks, and who may ask for them.
 *
 * One set is what the configuration and the files of secrets said when they were read; it does not
 * change.  A reload makes another.  Thread: any.
 */
#ifndef MIGRD_HOOK_SECTIONS_H
#define MIGRD_HOOK_SECTIONS_H

#include "base/id.h"
#include "notify/parties.h"

#define HOOK_SECTIONS_MAX 16 /* as many as there can be parties */

struct hook_section {
	char name[ID_NAME_SIZE];
	char *program, *only_if; /* an absolute path and arguments with blanks between, or NULL */
	char *url;               /* instead of the program, or NULL */
	uint64_t timeout_s;
	bool reboots, restarts;
};

struct hook_sections;

/* CONDUCTORS: host ids with commas between; NULL: none. */
struct hook_sections *hook_sections_new(const char *conductors);
void hook_sections_free(struct hook_sections *sections); /* accepts NULL */

struct hook_setting {
	const char *name, *program, *only_if, *url, *secret_file, *ca_file; /* or NULL */
	uint64_t timeout_s;
	bool reboots, restarts;
};
/* Reads the secret and the authorities of a url, as notify_parties_add_blocking().  INVALID names
 * the section and the file; LIMIT. */
bool hook_sections_add_blocking(struct hook_sections *sections, const struct hook_setting *setting,
				struct err *err);

/* In the order of the configuration; AFTER NULL: the first.  NULL: that was the last. */
const struct hook_section *hook_sections_next(const struct hook_sections *sections,
					      const struct hook_section *after);
const struct hook_section *hook_sections_find(const struct hook_sections *sections,
					      const char *name); /* or NULL */
bool hook_sections_names_conductor(const struct hook_sections *sections, const char *host);
/* The urls, as parties of the names of their hooks; the caller owns them, and gets them once. */
struct notify_parties *hook_sections_take_parties(struct hook_sections *sections);

#endif
