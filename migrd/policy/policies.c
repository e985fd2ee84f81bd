/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/policies.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/labels.h"

struct item {
	struct policy_def def;
	int64_t created_ms, updated_ms;
};

struct policies {
	struct store *store;
	struct item *items[POLICIES_MAX]; /* of users, by name */
	size_t count;
	size_t adding; /* on their way to the disk, so that there are never too many */
};

struct policies *policies_new(struct store *store)
{
	struct policies *policies = xnew(struct policies);

	policies->store = store;
	return policies;
}

void policies_free(struct policies *policies)
{
	for (size_t i = 0; policies && i < policies->count; i++)
		free(policies->items[i]);
	free(policies);
}

/* The place of NAME, or where it would be. */
static size_t place_of(const struct policies *policies, const char *name, bool *ret_is_there)
{
	size_t i = 0;
	int order = 1;

	while (i < policies->count &&
	       (order = strcmp(policies->items[i]->def.policy.name, name)) < 0)
		i++;
	*ret_is_there = i < policies->count && order == 0;
	return i;
}

static struct item *find(const struct policies *policies, const char *name)
{
	bool is_there;
	size_t i = place_of(policies, name, &is_there);

	return is_there ? policies->items[i] : NULL;
}

/* Takes ITEM over. */
static void keep(struct policies *policies, struct item *item)
{
	bool is_there;
	size_t i = place_of(policies, item->def.policy.name, &is_there);

	if (is_there) {
		item->created_ms = policies->items[i]->created_ms;
		free(policies->items[i]);
	} else {
		memmove(&policies->items[i + 1], &policies->items[i],
			(policies->count - i) * sizeof(policies->items[0]));
		policies->count++;
	}
	policies->items[i] = item;
}

static void forget(struct policies *policies, const char *name)
{
	bool is_there;
	size_t i = place_of(policies, name, &is_there);

	if (!is_there)
		return;
	free(policies->items[i]);
	policies->count--;
	memmove(&policies->items[i], &policies->items[i + 1],
		(policies->count - i) * sizeof(policies->items[0]));
}

static bool decode(const struct store_policy *row, struct policy_def *ret)
{
	struct json_object *obj = json_read_back(row->definition);
	struct faults *faults = faults_new();
	bool ok = obj && policy_def_decode(obj, ret, faults);

	if (!ok)
		log_error("policy", "record", "policy=%s error=%s", row->name,
			  faults->count ? faults->list[0].detail : "it is no JSON");
	faults_free(faults);
	json_object_put(obj);
	return ok;
}

void policies_add_row(struct policies *policies, struct store_policy *row)
{
	struct item *item = xnew(struct item);

	item->created_ms = row->created_ms;
	item->updated_ms = row->updated_ms;
	if (policies->count < POLICIES_MAX && decode(row, &item->def))
		keep(policies, item);
	else
		free(item);
	store_policy_fini(row);
}

/* ---- look ------------------------------------------------------------------- */

static struct policies_item shown(const struct item *item)
{
	return (struct policies_item){ .policy = &item->def.policy,
				       .selector = item->def.selector,
				       .created_ms = item->created_ms,
				       .updated_ms = item->updated_ms };
}

static struct policies_item shown_built_in(const struct policy *policy)
{
	return (struct policies_item){ .policy = policy, .selector = "", .is_built_in = true };
}

bool policies_find(const struct policies *policies, const char *name, struct policies_item *ret)
{
	const struct policy *built_in = policy_find_built_in(name);
	const struct item *item = built_in ? NULL : find(policies, name);

	if (built_in)
		*ret = shown_built_in(built_in);
	else if (item)
		*ret = shown(item);
	return built_in || item;
}

bool policies_next(const struct policies *policies, const char *after, struct policies_item *ret)
{
	const struct policy *former = after ? policy_find_built_in(after) : NULL;
	const struct policy *next = former ? former + 1 : policy_built_in;
	bool is_there = false;
	size_t i = 0;

	if ((!after || former) && next < policy_built_in + policy_built_in_count) {
		*ret = shown_built_in(next);
		return true;
	}
	if (after && !former)
		i = place_of(policies, after, &is_there);
	i += is_there;
	if (i < policies->count)
		*ret = shown(policies->items[i]);
	return i < policies->count;
}

/* ---- change ------------------------------------------------------------------- */

struct change {
	struct policies *policies;
	struct item *item; /* NULL: it is deleted */
	char name[ID_NAME_SIZE];
	bool is_new;
	policies_done_fn *done;
	void *data;
};

static void on_written(void *data, const struct err *err)
{
	struct change *change = data;

	change->policies->adding -= change->is_new;
	if (!err && change->item)
		keep(change->policies, TAKE_PTR(change->item));
	else if (!err)
		forget(change->policies, change->name);
	change->done(change->data, err);
	free(change->item);
	free(change);
}

static bool is_users(const char *name, struct err *err)
{
	return !policy_find_built_in(name) ||
	       err_set(err, ERR_CONFLICT,
		       "policy '%s' is built in, the same on every host: make one of another name",
		       name);
}

