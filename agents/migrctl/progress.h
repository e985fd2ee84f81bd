/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl/progress.h -- one move as a line of text: pure functions, no I/O. */
#ifndef MIGRD_MIGRCTL_PROGRESS_H
#define MIGRD_MIGRCTL_PROGRESS_H

#include "base/json.h"
#include "base/strbuf.h"

#define PROGRESS_STATE_SIZE 32

struct progress {
	char vm[64];
	char state[PROGRESS_STATE_SIZE];
	bool is_final;
	double percent; /* of the whole move; never less than before */
	uint64_t transferred_bytes, remaining_bytes;
	uint64_t bytes_per_s; /* 0: not known */
	char sentence[384];   /* what the daemon expects; "": it says nothing */
	double min_s, max_s;  /* and how long that takes; below 0: not known */
	size_t figures_width;
	/* last reported in plain lines: */
	char told_state[PROGRESS_STATE_SIZE];
	int told_tens;
	char told_sentence[384];
	bool has_told_no_end;
};

/* Takes the figures of a move object; missing members leave the old value. */
void progress_update(struct progress *progress, struct json_object *move);
/* Adds how long it still takes: "5 s to 41 s", "at least 5 s"; nothing if that is not known. */
void progress_eta(const struct progress *progress, struct strbuf *text);
/* Adds a bar: "[###---]", WIDTH columns of it between the brackets. */
void progress_add_bar(double percent, unsigned width, struct strbuf *text);
/* Makes a line of at most WIDTH columns with a bar. */
void progress_bar(struct progress *progress, unsigned width, struct strbuf *line);
/* Makes a line for logs; true: there is something new to report (another state,
 * another tenth done, or that no end is in sight).  What the daemon expects follows on a line of
 * its own, if it says something else than before, but for the figures.
 */
bool progress_plain(struct progress *progress, struct strbuf *line);

#endif
