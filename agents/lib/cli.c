/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/cli.h"

#include <ctype.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "agents/lib/cli_help.h"
#include "agents/lib/units.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/stdout.h"

#define OPTIONS_MAX   64
#define OPTION_HELP   1000 /* getopt_long()'s answers for options that are in no table */
#define OPTION_VER    1001
#define COMPLETE_WORD "__complete" /* hidden: for the shell completion */

/* The tables for getopt_long(), and the option behind each of its answers. */
struct option_set {
	struct option longs[OPTIONS_MAX];
	char shorts[OPTIONS_MAX];
	const struct cli_option *options[OPTIONS_MAX];
	void *values[OPTIONS_MAX]; /* the struct that options[i] fills */
	int count;
};

/* ---- one option -------------------------------------------------------- */

static bool check_range(const struct cli_option *option, uint64_t value, struct err *err)
{
	if (option->min == 0 && option->max == 0)
		return true;
	if (value < option->min || value > option->max)
		return err_set(err, ERR_INVALID, "%llu is not between %llu and %llu",
			       (unsigned long long)value, (unsigned long long)option->min,
			       (unsigned long long)option->max);
	return true;
}

static bool set_number(const struct cli_option *option, const char *text, struct cli_number *number,
		       struct err *err)
{
	uint64_t value;
	bool ok = option->type == CLI_BYTES ? units_parse_bytes(text, &value, err)
					    : units_parse_count(text, &value, err);

	if (!ok || !check_range(option, value, err))
		return false;
	*number = (struct cli_number){ true, value };
	return true;
}

static bool set_choice(const struct cli_option *option, const char *text, const char **ret_choice,
		       struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf all = STRBUF_INIT;

	for (const char *const *choice = option->choices; *choice; choice++) {
		if (strcmp(*choice, text) == 0) {
			*ret_choice = *choice;
			return true;
		}
		strbuf_addf(&all, "%s%s", all.len ? ", " : "", *choice);
	}
	return err_set(err, ERR_INVALID, "'%s' is none of: %s", text, strbuf_str(&all));
}

static bool add_text(struct cli_texts *texts, const char *text, struct err *err)
{
	if (texts->count == CLI_TEXTS_MAX)
		return err_set(err, ERR_INVALID, "given more than %d times", CLI_TEXTS_MAX);
	texts->list[texts->count++] = text;
	return true;
}

static bool set_value(const struct cli_option *option, void *values, const char *text,
		      struct err *err)
{
	void *value = (char *)values + option->offset;
	bool ok = true;

	switch (option->type) {
	case CLI_FLAG:
		*(bool *)value = true;
		break;
	case CLI_TEXT:
		*(const char **)value = text;
		break;
	case CLI_TEXTS:
		ok = add_text(value, text, err);
		break;
	case CLI_CHOICE:
		ok = set_choice(option, text, value, err);
		break;
	case CLI_COUNT:
	case CLI_BYTES:
		ok = set_number(option, text, value, err);
		break;
	}
	return ok ? true : err_wrap(err, "option --%s", option->name);
}

static bool is_set(const struct cli_option *option, const void *values)
{
	const void *value = (const char *)values + option->offset;

	switch (option->type) {
	case CLI_FLAG:
		return *(const bool *)value;
	case CLI_TEXT:
	case CLI_CHOICE:
		return *(const char *const *)value != NULL;
	case CLI_TEXTS:
		return ((const struct cli_texts *)value)->count > 0;
	case CLI_COUNT:
	case CLI_BYTES:
		return ((const struct cli_number *)value)->is_set;
	}
	return false;
}

/* ---- all options ------------------------------------------------------- */

static void set_add(struct option_set *set, const struct cli_option *option, void *values,
		    int value)
{
	size_t shorts_len = strlen(set->shorts);
	char letter = option->letter;
	int has_arg = option->type == CLI_FLAG ? no_argument : required_argument;

	set->options[set->count] = option;
	set->values[set->count] = values;
	set->longs[set->count] = (struct option){ option->name, has_arg, NULL, value };
	set->count++;
	if (letter)
		snprintf(set->shorts + shorts_len, sizeof(set->shorts) - shorts_len, "%c%s", letter,
			 has_arg == required_argument ? ":" : "");
}

/* getopt_long() returns 256 and above for these options, so that none looks like a letter. */
static void set_add_all(struct option_set *set, const struct cli_option *options, void *values)
{
	/* Leaves room for --help, --version and the end. */
	for (; options && options->name && set->count < OPTIONS_MAX - 3; options++)
		set_add(set, options, values, 256 + set->count);
}

