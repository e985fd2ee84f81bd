/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the guest of a move sends frames (vm/frames.h), on both hosts, for the outage that its
 * source shows (move/outage.h).  Where its request, its policy or the operator says so
 * (outage_ping_ms), the guest is asked for answers around its switch, so that one that is quiet by
 * itself can be measured too.
 *
 * Each host listens from prepare on: a transfer may be shorter than it takes the kernel to open
 * what is listened with.  The source has what it needs when the guest has stopped, and that is in
 * the record of what follows.  The destination goes on until each NIC has sent a frame, for some
 * seconds at most; by then the move has ended, so the source asks for it after the end, and writes
 * its record once more.  Nothing of a move depends on any of this.
 */
#include "vm/frames.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "move/outage.h"
#include "move/priv.h"
#include "vm/agent.h"
#include "wire/peer_msg.h"

/* The guest is asked for answers as long as it is awaited, and before its stop for so long at most,
 * when the transfer may be over within some seconds by what QEMU says. */
#define PING_MIN_MS          10
#define PING_MAX_MS          60000
#define PING_NEAR_S          2
#define ANNOUNCE_DEADLINE_MS 5000
#define BYTES_OF_MBIT        125000
/* How often what has come is looked at; sooner, if the room for it was too small. */
#define LOOK_MS      50
#define LOOK_SOON_MS 5
/* The destination is asked ever more slowly. */
#define ASK_FIRST_MS    100
#define ASK_MAX_MS      1600
#define ASK_DEADLINE_MS 1500
#define ASK_LONGER_MS   3000 /* than the destination watches */

struct move_frames {
	struct nic_frames_list here;
	struct nic_frames_list there; /* source: as the destination told it */
	bool has_there, is_older;     /* it told it; its migrd does not */
	bool is_over;                 /* source: nothing more will be known */
	/* not durable */
	struct vm_frames *watch;  /* NULL: nothing is listened at */
	struct loop_timer *timer; /* NULL: nothing more is to be done */
	uint64_t until_ms;        /* on the loop's clock; 0: nothing is waited for yet */
	uint32_t pause_ms;        /* between two questions */
	bool must_write;
	bool is_announced;  /* the guest was asked to tell its addresses */
	bool has_told_ping; /* destination: its source has said how often the guest is asked */
	uint32_t told_ping_ms;
	uint32_t pinged_ms; /* so long the guest was asked for answers before its stop */
};

static uint64_t now_ms(const struct move *move)
{
	return loop_now_ms(move->moves->env.loop);
}

/* ---- the watch -------------------------------------------------------------------- */

static void on_timer(void *data);

static void close_watch(struct move_frames *frames)
{
	vm_frames_close(TAKE_PTR(frames->watch));
	frames->here.is_watching = false;
}

static void end_work(struct move_frames *frames)
{
	close_watch(frames);
	loop_timer_free(TAKE_PTR(frames->timer));
}

