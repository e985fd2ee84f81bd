/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/progress.h"

#include <string.h>

#include "agents/lib/table.h"
#include "agents/lib/units.h"
#include "base/mem.h"

#define BAR_MIN 10
#define BAR_MAX 40
/* "100 %  999.9 MiB, 999.9 MiB left, 999.9 MiB/s, 59 s": most moves need no more. */
#define FIGURES_WIDTH 52

/* ---- figures of the move --------------------------------------------------------- */

static bool number_at(struct json_object *move, const char *path, double *ret_value)
{
	struct json_object *value = table_member(move, path);
	double number = json_object_get_double(value);

	if (!value || json_object_is_type(value, json_type_string) || !(number >= 0))
		return false;
	*ret_value = number < 0x1p60 ? number : 0x1p60;
	return true;
}

static void copy_text(struct json_object *move, const char *path, char *text, size_t size)
{
	char cell[TABLE_CELL_SIZE];

	if (table_text(move, path, cell)[0])
		snprintf(text, size, "%.*s", (int)size - 1, cell);
}

/* What an event leaves out is not known any more. */
static void update_outlook(struct progress *progress, struct json_object *move)
{
	double ms;

	progress->sentence[0] = '\0';
	copy_text(move, "progress.sentence", progress->sentence, sizeof(progress->sentence));
	progress->min_s = number_at(move, "progress.eta_min_ms", &ms) ? ms / 1000 : -1;
	progress->max_s = number_at(move, "progress.eta_max_ms", &ms) ? ms / 1000 : -1;
}

void progress_update(struct progress *progress, struct json_object *move)
{
	double value;

	if (progress->figures_width == 0)
		progress->figures_width = FIGURES_WIDTH;
	copy_text(move, "vm", progress->vm, sizeof(progress->vm));
	copy_text(move, "state", progress->state, sizeof(progress->state));
	progress->is_final = json_get_bool(move, "final", progress->is_final);
	/* A pass that finds much dirty memory makes the daemon's figure fall; to a
	 * reader that looks like something went wrong. */
	if (number_at(move, "progress.percent", &value) && value > progress->percent)
		progress->percent = value < 100 ? value : 100;
	if (strcmp(progress->state, "done") == 0)
		progress->percent = 100;
	if (number_at(move, "progress.ram_transferred_bytes", &value))
		progress->transferred_bytes = (uint64_t)value;
	if (number_at(move, "progress.ram_remaining_bytes", &value))
		progress->remaining_bytes = (uint64_t)value;
	if (number_at(move, "progress.throughput_mbit_per_s", &value))
		progress->bytes_per_s = (uint64_t)(value * 1e6 / 8);
	update_outlook(progress, move);
}

/* -1: not known.  By what is left now, which a guest makes more again: of a daemon that does not
 * say what it expects. */
static double seconds_left(const struct progress *progress)
{
	if (progress->is_final || progress->bytes_per_s == 0 || progress->remaining_bytes == 0)
		return -1;
	return (double)progress->remaining_bytes / (double)progress->bytes_per_s;
}

/* ---- as text ---------------------------------------------------------------------- */

/* Tenths of a second would only flicker. */
static void seconds_text(double seconds, char text[UNITS_SIZE])
{
	if (seconds < 59)
		snprintf(text, UNITS_SIZE, "%.0f s", seconds + 0.5);
	else
		units_duration(((uint64_t)seconds + 1) * 1000, text);
}

static void add_seconds(const char *before, double seconds, const char *suffix, struct strbuf *line)
{
	char amount[UNITS_SIZE];

	if (seconds < 0 || seconds > 1e9)
		return;
	seconds_text(seconds, amount);
	strbuf_addf(line, "%s%s%s", before, amount, suffix);
}

/* "5 s to 41 s to go", or as much as is known of it. */
static void add_eta(const struct progress *progress, const char *suffix, struct strbuf *line)
{
	if (!progress->sentence[0]) {
		add_seconds(", ", seconds_left(progress), suffix, line);
	} else if (progress->max_s >= 0 && progress->max_s < progress->min_s + 1) {
		add_seconds(", ", progress->max_s, suffix, line);
	} else if (progress->max_s >= 0) {
		add_seconds(", ", progress->min_s, "", line);
		add_seconds(progress->min_s >= 0 ? " to " : ", ", progress->max_s, suffix, line);
	} else {
		add_seconds(", at least ", progress->min_s, suffix, line);
	}
}