/* PREFIX: "+:" stops at the first word that is no option, ":" does not. */
static void set_init(struct option_set *set, const char *prefix)
{
	static const struct cli_option help = { .name = "help", .letter = 'h' };
	static const struct cli_option version = { .name = "version" };

	memset(set, 0, sizeof(*set));
	snprintf(set->shorts, sizeof(set->shorts), "%s", prefix);
	set_add(set, &help, NULL, OPTION_HELP);
	set_add(set, &version, NULL, OPTION_VER);
}

static int set_find(const struct option_set *set, int answer)
{
	for (int i = 0; i < set->count; i++)
		if (set->longs[i].val == answer ||
		    (set->options[i]->letter && set->options[i]->letter == answer))
			return i;
	return -1;
}

static bool unknown_option(const struct option_set *set, const char *word, struct err *err)
{
	CLEANUP(free_charp) char *name = xstrdup(word + strspn(word, "-"));
	struct nearest nearest = { .word = name };

	name[strcspn(name, "=")] = '\0';
	for (int i = 0; i < set->count; i++)
		if (strncmp(word, "--", 2) == 0)
			nearest_offer(&nearest, set->longs[i].name);
	if (nearest.best)
		return err_set(err, ERR_INVALID, "unknown option '--%s' (did you mean '--%s'?)",
			       name, nearest.best);
	return err_set(err, ERR_INVALID, "unknown option '%s': --help lists them", word);
}

/* getopt_long() has answered '?': the word is unknown, ambiguous, or a flag with a value. */
static bool refused_option(const struct option_set *set, char **argv, struct err *err)
{
	int i = optopt ? set_find(set, optopt) : -1;
	char letter[3] = { '-', (char)optopt, '\0' };

	if (i >= 0)
		return err_set(err, ERR_INVALID, "option --%s takes no value", set->longs[i].name);
	/* A letter may stand among others: "-xyz". */
	return unknown_option(set, optopt ? letter : argv[optind - 1], err);
}

enum scan { SCAN_DONE, SCAN_HELP, SCAN_VERSION, SCAN_FAILED };

static enum scan scan(struct option_set *set, int argc, char **argv, struct err *err)
{
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, set->shorts, set->longs, NULL)) != -1) {
		int i = set_find(set, answer);

		if (answer == OPTION_HELP || answer == 'h')
			return SCAN_HELP;
		if (answer == OPTION_VER)
			return SCAN_VERSION;
		if (answer == ':') {
			i = set_find(set, optopt);
			err_set(err, ERR_INVALID, "option --%s needs a value (%s)",
				set->longs[i].name, set->options[i]->arg);
			return SCAN_FAILED;
		}
		if (answer == '?' || i < 0) {
			refused_option(set, argv, err);
			return SCAN_FAILED;
		}
		if (!set_value(set->options[i], set->values[i], optarg, err))
			return SCAN_FAILED;
	}
	return SCAN_DONE;
}

/* The value of OPTION, if WORD is that option: "--name=value", "--name" NEXT, "-nvalue", "-n" NEXT;
 * else NULL. */
static const char *loose_value(const struct cli_option *option, const char *word, const char *next)
{
	size_t len = strlen(option->name);

	if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, option->name, len) == 0)
		return word[2 + len] == '=' ? word + 3 + len : word[2 + len] ? NULL : next;
	if (word[0] == '-' && option->letter && word[1] == option->letter)
		return word[2] ? word + 2 : next;
	return NULL;
}

/* Reads the program's options among WORDS, wherever they are and whatever the others are; a wrong
 * value is left out.  For what is done with a line that is not whole, or wrong. */
static void scan_loosely(const struct cli_program *program, char **words, int count, void *globals)
{
	struct err ignored;

	for (int i = 0; i < count && strcmp(words[i], "--") != 0; i++) {
		for (const struct cli_option *o = program->options; o && o->name; o++) {
			const char *value =
				loose_value(o, words[i], i + 1 < count ? words[i + 1] : NULL);

			if (value && o->type != CLI_FLAG)
				set_value(o, globals, value, &ignored);
		}
	}
}

/* ---- noun and verb ------------------------------------------------------ */

static const struct cli_command *find_noun(const struct cli_program *program, const char *noun,
					   struct err *err)
{
	struct nearest nearest = { .word = noun };

