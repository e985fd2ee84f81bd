/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the peers what they have room for, page by page, and keeps what each told last. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "capacity/priv.h"
#include "peer/client.h"

#define AGED_INTERVALS 3
/* An interval is longer or shorter by up to this part, so that hosts do not ask in step. */
#define JITTER_PART 10

/* A question to a peer, until its last page has come.  The peer may be gone by then. */
struct question {
	struct peers *peers;
	char id[ID_NAME_SIZE];
	uint64_t since_ms;
	struct snapshot *told;
	char after[ID_NAME_SIZE]; /* the last guest that was taken; "": none yet */
	unsigned pages;
};

struct waiter {
	TAILQ_ENTRY(waiter) link;
	capacity_done_fn *done;
	void *data;
	uint64_t until_ms;
};
TAILQ_HEAD(waiter_list, waiter);

struct peers {
	struct loop *loop;
	struct peer_clients *clients;
	const char *const *ids;
	uint64_t interval_ms, wanted_ms; /* wanted_ms: somebody looked then; 0: never */
	uint32_t noise;
	TAILQ_HEAD(asked_list, asked_peer) list;
	struct waiter_list waiters; /* in the order of their deadlines */
	struct loop_timer *timer;   /* for the next round */
	struct loop_timer *wake;    /* for those who wait */
	unsigned under_way;
	bool is_ending;
};

/* ---- which peers there are -------------------------------------------------------------- */

static struct asked_peer *find(const struct peers *peers, const char *id)
{
	struct asked_peer *peer;

	TAILQ_FOREACH(peer, &peers->list, link)
	{
		if (strcmp(peer->id, id) == 0)
			return peer;
	}
	return NULL;
}

static void drop(struct peers *peers, struct asked_peer *peer)
{
	TAILQ_REMOVE(&peers->list, peer, link);
	snapshot_unref(peer->told);
	free(peer);
}

/* Those of the configuration, in its order; what was told by others is forgotten. */
static void follow_configuration(struct peers *peers)
{
	struct asked_peer *peer, *next;

	TAILQ_FOREACH(peer, &peers->list, link)
	peer->is_wanted = false;
	for (const char *const *id = peers->ids; *id; id++) {
		peer = find(peers, *id);
		if (peer) {
			TAILQ_REMOVE(&peers->list, peer, link);
		} else {
			peer = xnew(struct asked_peer);
			snprintf(peer->id, sizeof(peer->id), "%s", *id);
		}
		peer->is_wanted = true;
		TAILQ_INSERT_TAIL(&peers->list, peer, link);
	}
	for (peer = TAILQ_FIRST(&peers->list); peer && !peer->is_wanted; peer = next) {
		next = TAILQ_NEXT(peer, link);
		drop(peers, peer);
	}
}

/* ---- the end of a question ---------------------------------------------------------------- */

static void wake_if_done(struct peers *peers)
{
	if (!peers->under_way && !TAILQ_EMPTY(&peers->waiters) && !peers->is_ending)
		loop_timer_start(peers->wake, 0);
}

/* NULL: the peer is gone, or was asked again since it came back. */
static struct asked_peer *peer_of(const struct question *question)
{
	struct asked_peer *peer = find(question->peers, question->id);

	return peer && peer->question == question ? peer : NULL;
}

/* What the peer told stays if WHY is not NULL. */
static void end(struct question *question, const char *why)
{
	struct peers *peers = question->peers;
	struct asked_peer *peer = peer_of(question);

	if (peer) {
		peer->question = NULL;
		peer->answered_ms = loop_now_ms(peers->loop);
		if (why && !peer->trouble[0])
			log_info("capacity", "unheard", "peer=%s reason=%s", peer->id, why);
		snprintf(peer->trouble, sizeof(peer->trouble), "%s", why ? why : "");
		utf8_trim(peer->trouble);
		if (!why) {
			snapshot_unref(peer->told);
			peer->told = TAKE_PTR(question->told);
			peer->told_ms = peer->answered_ms;
		}
	}
	snapshot_unref(question->told);
	free(question);
	peers->under_way--;
	wake_if_done(peers);
}

/* ---- pages ------------------------------------------------------------ */

static size_t bytes_kept(const struct peers *peers)
{
	const struct asked_peer *peer;
	size_t bytes = 0;

	TAILQ_FOREACH(peer, &peers->list, link)
	{
		bytes += peer->told ? peer->told->bytes : 0;
		bytes += peer->question && peer->question->told ? peer->question->told->bytes : 0;
	}
	return bytes;
}

static bool take_vm(struct question *question, const struct capacity_vm_told *vm, struct err *err)
{
	if (strcmp(vm->name, question->after) <= 0)
		return true; /* of the page before */
	if (question->told->vm_count == CAPACITY_VMS_MAX)
		return err_set(err, ERR_LIMIT, "it has over %d guests", CAPACITY_VMS_MAX);
	snapshot_add(question->told, vm);
	snprintf(question->after, sizeof(question->after), "%s", vm->name);
	return true;
}

