/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One check: a look scans on the worker, looks at the storage and asks each peer, then applies the
 * table on the worker.  A finding that may have been about to go needs a second look to stay. */
#include "check/check.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/work.h"
#include "check/kinds.h"
#include "check/storage.h"
#include "peer/client.h"
#include "wire/host_reply.h"

#define PEER_DEADLINE_MS 3000
#define PEER_PAGES_MAX   64 /* of PEER_VMS_MAX VMs each */

struct run;

struct check {
	struct check_env env;
	struct worker *worker;
	struct check_storage *storage;
	struct loop_timer *step; /* of the repairs */
	struct run *run;         /* the check under way, or NULL */
	bool is_closing;
};

/* Lives until all its work and questions have ended, maybe longer than its check. */
struct run {
	struct check *check; /* NULL: it was freed, and `fn' was called */
	check_done_fn *fn;
	void *data;
	bool repair;
	unsigned pending; /* work and questions under way */
	struct check_view *view;
	struct check_findings findings, earlier;
	bool is_second_look;
	size_t repaired; /* findings that were gone through */
};

/* A work item: the view belongs to the worker until done(). */
struct look {
	struct work work;
	struct run *run;
	struct check_view *view;
	struct check_findings findings;
};

/* A question to a peer. */
struct question {
	struct run *run;
	size_t peer; /* of run->view */
	unsigned pages;
};

static void begin_look(struct run *run);
static void answered(struct run *run);

/* ---- the report ------------------------------------------------------------------ */

static const char *repair_word(const struct check_finding *finding)
{
	switch (finding->repair) {
	case CHECK_REPAIR_DONE:
		return "done";
	case CHECK_REPAIR_FAILED:
		return "failed";
	case CHECK_REPAIR_NONE:
		break;
	}
	return finding->is_safe ? "possible" : "none";
}

static struct host_finding shown(const struct check_finding *finding)
{
	return (struct host_finding){
		.kind = finding->kind->name,
		.object = finding->object,
		.explanation = finding->explanation,
		.remedy = finding->remedy,
		.safe = finding->is_safe,
		.repair = repair_word(finding),
		.error = finding->repair == CHECK_REPAIR_FAILED ? finding->err.msg : NULL,
	};
}

static size_t count_left(const struct check_findings *findings)
{
	size_t left = findings->left_out;

	for (size_t i = 0; i < findings->count; i++)
		left += findings->list[i].repair != CHECK_REPAIR_DONE;
	return left;
}

static struct json_object *report(const struct run *run)
{
	const struct check_view *view = run->view;
	struct host_finding *items = xcalloc(run->findings.count + 1, sizeof(*items));
	const char **asked = xcalloc(view->peer_count + 1, sizeof(*asked));
	struct host_check reply = {
		.host = view->host_id,
		.clean = count_left(&run->findings) == 0,
		.items = items,
		.item_count = run->findings.count,
		.left_out = run->findings.left_out,
		.peers_asked = asked,
		.processes_looked_at = view->seen->looked_at,
	};
	struct json_object *obj;

	for (size_t i = 0; i < run->findings.count; i++)
		items[i] = shown(&run->findings.list[i]);
	for (size_t i = 0; i < view->peer_count; i++)
		if (!view->peers[i].silence[0])
			asked[reply.peer_count++] = view->peers[i].id;
	obj = json_encode(host_check_fields, &reply);
	free(items);
	free(asked);
	return obj;
}

/* ---- life of a run ----------------------------------------------------------------- */

static void run_free(struct run *run)
{
	check_view_free(run->view);
	check_findings_fini(&run->findings);
	check_findings_fini(&run->earlier);
	free(run);
}

/* The run is over before FN is called: FN may begin the next check. */
static void finish(struct run *run)
{
	CLEANUP(json_putp) struct json_object *obj = report(run);

	run->check->run = NULL;
	run->fn(run->data, obj, NULL);
	run_free(run);
}

/* The check is freed before its run: the last answer that is still to come frees the run, and
 * goes to nobody. */
