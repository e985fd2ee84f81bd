/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command line is parsed, or refused with a message that tells what is right. */
#include <string.h>

#include "agents/lib/cli.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"

struct globals {
	const char *output;
	const char *socket;
};

struct values {
	const char *to;
	struct cli_number bandwidth, limit;
	bool watch;
	struct cli_texts tags;
};

static const char *const outputs[] = { "table", "json", NULL };

static const struct cli_option globals[] = {
	{ .name = "output",
	  .letter = 'o',
	  .type = CLI_CHOICE,
	  .choices = outputs,
	  .offset = offsetof(struct globals, output),
	  .arg = "table|json",
	  .help = "how" },
	{ .name = "socket",
	  .type = CLI_TEXT,
	  .offset = offsetof(struct globals, socket),
	  .arg = "PATH",
	  .help = "where" },
	{ .name = NULL },
};

static const struct cli_option start_options[] = {
	{ .name = "to",
	  .letter = 't',
	  .type = CLI_TEXT,
	  .is_required = true,
	  .offset = offsetof(struct values, to),
	  .arg = "HOST",
	  .help = "the host" },
	{ .name = "bandwidth",
	  .type = CLI_BYTES,
	  .offset = offsetof(struct values, bandwidth),
	  .arg = "BYTES",
	  .help = "how fast" },
	{ .name = "limit",
	  .type = CLI_COUNT,
	  .offset = offsetof(struct values, limit),
	  .min = 1,
	  .max = 100,
	  .arg = "MS",
	  .help = "how long" },
	{ .name = "watch",
	  .letter = 'w',
	  .type = CLI_FLAG,
	  .offset = offsetof(struct values, watch),
	  .help = "look on" },
	{ .name = "tag",
	  .type = CLI_TEXTS,
	  .offset = offsetof(struct values, tags),
	  .arg = "TAG",
	  .help = "a mark" },
	{ .name = NULL },
};

static bool run_ok(struct cli_call *call, struct err *err)
{
	(void)call;
	(void)err;
	return true;
}

static bool run_fails(struct cli_call *call, struct err *err)
{
	faults_add(call->faults, "/memory_mib", "must be a number");
	faults_add(call->faults, "/disks/0/path", "missing\033[2J");
	return err_set(err, ERR_TOO_LATE, "two\nlines");
}

static const struct cli_command move_start = {
	.noun = "move",
	.verb = "start",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = start_options,
	.values_size = sizeof(struct values),
	.summary = "move a guest",
	.run = run_ok,
};
static const struct cli_command move_list = {
	.noun = "move",
	.verb = "list",
	.summary = "all moves",
	.run = run_ok,
};
static const struct cli_command vm_fail = {
	.noun = "vm",
	.verb = "fail",
	.summary = "fail",
	.run = run_fails,
};
static const struct cli_command events = {
	.noun = "events",
	.summary = "what happens",
	.run = run_ok,
};
static const struct cli_command *const commands[] = { &move_start, &move_list, &vm_fail, &events,
						      NULL };

static void complete(const struct cli_place *place, struct strbuf *text)
{
	const struct globals *g = place->globals;

	if (!place->command)
		return;
	strbuf_addf(text, "%s of %s %s (%s)", place->arg, place->command->noun,
		    place->command->verb, g->output ? g->output : "-");
	for (int i = 0; i < place->word_count; i++)
		strbuf_addf(text, " %d %s", i + 1, place->words[i]);
	strbuf_adds(text, "\n");
}

static const char *example(const struct cli_command *command)
{
	return command == &move_start ? "  tool move start vm1\n" : NULL;
}

static bool print_error(const struct cli_call *call, const struct err *e)
{
	const struct globals *g = call->globals;

	if (!g->output || strcmp(g->output, "json") != 0)
		return false;
	fprintf(stderr, "{%s}\n", err_name(e->code));
	return true;
}

static const struct cli_program program = {
	.name = "tool",
	.version = "1.2",
	.summary = "A tool.",
	.options = globals,
	.values_size = sizeof(struct globals),
	.commands = commands,
	.complete = complete,
	.examples = example,
	.print_error = print_error,
};

static struct cli_call call;
static struct err err;
static char line[512];

