/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/sections.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/notice.h"

static_assert(HOOK_SECTIONS_MAX <= NOTICE_PARTIES_MAX, "each may have a url");

struct hook_sections {
	struct hook_section list[HOOK_SECTIONS_MAX];
	size_t count;
	char *conductors; /* NULL: none */
	struct notify_parties *parties;
};

struct hook_sections *hook_sections_new(const char *conductors)
{
	struct hook_sections *sections = xnew(struct hook_sections);

	sections->conductors = conductors ? xstrdup(conductors) : NULL;
	sections->parties = notify_parties_new();
	return sections;
}

void hook_sections_free(struct hook_sections *sections)
{
	if (!sections)
		return;
	for (size_t i = 0; i < sections->count; i++) {
		free(sections->list[i].program);
		free(sections->list[i].only_if);
		free(sections->list[i].url);
	}
	free(sections->conductors);
	notify_parties_free(sections->parties);
	free(sections);
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static bool add_party(struct hook_sections *sections, const struct hook_setting *setting,
		      struct err *err)
{
	return notify_parties_add_blocking(sections->parties,
					   &(struct notify_setting){
						   .name = setting->name,
						   .section = "hook",
						   .url = setting->url,
						   .secret_file = setting->secret_file,
						   .ca_file = setting->ca_file,
						   .timeout_ms = setting->timeout_s * 1000 },
					   err);
}

bool hook_sections_add_blocking(struct hook_sections *sections, const struct hook_setting *setting,
				struct err *err)
{
	struct hook_section *section = &sections->list[sections->count];

	if (sections->count == HOOK_SECTIONS_MAX)
		return err_set(err, ERR_LIMIT, "there are more than %d hooks", HOOK_SECTIONS_MAX);
	if (setting->url && !add_party(sections, setting, err))
		return false;
	snprintf(section->name, sizeof(section->name), "%s", setting->name);
	section->program = copy(setting->program);
	section->only_if = copy(setting->only_if);
	section->url = copy(setting->url);
	section->timeout_s = setting->timeout_s;
	section->reboots = setting->reboots;
	section->restarts = setting->restarts;
	sections->count++;
	return true;
}

const struct hook_section *hook_sections_next(const struct hook_sections *sections,
					      const struct hook_section *after)
{
	const struct hook_section *next = after ? after + 1 : sections->list;

	return next < sections->list + sections->count ? next : NULL;
}

const struct hook_section *hook_sections_find(const struct hook_sections *sections,
					      const char *name)
{
	for (size_t i = 0; i < sections->count; i++)
		if (strcmp(sections->list[i].name, name) == 0)
			return &sections->list[i];
	return NULL;
}

bool hook_sections_names_conductor(const struct hook_sections *sections, const char *host)
{
	return id_list_has(sections->conductors, host);
}

struct notify_parties *hook_sections_take_parties(struct hook_sections *sections)
{
	return TAKE_PTR(sections->parties);
}
