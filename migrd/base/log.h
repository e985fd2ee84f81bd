/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/log.h -- one record a line on stderr, key=value.
 *
 *   log_info("move", "state", "move=%s from=%s to=%s", id, from, to);
 *   -> <6>2026-11-21T07:00:00.123Z area=move event=state move=... from=...
 *
 * error: a person must act.  warning: we went on, the text says how.
 * info: a state changed.  debug: all else.  Never keys, tokens or whole bodies.
 * The value of a %s ("detail=%s", err.msg) is quoted unless it is a plain word, so that no foreign
 * text can forge a key; it is cut after ERR_MSG_SIZE bytes.  Control characters are escaped
 * everywhere, so nothing can forge a record.  Conversions: s, d, i, u, x, X, o, c; a width or
 * precision in the text only, no '*'.  One write(2) a record.  errno is kept.  Thread: any.
 */
#ifndef MIGRD_BASE_LOG_H
#define MIGRD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
bool log_level_from_name(const char *name, enum log_level *ret);
/* The <N> prefix for the journal is written only when stderr is not a terminal. */
void log_record(enum log_level level, const char *area, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define log_error(area, event, ...)   log_record(LOG_LEVEL_ERROR, area, event, __VA_ARGS__)
#define log_warning(area, event, ...) log_record(LOG_LEVEL_WARNING, area, event, __VA_ARGS__)
#define log_info(area, event, ...)    log_record(LOG_LEVEL_INFO, area, event, __VA_ARGS__)
#define log_debug(area, event, ...)   log_record(LOG_LEVEL_DEBUG, area, event, __VA_ARGS__)

#endif
