/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/reasons.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/strbuf.h"

/* ---- more than there is room for --------------------------------------------------- */

static struct preflight_reason *row_of_more(struct preflight_reasons *reasons, bool is_warning)
{
	struct preflight_reason *row;

	for (size_t i = PREFLIGHT_REASONS_MAX; i < reasons->count; i++)
		if (reasons->list[i].is_warning == is_warning)
			return &reasons->list[i];
	row = &reasons->list[reasons->count++];
	row->is_warning = is_warning;
	snprintf(row->check, sizeof(row->check), "more");
	return row;
}

static void leave_out(struct preflight_reasons *reasons, bool is_warning)
{
	size_t count = ++reasons->left_out[is_warning];

	err_text(row_of_more(reasons, is_warning)->text,
		 "%zu more %s%s, told when some of the others are gone", count,
		 is_warning ? "warning" : "reason", count == 1 ? "" : "s");
}

static struct preflight_reason *last_warning(struct preflight_reasons *reasons)
{
	for (size_t i = PREFLIGHT_REASONS_MAX; i > 0; i--)
		if (reasons->list[i - 1].is_warning)
			return &reasons->list[i - 1];
	return NULL;
}

/* In a full list one that blocks takes the place of a warning.  NULL: it was only counted. */
static struct preflight_reason *place_for(struct preflight_reasons *reasons, bool is_warning)
{
	struct preflight_reason *place = NULL;

	if (reasons->count < PREFLIGHT_REASONS_MAX)
		return &reasons->list[reasons->count++];
	if (!is_warning)
		place = last_warning(reasons);
	leave_out(reasons, is_warning || place);
	return place;
}

/* ---- one more ------------------------------------------------------------------------ */

__attribute__((format(printf, 4, 0))) static void
add(struct preflight_reasons *reasons, bool is_warning, const char *check, const char *fmt,
    va_list ap)
{
	struct preflight_reason *reason = place_for(reasons, is_warning);

	if (!reason)
		return;
	reason->is_warning = is_warning;
	snprintf(reason->check, sizeof(reason->check), "%s", check);
	err_vtext(reason->text, fmt, ap);
}

void preflight_add(struct preflight_reasons *reasons, const char *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(reasons, false, check, fmt, ap);
	va_end(ap);
}

void preflight_warn(struct preflight_reasons *reasons, const char *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(reasons, true, check, fmt, ap);
	va_end(ap);
}

/* ---- all of them ---------------------------------------------------------------------- */

/* A row `more' stands for what is left out. */
static size_t count_blocking(const struct preflight_reasons *reasons)
{
	size_t count = reasons->left_out[false];

	for (size_t i = 0; i < reasons->count && i < PREFLIGHT_REASONS_MAX; i++)
		count += !reasons->list[i].is_warning;
	return count;
}

bool preflight_blocks(const struct preflight_reasons *reasons)
{
	return count_blocking(reasons) > 0;
}

bool preflight_to_err(const struct preflight_reasons *reasons, struct err *err)
{
	struct strbuf text = STRBUF_INIT;
	size_t count = count_blocking(reasons);
	bool is_first = true;

	if (count > 1)
		strbuf_addf(&text, "%zu reasons: ", count);
	for (size_t i = 0; i < reasons->count; i++) {
		if (reasons->list[i].is_warning)
			continue;
		strbuf_addf(&text, "%s%s", is_first ? "" : "; ", reasons->list[i].text);
		is_first = false;
	}
	err_set(err, ERR_CONFLICT, "%s", strbuf_str(&text));
	strbuf_fini(&text);
	return false;
}
