/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The requests of the other host for moves of this host: offer, go, drop, settle; recover is in
 * move/dst_fetch.c. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "hold/hold.h"
#include "move/disks.h"
#include "move/dst.h"
#include "move/links.h"
#include "move/priv.h"
#include "vm/admission.h"
#include "vm/boot.h"
#include "vm/same_mac.h"
#include "wire/vm_def_memory.h"

/* Records that one source may leave here without settling them: a well-behaved one
 * settles each within seconds. */
#define UNSETTLED_MAX 256

static bool is_same_vm(const struct move *move, const struct move_claim *claim, struct err *err)
{
	if (!claim->vm_uuid[0] || !move->row.vm_uuid[0] ||
	    strcmp(move->row.vm_uuid, claim->vm_uuid) == 0)
		return true;
	return err_set(err, ERR_CONFLICT, "move %s is of VM %s, not %s", move->row.id,
		       move->row.vm_uuid, claim->vm_uuid);
}

static bool is_same_move(const struct move *move, const struct move_claim *claim, struct err *err)
{
	if (move->side != MOVE_DST || strcmp(move->row.peer, claim->source) != 0)
		return err_set(err, ERR_FORBIDDEN, "move %s is not one from host '%s'",
			       move->row.id, claim->source);
	if (move->row.generation != claim->generation)
		return err_set(err, ERR_CONFLICT, "move %s is of generation %llu, not %llu",
			       move->row.id, (unsigned long long)move->row.generation,
			       (unsigned long long)claim->generation);
	return is_same_vm(move, claim, err);
}

bool moves_may_add(const struct moves *moves, const char *source, struct err *err)
{
	unsigned unsettled = 0;

	if (!peer_clients_address(moves->env.peers, source))
		return err_set(err, ERR_FORBIDDEN,
			       "host '%s' is not known here: add a section [peer %s] to the "
			       "configuration of host '%s'",
			       source, source, moves->env.host_id);
	for (const struct move *move = TAILQ_FIRST(&moves->unsettled); move;
	     move = TAILQ_NEXT(move, settle.link))
		unsettled += move->side == MOVE_DST && strcmp(move->row.peer, source) == 0;
	if (unsettled < UNSETTLED_MAX)
		return true;
	return err_set(err, ERR_LIMIT,
		       "host '%s' has %u ended moves here that it has not settled: it settles them "
		       "by itself when it can, and 'migrctl host check' on host '%s' tells how to "
		       "end them",
		       source, unsettled, moves->env.host_id);
}

bool move_offer_decode(const struct move_offer *offer, struct vm_def *ret, struct err *err)
{
	struct faults *faults = faults_new();
	bool ok = vm_def_decode(offer->definition, ret, faults);

	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	if (ok && !ret->uuid[0])
		return err_set(err, ERR_INVALID,
			       "/definition/uuid: missing: two hosts know a VM by its uuid");
	return ok;
}

/* A QEMU of this VM without a record comes from a database that was lost. */
static bool is_free(const struct moves *moves, const struct vm_def *def, struct err *err)
{
	if (!vm_has_stray_qemu(moves->env.vms, def->uuid))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "a QEMU of VM '%s' (uuid %s) runs on host '%s' without a record: 'migrctl "
		       "host check' there tells of it",
		       def->name, def->uuid, moves->env.host_id);
}

/* SOURCE begins another move of the VM only when the former one has ended there: what is left
 * of it here goes as soon as this host knows, so BUSY lets SOURCE try again. */
static bool has_no_former(struct moves *moves, const char *source, const struct vm_def *def,
			  struct err *err)
{
	const struct vm *vm = vm_find_uuid(moves->env.vms, def->uuid);
	const struct move *former = vm ? moves_active_of(moves, def->uuid) : NULL;

	if (!former || former->side != MOVE_DST || vm_role(vm) != VM_ROLE_INCOMING ||
	    strcmp(former->row.peer, source) != 0)
		return true;
	return err_set(err, ERR_BUSY, "move %s of the guest is still being cleared up",
		       former->row.id);
}

static bool has_room(const struct moves *moves, const struct vm_def *def, struct err *err)
{
	return vms_have_room(moves->env.vms, "the guest", vm_def_ordinary_memory_mib(def), err);
}

static bool may_be_held(const struct moves *moves, const struct move_offer *offer, struct err *err)
{
	if (offer->hold_s <= moves->env.hold_max_s)
		return true;
	/* Not LIMIT, which says that it may be asked again later. */
	return err_set(err, ERR_CONFLICT,
		       "the move would be held for up to %llu s, with memory promised here, and "
		       "%llu s "
		       "are allowed: hold it for less, or raise hold_max_s there",
		       (unsigned long long)offer->hold_s,
		       (unsigned long long)moves->env.hold_max_s);
}

