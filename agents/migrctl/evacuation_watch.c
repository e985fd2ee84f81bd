/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/evacuation_watch.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agents/migrctl/evacuation_page.h"
#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "base/clock.h"
#include "base/mem.h"

/* How old the screen may get while other events come, or none. */
#define REREAD_AFTER_MS 1000
#define WIDTH_DEFAULT   80u
#define HEIGHT_DEFAULT  24u

struct evacuation_view {
	struct cli_call *call;
	struct client *client;
	const char *id;
	char *path;
	struct follow follow;
	struct json_object *seen; /* the evacuation */
	uint64_t read_at_ms;
	unsigned shown_lines; /* of the screen */
	char *told; /* of the line that was printed last: what makes another one worth it */
	bool is_terminal, is_quiet, until_end;
};

static void view_fini(struct evacuation_view *view)
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
static void erase_screen(struct evacuation_view *view)
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
static void print_cut(struct evacuation_view *view, const char *text)
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

static void show_screen(struct evacuation_view *view)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	evacuation_page_print_answers(out, view->seen, clock_wall_ms());
	fclose(out);
	erase_screen(view);
	print_cut(view, text);
	free(text);
}

/* A line when something has changed that a reader of a log wants to know. */
static void show_line(struct evacuation_view *view)
{
	static const char *const told_members[] = { "state",       "paused",       "blocked_by",
						    "counts.left", "counts.total", "reason" };
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf told = STRBUF_INIT;
	char text[TABLE_CELL_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(told_members); i++)
		strbuf_addf(&told, "%s\n", table_text(view->seen, told_members[i], text));
	if (view->told && strcmp(view->told, strbuf_str(&told)) == 0)
		return;
	free(view->told);
	view->told = strbuf_take(&told);
	evacuation_page_line(view->seen, clock_wall_ms(), &line);
	printf("%s\n", strbuf_str(&line));
}

static void show(struct evacuation_view *view)
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

static void explain_interrupts(const struct evacuation_view *view)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };
	const char *name = view->call->program->name;

	snprintf(interrupt_text, sizeof(interrupt_text),
		 "\n%s: the evacuation goes on; `%s evacuation watch' follows it again, "
		 "`%s evacuation abort' ends it\n",
		 name, name, name);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- following ----------------------------------------------------------------------- */

static bool reread(struct evacuation_view *view, struct err *err)
{
	struct json_object *now = NULL;

	if (!client_get(view->client, view->path, &now, err))
		return false;
	if (!now || !json_get_str(now, "state")) {
		json_object_put(now);
		return err_set(err, ERR_PROTOCOL, "the answer is no evacuation");
	}
	json_object_put(view->seen);
	view->seen = now;
	view->read_at_ms = clock_monotonic_ms();
	show(view);
	return true;
}

static bool is_at_rest(const struct evacuation_view *view)
{
	return json_get_bool(view->seen, "final", false) ||
	       (!view->until_end && !json_get_str(view->seen, "ending") &&
		strcmp(json_get_str(view->seen, "state"), "drained") == 0);
}

static bool is_worth_a_look(const struct evacuation_view *view, const struct client_event *event)
{
	return strcmp(event->type, "evacuation") == 0 || strcmp(event->type, "gap") == 0 ||
	       clock_monotonic_ms() - view->read_at_ms >= REREAD_AFTER_MS;
}

/* One step; false: *err is final. */
static bool step(struct evacuation_view *view, struct err *err)
{
	struct client_event event;
	enum follow_step what = follow_next(&view->follow, REREAD_AFTER_MS, &event, err);

	if (what == FOLLOW_FAILED)
		return false;
	if (what == FOLLOW_EVENT && !is_worth_a_look(view, &event))
		return true;
	return reread(view, err) || follow_lost(&view->follow, err);
}

static bool follow_to_rest(struct evacuation_view *view, struct err *err)
{
	if (!reread(view, err))
		return false;
	while (!is_at_rest(view))
		if (!step(view, err))
			return err_wrap(err, "evacuation '%s' is out of sight and may go on",
					view->id);
	return true;
}

bool evacuation_result(struct json_object *evacuation, struct err *err)
{
	const char *state = json_get_str(evacuation, "state");
	const char *name = json_get_str(json_get_obj(evacuation, "error"), "code");
	enum err_code code = name ? err_from_name(name) : ERR_NONE;
	char host[TABLE_CELL_SIZE], detail[TABLE_CELL_SIZE];
	bool is_aborted = state && strcmp(state, "aborted") == 0;

	if (!is_aborted && !name)
		return true;
	if (!table_text(evacuation, "error.detail", detail)[0])
		table_text(evacuation, "reason", detail);
	if (code == ERR_NONE)
		code = is_aborted ? ERR_CANCELLED : ERR_INTERNAL;
	return err_set(err, code, "the evacuation of host '%.64s' %s%s%.400s",
		       table_text(evacuation, "host", host),
		       is_aborted ? "was aborted" : "ended badly", detail[0] ? ": " : "", detail);
}

bool evacuation_watch(struct cli_call *call, struct client *client, const char *id, bool until_end,
		      struct err *err)
{
	CLEANUP(view_fini)
	struct evacuation_view view = {
		.call = call, .client = client, .id = id, .until_end = until_end
	};

	view.path = client_path("/v1/evacuations/", id, "");
	view.is_quiet = migrctl_wants_json(call);
	view.is_terminal = !view.is_quiet && isatty(STDOUT_FILENO);
	follow_init(&view.follow, client, call->program->name);
	explain_interrupts(&view);
	if (!follow_to_rest(&view, err))
		return false;
	if (view.is_quiet) {
		table_print_json(stdout, view.seen);
	} else {
		if (view.is_terminal)
			erase_screen(&view);
		evacuation_page_print(stdout, view.seen, clock_wall_ms());
	}
	return evacuation_result(view.seen, err);
}
