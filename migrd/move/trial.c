/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/trial.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "converge/converge.h"
#include "hold/hold.h"
#include "move/foresee.h"
#include "preflight/look.h"

#define TRIALS_MAX        8
#define TRIAL_DEADLINE_MS 60000
#define HELLO_DEADLINE_MS 5000
/* A destination that has started just now asks its QEMU first, which takes 0.2 s. */
#define HELLOS_MAX     20
#define HELLO_AGAIN_MS 250
/* A sample that is not older is taken again. */
#define SAMPLE_GOOD_MS 10000
/* Clocks that differ by more make records and certificates hard to read. */
#define CLOCK_DIFFERENCE_MAX_MS 2000
#define CERTIFICATE_DAYS_MIN    7
/* For the end of a move, at which both hosts talk again. */
#define CERTIFICATE_SPARE_S 60
#define DAY_S               INT64_C(86400)
#define HOUR_S              INT64_C(3600)

/* ---- life ----------------------------------------------------------------------- */

struct trial_ref *trial_ref_new(const struct trial *trial)
{
	struct trial_ref *ref = xnew(struct trial_ref);

	ref->moves = trial->moves;
	memcpy(ref->id, trial->id, sizeof(ref->id));
	return ref;
}

static struct trial *find(const struct moves *moves, const char *id)
{
	struct trial *trial;

	LIST_FOREACH(trial, &moves->trials, link)
	{
		if (strcmp(trial->id, id) == 0)
			return trial;
	}
	return NULL;
}

struct trial *trial_ref_take(struct trial_ref *ref)
{
	struct trial *trial = find(ref->moves, ref->id);

	free(ref);
	return trial;
}

static void trial_free(struct trial *trial)
{
	LIST_REMOVE(trial, link);
	if (trial->entry)
		vm_leave(trial->entry);
	loop_timer_free(trial->deadline);
	loop_timer_free(trial->again);
	json_object_put(trial->blocks);
	trial_end_queues(trial);
	free(trial->here);
	free(trial->warnings);
	free(trial->evidence);
	free(trial->plan);
	free(trial->there);
	free(trial);
}

void trial_fail(struct trial *trial, const struct err *err)
{
	trial->fn(trial->data, NULL, err);
	trial_free(trial);
}

struct vm *trial_vm(struct trial *trial)
{
	struct vm *vm = vm_find_uuid(trial->moves->env.vms, trial->vm_uuid);
	struct err err;

	if (vm && vm_is_active(vm))
		return vm;
	err_set(&err, ERR_CONFLICT, "VM '%s' has no running QEMU any more", trial->vm);
	trial_fail(trial, &err);
	return NULL;
}

static void on_deadline(void *data)
{
	struct trial *trial = data;
	struct err err;

	err_set(&err, ERR_TIMEOUT, "QEMU, the guest's storage or host '%s' did not answer in %d s",
		trial->to, TRIAL_DEADLINE_MS / 1000);
	trial_fail(trial, &err);
}

/* ---- the answer -------------------------------------------------------------------- */

static void add_reason(struct trial_reply *reply, const char *check, const char *side, bool blocks,
		       const char *detail)
{
	if (reply->reason_count < TRIAL_REASONS_MAX)
		reply->reasons[reply->reason_count++] =
			(struct trial_reason){ check, side, blocks, detail };
}

static void add_here(struct trial_reply *reply, const struct preflight_reasons *reasons,
		     bool blocks)
{
	for (size_t i = 0; i < reasons->count; i++)
		add_reason(reply, reasons->list[i].check, "source", blocks, reasons->list[i].text);
}

static uint64_t disk_bytes(const struct trial *trial)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < trial->disk_count; i++)
		sum += trial->disks[i].allocated_bytes;
	return sum;
}