/* What a host is asked for beside what preflight/ looks at. */
static bool images_have_places(struct moves *moves, const struct move_offer *offer,
			       struct vm_def *def, struct err *err)
{
	CLEANUP(free_planp) struct transfer_plan *plan = move_plan_decode(offer->plan, err);

	return plan && move_images_place(moves, plan, def, err);
}

static bool may_come(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
		     struct err *err)
{
	return vm_may_come(moves->env.vms, def, offer->generation, err);
}

static bool has_no_stray(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
			 struct err *err)
{
	(void)offer;
	return is_free(moves, def, err);
}

static bool has_no_former_move(struct moves *moves, const struct move_offer *offer,
			       struct vm_def *def, struct err *err)
{
	return has_no_former(moves, offer->source, def, err);
}

static bool is_within_limits(struct moves *moves, const struct move_offer *offer,
			     struct vm_def *def, struct err *err)
{
	return moves_peer_may_offer(moves, offer->source, vm_def_ordinary_memory_mib(def), err);
}

static bool is_let_in(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
		      struct err *err)
{
	(void)offer;
	(void)def;
	return cordon_lets_in(moves->env.holds, err);
}

static bool is_not_held(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
			struct err *err)
{
	(void)def;
	return moves_hold_allows(moves, offer, err);
}

static bool has_place(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
		      struct err *err)
{
	(void)def;
	return moves_have_place(moves, offer, err);
}

static bool has_memory(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
		       struct err *err)
{
	(void)offer;
	return has_room(moves, def, err);
}

static bool has_cores(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
		      struct err *err)
{
	(void)offer;
	return moves_have_cores(moves, def, err);
}

static bool may_wait(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
		     struct err *err)
{
	(void)def;
	return may_be_held(moves, offer, err);
}

static bool has_machine(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
			struct err *err)
{
	(void)offer;
	return vms_may_run(moves->env.vms, def, err);
}

/* None is refused: two bridges may never meet, and a guest with more CPUs only runs slower. */
static void warn_of_offer(struct moves *moves, const struct move_offer *offer,
			  const struct vm_def *def, struct preflight_reasons *ret)
{
	CLEANUP(strbuf_fini) struct strbuf held = STRBUF_INIT;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char words[ERR_MSG_SIZE];

	if (offer->options.priority == MOVE_PRIORITY_INTERACTIVE &&
	    holds_host(moves->env.holds, &held))
		preflight_warn(ret, "held", "%s; what a person orders comes all the same",
			       strbuf_str(&held));
	if (vms_same_mac(moves->env.vms, def, words))
		preflight_warn(ret, "mac", "%s: give one of them another", words);
	if (cpus > 0 && def->vcpus > (uint64_t)cpus)
		preflight_warn(ret, "vcpus",
			       "the guest has %llu vCPUs, and this host has %ld CPUs: it will run "
			       "slower, and its spin locks much slower; move it to a larger host",
			       (unsigned long long)def->vcpus, cpus);
}

/* preflight/ and a row may have found the same. */
static bool is_told(const struct preflight_reasons *reasons, const struct err *err)
{
	for (size_t i = 0; i < reasons->count; i++) {
		if (strstr(reasons->list[i].text, err->msg))
			return true;
	}
	return false;
}

void moves_judge_offer(struct moves *moves, const struct move_offer *offer,
		       struct preflight_reasons *ret)
{
	static const struct {
		const char *name;
		bool (*fn)(struct moves *moves, const struct move_offer *offer, struct vm_def *def,
			   struct err *err);
	} rows[] = {
		{ "images", images_have_places },
		{ "machine", has_machine },
		{ "vm", may_come },
		{ "qemu", has_no_stray },
		{ "move", has_no_former_move },
		{ "cordoned", is_let_in },
		{ "held", is_not_held },
		{ "places", has_place },
		{ "offers", is_within_limits },
		{ "memory", has_memory },
		{ "vcpu-ratio", has_cores },
		{ "hold", may_wait },
	};
	struct vm_def *def = xnew(struct vm_def);
	struct err err;

	if (!move_offer_decode(offer, def, &err))
		preflight_add(ret, "definition", "%s", err.msg);
	for (size_t i = 0; def->uuid[0] && i < ARRAY_LEN(rows); i++) {
		if (!rows[i].fn(moves, offer, def, &err) && !is_told(ret, &err))
			preflight_add(ret, rows[i].name, "%s", err.msg);
	}
	if (def->uuid[0])
		warn_of_offer(moves, offer, def, ret);
	free(def);
}