	for (const struct cli_command *const *c = program->commands; *c; c++) {
		if (strcmp((*c)->noun, noun) == 0)
			return *c;
		nearest_offer(&nearest, (*c)->noun);
	}
	if (nearest.best)
		err_set(err, ERR_INVALID, "unknown command '%s' (did you mean '%s'?)", noun,
			nearest.best);
	else
		err_set(err, ERR_INVALID, "unknown command '%s'", noun);
	return NULL;
}

static const struct cli_command *find_verb(const struct cli_program *program, const char *noun,
					   const char *verb, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf verbs = STRBUF_INIT;
	struct nearest nearest = { .word = verb };

	for (const struct cli_command *const *c = program->commands; *c; c++) {
		if (strcmp((*c)->noun, noun) != 0)
			continue;
		if (strcmp((*c)->verb, verb) == 0)
			return *c;
		nearest_offer(&nearest, (*c)->verb);
		strbuf_addf(&verbs, "%s%s", verbs.len ? ", " : "", (*c)->verb);
	}
	if (nearest.best)
		err_set(err, ERR_INVALID, "unknown verb '%s' of '%s' (did you mean '%s'?)", verb,
			noun, nearest.best);
	else
		err_set(err, ERR_INVALID, "unknown verb '%s': '%s' has %s", verb, noun,
			strbuf_str(&verbs));
	return NULL;
}

static bool check_words(const struct cli_call *call, struct err *err)
{
	const struct cli_command *c = call->command;

	if (call->word_count < c->min_args)
		return err_set(err, ERR_INVALID, "an argument is missing: %s%s%s %s", c->noun,
			       c->verb ? " " : "", c->verb ? c->verb : "", c->args);
	if (c->max_args >= 0 && call->word_count > c->max_args)
		return err_set(err, ERR_INVALID, "unexpected argument '%s'",
			       call->words[c->max_args]);
	for (int i = 0; i < call->word_count; i++)
		if (call->words[i][0] == '\0')
			return err_set(err, ERR_INVALID, "argument %d is empty", i + 1);
	return true;
}

static bool check_required(const struct cli_call *call, struct err *err)
{
	for (const struct cli_option *o = call->command->options; o && o->name; o++)
		if (o->is_required && !is_set(o, call->values))
			return err_set(err, ERR_INVALID, "option --%s %s is missing", o->name,
				       o->arg);
	return true;
}

/* ---- a whole command line ----------------------------------------------- */

/* The current place in argv, moved on word by word. */
struct cursor {
	int argc;
	char **argv;
	void *globals;
};

static void show_help(struct cli_call *call, const struct cli_command *command)
{
	if (command && (command->verb == NULL || call->command))
		cli_help_command(call->program, command, &call->text);
	else
		cli_help_program(call->program, command ? command->noun : NULL, &call->text);
	call->command = NULL;
}

/* Acts on the result of scan(); true: --help, --version or an error, nothing is left to do. */
static bool take_answer(struct cli_call *call, enum scan answer, const struct cli_command *command)
{
	switch (answer) {
	case SCAN_DONE:
		return false;
	case SCAN_HELP:
		show_help(call, command);
		return true;
	case SCAN_VERSION:
		strbuf_addf(&call->text, "%s %s\n", call->program->name, call->program->version);
		call->command = NULL;
		return true;
	case SCAN_FAILED:
		break;
	}
	return true;
}

/* Takes the program's own options that stand before the next word. */
static enum scan scan_globals(const struct cli_call *call, struct cursor *at, struct err *err)
{
	struct option_set set;
	enum scan answer;

	set_init(&set, "+:");
	set_add_all(&set, call->program->options, at->globals);
	optind = 0; /* GNU: start over; argv[0] is skipped */
	answer = scan(&set, at->argc, at->argv, err);
	at->argc -= optind - 1;
	at->argv += optind - 1;
	return answer;
}

static enum scan scan_rest(struct cli_call *call, struct cursor *at, void *values, struct err *err)
{
	struct option_set set;
	enum scan answer;

	set_init(&set, ":");
	set_add_all(&set, call->command->options, values);
	set_add_all(&set, call->program->options, at->globals);
	optind = 0;
	answer = scan(&set, at->argc, at->argv, err);
	call->words = at->argv + optind;
	call->word_count = at->argc - optind;
	return answer;
}

/* Moves on: the next word becomes argv[0]. */
static const char *next_word(struct cursor *at)
{
	if (at->argc < 2)
		return NULL;
	at->argc--;
	at->argv++;
	return at->argv[0];
}