static struct change *change_new(struct policies *policies, const char *name,
				 policies_done_fn *done, void *data)
{
	struct change *change = xnew(struct change);

	change->policies = policies;
	snprintf(change->name, sizeof(change->name), "%s", name);
	change->done = done;
	change->data = data;
	return change;
}

static void write_item(struct policies *policies, struct change *change)
{
	const struct item *item = change->item;
	CLEANUP(json_putp) struct json_object *obj = json_encode(policy_def_fields, &item->def);
	CLEANUP(free_charp) char *text = xstrdup(json_text(obj, NULL));
	struct store_policy row = { .definition = text,
				    .created_ms = item->created_ms,
				    .updated_ms = item->updated_ms };
	const struct store_txn txn = { { store_put_policy(&row) } };

	memcpy(row.name, change->name, sizeof(row.name));
	store_commit(policies->store, &txn, on_written, change);
}

bool policies_put(struct policies *policies, const struct policy_def *def, bool *ret_new,
		  policies_done_fn *done, void *data, struct err *err)
{
	const char *name = def->policy.name;
	const struct item *former = find(policies, name);
	struct change *change;

	if (!is_users(name, err))
		return false;
	if (!former && policies->count + policies->adding >= POLICIES_MAX)
		return err_set(err, ERR_LIMIT,
			       "there are %d policies already, which are the most: delete one",
			       POLICIES_MAX);
	change = change_new(policies, name, done, data);
	change->item = xnew(struct item);
	change->item->def = *def;
	change->item->updated_ms = clock_wall_ms();
	change->item->created_ms = former ? former->created_ms : change->item->updated_ms;
	change->is_new = !former;
	policies->adding += change->is_new;
	*ret_new = change->is_new;
	write_item(policies, change);
	return true;
}

bool policies_delete(struct policies *policies, const char *name, policies_done_fn *done,
		     void *data, struct err *err)
{
	const struct store_txn txn = { { store_delete_policy(name) } };

	if (!is_users(name, err))
		return false;
	if (!find(policies, name))
		return err_set(err, ERR_NOT_FOUND, "there is no policy '%.64s' on this host", name);
	store_commit(policies->store, &txn, on_written, change_new(policies, name, done, data));
	return true;
}

/* ---- which one a move has ------------------------------------------------------ */

__attribute__((format(printf, 4, 5))) static bool choose(struct policies_choice *ret,
							 const struct policy *policy,
							 enum policy_from from, const char *why,
							 ...)
{
	va_list ap;

	*ret = (struct policies_choice){ .policy = *policy, .origin = { .from = from } };
	ret->is_told = from != POLICY_FROM_DEFAULT;
	va_start(ap, why);
	vsnprintf(ret->origin.why, sizeof(ret->origin.why), why, ap);
	va_end(ap);
	return true;
}

/* The items are in the order of names, so of two with as many labels it is the first. */
static bool choose_by_labels(const struct policies *policies, const char *labels,
			     struct policies_choice *ret)
{
	const struct policy *best = NULL, *second = NULL;
	size_t most = 0;

	for (size_t i = 0; i < policies->count; i++) {
		const struct policy_def *def = &policies->items[i]->def;
		size_t count =
			labels_match(labels, def->selector) ? labels_count(def->selector) : 0;

		if (count > most) {
			most = count;
			best = &def->policy;
			second = NULL;
		} else if (count && count == most && !second) {
			second = &def->policy;
		}
	}
	if (!best)
		return false;
	if (second)
		return choose(ret, best, POLICY_FROM_LABEL,
			      "its selector has %zu of the VM's labels, the most; so has that of "
			      "'%s', whose name comes later",
			      most, second->name);
	return choose(ret, best, POLICY_FROM_LABEL,
		      "its selector has %zu of the VM's labels, the most", most);
}

bool policies_choose(const struct policies *policies, const struct policies_question *question,
		     struct policies_choice *ret, struct err *err)
{
	const struct policy *fallback = policy_find_built_in(POLICY_DEFAULT);
	struct policies_item item;

	if (question->request[0] && !policies_find(policies, question->request, &item))
		return err_set(err, ERR_NOT_FOUND,
			       "there is no policy '%s' on this host: `migrctl policy list' shows "
			       "those that there are",
			       question->request);
	if (question->request[0])
		return choose(ret, item.policy, POLICY_FROM_REQUEST, "the request names it");
	if (question->vm_policy[0] && policies_find(policies, question->vm_policy, &item))
		return choose(ret, item.policy, POLICY_FROM_VM, "the VM names it");
	if (question->vm_policy[0]) {
		choose(ret, fallback, POLICY_FROM_DEFAULT,
		       "the VM names '%s', which this host does not have", question->vm_policy);
		ret->is_told = true;
		return true;
	}
	return choose_by_labels(policies, question->labels, ret) ||
	       choose(ret, fallback, POLICY_FROM_DEFAULT,
		      "neither the request nor the VM names one");
}