static struct move *new_incoming(struct moves *moves, const char *id, const char *source,
				 uint64_t generation)
{
	struct move *move = move_new(moves, MOVE_DST, id);

	move->row.generation = generation;
	snprintf(move->row.peer, sizeof(move->row.peer), "%s", source);
	move_stamp(move, MOVE_STAMP_CREATED);
	return move;
}

struct move *moves_offered(struct moves *moves, const struct move_offer *offer, struct err *err)
{
	const struct move_claim claim = { offer->id, offer->source, "", offer->generation,
					  .run = offer->run };
	struct move *move = moves_find(moves, offer->id);
	CLEANUP(free_planp) struct transfer_plan *plan = NULL;
	struct vm_def *def = NULL;
	struct vm *vm = NULL;
	uint64_t memory_mib;

	if (move)
		return is_same_move(move, &claim, err) ? move : NULL;
	if (!moves_may_add(moves, offer->source, err))
		return NULL;
	if (!cordon_lets_in(moves->env.holds, err) || !moves_hold_allows(moves, offer, err) ||
	    !may_be_held(moves, offer, err))
		return NULL;
	plan = move_plan_decode(offer->plan, err);
	if (!plan)
		return NULL;
	def = xnew(struct vm_def);
	if (move_offer_decode(offer, def, err) && move_images_place(moves, plan, def, err) &&
	    is_free(moves, def, err) && has_no_former(moves, offer->source, def, err) &&
	    moves_have_place(moves, offer, err) &&
	    moves_peer_may_offer(moves, offer->source, vm_def_ordinary_memory_mib(def), err) &&
	    has_room(moves, def, err) && moves_have_cores(moves, def, err))
		vm = vm_new_incoming(moves->env.vms, def, offer->generation, err);
	memory_mib = vm_def_ordinary_memory_mib(def);
	free(def);
	if (!vm)
		return NULL;
	move = new_incoming(moves, offer->id, offer->source, offer->generation);
	move->options = offer->options;
	move->facts.run = offer->run && !offer->stopped;
	move->facts.stopped = offer->stopped;
	move->facts.hold_s = offer->hold_s;
	move->facts.memory_mib = memory_mib;
	move->plan = TAKE_PTR(plan);
	snprintf(move->row.vm_uuid, sizeof(move->row.vm_uuid), "%s", vm_uuid(vm));
	snprintf(move->row.vm_name, sizeof(move->row.vm_name), "%s", vm_name(vm));
	vm_note_host(vm, offer->source);
	if (offer->stopped && offer->autostart_due)
		vm_autostart_comes(vm);
	move->machine.state = MOVE_STATE_PREPARE;
	if (!move_hold_vm(move, vm, err)) {
		move_free(move);
		return NULL;
	}
	machine_begin(&move->machine,
		      &(struct machine_change){ .to = MOVE_STATE_PREPARE,
						.with = { store_put_vm(vm_row(vm)) } });
	return move;
}

/* ---- what is known without a record of the move -------------------------- */

enum verdict moves_verdict_by_vm(struct moves *moves, const char *vm_uuid, uint64_t generation)
{
	const struct vm *vm = vm_uuid[0] ? vm_find_uuid(moves->env.vms, vm_uuid) : NULL;

	if (vm && vm_role(vm) == VM_ROLE_OWNED && vm_generation(vm) > generation)
		return VERDICT_TAKEN;
	for (const struct move *move = TAILQ_FIRST(&moves->list); move && vm_uuid[0];
	     move = TAILQ_NEXT(move, link)) {
		if (move->side == MOVE_SRC && move->row.generation > generation &&
		    strcmp(move->row.vm_uuid, vm_uuid) == 0)
			return VERDICT_TAKEN; /* the VM has been here since, and was moved on */
	}
	return VERDICT_UNKNOWN;
}

/* A decision is on disk and stays; UNKNOWN may still become TAKEN by what this host knows of
 * the VM. */
enum verdict move_verdict(const struct move *move)
{
	if (move->side == MOVE_SRC || move->verdict != VERDICT_UNKNOWN)
		return move->verdict;
	return moves_verdict_by_vm(move->moves, move->row.vm_uuid, move->row.generation);
}

static void explain_unknown(struct move *move)
{
	struct vms *vms = move->moves->env.vms;
	const char *host = move->moves->env.host_id;

	if (vm_has_stray_qemu(vms, move->row.vm_uuid))
		err_set(&move->error, ERR_NOT_FOUND,
			"host '%s' has no record of the move, but a QEMU of this VM without a "
			"record: its database is new",
			host);
	else
		err_set(&move->error, ERR_NOT_FOUND, "host '%s' has no record of the move", host);
}

