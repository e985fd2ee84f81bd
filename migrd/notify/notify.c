/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every notice is in one list from notify_send() until its function was called, which deliver()
 * does, on a timer of no delay: so it never runs inside notify_send() or inside libcurl. */
#include "notify/notify.h"

#include <ctype.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "multi/multi.h"
#include "notify/answer.h"
#include "notify/sign.h"

#define CONNECTIONS_PER_HOST_MAX NOTIFY_OF_A_PARTY_MAX
#define IDLE_CONNECTIONS_MAX     32

enum post_state {
	POST_WAITING, /* for its turn */
	POST_RUNNING,
	POST_LOST, /* by fault injection: nothing comes but the deadline */
	POST_DONE, /* answered, done() not called yet */
};

struct post {
	struct notify *notify;
	enum post_state state;
	char party[ID_NAME_SIZE];
	const char *type;
	char *url, *host, *body;
	struct tls_trust *trust;
	bool is_known; /* its certificate was looked at, for this notice: the request follows */
	uint32_t timeout_ms;
	struct loop_timer *deadline;
	notify_done_fn *done;
	notify_sent_fn *sent; /* NULL: nobody wants to know, or it was called */
	void *data;
	CURL *easy;
	struct curl_slist *headers;
	struct strbuf answer;
	char curl_error[CURL_ERROR_SIZE];
	/* once it is done */
	long status;
	uint64_t retry_after_s;
	struct err err;
	TAILQ_ENTRY(post) link;
};

TAILQ_HEAD(post_list, post);

struct notify {
	struct loop *loop;
	struct multi *multi;
	struct notify_parties *parties;
	struct loop_timer *deliver_timer;
	struct post_list posts; /* in the order in which they came */
	size_t count, running;
	bool is_closing;
};

/* ---- one notice --------------------------------------------------------- */

static size_t take_answer(char *data, size_t size, size_t count, void *user)
{
	struct post *post = user;
	size_t len = size * count, room = NOTIFY_ANSWER_MAX + 1 - post->answer.len;

	strbuf_add(&post->answer, data, len < room ? len : room);
	return post->answer.len > NOTIFY_ANSWER_MAX ? 0 : len; /* 0: that is enough */
}

static void stop(struct post *post)
{
	if (post->easy)
		multi_remove(post->notify->multi, post->easy);
	post->easy = NULL;
	curl_slist_free_all(post->headers);
	post->headers = NULL;
}

static void finish(struct post *post)
{
	stop(post);
	loop_timer_stop(post->deadline);
	post->notify->running -= post->state == POST_RUNNING;
	post->state = POST_DONE;
	loop_timer_start(post->notify->deliver_timer, 0);
}

static void on_deadline(void *data)
{
	struct post *post = data;

	err_set(&post->err, ERR_TIMEOUT, "it gave no answer within %u ms",
		(unsigned)post->timeout_ms);
	finish(post);
}

static void post_free(struct post *post)
{
	TAILQ_REMOVE(&post->notify->posts, post, link);
	post->notify->count--;
	stop(post);
	loop_timer_free(post->deadline);
	strbuf_fini(&post->answer);
	free(post->url);
	free(post->host);
	tls_trust_unref(post->trust);
	free(post->body);
	free(post);
}

/* ---- going out ---------------------------------------------------------- */

static void add_header(struct post *post, const char *line)
{
	struct curl_slist *list = curl_slist_append(post->headers, line);

	if (!list)
		abort(); /* out of memory */
	post->headers = list;
}

/* The time of this try is a part of what is signed. */
static bool add_headers(struct post *post, const struct notify_party *party, const char *id,
			struct err *err)
{
	const int64_t now_s = clock_wall_ms() / 1000;
	char signature[NOTIFY_SIGNATURE_SIZE], line[NOTIFY_SIGNATURE_SIZE + 32];

	if (!notify_sign(party, id, now_s, post->body, signature, err))
		return false;
	add_header(post, "Content-Type: application/json");
	add_header(post, "Accept: application/json");
	add_header(post, "Expect:"); /* no round trip to ask whether to send the body */
	snprintf(line, sizeof(line), "webhook-id: %s", id);
	add_header(post, line);
	snprintf(line, sizeof(line), "webhook-timestamp: %lld", (long long)now_s);
	add_header(post, line);
	snprintf(line, sizeof(line), "webhook-signature: %s", signature);
	add_header(post, line);
	return true;
}

/* Before each request, also over a connection that was made for another: nothing is sent to who is
 * not known. */
