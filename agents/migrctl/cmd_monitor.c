/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/cmd_monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "agents/lib/lineedit.h"
#include "agents/migrctl/migrctl.h"
#include "agents/migrctl/monitor.h"
#include "agents/migrctl/monitor_words.h"
#include "base/mem.h"

#define LINE_SIZE (256u << 10) /* more than the daemon takes */

struct monitor_values {
	struct cli_number timeout_ms;
	bool is_qmp;
};

static struct monitor monitor_of(const struct cli_call *call, struct client *client, bool is_qmp)
{
	const struct monitor_values *values = call->values;

	return (struct monitor){ .call = call,
				 .client = client,
				 .vm = call->words[0],
				 .is_qmp = is_qmp,
				 .timeout_ms = values->timeout_ms.value };
}

/* ---- one command -------------------------------------------------------------------- */

static bool run_one(struct cli_call *call, bool is_qmp, struct err *err)
{
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct monitor monitor = monitor_of(call, client, is_qmp);

	if (!client || !monitor_ask(&monitor, call->words[1], &reply, err))
		return false;
	monitor_print(&monitor, reply);
	return true;
}

static bool run_qmp(struct cli_call *call, struct err *err)
{
	return run_one(call, true, err);
}

static bool run_hmp(struct cli_call *call, struct err *err)
{
	return run_one(call, false, err);
}

/* ---- completion ---------------------------------------------------------------------- */

struct session {
	struct monitor monitor;
	struct monitor_words words;
	bool has_words;
};

static void ask_help(struct session *session, const char *line, const char *prefix,
		     struct words *words)
{
	CLEANUP(json_putp) struct json_object *reply = NULL;
	const char *text;
	struct err ignored;

	if (!monitor_ask(&session->monitor, line, &reply, &ignored))
		return;
	text = json_get_str(reply, "return");
	if (text)
		monitor_words_add_help(words, text, prefix);
}

static void ask_commands(struct session *session)
{
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct json_object *list;
	struct err ignored;

	if (monitor_ask(&session->monitor, "query-commands", &reply, &ignored) &&
	    json_object_object_get_ex(reply, "return", &list))
		monitor_words_add_commands(&session->words.commands, list);
}

/* Asks for the words at the first Tab, so that a user who never presses it need not wait. */
static const struct words *words_at(void *data, const char *text, size_t len, size_t *ret_start)
{
	struct session *session = data;
	bool is_qmp = session->monitor.is_qmp;

	if (!session->has_words && is_qmp) {
		ask_commands(session);
	} else if (!session->has_words) {
		ask_help(session, "help", "", &session->words.commands);
		ask_help(session, "help info", "info ", &session->words.info);
	}
	session->has_words = true;
	return is_qmp ? monitor_words_at_qmp(&session->words, text, len, ret_start)
		      : monitor_words_at_hmp(&session->words, text, len, ret_start);
}

/* ---- lines ------------------------------------------------------------------------------ */

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	client_interrupt();
	lineedit_interrupt();
}

static bool is_blank(const char *line)
{
	return line[strspn(line, " \t")] == '\0';
}

/* Also tells at once whether the VM exists, and whether the user may command it. */
static bool greet(const struct monitor *monitor, struct err *err)
{
	CLEANUP(json_putp) struct json_object *reply = NULL;
	struct monitor human = *monitor;
	const char *version;

	human.is_qmp = false;
	if (!monitor_ask(&human, "info version", &reply, err))
		return false;
	version = json_get_str(reply, "return");
	printf("VM '%s', QEMU %.*s; Tab completes, Ctrl-D ends.\n", monitor->vm,
	       version ? (int)strspn(version, "0123456789.") : 1, version ? version : "?");
	return true;
}

static void run_lines(struct session *session, struct lineedit *edit)
{
	enum lineedit_result result;

	for (;;) {
		CLEANUP(free_charp) char *line = NULL;

		result = lineedit_read(edit, &line);
		if (result == LINEEDIT_END)
			break;
		if (result == LINEEDIT_LINE && !is_blank(line))
			monitor_run_line(&session->monitor, line);
	}
	putchar('\n');
}

/* Ctrl-C during a slow command ends the wait for its answer. */
static void catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	sigaction(SIGINT, &action, NULL);
}

