/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All hosts of an order are asked, before it is taken and for a dry run: what would speak against
 * each, and how it would be emptied.  Nothing is changed. */
#include <stdio.h>
#include <string.h>

#include "maintenance/priv.h"

#define ASKED_AT_ONCE 8
/* After that no other host is asked.  Those that were asked answer within a deadline of their own.
 */
#define SURVEY_MS 60000

struct maint_survey {
	struct maintenances *all;
	const struct maintenance_request *request; /* NULL: nobody waits for it any more */
	struct maint_said *said;
	size_t next, awaited;
	uint64_t until_ms; /* on the loop's clock */
	maint_survey_fn *fn;
	void *data;
};

/* A question to one host. */
struct question {
	struct maint_survey *survey;
	size_t host;
};

static void release(struct maint_survey *survey)
{
	if (survey->awaited || survey->request)
		return;
	free(survey->said);
	free(survey);
}

void maint_survey_free(struct maint_survey *survey)
{
	if (!survey)
		return;
	survey->request = NULL;
	release(survey);
}

/* ---- one host ----------------------------------------------------------------------- */

static void ask_more(struct maint_survey *survey);

static struct maint_survey *take(struct question *question, size_t *ret_host)
{
	struct maint_survey *survey = question->survey;

	*ret_host = question->host;
	survey->awaited--;
	free(question);
	return survey;
}

static struct question *question_new(struct maint_survey *survey, size_t host)
{
	struct question *question = xnew(struct question);

	question->survey = survey;
	question->host = host;
	survey->awaited++;
	return question;
}

static void on_plan(void *data, const struct peer_evacuation *told, const struct err *err)
{
	size_t host;
	struct maint_survey *survey = take(data, &host);
	struct maint_said *said = &survey->said[host];

	if (!survey->request) {
		release(survey);
		return;
	}
	if (err) {
		said->err = *err;
	} else {
		maint_plan_take(&said->plan, told);
		maint_plan_check(&said->plan, survey->request, &said->err);
	}
	ask_more(survey);
}

static void ask_plan(struct maint_survey *survey, size_t host)
{
	const struct maintenance_request *request = survey->request;
	struct evacuation_request *wish = xnew(struct evacuation_request);

	maint_evacuation_request(request, NULL, wish);
	maint_place(survey->all, request->hosts[host])
		->evacuate(&survey->all->env, request->hosts[host], wish, on_plan,
			   question_new(survey, host));
	free(wish);
}

static void on_hook(void *data, const struct hook_run *run, const struct err *err)
{
	size_t host;
	struct maint_survey *survey = take(data, &host);
	struct maint_said *said = &survey->said[host];

	if (!survey->request) {
		release(survey);
		return;
	}
	if (err)
		said->err = *err;
	else if (!run->needed)
		err_set(&said->err, ERR_CONFLICT,
			"its hook '%s' says that it is not needed: %.300s", run->name, run->reason);
	if (err_is_set(&said->err))
		ask_more(survey);
	else
		ask_plan(survey, host);
}

static void ask_hook(struct maint_survey *survey, size_t host)
{
	const struct maintenance_request *request = survey->request;
	struct hook_request wish = { .check = true };

	snprintf(wish.hook_id, sizeof(wish.hook_id), "dry-run");
	snprintf(wish.requester, sizeof(wish.requester), MAINTENANCE_WHO_PREFIX "dry-run");
	snprintf(wish.name, sizeof(wish.name), "%s", request->hook);
	maint_place(survey->all, request->hosts[host])
		->hook_begin(&survey->all->env, request->hosts[host], &wish, on_hook,
			     question_new(survey, host));
}

/* ---- all hosts -------------------------------------------------------------------------- */

static void begin_host(struct maint_survey *survey, size_t host)
{
	struct maint_said *said = &survey->said[host];

	if (err_is_set(&said->err))
		return;
	if (loop_now_ms(survey->all->env.loop) >= survey->until_ms)
		err_set(&said->err, ERR_TIMEOUT,
			"was not asked: the hosts before it took too long to answer");
	else if (survey->request->hook[0])
		ask_hook(survey, host);
	else
		ask_plan(survey, host);
}

static void ask_more(struct maint_survey *survey)
{
	while (survey->next < survey->request->host_count && survey->awaited < ASKED_AT_ONCE)
		begin_host(survey, survey->next++);
	if (!survey->awaited)
		survey->fn(survey->data, survey->said, NULL);
}

static size_t index_of(const struct maintenance_request *request, const char *host)
{
	for (size_t i = 0; i < request->host_count; i++)
		if (strcmp(request->hosts[i], host) == 0)
			return i;
	return JUDGE_NONE;
}

/* What the picture tells of a host that is to be maintained. */
static void look(const struct maintenance_request *request, const struct capacity_host *shown,
		 struct maint_said *said)
{
	const struct capacity_told *told = maint_told(shown, &said->err);

	if (!told)
		return;
	snprintf(said->rack, sizeof(said->rack), "%s", told->figures.rack);
	if (told->hold[0])
		err_set(&said->err, ERR_CONFLICT, "%s", told->hold);
	else if (strcmp(told->state, "draining") == 0 && !request->adopt)
		err_set(&said->err, ERR_CONFLICT, "is in maintenance already: %s", told->why);
}

static struct judge_member member_of(const struct capacity_host *shown, bool is_ordered)
{
	struct err unused;
	const struct capacity_told *told = maint_told(shown, &unused);
	const struct capacity_memory *memory = told ? &told->figures.memory_mib : NULL;

	if (!told)
		return (struct judge_member){ .is_ordered = is_ordered };
	return (struct judge_member){
		.is_ordered = is_ordered,
		.takes = strcmp(told->state, "online") == 0 && !told->hold[0],
		.memory_mib =
			memory->total > memory->reserved ? memory->total - memory->reserved : 0,
		.used_mib = memory->guests + memory->incoming,
	};
}

/* False: the order is refused. */
static bool look_at_all(struct maint_survey *survey, struct err *err)
{
	const struct maintenance_request *request = survey->request;
	struct capacity_picture *picture = capacity_take(survey->all->env.capacity);
	size_t count;
	const struct capacity_host *hosts = maint_picture_hosts(picture, &count);
	struct judge_member *members = xcalloc(count + 1, sizeof(*members));
	bool ok;

	for (size_t i = 0; i < count; i++) {
		size_t at = index_of(request, hosts[i].id);

		members[i] = member_of(&hosts[i], at != JUDGE_NONE);
		if (at != JUDGE_NONE)
			look(request, &hosts[i], &survey->said[at]);
	}
	ok = judge_order(members, count, request->at_once, err);
	free(members);
	capacity_picture_free(picture);
	return ok;
}

static void on_picture(void *data)
{
	struct maint_survey *survey = data;
	struct err err;

	survey->awaited--;
	if (!survey->request)
		release(survey);
	else if (look_at_all(survey, &err))
		ask_more(survey);
	else
		survey->fn(survey->data, NULL, &err);
}

struct maint_survey *maint_survey_new(struct maintenances *all,
				      const struct maintenance_request *request,
				      maint_survey_fn *fn, void *data)
{
	struct maint_survey *survey = xnew(struct maint_survey);

	*survey = (struct maint_survey){
		.all = all,
		.request = request,
		.said = xcalloc(request->host_count, sizeof(*survey->said)),
		.awaited = 1,
		.until_ms = loop_now_ms(all->env.loop) + SURVEY_MS,
		.fn = fn,
		.data = data,
	};
	capacity_ask(all->env.capacity, on_picture, survey);
	return survey;
}
