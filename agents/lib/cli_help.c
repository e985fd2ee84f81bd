/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/lib/cli_help.h"

#include <ctype.h>
#include <string.h>

#define HELP_COLUMN 30 /* where explanations begin */
#define LINE_WIDTH  96

static void pad(struct strbuf *text, size_t line_start, size_t column)
{
	/* A text that reaches the column gets a line of its own. */
	if (text->len - line_start >= column) {
		strbuf_adds(text, "\n");
		line_start = text->len;
	}
	while (text->len - line_start < column)
		strbuf_adds(text, " ");
}

/* Prints WORDS from the help column on; lines are broken between words. */
static void add_wrapped(struct strbuf *text, const char *words)
{
	size_t line_start = text->len - HELP_COLUMN;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (text->len - line_start + len + 1 > LINE_WIDTH) {
			strbuf_adds(text, "\n");
			line_start = text->len;
			pad(text, line_start, HELP_COLUMN);
		} else if (text->len - line_start > HELP_COLUMN) {
			strbuf_adds(text, " ");
		}
		strbuf_add(text, words, len);
		words += len + strspn(words + len, " ");
	}
	strbuf_adds(text, "\n");
}

static void add_option(struct strbuf *text, const struct cli_option *option)
{
	size_t line_start = text->len;

	if (option->letter)
		strbuf_addf(text, "  -%c, --%s", option->letter, option->name);
	else
		strbuf_addf(text, "      --%s", option->name);
	if (option->type != CLI_FLAG)
		strbuf_addf(text, " %s", option->arg);
	strbuf_adds(text, " ");
	pad(text, line_start, HELP_COLUMN);
	add_wrapped(text, option->help);
}

static void add_options(struct strbuf *text, const char *title, const struct cli_option *options)
{
	if (!options || !options->name)
		return;
	strbuf_addf(text, "\n%s:\n", title);
	for (; options->name; options++)
		add_option(text, options);
}

static void add_standard_options(const struct cli_program *program, struct strbuf *text)
{
	add_options(text, "options of every command", program->options);
	strbuf_adds(text, "  -h, --help                  show this text\n");
}

static void add_words_of(const struct cli_command *command, struct strbuf *text)
{
	strbuf_adds(text, command->noun);
	if (command->verb)
		strbuf_addf(text, " %s", command->verb);
	if (command->args)
		strbuf_addf(text, " %s", command->args);
}

static void add_summary(const struct cli_command *command, struct strbuf *text)
{
	size_t line_start = text->len;

	strbuf_adds(text, "  ");
	add_words_of(command, text);
	strbuf_adds(text, " ");
	pad(text, line_start, HELP_COLUMN);
	add_wrapped(text, command->summary);
}

void cli_help_program(const struct cli_program *program, const char *noun, struct strbuf *text)
{
	const struct cli_command *const *command;

	strbuf_addf(text, "usage: %s [OPTION...] %s VERB [ARGUMENT...] [OPTION...]\n%s\n\n",
		    program->name, noun ? noun : "NOUN", program->summary);
	for (command = program->commands; *command; command++)
		if (!noun || strcmp(noun, (*command)->noun) == 0)
			add_summary(*command, text);
	strbuf_addf(text, "\n`%s %s VERB --help' shows the options of one command.\n",
		    program->name, noun ? noun : "NOUN");
	if (noun)
		return;
	add_standard_options(program, text);
	strbuf_adds(text, "      --version               show the version\n");
	if (program->trailer)
		strbuf_addf(text, "\n%s", program->trailer);
}

void cli_help_command(const struct cli_program *program, const struct cli_command *command,
		      struct strbuf *text)
{
	strbuf_addf(text, "usage: %s ", program->name);
	add_words_of(command, text);
	for (const struct cli_option *o = command->options; o && o->name; o++)
		if (o->is_required)
			strbuf_addf(text, " --%s %s", o->name, o->arg);
	strbuf_addf(text, " [OPTION...]\n%s\n", command->summary);
	if (command->details)
		strbuf_addf(text, "\n%s", command->details);
	add_options(text, "options", command->options);
	add_standard_options(program, text);
	if (program->examples && program->examples(command))
		strbuf_addf(text, "\nexamples:\n%s", program->examples(command));
}

/* ---- completion -------------------------------------------------------- */

static void add_option_words(const struct cli_option *options, struct strbuf *text)
{
	for (; options && options->name; options++)
		strbuf_addf(text, "--%s\n", options->name);
}

static bool words_match(const struct cli_command *command, char **words, int count)
{
	return (count < 1 || strcmp(command->noun, words[0]) == 0) &&
	       (count < 2 || !command->verb || strcmp(command->verb, words[1]) == 0);
}

