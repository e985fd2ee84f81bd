/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hook with a url: it is told once, and its answer is the end. */
#include "hook/priv.h"

/* What is asynchronous finds its hook again by this. */
struct ref {
	struct hooks *hooks;
	char id[HOOK_ID_SIZE];
};

static struct ref *ref_new(const struct hook *hook)
{
	struct ref *ref = xnew(struct ref);

	ref->hooks = hook->hooks;
	snprintf(ref->id, sizeof(ref->id), "%s", hook->row.id);
	return ref;
}

/* An answer without an object, or with another one, says nothing against it. */
static bool is_needed(const struct notify_reply *reply)
{
	const struct json_limits limits = { .max_bytes = NOTIFY_ANSWER_MAX,
					    .max_depth = 8,
					    .max_values = 256 };
	struct hook_answer answer = { .needed = true };
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(reply->body, reply->len, &limits, faults);
	struct err ignored;

	faults_free(faults);
	return !obj ||
	       !json_decode_object(obj, hook_answer_fields, &answer, JSON_IGNORE_UNKNOWN,
				   &ignored) ||
	       answer.needed;
}

void hook_keep_words(struct hook_end *end, const char *words, size_t len)
{
	end->output_len = len < HOOK_OUTPUT_MAX ? len : HOOK_OUTPUT_MAX;
	memcpy(end->output, words, end->output_len);
}

static void take_reply(struct hook *hook, const struct notify_reply *reply)
{
	const bool is_good = reply->status >= 200 && reply->status < 300;
	struct hook_end *end = hook->answer;

	hook->http_status = reply->status;
	end->number = is_good ? 0 : (int)reply->status;
	end->how = is_good && !is_needed(reply) ? HOOK_HOW_NOT_NEEDED : HOOK_HOW_EXITED;
	hook_keep_words(end, reply->body, reply->len);
}

static void take_error(struct hook *hook, const struct err *err)
{
	struct hook_end *end = hook->answer;

	if (hook->is_sent)
		end->how = HOOK_HOW_UNANSWERED;
	else
		end->how = err->code == ERR_TIMEOUT ? HOOK_HOW_LATE : HOOK_HOW_NOT_STARTED;
	end->number = (int)hook->detail.timeout_s;
	hook_keep_words(end, err->msg, strlen(err->msg));
}

static void on_sent(void *data)
{
	const struct ref *ref = data;
	struct hook *hook = ref->hooks->is_closing ? NULL : hook_find(ref->hooks, ref->id);

	if (!hook)
		return;
	hook->is_sent = true;
	hook_follow(hook);
}

/* While the coordinator stops, the next process of it finds the hook without an answer. */
static void on_answer(void *data, const struct notify_reply *reply, const struct err *err)
{
	struct ref *ref = data;
	struct hook *hook = ref->hooks->is_closing ? NULL : hook_find(ref->hooks, ref->id);

	free(ref);
	if (!hook)
		return;
	hook->answer = xnew(struct hook_end);
	if (err)
		take_error(hook, err);
	else
		take_reply(hook, reply);
	hook_follow(hook);
}

void hook_tell_url(struct hook *hook)
{
	struct hooks *hooks = hook->hooks;
	const struct hook_notice notice = {
		.type = HOOK_NOTICE,
		.timestamp = hook->row.created_ms,
		.data = { .host = hooks->env.host_id,
			  .hook = hook->row.name,
			  .hook_id = hook->row.id,
			  .why = hook->detail.why,
			  .by = hook->detail.by,
			  .answer_by =
				  hook_now_ms(hooks) + (int64_t)hook->detail.timeout_s * 1000 },
	};
	CLEANUP(json_putp) struct json_object *body = json_encode(hook_notice_fields, &notice);

	notify_send(hooks->notify,
		    &(struct notify_message){ .party = hook->row.name,
					      .id = hook->row.id,
					      .type = "hook",
					      .body = json_text(body, NULL),
					      .sent = on_sent },
		    on_answer, ref_new(hook));
}