static void forecast(struct trial *trial, struct vm *vm, struct forecast *ret)
{
	const uint64_t now_ms = loop_now_ms(trial->moves->env.loop);
	struct forecast_input input = { .is_still = !trial->runs };
	struct vm_dirty dirty;
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	vm_dirty_last(vm, &dirty);
	input.disk_bytes = disk_bytes(trial);
	foresee_history(trial->moves, trial->to, &input);
	foresee_request(trial->moves, &trial->options, trial->plan, trial->let_come_bytes_per_s,
			&input);
	foresee_memory(trial->moves,
		       &(struct foresee_guest){ trial->vm_uuid,
						def ? vm_def_memory_mib(def) << 20 : 0,
						trial->resident_bytes },
		       &dirty, now_ms, &input);
	input.disk_write_bytes_per_s = trial->written_per_s;
	input.deadline_ms = foresee_deadline_ms(&trial->policy, &input);
	forecast_make(&input, ret);
}

/* What the destination says; BLOCKS: for which it would refuse the guest. */
static void add_there(const struct trial *trial, struct trial_reply *reply, bool blocks)
{
	const struct peer_preflight_reply *there = trial->there;
	const struct peer_reason *list = !there ? NULL : blocks ? there->reasons : there->warnings;
	size_t count = !there ? 0 : blocks ? there->reason_count : there->warning_count;

	for (size_t i = 0; i < count; i++)
		add_reason(reply, list[i].check, "destination", blocks, list[i].detail);
}

/* "5 days", "7 hours", "12 minutes" */
static void time_left(int64_t seconds, char *ret, size_t size)
{
	if (seconds >= 2 * DAY_S)
		snprintf(ret, size, "%lld days", (long long)seconds / DAY_S);
	else if (seconds >= 2 * HOUR_S)
		snprintf(ret, size, "%lld hours", (long long)seconds / HOUR_S);
	else
		snprintf(ret, size, "%lld minutes", (long long)seconds / 60);
}

/* Hosts with a certificate that has ended hear nothing of each other, and a move that is under way
 * then ends only when they do again. */
static bool is_too_short(int64_t left_s, const struct forecast *forecast)
{
	uint64_t needed_s = forecast->duration_ms.high / 1000 + CERTIFICATE_SPARE_S;

	return forecast->converges != FORECAST_NEVER_CONVERGES &&
	       (left_s < 0 || (uint64_t)left_s < needed_s);
}

static void judge_certificate(const char *host, const char *side, int64_t left_s,
			      char text[ERR_MSG_SIZE], struct trial_reply *reply)
{
	bool is_short = is_too_short(left_s, &reply->forecast);
	char left[32];

	if (!is_short && left_s >= CERTIFICATE_DAYS_MIN * DAY_S)
		return;
	time_left(left_s > 0 ? left_s : 0, left, sizeof(left));
	err_text(text,
		 "the certificate of host '%s' ends in %s%s: renew it ('migrctl pki host %s "
		 "--force'), copy it there, and reload migrd",
		 host, left, is_short ? ", before the move could end" : "", host);
	add_reason(reply, "certificate", side, is_short, text);
}

/* An older coordinator says whole days: there may be nearly one more. */
static int64_t certificate_left_s(const struct peer_preflight_reply *there)
{
	return there->has_certificate_s ? (int64_t)there->certificate_s
					: ((int64_t)there->certificate_days + 1) * DAY_S - 1;
}

/* TEXTS are borrowed by the reply. */
static void judge_certificates(const struct trial *trial, char texts[2][ERR_MSG_SIZE],
			       struct trial_reply *reply)
{
	const struct peer_preflight_reply *there = trial->there;

	if (trial->certificate_s)
		judge_certificate(trial->moves->env.host_id, "source", trial->certificate_s,
				  texts[0], reply);
	if (there)
		judge_certificate(trial->to, "destination", certificate_left_s(there), texts[1],
				  reply);
}

static bool has_blocking(const struct trial_reply *reply)
{
	for (size_t i = 0; i < reply->reason_count; i++) {
		if (reply->reasons[i].blocks)
			return true;
	}
	return false;
}

