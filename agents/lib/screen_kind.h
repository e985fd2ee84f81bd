/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/screen_kind.h -- what kind of terminal standard output is, by $TERM.  Thread: main. */
#ifndef MIGRD_LIB_SCREEN_KIND_H
#define MIGRD_LIB_SCREEN_KIND_H

#include <stdbool.h>

/* The cursor can be sent to any place: without that there is no page. */
bool screen_kind_has_pages(void);

#endif
