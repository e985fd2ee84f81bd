/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a trial asks the guest's QEMU: questions only, one after the other. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmdline/cdrom_seen.h"
#include "move/bitmaps.h"
#include "move/disks.h"
#include "move/src_priv.h"
#include "move/trial.h"
#include "qmp/block.h"
#include "qmp/run_state.h"
#include "vm/disk_limits.h"

static const struct vm_def *definition(const struct trial *trial)
{
	struct vm *vm = vm_find_uuid(trial->moves->env.vms, trial->vm_uuid);
	struct err ignored;

	return vm ? vm_def_of(vm, &ignored) : NULL;
}

static bool copies_disks(const struct trial *trial)
{
	const struct vm_def *def = definition(trial);

	return def && vm_def_local_image(def, 0);
}

/* ---- may it be moved? ------------------------------------------------------------ */

static void take_status(struct trial *trial, struct json_object *result)
{
	enum qmp_run_state state = qmp_run_state_decode(result);
	struct vm *vm = vm_find_uuid(trial->moves->env.vms, trial->vm_uuid);
	const struct qmp_version *version = vm && vm_qemu(vm) ? qemu_version(vm_qemu(vm)) : NULL;
	const struct vm_def *def = definition(trial);

	trial->runs = state == QMP_RUN_RUNNING;
	if (state == QMP_RUN_POSTMIGRATE)
		preflight_add(trial->here, "run-state",
			      "the guest has not run since a move of it came back at its end, and "
			      "QEMU sends it again only after it has run: resume it first");
	if (trial->runs && def && def->accel == VM_DEF_ACCEL_TCG && version && version->major < 9)
		preflight_add(trial->warnings, "lost-writes",
			      "QEMU %d.%d without KVM may lose what a guest writes while it is "
			      "moved: pause it first, or use QEMU 9.0",
			      version->major, version->minor);
}

static void take_blockers(struct trial *trial, struct json_object *result)
{
	struct json_object *reasons = json_object_object_get(result, "blocked-reasons");
	size_t count = json_object_is_type(reasons, json_type_array)
			       ? json_object_array_length(reasons)
			       : 0;

	for (size_t i = 0; i < count; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(reasons, i));

		preflight_add(trial->here, "blockers",
			      "QEMU cannot migrate this guest: %s: remove what is named there, or "
			      "stop the VM and move it then",
			      text ? text : "?");
	}
}

static void take_users(struct trial *trial, struct json_object *result)
{
	bool blocks = trial->options.block_jobs == MOVE_BLOCK_JOBS_REFUSE;
	struct qmp_block_user user;

	for (size_t i = 0; qmp_block_user_get(result, MOVE_EXPORT_ID, i, &user); i++)
		preflight_add(blocks ? trial->here : trial->warnings, "block-jobs",
			      "%s '%.40s' (%.20s) on the guest's disks would end with this QEMU: "
			      "end it, or ask with block_jobs 'wait' or 'cancel'",
			      user.what, user.id, user.type);
}

static bool has_drives(const struct trial *trial)
{
	const struct vm_def *def = definition(trial);

	return def && def->cdrom_count + def->disk_count > 0;
}

/* The destination makes the drives by the definition, so a move is refused if it differs. */
static void take_media(struct trial *trial, struct json_object *result)
{
	const struct vm_def *def = definition(trial);
	struct err err;

	if (def && (!cdrom_seen_check(result, def, &err) || !disk_limits_check(result, def, &err)))
		preflight_add(trial->here, "media", "%s", err.msg);
}

static void take_bitmaps(struct trial *trial, struct json_object *result)
{
	const char *node, *name;

	for (size_t i = 0; qmp_transient_bitmap_get(result, i, &node, &name); i++)
		preflight_add(trial->warnings, "bitmaps",
			      "dirty bitmap '%s' of node '%s' is not persistent and is lost by the "
			      "move: the next backup must be a full one, or make it anew with "
			      "'persistent' before",
			      name, node ? node : "?");
}