/* Splits at blanks; "''" is the empty word. */
static int split(const char *text, char **argv)
{
	int argc = 0;
	char *rest = line, *word;

	snprintf(line, sizeof(line), "tool %s", text);
	while ((word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	return argc;
}

static bool parse(const char *text)
{
	static char *argv[32];
	int argc = split(text, argv);

	cli_call_fini(&call);
	err.code = ERR_NONE;
	return cli_parse(&program, argc, argv, &call, &err);
}

static void teardown(void)
{
	cli_call_fini(&call);
}

START_TEST(options_anywhere_are_taken)
{
	static const char *const rows[] = {
		"move start vm1 --to b --bandwidth 64M --limit 5 -w -o json --socket /s",
		"-o json --socket=/s move start --to=b --watch --bandwidth=64M vm1 --limit 5",
		"--socket /s move -ojson start -wt b vm1 --bandw 64M --limit 5",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct values *values;
		const struct globals *g;

		ck_assert_msg(parse(rows[i]), "%s: %s", rows[i], err.msg);
		values = call.values;
		g = call.globals;
		ck_assert_ptr_eq(call.command, &move_start);
		ck_assert_int_eq(call.word_count, 1);
		ck_assert_str_eq(call.words[0], "vm1");
		ck_assert_str_eq(values->to, "b");
		ck_assert(values->watch && values->bandwidth.is_set && values->limit.is_set);
		ck_assert_uint_eq(values->bandwidth.value, 64 << 20);
		ck_assert_uint_eq(values->limit.value, 5);
		ck_assert_str_eq(g->output, "json");
		ck_assert_str_eq(g->socket, "/s");
	}
}
END_TEST

START_TEST(option_given_again_is_added)
{
	const struct cli_texts *tags;

	ck_assert(parse("move start vm1 --to b --tag one --tag=two"));
	tags = &((const struct values *)call.values)->tags;
	ck_assert_uint_eq(tags->count, 2);
	ck_assert_str_eq(tags->list[0], "one");
	ck_assert_str_eq(tags->list[1], "two");
}
END_TEST

/* After "--" no word is an option: a VM may have any name. */
START_TEST(double_dash_ends_options)
{
	ck_assert(parse("move start --to b -- --vm"));
	ck_assert_str_eq(call.words[0], "--vm");
}
END_TEST

START_TEST(left_out_options_are_unset)
{
	const struct values *values;

	ck_assert(parse("move start vm1 --to b"));
	values = call.values;
	ck_assert(!values->watch && !values->bandwidth.is_set && !values->limit.is_set);
	ck_assert_ptr_null(((const struct globals *)call.globals)->output);
}
END_TEST

/* The message for each mistake leads to the right command line. */
static const struct {
	const char *line, *message;
} mistakes[] = {
	{ "", "no command is given: `tool --help' lists them" },
	{ "moev list", "unknown command 'moev' (did you mean 'move'?)" },
	{ "zzzzzz", "unknown command 'zzzzzz'" },
	{ "move", "what about 'move'? `tool move --help' lists its verbs" },
	{ "move strat vm1", "unknown verb 'strat' of 'move' (did you mean 'start'?)" },
	{ "move zzzzzzz", "unknown verb 'zzzzzzz': 'move' has start, list" },
	{ "move start vm1", "option --to HOST is missing" },
	{ "move start --to b", "an argument is missing: move start VM" },
	{ "move start vm1 vm2 --to b", "unexpected argument 'vm2'" },
	{ "move start '' --to b", "argument 1 is empty" },
	{ "move start vm1 --bandwith 3 --to b",
	  "unknown option '--bandwith' (did you mean '--bandwidth'?)" },
	{ "move start vm1 --wacth=1 --to b", "unknown option '--wacth' (did you mean '--watch'?)" },
	{ "move start vm1 --watch=1 --to b", "option --watch takes no value" },
	{ "move start vm1 -wq --to b", "unknown option '-q': --help lists them" },
	{ "move start vm1 --to", "option --to needs a value (HOST)" },
	{ "move start vm1 -t", "option --to needs a value (HOST)" },
	{ "move start vm1 --to b --limit 0", "option --limit: 0 is not between 1 and 100" },
	{ "move start vm1 --to b --limit ten", "option --limit: 'ten' is no whole number" },
	{ "move list -o yaml", "option --output: 'yaml' is none of: table, json" },
	{ "-o yaml move list", "option --output: 'yaml' is none of: table, json" },
	{ "--watch move list", "unknown option '--watch': --help lists them" },
	{ "events now", "unexpected argument 'now'" },
};

START_TEST(mistake_is_named_with_a_way_out)
{
	ck_assert_msg(!parse(mistakes[_i].line), "'%s' was taken", mistakes[_i].line);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_str_eq(err.msg, mistakes[_i].message);
}
END_TEST

/* --help is answered even if the rest of the line is wrong. */
static const struct {
	const char *line, *part;
} helps[] = {
	{ "--help", "usage: tool [OPTION...] NOUN VERB" },
	{ "-h", "  move start VM" },
	{ "--help", "  events " },
	{ "move --help", "usage: tool [OPTION...] move VERB" },
	{ "move start --help", "usage: tool move start VM --to HOST [OPTION...]" },
	{ "move start --bandwidth 1M -h", "      --bandwidth BYTES       how fast" },
	{ "move list --help", "-o, --output table|json" },
	{ "events --help", "usage: tool events [OPTION...]" },
	{ "--version", "tool 1.2\n" },
	{ "move list --version", "tool 1.2\n" },
	{ "__complete", "move\nvm\nevents\n" },
	{ "__complete move", "start\nlist\n" },
	{ "__complete -- --socket /x/y move", "start\nlist\n" },
	{ "__complete -- -o json move start --to b", "--to\n--bandwidth\n" },
	{ "__complete -- --output", "table\njson\n" },
	{ "__complete -- move start -o", "table\njson\n" },
	{ "__complete -- --socket", "@file\n" },
	{ "__complete -- move start -w", "VM of move start (-)\n--to\n" },
	{ "__complete -- -o json move start -w", "VM of move start (json)\n--to\n" },
	{ "__complete -- move start --output=json", "VM of move start (json)\n--to\n" },
	{ "__complete -- -ojson move start vm1 -t", "HOST of move start (json) 1 vm1\n" },
	{ "move start --help", "\nexamples:\n  tool move start vm1\n" },
	{ "__complete move start",
	  "--to\n--bandwidth\n--limit\n--watch\n--tag\n--output\n--socket\n" },
};

START_TEST(help_is_given_instead_of_running)
{
	ck_assert_msg(parse(helps[_i].line), "%s", err.msg);
	ck_assert_ptr_null(call.command);
	ck_assert_msg(strstr(strbuf_str(&call.text), helps[_i].part), "no '%s' in:\n%s",
		      helps[_i].part, strbuf_str(&call.text));
}
END_TEST

/* Runs the whole program with stderr in a file; returns its exit code. */
static int run(const char *text, char *ret_errors, size_t size)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), code, argc;
	static char *argv[32];
	size_t n;

	argc = split(text, argv);
	ck_assert_ptr_nonnull(file);
	dup2(fileno(file), STDERR_FILENO);
	code = cli_main(&program, argc, argv);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(ret_errors, 1, size - 1, file);
	ret_errors[n] = '\0';
	fclose(file);
	return code;
}

