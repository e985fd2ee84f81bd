/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/cli.h -- a command line of noun and verb, described by tables.
 *
 * Parsing, --help, the words for shell completion and the errors all come from the
 * tables; an error names the nearest word that would have been right.  Options may
 * stand anywhere after the verb; those of the program also before the noun.
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
	CLI_TEXTS,  /* struct cli_texts: may be given more than once */
	CLI_CHOICE, /* const char *, one of `choices' */
	CLI_COUNT,  /* struct cli_number, a whole number */
	CLI_BYTES,  /* struct cli_number, units_parse_bytes() */
};

struct cli_number {
	bool is_set;
	uint64_t value;
};

#define CLI_TEXTS_MAX 1000
struct cli_texts {
	const char *list[CLI_TEXTS_MAX];
	size_t count;
};

struct cli_option {
	const char *name; /* without "--"; NULL ends a table */
	char letter;      /* 0: none */
	enum cli_type type;
	size_t offset; /* of the value in the struct */
	bool is_required;
	uint64_t min, max;          /* COUNT, BYTES; both 0: any */
	const char *const *choices; /* CHOICE, ended by NULL */
	const char *arg;            /* name of the value in the help */
	const char *help;
};

struct cli_call;
struct cli_program;
typedef bool cli_run_fn(struct cli_call *call, struct err *err);

struct cli_command {
	const char *noun;
	const char *verb;                 /* NULL: the noun is the command */
	const char *args;                 /* for the help: "VM", "[FILE]" */
	int min_args, max_args;           /* max -1: any number */
	const struct cli_option *options; /* NULL: none of its own */
	size_t values_size;               /* of the struct that `options' fill */
	const char *summary;              /* one line, lower case */
	const char *details;              /* further lines of the command's --help, or NULL */
	cli_run_fn *run;
	const void *data; /* of run(), which other commands may have too; NULL: none */
};

/* A place in a command line where a value is to be completed. */
struct cli_place {
	const struct cli_command *command; /* NULL: before any command */
	const struct cli_option *option;   /* whose value it is; NULL: an argument's */
	const char *arg;                   /* the value, as the usage names it: "VM", "[HOST]" */
	char **words;                      /* the command's arguments before it */
	int word_count;
	const void *globals; /* the struct of the program's options, as far as they are given */
};

struct cli_program {
	const char *name;
	const char *version;
	const char *summary;
	const struct cli_option *options; /* every command has these */
	size_t values_size;
	const struct cli_command *const *commands; /* ended by NULL */
	const char *trailer;                       /* end of the overall help */
	/* Optional: adds to TEXT, one a line, what the value at PLACE may be. */
	void (*complete)(const struct cli_place *place, struct strbuf *text);
	/* Optional: lines with command lines for the help of COMMAND, or NULL. */
	const char *(*examples)(const struct cli_command *command);
	/* Optional: prints ERR to standard error in another form; false: in the usual one. */
	bool (*print_error)(const struct cli_call *call, const struct err *err);
};

/* A parsed command line. */
struct cli_call {
	const struct cli_program *program;
	const struct cli_command *command; /* NULL: only TEXT is to be printed */
	const void *globals;               /* the struct of program->options */
	const void *values;                /* the struct of command->options */
	char **words;                      /* the arguments, borrowed from argv */
	int word_count;
	struct strbuf text;    /* --help, --version: to be printed instead */
	struct faults *faults; /* run() may add details to its error */
	int exit_code;         /* set by a run() that succeeded and tells its finding by it */
};

/* Strings in *CALL point into ARGV, which getopt_long() may reorder.  INVALID: the
 * command line is wrong.  *CALL needs cli_call_fini() in both cases. */
bool cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_call *call,
	       struct err *err);
void cli_call_fini(struct cli_call *call);

/* Parses, runs, prints the error; returns the exit code. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* For foreign strings: replaces by '?' what could steer a terminal. */
void cli_clean(char *text);

#endif