static bool run_terminal(struct session *session, struct err *err)
{
	const struct monitor *monitor = &session->monitor;
	CLEANUP(free_charp)
	char *prompt = xasprintf("%s%s> ", monitor->vm, monitor->is_qmp ? " qmp" : "");
	CLEANUP(free_charp)
	char *path = lineedit_history_path(monitor->is_qmp ? "history-qmp" : "history-hmp");
	const struct lineedit_config config = { prompt, path, words_at, session };
	struct lineedit *edit;

	if (!greet(monitor, err))
		return false;
	edit = lineedit_new(&config, err);
	if (!edit)
		return false;
	catch_interrupts();
	run_lines(session, edit);
	lineedit_free(edit);
	return true;
}

/* Standard input is no terminal, so the lines come from a program.  All are carried out;
 * the exit code is that of the first line that failed. */
static bool run_pipe(struct cli_call *call, const struct monitor *monitor, struct err *err)
{
	CLEANUP(free_charp) char *line = xcalloc(1, LINE_SIZE);

	while (fgets(line, LINE_SIZE, stdin)) {
		size_t len = strcspn(line, "\n");
		int code;

		if (len == LINE_SIZE - 1)
			return err_set(err, ERR_TOO_LARGE,
				       "a line of standard input has over %u bytes", LINE_SIZE - 2);
		line[len] = '\0';
		line[strcspn(line, "\r")] = '\0';
		code = is_blank(line) ? 0 : monitor_run_line(monitor, line);
		if (call->exit_code == 0)
			call->exit_code = code;
	}
	return ferror(stdin) ? err_errno(err, "standard input") : true;
}

static bool run_monitor(struct cli_call *call, struct err *err)
{
	const struct monitor_values *values = call->values;
	CLEANUP(migrctl_client_freep) struct client *client = migrctl_client(call, err);
	struct session *session;
	bool ok;

	if (!client)
		return false;
	session = xnew(struct session);
	session->monitor = monitor_of(call, client, values->is_qmp);
	ok = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? run_terminal(session, err)
							   : run_pipe(call, &session->monitor, err);
	words_clear(&session->words.commands);
	words_clear(&session->words.info);
	free(session);
	return ok;
}

/* ---- the table ---------------------------------------------------------------------------- */

#define TIMEOUT_OPTION                                                                           \
	{                                                                                        \
		.name = "timeout", .type = CLI_COUNT,                                            \
		.offset = offsetof(struct monitor_values, timeout_ms), .min = 1, .max = 60000,   \
		.arg = "MS", .help = "how long QEMU may take, in milliseconds (default: 10000)", \
	}

static const struct cli_option one_options[] = { TIMEOUT_OPTION, { .name = NULL } };

static const struct cli_option monitor_options[] = {
	{
		.name = "qmp",
		.type = CLI_FLAG,
		.offset = offsetof(struct monitor_values, is_qmp),
		.help = "the machine protocol instead of the human one",
	},
	TIMEOUT_OPTION,
	{ .name = NULL },
};

#define REFUSED_TEXT                                                                        \
	"What would let the guest run or stop behind migrd's back, change its devices or\n" \
	"disturb a move is refused, with the command to use instead.  For the role admin.\n"

const struct cli_command cmd_vm_qmp = {
	.noun = "vm",
	.verb = "qmp",
	.args = "VM COMMAND",
	.min_args = 2,
	.max_args = 2,
	.options = one_options,
	.values_size = sizeof(struct monitor_values),
	.summary = "say something to a guest's QEMU, in its machine protocol",
	.details =
		"COMMAND is JSON, as '{\"execute\":\"query-block\"}', or a name, as query-block, "
		"or a\n"
		"name and its arguments, as 'qom-list {\"path\":\"/\"}'.  Prints what it returns.\n"
		"\n" REFUSED_TEXT,
	.run = run_qmp,
};

const struct cli_command cmd_vm_hmp = {
	.noun = "vm",
	.verb = "hmp",
	.args = "VM LINE",
	.min_args = 2,
	.max_args = 2,
	.options = one_options,
	.values_size = sizeof(struct monitor_values),
	.summary = "say a line to a guest's QEMU, as to its human monitor",
	.details = "As in: migrctl vm hmp vm1 'info network'\n\n" REFUSED_TEXT,
	.run = run_hmp,
};

const struct cli_command cmd_vm_monitor = {
	.noun = "vm",
	.verb = "monitor",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.options = monitor_options,
	.values_size = sizeof(struct monitor_values),
	.summary = "the monitor of a guest's QEMU, line by line",
	.details =
		"On a terminal lines are edited and kept, and Tab completes the names of "
		"commands;\n"
		"Ctrl-C throws a line away or stops waiting, Ctrl-D ends.  Elsewhere each line of\n"
		"standard input is a command, and the exit code that of the first that failed.\n"
		"\n" REFUSED_TEXT,
	.run = run_monitor,
};
