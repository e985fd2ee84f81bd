/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/rehearse.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_line.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "cmdline/cmdline.h"
#include "qmp/greeting.h"
#include "wire/extra_arg.h"

#define DEADLINE_MS 10000
/* The machines are 11 KiB, the properties of a device 4 KiB; they are not wanted, but come. */
#define ANSWER_BYTES (2u << 20)
#define DRIVERS_MAX  64
#define ARGS_MAX     64
/* Where QEMU has the first CPU of a PC that has only its machine (7.2 to 11.1). */
#define FIRST_CPU "/machine/unattached/device[0]"

/* ---- the command line --------------------------------------------------------- */

/* The parts of the guest's own command line that make its CPU, and its devices. */
struct cast {
	const char *args[ARGS_MAX];
	size_t arg_count;
	const char *drivers[DRIVERS_MAX];
	size_t driver_count;
	char *owned[DRIVERS_MAX]; /* what DRIVERS points to */
	size_t owned_count;
	bool is_other_cpu; /* a raw option may change it in a way that is not rehearsed */
};

static void cast_fini(struct cast *cast)
{
	for (size_t i = 0; i < cast->owned_count; i++)
		free(cast->owned[i]);
}

static void add_arg(struct cast *cast, const char *option, const char *value)
{
	if (cast->arg_count + 2 >= ARGS_MAX)
		return;
	cast->args[cast->arg_count++] = option;
	if (value)
		cast->args[cast->arg_count++] = value;
}

static void add_driver(struct cast *cast, char *driver)
{
	bool is_known = !driver || !*driver || strlen(driver) >= VM_DEF_DRIVER_SIZE;

	for (size_t i = 0; i < cast->driver_count && !is_known; i++)
		is_known = strcmp(cast->drivers[i], driver) == 0;
	if (is_known || cast->driver_count == DRIVERS_MAX) {
		free(driver);
		return;
	}
	cast->owned[cast->owned_count++] = driver;
	cast->drivers[cast->driver_count++] = driver;
}

/* VALUE: "{\"driver\":\"e1000\",...}" or "e1000,...". */
static char *driver_of(const char *value)
{
	struct optlist opts;
	struct err ignored;
	char *driver = NULL;

	if (!optlist_look(value, "driver", &opts, &ignored))
		return NULL;
	if (optlist_get(&opts, "driver"))
		driver = xstrdup(optlist_get(&opts, "driver"));
	optlist_fini(&opts);
	return driver;
}

static void take_plain(struct cast *cast, const char *option, const char *value)
{
	add_arg(cast, option, value);
}

static void take_device(struct cast *cast, const char *option, const char *value)
{
	(void)option;
	add_driver(cast, driver_of(value));
}

/* mem-lock would lock memory here. */
static void take_overcommit(struct cast *cast, const char *option, const char *value)
{
	if (strstr(value, "cpu-pm=on"))
		add_arg(cast, option, "cpu-pm=on");
}

static void take_other(struct cast *cast, const char *option, const char *value)
{
	(void)option;
	(void)value;
	cast->is_other_cpu = true;
}

static const struct option {
	const char *name;
	bool has_value;
	void (*take)(struct cast *cast, const char *option, const char *value);
	bool is_raw; /* this row is for raw options only */
} options[] = {
	{ "-machine", true, take_other, true },
	{ "-M", true, take_other, true },
	{ "-machine", true, take_plain, false },
	{ "-accel", true, take_plain, false },
	{ "-cpu", true, take_plain, false },
	{ "-smp", true, take_plain, false },
	{ "-global", true, take_plain, false },
	{ "-overcommit", true, take_overcommit, false },
	{ "-device", true, take_device, false },
	{ "-sandbox", true, take_plain, false },
	{ "-nodefaults", false, take_plain, false },
	{ "-no-user-config", false, take_plain, false },
};

static const struct option *find_option(const char *arg, bool is_raw)
{
	if (arg[0] == '-' && arg[1] == '-')
		arg++;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strcmp(options[i].name, arg) == 0 && (is_raw || !options[i].is_raw))
			return &options[i];
	}
	return NULL;
}

