/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify/agent.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tls/hmac.h"

struct json_object *notify_agent_run_args(const struct notify_party *party, const char *body)
{
	CLEANUP(free_charp) char *words = xstrdup(party->command);
	CLEANUP(free_charp) char *input = base64_text(body, strlen(body));
	struct json_object *args = json_object_new_object();
	struct json_object *list = json_object_new_array();
	char *rest = words;
	const char *word = strsep(&rest, " ");

	json_add_str(args, "path", word);
	while ((word = strsep(&rest, " ")))
		if (*word)
			json_object_array_add(list, json_new_str(word));
	json_object_object_add(args, "arg", list);
	json_add_str(args, "input-data", input ? input : "");
	json_add_bool(args, "capture-output", true);
	return args;
}

struct json_object *notify_agent_status_args(int64_t pid)
{
	struct json_object *args = json_object_new_object();

	json_add_int(args, "pid", pid);
	return args;
}

bool notify_agent_pid(struct json_object *result, int64_t *ret, struct err *err)
{
	*ret = json_get_int(result, "pid", -1);
	return *ret >= 0 ||
	       err_set(err, ERR_AGENT, "the guest agent does not say that the program runs");
}

static void unheard(struct notify_judged *ret, const char *words)
{
	*ret = (struct notify_judged){ .verdict = NOTIFY_UNHEARD };
	snprintf(ret->words, sizeof(ret->words), "%s", words);
}

/* What it wrote; a byte over the limit stands for all that is too much. */
static void judge_output(struct json_object *result, uint64_t left_s, struct notify_judged *ret)
{
	const char *text = json_get_str(result, "out-data");
	CLEANUP(free_charp) char *output = xcalloc(1, NOTIFY_ANSWER_MAX + 1);
	size_t len = 0;

	if (text && *text && strlen(text) > (size_t)4 * (NOTIFY_ANSWER_MAX / 3 + 1))
		len = NOTIFY_ANSWER_MAX + 1;
	else if (text && *text && !base64_bytes(text, output, NOTIFY_ANSWER_MAX, &len)) {
		unheard(ret, "the guest agent's answer makes no sense");
		return;
	}
	if (len <= NOTIFY_ANSWER_MAX && strspn(output, " \t\r\n") == len)
		len = 0;
	*ret = notify_judge(200, output, len, left_s);
}

bool notify_agent_has_ended(struct json_object *result)
{
	return !json_object_is_type(result, json_type_object) ||
	       json_get_bool(result, "exited", false);
}

bool notify_agent_ended_well(struct json_object *result, struct notify_judged *ret)
{
	int64_t status = json_get_int(result, "exitcode", -1);
	char words[96];

	if (!json_object_is_type(result, json_type_object))
		snprintf(words, sizeof(words), "the guest agent's answer makes no sense");
	else if (status > 0)
		snprintf(words, sizeof(words), "its program ended with status %lld",
			 (long long)status);
	else if (status < 0)
		snprintf(words, sizeof(words), "its program was ended by a signal");
	else
		return true;
	unheard(ret, words);
	return false;
}

struct notify_judged notify_agent_judge(struct json_object *result, uint64_t left_s)
{
	struct notify_judged ret;

	if (notify_agent_ended_well(result, &ret))
		judge_output(result, left_s, &ret);
	return ret;
}