static bool take_vms(struct question *question, const struct capacity_page *page, struct err *err)
{
	struct capacity_vm_told *vm = xnew(struct capacity_vm_told);
	bool ok = true;

	for (size_t i = 0; ok && i < json_count(page->vms); i++)
		ok = capacity_vm_read(page, i, vm, err) && take_vm(question, vm, err);
	free(vm);
	return ok;
}

static bool check_host(const struct question *question, const struct capacity_page *page,
		       struct err *err)
{
	return strcmp(page->host.id, question->id) == 0 ||
	       err_set(err, ERR_INVALID, "it says that it is host '%s'", page->host.id);
}

/* A page that is not the last has brought something new, up to where the next one begins. */
static bool check_next(const struct question *question, const char *former, const char *next,
		       struct err *err)
{
	if (bytes_kept(question->peers) > CAPACITY_KEPT_MAX)
		return err_set(err, ERR_LIMIT, "all peers together tell more than %zu MiB",
			       CAPACITY_KEPT_MAX >> 20);
	if (next[0] && (strcmp(next, question->after) != 0 || strcmp(next, former) == 0 ||
			question->pages >= CAPACITY_PAGES_MAX))
		return err_set(err, ERR_INVALID, "its pages do not go on");
	return true;
}

static bool take_page(struct question *question, struct json_object *reply, char *ret_next,
		      struct err *err)
{
	struct capacity_page *page = xnew(struct capacity_page);
	char former[ID_NAME_SIZE];
	bool ok;

	memcpy(former, question->after, sizeof(former));
	ok = capacity_page_read(reply, page, err) && check_host(question, page, err);
	if (ok && !question->told) {
		question->told = snapshot_new();
		snapshot_set_host(question->told, &page->host);
	}
	ok = ok && take_vms(question, page, err) && check_next(question, former, page->next, err);
	memcpy(ret_next, page->next, sizeof(page->next));
	capacity_page_fini(page);
	free(page);
	return ok;
}

static void ask_page(struct question *question);

static void on_page(void *data, struct json_object *reply, const struct err *err)
{
	struct question *question = data;
	char next[ID_NAME_SIZE] = "";
	struct err bad = { 0 };

	if (question->peers->is_ending || !peer_of(question)) {
		end(question, "");
		return;
	}
	if (err && err->code == ERR_NOT_FOUND && reply) {
		end(question, "its migrd is older, and does not tell what it has: upgrade it");
		return;
	}
	if (err) {
		end(question, err->msg);
		return;
	}
	question->pages++;
	if (!take_page(question, reply, next, &bad)) {
		err_wrap(&bad, "its answer was not taken");
		end(question, bad.msg);
	} else if (next[0]) {
		ask_page(question);
	} else {
		end(question, NULL);
	}
}

/* A question has one deadline for all its pages. */
static void ask_page(struct question *question)
{
	struct peers *peers = question->peers;
	uint64_t asked_ms = loop_now_ms(peers->loop) - question->since_ms;
	uint64_t left_ms = asked_ms < CAPACITY_ASK_MS ? CAPACITY_ASK_MS - asked_ms : 1;
	char path[sizeof("/peer/v1/capacity?after=") + ID_NAME_SIZE];

	snprintf(path, sizeof(path), "/peer/v1/capacity%s%s", question->after[0] ? "?after=" : "",
		 question->after);
	peer_request(peers->clients, question->id, "GET", path, NULL, (uint32_t)left_ms, on_page,
		     question);
}

static void ask(struct peers *peers, struct asked_peer *peer)
{
	struct question *question = xnew(struct question);

	question->peers = peers;
	question->since_ms = loop_now_ms(peers->loop);
	snprintf(question->id, sizeof(question->id), "%s", peer->id);
	peer->question = question;
	peers->under_way++;
	ask_page(question);
}

/* ---- rounds ----------------------------------------------------------- */

static void ask_all(struct peers *peers)
{
	struct asked_peer *peer;

	follow_configuration(peers);
	TAILQ_FOREACH(peer, &peers->list, link)
	{
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		if (!peer->question)
			ask(peers, peer);
	}
}

/* The noise is that of a linear congruential generator (C standard, 7.22.2, its example), begun by
 * the name of the host. */
static uint64_t next_ms(struct peers *peers)
{
	uint64_t part = peers->interval_ms / JITTER_PART;

	peers->noise = peers->noise * 1103515245 + 12345;
	return peers->interval_ms - part + (peers->noise >> 16) % (2 * part + 1);
}

static bool is_wanted(const struct peers *peers)
{
	return peers->wanted_ms && loop_now_ms(peers->loop) < peers->wanted_ms + CAPACITY_WANTED_MS;
}