static void add_next_word(const struct cli_command *command, int count, const char *previous_noun,
			  struct strbuf *text)
{
	if (count == 0 && (!previous_noun || strcmp(previous_noun, command->noun) != 0))
		strbuf_addf(text, "%s\n", command->noun);
	else if (count == 1 && command->verb)
		strbuf_addf(text, "%s\n", command->verb);
	else if (count >= 1)
		add_option_words(command->options, text);
}

/* The option WORD, if the next word must be its value; else NULL. */
static const struct cli_option *find_awaiting(const struct cli_option *option, const char *word)
{
	for (; option && option->name; option++) {
		bool is_long = word[1] == '-' && strcmp(word + 2, option->name) == 0;
		bool is_short = word[1] == option->letter && word[1] && !word[2];

		if ((is_long || is_short) && option->type != CLI_FLAG)
			return option;
	}
	return NULL;
}

static const struct cli_option *awaits_value(const struct cli_program *program, const char *word)
{
	const struct cli_option *option = find_awaiting(program->options, word);

	for (const struct cli_command *const *c = program->commands; *c && !option; c++)
		option = find_awaiting((*c)->options, word);
	return option;
}

/* Removes options and their values from WORDS; returns the option whose value is still to come. */
static const struct cli_option *drop_options(const struct cli_program *program, char **words,
					     int *count)
{
	const struct cli_option *awaited = NULL;
	int kept = 0;

	for (int i = 0; i < *count; i++) {
		if (awaited)
			awaited = NULL;
		else if (words[i][0] == '-' && words[i][1])
			awaited = awaits_value(program, words[i]);
		else
			words[kept++] = words[i];
	}
	*count = kept;
	return awaited;
}

static bool is_path(const char *arg)
{
	return strstr(arg, "FILE") || strstr(arg, "PATH") || strstr(arg, "DIR");
}

static bool is_word(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)text[i]) && text[i] != '-')
			return false;
	return len > 0;
}

/* The words of "stay|return|keep"; names of values are in capitals. */
static void add_alternatives(const char *arg, struct strbuf *text)
{
	size_t len;

	for (; *arg; arg += len + (arg[len] == '|')) {
		len = strcspn(arg, "|");
		if (is_word(arg, len))
			strbuf_addf(text, "%.*s\n", (int)len, arg);
	}
}

static void add_values(const struct cli_program *program, const struct cli_place *place,
		       struct strbuf *text)
{
	if (is_path(place->arg))
		strbuf_addf(text, "%s\n", CLI_HELP_FILE);
	if (program->complete)
		program->complete(place, text);
}

static void add_option_values(const struct cli_program *program, const struct cli_option *option,
			      const struct cli_place *place, struct strbuf *text)
{
	for (const char *const *choice = option->choices; choice && *choice; choice++)
		strbuf_addf(text, "%s\n", *choice);
	if (!option->choices && option->arg)
		add_alternatives(option->arg, text);
	if (option->arg)
		add_values(program, place, text);
}

/* Adds what the command's argument number AT, as its usage names it, may be.  The last one, if it
 * ends with "...", may come again. */
static void add_argument(const struct cli_program *program, const struct cli_command *command,
			 int at, const struct cli_place *place, struct strbuf *text)
{
	const char *arg = command->args;
	struct cli_place here = *place;
	char name[64];

	for (; arg && *arg && at > 0; at--) {
		size_t len = strcspn(arg, " ");

		if (!arg[len] && len > 3 && strcmp(arg + len - 3, "...") == 0)
			break;
		arg += len + (arg[len] == ' ');
	}
	if (!arg || !*arg)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, " "), arg);
	here.arg = name;
	add_values(program, &here, text);
}

/* The command that WORDS begin with; NULL: none does. */
static const struct cli_command *find_command(const struct cli_program *program, char **words,
					      int count)
{
	for (const struct cli_command *const *c = program->commands; *c; c++)
		if (count >= ((*c)->verb ? 2 : 1) && words_match(*c, words, count))
			return *c;
	return NULL;
}

void cli_help_words(const struct cli_program *program, const void *globals, char **words, int count,
		    struct strbuf *text)
{
	const struct cli_option *awaited = drop_options(program, words, &count);
	const struct cli_command *command = find_command(program, words, count);
	int own = command && !command->verb ? 1 : 2;
	struct cli_place place = { .command = command,
				   .words = words + own,
				   .word_count = command ? count - own : 0,
				   .globals = globals };
	const char *previous_noun = NULL;

	if (awaited) {
		place.option = awaited;
		place.arg = awaited->arg;
		add_option_values(program, awaited, &place, text);
		return;
	}
	if (command)
		add_argument(program, command, place.word_count, &place, text);
	for (const struct cli_command *const *c = program->commands; *c; c++) {
		if (words_match(*c, words, count))
			add_next_word(*c, count, previous_noun, text);
		previous_noun = (*c)->noun;
	}
	if (count != 1)
		add_option_words(program->options, text);
}