/* ---- its disks --------------------------------------------------------------------- */

static void judge_left_behind(struct trial *trial, struct json_object *nodes, const char *node,
			      const struct vm_def_disk *disk, uint64_t virtual_bytes)
{
	struct move_bitmaps bitmaps;
	char text[ERR_MSG_SIZE];
	struct err err;

	move_bitmaps_choose(nodes, node, disk, virtual_bytes, &trial->bitmap_sums, &bitmaps);
	if (!move_disk_left_behind(nodes, node, bitmaps.stay_count, disk,
				   trial->options.remove_source_disks, text, &err))
		preflight_add(trial->here, "left-behind", "%s", err.msg);
	else if (text[0])
		preflight_add(trial->warnings, "left-behind",
			      "%s, and the copy has none: take what you need of them before", text);
}

static void take_blocks(struct trial *trial, struct json_object *result)
{
	trial->blocks = json_object_get(result);
}

/* "": QEMU does not tell it. */
static void node_name(const char *id, const char *node, char ret[MOVE_NODE_SIZE])
{
	snprintf(ret, MOVE_NODE_SIZE, "%s", node ? node : "");
	if (strcmp(id, VM_DEF_VARS_ID) == 0)
		plug_disk_node(ret, MOVE_NODE_SIZE, id);
}

static void take_disk(struct trial *trial, struct json_object *nodes,
		      const struct vm_def_disk *disk)
{
	struct disk_copy *copy = &trial->disks[trial->disk_count];
	const char *node = qmp_block_node(trial->blocks, disk->id), *backing;
	char name[MOVE_NODE_SIZE];
	struct err err;

	node_name(disk->id, node, name);
	if (!name[0]) {
		preflight_add(trial->here, "disks", "QEMU does not tell the image of disk '%s'",
			      disk->id);
		return;
	}
	if (!disk_copy_read(nodes, name, copy, &backing, &err) ||
	    (disk->shared_base && !disk_copy_keep_backing(nodes, name, copy, &err))) {
		preflight_add(trial->here, "disks", "disk '%s': %s", disk->id, err.msg);
		return;
	}
	judge_left_behind(trial, nodes, name, disk, copy->virtual_bytes);
	memcpy(copy->id, disk->id, sizeof(copy->id));
	trial->disk_count++;
}

static void take_nodes(struct trial *trial, struct json_object *result)
{
	const struct vm_def *def = definition(trial);
	const struct vm_def_disk *disk;

	trial->bitmap_sums = (struct move_bitmap_sums){ 0 };
	for (size_t i = 0; def && (disk = vm_def_local_image(def, i)); i++)
		take_disk(trial, result, disk);
}

static uint64_t written(struct json_object *stats)
{
	size_t count = json_count(stats);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *of = json_get_obj(json_object_array_get_idx(stats, i), "stats");
		int64_t bytes = of ? json_get_int(of, "wr_bytes", 0) : 0;

		sum += bytes > 0 ? (uint64_t)bytes : 0;
	}
	return sum;
}

static void take_writes(struct trial *trial, struct json_object *result)
{
	uint64_t now_ms = loop_now_ms(trial->moves->env.loop), bytes = written(result);

	if (trial->written_at_ms && now_ms > trial->written_at_ms && bytes > trial->written_bytes)
		trial->written_per_s =
			(bytes - trial->written_bytes) * 1000 / (now_ms - trial->written_at_ms);
	trial->written_bytes = bytes;
	trial->written_at_ms = now_ms;
}

/* A guest that fills its disk has written to it since the first look. */
static void take_sizes(struct trial *trial, struct json_object *result)
{
	for (size_t i = 0; i < trial->disk_count; i++) {
		struct disk_copy *disk = &trial->disks[i], now;
		const char *node = qmp_block_node(trial->blocks, disk->id), *backing;
		char name[MOVE_NODE_SIZE];
		struct err ignored; /* what was read first stays */

		node_name(disk->id, node, name);
		if (disk_copy_read(result, name, &now, &backing, &ignored))
			disk->allocated_bytes = now.allocated_bytes;
	}
}

