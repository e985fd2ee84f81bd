/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a job asks of QEMU, and of the worker that may wait for storage. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "save/priv.h"
#include "vm/entry.h"

#define COMMAND_DEADLINE_MS 10000
/* QEMU takes the first file of a set that can be opened as it wants, so a set has one. */
#define SET_ID   7740
#define SET_NAME "migrd-save"
/* Of mapped-ram: threads of QEMU that write or read memory. */
#define CHANNELS 2
/* More than any disk; 0 means different things to different versions. */
#define NO_LIMIT (INT64_C(1) << 50)

/* ---- QEMU --------------------------------------------------------------------- */

struct ask {
	struct saves *saves;
	char id[ID_UUID_SIZE];
	unsigned state;
	save_answer_fn *fn;
};

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct ask *ask = data;
	struct save *save = saves_find(ask->saves, ask->id);

	if (save && save->machine.state == ask->state && !save->machine.is_saving) {
		save->facts.is_asking = false;
		ask->fn(save, result, err);
	}
	free(ask);
}

static struct ask *ask_new(struct save *save, save_answer_fn *fn)
{
	struct ask *ask = xnew(struct ask);

	ask->saves = save->saves;
	memcpy(ask->id, save->row.id, sizeof(ask->id));
	ask->state = save->machine.state;
	ask->fn = fn;
	save->facts.is_asking = true;
	return ask;
}

void save_ask(struct save *save, const char *command, struct json_object *args, save_answer_fn *fn)
{
	vm_job_command(save_vm(save), &save->job, command, args, COMMAND_DEADLINE_MS, on_answer,
		       ask_new(save, fn));
}

static bool is_mapped(const struct save *save)
{
	return save->detail.head.mode == SAVE_FILE_MAPPED_RAM;
}

/* QEMU since 8.2 opens a file by its name, which mapped-ram needs, and 11.0 takes no file as `fd:'
 * any more.  All versions with the one have the other, but 8.2, which takes both. */
static bool opens_files(const struct save *save)
{
	const struct qemu *qemu = save_qemu(save);
	const struct transfer_features *features = qemu ? qemu_migration_features(qemu) : NULL;

	return is_mapped(save) || (features && transfer_features_have(features, "mapped-ram"));
}

/* A file that QEMU opens by its name, maybe more than once, is given as a set, whose name it takes
 * for a path. */
static void give_fd(struct save *save, save_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();
	bool is_set = opens_files(save);
	int fd = TAKE_FD(save->fd);

	if (is_set)
		json_add_int(args, "fdset-id", SET_ID);
	else
		json_add_str(args, "fdname", SET_NAME);
	vm_job_command_fd(save_vm(save), &save->job, is_set ? "add-fd" : "getfd", args, fd,
			  COMMAND_DEADLINE_MS, on_answer, ask_new(save, fn));
}

static struct json_object *address(const struct save *save)
{
	struct json_object *args = json_object_new_object();
	CLEANUP(free_charp)
	char *uri = opens_files(save)
			    ? xasprintf("file:/dev/fdset/%d,offset=%d", SET_ID, SAVE_FILE_DATA_AT)
			    : xstrdup("fd:" SET_NAME);

	json_add_str(args, "uri", uri);
	return args;
}

/* A QEMU that reads a stream from a file may not answer before it has read all of it. */
static void on_begun(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err && (save->kind != SAVE_IN || err->code != ERR_TIMEOUT)) {
		save_fail(save, err);
		return;
	}
	save->facts.has_begun = true;
	save_look_later(save, 0);
}

static void on_fd(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err);
	else
		save_ask(save, save->kind == SAVE_IN ? "migrate-incoming" : "migrate",
			 address(save), on_begun);
}

void save_begin_migration(struct save *save)
{
	give_fd(save, on_fd);
}

/* ---- how QEMU's migration is to be ------------------------------------------------- */

/* Of QEMU's migration, beside events: by what is written or read.  QEMU takes mapped-ram together
 * with background-snapshot, and its file cannot be read (10.0, 11.1). */