void trial_answer(struct trial *trial)
{
	struct vm *vm = trial_vm(trial);
	CLEANUP(free_noticesp) struct move_notices *notices = NULL;
	struct trial_reply *reply;
	char texts[2][ERR_MSG_SIZE];

	if (!vm)
		return;
	reply = xnew(struct trial_reply);
	notices = move_notices_choose(trial->moves, vm);
	reply->notice_count = move_notices_expect(notices, reply->notices);
	reply->vm = trial->vm;
	reply->source = trial->moves->env.host_id;
	reply->destination = trial->to;
	reply->destination_asked = trial->there != NULL;
	forecast(trial, vm, &reply->forecast);
	add_here(reply, trial->here, true);
	add_there(trial, reply, true);
	reply->has_link = trial->is_reached;
	reply->link = (struct trial_link){
		.mtu_bytes = trial->reach.mtu_bytes,
		.round_trip_us = trial->reach.round_trip_us,
		.was_probed = trial->probed.bytes > 0,
		.probe_bytes = trial->probed.bytes,
		.probe_us = trial->probed.us,
		.probe_bytes_per_s = trial->probed.bytes_per_s,
		.probe_is_least = trial->probed.is_growing,
	};
	add_here(reply, trial->warnings, false);
	add_there(trial, reply, false);
	judge_certificates(trial, texts, reply);
	reply->possible = trial->there && !has_blocking(reply);
	reply->has_plan = trial->plan && !trial->is_plain_plan;
	if (reply->has_plan)
		reply->plan = *trial->plan;
	trial->fn(trial->data, reply, NULL);
	free(reply);
	trial_free(trial);
}

/* ---- the files, which must be as they are until the destination has looked ------------ */

struct files {
	struct work work;
	struct trial_ref *ref;
	struct needs *needs;
	struct evidence *evidence;
	char id[ID_UUID_SIZE];
	pid_t pid;
	uint64_t memory_bytes, resident_bytes;
	bool is_over; /* only tidies up */
};

static void files_free(struct files *files)
{
	free(files->ref);
	free(files->needs);
	free(files->evidence);
	free(files);
}

static void run_files(struct work *work)
{
	struct files *files = (struct files *)work;

	if (files->is_over) {
		look_follow_blocking(files->needs);
		look_clean_blocking(files->needs, files->id);
		return;
	}
	preflight_gather_blocking(files->needs, files->id, files->evidence);
	files->resident_bytes = foresee_resident_blocking(files->pid, files->memory_bytes);
}

static void tidied(struct work *work)
{
	files_free((struct files *)work);
}

/* No restart looks for the token files of a trial, so they go also while migrd stops. */
static void tidy(struct moves *moves, struct files *files)
{
	files->is_over = true;
	files->work = (struct work){ .run = run_files, .done = tidied };
	worker_submit(moves->worker, &files->work);
}

static struct files *files_new(const struct trial *trial, struct vm *vm)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);
	struct files *files;

	if (!def)
		return NULL;
	files = xnew(struct files);
	files->needs = needs_of(def);
	needs_add_bases(files->needs, trial->disks, trial->disk_count);
	files->memory_bytes = vm_def_memory_mib(def) << 20;
	files->pid = qemu_proc_id(vm_qemu(vm)).pid;
	files->ref = trial_ref_new(trial);
	memcpy(files->id, trial->id, sizeof(files->id));
	return files;
}

/* ---- the destination ------------------------------------------------------------------- */

/* The other host reads its clock when it answers: what it has looked at before may have taken
 * long. */
static void judge_clock(struct trial *trial)
{
	uint64_t here_ms = (uint64_t)clock_wall_ms();
	uint64_t there_ms = trial->there->now_ms;
	uint64_t apart_ms = there_ms > here_ms ? there_ms - here_ms : here_ms - there_ms;

	if (apart_ms > CLOCK_DIFFERENCE_MAX_MS)
		preflight_add(trial->warnings, "clock",
			      "the clock of host '%s' is %llu ms %s ours: let both follow the same "
			      "time server",
			      trial->to, (unsigned long long)apart_ms,
			      there_ms > here_ms ? "before" : "behind");
}

struct preflight_question {
	struct trial_ref *ref;
	struct files *files;
};

