/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page of a terminal: hosts, moves and guests, live.  What it shows is migrctl/top.h. */
#include "agents/migrctl/cmd_top.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agents/lib/screen.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/signals.h"
#include "agents/migrctl/top.h"
#include "agents/migrctl/vm_figures.h"
#include "base/clock.h"
#include "base/mem.h"

#define DELAY_S         2
#define DELAY_MAX_S     3600
#define REREAD_MIN_MS   500  /* at least so long between two looks that events ask for */
#define CLOCK_MS        1000 /* the page is drawn so often at least: it shows the time */
#define ANSWER_MS       5000
#define CANCEL_MS       3000
#define PAUSE_MIN_MS    100
#define PAUSE_MAX_MS    3000
#define EVENTS_A_TIME   100
#define WIDTH_PLAIN     132u
#define WIDTH_PLAIN_MIN 20

struct top_values {
	bool once;
	struct cli_number delay;
	const char *sort;
};

struct page {
	struct cli_call *call;
	struct client *client;
	struct client_stream *stream;
	struct screen *screen;
	struct top top;
	uint64_t read_at_ms, delay_ms;
	uint32_t pause_ms;
	bool is_stale; /* an event has told of what is not on the page yet */
	bool was_read;
};

/* As much of it as there is room for. */
static void say(char to[TOP_TEXT_SIZE], const char *before, const char *text)
{
	snprintf(to, TOP_TEXT_SIZE, "%s%.*s", before, TOP_TEXT_SIZE - 1 - (int)strlen(before),
		 text);
}

static void page_fini(struct page *page)
{
	screen_close(page->screen);
	client_stream_free(page->stream);
	top_fini(&page->top);
}

/* ---- reading ------------------------------------------------------------ */

static bool is_outage(const struct err *err)
{
	return err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT;
}

static bool read_hosts(struct page *page, struct err *err)
{
	struct json_object *list = NULL;

	if (!client_list(page->client, "/v1/capacity", "", &list, err))
		return false;
	top_take_hosts(&page->top, list);
	return true;
}

static bool read_vms(struct page *page, struct err *err)
{
	struct json_object *list = NULL;

	if (!client_list(page->client, "/v1/stats", "", &list, err))
		return false;
	top_take_vms(&page->top, list);
	return true;
}

static bool read_moves(struct page *page, struct err *err)
{
	struct json_object *list = NULL;

	if (!client_list(page->client, "/v1/moves", "state=active", &list, err))
		return false;
	top_take_moves(&page->top, list);
	return true;
}

static bool read_evacuation(struct page *page, struct err *err)
{
	CLEANUP(json_putp) struct json_object *list = NULL;
	CLEANUP(free_charp) char *path = NULL;
	struct json_object *items, *evacuation = NULL;
	const char *id;

	if (!client_list(page->client, "/v1/evacuations", "state=active", &list, err))
		return false;
	items = table_member(list, "items");
	id = json_count(items) ? json_get_str(json_object_array_get_idx(items, 0), "id") : NULL;
	if (id) {
		path = client_path("/v1/evacuations/", id, "");
		if (!client_get(page->client, path, &evacuation, err))
			return false;
	}
	top_take_evacuation(&page->top, evacuation);
	return true;
}

/* One that has ended is in no list any more. */
static bool read_opened(struct page *page, struct err *err)
{
	CLEANUP(free_charp) char *path = NULL;
	struct json_object *move = NULL;

	if (!page->top.opened[0])
		return true;
	path = client_path("/v1/moves/", page->top.opened, "");
	if (!client_get(page->client, path, &move, err))
		return false;
	top_take_move(&page->top, move);
	return true;
}

static bool read_host(struct page *page, struct err *err)
{
	struct json_object *host = NULL;

	if (!client_get(page->client, "/v1/host", &host, err))
		return false;
	top_take_host(&page->top, host);
	return true;
}

/* A part that is refused is left as it was, and the page says so; false: the daemon is not there,
 * or nothing could be read yet. */
static bool read_all(struct page *page, struct err *err)
{
	static bool (*const parts[])(struct page *, struct err *) = {
		read_host, read_hosts, read_vms, read_evacuation, read_moves, read_opened,
	};

	page->top.unheard[0] = '\0';
	page->top.now_ms = clock_wall_ms();
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct err failure = { 0 };

		if (parts[i](page, &failure))
			continue;
		if (!page->was_read || is_outage(&failure) || failure.code == ERR_CANCELLED) {
			*err = failure;
			return false;
		}
		say(page->top.unheard, "", failure.msg);
	}
	page->was_read = true;
	page->is_stale = false;
	page->read_at_ms = clock_monotonic_ms();
	return true;
}

/* ---- events ------------------------------------------------------------- */

