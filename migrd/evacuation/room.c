/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room on other hosts.  A plan may want VMs of theirs to give way; such moves are their hosts' to
 * make (give_room.c), and what a plan wants of them is a round: on disk before the first of them is
 * asked for, each asked for again until its order has ended, and no plan is made meanwhile.  The
 * one that follows sees what has become of it, and does without what was refused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "evacuation/priv.h"
#include "wire/peer_room.h"
#include "wire/problem.h"

#define ASK_MS         5000 /* deadline of a question */
#define ASK_EVERY_MS   2000
#define LOOK_EVERY_MS  1000
#define SILENT_MS      60000 /* so long a host that does not answer holds up the round */
#define ROUND_S        600
#define REFUSED_MS     60000 /* so long nobody is asked again, doubled each time up to: */
#define REFUSED_MAX_MS 960000

const char *const evac_room_names[] = { "waiting", "moving", "moved", "failed", "left", NULL };

#define R(member) JSON_MEMBER(struct evac_room, member)

const struct json_field evac_room_fields[] = {
	{ .key = "number", .type = JSON_UINT, R(number) },
	{ .key = "uuid", .type = JSON_STRING, R(uuid) },
	{ .key = "name", .type = JSON_STRING, R(name) },
	{ .key = "from", .type = JSON_STRING, R(from) },
	{ .key = "to", .type = JSON_STRING, R(to) },
	{ .key = "state", .type = JSON_ENUM, .names = evac_room_names, R(state) },
	{ .key = "why", .type = JSON_STRING, R(why) },
	{ 0 },
};

static bool is_under_way(const struct evac_room *room)
{
	return room->state == EVAC_ROOM_WAITING || room->state == EVAC_ROOM_MOVING;
}

bool evac_rooms_are_under_way(const struct evacuation *evac)
{
	for (size_t i = 0; i < evac->detail.room_count; i++)
		if (is_under_way(&evac->detail.rooms[i]))
			return true;
	return false;
}

/* ---- what was refused ------------------------------------------------------------------ */

static struct evac_refusal *find_refusal(struct evacuation *evac, const char *host,
					 const char *uuid)
{
	for (size_t i = 0; i < evac->refusal_count; i++) {
		struct evac_refusal *one = &evac->refusals[i];

		if (strcmp(one->what.host, host) == 0 && strcmp(one->what.uuid, uuid) == 0)
			return one;
	}
	return NULL;
}

static size_t count_refusals(const struct evacuation *evac, const char *host)
{
	size_t count = 0;

	for (size_t i = 0; i < evac->refusal_count; i++)
		count += strcmp(evac->refusals[i].what.host, host) == 0;
	return count;
}

/* One for all VMs of HOST takes the place of all that are of it, and lasts as long as the last. */
static void join_refusals(struct evacuation *evac, const char *host)
{
	struct evac_refusal all = { 0 };
	size_t kept = 0;

	snprintf(all.what.host, sizeof(all.what.host), "%s", host);
	for (size_t i = 0; i < evac->refusal_count; i++) {
		const struct evac_refusal *one = &evac->refusals[i];

		if (strcmp(one->what.host, all.what.host) != 0) {
			evac->refusals[kept++] = *one;
			continue;
		}
		all.until_ms = one->until_ms > all.until_ms ? one->until_ms : all.until_ms;
		all.times = one->times > all.times ? one->times : all.times;
		all.is_lasting = all.is_lasting || one->is_lasting;
	}
	evac->refusals[kept++] = all;
	evac->refusal_count = kept;
}

static void forget_first_to_end(struct evacuation *evac)
{
	struct evac_refusal *first = &evac->refusals[0];

	for (size_t i = 1; i < evac->refusal_count; i++)
		if (evac->refusals[i].until_ms < first->until_ms)
			first = &evac->refusals[i];
	*first = evac->refusals[--evac->refusal_count];
}

/* A VM whose refusal was forgotten would be asked again at once, and with enough of them all would
 * be in turn.  So the host with the most is asked for none of its VMs for a while. */