void progress_eta(const struct progress *progress, struct strbuf *text)
{
	CLEANUP(strbuf_fini) struct strbuf eta = STRBUF_INIT;

	add_eta(progress, "", &eta);
	if (eta.len)
		strbuf_adds(text, strbuf_str(&eta) + strlen(", "));
}

/* Remaining bytes and rate mean something only while memory is being sent. */
static void add_rest(const struct progress *progress, const char *to_go, struct strbuf *line)
{
	char amount[UNITS_SIZE];

	units_bytes(progress->remaining_bytes, amount);
	strbuf_addf(line, ", %s left", amount);
	if (progress->bytes_per_s > 0) {
		units_bytes(progress->bytes_per_s, amount);
		strbuf_addf(line, ", %s/s", amount);
	}
	add_eta(progress, to_go, line);
}

/* SENT and TO_GO: words that are "" where a narrow terminal has no room for them. */
static void add_figures(const struct progress *progress, const char *sent, const char *to_go,
			struct strbuf *line)
{
	char amount[UNITS_SIZE];

	strbuf_addf(line, "%3.0f %%", progress->percent);
	if (progress->transferred_bytes > 0) {
		units_bytes(progress->transferred_bytes, amount);
		strbuf_addf(line, "  %s%s", amount, sent);
		if (strcmp(progress->state, "transfer") == 0 ||
		    strcmp(progress->state, "fetch") == 0)
			add_rest(progress, to_go, line);
	}
}

void progress_add_bar(double percent, unsigned width, struct strbuf *text)
{
	unsigned filled = (unsigned)(percent * width / 100);

	strbuf_adds(text, "[");
	for (unsigned i = 0; i < width; i++)
		strbuf_adds(text, i < filled ? "#" : "-");
	strbuf_adds(text, "]");
}

/* Cuts between characters: names from a future daemon may contain UTF-8. */
static void cut(struct strbuf *line, unsigned width)
{
	size_t len = width;

	if (line->len <= width)
		return;
	while (len > 0 && ((unsigned char)line->data[len] & 0xc0) == 0x80)
		len--;
	line->data[len] = '\0';
	line->len = len;
}

void progress_bar(struct progress *progress, unsigned width, struct strbuf *line)
{
	CLEANUP(strbuf_fini) struct strbuf figures = STRBUF_INIT;
	size_t used;

	add_figures(progress, "", "", &figures);
	/* The width never shrinks, because a bar that changes its width seems to run back. */
	if (figures.len > progress->figures_width)
		progress->figures_width = figures.len;
	strbuf_addf(line, "%s %-8s ", progress->vm, progress->state);
	used = line->len + progress->figures_width + strlen("[] ");
	if (used + BAR_MIN <= width) {
		progress_add_bar(progress->percent,
				 width - used < BAR_MAX ? (unsigned)(width - used) : BAR_MAX, line);
		strbuf_adds(line, " ");
	}
	strbuf_adds(line, strbuf_str(&figures));
	cut(line, width);
}

/* They say the same, but for their figures. */
static bool is_same_kind(const char *a, const char *b)
{
	static const char figures[] = "0123456789.";

	while (true) {
		a += strspn(a, figures);
		b += strspn(b, figures);
		if (*a != *b)
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

bool progress_plain(struct progress *progress, struct strbuf *line)
{
	int tens = (int)(progress->percent / 10);
	bool is_without_end = strstr(progress->sentence, "no end is in sight");

	if (strcmp(progress->state, progress->told_state) == 0 && tens <= progress->told_tens &&
	    (!is_without_end || progress->has_told_no_end))
		return false;
	progress->has_told_no_end = progress->has_told_no_end || is_without_end;
	progress->told_tens = tens;
	memcpy(progress->told_state, progress->state, sizeof(progress->told_state));
	strbuf_addf(line, "%s: %s: ", progress->vm, progress->state);
	add_figures(progress, " sent", " to go", line);
	if (progress->sentence[0] && !progress->is_final &&
	    !is_same_kind(progress->sentence, progress->told_sentence)) {
		memcpy(progress->told_sentence, progress->sentence, sizeof(progress->sentence));
		strbuf_addf(line, "\n  %s", progress->sentence);
	}
	return true;
}