static bool parse_command(struct cli_call *call, struct cursor *at,
			  const struct cli_command *command, struct err *err)
{
	void *values = xcalloc(1, command->values_size + 1);
	enum scan answer;

	call->command = command;
	call->values = values;
	answer = scan_rest(call, at, values, err);
	if (take_answer(call, answer, command))
		return answer != SCAN_FAILED;
	return check_words(call, err) && check_required(call, err);
}

static bool parse_verb(struct cli_call *call, struct cursor *at, const struct cli_command *noun,
		       struct err *err)
{
	const struct cli_command *command;
	enum scan answer = scan_globals(call, at, err);
	const char *verb;

	if (take_answer(call, answer, noun))
		return answer != SCAN_FAILED;
	verb = next_word(at);
	if (!verb)
		return err_set(err, ERR_INVALID, "what about '%s'? `%s %s --help' lists its verbs",
			       noun->noun, call->program->name, noun->noun);
	command = find_verb(call->program, noun->noun, verb, err);
	return command && parse_command(call, at, command, err);
}

bool cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_call *call,
	       struct err *err)
{
	struct cursor at = { argc, argv, xcalloc(1, program->values_size + 1) };
	const struct cli_command *command;
	enum scan answer;
	const char *noun;

	memset(call, 0, sizeof(*call));
	call->program = program;
	call->globals = at.globals;
	answer = scan_globals(call, &at, err);
	if (take_answer(call, answer, NULL))
		return answer != SCAN_FAILED;
	noun = next_word(&at);
	if (!noun)
		return err_set(err, ERR_INVALID, "no command is given: `%s --help' lists them",
			       program->name);
	if (strcmp(noun, COMPLETE_WORD) == 0) {
		bool is_marked = at.argc > 1 && strcmp(at.argv[1], "--") == 0;
		char **words = at.argv + 1 + is_marked;
		int count = at.argc - 1 - is_marked;

		scan_loosely(program, words, count, at.globals);
		cli_help_words(program, at.globals, words, count, &call->text);
		return true;
	}
	command = find_noun(program, noun, err);
	if (!command)
		return false;
	return command->verb ? parse_verb(call, &at, command, err)
			     : parse_command(call, &at, command, err);
}

static void free_const(const void *p)
{
	free((void *)(uintptr_t)p); /* not const: cli_parse() allocated it */
}

static void *globals_of(const struct cli_call *call)
{
	return (void *)(uintptr_t)call->globals; /* not const: cli_parse() allocated it */
}

void cli_call_fini(struct cli_call *call)
{
	free_const(call->globals);
	free_const(call->values);
	strbuf_fini(&call->text);
	faults_free(call->faults);
}

/* ---- running ------------------------------------------------------------- */

void cli_clean(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

static void print_fault(const struct fault *fault)
{
	struct fault clean = *fault;

	cli_clean(clean.pointer);
	cli_clean(clean.detail);
	fprintf(stderr, "  %s%s%s\n", clean.pointer, clean.pointer[0] ? ": " : "", clean.detail);
}

static int print_error(const struct cli_call *call, struct err *err)
{
	const struct faults *faults = call->faults;
	size_t listed = !faults ? 0 : faults->count < FAULT_MAX ? faults->count : FAULT_MAX;

	cli_clean(err->msg);
	fflush(stdout);
	if (call->program->print_error && call->program->print_error(call, err))
		return err_exit_code(err->code);
	fprintf(stderr, "%s: %s: %s\n", call->program->name, err_name(err->code), err->msg);
	for (size_t i = 0; i < listed; i++)
		print_fault(&faults->list[i]);
	if (faults && faults->count > listed)
		fprintf(stderr, "  and %zu more\n", faults->count - listed);
	return err_exit_code(err->code);
}

int cli_main(const struct cli_program *program, int argc, char **argv)
{
	CLEANUP(cli_call_fini) struct cli_call call;
	struct err err = { ERR_NONE, "" };

	if (!cli_parse(program, argc, argv, &call, &err)) {
		/* How errors are printed may be said behind what is wrong. */
		scan_loosely(program, argv + 1, argc - 1, globals_of(&call));
		return print_error(&call, &err);
	}
	if (!call.command) {
		fputs(strbuf_str(&call.text), stdout);
		return stdout_end(&err) ? 0 : print_error(&call, &err);
	}
	call.faults = faults_new();
	if (!call.command->run(&call, &err) || !stdout_end(&err))
		return print_error(&call, &err);
	return call.exit_code;
}
