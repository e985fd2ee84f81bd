/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move is followed to its end, even if the daemon fails or restarts meanwhile. */
#include <string.h>

#include "agents/migrctl/follow.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/progress.h"
#include "agents/migrctl/summary.h"
#include "agents/migrctl/watch.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"
#include "tests/lib/script_server.h"

#define ID "01935d2e-0000-7000-8000-000000000001"

#define MOVE(state, final, percent, more)                                                \
	"{\"id\":\"" ID "\",\"vm\":\"vm1\",\"state\":\"" state "\",\"final\":" final "," \
	"\"source\":\"a\",\"destination\":\"b\",\"progress\":{\"percent\":" percent ","  \
	"\"ram_transferred_bytes\":1048576,\"ram_remaining_bytes\":2097152,"             \
	"\"throughput_mbit_per_s\":8.388608}" more "}"
#define DONE                                                                   \
	MOVE("done", "true", "100",                                            \
	     ",\"owner\":\"b\",\"generation\":2,\"times\":{\"total_ms\":1234," \
	     "\"qemu_downtime_ms\":86},\"measured\":{\"blackout_ms\":70.583,"  \
	     "\"blackout_error_ms\":1.263},\"explanation\":\"It took 1.2 s.\"")

#define REPLY(json) \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" json
#define EVENTS      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define EVENT(json) "event: move\ndata: " json "\n\n"

static struct script_server *server;
static struct client *client;
static struct cli_call call;
static struct migrctl_globals globals;
static struct err err;
static FILE *out, *errors;
static int saved_out, saved_err;

static FILE *redirect(int fd, int *ret_saved)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	*ret_saved = dup(fd);
	dup2(fileno(file), fd);
	return file;
}

static void setup(void)
{
	static const struct cli_program program = { .name = "migrctl" };

	scratch_setup();
	memset(&globals, 0, sizeof(globals));
	memset(&call, 0, sizeof(call));
	call.program = &program;
	call.globals = &globals;
	err.code = ERR_NONE;
	out = redirect(STDOUT_FILENO, &saved_out);
	errors = redirect(STDERR_FILENO, &saved_err);
}

/* Restores the test's own output, so that a failure can be read. */
static void restore(void)
{
	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
}

static void teardown(void)
{
	client_free(client);
	client = NULL;
	if (server)
		script_server_free(server);
	server = NULL;
	fclose(out);
	fclose(errors);
	close(saved_out);
	close(saved_err);
	scratch_teardown();
}

static const char *text_of(FILE *file)
{
	static char texts[2][8192];
	static int turn;
	char *text = texts[turn++ % 2];
	size_t n;

	rewind(file);
	n = fread(text, 1, sizeof(texts[0]) - 1, file);
	text[n] = '\0';
	return text;
}

static void start(const struct script_step *steps, size_t count)
{
	struct client_config config = { .socket_path = scratch_path("s") };

	server = script_server_new(scratch_path("s"), steps, count);
	client = client_new(&config, &err);
	ck_assert_msg(client, "%s", err.msg);
}

#define START(...)                                                  \
	static const struct script_step steps_[] = { __VA_ARGS__ }; \
	start(steps_, ARRAY_LEN(steps_))

static bool watch(void)
{
	bool ok = watch_move(&call, client, ID, &err);

	restore();
	return ok;
}

/* ---- a whole move ---- */

/* A log of a move should be read at a glance: states, tenths, outcome. */
START_TEST(move_to_its_end_tells_states_and_outcome)
{
	const char *text;

	START({ .pieces = { REPLY(MOVE("prepare", "false", "0", "")), NULL } },
	      { .pieces = { EVENTS EVENT(MOVE("transfer", "false", "12", ""))
				    EVENT(MOVE("transfer", "false", "14.5", "")) EVENT(
					    MOVE("transfer", "false", "55",
						 "")) "event: vm\ndata: "
						      "{\"name\":\"vm1\"}\n\n" EVENT("{\"id\":"
										     "\"another\","
										     "\"state\":"
										     "\"done\","
										     "\"final\":"
										     "true}")
							      EVENT("{\"at\":\"t\",\"move\":" DONE
								    "}"),
			    NULL },
		.end = SCRIPT_HOLD },
	      { .pieces = { REPLY(MOVE("prepare", "false", "0", "")), NULL } });
	ck_assert_msg(watch(), "%s", err.msg);

	text = text_of(out);
	ck_assert_ptr_nonnull(strstr(text, "vm1: prepare:   0 %  1.0 MiB sent\n"
					   "vm1: transfer:  12 %  1.0 MiB sent, 2.0 MiB left, "
					   "1.0 MiB/s, 2 s to go\n"));
	ck_assert_ptr_null(strstr(text, "14 %"));
	ck_assert_ptr_nonnull(strstr(text, "vm1: transfer:  55 %"));
	ck_assert_ptr_nonnull(strstr(text, "vm1: done: 100 %  1.0 MiB sent\n"));
	ck_assert_ptr_nonnull(strstr(text, "owner"));
	ck_assert_ptr_nonnull(strstr(text, "1.2 s"));
	ck_assert_ptr_nonnull(strstr(text, "86 ms"));
	ck_assert_ptr_nonnull(strstr(text, "71 ms +/- 1.3 ms"));
	ck_assert_ptr_nonnull(strstr(text, "It took 1.2 s."));
	ck_assert_str_eq(text_of(errors), "");
}
END_TEST

