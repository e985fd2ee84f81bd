/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/page_watch.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "base/clock.h"
#include "base/mem.h"

/* How old the screen may get while other events come, or none. */
#define REREAD_AFTER_MS 1000
#define WIDTH_DEFAULT   80u
#define HEIGHT_DEFAULT  24u

struct page_view {
	const struct page_kind *kind;
	struct cli_call *call;
	struct client *client;
	const char *id;
	char *path;
	struct follow follow;
	struct json_object *seen;
	uint64_t read_at_ms;
	unsigned shown_lines; /* of the screen */
	char *told;           /* of the line that was printed last */
	bool is_terminal, is_quiet, until_end;
};

static void view_fini(struct page_view *view)
{
	follow_fini(&view->follow);
	json_object_put(view->seen);
	free(view->path);
	free(view->told);
}

/* ---- the screen ---------------------------------------------------------------------- */

static void terminal_size(unsigned *ret_width, unsigned *ret_height)
{
	struct winsize size;
	bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

	*ret_width = is_known && size.ws_col ? size.ws_col : WIDTH_DEFAULT;
	*ret_height = is_known && size.ws_row ? size.ws_row : HEIGHT_DEFAULT;
}

/* Back to the first line of what was shown before (ECMA-48: CUU, then ED). */
static void erase_screen(struct page_view *view)
{
	if (view->shown_lines)
		printf("\033[%uA", view->shown_lines);
	printf("\r\033[J");
	view->shown_lines = 0;
}

/* The bytes of LINE that fill WIDTH columns: names from a future daemon may contain UTF-8. */
static size_t cut(const char *line, size_t len, unsigned width)
{
	size_t at = 0;

	for (unsigned column = 0; at < len; at++) {
		bool is_begin = ((unsigned char)line[at] & 0xc0) != 0x80;

		if (is_begin && column++ == width)
			break;
	}
	return at;
}

/* As many lines of TEXT as there is room for, each in one line of the terminal. */
static void print_cut(struct page_view *view, const char *text)
{
	unsigned width, height;

	terminal_size(&width, &height);
	for (; *text && view->shown_lines + 1 < height; view->shown_lines++) {
		size_t len = strcspn(text, "\n");

		/* The last column stays free: writing there would wrap on some terminals. */
		printf("%.*s\n", (int)cut(text, len, width - 1), text);
		text += len + (text[len] == '\n');
	}
}

static void show_screen(struct page_view *view)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	view->kind->screen(out, view->seen, clock_wall_ms());
	fclose(out);
	erase_screen(view);
	print_cut(view, text);
	free(text);
}

/* What makes another line worth it. */
static void add_told(struct page_view *view, const char *line, struct strbuf *told)
{
	char text[TABLE_CELL_SIZE];

	if (!view->kind->told)
		strbuf_adds(told, line);
	for (const char *const *member = view->kind->told; member && *member; member++)
		strbuf_addf(told, "%s\n", table_text(view->seen, *member, text));
}

/* A line when something has changed that a reader of a log wants to know. */
static void show_line(struct page_view *view)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf told = STRBUF_INIT;

	view->kind->line(view->seen, clock_wall_ms(), &line);
	add_told(view, strbuf_str(&line), &told);
	if (view->told && strcmp(view->told, strbuf_str(&told)) == 0)
		return;
	free(view->told);
	view->told = strbuf_take(&told);
	printf("%s\n", strbuf_str(&line));
}

static void show(struct page_view *view)
{
	if (view->is_quiet)
		return;
	if (view->is_terminal)
		show_screen(view);
	else
		show_line(view);
	fflush(stdout);
}

/* ---- interrupts --------------------------------------------------------------------- */

static char interrupt_text[256];

static void on_interrupt(int signo)
{
	ssize_t n = write(STDERR_FILENO, interrupt_text, strlen(interrupt_text));

	(void)n;      /* a failed write cannot be reported */
	raise(signo); /* SA_RESETHAND: now it ends us, as our parent expects */
}

static void explain_interrupts(const struct page_view *view)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };
	const char *name = view->call->program->name, *noun = view->kind->noun;

	snprintf(interrupt_text, sizeof(interrupt_text),
		 "\n%s: the %s goes on; `%s %s watch' follows it again, `%s %s abort' ends it\n",
		 name, noun, name, noun, name, noun);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- following ----------------------------------------------------------------------- */

static bool reread(struct page_view *view, struct err *err)
{
	struct json_object *now = NULL;

	if (!client_get(view->client, view->path, &now, err))
		return false;
	if (!now || !json_get_str(now, "state")) {
		json_object_put(now);
		return err_set(err, ERR_PROTOCOL, "the answer is no %s", view->kind->noun);
	}
	json_object_put(view->seen);
	view->seen = now;
	view->read_at_ms = clock_monotonic_ms();
	show(view);
	return true;
}

static bool is_worth_a_look(const struct page_view *view, const struct client_event *event)
{
	return strcmp(event->type, view->kind->noun) == 0 || strcmp(event->type, "gap") == 0 ||
	       clock_monotonic_ms() - view->read_at_ms >= REREAD_AFTER_MS;
}

/* One step; false: *err is final. */
static bool step(struct page_view *view, struct err *err)
{
	struct client_event event;
	enum follow_step what = follow_next(&view->follow, REREAD_AFTER_MS, &event, err);

	if (what == FOLLOW_FAILED)
		return false;
	if (what == FOLLOW_EVENT && !is_worth_a_look(view, &event))
		return true;
	return reread(view, err) || follow_lost(&view->follow, err);
}

static bool follow_to_rest(struct page_view *view, struct err *err)
{
	if (!reread(view, err))
		return false;
	while (!view->kind->rests(view->seen, view->until_end))
		if (!step(view, err))
			return err_wrap(err, "%s '%s' is out of sight and may go on",
					view->kind->noun, view->id);
	return true;
}

bool page_watch(const struct page_kind *kind, struct cli_call *call, struct client *client,
		const char *id, bool until_end, struct err *err)
{
	CLEANUP(view_fini)
	struct page_view view = {
		.kind = kind, .call = call, .client = client, .id = id, .until_end = until_end
	};

	view.path = client_path(kind->path, id, "");
	view.is_quiet = migrctl_wants_json(call);
	view.is_terminal = !view.is_quiet && isatty(STDOUT_FILENO);
	follow_init(&view.follow, client, call->program->name);
	view.follow.outage_max_ms = kind->outage_max_ms;
	explain_interrupts(&view);
	if (!follow_to_rest(&view, err))
		return false;
	if (view.is_quiet) {
		migrctl_print_data(call, view.seen);
	} else {
		if (view.is_terminal)
			erase_screen(&view);
		kind->page(stdout, view.seen, clock_wall_ms());
	}
	return kind->result(view.seen, err);
}