void move_frames_fini(struct move *move)
{
	if (move->frames)
		end_work(move->frames);
	free(TAKE_PTR(move->frames));
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* As often as this host says. */
static uint32_t own_ping_ms(const struct move *move)
{
	uint32_t own_ms = move->moves->env.outage_ping_ms;

	return own_ms ? most(own_ms, PING_MIN_MS) : 0;
}

/* Somebody else wants it each MS.  Any host lets its guest be left alone. */
static uint32_t allowed(const struct move *move, uint64_t ms)
{
	uint32_t min_ms = move->moves->env.outage_ping_min_ms;

	if (ms && !min_ms)
		return own_ping_ms(move);
	return ms ? most((uint32_t)ms, most(min_ms, PING_MIN_MS)) : 0;
}

uint32_t move_outage_ping_ms(const struct move *move)
{
	if (move->side == MOVE_DST && move->frames && move->frames->has_told_ping)
		return allowed(move, move->frames->told_ping_ms);
	if (move->side == MOVE_SRC && move->options.has_outage_ping)
		return allowed(move, move->options.outage_ping_ms);
	if (move->side == MOVE_SRC && move->policy.has_outage_ping && !move->policy.observe)
		return allowed(move, move->policy.outage_ping_ms);
	return own_ping_ms(move);
}

bool move_may_ping(const struct moves *moves, const struct move_options *options, struct err *err)
{
	if (!options->has_outage_ping || !options->outage_ping_ms || moves->env.outage_ping_min_ms)
		return true;
	return err_set(err, ERR_CONFLICT,
		       "this host lets no move ask its guest for answers: leave outage_ping_ms out "
		       "of the request, or set outage_ping_min_ms in its configuration");
}

/* So often the guest is asked for answers now; 0: it is not. */
static uint32_t ping_ms(const struct move *move)
{
	const struct qmp_mig_info *info = &move->ram.info;
	const struct move_frames *frames = move->frames;
	uint32_t ms = move_outage_ping_ms(move);
	double left_s = (double)info->ram_remaining_bytes /
			(info->throughput_mbit_per_s * BYTES_OF_MBIT + 1);

	if (frames->until_ms)
		return ms;
	if (move->side == MOVE_DST || !move->stamps[MOVE_STAMP_MIGRATE] ||
	    frames->pinged_ms > PING_MAX_MS ||
	    (info->ram_passes == 1 && info->throughput_mbit_per_s > 0 && left_s > PING_NEAR_S))
		return 0;
	return ms;
}

/* Without an answer the guest is asked by the addresses that are seen in its frames. */
static void on_announced(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		log_debug("move", "frames", "move=%s error=%s", move->row.id, err->msg);
}

/* A question to the guest's agent; its move is looked up again. */
struct asking {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

/* What it says is taken where its frames have said nothing (vm/frames.h). */
static void on_network(void *data, struct json_object *result, const struct err *err)
{
	struct asking *asking = data;
	struct move *move = moves_find(asking->moves, asking->id);

	if (err)
		log_debug("move", "frames", "move=%s agent=%s", asking->id, err->msg);
	else if (move && move->frames && move->frames->watch)
		vm_frames_note_network(move->frames->watch, result);
	free(asking);
}

static void ask_agent(struct move *move)
{
	struct vm *vm = move_vm(move);
	struct vm_agent_state state;
	struct asking *asking;

	if (!vm || !vm_agent_state(vm, &state) || !state.is_connected || state.is_frozen)
		return;
	asking = xnew(struct asking);
	asking->moves = move->moves;
	memcpy(asking->id, move->row.id, sizeof(asking->id));
	vm_agent_call(vm, VM_AGENT_NETWORK, 0, on_network, asking);
}

/* The guest's agent knows its addresses, and a virtio-net device asks its guest to announce itself,
 * which tells them too; the frame says what the network knows already (vm/announce.h). */
static void learn_addresses(struct move *move)
{
	struct json_object *args;

	if (move->side != MOVE_SRC || move->frames->is_announced || move->frames->until_ms ||
	    !move_outage_ping_ms(move) || !vm_frames_are_open(move->frames->watch))
		return;
	move->frames->is_announced = true;
	ask_agent(move);
	args = json_object_new_object();
	json_add_uint(args, "initial", 50);
	json_add_uint(args, "max", 550);
	json_add_uint(args, "rounds", 1);
	json_add_uint(args, "step", 10);
	move_qmp(move, "announce-self", args, ANNOUNCE_DEADLINE_MS, on_announced);
}

/* True: the guest was asked for an answer. */
static bool ping(struct move *move)
{
	struct move_frames *frames = move->frames;
	uint32_t ms = ping_ms(move);

	if (!ms)
		return false;
	frames->pinged_ms += frames->until_ms ? 0 : ms;
	vm_frames_ping(frames->watch);
	loop_timer_start(frames->timer, ms);
	return true;
}

/* The guest of a source runs, and one that is to arrive may. */
static bool is_wanted(const struct move *move, const struct vm *vm)
{
	if (!vm || move->facts.stopped)
		return false;
	return move->side == MOVE_DST ||
	       (vm_intent(vm) == VM_INTENT_STARTED && !move->facts.guest_stopped);
}

void move_frames_begin(struct move *move)
{
	struct vm *vm = move_vm(move);
	struct move_frames *frames;

	move_frames_fini(move);
	if (!is_wanted(move, vm))
		return;
	move->frames = frames = xnew(struct move_frames);
	frames->watch = vm_frames_open(vm);
	if (!frames->watch) {
		snprintf(frames->here.note, sizeof(frames->here.note),
			 "the VM has no tap or macvtap, so its frames cannot be seen");
		return;
	}
	frames->timer = loop_timer_new(move->moves->env.loop, on_timer, move);
	if (move->side == MOVE_SRC)
		loop_timer_start(frames->timer, LOOK_MS);
}

void move_frames_stop(struct move *move, uint64_t stop_us)
{
	struct move_frames *frames = move->frames;

	if (!frames || !frames->watch)
		return;
	/* The move was faster than the first question. */
	if (move->side == MOVE_SRC && move_outage_ping_ms(move) && !frames->pinged_ms &&
	    vm_frames_are_open(frames->watch))
		vm_frames_ping(frames->watch);
	vm_frames_stop(frames->watch, stop_us);
	vm_frames_show(frames->watch, &frames->here);
	frames->until_ms = 0;
	loop_timer_stop(frames->timer);
}

void move_frames_await(struct move *move, uint64_t resume_us)
{
	struct move_frames *frames = move->frames;

	if (!frames || !frames->watch)
		return;
	if (resume_us)
		vm_frames_run_on(frames->watch, resume_us);
	frames->until_ms = now_ms(move) + OUTAGE_WAIT_MS;
	if (!ping(move))
		loop_timer_start(frames->timer, LOOK_MS);
}

/* ---- the end ------------------------------------------------------------------------ */

static void on_written(void *data, const struct err *err)
{
	char *id = data;

	if (err)
		log_error("move", "frames", "move=%s error=%s", id, err->msg);
	free(id);
}

/* Not while the end of the move is being noted as settled: that writes the same row. */
static void write_record(struct move *move)
{
	struct move_frames *frames = move->frames;

	frames->must_write = move->settle.is_writing;
	if (frames->must_write) {
		loop_timer_start(frames->timer, ASK_FIRST_MS);
		return;
	}
	move_detail_encode(move);
	store_commit(move->moves->env.store, &(struct store_txn){ { store_put_move(&move->row) } },
		     on_written, xstrdup(move->row.id));
	end_work(frames);
	move_tell(move);
}

/* All is known that will be. */
static void conclude(struct move *move)
{
	struct move_frames *frames = move->frames;

	close_watch(frames);
	if (move->side != MOVE_SRC) {
		end_work(frames);
		return;
	}
	frames->is_over = true;
	if (!move_is_final(move)) {
		end_work(frames); /* it goes to disk with the next record */
		return;
	}
	move_count_outage(move);
	write_record(move);
}

/* Of each NIC that had sent anything here it is known when it did there. */
static bool is_complete(const struct move_frames *frames)
{
	for (size_t i = 0; i < frames->here.count; i++) {
		const struct nic_frames *here = &frames->here.nics[i];
		const struct nic_frames *there = outage_nic(&frames->there, here->nic);

		if (here->last_us && !(there && (there->own_us || there->note[0])))
			return false;
	}
	return frames->has_there;
}

static void on_told(struct move *move, struct json_object *result, const struct err *err)
{
	struct move_frames *frames = move->frames;
	struct peer_fate fate;
	struct err bad;

	if (!frames || !frames->timer || frames->is_over)
		return;
	move_forget_texts(move);
	if (!err && peer_fate_decode(result, &fate, &bad)) {
		frames->has_there = fate.has_frames;
		frames->is_older = !fate.has_frames;
		if (fate.has_frames)
			frames->there = fate.frames;
	}
	if (frames->is_older || is_complete(frames) ||
	    (frames->has_there && !frames->there.is_watching)) {
		conclude(move);
		return;
	}
	frames->pause_ms = frames->pause_ms < ASK_MAX_MS / 2 ? frames->pause_ms * 2 : ASK_MAX_MS;
	loop_timer_start(frames->timer, frames->pause_ms);
}

/* The timer goes on also if no answer is told. */
static void ask(struct move *move)
{
	struct move_frames *frames = move->frames;

	if (now_ms(move) >= frames->until_ms) {
		conclude(move);
		return;
	}
	loop_timer_start(frames->timer, ASK_DEADLINE_MS + ASK_FIRST_MS);
	move_ask_peer(move, NULL, NULL, ASK_DEADLINE_MS, on_told);
}

/* Destination: what comes before QEMU's RESUME waits, since that tells what is the guest's. */
static bool is_early(const struct move *move)
{
	return move->side == MOVE_DST && !move->measure.resumed_us &&
	       now_ms(move) < move->frames->until_ms;
}

static void look(struct move *move)
{
	struct move_frames *frames = move->frames;
	bool is_full;

	if (is_early(move)) {
		loop_timer_start(frames->timer, LOOK_SOON_MS);
		return;
	}
	is_full = vm_frames_look(frames->watch);
	if (frames->until_ms) {
		vm_frames_show(frames->watch, &frames->here);
		move_forget_texts(move);
		if (vm_frames_are_complete(frames->watch) || now_ms(move) >= frames->until_ms) {
			conclude(move);
			return;
		}
	}
	learn_addresses(move);
	if (!ping(move))
		loop_timer_start(frames->timer, is_full ? LOOK_SOON_MS : LOOK_MS);
}

static void on_timer(void *data)
{
	struct move *move = data;

	if (move->frames->must_write)
		write_record(move);
	else if (move->frames->watch)
		look(move);
	else
		ask(move);
}

size_t move_frames_addresses(const struct move *move, struct nic_address ret[NIC_FRAMES_MAX])
{
	const struct move_frames *frames = move->frames;

	return frames && frames->watch && move_outage_ping_ms(move)
		       ? vm_frames_addresses(frames->watch, ret)
		       : 0;
}

void move_frames_note_go(struct move *move, const struct move_claim *claim)
{
	struct move_frames *frames = move->frames;

	if (!frames || !frames->watch)
		return;
	frames->has_told_ping = claim->has_outage_ping;
	frames->told_ping_ms = (uint32_t)claim->outage_ping_ms;
	for (size_t i = 0; i < claim->address_count; i++)
		vm_frames_set_address(frames->watch, &claim->addresses[i]);
}

static bool has_seen_any(const struct nic_frames_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->nics[i].last_us)
			return true;
	return false;
}

void move_frames_end(struct move *move)
{
	struct move_frames *frames = move->frames;
	const bool is_done = move->machine.state == MOVE_STATE_DONE;

	if (!frames || !frames->timer)
		return;
	if (move->side == MOVE_SRC && is_done && has_seen_any(&frames->here)) {
		close_watch(frames);
		frames->pause_ms = ASK_FIRST_MS;
		frames->until_ms = now_ms(move) + OUTAGE_WAIT_MS + ASK_LONGER_MS;
		loop_timer_start(frames->timer, frames->pause_ms);
	} else if (!frames->until_ms || is_done == (move->side == MOVE_SRC)) {
		frames->is_over = true;
		end_work(frames);
	}
}

/* ---- told and shown ------------------------------------------------------------------ */

bool move_frames_told(const struct move *move, struct nic_frames_list *ret)
{
	const bool is_here = move->side == MOVE_DST && move_verdict(move) == VERDICT_TAKEN;

	if (is_here && move->frames && move->frames->watch)
		vm_frames_show(move->frames->watch, ret);
	else if (is_here && move->frames)
		*ret = move->frames->here;
	else if (is_here)
		snprintf(ret->note, sizeof(ret->note),
			 "migrd was restarted there as the guest arrived");
	return is_here;
}

static void say_no_word(const struct move *move, char *text, size_t size)
{
	const struct move_frames *frames = move->frames;
	const char *peer = move->row.peer;

	if (frames->is_older)
		snprintf(text, size, "host '%s' has an older migrd, which watches no frames", peer);
	else if (frames->is_over)
		snprintf(text, size, "host '%s' has not told when the guest's first frame came",
			 peer);
	else if (frames->timer || !move_is_final(move))
		snprintf(text, size, "host '%s' has not told yet when the guest's first frame came",
			 peer);
	else
		snprintf(text, size,
			 "migrd was restarted on host '%s' before host '%s' had told when the "
			 "guest's first frame came",
			 move->moves->env.host_id, peer);
}

static void show(const struct move *move, struct move_measured *ret)
{
	const struct move_frames *frames = move->frames;
	const bool is_back = move->measure.has_come_back;
	char no_word[MOVE_OUTAGE_NOTE_SIZE];
	const struct outage_basis basis = {
		.here = &frames->here,
		.there = is_back             ? &frames->here
			 : frames->has_there ? &frames->there
					     : NULL,
		.no_word = no_word,
		.source = move->moves->env.host_id,
		.host = is_back ? move->moves->env.host_id : move->row.peer,
		.clocks = &move->measure.clocks,
		.clocks_at_us = move->stamps[MOVE_STAMP_TAKEN],
	};

	say_no_word(move, no_word, sizeof(no_word));
	outage_of(&basis, ret);
}

void move_show_outage(const struct move *move, struct move_measured *ret)
{
	const char *why = move_why_not_still(move);

	if (move->side != MOVE_SRC)
		return;
	if (!*why && !move->frames)
		why = "the guest's frames were not watched: migrd was restarted, or it was an "
		      "older one";
	if (*why)
		snprintf(ret->outage_note, sizeof(ret->outage_note), "%s", why);
	else
		show(move, ret);
}

/* ---- on disk -------------------------------------------------------------------------- */

static const struct json_field durable[] = {
	{ .key = "here",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_frames, here),
	  .fields = nic_frames_list_fields },
	{ .key = "there",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct move_frames, there),
	  .present_offset = offsetof(struct move_frames, has_there),
	  .fields = nic_frames_list_fields },
	{ .key = "older", .type = JSON_BOOL, JSON_MEMBER(struct move_frames, is_older) },
	{ .key = "over", .type = JSON_BOOL, JSON_MEMBER(struct move_frames, is_over) },
	{ 0 },
};

struct json_object *move_frames_json(const struct move *move)
{
	return move->frames && move->side == MOVE_SRC ? json_encode(durable, move->frames) : NULL;
}

/* It is only to be shown, so what cannot be read is left out. */
void move_frames_decode(struct move *move, struct json_object *obj)
{
	struct move_frames *frames = obj ? xnew(struct move_frames) : NULL;
	struct err ignored;

	if (frames && json_decode_object(obj, durable, frames, JSON_IGNORE_UNKNOWN, &ignored))
		move->frames = TAKE_PTR(frames);
	free(frames);
}