static void make_place(struct evacuation *evac)
{
	char host[ID_NAME_SIZE];
	size_t most = 0;

	for (size_t i = 0; i < evac->refusal_count; i++) {
		size_t count = count_refusals(evac, evac->refusals[i].what.host);

		if (count > most) {
			most = count;
			snprintf(host, sizeof(host), "%s", evac->refusals[i].what.host);
		}
	}
	if (most > 1)
		join_refusals(evac, host);
	else
		forget_first_to_end(evac);
}

static struct evac_refusal *add_refusal(struct evacuation *evac, const char *host,
					const char *uuid)
{
	struct evac_refusal *ret;

	if (!evac->refusals)
		evac->refusals = xcalloc(EVAC_FIXED_MAX, sizeof(*evac->refusals));
	if (evac->refusal_count == EVAC_FIXED_MAX)
		make_place(evac);
	ret = &evac->refusals[evac->refusal_count++];
	*ret = (struct evac_refusal){ 0 };
	snprintf(ret->what.host, sizeof(ret->what.host), "%s", host);
	snprintf(ret->what.uuid, sizeof(ret->what.uuid), "%s", uuid);
	return ret;
}

void evac_rooms_refused(struct evacuation *evac, const char *host, const char *uuid,
			bool is_lasting)
{
	struct evac_refusal *refusal = find_refusal(evac, host, uuid);
	uint64_t ms = REFUSED_MS;

	if (!refusal)
		refusal = add_refusal(evac, host, uuid);
	for (unsigned i = 0; i < refusal->times && ms < REFUSED_MAX_MS; i++)
		ms *= 2;
	refusal->times++;
	refusal->is_lasting = is_lasting;
	refusal->until_ms = loop_now_ms(evac->evacs->env.loop) + ms;
}

/* VMs of other hosts that have been moved, or may have been. */
static uint64_t used(const struct evacuation *evac)
{
	uint64_t count = evac->detail.rooms_used;

	for (size_t i = 0; i < evac->detail.room_count; i++)
		count += evac->detail.rooms[i].state != EVAC_ROOM_FAILED;
	return count;
}

void evac_rooms_others(const struct evacuation *evac, struct evac_others *ret)
{
	uint64_t count = used(evac), now_ms = loop_now_ms(evac->evacs->env.loop);

	*ret = (struct evac_others){ 0 };
	if (count < evac->request->others_max)
		ret->max = (unsigned)(evac->request->others_max - count);
	for (size_t i = 0; i < evac->refusal_count; i++) {
		const struct evac_refusal *refusal = &evac->refusals[i];

		if (refusal->until_ms <= now_ms)
			continue;
		ret->fixed[ret->fixed_count++] = refusal->what;
		ret->is_asked_again |= ret->max && refusal->times == 1 && !refusal->is_lasting;
	}
}

/* ---- a round ------------------------------------------------------------------------------- */

static int64_t round_until_ms(const struct evacuation *evac)
{
	int64_t until_ms = clock_wall_ms() + ROUND_S * INT64_C(1000);
	int64_t deadline_ms = evac_deadline_ms(evac);

	return deadline_ms && deadline_ms < until_ms ? deadline_ms : until_ms;
}

void evac_rooms_take(struct evacuation *evac, const struct evac_plan *plan)
{
	struct evac_detail *detail = &evac->detail;
	uint64_t change;

	if (!plan->room_count)
		return;
	detail->rooms_used = used(evac);
	memcpy(detail->rooms, plan->rooms, sizeof(detail->rooms));
	detail->room_count = plan->room_count;
	detail->rooms_until_ms = round_until_ms(evac);
	change = evac_change(evac);
	for (size_t i = 0; i < detail->room_count; i++) {
		struct evac_room *room = &detail->rooms[i];

		room->number = ++detail->last_room;
		room->change = change;
		snprintf(room->why, sizeof(room->why), "host '%s' is asked to move it to host '%s'",
			 room->from, room->to);
	}
	evac->now.is_news = true;
}

