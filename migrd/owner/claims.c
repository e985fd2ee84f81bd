/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner/claims.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "peer/client.h"

#define PAGES_MAX 64 /* of PEER_VMS_MAX VMs each */

/* One question. Lives until the last peer has answered, even if FN was called before. */
struct asking {
	struct loop *loop;
	struct peer_clients *peers;
	struct loop_timer *grace;
	char uuid[ID_UUID_SIZE]; /* "": all */
	uint32_t deadline_ms;
	unsigned pending, required;
	bool is_ending;        /* on_last() is posted */
	struct claims *claims; /* NULL: FN got them */
	claims_fn *fn;
	void *data;
};

/* One peer's turn. */
struct turn {
	struct asking *asking;
	size_t silence; /* its index in claims->silent */
	unsigned pages;
};

static void free_peer_vms(struct peer_vms **vms)
{
	free(*vms);
}

void claims_free(struct claims *claims)
{
	if (!claims)
		return;
	free(claims->list);
	free(claims->silent);
	free(claims);
}

/* ---- the end of the question ----------------------------------------------- */

/* Drops the peers that have answered: their `why' is empty. */
static void keep_silent(struct claims *claims)
{
	size_t kept = 0;

	for (size_t i = 0; i < claims->silent_count; i++) {
		if (claims->silent[i].why[0])
			claims->silent[kept++] = claims->silent[i];
	}
	claims->silent_count = kept;
}

static void hand_over(struct asking *asking)
{
	struct claims *claims = TAKE_PTR(asking->claims);

	loop_timer_free(TAKE_PTR(asking->grace));
	keep_silent(claims);
	asking->fn(asking->data, claims);
}

static void on_grace(void *data)
{
	hand_over(data);
}

static void on_last(void *data)
{
	struct asking *asking = data;

	if (asking->claims)
		hand_over(asking);
	free(asking);
}

/* Ends the question when no answer is missing. When only answers that are not required are
 * missing, these get CLAIMS_GRACE_MS more. */
static void look(struct asking *asking)
{
	if (!asking->pending && !asking->is_ending) {
		asking->is_ending = true;
		loop_post(asking->loop, on_last, asking);
	} else if (asking->claims && !asking->required && !loop_timer_is_active(asking->grace)) {
		loop_timer_start(asking->grace, CLAIMS_GRACE_MS);
	}
}

/* ---- answers ------------------------------------------------------------------ */

/* Skips other VMs than the one asked for: a peer of an older version tells of all its VMs. */
static void keep(struct asking *asking, const char *host, const struct peer_vms *page)
{
	struct claims *claims = asking->claims;

	claims->list =
		xrealloc(claims->list, (claims->count + page->count + 1) * sizeof(*claims->list));
	for (size_t i = 0; i < page->count; i++) {
		struct claim *claim = &claims->list[claims->count];

		if (asking->uuid[0] && strcmp(asking->uuid, page->items[i].uuid) != 0)
			continue;
		snprintf(claim->host, sizeof(claim->host), "%s", host);
		claim->vm = page->items[i];
		claims->count++;
	}
}

static void on_page(void *data, struct json_object *reply, const struct err *err);

static void ask(struct turn *turn, const char *host, const char *after)
{
	struct asking *asking = turn->asking;
	CLEANUP(free_charp)
	char *path = xasprintf("/peer/v1/vms%s%s%s%s%s", asking->uuid[0] || after[0] ? "?" : "",
			       asking->uuid[0] ? "uuid=" : "", asking->uuid,
			       after[0] ? (asking->uuid[0] ? "&after=" : "after=") : "", after);

	turn->pages++;
	peer_request(asking->peers, host, "GET", path, NULL, asking->deadline_ms, on_page, turn);
}

static void end_turn(struct turn *turn, const char *why)
{
	struct asking *asking = turn->asking;

	asking->pending--;
	if (asking->claims) {
		struct claims_silence *silence = &asking->claims->silent[turn->silence];

		snprintf(silence->why, sizeof(silence->why), "%.127s", why);
		asking->required -= silence->is_required;
	}
	free(turn);
	look(asking);
}

static void on_page(void *data, struct json_object *reply, const struct err *err)
{
	struct turn *turn = data;
	struct asking *asking = turn->asking;
	CLEANUP(free_peer_vms) struct peer_vms *page = xnew(struct peer_vms); /* large */
	char host[ID_NAME_SIZE];
	struct err wrong;

	if (!asking->claims) {
		end_turn(turn, ""); /* too late */
		return;
	}
	memcpy(host, asking->claims->silent[turn->silence].host, sizeof(host));
	if (!err && !peer_vms_decode(reply, page, &wrong))
		err = &wrong;
	if (!err)
		keep(asking, host, page);
	if (err)
		end_turn(turn, err->msg[0] ? err->msg : err_name(err->code));
	else if (!page->next[0])
		end_turn(turn, "");
	else if (turn->pages == PAGES_MAX)
		end_turn(turn, "it has too many VMs");
	else
		ask(turn, host, page->next);
}