static void abandon(struct run *run)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "the coordinator is being stopped");
	run->check->run = NULL;
	run->check = NULL;
	run->fn(run->data, NULL, &err);
	if (!run->pending)
		run_free(run);
}

/* ---- repair --------------------------------------------------------------------------- */

static void repair_one(const struct check_env *env, struct check_finding *finding)
{
	bool ok;

	if (!finding->is_safe || !finding->kind->repair)
		return;
	ok = finding->kind->repair(env, finding, &finding->err);
	finding->repair = ok ? CHECK_REPAIR_DONE : CHECK_REPAIR_FAILED;
	log_info("check", "repair", "kind=%s object=%s result=%s", finding->kind->name,
		 finding->object, ok ? "done" : finding->err.msg);
}

/* Repairs one finding at a time, so that others get their turn on the loop. */
static void on_step(void *data)
{
	struct check *check = data;
	struct run *run = check->run;

	if (!run->repair || run->repaired == run->findings.count) {
		finish(run);
		return;
	}
	repair_one(&check->env, &run->findings.list[run->repaired++]);
	loop_timer_start(check->step, 0);
}

static void conclude(struct run *run)
{
	if (run->is_second_look)
		check_confirm(&run->findings, &run->earlier);
	loop_timer_start(run->check->step, 0);
}

/* ---- the worker -------------------------------------------------------------------------- */

static void submit(struct run *run, void (*work)(struct work *work),
		   void (*done)(struct work *work))
{
	struct look *look = xnew(struct look);

	look->run = run;
	look->view = run->view;
	look->work.run = work;
	look->work.done = done;
	run->pending++;
	worker_submit(run->check->worker, &look->work);
}

static void scan_work(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->view->seen = check_scan_blocking(&look->view->dirs);
}

static void on_scanned(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);
	struct run *run = look->run;

	free(look);
	run->pending--;
	answered(run);
}

static void on_storage(void *data, struct storage_marks *marks)
{
	struct run *run = data;

	run->view->marks = marks;
	run->pending--;
	answered(run);
}

static void look_at_storage(struct run *run)
{
	run->pending++;
	check_storage_look(run->check->storage, on_storage, run);
}

static void judge_work(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	check_find(look->view, &look->findings);
}

static void on_judged(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);
	struct run *run = look->run;

	run->findings = look->findings;
	free(look);
	run->pending--;
	if (!run->check || run->check->is_closing) {
		answered(run);
	} else if (!run->is_second_look && check_needs_second_look(&run->findings)) {
		run->earlier = run->findings;
		run->findings = (struct check_findings){ 0 };
		run->is_second_look = true;
		begin_look(run);
	} else {
		conclude(run);
	}
}

/* Reads the records last: they know by now what came during the scan and the questions. */
static void answered(struct run *run)
{
	if (run->pending)
		return;
	if (!run->check) {
		run_free(run);
	} else if (run->check->is_closing) {
		abandon(run);
	} else {
		check_view_add_records(run->view, run->check->env.vms, run->check->env.moves);
		submit(run, judge_work, on_judged);
	}
}

/* ---- the peers ------------------------------------------------------------------------------ */

static void on_peer_reply(void *data, struct json_object *reply, const struct err *err);

static void ask(struct question *question, const char *after)
{
	struct run *run = question->run;
	CLEANUP(free_charp)
	char *path = xasprintf("/peer/v1/vms%s%s", after[0] ? "?after=" : "", after);

	question->pages++;
	run->pending++;
	peer_request(run->check->env.peers, run->view->peers[question->peer].id, "GET", path, NULL,
		     PEER_DEADLINE_MS, on_peer_reply, question);
}

static void keep(struct check_peer *peer, const struct peer_vms *page)
{
	peer->vms = xrealloc(peer->vms, (peer->vm_count + page->count + 1) * sizeof(*peer->vms));
	memcpy(peer->vms + peer->vm_count, page->items, page->count * sizeof(*peer->vms));
	peer->vm_count += page->count;
}