void evac_vm_await_room(struct evacuation *evac, struct evac_vm *vm,
			const struct evac_choice *choice)
{
	const char *host = choice->to[0];
	CLEANUP(free_charp) char *why = NULL;

	vm->awaited_room = true;
	if (evac_rooms_are_under_way(evac)) {
		evac_vm_set_host(evac, vm, host);
		evac_vm_set(evac, vm, EVAC_VM_WAITING, "waits until host '%s' has made room for it",
			    host);
		return;
	}
	why = xasprintf("host '%s' has no room for it yet, as others are still to leave that",
			host);
	evac_vm_attempt_failed(evac, vm, why);
}

char *evac_rooms_why(const struct evacuation *evac, const char *why)
{
	for (size_t i = 0; i < evac->detail.room_count; i++) {
		const struct evac_room *room = &evac->detail.rooms[i];

		if (room->state == EVAC_ROOM_FAILED || room->state == EVAC_ROOM_LEFT)
			return xasprintf("%.200s; VM '%s' on host '%s' has not given way: %s", why,
					 room->name, room->from, room->why);
	}
	return xstrdup(why);
}

static void set_room(struct evacuation *evac, struct evac_room *room, enum evac_room_state state,
		     const char *why)
{
	bool is_other = room->state != (int)state;

	if (!is_other && strncmp(room->why, why, sizeof(room->why) - 1) == 0)
		return;
	snprintf(room->why, sizeof(room->why), "%s", why);
	evac->now.is_news = true;
	if (!is_other)
		return;
	log_info("evacuation", "room", "evacuation=%s vm=%s host=%s from=%s to=%s why=%s",
		 evac->row.id, room->name, room->from, evac_room_names[room->state],
		 evac_room_names[state], why);
	room->state = (int)state;
	evac_change(evac);
}

void evac_rooms_leave(struct evacuation *evac)
{
	for (size_t i = 0; i < evac->detail.room_count; i++) {
		struct evac_room *room = &evac->detail.rooms[i];

		if (is_under_way(room))
			set_room(evac, room, EVAC_ROOM_LEFT,
				 "nobody waits for it any more; an order that stands on its host "
				 "goes on");
	}
}

/* ---- what a host answers ------------------------------------------------------------------- */

/* IS_HOST: its host moves no guest for this one, as it is configured, or as old as it is. */
static void room_failed(struct evacuation *evac, struct evac_room *room, bool is_host,
			const char *why)
{
	evac_rooms_refused(evac, room->from, is_host ? "" : room->uuid, is_host);
	set_room(evac, room, EVAC_ROOM_FAILED, why);
}

static void take_answer(struct evacuation *evac, struct evac_room *room,
			const struct peer_back_reply *reply)
{
	CLEANUP(free_charp)
	char *why = xasprintf("its order on host '%s' is %s%s%s", room->from, reply->state,
			      reply->reason[0] ? ": " : "", reply->reason);

	if (!reply->final)
		set_room(evac, room, EVAC_ROOM_MOVING, why);
	else if (strcmp(reply->state, "done") == 0)
		set_room(evac, room, EVAC_ROOM_MOVED, "has given way");
	else
		room_failed(evac, room, false, why);
}

static void take_silence(struct evacuation *evac, struct evac_room *room, const char *why)
{
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);

	if (!room->silent_ms)
		room->silent_ms = now_ms;
	if (now_ms - room->silent_ms < SILENT_MS) {
		set_room(evac, room, (enum evac_room_state)room->state, why);
		return;
	}
	evac_rooms_refused(evac, room->from, "", false);
	set_room(evac, room, EVAC_ROOM_LEFT, why);
}

/* It has said yes, in words that are not understood: the order may stand there. */
static void take_unknown(struct evacuation *evac, struct evac_room *room, const char *why)
{
	evac_rooms_refused(evac, room->from, "", true);
	set_room(evac, room, EVAC_ROOM_LEFT, why);
}

/* It answers, and may answer otherwise the next time. */
static bool is_passing(const struct err *err)
{
	return err->code == ERR_BUSY || err->code == ERR_LIMIT || err->code == ERR_UNAVAILABLE ||
	       err->code == ERR_TIMEOUT;
}

