/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner/start.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "owner/claims.h"

#define HOSTS_MAX 1024 /* peers and hosts of the record */

struct start {
	const struct newest_env *env;
	const struct newest *newest;
	char uuid[ID_UUID_SIZE];
	enum vm_action action;
	bool only_asks; /* start_ask() */
	bool is_dry;    /* of start_ask(): nothing is noted, here or by the peers */
	char (*asserted)[ID_NAME_SIZE];
	size_t assert_count;
	char by[ID_NAME_SIZE], why[200];
	start_act_fn *act;
	void *act_data;
	vm_done_fn *done;
	void *data;
};

static void free_start(struct start *start)
{
	free(start->asserted);
	free(start);
}

/* Ends the time in which a peer that asks hears `starting'. */
static void finish(void *data, const struct err *err)
{
	struct start *start = data;
	struct vm *vm = vm_find_uuid(start->env->vms, start->uuid);

	if (vm && !start->is_dry)
		vm_note_asking(vm, false);
	start->done(start->data, err);
	free_start(start);
}

static bool is_asserted(const struct start *start, const char *host)
{
	for (size_t i = 0; i < start->assert_count; i++) {
		if (strcmp(start->asserted[i], host) == 0)
			return true;
	}
	return false;
}

/* ---- the answers ------------------------------------------------------------------ */

/* Drops the claims of peers that still hold an offer of ours that we took back: they never run
 * it. */
static void drop_our_offers(const struct start *start, struct claims *claims)
{
	size_t kept = 0;

	for (size_t i = 0; i < claims->count; i++) {
		const struct claim *claim = &claims->list[i];
		const struct move *move = moves_find(start->env->moves, claim->vm.move);
		bool is_ours = move && move_is_out(move) && move_is_final(move) &&
			       strcmp(claim->vm.role, "incoming") == 0;

		if (!is_ours)
			claims->list[kept++] = *claim;
	}
	claims->count = kept;
}

static bool check_claims(const struct start *start, struct vm *vm, const struct claims *claims,
			 struct err *err)
{
	const struct claim *claim = NULL;
	enum claims_verdict verdict = claims_judge(claims, start->uuid, vm_generation(vm), &claim);

	if (verdict == CLAIMS_OURS)
		return true;
	claims_say(claim, vm_name(vm), vm_generation(vm), err);
	if (!start->is_dry && verdict == CLAIMS_ELSEWHERE && vm_role(vm) == VM_ROLE_OWNED &&
	    !vm_job(vm) && !moves_active_of(start->env->moves, start->uuid))
		vm_give_up(vm, claim->host, claim->vm.generation);
	return false;
}

static bool check_silence(const struct start *start, const struct vm *vm,
			  const struct claims *claims, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf unheard = STRBUF_INIT;
	CLEANUP(strbuf_fini) struct strbuf options = STRBUF_INIT;

	for (size_t i = 0; i < claims->silent_count; i++) {
		const struct claims_silence *silence = &claims->silent[i];

		if (!silence->is_required || is_asserted(start, silence->host))
			continue;
		strbuf_addf(&unheard, "%s'%s' (%s)", unheard.len ? ", " : "", silence->host,
			    silence->why);
		strbuf_addf(&options, "%s%s", options.len ? "," : "", silence->host);
	}
	if (!unheard.len)
		return true;
	return err_set(err, ERR_CONFLICT,
		       "whether VM '%s' runs elsewhere is not known: not heard: %.400s; make sure "
		       "that it does not run there and never will (the host is off or fenced), "
		       "then %ssay so with --assert-dead %.200s",
		       vm_name(vm), strbuf_str(&unheard), start->only_asks ? "start it and " : "",
		       strbuf_str(&options));
}

/* Records the peers whose claims forbid a start as hosts of the VM: they must be heard from now
 * on. */
static void note_claims(struct vm *vm, const struct claims *claims)
{
	for (size_t i = 0; i < claims->count; i++) {
		const struct claim *claim = &claims->list[i];

		if (claims_forbids(claim, vm_generation(vm)) && !vm_knows_host(vm, claim->host))
			vm_record_host(vm, claim->host, NULL, NULL);
	}
}

/* Forgets the silent hosts that a person vouched for, so that nobody has to again; that is on
 * disk with the start that follows. */
static void note_assertions(const struct start *start, struct vm *vm, const struct claims *claims)
{
	for (size_t i = 0; i < claims->silent_count; i++) {
		const struct claims_silence *silence = &claims->silent[i];

		if (!silence->is_required)
			continue;
		log_warning("vm", "asserted",
			    "vm=%s peer=%s by=%s why=%s: the host does not answer, and is said "
			    "not to run the guest",
			    vm_name(vm), silence->host, start->by, start->why);
		vm_forget_host(vm, silence->host);
	}
}

static void act(const struct start *start, struct vm *vm, vm_done_fn *done, void *data)
{
	if (start->act)
		start->act(start->act_data, vm, done, data);
	else
		vm_act(vm, start->action, done, data);
}