/* ARGV ends with RAW_COUNT raw options, or their values, and -S. */
static void choose(struct cast *cast, const char *const *argv, size_t raw_count)
{
	size_t count = 0;

	while (argv[count])
		count++;
	for (size_t i = 1; i < count; i++) {
		const struct option *option = find_option(argv[i], i + raw_count + 1 >= count);

		if (!option || (option->has_value && i + 1 == count))
			continue;
		option->take(cast, option->name, option->has_value ? argv[i + 1] : NULL);
		i += option->has_value;
	}
}

/* DEF with nothing that its machine takes from elsewhere: no firmware of its own, and no memory
 * that is an object. */
static struct vm_def *bare(const struct vm_def *def)
{
	struct vm_def *copy = xnew(struct vm_def);

	*copy = *def;
	copy->firmware.code[0] = '\0';
	copy->memory_backend = (struct vm_def_memory_backend){ 0 };
	copy->numa_node_count = 0;
	copy->memory_share = false;
	return copy;
}

/* ---- the questions ------------------------------------------------------------------ */

static char *questions(const struct cast *cast)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "{\"execute\":\"qmp_capabilities\"}\n"
			   "{\"execute\":\"query-machines\",\"id\":\"machines\"}\n");
	if (!cast->is_other_cpu)
		strbuf_addf(&text, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"" FIRST_CPU
				   "\",\"property\":\"feature-words\"},\"id\":\"words\"}\n");
	for (size_t i = 0; i < cast->driver_count; i++) {
		CLEANUP(json_putp)
		struct json_object *name = json_object_new_string(cast->drivers[i]);

		strbuf_addf(&text,
			    "{\"execute\":\"device-list-properties\",\"arguments\":{\"typename\":"
			    "%s},\"id\":%zu}\n",
			    json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN), i);
	}
	strbuf_addf(&text, "{\"execute\":\"quit\"}\n");
	return strbuf_take(&text);
}

/* ---- the answers -------------------------------------------------------------------- */

static void take_machines(struct json_object *list, const char *machine, struct rehearsal *ret)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *name = json_get_str(one, "name"), *alias = json_get_str(one, "alias");

		if ((name && strcmp(name, machine) == 0) || (alias && strcmp(alias, machine) == 0))
			ret->is_deprecated = json_get_bool(one, "deprecated", false);
	}
}

static void take_driver(struct json_object *reply, const char *driver, struct rehearsal *ret)
{
	const char *class = json_get_str(json_get_obj(reply, "error"), "class");

	if (class && strcmp(class, "DeviceNotFound") == 0 &&
	    ret->missing_count < REHEARSAL_MISSING_MAX)
		snprintf(ret->missing[ret->missing_count++], VM_DEF_DRIVER_SIZE, "%s", driver);
}

/* What has been read so far. */
struct reading {
	bool has_answered;                /* the first question */
	char words[REHEARSAL_WORDS_SIZE]; /* QEMU's own, that are no warning */
};

static void take_words(const char *line, struct reading *reading)
{
	if (*line && !reading->words[0] && !strstr(line, "warning:"))
		snprintf(reading->words, sizeof(reading->words), "%.*s",
			 (int)sizeof(reading->words) - 1, line);
	utf8_trim(reading->words);
}

static void take_reply(struct json_object *reply, const struct vm_def *def,
		       const char *const *drivers, size_t count, struct reading *reading,
		       struct rehearsal *ret, struct evidence *ret_cpu)
{
	struct json_object *greeting = json_get_obj(reply, "QMP"), *id = NULL, *list = NULL;
	const char *name = json_get_str(reply, "id");
	struct err ignored;
	bool has_oob;

	json_object_object_get_ex(reply, "id", &id);
	json_object_object_get_ex(reply, "return", &list);
	if (greeting)
		(void)qmp_greeting_decode(greeting, &ret->version, &has_oob, &ignored);
	else if (name && strcmp(name, "machines") == 0) {
		reading->has_answered = list != NULL;
		take_machines(list, def->machine, ret);
	} else if (name && strcmp(name, "words") == 0)
		evidence_take_words(ret_cpu, list);
	else if (json_object_is_type(id, json_type_int) && json_object_get_int64(id) >= 0 &&
		 (uint64_t)json_object_get_int64(id) < count)
		take_driver(reply, drivers[json_object_get_int64(id)], ret);
}

