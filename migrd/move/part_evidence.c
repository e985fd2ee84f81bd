/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes sure that both hosts have the same things (preflight/).  On the source: gathers what
 * its guest uses, and removes the token files afterwards.  On the destination: checks what can
 * only be seen when its QEMU is there. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "preflight/look.h"

#define QUERY_DEADLINE_MS 5000

/* ---- the source gathers --------------------------------------------------------- */

struct gather {
	struct work work;
	struct moves *moves;
	char id[ID_UUID_SIZE];
	struct needs *needs;
	struct evidence *evidence; /* NULL: this work only tidies up */
	bool look_for_bases;       /* maybe nobody has noted them: the images name them */
};

static void gather_free(struct gather *gather)
{
	free(gather->needs);
	free(gather->evidence);
	free(gather);
}

static void run_gather(struct work *work)
{
	struct gather *gather = (struct gather *)work;

	preflight_gather_blocking(gather->needs, gather->id, gather->evidence);
}

static void run_clean(struct work *work)
{
	const struct gather *gather = (const struct gather *)work;

	if (gather->look_for_bases)
		look_bases_blocking(gather->needs);
	look_follow_blocking(gather->needs);
	look_clean_blocking(gather->needs, gather->id);
}

static void clean_done(struct work *work)
{
	gather_free((struct gather *)work);
}

static void submit_clean(struct moves *moves, struct gather *gather)
{
	gather->work = (struct work){ .run = run_clean, .done = clean_done };
	worker_submit(moves->worker, &gather->work);
}

static void gather_done(struct work *work)
{
	struct gather *gather = (struct gather *)work;
	struct move *move = moves_find(gather->moves, gather->id);

	if (!move || move->machine.state != MOVE_STATE_BEGIN || move->machine.is_saving) {
		if (gather->moves->is_closing)
			gather_free(gather);
		else
			submit_clean(gather->moves, gather); /* the move was given up meanwhile */
		return;
	}
	free(move->evidence);
	move->evidence = TAKE_PTR(gather->evidence);
	gather_free(gather);
	move->begin.gathering_since_ms = 0;
	loop_timer_stop(move->retry);
	move_parts_next(move);
}

static struct gather *gather_new(const struct move *move)
{
	const struct vm_def *def = move_definition(move);
	struct needs *needs = def ? needs_of(def) : NULL;
	struct gather *gather = needs ? xnew(struct gather) : NULL;

	if (!gather)
		return NULL;
	gather->moves = move->moves;
	gather->needs = needs;
	memcpy(gather->id, move->row.id, sizeof(gather->id));
	return gather;
}

static void gather_files(struct move *move)
{
	struct gather *gather = gather_new(move);

	if (!gather) {
		move_give_up(move, ERR_INTERNAL, "the VM's definition cannot be read");
		return;
	}
	needs_add_bases(gather->needs, move->begin.disks, move->begin.disk_count);
	gather->work = (struct work){ .run = run_gather, .done = gather_done };
	gather->evidence = TAKE_PTR(move->evidence);
	gather->evidence->assert_disks = move->options.assert_same_disks;
	gather->evidence->assert_cpu = move->options.assert_same_cpu;
	worker_submit(move->moves->worker, &gather->work);
}

static void clean(struct move *move)
{
	struct gather *gather = gather_new(move);

	if (!gather)
		return;
	gather->look_for_bases = move->side == MOVE_SRC && gather->needs->image_count;
	if (move->side == MOVE_DST && move->plan) {
		needs_add_bases(gather->needs, move->plan->disks, move->plan->disk_count);
		needs_place(gather->needs, &move->moves->env.storage);
	}
	if (gather->needs->file_count || gather->look_for_bases)
		submit_clean(move->moves, gather);
	else
		gather_free(gather);
}

static void judge_cpu(struct move *move);

/* ---- the features of the guest's CPU ------------------------------------------------ */

/* Both sides: the evidence has the feature words of the first CPU, if QEMU tells them. */
static void words_are_known(struct move *move)
{
	if (move->side == MOVE_SRC)
		gather_files(move);
	else
		judge_cpu(move);
}

/* Only x86 CPUs have these properties: another guest's CPU is compared by the name of its model,
 * which is in the definition. */
static void on_vendor(struct move *move, struct json_object *result, const struct err *err)
{
	if (!err)
		evidence_take_vendor(move->evidence, result);
	words_are_known(move);
}

static void ask_of_cpu(struct move *move, const char *property, move_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "path", move->cpu_path);
	json_add_str(args, "property", property);
	move_qmp(move, "qom-get", args, QUERY_DEADLINE_MS, fn);
}

static void on_words(struct move *move, struct json_object *result, const struct err *err)
{
	if (!err)
		evidence_take_words(move->evidence, result);
	if (move->evidence->word_count)
		ask_of_cpu(move, "vendor", on_vendor);
	else
		words_are_known(move);
}

static void on_cpus(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *first = !err && json_object_is_type(result, json_type_array) &&
						    json_object_array_length(result)
					    ? json_object_array_get_idx(result, 0)
					    : NULL;
	const char *path = first ? json_get_str(first, "qom-path") : NULL;

	if (!path) {
		words_are_known(move);
		return;
	}
	snprintf(move->cpu_path, sizeof(move->cpu_path), "%s", path);
	ask_of_cpu(move, "feature-words", on_words);
}

static void ask_words(struct move *move)
{
	move_qmp(move, "query-cpus-fast", NULL, QUERY_DEADLINE_MS, on_cpus);
}

