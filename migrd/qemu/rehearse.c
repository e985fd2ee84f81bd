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
#include "qemu/cast.h"
#include "qmp/greeting.h"

#define DEADLINE_MS 10000
/* The machines are 11 KiB, the properties of a device 4 KiB; they are not wanted, but come. */
#define ANSWER_BYTES (2u << 20)
/* Where QEMU has the first CPU of a PC that has only its machine (7.2 to 11.1). */
#define FIRST_CPU "/machine/unattached/device[0]"

/* ---- the command line --------------------------------------------------------- */

/* DEF with nothing that its machine takes from elsewhere: no firmware of its own, no memory that is
 * an object, no socket. */
static struct vm_def *bare(const struct vm_def *def)
{
	struct vm_def *copy = xnew(struct vm_def);

	*copy = *def;
	copy->firmware.code[0] = '\0';
	copy->memory_backend = (struct vm_def_memory_backend){ 0 };
	copy->numa_node_count = 0;
	copy->memory_share = false;
	copy->graphics = (struct vm_def_graphics){ 0 };
	return copy;
}

/* ---- the questions ------------------------------------------------------------------ */

static char *questions(const struct cast *cast)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "{\"execute\":\"qmp_capabilities\"}\n"
			   "{\"execute\":\"query-machines\",\"id\":\"machines\"}\n"
			   "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"" FIRST_CPU
			   "\",\"property\":\"feature-words\"},\"id\":\"words\"}\n"
			   "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"" FIRST_CPU
			   "\",\"property\":\"vendor\"},\"id\":\"vendor\"}\n");
	for (size_t i = 0; i < cast->driver_count; i++) {
		CLEANUP(json_putp)
		struct json_object *name = json_object_new_string(cast->drivers[i].name);

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

static bool has_name(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const char *found = json_get_str(json_object_array_get_idx(list, i), "name");

		if (found && strcmp(found, name) == 0)
			return true;
	}
	return false;
}

/* LIST: all properties of DRIVER. */
static void compare_properties(struct json_object *list, const struct rehearsal_driver *driver,
			       struct rehearsal *ret)
{
	for (size_t i = 0; i < driver->properties.count; i++) {
		const char *name = driver->properties.opts[i].key;
		struct rehearsal_lack *lack;

		if (has_name(list, name) || ret->lacking_count == REHEARSAL_MISSING_MAX)
			continue;
		lack = &ret->lacking[ret->lacking_count++];
		snprintf(lack->driver, sizeof(lack->driver), "%s", driver->name);
		snprintf(lack->property, sizeof(lack->property), "%.*s",
			 (int)sizeof(lack->property) - 1, name);
		utf8_trim(lack->property);
	}
}

static void take_driver(struct json_object *reply, const struct rehearsal_driver *driver,
			struct rehearsal *ret)
{
	const char *class = json_get_str(json_get_obj(reply, "error"), "class");
	struct json_object *list = json_object_object_get(reply, "return");

	if (class && strcmp(class, "DeviceNotFound") == 0 &&
	    ret->missing_count < REHEARSAL_MISSING_MAX)
		snprintf(ret->missing[ret->missing_count++], VM_DEF_DRIVER_SIZE, "%s",
			 driver->name);
	else if (json_object_is_type(list, json_type_array))
		compare_properties(list, driver, ret);
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
		       const struct rehearsal_driver *drivers, size_t count,
		       struct reading *reading, struct rehearsal *ret, struct evidence *ret_cpu)
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
	else if (name && strcmp(name, "vendor") == 0)
		evidence_take_vendor(ret_cpu, list);
	else if (json_object_is_type(id, json_type_int) && json_object_get_int64(id) >= 0 &&
		 (uint64_t)json_object_get_int64(id) < count)
		take_driver(reply, &drivers[json_object_get_int64(id)], ret);
}

void rehearsal_read(char *text, const struct vm_def *def, const struct rehearsal_driver *drivers,
		    size_t count, struct rehearsal *ret, struct evidence *ret_cpu)
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
	const char *argv[CAST_ARGS_MAX + 16] = { "bash", "-c",
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
	struct cast *cast;

	*ret = (struct rehearsal){ 0 };
	ret_cpu->word_count = 0;
	ret_cpu->cpu_vendor[0] = '\0';
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
	cast = xnew(struct cast); /* large for a stack */
	cast_choose(cast, cmdline_argv(cmdline));
	if (run(binary, cast, &text, &ret->err))
		rehearsal_read(text, def, cast->drivers, cast->driver_count, ret, ret_cpu);
	cast_fini(cast);
	free(cast);
	cmdline_free(cmdline);
	free(copy);
}
