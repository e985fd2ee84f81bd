/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/cli.h -- a command line of noun and verb, described by tables.
 *
 * The tables give the parsing, --help, the words for shell completion and the
 * errors, which name the nearest word that would have been right.  Options may
 * stand anywhere after the verb; the program's own also before the noun.
 *
 * Thread: main only (getopt_long(3) inside).
 */
#ifndef MIGRD_LIB_CLI_H
#define MIGRD_LIB_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"

enum cli_type {
	CLI_FLAG,   /* bool */
	CLI_TEXT,   /* const char *, NULL when not given */
	CLI_CHOICE, /* const char *, one of `choices' */
	CLI_COUNT,  /* struct cli_number, a whole number */
	CLI_BYTES,  /* struct cli_number, units_parse_bytes() */
};

struct cli_number {
	bool is_set;
	uint64_t value;
};

struct cli_option {
	const char *name; /* without "--"; NULL ends a table */
	char letter;      /* 0: none */
	enum cli_type type;
	size_t offset; /* of the value in its struct */
	bool is_required;
	uint64_t min, max;          /* COUNT, BYTES; both 0: any */
	const char *const *choices; /* CHOICE, ended by NULL */
	const char *arg;            /* how the help calls the value */
	const char *help;
};

struct cli_call;
typedef bool cli_run_fn(struct cli_call *call, struct err *err);

struct cli_command {
	const char *noun;
	const char *verb;                 /* NULL: the noun is the command */
	const char *args;                 /* for the help: "VM", "[FILE]" */
	int min_args, max_args;           /* max -1: any number */
	const struct cli_option *options; /* NULL: none of its own */
	size_t values_size;               /* of the struct that `options' fill */
	const char *summary;              /* one line, lower case */
	const char *details;              /* further lines for its --help, or NULL */
	cli_run_fn *run;
};

struct cli_program {
	const char *name;
	const char *version;
	const char *summary;
	const struct cli_option *options; /* those that every command has */
	size_t values_size;
	const struct cli_command *const *commands; /* ended by NULL */
	const char *trailer;                       /* end of the overall help */
};

/* One command line, understood. */
struct cli_call {
	const struct cli_program *program;
	const struct cli_command *command; /* NULL: text is all there is */
	const void *globals;               /* the struct of program->options */
	const void *values;                /* the struct of command->options */
	char **words;                      /* the arguments; they stay argv's */
	int word_count;
	struct strbuf text;    /* --help, --version: to be printed instead */
	struct faults *faults; /* run() may add details to its error */
	int exit_code;         /* of a run() that did what it was to do, and has more to tell */
};

/* Strings in *CALL point into ARGV, which getopt_long() may reorder.  INVALID
 * for what cannot be understood.  To be ended by cli_call_fini() either way. */
bool cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_call *call,
	       struct err *err);
void cli_call_fini(struct cli_call *call);

/* Parses, runs, prints the error; returns the exit code. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* TEXT with what could steer a terminal replaced by '?', for foreign strings. */
void cli_clean(char *text);

#endif