/* The move in an event; NULL: it does not tell of one. */
static struct json_object *move_of_event(const char *data)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *event = json_parse(data, strlen(data), &json_limits_default, faults);
	struct json_object *inner = table_member(event, "move");

	faults_free(faults);
	return json_object_get(json_object_is_type(inner, json_type_object) ? inner : event);
}

static void take_event(struct page *page, const struct client_event *event)
{
	static const char *const changing[] = { "vm",          "evacuation", "cordon",
						"maintenance", "hold",       "gap" };

	if (strcmp(event->type, "move") == 0)
		top_take_move(&page->top, move_of_event(event->data));
	for (size_t i = 0; i < ARRAY_LEN(changing); i++)
		page->is_stale |= strcmp(event->type, changing[i]) == 0;
}

/* What was lost is tried again until the user has enough.  False: it is no outage. */
static bool lost(struct page *page, const struct err *err)
{
	client_stream_free(page->stream);
	page->stream = NULL;
	if (!is_outage(err))
		return err->code == ERR_CANCELLED;
	if (!page->top.lost_ms)
		page->top.lost_ms = clock_wall_ms();
	say(page->top.trouble, "", err->msg);
	return true;
}

/* Events first, so that none is missed between them and the state. */
static bool connect_to(struct page *page, struct err *err)
{
	const int fds[] = { STDIN_FILENO, screen_wake_fd(page->screen) };

	page->stream = client_stream_open(page->client, "/v1/events", NULL, err);
	if (!page->stream || !read_all(page, err))
		return false;
	client_stream_watch(page->stream, fds, ARRAY_LEN(fds));
	page->top.lost_ms = 0;
	page->pause_ms = PAUSE_MIN_MS;
	return true;
}

static uint32_t time_to_wait(const struct page *page)
{
	uint64_t since_ms = clock_monotonic_ms() - page->read_at_ms;
	uint64_t at_ms = page->is_stale ? REREAD_MIN_MS : page->delay_ms;
	uint64_t left_ms = since_ms < at_ms ? at_ms - since_ms : 0;

	return (uint32_t)(left_ms < CLOCK_MS ? left_ms : CLOCK_MS);
}

static bool take_events(struct page *page, struct err *err)
{
	uint32_t wait_ms = time_to_wait(page);

	for (unsigned n = 0; n < EVENTS_A_TIME; n++) {
		struct client_event event;

		switch (client_stream_next(page->stream, wait_ms, &event, err)) {
		case CLIENT_EVENT:
			take_event(page, &event);
			break;
		case CLIENT_SILENCE:
			return true;
		case CLIENT_BROKEN:
			return lost(page, err);
		}
		wait_ms = 0;
	}
	return true;
}

static bool wait_and_connect(struct page *page, struct err *err)
{
	struct pollfd fds[] = {
		{ STDIN_FILENO, POLLIN, 0 },
		{ screen_wake_fd(page->screen), POLLIN, 0 },
	};

	if (poll(fds, ARRAY_LEN(fds), (int)page->pause_ms) != 0)
		return true; /* a key or a signal comes first */
	page->pause_ms = page->pause_ms * 2 < PAUSE_MAX_MS ? page->pause_ms * 2 : PAUSE_MAX_MS;
	return connect_to(page, err) || lost(page, err);
}

/* One round of waiting; false: *err is final. */
static bool listen_once(struct page *page, struct err *err)
{
	if (!page->stream)
		return wait_and_connect(page, err);
	if (!take_events(page, err))
		return false;
	if (!page->stream || time_to_wait(page) > 0)
		return true;
	return read_all(page, err) || lost(page, err);
}

/* ---- keys --------------------------------------------------------------- */

static void cancel(struct page *page)
{
	struct top *top = &page->top;
	CLEANUP(free_charp) char *path = client_path("/v1/moves/", top->asked, "/cancel");
	const struct client_request request = { .method = "POST",
						.path = path,
						.timeout_ms = CANCEL_MS };
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct err err = { 0 };

	top->asked[0] = '\0';
	/* Its end may take longer, and comes as an event. */
	if (client_call(page->client, &request, &reply, &err) || err.code == ERR_TIMEOUT)
		say(top->note, "", "the cancel was asked for");
	else
		say(top->note, "not cancelled: ", err.msg);
	page->is_stale = true;
}

static void read_for_key(struct page *page, bool (*part)(struct page *, struct err *))
{
	struct err err = { 0 };

	if (!part(page, &err))
		say(page->top.note, "", err.msg);
}

/* False: the user has enough. */
static bool take_keys(struct page *page)
{
	int key;

	while ((key = screen_key(page->screen)) != SCREEN_NONE) {
		switch (top_key(&page->top, key)) {
		case TOP_STAY:
			break;
		case TOP_QUIT:
			return false;
		case TOP_REDRAW:
			screen_redraw(page->screen);
			page->is_stale = true;
			break;
		case TOP_OPEN:
			read_for_key(page, read_opened);
			break;
		case TOP_CANCEL:
			cancel(page);
			break;
		}
	}
	return true;
}

