/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/waits.h"

#include <string.h>
#include <sys/queue.h>

#include "api/api.h"
#include "base/mem.h"

#define FINAL "final" /* any state in which it has ended */
/* So many are answered in one turn of the loop. */
#define ANSWERS_A_TURN 8

/* ---- what can be waited for ------------------------------------------------- */

static const struct machine *find_move(const struct api *api, const char *id)
{
	const struct move *move = moves_find(api->moves, id);

	return move ? move_machine(move) : NULL;
}

static const struct machine *find_queue_entry(const struct api *api, const char *id)
{
	const struct queue_entry *entry = queue_find(api->queue, id);

	return entry ? queue_machine(entry) : NULL;
}

static const struct machine *find_save(const struct api *api, const char *id)
{
	const struct save *save = saves_find(api->saves, id);

	return save ? save_machine(save) : NULL;
}

static const struct machine *find_refresh(const struct api *api, const char *id)
{
	const struct refresh *refresh = refreshes_find(api->refreshes, id);

	return refresh ? refresh_machine(refresh) : NULL;
}

static const struct machine *find_vmbackup(const struct api *api, const char *id)
{
	const struct vmbackup *backup = vmbackups_find(api->vmbackups, id);

	return backup ? vmbackup_machine(backup) : NULL;
}

static const struct machine *find_evacuation(const struct api *api, const char *id)
{
	const struct evacuation *evac = evacuations_find(api->evacuations, id);

	return evac ? evacuation_machine(evac) : NULL;
}

static const struct machine *find_maintenance(const struct api *api, const char *id)
{
	const struct maintenance *m = maintenances_find(api->maintenances, id);

	return m ? maintenance_machine(m) : NULL;
}

static const struct machine *find_job(const struct api *api, const char *id)
{
	const struct machine *found = find_move(api, id);

	if (!found)
		found = find_save(api, id);
	if (!found)
		found = find_refresh(api, id);
	return found ? found : find_vmbackup(api, id);
}

static const struct kind {
	const char *path; /* of its list */
	const char *word;
	const struct machine *(*find)(const struct api *api, const char *id);
	http_handler_fn *show; /* answers with the object */
	const struct json_field *reply;
} kinds[] = {
	{ "/v1/moves", "move", find_move, api_move_get, move_reply_fields },
	{ "/v1/queue", "entry of the queue", find_queue_entry, api_queue_get, queue_reply_fields },
	{ "/v1/saves", "save or restore", find_save, api_save_get, save_reply_fields },
	{ "/v1/refreshes", "refresh", find_refresh, api_refresh_get, refresh_reply_fields },
	{ "/v1/backups", "backup", find_vmbackup, api_vmbackup_get, vmbackup_reply_fields },
	{ "/v1/evacuations", "evacuation", find_evacuation, api_evacuation_get,
	  evacuation_reply_fields },
	{ "/v1/maintenances", "maintenance", find_maintenance, api_maintenance_get,
	  maintenance_reply_fields },
	{ "/v1/jobs", "job", find_job, api_job_get, job_reply_fields },
};

static const struct kind *kind_of_path(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t len = strlen(kinds[i].path);

		if (strncmp(path, kinds[i].path, len) == 0 && path[len] == '/')
			return &kinds[i];
	}
	return NULL;
}

static const struct kind *kind_of_reply(const struct json_field *fields)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].reply == fields)
			return &kinds[i];
	return NULL;
}

/* ---- a wait -------------------------------------------------------------------- */

enum outcome { NOT_YET, REACHED, NEVER };

struct wait {
	struct waits *waits;
	struct http_request *req;
	const struct kind *kind;
	char id[ID_UUID_SIZE];
	char until[ID_NAME_SIZE];
	uint64_t seconds;
	bool is_preference; /* Prefer: at its time it is answered with the object */
	enum outcome outcome;
	struct err why; /* of NEVER */
	struct loop_timer *deadline;
	TAILQ_ENTRY(wait) link;
};
TAILQ_HEAD(wait_list, wait);

struct waits {
	struct api *api;
	struct wait_list waiting, over;
	size_t count; /* in both lists */
	struct loop_timer *answers;
};

/* RET_WHY is set of NEVER. */
static enum outcome judge(const struct kind *kind, const struct machine *machine, const char *until,
			  struct err *ret_why)
{
	unsigned wanted = machine_state_of_name(machine->type, until);