static void on_preflight(void *data, struct json_object *result, const struct err *err)
{
	const struct preflight_question question = *(struct preflight_question *)data;
	struct trial *trial = trial_ref_take(question.ref);
	struct moves *moves = question.files->ref->moves;
	struct peer_preflight_reply *there = xnew(struct peer_preflight_reply);
	struct err bad;

	free(data);
	tidy(moves, question.files);
	if (!trial) {
		free(there);
		return;
	}
	if (!err && !peer_preflight_reply_decode(result, there, &bad))
		err = &bad;
	if (!err) {
		trial->there = TAKE_PTR(there);
		judge_clock(trial);
		trial_look_at_link(trial);
		return;
	} else if (err->code == ERR_NOT_FOUND) {
		preflight_add(trial->warnings, "preflight",
			      "host '%s' has an older migrd, which cannot be asked before a move: "
			      "upgrade it; the move itself looks there before it changes anything",
			      trial->to);
	} else {
		preflight_add(trial->here, "peer",
			      "host '%s' cannot say whether it would take the guest: %s: look "
			      "there whether migrd runs, and at its log",
			      trial->to, err->msg);
	}
	free(there);
	trial_answer(trial);
}

static struct json_object *offer(const struct trial *trial, struct vm *vm)
{
	CLEANUP(free_noticesp) struct move_notices *notices = move_notices_choose(trial->moves, vm);
	struct peer_prepare prepare = {
		.generation = trial->generation,
		.run = vm_intent(vm) == VM_INTENT_STARTED,
		.definition = json_read_back(vm_definition(vm)),
		.options = trial->options,
		.hold_s = (trial->options.has_hold ? trial->options.hold.timeout_s : 0) +
			  move_notices_hold_s(notices),
		.plan = json_encode(transfer_plan_fields, trial->plan),
		.evidence = json_encode(evidence_fields, trial->evidence),
	};
	struct json_object *obj;

	snprintf(prepare.move_id, sizeof(prepare.move_id), "%s", trial->id);
	snprintf(prepare.source, sizeof(prepare.source), "%s", trial->moves->env.host_id);
	prepare.options.has_bandwidth = prepare.options.has_downtime_limit = true;
	peer_prepare_split(&prepare);
	obj = json_encode(peer_prepare_fields, &prepare);
	peer_prepare_fini(&prepare);
	return obj;
}

static void ask_destination(struct trial *trial, struct files *files)
{
	const struct moves_env *env = &trial->moves->env;
	struct vm *vm = trial_vm(trial);
	struct preflight_question *question;

	if (!vm) {
		tidy(files->ref->moves, files);
		return;
	}
	question = xnew(struct preflight_question);
	question->ref = trial_ref_new(trial);
	question->files = files;
	peer_request(env->peers, trial->to, "POST", "/peer/v1/preflight", offer(trial, vm),
		     env->prepare_timeout_ms, on_preflight, question);
}

/* A move that begins soon uses it again. */
static void note_resident(const struct trial *trial)
{
	struct vm *vm = vm_find_uuid(trial->moves->env.vms, trial->vm_uuid);

	if (vm)
		vm_dirty_note_resident(vm, trial->resident_bytes);
}

static void files_done(struct work *work)
{
	struct files *files = (struct files *)work;
	struct trial *trial = find(files->ref->moves, files->id);

	if (!trial && files->ref->moves->is_closing) { /* the worker itself ends */
		files->is_over = true;
		run_files(work);
		files_free(files);
		return;
	}
	if (!trial) {
		tidy(files->ref->moves, files); /* it was given up meanwhile */
		return;
	}
	free(trial->evidence);
	trial->evidence = TAKE_PTR(files->evidence);
	trial->resident_bytes = files->resident_bytes;
	note_resident(trial);
	if (trial->plan) {
		ask_destination(trial, files);
	} else {
		tidy(files->ref->moves, files);
		trial_answer(trial);
	}
}

