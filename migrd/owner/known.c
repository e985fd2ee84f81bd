/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner/known.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const known_where_names[] = {
	[KNOWN_MOVING] = "moving",  [KNOWN_HERE_STOPPED] = "here-stopped",
	[KNOWN_THERE] = "there",    [KNOWN_HERE] = "here",
	[KNOWN_WHERE_COUNT] = NULL,
};

/* ---- what there is of each guest -------------------------------------------------- */

/* One of the four; those of one uuid are put together. */
struct fact {
	const char *uuid;
	const struct vm *vm;
	const struct move *move;
	const struct claim *claim;
	const struct known_told_guest *told;
};

struct facts {
	struct fact *list;
	size_t count, size;
};

static void add(struct facts *facts, const struct fact *fact)
{
	if (facts->count == facts->size) {
		facts->size = facts->size ? 2 * facts->size : 64;
		facts->list = xrealloc(facts->list, facts->size * sizeof(*facts->list));
	}
	facts->list[facts->count++] = *fact;
}

static int by_uuid(const void *a, const void *b)
{
	return strcmp(((const struct fact *)a)->uuid, ((const struct fact *)b)->uuid);
}

static struct facts collect(struct vms *vms, struct moves *moves, const struct claims *claims,
			    const struct known_told *told)
{
	struct facts facts = { 0 };

	for (struct vm *vm = vm_next(vms, NULL); vm; vm = vm_next(vms, vm_name(vm)))
		add(&facts, &(struct fact){ .uuid = vm_uuid(vm), .vm = vm });
	for (struct move *move = moves_first(moves); move; move = move_next(move))
		if (move_row(move)->vm_uuid[0])
			add(&facts,
			    &(struct fact){ .uuid = move_row(move)->vm_uuid, .move = move });
	for (size_t i = 0; i < claims->count; i++)
		add(&facts,
		    &(struct fact){ .uuid = claims->list[i].vm.uuid, .claim = &claims->list[i] });
	for (size_t i = 0; told && i < told->count; i++)
		add(&facts, &(struct fact){ .uuid = told->list[i].uuid, .told = &told->list[i] });
	if (facts.count)
		qsort(facts.list, facts.count, sizeof(*facts.list), by_uuid);
	return facts;
}

static bool is_later(const struct move *move, const struct move *than)
{
	if (!than)
		return true;
	if (move_is_final(move) != move_is_final(than))
		return !move_is_final(move);
	return move_row(move)->created_ms > move_row(than)->created_ms;
}

/* The facts of one guest; of its moves the last. */
static struct fact fold(const struct fact *list, size_t count)
{
	struct fact all = { .uuid = list[0].uuid };

	for (size_t i = 0; i < count; i++) {
		if (list[i].vm)
			all.vm = list[i].vm;
		if (list[i].claim)
			all.claim = list[i].claim;
		if (list[i].told)
			all.told = list[i].told;
		if (list[i].move && is_later(list[i].move, all.move))
			all.move = list[i].move;
	}
	return all;
}

/* ---- what follows from it --------------------------------------------------------- */

static bool is_with(const struct move *move, const char *peer)
{
	return move && strcmp(move_row(move)->peer, peer) == 0;
}

static void set(struct known_guest *guest, enum known_where where, const char *by, int64_t at_ms,
		const char *state)
{
	guest->where = where;
	guest->by = by;
	guest->at_ms = at_ms;
	snprintf(guest->state, sizeof(guest->state), "%s", state);
}

/* This host owns it. */
static bool judge_own(const struct fact *fact, const char *peer, struct known_guest *guest)
{
	const struct vm *vm = fact->vm;
	bool must_ask = vm_knows_host(vm, peer);

	if (!must_ask && !is_with(fact->move, peer))
		return false;
	guest->generation = vm_generation(vm);
	set(guest, must_ask && !vm_qemu(vm) ? KNOWN_HERE_STOPPED : KNOWN_HERE, "record", 0,
	    vm_state(vm));
	return true;
}

static bool owns(const char *peer, const struct move *move)
{
	const char *owner = move_owner(move);

	return owner && strcmp(owner, peer) == 0;
}

/* The peer has told that it has it, and no move that is known here is under way or has ended since.
 */
static bool is_told(const struct fact *fact, const struct known_told *told)
{
	return fact->told && (!fact->move || (move_is_final(fact->move) &&
					      move_row(fact->move)->ended_ms < told->at_ms));
}

/* It is not here: the peer says that it has it, the record here does, or the last move. */
static bool judge_by_records(const struct fact *fact, const char *peer, struct known_guest *guest)
{
	const struct store_move *row = fact->move ? move_row(fact->move) : NULL;

	if (fact->claim && strcmp(fact->claim->vm.role, "was-here") != 0) {
		guest->generation = fact->claim->vm.generation;
		set(guest, KNOWN_THERE, "host", 0, fact->claim->vm.state);
		return true;
	}
	if (fact->vm && strcmp(vm_row(fact->vm)->elsewhere, peer) == 0) {
		set(guest, KNOWN_THERE, "record", 0, "");
		return true;
	}
	if (fact->vm || !is_with(fact->move, peer) || !owns(peer, fact->move))
		return false;
	guest->generation = row->generation + (move_is_out(fact->move) ? 1 : 0);
	set(guest, KNOWN_THERE, "move", row->ended_ms, "");
	return true;
}

static bool judge_there(const struct fact *fact, const char *peer, const struct known_told *told,
			struct known_guest *guest)
{
	bool is_there = judge_by_records(fact, peer, guest);

	if (!is_told(fact, told))
		return is_there;
	set(guest, KNOWN_THERE, "told", told->at_ms, fact->told->state);
	return true;
}

