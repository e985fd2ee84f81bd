/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/events.h"

#include "base/mem.h"

static const struct event_row {
	const char *name;
	unsigned flags;
} events[] = {
#define X(name, flags) { #name, (flags) },
	QMP_EVENTS(X)
#undef X
};

static int compare_name(const void *name, const void *row)
{
	return strcmp(name, ((const struct event_row *)row)->name);
}

enum qmp_event_type qmp_event_type_from_name(const char *name)
{
	const struct event_row *row = NULL;

	if (name)
		row = bsearch(name, events, ARRAY_LEN(events), sizeof(events[0]), compare_name);
	return row ? (enum qmp_event_type)(row - events) : QMP_EVENT_TYPE_UNKNOWN;
}

const char *qmp_event_type_name(enum qmp_event_type type)
{
	return type < QMP_EVENT_TYPE_COUNT ? events[type].name : "UNKNOWN";
}

unsigned qmp_event_type_flags(enum qmp_event_type type)
{
	return type < QMP_EVENT_TYPE_COUNT ? events[type].flags : 0;
}