/* Records that the move is not known, so that an offer still on its way cannot begin it. */
static struct move *record_unknown(struct moves *moves, const struct move_claim *claim)
{
	struct move *move = new_incoming(moves, claim->id, claim->source, claim->generation);

	snprintf(move->row.vm_uuid, sizeof(move->row.vm_uuid), "%s", claim->vm_uuid);
	move->verdict = VERDICT_UNKNOWN;
	explain_unknown(move);
	machine_begin(&move->machine, &(struct machine_change){ .to = MOVE_STATE_FAILED });
	return move;
}

static struct move *find_or_record(struct moves *moves, const struct move_claim *claim,
				   struct err *err)
{
	struct move *move = moves_find(moves, claim->id);

	if (move)
		return is_same_move(move, claim, err) ? move : NULL;
	return moves_may_add(moves, claim->source, err) ? record_unknown(moves, claim) : NULL;
}

/* ---- go, drop, settle ------------------------------------------------------- */

struct move *moves_go(struct moves *moves, const struct move_claim *claim, struct err *err)
{
	struct move *move = find_or_record(moves, claim, err);

	if (!move)
		return NULL;
	if (move->verdict == VERDICT_NONE && claim->switched)
		move->facts.source_has_switched = true;
	if (!move->facts.go_requested && move->verdict == VERDICT_NONE) {
		move->facts.go_requested = true;
		move->facts.run = claim->run;
		move->offer.go_at_ms = loop_now_ms(moves->env.loop);
		move_stamp(move, MOVE_STAMP_GO);
		move_frames_note_go(move, claim);
		loop_timer_stop(move->tick); /* the state starts it anew, with a shorter time */
		if (move->ram.state != QMP_MIG_COMPLETED &&
		    move->machine.state == MOVE_STATE_TRANSFER)
			move_query(move);
	}
	machine_step(&move->machine);
	return move;
}

struct move *moves_claimed(struct moves *moves, const struct move_claim *claim, struct err *err)
{
	struct move *move = moves_find(moves, claim->id);

	if (move)
		return is_same_move(move, claim, err) ? move : NULL;
	err_set(err, ERR_NOT_FOUND, "host '%s' has no record of the move", moves->env.host_id);
	return NULL;
}

struct move *moves_drop(struct moves *moves, const struct move_claim *claim, struct err *err)
{
	struct move *move = find_or_record(moves, claim, err);

	if (!move)
		return NULL;
	if (!move->facts.drop_requested)
		move->offer.drop_at_ms = loop_now_ms(moves->env.loop);
	move->facts.drop_requested = true;
	machine_step(&move->machine);
	return move;
}

static bool check_end(const struct move *move, const struct move_claim *claim, struct err *err)
{
	if (!is_same_move(move, claim, err))
		return false;
	if (!move_is_final(move) || move_agrees(move, claim->verdict))
		return true;
	return err_set(err, ERR_CONFLICT,
		       "the move is '%s' here and '%s' on host '%s': 'migrctl host check' tells "
		       "who "
		       "has the guest",
		       verdict_names[move->verdict], verdict_names[claim->verdict], claim->source);
}

bool moves_settle(struct moves *moves, const struct move_claim *claim, struct move **ret,
		  struct err *err)
{
	struct move *move = moves_find(moves, claim->id);

	if (move && !check_end(move, claim, err))
		return false;
	*ret = move;
	if (!move)
		return true;
	if (move_is_final(move)) {
		move_note_settled(move);
		return true;
	}
	move_dst_note_end(move, claim->verdict, claim->run);
	machine_step(&move->machine);
	return true;
}

/* A stream that makes its connection again comes in any state. */
static bool waits_for_stream(const struct move *move)
{
	if (move->side != MOVE_DST || !move->stream || move->facts.stream_gone ||
	    move_is_final(move))
		return false;
	return move->machine.state == MOVE_STATE_PREPARE ||
	       move->machine.state == MOVE_STATE_TRANSFER || transfer_plan_has_postcopy(move->plan);
}

/* A caller costs nothing before it has proved that it is the source's, with a line that
 * was not used before. */
bool moves_claim(void *data, const struct stream_preamble *preamble, int fd)
{
	struct moves *moves = data;
	struct move *move = moves_find(moves, preamble->move_id);

	if (!move)
		return links_claim(moves->links, preamble, fd);
	if (!waits_for_stream(move))
		return false;
	if (!stream_preamble_is_proved(preamble, move->offer.port_key) ||
	    !stream_attempts_take(&move->offer.attempts, preamble->attempt))
		return false;
	stream_accept(move->stream, fd, preamble->channel);
	return true;
}