/* The daemon is upgraded in the middle of a move: the watcher waits, prints so once, and asks
 * for what it has missed. */
START_TEST(daemon_restarts_watch_goes_on)
{
	static const char message[] = "the connection to migrd is lost";
	const char *lost;

	START({ .pieces = { REPLY(MOVE("transfer", "false", "10", "")), NULL } },
	      { .pieces = { EVENTS EVENT(MOVE("transfer", "false", "20", "")), NULL },
		.end = SCRIPT_HOLD },
	      { .pieces = { NULL }, .end = SCRIPT_STOP_LISTENING }, /* the re-read */
	      { .pieces = { NULL } }, { .pieces = { EVENTS, NULL }, .end = SCRIPT_HOLD },
	      { .pieces = { REPLY(DONE), NULL } });
	ck_assert_msg(watch(), "%s", err.msg);

	lost = strstr(text_of(errors), message);
	ck_assert_ptr_nonnull(lost);
	ck_assert_msg(!strstr(lost + 1, message), "%s", lost);
	ck_assert_ptr_nonnull(strstr(lost, "migrd is there again"));
}
END_TEST

/* The move ended before the watch began. */
START_TEST(move_already_over_is_told_at_once)
{
	START({ .pieces = { REPLY(DONE), NULL } });
	ck_assert_msg(watch(), "%s", err.msg);
	ck_assert_uint_eq(script_server_count(server), 1);
}
END_TEST

START_TEST(json_output_is_the_final_move_alone)
{
	START({ .pieces = { REPLY(DONE), NULL } });
	globals.output = "json";
	ck_assert_msg(watch(), "%s", err.msg);
	ck_assert_int_eq(text_of(out)[0], '{');
	ck_assert_ptr_nonnull(strstr(text_of(out), "\"total_ms\": 1234"));
}
END_TEST

START_TEST(unknown_move_is_the_servers_error)
{
	START({ .pieces = { "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
			    "{\"code\":\"not-found\",\"detail\":\"no move\"}",
			    NULL } });
	ck_assert(!watch());
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

START_TEST(no_daemon_at_first_is_an_error_at_once)
{
	struct client_config config = { .socket_path = scratch_path("none") };

	client = client_new(&config, &err);
	ck_assert(!watch());
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_str_eq(text_of(errors), "");
}
END_TEST

/* When the patience is used up, the error tells what is known. */
START_TEST(daemon_gone_for_good_ends_the_following)
{
	struct follow follow;
	struct client_event event;

	START({ .pieces = { EVENTS, NULL } });
	follow_init(&follow, client, "migrctl");
	follow.outage_max_ms = 300;
	ck_assert_int_eq(follow_next(&follow, 10000, &event, &err), FOLLOW_OPENED);
	unlink(scratch_path("s"));
	ck_assert_int_eq(follow_next(&follow, 10000, &event, &err), FOLLOW_FAILED);
	restore();
	ck_assert_int_eq(err.code, ERR_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(err.msg, "did not come back"));
	follow_fini(&follow);
}
END_TEST

/* ---- endings ---- */

static const struct {
	const char *move;
	enum err_code code;
	const char *part;
} endings[] = {
	{ MOVE("cancelled", "true", "40", ",\"owner\":\"a\""), ERR_CANCELLED,
	  "was cancelled; 'a' owns the guest" },
	{ MOVE("failed", "true", "40",
	       ",\"owner\":\"a\",\"error\":{\"code\":\"qemu-error\",\"detail\":\"it died\"}"),
	  ERR_QEMU, "failed: it died; 'a' owns the guest" },
	{ MOVE("stuck", "true", "99", ",\"owner\":null,\"reason\":\"no answer\""), ERR_CONFLICT,
	  "stuck and needs an operator: no answer; nobody owns the guest" },
	{ MOVE("strange", "true", "99", ""), ERR_INTERNAL, "unknown state" },
};

/* Scripts tell by the exit code whether the guest has moved. */
START_TEST(bad_ending_is_an_error_that_names_the_owner)
{
	struct faults *faults = faults_new();
	struct json_object *move = json_parse(endings[_i].move, strlen(endings[_i].move),
					      &json_limits_default, faults);

	restore();
	ck_assert_ptr_nonnull(move);
	ck_assert(!summary_result(move, &err));
	ck_assert_int_eq(err.code, endings[_i].code);
	ck_assert_msg(strstr(err.msg, endings[_i].part), "%s", err.msg);
	json_object_put(move);
	faults_free(faults);
}
END_TEST

/* ---- the line ---- */

static void update(struct progress *progress, const char *text)
{
	struct faults *faults = faults_new();
	struct json_object *move = json_parse(text, strlen(text), &json_limits_default, faults);

	ck_assert_ptr_nonnull(move);
	progress_update(progress, move);
	json_object_put(move);
	faults_free(faults);
}

/* A busy guest makes the remaining memory grow, but a bar that shrinks looks like a fault. */
START_TEST(percent_never_runs_backwards)
{
	struct progress progress = { .told_tens = -1 };
	static const char *const reports[] = { "40", "25", "null", "1e300", "-5", "\"x\"" };
	static const double wanted[] = { 40, 40, 40, 100, 100, 100 };

	restore();
	for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
		CLEANUP(free_charp)
		char *move = xasprintf("{\"vm\":\"v\",\"state\":\"transfer\",\"progress\":{"
				       "\"percent\":%s}}",
				       reports[i]);

		update(&progress, move);
		ck_assert_msg(progress.percent == wanted[i], "%s: %g", reports[i],
			      progress.percent);
	}
}
END_TEST