/* Scripts read the code, people the lines; control characters of others must not reach the
 * terminal. */
START_TEST(failing_command_prints_each_fault_on_its_line)
{
	char errors[1024];

	ck_assert_int_eq(run("vm fail", errors, sizeof(errors)), err_exit_code(ERR_TOO_LATE));
	ck_assert_str_eq(errors, "tool: too-late: two?lines\n"
				 "  /memory_mib: must be a number\n"
				 "  /disks/0/path: missing?[2J\n");
}
END_TEST

/* The form may be said behind what is wrong. */
START_TEST(error_has_the_form_that_is_asked_for)
{
	static const char *const lines[] = { "vm fail -o json", "move lits -o json",
					     "move lits --output=json", "moev -ojson",
					     "move start --wacth -o json" };
	char errors[1024];

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		ck_assert_int_ne(run(lines[i], errors, sizeof(errors)), 0);
		ck_assert_msg(errors[0] == '{', "%s: %s", lines[i], errors);
	}
	ck_assert_int_eq(run("move lits -- -o json", errors, sizeof(errors)),
			 err_exit_code(ERR_INVALID));
	ck_assert_int_ne(errors[0], '{');
}
END_TEST

START_TEST(exit_codes_come_from_the_error_table)
{
	char errors[1024];

	ck_assert_int_eq(run("move list", errors, sizeof(errors)), 0);
	ck_assert_str_eq(errors, "");
	ck_assert_int_eq(run("move lits", errors, sizeof(errors)), err_exit_code(ERR_INVALID));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("cli");
	TCase *tc = tcase_create("cli");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, options_anywhere_are_taken);
	tcase_add_test(tc, option_given_again_is_added);
	tcase_add_test(tc, double_dash_ends_options);
	tcase_add_test(tc, left_out_options_are_unset);
	tcase_add_loop_test(tc, mistake_is_named_with_a_way_out, 0, ARRAY_LEN(mistakes));
	tcase_add_loop_test(tc, help_is_given_instead_of_running, 0, ARRAY_LEN(helps));
	tcase_add_test(tc, failing_command_prints_each_fault_on_its_line);
	tcase_add_test(tc, error_has_the_form_that_is_asked_for);
	tcase_add_test(tc, exit_codes_come_from_the_error_table);
	suite_add_tcase(s, tc);
	return s;
}