/* ---- its CPU ------------------------------------------------------------------------ */

static void take_cpus(struct trial *trial, struct json_object *result)
{
	struct json_object *first =
		json_count(result) ? json_object_array_get_idx(result, 0) : NULL;
	const char *path = first ? json_get_str(first, "qom-path") : NULL;

	snprintf(trial->cpu_path, sizeof(trial->cpu_path), "%s", path ? path : "");
}

static void take_words(struct trial *trial, struct json_object *result)
{
	evidence_take_words(trial->evidence, result);
}

static void take_vendor(struct trial *trial, struct json_object *result)
{
	evidence_take_vendor(trial->evidence, result);
}

/* ---- its virtqueues ------------------------------------------------------------------- */

/* Another QEMU makes room for as many entries as queue-size says, which this one may not keep to
 * (vm/virtqueues.h). */
static const char *next_of_queues(struct trial *trial, struct json_object **ret_args)
{
	struct virtqueues_walk *walk = &trial->virtqueues;
	const struct vm *vm = vm_find_uuid(trial->moves->env.vms, trial->vm_uuid);

	if (!walk->there) {
		if (!vm || !vm_qemu(vm) || !virtqueues_may_be_large(qemu_version(vm_qemu(vm))))
			return NULL;
		walk->there = trial->evidence;
		walk->room = xnew(struct evidence);
	}
	return virtqueues_next(walk, ret_args);
}

static void take_queues(struct trial *trial, struct json_object *result)
{
	virtqueues_take(&trial->virtqueues, result);
}

void trial_end_queues(struct trial *trial)
{
	struct virtqueues_walk *walk = &trial->virtqueues;

	for (size_t i = 0; walk->room && i < walk->room->queue_count; i++)
		trial->evidence->queues[i].room = walk->room->queues[i].entries;
	virtqueues_walk_fini(walk);
	free(TAKE_PTR(walk->room));
}

/* ---- all of them ---------------------------------------------------------------------- */

static bool has_cpu(const struct trial *trial)
{
	return trial->cpu_path[0];
}

static struct json_object *cpu_args(const struct trial *trial, const char *property)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "path", trial->cpu_path);
	json_add_str(args, "property", property);
	return args;
}

static struct json_object *words_args(const struct trial *trial)
{
	return cpu_args(trial, "feature-words");
}

static struct json_object *vendor_args(const struct trial *trial)
{
	return cpu_args(trial, "vendor");
}

static struct json_object *nodes_args(const struct trial *trial)
{
	struct json_object *args = json_object_new_object();

	(void)trial;
	json_add_bool(args, "flat", true);
	return args;
}

static const struct question {
	const char *command;
	void (*take)(struct trial *trial, struct json_object *result);
	bool (*wanted)(const struct trial *trial);              /* NULL: always */
	struct json_object *(*args)(const struct trial *trial); /* NULL: none */
	bool may_fail;                                          /* then nothing is known of it */
	/* Instead of COMMAND and ARGS, again and again until it says NULL; TAKE is told NULL when
	 * QEMU answers with an error. */
	const char *(*next)(struct trial *trial, struct json_object **ret_args);
} questions[] = {
	{ "query-status", take_status, NULL, NULL, false, NULL },
	{ "query-migrate", take_blockers, NULL, NULL, false, NULL },
	{ "query-jobs", take_users, NULL, NULL, false, NULL },
	{ "query-block-exports", take_users, NULL, NULL, false, NULL },
	{ "query-block", take_media, has_drives, NULL, false, NULL },
	{ "query-named-block-nodes", take_bitmaps, has_drives, nodes_args, true, NULL },
	{ "query-block", take_blocks, copies_disks, NULL, false, NULL },
	{ "query-named-block-nodes", take_nodes, copies_disks, nodes_args, false, NULL },
	{ "query-blockstats", take_writes, copies_disks, NULL, true, NULL },
	{ "query-cpus-fast", take_cpus, NULL, NULL, true, NULL },
	{ "qom-get", take_words, has_cpu, words_args, true, NULL },
	{ "qom-get", take_vendor, has_cpu, vendor_args, true, NULL },
	{ NULL, take_queues, NULL, NULL, true, next_of_queues },
};
/* After the sample, one after the other. */
static const struct question again[] = {
	{ "query-blockstats", take_writes, NULL, NULL, true, NULL },
	{ "query-named-block-nodes", take_sizes, NULL, nodes_args, true, NULL },
};
static const struct series {
	const struct question *list;
	size_t count;
} first = { questions, ARRAY_LEN(questions) }, second = { again, ARRAY_LEN(again) };