	if (machine->is_new)
		return NOT_YET;
	if (strcmp(until, FINAL) == 0)
		return machine_is_final(machine) ? REACHED : NOT_YET;
	if (machine->state == wanted)
		return REACHED;
	if (machine_can_come_to(machine, wanted))
		return NOT_YET;
	err_set(ret_why, ERR_CONFLICT,
		"the %s %s '%s', and %s '%s' any more: do not wait for it; GET it to see what has "
		"happened",
		kind->word, machine_is_final(machine) ? "has ended as" : "is",
		machine_state(machine)->name,
		machine_is_final(machine) ? "does not become" : "does not come to", until);
	return NEVER;
}

static void wait_end(struct wait *wait, struct wait_list *list)
{
	TAILQ_REMOVE(list, wait, link);
	wait->waits->count--;
	loop_timer_free(wait->deadline);
	free(wait);
}

/* What is shown is the object as it is now, which may have gone on. */
static void show(const struct wait *wait)
{
	http_set_param(wait->req, "id", wait->id);
	wait->kind->show(wait->req, wait->waits->api);
}

static void answer(const struct wait *wait)
{
	if (wait->outcome == NEVER)
		http_reply_err(wait->req, &wait->why);
	else
		show(wait);
}

static void on_answers(void *data)
{
	struct waits *waits = data;
	struct wait *wait = TAILQ_FIRST(&waits->over), *next;

	for (unsigned i = 0; i < ANSWERS_A_TURN && wait; i++, wait = next) {
		next = TAILQ_NEXT(wait, link);
		answer(wait);
		wait_end(wait, &waits->over);
	}
	if (!TAILQ_EMPTY(&waits->over))
		loop_timer_start(waits->answers, 0);
}

static void on_deadline(void *data)
{
	struct wait *wait = data;
	const struct machine *machine = wait->kind->find(wait->waits->api, wait->id);
	struct err err;

	if (wait->is_preference) {
		http_set_good_status(wait->req, 202);
		show(wait);
	} else {
		err_set(&err, ERR_TIMEOUT,
			"the %s is '%s' still after %llu s, and may become '%s' yet: wait again",
			wait->kind->word, machine ? machine_state(machine)->name : "gone",
			(unsigned long long)wait->seconds, wait->until);
		http_reply_err(wait->req, &err);
	}
	wait_end(wait, &wait->waits->waiting);
}

void waits_look(struct waits *waits, const struct machine *machine)
{
	struct wait *next;

	if (!waits)
		return;
	for (struct wait *wait = TAILQ_FIRST(&waits->waiting); wait; wait = next) {
		next = TAILQ_NEXT(wait, link);
		if (strcmp(wait->id, machine->id) != 0)
			continue;
		wait->outcome = judge(wait->kind, machine, wait->until, &wait->why);
		if (wait->outcome == NOT_YET)
			continue;
		loop_timer_stop(wait->deadline);
		TAILQ_REMOVE(&waits->waiting, wait, link);
		TAILQ_INSERT_TAIL(&waits->over, wait, link);
		loop_timer_start(waits->answers, 0);
	}
}

/* ---- a new one -------------------------------------------------------------------- */

static size_t count_of(const struct waits *waits, const char *caller)
{
	const struct wait *wait;
	size_t count = 0;

	TAILQ_FOREACH(wait, &waits->waiting, link)
	count += strcmp(http_caller_name(wait->req), caller) == 0;
	return count;
}

static bool has_room(const struct waits *waits, const struct http_request *req, struct err *err)
{
	if (waits->count < WAITS_MAX &&
	    count_of(waits, http_caller_name(req)) < WAITS_OF_CALLER_MAX)
		return true;
	return err_set(err, ERR_LIMIT,
		       "%u requests wait for objects at a time, %u of one caller: follow "
		       "GET /v1/events in place of more waits",
		       WAITS_MAX, WAITS_OF_CALLER_MAX);
}