/* ---- the question ------------------------------------------------------------- */

static void begin_turn(struct asking *asking, const struct claims_question *question,
		       const char *host)
{
	struct claims_silence *silence = &asking->claims->silent[asking->claims->silent_count];
	struct turn *turn = xnew(struct turn);

	snprintf(silence->host, sizeof(silence->host), "%s", host);
	snprintf(silence->why, sizeof(silence->why), "it has not answered yet");
	silence->is_required =
		!question->is_required || question->is_required(question->data, host);
	turn->asking = asking;
	turn->silence = asking->claims->silent_count++;
	asking->pending++;
	asking->required += silence->is_required;
	ask(turn, host, "");
}

void claims_ask(const struct claims_question *question, claims_fn *fn, void *data)
{
	struct asking *asking = xnew(struct asking);
	size_t count = 0;

	while (question->hosts[count])
		count++;
	asking->peers = question->peers;
	asking->deadline_ms = question->deadline_ms;
	asking->fn = fn;
	asking->data = data;
	asking->loop = question->loop;
	asking->grace = loop_timer_new(question->loop, on_grace, asking);
	snprintf(asking->uuid, sizeof(asking->uuid), "%s", question->uuid ? question->uuid : "");
	asking->claims = xnew(struct claims);
	asking->claims->silent = xcalloc(count + 1, sizeof(*asking->claims->silent));
	for (size_t i = 0; i < count; i++)
		begin_turn(asking, question, question->hosts[i]);
	look(asking);
}

/* ---- the judgement -------------------------------------------------------------- */

static bool is_owned(const struct claim *claim)
{
	return strcmp(claim->vm.role, "owned") == 0;
}

static bool is_stopped(const struct claim *claim)
{
	return strcmp(claim->vm.state, "stopped") == 0 || strcmp(claim->vm.state, "crashed") == 0;
}

/* A role that is not known here may mean anything in a newer version: CONFLICT. */
static enum claims_verdict judge_one(const struct claim *claim, uint64_t generation)
{
	if (strcmp(claim->vm.role, "was-here") == 0)
		return CLAIMS_OURS;
	if (!is_owned(claim))
		return CLAIMS_CONFLICT;
	if (claim->vm.generation > generation)
		return CLAIMS_ELSEWHERE;
	if (claim->vm.generation == generation)
		return CLAIMS_CONFLICT;
	return is_stopped(claim) ? CLAIMS_OURS : CLAIMS_CONFLICT;
}

bool claims_forbids(const struct claim *claim, uint64_t generation)
{
	return judge_one(claim, generation) != CLAIMS_OURS;
}

enum claims_verdict claims_judge(const struct claims *claims, const char *uuid, uint64_t generation,
				 const struct claim **ret_claim)
{
	enum claims_verdict verdict = CLAIMS_OURS;
	uint64_t highest = 0;

	for (size_t i = 0; i < claims->count; i++) {
		const struct claim *claim = &claims->list[i];
		enum claims_verdict one = strcmp(claim->vm.uuid, uuid) == 0
						  ? judge_one(claim, generation)
						  : CLAIMS_OURS;

		if (one == CLAIMS_OURS || (verdict == CLAIMS_ELSEWHERE && one != verdict) ||
		    (verdict == one && claim->vm.generation < highest))
			continue;
		verdict = one;
		highest = claim->vm.generation;
		*ret_claim = claim;
	}
	return verdict;
}

void claims_say(const struct claim *claim, const char *name, uint64_t generation, struct err *err)
{
	const struct peer_vm *vm = &claim->vm;

	if (strcmp(vm->role, "unrecorded") == 0)
		err_set(err, ERR_CONFLICT,
			"a QEMU of VM '%s' is on host '%s', which has no record of it: 'migrctl "
			"host "
			"check' there tells more; end that one, or make sure that it is the right "
			"one",
			name, claim->host);
	else if (vm->generation > generation)
		err_set(err, ERR_CONFLICT,
			"VM '%s' is on host '%s' now (%s, %s, generation %" PRIu64
			"); the record here is of generation %" PRIu64 ", and old",
			name, claim->host, vm->role, vm->state, vm->generation, generation);
	else if (!is_owned(claim))
		err_set(err, ERR_CONFLICT,
			"host '%s' has VM '%s' too: %s, %s, by move %s; that move has to end first "
			"('migrctl move show %s' there)",
			claim->host, name, vm->role, vm->state, vm->move[0] ? vm->move : "(none)",
			vm->move);
	else
		err_set(err, ERR_CONFLICT,
			"host '%s' has VM '%s' too (%s, generation %" PRIu64 ", here %" PRIu64
			"): find out which copy is the right one, then stop and delete the other",
			claim->host, name, vm->state, vm->generation, generation);
}