static int check_party(void *data, char *address, char *own_address, int port, int own_port)
{
	struct post *post = data;
	struct curl_tlssessioninfo *tls = NULL;

	(void)address;
	(void)own_address;
	(void)port;
	(void)own_port;
	if (curl_easy_getinfo(post->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
	    tls->backend != CURLSSLBACKEND_GNUTLS || !tls->internals)
		err_set(&post->err, ERR_INTERNAL, "libcurl does not show the party's certificate");
	else
		post->is_known =
			tls_trust_knows(post->trust, tls->internals, post->host, &post->err);
	if (post->is_known && post->sent)
		loop_timer_start(post->notify->deliver_timer, 0);
	return post->is_known ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* libcurl would read the authorities for each connection, those of the system too, on the loop's
 * thread: with them in memory check_party() does its work.  No session is resumed, since that may
 * show no certificate. */
static void set_tls(struct post *post)
{
	curl_easy_setopt(post->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(post->easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(post->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(post->easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(post->easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(post->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(post->easy, CURLOPT_PREREQFUNCTION, check_party);
	curl_easy_setopt(post->easy, CURLOPT_PREREQDATA, post);
}

/* The name or address in URL, which the configuration has checked; the caller's. */
static char *host_of(const char *url)
{
	CURLU *parts = curl_url();
	char *host = NULL, *ret = NULL;

	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		ret = host[0] == '[' ? xstrndup(host + 1, strcspn(host + 1, "]")) : xstrdup(host);
	curl_free(host);
	curl_url_cleanup(parts);
	return ret;
}

static void set_options(struct post *post)
{
	CURL *easy = post->easy;

	curl_easy_setopt(easy, CURLOPT_URL, post->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* none, whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "migrd/" PACKAGE_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A name is looked up on a thread of libcurl's; a notice that is given up must not wait
	 * for that thread. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(post->body));
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, post->curl_error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, post->sent ? 1L : 0L);
	set_tls(post);
}

/* How many of a party's notices are under way. */
struct share {
	const char *party;
	unsigned running;
};

/* NULL: there are more names than a set of parties has, since a reload gave others. */
static struct share *share_of(struct share shares[NOTIFY_SHARES_MAX], const char *party)
{
	for (size_t i = 0; i < NOTIFY_SHARES_MAX; i++) {
		if (!shares[i].party)
			shares[i].party = party;
		if (strcmp(shares[i].party, party) == 0)
			return &shares[i];
	}
	return NULL;
}

/* Gives the next ones their turn.  A party that does not answer keeps no other party waiting. */
static void start_more(struct notify *notify)
{
	struct share shares[NOTIFY_SHARES_MAX] = { 0 }, *share;
	struct post *post;

	TAILQ_FOREACH(post, &notify->posts, link)
	{
		if (post->state == POST_RUNNING && (share = share_of(shares, post->party)))
			share->running++;
	}
	TAILQ_FOREACH(post, &notify->posts, link)
	{
		if (notify->running >= NOTIFY_AT_ONCE_MAX)
			return;
		if (post->state != POST_WAITING)
			continue;
		share = share_of(shares, post->party);
		if (share && share->running >= NOTIFY_OF_A_PARTY_MAX)
			continue;
		post->state = POST_RUNNING;
		notify->running++;
		if (!multi_add(notify->multi, post->easy, post, &post->err))
			finish(post);
		else if (share)
			share->running++;
	}
}

/* ---- coming back ---------------------------------------------------------- */

static enum err_code code_of(CURLcode code)
{
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return ERR_UNAUTHORIZED;
	return ERR_UNAVAILABLE;
}

static void set_transport_error(struct post *post, CURLcode code)
{
	char text[CURL_ERROR_SIZE];

	snprintf(text, sizeof(text), "%s",
		 post->curl_error[0] ? post->curl_error : curl_easy_strerror(code));
	text[0] = (char)tolower((unsigned char)text[0]);
	err_set(&post->err, code_of(code), "%s", text);
}

static enum fault_kind fault_at(const struct post *post, const char *stage, struct err *err)
{
	char point[64];

	snprintf(point, sizeof(point), "notify.%s.%s", stage, post->type);
	return fault_message(point, err);
}

static void on_ended(void *transfer, CURLcode code)
{
	struct post *post = transfer;
	bool is_cut = code == CURLE_WRITE_ERROR && post->answer.len > NOTIFY_ANSWER_MAX;
	curl_off_t retry_after_s = 0;

	curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &post->status);
	curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	post->retry_after_s = retry_after_s > 0 ? (uint64_t)retry_after_s : 0;
	switch (fault_at(post, "reply", &post->err)) {
	case FAULT_NONE:
		if (err_is_set(&post->err))
			break; /* check_party() */
		if (code != CURLE_OK && !is_cut)
			set_transport_error(post, code);
		else if (!post->is_known)
			err_set(&post->err, ERR_INTERNAL,
				"libcurl let nobody look at its certificate");
		break;
	case FAULT_ERROR:
		break;
	case FAULT_DROP:
		stop(post);
		post->notify->running--;
		post->state = POST_LOST;
		start_more(post->notify);
		return;
	}
	finish(post);
	start_more(post->notify);
}

static void tell_sent(struct post *post)
{
	notify_sent_fn *sent = post->is_known ? TAKE_PTR(post->sent) : NULL;

	if (sent)
		sent(post->data);
}

static struct post *next_sent(const struct notify *notify)
{
	struct post *post;

	TAILQ_FOREACH(post, &notify->posts, link)
	if (post->is_known && post->sent)
		return post;
	return NULL;
}

static struct post *next_done(const struct notify *notify)
{
	struct post *post;

	TAILQ_FOREACH(post, &notify->posts, link)
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE has moved the head */
	if (post->state == POST_DONE)
		return post;
	return NULL;
}

/* done() may send more. */
static void call(struct post *post)
{
	const struct notify_reply reply = { post->status, strbuf_str(&post->answer),
					    post->answer.len, post->retry_after_s };

	tell_sent(post);
	post->done(post->data, err_is_set(&post->err) ? NULL : &reply,
		   err_is_set(&post->err) ? &post->err : NULL);
	post_free(post);
}

static void deliver(void *data)
{
	struct notify *notify = data;
	struct post *post;

	while ((post = next_sent(notify)))
		tell_sent(post);
	while ((post = next_done(notify)))
		call(post);
	start_more(notify);
}

/* ---- the way in ------------------------------------------------------------ */

static bool prepare(struct post *post, const struct notify_party *party, const char *id,
		    struct err *err)
{
	if (post->notify->is_closing)
		return err_set(err, ERR_CANCELLED, "the daemon is stopping");
	if (!party || !party->url)
		return err_set(err, ERR_NOT_FOUND, "there is no section [notify %s] any more",
			       post->party);
	if (post->notify->count > NOTIFY_WAITING_MAX)
		return err_set(err, ERR_LIMIT, "more than %d notices are under way",
			       NOTIFY_WAITING_MAX);
	post->url = xstrdup(party->url);
	post->host = host_of(party->url);
	post->trust = tls_trust_ref(party->trust);
	post->timeout_ms = party->timeout_ms;
	loop_timer_start(post->deadline, post->timeout_ms);
	post->easy = curl_easy_init();
	if (!post->easy || !post->host)
		return err_set(err, ERR_INTERNAL, "libcurl gave no handle");
	if (!add_headers(post, party, id, err))
		return false;
	set_options(post);
	return true;
}

/* Of memory that lasts. */
static const char *type_of(const char *type)
{
	static const char *const types[] = { "before", "after", "hook", "webhook" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i], type) == 0)
			return types[i];
	return types[0];
}

void notify_send(struct notify *notify, const struct notify_message *message, notify_done_fn *done,
		 void *data)
{
	struct post *post = xnew(struct post);
	enum fault_kind fault;

	loop_assert_thread(notify->loop);
	post->notify = notify;
	post->type = type_of(message->type);
	post->body = xstrdup(message->body);
	post->done = done;
	post->sent = message->sent;
	post->data = data;
	post->deadline = loop_timer_new(notify->loop, on_deadline, post);
	snprintf(post->party, sizeof(post->party), "%s", message->party);
	TAILQ_INSERT_TAIL(&notify->posts, post, link);
	notify->count++;
	if (!prepare(post,
		     message->to ? message->to : notify_parties_find(notify->parties, post->party),
		     message->id, &post->err)) {
		finish(post);
		return;
	}
	fault = fault_at(post, "send", &post->err);
	if (fault == FAULT_ERROR)
		finish(post);
	else if (fault == FAULT_DROP)
		post->state = POST_LOST;
	else
		start_more(notify);
}

/* ---- life -------------------------------------------------------------------- */

struct notify *notify_new(struct loop *loop, struct notify_parties *parties, struct err *err)
{
	const struct multi_limits limits = { CONNECTIONS_PER_HOST_MAX, IDLE_CONNECTIONS_MAX };
	struct notify *notify = xnew(struct notify);

	notify->loop = loop;
	notify->parties = parties;
	notify->deliver_timer = loop_timer_new(loop, deliver, notify);
	TAILQ_INIT(&notify->posts);
	notify->multi = multi_new(loop, &limits, on_ended, err);
	if (notify->multi)
		return notify;
	notify_free(notify);
	return NULL;
}

void notify_free(struct notify *notify)
{
	struct post *post;

	if (!notify)
		return;
	notify->is_closing = true;
	while ((post = TAILQ_FIRST(&notify->posts))) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): likewise */
		if (post->state != POST_DONE)
			err_set(&post->err, ERR_CANCELLED, "the daemon is stopping");
		call(post);
	}
	multi_free(notify->multi);
	loop_timer_free(notify->deliver_timer);
	notify_parties_free(notify->parties);
	free(notify);
}

void notify_set_parties(struct notify *notify, struct notify_parties *parties)
{
	notify_parties_free(notify->parties);
	notify->parties = parties;
}

const struct notify_parties *notify_parties(const struct notify *notify)
{
	return notify->parties;
}