static struct wait *wait_new(struct waits *waits, struct http_request *req, const struct kind *kind,
			     const char *id, uint64_t seconds)
{
	struct wait *wait = xnew(struct wait);

	wait->waits = waits;
	wait->req = req;
	wait->kind = kind;
	snprintf(wait->id, sizeof(wait->id), "%s", id);
	snprintf(wait->until, sizeof(wait->until), FINAL);
	wait->seconds = seconds;
	wait->deadline = loop_timer_new(waits->api->loop, on_deadline, wait);
	loop_timer_start(wait->deadline, seconds * 1000);
	TAILQ_INSERT_TAIL(&waits->waiting, wait, link);
	waits->count++;
	return wait;
}

static bool is_state(const struct machine_type *type, const char *until)
{
	return strcmp(until, FINAL) == 0 || machine_state_of_name(type, until) < type->state_count;
}

/* Names all states there are. */
static void refuse_state(struct http_request *req, const struct machine_type *type)
{
	struct faults *faults = faults_new();
	CLEANUP(strbuf_fini) struct strbuf names = STRBUF_INIT;

	for (unsigned i = 0; i < type->state_count; i++)
		if (type->states[i].name)
			strbuf_addf(&names, ", '%s'", type->states[i].name);
	faults_add(faults, "?until", "must be '" FINAL "'%s", strbuf_str(&names));
	http_reply_faults(req, faults);
	faults_free(faults);
}

static void refuse_unknown(struct http_request *req, const struct kind *kind)
{
	struct err err;

	err_set(&err, ERR_NOT_FOUND, "there is no %s '%.40s' on this host", kind->word,
		http_param(req, "id"));
	http_reply_err(req, &err);
}

static void begin(struct waits *waits, struct http_request *req, const struct kind *kind,
		  const struct machine *machine)
{
	const char *until = http_query(req, "until");
	enum outcome outcome = judge(kind, machine, until ? until : FINAL, &(struct err){ 0 });
	struct wait *wait;
	struct err err = { 0 };

	if (outcome == REACHED) {
		kind->show(req, waits->api);
	} else if (outcome == NEVER) {
		judge(kind, machine, until, &err);
		http_reply_err(req, &err);
	} else if (!has_room(waits, req, &err)) {
		http_reply_err(req, &err);
	} else {
		wait = wait_new(waits, req, kind, machine->id, http_query_uint(req, "timeout"));
		if (until)
			snprintf(wait->until, sizeof(wait->until), "%s", until);
	}
}

void api_wait(struct http_request *req, void *data)
{
	const struct api *api = data;
	const struct kind *kind = kind_of_path(http_path(req));
	const struct machine *machine;
	const char *until = http_query(req, "until");

	if (!api_ready(req, api))
		return;
	machine = kind ? kind->find(api, http_param(req, "id")) : NULL;
	if (!machine)
		refuse_unknown(req, kind ? kind : &kinds[0]);
	else if (until && !is_state(machine->type, until))
		refuse_state(req, machine->type);
	else
		begin(api->waits, req, kind, machine);
}

bool api_prefers_wait(struct http_request *req, uint64_t seconds, const struct json_field *fields,
		      struct json_object *obj, void *data)
{
	const struct api *api = data;
	const struct kind *kind = kind_of_reply(fields);
	const char *id = json_get_str(obj, "id");
	const struct machine *machine = kind && id ? kind->find(api, id) : NULL;
	struct err err;

	if (!machine || machine_is_final(machine) || !has_room(api->waits, req, &err))
		return false;
	wait_new(api->waits, req, kind, id, seconds < WAIT_MAX_S ? seconds : WAIT_MAX_S)
		->is_preference = true;
	return true;
}

/* ---- life ---------------------------------------------------------------------------- */

struct waits *waits_new(struct api *api)
{
	struct waits *waits = xnew(struct waits);

	waits->api = api;
	TAILQ_INIT(&waits->waiting);
	TAILQ_INIT(&waits->over);
	waits->answers = loop_timer_new(api->loop, on_answers, waits);
	return waits;
}

static void stop_all(struct wait_list *list)
{
	struct wait *next;

	for (struct wait *wait = TAILQ_FIRST(list); wait; wait = next) {
		next = TAILQ_NEXT(wait, link);
		http_reply_stopping(wait->req);
		wait_end(wait, list);
	}
}

void waits_free(struct waits *waits)
{
	if (!waits)
		return;
	stop_all(&waits->waiting);
	stop_all(&waits->over);
	loop_timer_free(waits->answers);
	free(waits);
}