static const char *name_of(const struct fact *fact)
{
	if (fact->vm)
		return vm_name(fact->vm);
	if (fact->move)
		return move_row(fact->move)->vm_name;
	if (fact->claim)
		return fact->claim->vm.name;
	return fact->told ? fact->told->name : ""; /* one of them is there */
}

static bool judge(const struct fact *fact, const char *peer, const struct known_told *told,
		  struct known_guest *guest)
{
	const struct store_move *row = is_with(fact->move, peer) ? move_row(fact->move) : NULL;

	memset(guest, 0, sizeof(*guest));
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", fact->uuid);
	snprintf(guest->name, sizeof(guest->name), "%s", name_of(fact));
	if (row)
		snprintf(guest->move, sizeof(guest->move), "%s", row->id);
	if (row && !move_is_final(fact->move)) {
		guest->generation = row->generation;
		set(guest, KNOWN_MOVING, "move", row->updated_ms, move_state_name(fact->move));
		return true;
	}
	if (fact->vm && vm_role(fact->vm) == VM_ROLE_OWNED)
		return judge_own(fact, peer, guest);
	return judge_there(fact, peer, told, guest);
}

static int by_urgency(const void *a, const void *b)
{
	const struct known_guest *one = a, *other = b;

	if (one->where != other->where)
		return one->where < other->where ? -1 : 1;
	return strcmp(one->name, other->name);
}

struct known *known_gather(struct vms *vms, struct moves *moves, const char *peer,
			   const struct claims *claims, const struct known_told *told)
{
	struct facts facts = collect(vms, moves, claims, told);
	struct known *known = xnew(struct known);

	known->list = xcalloc(facts.count + 1, sizeof(*known->list));
	for (size_t i = 0, end; i < facts.count; i = end) {
		struct fact fact;

		for (end = i + 1;
		     end < facts.count && by_uuid(&facts.list[i], &facts.list[end]) == 0;)
			end++;
		fact = fold(&facts.list[i], end - i);
		known->count += judge(&fact, peer, told, &known->list[known->count]);
	}
	qsort(known->list, known->count, sizeof(*known->list), by_urgency);
	free(facts.list);
	return known;
}

void known_free(struct known *known)
{
	if (!known)
		return;
	free(known->list);
	free(known);
}

/* ---- in words --------------------------------------------------------------------- */

#define SAY(member, ...) snprintf(ret->member, sizeof(ret->member), __VA_ARGS__)

static void say_moving(const struct known_guest *guest, const char *peer, bool is_silent,
		       struct known_words *ret)
{
	SAY(what, "a move between this host and '%s' has not ended: it is in %s", peer,
	    guest->state);
	SAY(may,
	    "'migrctl move show %s' tells what it waits for; it goes on by itself when '%s' "
	    "answers",
	    guest->move, peer);
	if (!is_silent)
		return;
	SAY(must_not,
	    "'migrctl move resolve %s --assert-dead %s' before '%s' is certainly off or fenced: "
	    "the "
	    "guest may run there",
	    guest->move, peer, peer);
}

static void say_stopped(const struct known_guest *guest, const char *peer, bool is_silent,
			struct known_words *ret)
{
	SAY(what,
	    "this host owns it (generation %" PRIu64
	    ") and it is %s; '%s' had it or was offered it, "
	    "so a start asks it first",
	    guest->generation, guest->state, peer);
	if (!is_silent) {
		SAY(may, "'migrctl vm start %s'", guest->name);
		return;
	}
	SAY(may, "when '%s' is certainly off or fenced: 'migrctl vm start %s --assert-dead %s'",
	    peer, guest->name, peer);
	SAY(must_not, "--assert-dead while '%s' may be on: it may run the guest", peer);
}

static void say_there(const struct known_guest *guest, const char *peer, bool is_silent,
		      struct known_words *ret)
{
	if (strcmp(guest->by, "host") == 0)
		SAY(what, "'%s' says that it has it: %s", peer, guest->state);
	else if (strcmp(guest->by, "told") == 0)
		SAY(what,
		    "'%s' told this host that it has it, %s, before it fell silent; whether it "
		    "still does is not known",
		    peer, guest->state);
	else if (strcmp(guest->by, "record") == 0)
		SAY(what, "'%s' has it with a higher generation, by the record here", peer);
	else
		SAY(what, "'%s' has it since move %s, as far as this host knows", peer,
		    guest->move);
	if (!is_silent) {
		SAY(may, "all that '%s' lets be done there", peer);
		return;
	}
	SAY(may,
	    "bring '%s' back: it finds its guests by its own records; if it and its records are "
	    "lost "
	    "for good, what is left of the guest is its disks, and a new VM may have them then",
	    peer);
	SAY(must_not,
	    "create, adopt or restore it on any other host while '%s' may be on: two QEMUs would "
	    "write "
	    "to its disks",
	    peer);
}

static void say_here(const struct known_guest *guest, const char *peer, struct known_words *ret)
{
	SAY(what, "this host owns it (generation %" PRIu64 ") and it is %s", guest->generation,
	    guest->state);
	SAY(may, "anything: it does not depend on '%s', whose record of it is older", peer);
}

void known_say(const struct known_guest *guest, const char *peer, bool is_silent,
	       struct known_words *ret)
{
	memset(ret, 0, sizeof(*ret));
	switch (guest->where) {
	case KNOWN_MOVING:
		say_moving(guest, peer, is_silent, ret);
		break;
	case KNOWN_HERE_STOPPED:
		say_stopped(guest, peer, is_silent, ret);
		break;
	case KNOWN_THERE:
		say_there(guest, peer, is_silent, ret);
		break;
	case KNOWN_HERE:
	case KNOWN_WHERE_COUNT:
		say_here(guest, peer, ret);
		break;
	}
}