static void look_at_files(struct trial *trial)
{
	struct vm *vm = trial_vm(trial);
	struct files *files = vm ? files_new(trial, vm) : NULL;
	struct err err;

	if (!vm)
		return;
	if (!files) {
		err_set(&err, ERR_INTERNAL, "the definition of VM '%s' cannot be read", trial->vm);
		trial_fail(trial, &err);
		return;
	}
	files->evidence = TAKE_PTR(trial->evidence);
	files->evidence->assert_disks = trial->options.assert_same_disks;
	files->evidence->assert_cpu = trial->options.assert_same_cpu;
	files->work = (struct work){ .run = run_files, .done = files_done };
	worker_submit(trial->moves->worker, &files->work);
}

/* ---- the plan ------------------------------------------------------------------------------ */

/* What the policy counts on, such as post-copy, would not be there. */
static void warn_of_left_out(struct trial *trial, const struct transfer_left_out *left_out)
{
	for (size_t i = 0; i < left_out->count; i++)
		preflight_add(trial->warnings, "policy-left-out",
			      "%s: %s: change that, or use another policy than '%s'",
			      left_out->items[i].capability, left_out->items[i].why,
			      trial->policy.name);
}

/* Those that could go along, and do not. */
static void judge_bitmaps(struct trial *trial)
{
	bool removes = trial->options.remove_source_disks;

	if (trial->bitmap_sums.go_count && !transfer_plan_has(trial->plan, TRANSFER_DIRTY_BITMAPS))
		preflight_add(removes ? trial->here : trial->warnings, "left-behind",
			      "%zu bitmaps stay in the images of the disks here: %s; or begin with "
			      "a full backup there%s",
			      trial->bitmap_sums.go_count,
			      transfer_plan_why(trial->plan, TRANSFER_DIRTY_BITMAPS),
			      removes ? ", and leave out remove_source_disks" : "");
}

static void make_plan(struct trial *trial, struct vm *vm, const struct transfer_features *there)
{
	const struct transfer_features *of_qemu = qemu_migration_features(vm_qemu(vm));
	struct transfer_features here = { 0 };
	struct err err;
	const struct vm_def *def = vm_def_of(vm, &err);
	struct transfer_basis basis = {
		.wish = &trial->options.transfer,
		.source = of_qemu ? &here : NULL,
		.destination = there,
		.limit_bytes_per_s = moves_limit_of_new(trial->moves, &trial->options),
		.link_bytes_per_s = moves_link_bytes_per_s(trial->moves, trial->to),
		.disks = trial->disks,
		.disk_count = trial->disk_count,
		.bitmap_count = trial->bitmap_sums.go_count,
		.bitmap_bytes = trial->bitmap_sums.go_bytes,
		.first_limit_ms = converge_first_limit_ms(trial->options.downtime_limit_ms),
		.plain_memory = def && needs_has_plain_memory(def),
		.throttle_max_percent =
			trial->policy.observe ? 0 : trial->policy.throttle_max_percent,
	};
	const struct transfer_wish preferred = transfer_preferred(&trial->policy);
	struct transfer_wish wish = trial->options.transfer;
	struct transfer_left_out left_out;

	if (of_qemu)
		here = *of_qemu;
	transfer_features_add_host(&here);
	transfer_prefer(&basis, &preferred, &wish, &left_out);
	trial->options.transfer = wish; /* which BASIS has */
	warn_of_left_out(trial, &left_out);
	trial->plan = xnew(struct transfer_plan);
	if (transfer_plan_make(&basis, trial->plan, &err)) {
		transfer_left_out_explain(&left_out, trial->plan);
		judge_bitmaps(trial);
		return;
	}
	if (there || !of_qemu)
		preflight_add(trial->here, "plan", "%s", err.msg);
	else
		preflight_add(trial->here, "plan",
			      "what is asked for cannot be planned, since host '%s' does not know "
			      "what its QEMU offers: look there whether QEMU starts",
			      trial->to);
	trial->options.transfer = (struct transfer_wish){ 0 };
	if (!basis.destination)
		basis.destination = basis.source;
	trial->is_plain_plan = transfer_plan_make(&basis, trial->plan, &err);
	if (!trial->is_plain_plan)
		free(TAKE_PTR(trial->plan));
}

static void ask_hello(struct trial *trial);

