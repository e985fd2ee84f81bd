/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/cli_help.h -- the texts that cli.h makes of its tables. */
#ifndef MIGRD_LIB_CLI_HELP_H
#define MIGRD_LIB_CLI_HELP_H

#include "agents/lib/cli.h"

/* The help of the whole program; NOUN: only of this noun, or NULL. */
void cli_help_program(const struct cli_program *program, const char *noun, struct strbuf *text);
void cli_help_command(const struct cli_program *program, const struct cli_command *command,
		      struct strbuf *text);
/* What may follow WORDS, one a line: nouns, verbs, options, the choices of an option's value, what
 * the program knows of a value (struct cli_program), and the word below where the shell completes
 * names of files.  GLOBALS: the program's options among WORDS.  Removes the options from WORDS. */
#define CLI_HELP_FILE "@file"
void cli_help_words(const struct cli_program *program, const void *globals, char **words, int count,
		    struct strbuf *text);

#endif
