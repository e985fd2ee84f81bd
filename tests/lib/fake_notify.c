/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_notify.h"

#include <check.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "trace.h"

#define SECRET           "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
#define PARTY_TIMEOUT_MS 10000

struct post {
	struct post *next; /* newest first */
	char party[ID_NAME_SIZE];
	notify_done_fn *done;
	void *data;
	struct loop_timer *deadline;
	bool is_answered;
	long status;
	char *body;
	struct err err;
};

struct notify {
	struct loop *loop;
	struct post *posts;
};

/* The configuration outlives a crash. */
static struct notify_parties *parties;
static char *secret_file, *last_id, *last_body;
static struct notify *the_notify;

struct notify *fake_notify_new(struct loop *loop, const char *dir)
{
	struct err err;

	ck_assert_ptr_null(the_notify);
	the_notify = xnew(struct notify);
	the_notify->loop = loop;
	free(secret_file);
	secret_file = xasprintf("%s/secret", dir);
	ck_assert(file_write(secret_file, SECRET, strlen(SECRET), 0600, &err));
	if (!parties)
		parties = notify_parties_new();
	return the_notify;
}

void fake_notify_clear(void)
{
	notify_parties_free(parties);
	parties = notify_parties_new();
}

void fake_notify_add(const struct notify_setting *setting)
{
	struct notify_setting copy = *setting;
	struct err err;

	copy.url = copy.command ? NULL : "https://party.example/";
	copy.secret_file = secret_file;
	copy.timeout_ms = PARTY_TIMEOUT_MS;
	ck_assert_msg(notify_parties_add_blocking(parties, &copy, &err), "%s", err.msg);
}

/* Takes the post out of the list first, because its function may send another. */
static void finish(struct post *post)
{
	const struct notify_reply reply = { post->status, post->body ? post->body : "",
					    post->body ? strlen(post->body) : 0, 0 };
	struct post **link = &the_notify->posts;

	while (*link != post)
		link = &(*link)->next;
	*link = post->next;
	post->done(post->data, err_is_set(&post->err) ? NULL : &reply,
		   err_is_set(&post->err) ? &post->err : NULL);
	loop_timer_free(post->deadline);
	free(post->body);
	free(post);
}

static void deliver(void *data)
{
	struct post *post = the_notify ? the_notify->posts : NULL;

	while (post && post != data)
		post = post->next;
	if (post)
		finish(post);
}

static void on_deadline(void *data)
{
	struct post *post = data;

	err_set(&post->err, ERR_TIMEOUT, "it gave no answer within %d ms", PARTY_TIMEOUT_MS);
	finish(post);
}

void notify_send(struct notify *notify, const struct notify_message *message, notify_done_fn *done,
		 void *data)
{
	struct post *post = xnew(struct post);

	ck_assert_ptr_eq(notify, the_notify);
	trace_add("notify %s %s", message->type, message->party);
	snprintf(post->party, sizeof(post->party), "%s", message->party);
	post->done = done;
	post->data = data;
	post->deadline = loop_timer_new(notify->loop, on_deadline, post);
	loop_timer_start(post->deadline, PARTY_TIMEOUT_MS);
	post->next = notify->posts;
	notify->posts = post;
	free(last_id);
	free(last_body);
	last_id = xstrdup(message->id);
	last_body = xstrdup(message->body);
	if (notify_parties_find(parties, message->party))
		return;
	post->is_answered = true;
	err_set(&post->err, ERR_NOT_FOUND, "there is no section [notify %s] any more",
		message->party);
	loop_post(notify->loop, deliver, post);
}

const struct notify_parties *notify_parties(const struct notify *notify)
{
	ck_assert_ptr_eq(notify, the_notify);
	return parties;
}

void notify_free(struct notify *notify)
{
	ck_assert_ptr_eq(notify, the_notify);
	/* NOLINTBEGIN(clang-analyzer-unix.Malloc): finish() has moved the head */
	while (notify->posts) {
		err_set(&notify->posts->err, ERR_CANCELLED, "the daemon is stopping");
		finish(notify->posts);
	}
	/* NOLINTEND(clang-analyzer-unix.Malloc) */
	the_notify = NULL;
	free(notify);
}

static struct post *oldest(const char *party)
{
	struct post *found = NULL;

	for (struct post *post = the_notify->posts; post; post = post->next)
		if (!post->is_answered && strcmp(post->party, party) == 0)
			found = post;
	return found;
}

size_t fake_notify_pending(const char *party)
{
	size_t count = 0;

	for (const struct post *post = the_notify->posts; post; post = post->next)
		count += !post->is_answered && strcmp(post->party, party) == 0;
	return count;
}

const char *fake_notify_id(void)
{
	return last_id;
}

const char *fake_notify_body(void)
{
	return last_body;
}

void fake_notify_answer(const char *party, long status, const char *body)
{
	struct post *post = oldest(party);

	ck_assert_msg(post != NULL, "party '%s' was not told", party);
	post->is_answered = true;
	post->status = status;
	post->body = xstrdup(body);
	loop_post(the_notify->loop, deliver, post);
}