struct asking {
	struct trial_ref *ref;
	const struct series *series;
	const struct question *question;
	trial_step_fn *next;
};

static void ask_next(struct trial *trial, const struct series *series, trial_step_fn *next);

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	const struct asking asking = *(struct asking *)data;
	struct trial *trial = trial_ref_take(asking.ref);

	free(data);
	if (!trial)
		return;
	if (err && !(asking.question->may_fail && err->code == ERR_QEMU)) {
		trial_fail(trial, err);
		return;
	}
	if (!err || asking.question->next)
		asking.question->take(trial, err ? NULL : result);
	if (asking.question->next)
		trial->question--; /* it may have another */
	ask_next(trial, asking.series, asking.next);
}

static void ask(struct trial *trial, const struct asking *asked, const char *command,
		struct json_object *args)
{
	struct asking *asking = xnew(struct asking);

	*asking = *asked;
	asking->ref = trial_ref_new(trial);
	vm_entry_command(trial->entry, command, args, COMMAND_DEADLINE_MS, on_answer, asking);
}

static void ask_next(struct trial *trial, const struct series *series, trial_step_fn *next)
{
	while (trial->question < series->count) {
		const struct question *question = &series->list[trial->question++];
		const char *command = question->command;
		struct json_object *args = NULL;

		if (question->wanted && !question->wanted(trial))
			continue;
		if (question->next)
			command = question->next(trial, &args);
		else if (question->args)
			args = question->args(trial);
		if (command) {
			ask(trial, &(struct asking){ NULL, series, question, next }, command, args);
			return;
		}
	}
	trial_end_queues(trial);
	vm_leave(TAKE_PTR(trial->entry));
	next(trial);
}

struct entering {
	struct trial_ref *ref;
	const struct series *series;
	trial_step_fn *next;
};

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	const struct entering entering = *(struct entering *)data;
	struct trial *trial = trial_ref_take(entering.ref);

	free(data);
	if (!trial) {
		if (entry)
			vm_leave(entry);
		return;
	}
	trial->entry = entry;
	trial->question = 0;
	if (entry)
		ask_next(trial, entering.series, entering.next);
	else
		trial_fail(trial, err);
}

static void enter(struct trial *trial, const struct series *series, trial_step_fn *next)
{
	struct vm *vm = trial_vm(trial);
	struct entering *entering;

	if (!vm)
		return;
	entering = xnew(struct entering);
	entering->ref = trial_ref_new(trial);
	entering->next = next;
	entering->series = series;
	vm_enter(vm, VM_SYNC_QUERY, VM_ENTRY_USUAL, on_entered, entering);
}

void trial_ask_qemu(struct trial *trial, trial_step_fn *next)
{
	enter(trial, &first, next);
}

void trial_ask_again(struct trial *trial, trial_step_fn *next)
{
	if (trial->blocks)
		enter(trial, &second, next);
	else
		next(trial);
}
