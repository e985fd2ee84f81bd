/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migrctl -- the command line of migrd. */
#include <locale.h>
#include <signal.h>

#include "agents/migrctl/cmd_pki.h"
#include "agents/migrctl/migrctl.h"

static const char *const outputs[] = { "table", "json", NULL };

#define GLOBAL(field) .offset = offsetof(struct migrctl_globals, field)
static const struct cli_option globals[] = {
	{
		.name = "output",
		.letter = 'o',
		.type = CLI_CHOICE,
		GLOBAL(output),
		.choices = outputs,
		.arg = "table|json",
		.help = "for people (default), or the API's JSON",
	},
	{ .name = NULL },
};

static const struct cli_command *const commands[] = {
	&cmd_pki_init,
	&cmd_pki_host,
	&cmd_pki_user,
	NULL,
};

static const struct cli_program program = {
	.name = "migrctl",
	.version = PACKAGE_VERSION,
	.summary = "Moves running guests between hosts, and looks after them.",
	.options = globals,
	.values_size = sizeof(struct migrctl_globals),
	.commands = commands,
};

int main(int argc, char **argv)
{
	/* Not LC_NUMERIC: figures are the same everywhere. */
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	return cli_main(&program, argc, argv);
}