static void gather(struct move *move)
{
	free(move->evidence);
	move->evidence = xnew(struct evidence);
	move->begin.gathering_since_ms = loop_now_ms(move->moves->env.loop);
	loop_timer_start(move->retry, move->moves->env.prepare_timeout_ms);
	ask_words(move);
}

/* The storage must answer within the time that a move may take to get ready. */
static void give_up_if_late(struct move *move)
{
	if (move->begin.gathering_since_ms &&
	    loop_now_ms(move->moves->env.loop) - move->begin.gathering_since_ms >=
		    move->moves->env.prepare_timeout_ms)
		move_give_up(move, ERR_TIMEOUT,
			     "the storage of the guest's images did not answer in time: mend it, "
			     "and try again");
}

/* ---- the destination's QEMU ------------------------------------------------------------ */

/* Checks that QEMU has opened the files that were compared: a path may lead elsewhere since. */
struct opened {
	struct work work;
	struct moves *moves;
	char id[ID_UUID_SIZE];
	pid_t pid;
	struct needs *needs;
	struct evidence *here;
	bool is_seen; /* QEMU's descriptors could be read */
	bool found[EVIDENCE_FILES_MAX];
};

static void opened_free(struct opened *opened)
{
	free(opened->needs);
	free(opened->here);
	free(opened);
}

static void note_open(struct opened *opened, const char *path)
{
	struct stat st;
	char inode[sizeof(opened->here->files[0].inode)];

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	snprintf(inode, sizeof(inode), "%x:%x:%llx", major(st.st_dev), minor(st.st_dev),
		 (unsigned long long)st.st_ino);
	for (size_t i = 0; i < opened->here->file_count; i++) {
		if (strcmp(opened->here->files[i].inode, inode) == 0)
			opened->found[i] = true;
	}
}

static void run_opened(struct work *work)
{
	struct opened *opened = (struct opened *)work;
	CLEANUP(free_charp) char *dir = xasprintf("/proc/%d/fd", (int)opened->pid);
	DIR *list = opendir(dir);

	if (!list)
		return;
	opened->is_seen = true;
	for (const struct dirent *entry; (entry = readdir(list));) {
		CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, entry->d_name);

		note_open(opened, path);
	}
	closedir(list);
}

static void judge_opened(const struct opened *opened, struct preflight_reasons *reasons)
{
	for (size_t i = 0; opened->is_seen && i < opened->needs->file_count; i++) {
		const struct need_file *need = &opened->needs->files[i];

		if (need->kind == NEED_SAME_FILE && !opened->found[i] &&
		    opened->here->files[i].type == EVIDENCE_TYPE_FILE &&
		    strncmp(need->what, "disk ", 5) == 0)
			preflight_add(reasons, "disks",
				      "%s: QEMU opened another file than the one that was compared "
				      "as '%s': try again when its storage stays as it is",
				      need->what, need->path);
	}
}

/* Writes each reason into the timeline and the log. */
static void note_reasons(struct move *move, const struct preflight_reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++) {
		move_note(move, "refused", "%s: %s", reasons->list[i].check, reasons->list[i].text);
		log_warning("move", "refused", "move=%s vm=%s check=%s reason=%s", move->row.id,
			    move->row.vm_name, reasons->list[i].check, reasons->list[i].text);
	}
}

void move_refuse(struct move *move, const struct preflight_reasons *reasons)
{
	struct err err = { 0 };

	note_reasons(move, reasons);
	preflight_to_err(reasons, &err);
	move_roll_back(move, &err);
}

static void opened_done(struct work *work)
{
	struct opened *opened = (struct opened *)work;
	struct move *move = moves_find(opened->moves, opened->id);
	struct preflight_reasons *reasons = xnew(struct preflight_reasons);

	judge_opened(opened, reasons);
	opened_free(opened);
	if (move && move->machine.state == MOVE_STATE_PREPARE && !move->machine.is_saving) {
		if (reasons->count)
			move_refuse(move, reasons);
		else
			move_parts_next(move);
		machine_step(&move->machine);
	}
	free(reasons);
}

static void look_at_opened(struct move *move)
{
	struct opened *opened = xnew(struct opened);

	opened->moves = move->moves;
	memcpy(opened->id, move->row.id, sizeof(opened->id));
	opened->pid = qemu_proc_id(move_qemu(move)).pid;
	opened->needs = TAKE_PTR(move->offer.compared->needs);
	opened->here = TAKE_PTR(move->offer.compared->here);
	opened->work = (struct work){ .run = run_opened, .done = opened_done };
	worker_submit(move->moves->worker, &opened->work);
}

static void judge_cpu(struct move *move)
{
	struct preflight_reasons *reasons = xnew(struct preflight_reasons);

	cpu_judge(move->offer.compared->there, move->evidence, reasons);
	if (reasons->count) {
		move_refuse(move, reasons);
		machine_step(&move->machine);
	} else if (move_qemu(move)) {
		look_at_opened(move);
	} else {
		machine_step(&move->machine);
	}
	free(reasons);
}

static void compare(struct move *move)
{
	if (!move->offer.compared || !move->offer.compared->has_evidence) {
		move_parts_next(move);
		return;
	}
	move->evidence = xnew(struct evidence);
	if (move->offer.compared->there->word_count && !move->offer.compared->there->assert_cpu)
		ask_words(move);
	else
		judge_cpu(move);
}

const struct move_part move_part_evidence = {
	.name = "evidence",
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_PREPARE] = { gather } },
		   [MOVE_DST] = { [MOVE_PHASE_CHECK] = { compare } } },
	.step = give_up_if_late,
	.tidy = clean,
};
