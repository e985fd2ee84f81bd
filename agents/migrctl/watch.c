/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/watch.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/progress.h"
#include "agents/migrctl/summary.h"
#include "base/mem.h"

/* How long a lost event goes unnoticed: the move is read again after this silence. */
#define REREAD_AFTER_MS 5000
#define WIDTH_DEFAULT   80u

struct watch {
	struct cli_call *call;
	struct client *client;
	const char *move_id;
	char *path;
	struct follow follow;
	struct progress progress;
	struct json_object *move; /* as seen last */
	bool is_terminal, is_quiet;
	bool is_bar_shown;
};

static void watch_fini(struct watch *watch)
{
	follow_fini(&watch->follow);
	json_object_put(watch->move);
	free(watch->path);
}

/* ---- the screen -------------------------------------------------------------------- */

static unsigned terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return WIDTH_DEFAULT;
	return size.ws_col;
}

static void show_bar(struct watch *watch)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	/* The last column stays free: writing there would wrap on some terminals. */
	progress_bar(&watch->progress, terminal_width() - 1, &line);
	printf("\r%s\033[K", strbuf_str(&line)); /* ECMA-48 EL: erase to the end */
	watch->is_bar_shown = true;
}

static void show(struct watch *watch)
{
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	progress_update(&watch->progress, watch->move);
	if (watch->is_quiet)
		return;
	if (watch->is_terminal)
		show_bar(watch);
	else if (progress_plain(&watch->progress, &line))
		printf("%s\n", strbuf_str(&line));
	fflush(stdout);
}

/* Ends the line of the bar, before another text is printed. */
static void leave_bar(struct watch *watch)
{
	if (watch->is_bar_shown)
		printf("\n");
	watch->is_bar_shown = false;
	fflush(stdout);
}

/* ---- interrupts --------------------------------------------------------------------- */

static char interrupt_text[512];

static void on_interrupt(int signo)
{
	ssize_t n = write(STDERR_FILENO, interrupt_text, strlen(interrupt_text));

	(void)n;      /* a failed write cannot be reported */
	raise(signo); /* SA_RESETHAND: now it ends us, as our parent expects */
}

static void explain_interrupts(const struct watch *watch)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	snprintf(interrupt_text, sizeof(interrupt_text),
		 "\n%s: the move goes on; `%s move watch %s' follows it again, `%s move cancel %s' "
		 "ends it\n",
		 watch->call->program->name, watch->call->program->name, watch->move_id,
		 watch->call->program->name, watch->move_id);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- following ----------------------------------------------------------------------- */

static void take_move(struct watch *watch, struct json_object *move)
{
	json_object_put(watch->move);
	watch->move = move;
	show(watch);
}

static bool reread(struct watch *watch, struct err *err)
{
	struct json_object *move = NULL;

	if (!client_get(watch->client, watch->path, &move, err))
		return false;
	take_move(watch, move);
	return true;
}

/* The move in an event, as a new reference; NULL: another move, or not all of it. */
static struct json_object *move_of_event(const struct watch *watch, const char *data)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *event = json_parse(data, strlen(data), &json_limits_default, faults);
	struct json_object *inner = table_member(event, "move");
	struct json_object *move = json_object_is_type(inner, json_type_object) ? inner : event;
	const char *id =
		json_object_is_type(move, json_type_object) ? json_get_str(move, "id") : NULL;

	faults_free(faults);
	if (!id || strcmp(id, watch->move_id) != 0 || !json_get_str(move, "state"))
		return NULL;
	return json_object_get(move);
}

/* False: the event does not tell enough, so the move must be read. */
static bool take_event(struct watch *watch, const struct client_event *event)
{
	struct json_object *move;

	if (strcmp(event->type, "gap") == 0)
		return false;
	if (strcmp(event->type, "move") != 0)
		return true;
	move = move_of_event(watch, event->data);
	if (move)
		take_move(watch, move);
	return true;
}

/* One step; false: *err is final. */
static bool step(struct watch *watch, struct err *err)
{
	struct client_event event;
	enum follow_step what = follow_next(&watch->follow, REREAD_AFTER_MS, &event, err);

	switch (what) {
	case FOLLOW_EVENT:
		if (take_event(watch, &event))
			return true;
		__attribute__((fallthrough));
	case FOLLOW_OPENED:
	case FOLLOW_SILENCE:
		if (reread(watch, err))
			return true;
		leave_bar(watch);
		return follow_lost(&watch->follow, err);
	case FOLLOW_FAILED:
		break;
	}
	return false;
}

/* Reads the move again at its end if the last event has left out the times. */
static bool follow_to_end(struct watch *watch, struct err *err)
{
	if (!reread(watch, err))
		return false;
	while (!watch->progress.is_final)
		if (!step(watch, err))
			return err_wrap(err, "move '%s' is out of sight and may go on",
					watch->move_id);
	if (table_member(watch->move, "times") || reread(watch, err))
		return true;
	return follow_lost(&watch->follow, err);
}

bool watch_move(struct cli_call *call, struct client *client, const char *move_id, struct err *err)
{
	CLEANUP(watch_fini) struct watch watch;
	bool ok;

	memset(&watch, 0, sizeof(watch));
	watch.call = call;
	watch.client = client;
	watch.move_id = move_id;
	watch.path = client_path("/v1/moves/", move_id, "");
	watch.is_quiet = migrctl_wants_json(call);
	watch.is_terminal = !watch.is_quiet && isatty(STDOUT_FILENO);
	watch.progress.told_tens = -1;
	follow_init(&watch.follow, client, call->program->name);
	explain_interrupts(&watch);

	ok = follow_to_end(&watch, err);
	leave_bar(&watch);
	if (!ok)
		return false;
	if (watch.is_quiet)
		migrctl_print_data(call, watch.move);
	else
		summary_print(stdout, watch.move);
	return summary_result(watch.move, err);
}