START_TEST(bar_fits_any_width)
{
	struct progress progress = { .told_tens = -1 };
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	restore();
	update(&progress, MOVE("transfer", "false", "50", ""));
	for (unsigned width = 0; width < 200; width++) {
		strbuf_clear(&line);
		progress_bar(&progress, width, &line);
		ck_assert_uint_le(line.len, width);
	}
	strbuf_clear(&line);
	progress_bar(&progress, 80, &line);
	ck_assert_str_eq(strbuf_str(&line), "vm1 transfer [######------]  50 %  "
					    "1.0 MiB, 2.0 MiB left, 1.0 MiB/s, 2 s");
}
END_TEST

/* What is left now, divided by the rate, is no forecast: the guest makes it more again. */
START_TEST(what_the_daemon_expects_is_told_in_its_words)
{
	struct progress progress = { .told_tens = -1 };
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;
	static const char *const reports[] = {
		MOVE("transfer", "false",
		     "50,\"eta_min_ms\":5200,\"eta_max_ms\":41000,"
		     "\"sentence\":\"3 more passes\"",
		     ""),
		MOVE("transfer", "false", "60,\"eta_min_ms\":5200,\"sentence\":\"3 more passes\"",
		     ""),
		MOVE("transfer", "false", "61,\"sentence\":\"no end is in sight\"", ""),
	};
	static const char *const wanted[] = {
		("vm1: transfer:  50 %  1.0 MiB sent, 2.0 MiB left, 1.0 MiB/s, 6 s to 42 s to go\n"
		 "  3 more passes"),
		"vm1: transfer:  60 %  1.0 MiB sent, 2.0 MiB left, 1.0 MiB/s, at least 6 s to go",
		"vm1: transfer:  61 %  1.0 MiB sent, 2.0 MiB left, 1.0 MiB/s\n  no end is in sight",
	};

	restore();
	for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
		update(&progress, reports[i]);
		strbuf_clear(&line);
		ck_assert(progress_plain(&progress, &line));
		ck_assert_str_eq(strbuf_str(&line), wanted[i]);
	}
}
END_TEST

/* Guests' names come from others and must not control the terminal. */
START_TEST(foreign_text_is_made_harmless)
{
	struct progress progress = { .told_tens = -1 };
	CLEANUP(strbuf_fini) struct strbuf line = STRBUF_INIT;

	restore();
	update(&progress, "{\"vm\":\"\\u001b[2J\",\"state\":\"x\\ny\"}");
	ck_assert(progress_plain(&progress, &line));
	ck_assert_ptr_nonnull(strstr(strbuf_str(&line), "?[2J: x?y:"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("moves");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, move_to_its_end_tells_states_and_outcome);
	tcase_add_test(tc, daemon_restarts_watch_goes_on);
	tcase_add_test(tc, move_already_over_is_told_at_once);
	tcase_add_test(tc, json_output_is_the_final_move_alone);
	tcase_add_test(tc, unknown_move_is_the_servers_error);
	tcase_add_test(tc, no_daemon_at_first_is_an_error_at_once);
	tcase_add_test(tc, daemon_gone_for_good_ends_the_following);
	suite_add_tcase(s, tc);
	tc = tcase_create("words");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, bad_ending_is_an_error_that_names_the_owner, 0, ARRAY_LEN(endings));
	tcase_add_test(tc, percent_never_runs_backwards);
	tcase_add_test(tc, bar_fits_any_width);
	tcase_add_test(tc, what_the_daemon_expects_is_told_in_its_words);
	tcase_add_test(tc, foreign_text_is_made_harmless);
	suite_add_tcase(s, tc);
	return s;
}