static void on_claims(void *data, struct claims *claims)
{
	struct start *start = data;
	struct vm *vm = vm_find_uuid(start->env->vms, start->uuid);
	struct err err;

	if (!vm) {
		err_set(&err, ERR_NOT_FOUND, "the VM is gone");
		finish(start, &err);
		claims_free(claims);
		return;
	}
	drop_our_offers(start, claims);
	if (!start->is_dry)
		note_claims(vm, claims);
	if (check_claims(start, vm, claims, &err) && check_silence(start, vm, claims, &err)) {
		if (start->only_asks) {
			finish(start, NULL);
		} else {
			note_assertions(start, vm, claims);
			act(start, vm, finish, start);
		}
	} else {
		if (!start->is_dry)
			log_warning("vm", "not-started", "vm=%s by=%s reason=%s", vm_name(vm),
				    start->by, err.msg);
		finish(start, &err);
	}
	claims_free(claims);
}

/* ---- the question ------------------------------------------------------------------- */

static bool all_must_answer(const struct start *start)
{
	struct err ignored;

	return !newest_is_sure(start->newest, &ignored) || start->action == VM_ACTION_RESUME;
}

static bool is_required(const void *data, const char *host)
{
	const struct start *start = data;
	const struct vm *vm = vm_find_uuid(start->env->vms, start->uuid);

	return all_must_answer(start) || (vm && vm_knows_host(vm, host));
}

static void add_host(const char **hosts, size_t *count, const char *host)
{
	for (size_t i = 0; i < *count; i++) {
		if (strcmp(hosts[i], host) == 0)
			return;
	}
	if (*count < HOSTS_MAX)
		hosts[(*count)++] = host;
}

static bool needs_question(const struct start *start, const struct vm *vm)
{
	if (vm_role(vm) != VM_ROLE_OWNED || vm_job(vm))
		return false; /* vm_act() refuses it, or the move carries it out */
	if (start->action == VM_ACTION_START)
		return !vm_qemu(vm);
	return newest_was_in_doubt(start->newest);
}

/* The copy's memory may be older than the disks. While the records are in doubt, they may not
 * know the move that gave the guest away, so no assertion of a person helps. */
bool start_may_resume(const struct newest *newest, const struct vm *vm, struct err *err)
{
	struct err doubt;

	if (!vm_holds_copy(vm))
		return true;
	if (vm_is_sent_away(vm))
		return err_set(err, ERR_CONFLICT, "cannot resume VM '%s': %s", vm_name(vm),
			       vm_reason(vm));
	if (!newest_is_sure(newest, &doubt))
		return err_set(err, ERR_CONFLICT,
			       "cannot resume VM '%s', whose QEMU has sent its guest to another "
			       "host or got it from one: %s",
			       vm_name(vm), doubt.msg);
	return true;
}

static void ask(struct start *start, const struct vm *vm)
{
	const char **hosts = xcalloc(HOSTS_MAX + 1, sizeof(*hosts));
	char(*known)[ID_NAME_SIZE] = xcalloc(HOSTS_MAX, sizeof(*known));
	size_t count = 0, known_count = 0;
	const char *at = NULL;

	for (const char *const *id = start->env->peer_ids; *id; id++) {
		if (strcmp(*id, start->env->host_id) != 0)
			add_host(hosts, &count, *id);
	}
	while (known_count < HOSTS_MAX && vm_next_host(vm, &at, known[known_count]))
		add_host(hosts, &count, known[known_count++]);
	claims_ask(&(struct claims_question){ .loop = start->env->loop,
					      .peers = start->env->peers,
					      .hosts = hosts,
					      .is_required = is_required,
					      .uuid = start->uuid,
					      .deadline_ms = START_ASK_MS,
					      .data = start },
		   on_claims, start);
	free(known);
	free(hosts);
}

static void copy_assertions(struct start *start, const struct start_wish *wish)
{
	start->asserted = xcalloc(wish->assert_count + 1, sizeof(*start->asserted));
	start->assert_count = wish->assert_count;
	for (size_t i = 0; i < wish->assert_count; i++)
		memcpy(start->asserted[i], wish->assert_dead[i], ID_NAME_SIZE);
}

static struct start *start_new(const struct newest_env *env, const struct newest *newest,
			       const struct vm *vm, const struct start_wish *wish, vm_done_fn *done,
			       void *data)
{
	struct start *start = xnew(struct start);

	*start = (struct start){
		.env = env, .newest = newest, .action = wish->action, .done = done, .data = data
	};
	start->act = wish->act;
	start->act_data = wish->act_data;
	memcpy(start->uuid, vm_uuid(vm), sizeof(start->uuid));
	snprintf(start->by, sizeof(start->by), "%s", wish->by ? wish->by : "");
	snprintf(start->why, sizeof(start->why), "%s", wish->why ? wish->why : "");
	copy_assertions(start, wish);
	return start;
}

void start_vm(const struct newest_env *env, const struct newest *newest, struct vm *vm,
	      const struct start_wish *wish, vm_done_fn *done, void *data)
{
	struct start *start;
	struct err err;

	if (wish->action == VM_ACTION_RESUME && !start_may_resume(newest, vm, &err)) {
		vms_fail_later(env->vms, done, data, &err);
		return;
	}
	start = start_new(env, newest, vm, wish, done, data);
	if (needs_question(start, vm)) {
		vm_note_asking(vm, true);
		ask(start, vm);
		return;
	}
	act(start, vm, done, data);
	free_start(start);
}

void start_ask(const struct newest_env *env, const struct newest *newest, struct vm *vm,
	       const struct start_wish *wish, vm_done_fn *done, void *data)
{
	struct start *start = start_new(env, newest, vm, wish, done, data);

	start->only_asks = true;
	start->is_dry = wish->is_dry;
	if (!start->is_dry)
		vm_note_asking(vm, true);
	ask(start, vm);
}