static void on_peer_reply(void *data, struct json_object *reply, const struct err *err)
{
	struct question *question = data;
	struct run *run = question->run;
	struct check_peer *peer = &run->view->peers[question->peer];
	struct peer_vms *page = xnew(struct peer_vms); /* large for a stack */
	struct err wrong;
	bool more = false;

	run->pending--;
	if (!err && !peer_vms_decode(reply, page, &wrong))
		err = &wrong;
	if (err)
		snprintf(peer->silence, sizeof(peer->silence), "%.255s", err->msg);
	else
		keep(peer, page);
	if (!err && page->next[0] && run->check && !run->check->is_closing) {
		more = question->pages < PEER_PAGES_MAX;
		if (!more)
			snprintf(peer->silence, sizeof(peer->silence), "it has too many VMs");
	}
	if (more)
		ask(question, page->next);
	else
		free(question);
	free(page);
	answered(run);
}

static void ask_peer(struct run *run, size_t peer)
{
	struct question *question = xnew(struct question);

	question->run = run;
	question->peer = peer;
	ask(question, "");
}

/* ---- a look ----------------------------------------------------------- */

static struct check_view *new_view(const struct check_env *env)
{
	struct check_view *view = xnew(struct check_view);
	size_t count = 0;
	struct err doubt;

	while (env->peer_ids[count])
		count++;
	view->peers = xcalloc(count + 1, sizeof(*view->peers));
	for (size_t i = 0; i < count; i++)
		if (strcmp(env->peer_ids[i], env->host_id) != 0)
			snprintf(view->peers[view->peer_count++].id, sizeof(view->peers->id), "%s",
				 env->peer_ids[i]);
	snprintf(view->host_id, sizeof(view->host_id), "%s", env->host_id);
	if (env->newest && !newest_is_sure(env->newest, &doubt))
		snprintf(view->doubt, sizeof(view->doubt), "%s", doubt.msg);
	snprintf(view->dirs.vms, sizeof(view->dirs.vms), "%s/vms", env->run_dir);
	snprintf(view->dirs.moves, sizeof(view->dirs.moves), "%s/moves", env->run_dir);
	snprintf(view->dirs.logs, sizeof(view->dirs.logs), "%s", env->log_dir);
	snprintf(view->dirs.tpms, sizeof(view->dirs.tpms), "%s", env->tpm_dir);
	snprintf(view->dirs.swtpm, sizeof(view->dirs.swtpm), "%s", env->swtpm ? env->swtpm : "");
	return view;
}

/* A second look does not ask the peers that were silent in the first. */
static void begin_look(struct run *run)
{
	struct check_view *earlier = run->view;

	run->view = new_view(&run->check->env);
	submit(run, scan_work, on_scanned);
	look_at_storage(run);
	for (size_t i = 0; i < run->view->peer_count; i++) {
		if (earlier && earlier->peers[i].silence[0])
			memcpy(run->view->peers[i].silence, earlier->peers[i].silence,
			       sizeof(earlier->peers[i].silence));
		else
			ask_peer(run, i);
	}
	check_view_free(earlier);
}

bool check_run(struct check *check, bool repair, check_done_fn *fn, void *data, struct err *err)
{
	struct run *run;

	loop_assert_thread(check->env.loop);
	if (check->run)
		return err_set(err, ERR_BUSY, "another check is under way; try again");
	run = xnew(struct run);
	run->check = check;
	run->fn = fn;
	run->data = data;
	run->repair = repair;
	check->run = run;
	begin_look(run);
	return true;
}

/* ---- life ------------------------------------------------------------- */

struct check *check_new(const struct check_env *env)
{
	struct check *check = xnew(struct check);

	check->env = *env;
	check->worker = worker_new(env->loop, "check", 1);
	check->storage = check_storage_new(env->loop, &env->storage);
	check->step = loop_timer_new(env->loop, on_step, check);
	return check;
}

void check_free(struct check *check)
{
	if (!check)
		return;
	check->is_closing = true;
	worker_free(check->worker);
	check_storage_free(check->storage);
	if (check->run)
		abandon(check->run);
	loop_timer_free(check->step);
	free(check);
}