static const char *const plain[] = { "events", NULL };
static const char *const mapped_ram[] = { "events", "mapped-ram", "multifd", NULL };
static const char *const background[] = { "events", "background-snapshot", NULL };

static const char *const *wanted(const struct save *save)
{
	if (save->kind == SAVE_OUT && save->detail.head.live)
		return background;
	return is_mapped(save) ? mapped_ram : plain;
}

/* All that QEMU has, so that nothing of an earlier job is left. */
static struct json_object *capabilities(const struct save *save, const char *const *on)
{
	const struct qemu *qemu = save_qemu(save);

	return transfer_capabilities(qemu ? qemu_migration_features(qemu) : NULL, on);
}

static struct json_object *fd_set_args(void)
{
	struct json_object *args = json_object_new_object();

	json_add_int(args, "fdset-id", SET_ID);
	return args;
}

static void set_parameters(struct save *save, save_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_int(args, "max-bandwidth", NO_LIMIT);
	if (is_mapped(save))
		json_add_int(args, "multifd-channels", CHANNELS);
	save_ask(save, "migrate-set-parameters", args, fn);
}

static void on_capabilities_out(struct save *save, struct json_object *result,
				const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err);
	else
		set_parameters(save, save->next);
}

/* A set that a crash has left would hide ours; that there is none is no error. */
static void on_set_removed(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err;
	save_ask(save, "migrate-set-capabilities", capabilities(save, wanted(save)),
		 on_capabilities_out);
}

void save_prepare_qemu(struct save *save, save_answer_fn *fn)
{
	save->next = fn;
	save_ask(save, "remove-fd", fd_set_args(), on_set_removed);
}

static void on_capabilities_off(struct save *save, struct json_object *result,
				const struct err *err)
{
	(void)result;
	if (err)
		save->next(save, NULL, err);
	else
		save_ask(save, "remove-fd", fd_set_args(), save->next);
}

void save_tidy_qemu(struct save *save, save_answer_fn *fn)
{
	save->next = fn;
	save_ask(save, "migrate-set-capabilities", capabilities(save, plain), on_capabilities_off);
}

/* ---- the worker -------------------------------------------------------------------- */

static void run(struct work *work)
{
	struct save_task *task = (struct save_task *)work;

	task->ok = task->fn(task, &task->err);
}

static void done(struct work *work)
{
	struct save_task *task = (struct save_task *)work;
	struct save *save = saves_find(task->saves, task->id);
	struct err ignored;

	fault_hit("save.worked", &ignored);
	if (save && save->machine.state == task->state && !save->machine.is_saving) {
		save->facts.is_working = false;
		task->done(save, task, task->ok ? NULL : &task->err);
	}
	closep(&task->fd);
	save_file_fini(&task->head);
	free(task->made);
	free(task);
}

void save_work(struct save *save, save_work_fn *fn, save_worked_fn *done_fn)
{
	struct save_task *task = xnew(struct save_task);

	task->work = (struct work){ .run = run, .done = done };
	task->saves = save->saves;
	memcpy(task->id, save->row.id, sizeof(task->id));
	task->state = save->machine.state;
	task->fn = fn;
	task->done = done_fn;
	task->dirs = save->saves->env.dirs;
	task->qemu_img = save->saves->env.qemu_img;
	snprintf(task->path, sizeof(task->path), "%s", save->row.path);
	task->head = save->detail.head;
	task->head.definition = NULL;
	/* The worker has a copy of its own: json-c counts references without a lock. */
	if (save->detail.head.definition)
		json_object_deep_copy(save->detail.head.definition, &task->head.definition, NULL);
	task->former = save->detail.former;
	task->is_marked = save->detail.was_marked;
	task->fd = -1;
	if (save->disks) {
		task->made = xcalloc(VM_DEF_IMAGE_MAX, sizeof(*task->made));
		memcpy(task->made, save->disks->made, sizeof(save->disks->made));
	}
	save->facts.is_working = true;
	worker_submit(save->saves->worker, &task->work);
}