static void on_hello(void *data, struct json_object *result, const struct err *err)
{
	struct trial *trial = trial_ref_take(data);
	struct peer_hello_reply *reply = xnew(struct peer_hello_reply);
	struct vm *vm = trial ? trial_vm(trial) : NULL;
	struct err bad;

	if (vm && !err && !peer_hello_reply_decode(result, reply, &bad))
		err = &bad;
	if (vm && !err && !reply->has_migration && ++trial->hellos < HELLOS_MAX) {
		loop_timer_start(trial->again, HELLO_AGAIN_MS);
		free(reply);
		return;
	}
	if (vm && err)
		preflight_add(trial->here, "peer",
			      "host '%s' does not tell what it offers, and nothing is known of "
			      "it: %s: look there whether migrd runs",
			      trial->to, err->msg);
	else if (vm)
		make_plan(trial, vm, reply->has_migration ? &reply->migration : NULL);
	if (vm && !err)
		trial->let_come_bytes_per_s = reply->let_come_bytes_per_s;
	free(reply);
	if (vm)
		look_at_files(trial);
}

static void on_again(void *data)
{
	ask_hello(data);
}

static void ask_hello(struct trial *trial)
{
	peer_hello(trial->moves->env.peers, trial->to, HELLO_DEADLINE_MS, on_hello,
		   trial_ref_new(trial));
}

/* ---- the sample ------------------------------------------------------------------------------ */

static void on_sampled(void *data, const struct err *err)
{
	struct trial *trial = trial_ref_take(data);

	if (!trial)
		return;
	if (err)
		preflight_add(trial->warnings, "dirty-rate",
			      "what the guest writes was not measured: %s", err->msg);
	trial_ask_again(trial, ask_hello);
}

static bool is_fresh(const struct trial *trial, const struct vm *vm)
{
	struct vm_dirty dirty;

	return vm_dirty_last(vm, &dirty) &&
	       loop_now_ms(trial->moves->env.loop) - dirty.at_ms < SAMPLE_GOOD_MS;
}

static void sample(struct trial *trial)
{
	struct vm *vm = trial_vm(trial);
	struct err ignored;
	const struct vm_def *def = vm ? vm_def_of(vm, &ignored) : NULL;

	if (!vm)
		return;
	if (trial->runs && def && vm_def_memory_mib(def) < VM_DIRTY_MEMORY_MIN_MIB)
		preflight_add(trial->warnings, "dirty-rate",
			      "what the guest writes is not known: QEMU does not sample less than "
			      "%d MiB of memory",
			      VM_DIRTY_MEMORY_MIN_MIB);
	else if (trial->runs && !is_fresh(trial, vm)) {
		vm_dirty_sample(vm, on_sampled, trial_ref_new(trial));
		return;
	}
	trial_ask_again(trial, ask_hello);
}

/* ---- the beginning ---------------------------------------------------- */

/* What makes the question itself senseless; all else is a reason. */
static struct vm *find_vm(const struct moves *moves, const struct move_wish *wish, struct err *err)
{
	const struct moves_env *env = &moves->env;
	struct vm *vm = vm_find(env->vms, wish->vm);
	const struct trial *trial;
	unsigned count = 0;

	LIST_FOREACH(trial, &moves->trials, link)
	count++;
	if (count >= TRIALS_MAX)
		err_set(err, ERR_LIMIT, "%u moves are being tried already: wait for one", count);
	else if (!vm)
		err_set(err, ERR_NOT_FOUND, "there is no VM '%s' on this host", wish->vm);
	else if (strcmp(wish->to, env->host_id) == 0)
		err_set(err, ERR_CONFLICT, "VM '%s' is on host '%s' already", wish->vm, wish->to);
	else if (!peer_clients_address(env->peers, wish->to))
		err_set(err, ERR_NOT_FOUND,
			"host '%s' is not known here: add a section [peer %s] to the configuration",
			wish->to, wish->to);
	else if (vm_job(vm))
		err_set(err, ERR_BUSY, "VM '%s' has a job (%s): wait for its end, or ask about %s",
			wish->vm, vm_job(vm)->kind, vm_job(vm)->id);
	else if (!vm_is_active(vm))
		err_set(err, ERR_CONFLICT,
			"VM '%s' is %s: what its move would be like is told of a running or paused "
			"VM only; a stopped one is moved by its disks alone",
			wish->vm, vm_state(vm));
	else
		return vm;
	return NULL;
}