void rehearsal_read(char *text, const struct vm_def *def, const char *const *drivers, size_t count,
		    struct rehearsal *ret, struct evidence *ret_cpu)
{
	static const struct json_line_limits limits = { .max_depth = 16, .max_structure = 100000 };
	struct reading reading = { 0 };
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		size_t len = strcspn(line, "\r");
		struct err ignored;
		CLEANUP(json_putp)
		struct json_object *reply =
			line[0] == '{' ? json_line_parse(line, len, &limits, &ignored) : NULL;

		line[len] = '\0';
		if (reply)
			take_reply(reply, def, drivers, count, &reading, ret, ret_cpu);
		else
			take_words(line, &reading);
	}
	if (!reading.has_answered)
		err_set(&ret->err, ERR_QEMU, "%s",
			reading.words[0] ? reading.words : "it ended without a word");
}

/* ---- the process -------------------------------------------------------------------- */

static bool file_in_memory(const char *text, size_t size, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = memfd_create("rehearsal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len = strlen(text);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0 ||
	    pwrite(fd, text, len, 0) != (ssize_t)len)
		return err_errno(err, "cannot make a file in memory");
	*ret_fd = TAKE_FD(fd);
	return true;
}

/* Files in memory are its standard input and output, so nobody needs to read while it writes, and
 * it cannot fill the memory. */
static bool run(const char *binary, const struct cast *cast, char **ret_text, struct err *err)
{
	CLEANUP(free_charp) char *asked = questions(cast), *text = NULL;
	char in[12], out[12];
	const char *argv[ARGS_MAX + 16] = { "bash", "-c",
					    "i=$0 o=$1; shift; exec \"$@\" <&$i >&$o 2>&1" };
	int fds[2] = { -1, -1 };
	const struct proc_args args = { .argv = argv, .keep_fds = fds, .keep_fd_count = 2 };
	size_t count = 3;
	struct err ended;
	ssize_t len = -1;

	if (file_in_memory(asked, strlen(asked), &fds[0], err) &&
	    file_in_memory("", ANSWER_BYTES, &fds[1], err)) {
		snprintf(in, sizeof(in), "%d", fds[0]);
		snprintf(out, sizeof(out), "%d", fds[1]);
		argv[count++] = in;
		argv[count++] = out;
		argv[count++] = binary;
		for (size_t i = 0; i < cast->arg_count; i++)
			argv[count++] = cast->args[i];
		argv[count++] = "-display";
		argv[count++] = "none";
		argv[count++] = "-S";
		argv[count++] = "-qmp";
		argv[count++] = "stdio";
		/* Its answers tell how it ended, but for one that had to be killed. */
		if (proc_run_blocking(&args, DEADLINE_MS, &ended) || ended.code == ERR_INTERNAL) {
			text = xcalloc(1, ANSWER_BYTES + 1);
			len = pread(fds[1], text, ANSWER_BYTES, 0);
			if (len < 0)
				err_errno(err, "cannot read a file in memory");
		} else {
			*err = ended;
		}
	}
	closep(&fds[0]);
	closep(&fds[1]);
	if (len < 0)
		return false;
	*ret_text = TAKE_PTR(text);
	return true;
}

void rehearse_blocking(const char *binary, const struct vm_def *def, struct rehearsal *ret,
		       struct evidence *ret_cpu)
{
	static const struct qemu_features features = { 0 };
	static const struct cmdline_fds fds = CMDLINE_FDS_INIT;
	CLEANUP(free_charp) char *program = file_find_program(binary), *text = NULL;
	struct vm_def *copy;
	struct cmdline *cmdline;
	struct cast cast = { 0 };

	*ret = (struct rehearsal){ 0 };
	ret_cpu->word_count = 0;
	if (!program) {
		err_set(&ret->err, ERR_NOT_FOUND, "there is no program '%s'", binary);
		return;
	}
	copy = bare(def);
	cmdline = cmdline_build(&(struct cmdline_args){ .def = copy,
							.binary = binary,
							.features = &features,
							.pid_file = "",
							.fds = &fds });
	choose(&cast, cmdline_argv(cmdline), copy->extra_arg_count);
	if (run(binary, &cast, &text, &ret->err))
		rehearsal_read(text, def, cast.drivers, cast.driver_count, ret, ret_cpu);
	cast_fini(&cast);
	cmdline_free(cmdline);
	free(copy);
}
