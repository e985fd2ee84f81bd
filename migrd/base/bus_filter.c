/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bus_filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void bus_filter_fini(struct bus_filter *filter)
{
	free(TAKE_PTR(filter->types));
}

static bool is_named(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && (at[len] == '\0' || at[len] == ','))
			return true;
	}
	return false;
}

static bool is_of_host(const struct bus_about *about, const char *host, const char *own)
{
	bool names_any = false;

	for (size_t i = 0; i < BUS_HOSTS_MAX; i++) {
		if (strcmp(about->hosts[i], host) == 0)
			return true;
		names_any = names_any || about->hosts[i][0];
	}
	return !names_any && strcmp(host, own) == 0;
}

bool bus_filter_passes(const struct bus_filter *filter, const struct bus_event *event,
		       const char *own)
{
	const struct bus_about *about = event->about;

	return (!filter->types || is_named(filter->types, event->type)) &&
	       (!filter->vm[0] || strcmp(about->vm, filter->vm) == 0) &&
	       (!filter->move[0] || strcmp(about->move, filter->move) == 0) &&
	       (!filter->host[0] || is_of_host(about, filter->host, own));
}