static void take_error(struct evacuation *evac, struct evac_room *room, struct json_object *problem,
		       const struct err *err)
{
	CLEANUP(free_charp) char *older = NULL;

	if (!problem) {
		take_silence(evac, room, err->msg);
	} else if (problem_is_of_older(problem, err)) {
		older = xasprintf("the migrd of host '%s' is older than this question: upgrade it "
				  "to %s or a later one",
				  room->from, PACKAGE_VERSION);
		room_failed(evac, room, true, older);
	} else if (err->code == ERR_NOT_FOUND) {
		set_room(evac, room, EVAC_ROOM_MOVED, "is not on that host any more");
	} else if (is_passing(err)) {
		set_room(evac, room, (enum evac_room_state)room->state, err->msg);
	} else {
		room_failed(evac, room, err->code == ERR_FORBIDDEN, err->msg);
	}
}

static struct evac_room *room_of_number(struct evacuation *evac, uint64_t number)
{
	for (size_t i = 0; i < evac->detail.room_count; i++)
		if (evac->detail.rooms[i].number == number)
			return &evac->detail.rooms[i];
	return NULL;
}

static void on_answer(void *data, struct json_object *obj, const struct err *err)
{
	uint64_t number;
	struct evacuation *evac = evac_ref_take(data, &number);
	struct evac_room *room = evac ? room_of_number(evac, number) : NULL;
	struct peer_back_reply reply;
	struct err bad;

	if (!room)
		return;
	room->is_asking = false;
	room->again_ms = loop_now_ms(evac->evacs->env.loop) + ASK_EVERY_MS;
	evacuations_look(evac->evacs);
	if (!is_under_way(room))
		return;
	if (obj)
		room->silent_ms = 0;
	if (err)
		take_error(evac, room, obj, err);
	else if (peer_back_reply_decode(obj, &reply, &bad))
		take_answer(evac, room, &reply);
	else
		take_unknown(evac, room, bad.msg);
}

static void ask(struct evacuation *evac, struct evac_room *room)
{
	int64_t left_ms = evac->detail.rooms_until_ms - clock_wall_ms();
	struct peer_room wish = { .number = room->number,
				  .give_up_s = left_ms > 1000 ? (uint64_t)left_ms / 1000 : 1 };
	CLEANUP(free_charp) char *path = xasprintf("/peer/v1/evacuations/%s/room", evac->row.id);

	memcpy(wish.uuid, room->uuid, sizeof(wish.uuid));
	memcpy(wish.to, room->to, sizeof(wish.to));
	room->is_asking = true;
	peer_request(evac->evacs->env.peers, room->from, "POST", path,
		     json_encode(peer_room_fields, &wish), ASK_MS, on_answer,
		     evac_ref_new(evac, room->number));
}

/* ---- each of the round --------------------------------------------------------------------- */

/* Those before it that leave its destination have done so; if one of them stays, it fails. */
static bool is_its_turn(struct evacuation *evac, struct evac_room *room)
{
	CLEANUP(free_charp) char *why = NULL;

	for (const struct evac_room *one = evac->detail.rooms; one < room; one++) {
		if (strcmp(one->from, room->to) != 0 || one->state == EVAC_ROOM_MOVED)
			continue;
		if (!is_under_way(one)) {
			why = xasprintf("host '%s' may have no room for it, as VM '%s' has not "
					"left that",
					room->to, one->name);
			set_room(evac, room, EVAC_ROOM_FAILED, why);
		}
		return false;
	}
	return true;
}

void evac_rooms_step(struct evacuation *evac, uint64_t *wait_ms)
{
	struct evac_detail *detail = &evac->detail;
	uint64_t now_ms = loop_now_ms(evac->evacs->env.loop);
	bool is_over = clock_wall_ms() >= detail->rooms_until_ms;

	for (size_t i = 0; i < detail->room_count; i++) {
		struct evac_room *room = &detail->rooms[i];

		if (!is_under_way(room))
			continue;
		if (*wait_ms > LOOK_EVERY_MS)
			*wait_ms = LOOK_EVERY_MS;
		if (is_over)
			set_room(evac, room, EVAC_ROOM_LEFT,
				 "has not given way in time; an order that stands on its host goes "
				 "on");
		else if (!room->is_asking && room->again_ms <= now_ms &&
			 evac_has(evac, room->change) && is_its_turn(evac, room))
			ask(evac, room);
	}
}