static void on_timer(void *data)
{
	struct peers *peers = data;

	if (!is_wanted(peers))
		return;
	ask_all(peers);
	loop_timer_start(peers->timer, next_ms(peers));
}

void peers_want(struct peers *peers)
{
	uint64_t now_ms = loop_now_ms(peers->loop);

	peers->wanted_ms = now_ms ? now_ms : 1;
	if (!peers->is_ending && !loop_timer_is_active(peers->timer))
		loop_timer_start(peers->timer, peers_are_fresh(peers) ? next_ms(peers) : 0);
}

bool peers_are_fresh(const struct peers *peers)
{
	uint64_t now_ms = loop_now_ms(peers->loop);
	uint64_t most_ms = peers->interval_ms + peers->interval_ms / JITTER_PART + CAPACITY_ASK_MS;

	for (const char *const *id = peers->ids; *id; id++) {
		const struct asked_peer *peer = find(peers, *id);

		if (!peer || !peer->answered_ms || now_ms > peer->answered_ms + most_ms)
			return false;
	}
	return true;
}

bool peers_is_aged(const struct peers *peers, const struct asked_peer *peer)
{
	return !peer->told ||
	       loop_now_ms(peers->loop) > peer->told_ms + AGED_INTERVALS * peers->interval_ms;
}

/* Its question ends in the same moment, and may be seen to end after those who wait for it. */
bool peers_is_late(const struct peers *peers, const struct asked_peer *peer)
{
	return peer->question &&
	       loop_now_ms(peers->loop) >= peer->question->since_ms + CAPACITY_ASK_MS;
}

const struct asked_peer *peers_next(struct peers *peers, const struct asked_peer *after)
{
	if (after)
		return TAILQ_NEXT(after, link);
	follow_configuration(peers);
	return TAILQ_FIRST(&peers->list);
}

/* ---- those who wait --------------------------------------------------- */

static void on_wake(void *data)
{
	struct peers *peers = data;
	struct waiter_list due = TAILQ_HEAD_INITIALIZER(due);
	uint64_t now_ms = loop_now_ms(peers->loop);
	struct waiter *waiter;

	while ((waiter = TAILQ_FIRST(&peers->waiters)) &&
	       (!peers->under_way || peers->is_ending || now_ms >= waiter->until_ms)) {
		TAILQ_REMOVE(&peers->waiters, waiter, link);
		TAILQ_INSERT_TAIL(&due, waiter, link);
	}
	if (waiter)
		loop_timer_start(peers->wake, waiter->until_ms - now_ms);
	while ((waiter = TAILQ_FIRST(&due))) {
		TAILQ_REMOVE(&due, waiter, link);
		waiter->done(waiter->data);
		free(waiter);
	}
}

void peers_ask(struct peers *peers, capacity_done_fn *done, void *data)
{
	struct waiter *waiter = xnew(struct waiter);

	waiter->done = done;
	waiter->data = data;
	waiter->until_ms = loop_now_ms(peers->loop) + CAPACITY_ASK_MS;
	TAILQ_INSERT_TAIL(&peers->waiters, waiter, link);
	ask_all(peers);
	if (!peers->under_way)
		loop_timer_start(peers->wake, 0);
	else if (!loop_timer_is_active(peers->wake))
		loop_timer_start(peers->wake, CAPACITY_ASK_MS);
}

/* ---- life ------------------------------------------------------------- */

struct peers *peers_new(const struct capacity_env *env)
{
	struct peers *peers = xnew(struct peers);

	peers->loop = env->loop;
	peers->clients = env->peers;
	peers->ids = env->peer_ids;
	for (const char *c = env->host_id; *c; c++)
		peers->noise = peers->noise * 31 + (unsigned char)*c;
	TAILQ_INIT(&peers->list);
	TAILQ_INIT(&peers->waiters);
	peers->timer = loop_timer_new(env->loop, on_timer, peers);
	peers->wake = loop_timer_new(env->loop, on_wake, peers);
	peers_set(peers, &env->settings);
	return peers;
}

void peers_set(struct peers *peers, const struct capacity_settings *settings)
{
	peers->interval_ms = settings->ask_every_s * 1000;
}

void peers_end(struct peers *peers)
{
	peers->is_ending = true;
	loop_timer_stop(peers->timer);
	on_wake(peers);
	loop_timer_stop(peers->wake);
}

void peers_free(struct peers *peers)
{
	struct asked_peer *peer;

	struct waiter *waiter;

	while ((peer = TAILQ_FIRST(&peers->list)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
		drop(peers, peer);
	while ((waiter = TAILQ_FIRST(&peers->waiters))) {
		TAILQ_REMOVE(&peers->waiters, waiter, link);
		free(waiter);
	}
	loop_timer_free(peers->timer);
	loop_timer_free(peers->wake);
	free(peers);
}