/* ---- the page ----------------------------------------------------------- */

static void draw(struct page *page)
{
	struct frame frame;
	unsigned width, height;

	page->top.now_ms = clock_wall_ms();
	screen_size(page->screen, &width, &height);
	frame_init(&frame, width, height ? height : 1);
	top_page(&page->top, &frame);
	screen_show(page->screen, &frame);
	frame_fini(&frame);
}

static bool run_page(struct page *page, struct err *err)
{
	int signo = 0;

	/* What is wrong from the start is said without a page. */
	if (!read_all(page, err))
		return false;
	page->screen = screen_open(err);
	if (!page->screen)
		return false;
	if (!connect_to(page, err) && !lost(page, err))
		return false;
	do {
		draw(page);
		if (!listen_once(page, err))
			return false;
		signo = screen_signal(page->screen);
	} while (!signo && take_keys(page));
	screen_close(page->screen);
	page->screen = NULL;
	if (signo)
		signals_end_by(signo);
	return true;
}

/* ---- once --------------------------------------------------------------- */

static unsigned plain_width(void)
{
	const char *columns = getenv("COLUMNS");
	long width = columns ? strtol(columns, NULL, 10) : 0;

	return width >= WIDTH_PLAIN_MIN && width <= FRAME_WIDTH_MAX ? (unsigned)width : WIDTH_PLAIN;
}

static void print_data(struct page *page)
{
	CLEANUP(json_putp) struct json_object *all = json_object_new_object();
	struct json_object *moves = json_object_new_array();

	for (size_t i = 0; i < page->top.move_count; i++)
		json_object_array_add(moves, json_object_get(page->top.moves[i].move));
	json_object_object_add(all, "hosts",
			       json_object_get(table_member(page->top.hosts, "items")));
	json_object_object_add(all, "vms", json_object_get(table_member(page->top.vms, "items")));
	json_object_object_add(all, "moves", moves);
	json_object_object_add(all, "evacuation", json_object_get(page->top.evacuation));
	migrctl_print_data(page->call, all);
}

/* Rates are over the time between two looks. */
static bool run_once(struct page *page, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	struct frame frame;

	if (!read_vms(page, err))
		return false;
	poll(NULL, 0, (int)page->delay_ms);
	if (!read_all(page, err))
		return false;
	if (migrctl_wants_json(page->call)) {
		print_data(page);
		return true;
	}
	frame_init(&frame, plain_width(), FRAME_NO_LIMIT);
	top_page(&page->top, &frame);
	frame_text(&frame, &text);
	frame_fini(&frame);
	fputs(strbuf_str(&text), stdout);
	return true;
}

static size_t sort_of(const char *name)
{
	for (size_t i = 0; name && vm_figures_sorts[i]; i++)
		if (strcmp(vm_figures_sorts[i], name) == 0)
			return i;
	return 0;
}

static bool run_top(struct cli_call *call, struct err *err)
{
	const struct top_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(page_fini)
	struct page page = {
		.call = call,
		.client = client,
		.delay_ms = (values->delay.is_set ? values->delay.value : DELAY_S) * 1000,
		.pause_ms = PAUSE_MIN_MS,
	};
	bool is_page = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	if (!client)
		return false;
	client_set_timeout(client, ANSWER_MS);
	top_init(&page.top);
	page.top.sort = sort_of(values->sort);
	if (values->once || !is_page || migrctl_wants_json(call))
		return run_once(&page, err);
	return run_page(&page, err);
}

#define VALUE(member) .offset = offsetof(struct top_values, member)

static const struct cli_option options[] = {
	{
		.name = "once",
		.type = CLI_FLAG,
		VALUE(once),
		.help = "print it as text, and end; so it is too where the output is no terminal",
	},
	{
		.name = "delay",
		.letter = 'd',
		.type = CLI_COUNT,
		VALUE(delay),
		.min = 1,
		.max = DELAY_MAX_S,
		.arg = "SECONDS",
		.help = "time between two looks at what no event tells (default: 2)",
	},
	{
		.name = "sort",
		.letter = 's',
		.type = CLI_CHOICE,
		VALUE(sort),
		.choices = vm_figures_sorts,
		.arg = "KEY",
		.help = "which VMs come first, as of `vm top' (default: cpu)",
	},
	{ .name = NULL },
};

const struct cli_command cmd_top = {
	.noun = "top",
	.options = options,
	.values_size = sizeof(struct top_values),
	.summary = "hosts, moves and guests on one page, live",
	.details =
		"Keys: Tab goes to the next part, arrows to a row, Enter opens a move, c cancels\n"
		"it and asks before, / shows only names with a text, s changes the order of the\n"
		"VMs, r reads all anew, q or Esc goes back, q ends.\n",
	.run = run_top,
};