struct refused {
	moves_tried_fn *fn;
	void *data;
	struct err err;
};

static void on_refused(void *data)
{
	struct refused *refused = data;

	refused->fn(refused->data, NULL, &refused->err);
	free(refused);
}

static void refuse(struct moves *moves, moves_tried_fn *fn, void *data, const struct err *err)
{
	struct refused *refused = xnew(struct refused);

	refused->fn = fn;
	refused->data = data;
	refused->err = *err;
	loop_post(moves->env.loop, on_refused, refused);
}

static void note_version(struct trial *trial, const struct vm *vm)
{
	const struct qmp_version *version = vm_qemu(vm) ? qemu_version(vm_qemu(vm)) : NULL;

	if (version)
		snprintf(trial->evidence->qemu, sizeof(trial->evidence->qemu), "%d.%d.%d",
			 version->major, version->minor, version->micro);
}

static void judge_holds(struct trial *trial)
{
	CLEANUP(strbuf_fini) struct strbuf why = STRBUF_INIT;

	if (!holds_vm(trial->moves->env.holds, trial->vm_uuid, &why))
		return;
	if (trial->options.priority == MOVE_PRIORITY_INTERACTIVE)
		preflight_add(trial->warnings, "held", "%s; what a person orders goes all the same",
			      strbuf_str(&why));
	else
		preflight_add(trial->here, "held", "%s", strbuf_str(&why));
}

void moves_try(struct moves *moves, const struct move_wish *wish, moves_tried_fn *fn, void *data)
{
	struct err err;
	struct vm *vm = find_vm(moves, wish, &err);
	struct policies_choice policy;
	struct trial *trial;

	struct move_options options = wish->options;

	if (!vm ||
	    (options.has_hold && !move_hold_complete(&options.hold, clock_wall_ms(), &err)) ||
	    !move_may_ping(moves, &options, &err) ||
	    !move_policy_choose(moves, vm, wish->policy ? wish->policy : "", &policy, &err)) {
		refuse(moves, fn, data, &err);
		return;
	}
	trial = xnew(struct trial);
	trial->moves = moves;
	id_uuid_new(trial->id);
	snprintf(trial->vm, sizeof(trial->vm), "%s", wish->vm);
	snprintf(trial->vm_uuid, sizeof(trial->vm_uuid), "%s", vm_uuid(vm));
	snprintf(trial->to, sizeof(trial->to), "%s", wish->to);
	trial->options = options;
	trial->policy = policy.policy;
	move_policy_limit(&policy.policy, &trial->options);
	trial->generation = vm_generation(vm);
	trial->certificate_s = wish->certificate_s;
	trial->fn = fn;
	trial->data = data;
	trial->here = xnew(struct preflight_reasons);
	trial->warnings = xnew(struct preflight_reasons);
	trial->evidence = xnew(struct evidence);
	note_version(trial, vm);
	trial->deadline = loop_timer_new(moves->env.loop, on_deadline, trial);
	loop_timer_start(trial->deadline, TRIAL_DEADLINE_MS);
	trial->again = loop_timer_new(moves->env.loop, on_again, trial);
	LIST_INSERT_HEAD(&moves->trials, trial, link);
	judge_holds(trial);
	if (!wish->options.assert_safe_cache && !move_caches_are_safe(vm, &err))
		preflight_add(trial->here, "cache", "%s", err.msg);
	trial_ask_qemu(trial, sample);
}

void moves_trials_clear(struct moves *moves)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "host '%s' is stopping", moves->env.host_id);
	for (struct trial *trial = LIST_FIRST(&moves->trials), *next; trial; trial = next) {
		next = LIST_NEXT(trial, link);
		trial_fail(trial, &err);
	}
}
