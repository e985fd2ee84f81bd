/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner/newest.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "owner/claims.h"

#define DEADLINE_MS  5000
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 30000
#define SILENT_MAX   8 /* silent peers that are named */

struct newest {
	struct newest_env env;
	struct loop_timer *again;
	uint32_t again_ms;
	bool is_in_doubt, was_in_doubt, is_ended;
	char silent[512]; /* the peers that were not heard last, in words */
};

static void ask(void *data);

/* ---- what the answers tell of the records --------------------------------------- */

static void look_at(const struct newest *newest, struct vm *vm, const struct claims *claims)
{
	const struct claim *claim = NULL;
	enum claims_verdict verdict;
	struct err err;

	/* A move under way asks its peer itself. */
	if (vm_role(vm) != VM_ROLE_OWNED || vm_job(vm) ||
	    moves_active_of(newest->env.moves, vm_uuid(vm)))
		return;
	verdict = claims_judge(claims, vm_uuid(vm), vm_generation(vm), &claim);
	if (verdict == CLAIMS_OURS)
		return;
	claims_say(claim, vm_name(vm), vm_generation(vm), &err);
	if (verdict == CLAIMS_ELSEWHERE &&
	    (newest->was_in_doubt || !vm_is_active(vm) || vm_is_sent_away(vm)))
		vm_give_up(vm, claim->host, claim->vm.generation);
	else
		log_error("vm", "claimed", "vm=%s reason=%s", vm_name(vm), err.msg);
	if (!vm_knows_host(vm, claim->host))
		vm_record_host(vm, claim->host, NULL, NULL);
}

/* While a guest was sent away, the peers are asked again: a person may decide on the other host
 * at any time where it runs. */
static bool has_one_sent_away(const struct newest *newest)
{
	struct vm *vm = vm_next(newest->env.vms, NULL);

	while (vm && !vm_is_sent_away(vm))
		vm = vm_next(newest->env.vms, vm_name(vm));
	return vm != NULL;
}

static void look_at_all(const struct newest *newest, const struct claims *claims)
{
	for (struct vm *vm = vm_next(newest->env.vms, NULL); vm;
	     vm = vm_next(newest->env.vms, vm_name(vm)))
		look_at(newest, vm, claims);
}

/* ---- the end of the doubt -------------------------------------------------------- */

static void recover_others(const struct newest *newest)
{
	if (newest->env.recover)
		newest->env.recover(newest->env.data);
}

static void tell_settled(const struct newest *newest)
{
	if (newest->env.settled)
		newest->env.settled(newest->env.data);
}

static void trust(struct newest *newest)
{
	newest->is_in_doubt = false;
	log_info("store", "newest", "reason=%s",
		 "every peer has said which VMs it has: the records count");
	moves_recover_doubtful(newest->env.moves);
	recover_others(newest);
	vms_settle_found(newest->env.vms);
	tell_settled(newest);
	store_trust(newest->env.store, NULL, NULL);
}

static void name_silent(struct newest *newest, const struct claims *claims)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < claims->silent_count && i < SILENT_MAX; i++)
		strbuf_addf(&text, "%s'%s'", i ? ", " : "", claims->silent[i].host);
	if (claims->silent_count > SILENT_MAX)
		strbuf_addf(&text, " and %zu more", claims->silent_count - SILENT_MAX);
	snprintf(newest->silent, sizeof(newest->silent), "%s", strbuf_str(&text));
}

static void ask_again_later(struct newest *newest)
{
	newest->again_ms = newest->again_ms ? newest->again_ms * 2 : AGAIN_MIN_MS;
	if (newest->again_ms > AGAIN_MAX_MS)
		newest->again_ms = AGAIN_MAX_MS;
	loop_timer_start(newest->again, newest->again_ms);
}

static void on_claims(void *data, struct claims *claims)
{
	struct newest *newest = data;

	if (newest->is_ended) {
		claims_free(claims);
		return;
	}
	name_silent(newest, claims);
	look_at_all(newest, claims);
	if (newest->is_in_doubt && !claims->silent_count)
		trust(newest);
	if (claims->silent_count)
		log_info("store", "silent-peers", "hosts=%s", newest->silent);
	if (claims->silent_count || has_one_sent_away(newest))
		ask_again_later(newest);
	claims_free(claims);
}

/* The present peers (a reload may change them) without this host, ended by NULL. The caller
 * frees the array. */
static const char **peers_of(const struct newest_env *env)
{
	const char **hosts;
	size_t count = 0, kept = 0;

	while (env->peer_ids[count])
		count++;
	hosts = xcalloc(count + 1, sizeof(*hosts));
	for (size_t i = 0; i < count; i++) {
		if (strcmp(env->peer_ids[i], env->host_id) != 0)
			hosts[kept++] = env->peer_ids[i];
	}
	return hosts;
}

static void ask(void *data)
{
	struct newest *newest = data;
	const char **hosts = peers_of(&newest->env);

	claims_ask(&(struct claims_question){ .loop = newest->env.loop,
					      .peers = newest->env.peers,
					      .hosts = hosts,
					      .deadline_ms = DEADLINE_MS },
		   on_claims, newest);
	free(hosts);
}

/* ---- life --------------------------------------------------------------------------- */

struct newest *newest_new(const struct newest_env *env)
{
	struct newest *newest = xnew(struct newest);

	newest->env = *env;
	newest->again = loop_timer_new(env->loop, ask, newest);
	newest->is_in_doubt = store_identity(env->store)->doubt[0] != '\0';
	newest->was_in_doubt = newest->is_in_doubt;
	return newest;
}

void newest_begin(struct newest *newest)
{
	if (!newest->is_in_doubt) {
		moves_recover(newest->env.moves);
		recover_others(newest);
		vms_settle(newest->env.vms);
		tell_settled(newest);
	}
	ask(newest);
}

void newest_end(struct newest *newest)
{
	if (!newest)
		return;
	newest->is_ended = true;
	loop_timer_free(TAKE_PTR(newest->again));
}

void newest_free(struct newest *newest)
{
	if (!newest)
		return;
	newest_end(newest);
	free(newest);
}

bool newest_was_in_doubt(const struct newest *newest)
{
	return newest->was_in_doubt;
}

bool newest_is_sure(const struct newest *newest, struct err *err)
{
	if (!newest->is_in_doubt)
		return true;
	return err_set(err, ERR_UNAVAILABLE,
		       "the records of host '%s' may be old (%s): they count when every peer has "
		       "said which VMs it has, and these have not: %s; bring them back, or, if one "
		       "is gone for good, take it out of the configuration and restart migrd",
		       newest->env.host_id, store_identity(newest->env.store)->doubt,
		       newest->silent[0] ? newest->silent : "(they are being asked)");
}
