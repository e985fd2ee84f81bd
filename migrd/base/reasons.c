/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/reasons.h"

#include <stdarg.h>

void reasons_add(struct reasons *reasons, const char *fmt, ...)
{
	va_list ap;

	strbuf_adds(&reasons->text, reasons->count++ ? "; " : "");
	va_start(ap, fmt);
	strbuf_vaddf(&reasons->text, fmt, ap);
	va_end(ap);
}

bool reasons_none(struct reasons *reasons, const char *what, struct err *err)
{
	if (reasons->count)
		err_set(err, ERR_CONFLICT, "%s: %s", what, strbuf_str(&reasons->text));
	strbuf_fini(&reasons->text);
	return !reasons->count;
}
