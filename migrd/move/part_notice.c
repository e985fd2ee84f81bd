/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parties are told before the guest's memory is sent, and may ask for a delay.  What is before it,
 * disks and a hold, is over by then, so the move is next to begin; the guest runs.
 *
 * All are told at the same time.  One that does not answer in time, or whose answer is not
 * understood, keeps nothing back.  A restart asks those again whose answer is not on disk, with the
 * same id, and waits for the others as long as they have asked for. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "move/guest_program.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "notify/agent.h"
#include "notify/answer.h"
#include "notify/notify.h"

#define TIME_TEXT_SIZE 32

/* Of a question under way; its move and row are looked up by it. */
struct asking {
	struct moves *moves;
	char id[ID_UUID_SIZE], party[ID_NAME_SIZE];
};

bool move_has_notices(const struct move *move)
{
	for (size_t i = 0; move->notices && i < move->notices->count; i++)
		if (move->notices->rows[i].before != MOVE_BEFORE_NONE)
			return move->side == MOVE_SRC;
	return false;
}

bool move_waits_for_parties(const struct move *move)
{
	return move_has_notices(move) && move->machine.state == MOVE_STATE_TRANSFER &&
	       move->facts.notice_since_ms && !move->facts.notices_over;
}

int64_t move_delay_end_ms(const struct move *move)
{
	uint64_t end_ms = 0;

	for (size_t i = 0; move_waits_for_parties(move) && i < move->notices->count; i++) {
		const struct move_notice *row = &move->notices->rows[i];

		if (row->before == MOVE_BEFORE_DELAYS && row->until_ms > end_ms)
			end_ms = row->until_ms;
	}
	return (int64_t)end_ms;
}

static void time_text(uint64_t wall_ms, char ret[TIME_TEXT_SIZE])
{
	CLEANUP(json_putp) struct json_object *time = json_new_time((int64_t)wall_ms);

	snprintf(ret, TIME_TEXT_SIZE, "%s", time ? json_object_get_string(time) : "");
}

/* So long the party may still delay the move. */
static uint64_t left_ms(const struct move *move, const struct move_notice *row)
{
	uint64_t all_ms = row->may_delay_s * 1000;
	uint64_t passed_ms = row->before_ms + loop_now_ms(move->moves->env.loop) - row->known_at_ms;

	return passed_ms < all_ms ? all_ms - passed_ms : 0;
}

static uint64_t left_s(const struct move *move, const struct move_notice *row)
{
	return (left_ms(move, row) + 999) / 1000;
}

/* The row is told, or was by an earlier coordinator: only over a restart the wall clock counts. */
static void start_clock(const struct move *move, struct move_notice *row)
{
	uint64_t now_ms = (uint64_t)clock_wall_ms();

	row->told_ms = row->told_ms ? row->told_ms : now_ms;
	row->before_ms = now_ms > row->told_ms ? now_ms - row->told_ms : 0;
	row->known_at_ms = loop_now_ms(move->moves->env.loop);
}

/* ---- what was answered -------------------------------------------------------- */

/* The delay of ROW ends DELAY_MS from now. */
static void set_delay(struct move *move, struct move_notice *row, uint64_t delay_ms)
{
	row->before = MOVE_BEFORE_DELAYS;
	row->until_ms = (uint64_t)clock_wall_ms() + delay_ms;
	row->end_ms = loop_now_ms(move->moves->env.loop) + delay_ms;
}

static void delay(struct move *move, struct move_notice *row, const struct notify_judged *judged)
{
	char until[TIME_TEXT_SIZE];

	set_delay(move, row, judged->delay_s * 1000);
	time_text(row->until_ms, until);
	move->moves->notice_counts[MOVE_NOTICE_DELAYED]++;
	move_note(move, "notice-delay", "party '%s': %s: the move waits until %s", row->party,
		  judged->words, until);
	log_info("move", "delayed", "move=%s vm=%s party=%s delay_s=%llu reason=%s", move->row.id,
		 move->row.vm_name, row->party, (unsigned long long)judged->delay_s,
		 judged->reason);
}

static void take_answer(struct move *move, struct move_notice *row,
			const struct notify_judged *judged)
{
	snprintf(row->reason, sizeof(row->reason), "%s", judged->reason);
	switch (judged->verdict) {
	case NOTIFY_GO:
		row->before = MOVE_BEFORE_GO;
		move_note(move, "notice-go", "party '%s': %s", row->party, judged->words);
		break;
	case NOTIFY_DELAY:
		delay(move, row, judged);
		break;
	case NOTIFY_UNHEARD:
		row->before = MOVE_BEFORE_UNHEARD;
		move->moves->notice_counts[MOVE_NOTICE_UNHEARD]++;
		snprintf(row->reason, sizeof(row->reason), "%.*s", NOTICE_REASON_SIZE - 1,
			 judged->words);
		move_note(move, "notice-unheard", "party '%s': %s: the move goes on without it",
			  row->party, judged->words);
		log_warning("move", "notice", "move=%s party=%s reason=%s", move->row.id,
			    row->party, judged->words);
		break;
	}
}

/* NOT_FOUND: the party is not configured any more. */
static void take_error(struct move *move, struct move_notice *row, const struct err *err)
{
	struct notify_judged judged = { .verdict = NOTIFY_UNHEARD };

	if (err->code == ERR_NOT_FOUND) {
		row->before = MOVE_BEFORE_GONE;
		move_note(move, "notice-gone", "%s: the move goes on without it", err->msg);
		return;
	}
	snprintf(judged.words, sizeof(judged.words), "%.*s", NOTIFY_WORDS_SIZE - 1, err->msg);
	take_answer(move, row, &judged);
}

static struct asking *asking_new(const struct move *move, const struct move_notice *row)
{
	struct asking *asking = xnew(struct asking);

	asking->moves = move->moves;
	memcpy(asking->id, move->row.id, sizeof(asking->id));
	memcpy(asking->party, row->party, sizeof(asking->party));
	return asking;
}

/* The row that still waits for the answer, and its move; frees ASKING.  NULL: nobody waits. */
static struct move_notice *asked_row(struct asking *asking, struct move **ret_move)
{
	struct move *move = moves_find(asking->moves, asking->id);
	struct move_notice *row = move ? move_notices_find(move->notices, asking->party) : NULL;

	free(asking);
	*ret_move = move;
	return row && row->before == MOVE_BEFORE_ASKED && move_waits_for_parties(move) ? row : NULL;
}

static void note_answer(struct move *move)
{
	machine_save(&move->machine); /* unless the next state is being recorded already */
	machine_step(&move->machine);
	move_tell(move);
}

/* CANCELLED: the daemon stops; the next one asks again. */
static void on_answered(void *data, const struct notify_reply *reply, const struct err *err)
{
	struct move *move;
	struct move_notice *row = asked_row(data, &move);
	struct notify_judged judged;

	if (!row || (err && err->code == ERR_CANCELLED))
		return;
	if (reply) {
		judged = notify_judge(reply->status, reply->body, reply->len, left_s(move, row));
		take_answer(move, row, &judged);
	} else if (err) {
		take_error(move, row, err);
	}
	note_answer(move);
}

/* ---- a program in the guest ---------------------------------------------------- */

static void on_program(void *data, struct json_object *result, const struct err *err)
{
	struct move *move;
	struct move_notice *row = asked_row(data, &move);
	struct notify_judged judged;

	if (!row || (err && err->code == ERR_CANCELLED))
		return;
	if (err) {
		take_error(move, row, err);
	} else {
		judged = notify_agent_judge(result, left_s(move, row));
		take_answer(move, row, &judged);
	}
	note_answer(move);
}

/* ---- asking ----------------------------------------------------------------------- */

static void ask(struct move *move, struct move_notice *row)
{
	const struct notify_party *party =
		notify_parties_find(notify_parties(move->moves->env.notify), row->party);
	struct notice notice = { .type = NOTICE_BEFORE, .data = move_notice_data(move) };
	CLEANUP(json_putp) struct json_object *body = NULL;
	struct notify_message message = { .party = row->party, .type = "before" };
	char id[64];

	row->before = MOVE_BEFORE_ASKED;
	start_clock(move, row);
	notice.timestamp = (int64_t)row->told_ms;
	notice.data.answer_by = clock_wall_ms() + (int64_t)row->timeout_ms;
	notice.data.may_delay_s = row->may_delay_s;
	body = json_encode(notice_before_fields, &notice);
	snprintf(id, sizeof(id), "before-%s", move->row.id);
	message.id = id;
	message.body = json_text(body, NULL);
	move->moves->notice_counts[MOVE_NOTICE_SENT]++;
	if (party && party->command)
		guest_program_run(move->moves, row->party, move->row.vm_uuid, message.body,
				  on_program, asking_new(move, row));
	else
		notify_send(move->moves->env.notify, &message, on_answered, asking_new(move, row));
}

/* A delay that an earlier coordinator granted; it is never longer than the party may have from now
 * on, whatever the clock of the host has done. */
static void wait_on(struct move *move, struct move_notice *row)
{
	uint64_t now_ms = (uint64_t)clock_wall_ms(), until_ms = row->until_ms, most_ms;
	uint64_t rest_ms = until_ms > now_ms ? until_ms - now_ms : 0;

	start_clock(move, row);
	most_ms = left_ms(move, row);
	set_delay(move, row, rest_ms < most_ms ? rest_ms : most_ms);
}

static void start(struct move *move)
{
	if (move->facts.notices_over)
		return;
	move_stamp(move, MOVE_STAMP_TOLD);
	if (!move->facts.notice_since_ms)
		move->facts.notice_since_ms = (uint64_t)clock_wall_ms();
	for (size_t i = 0; i < move->notices->count; i++) {
		struct move_notice *row = &move->notices->rows[i];

		if (row->before == MOVE_BEFORE_WAITS || row->before == MOVE_BEFORE_ASKED) {
			move_note(move, "notice", "party '%s' is told%s", row->party,
				  row->before == MOVE_BEFORE_ASKED ? " again" : "");
			ask(move, row);
		} else if (row->before == MOVE_BEFORE_DELAYS) {
			wait_on(move, row);
		}
	}
	machine_save(&move->machine);
}

/* ---- waiting --------------------------------------------------------------------- */

static void end_delays(struct move *move)
{
	uint64_t now_ms = loop_now_ms(move->moves->env.loop);

	for (size_t i = 0; i < move->notices->count; i++) {
		struct move_notice *row = &move->notices->rows[i];

		if (row->before != MOVE_BEFORE_DELAYS || row->end_ms > now_ms)
			continue;
		row->before = MOVE_BEFORE_OVER;
		move_note(move, "notice-over", "the delay of party '%s' is over", row->party);
	}
}

static bool is_waited_for(const struct move_notice *row)
{
	return row->before == MOVE_BEFORE_ASKED || row->before == MOVE_BEFORE_DELAYS;
}

/* False: nobody is waited for. */
static bool tell(struct move *move)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	char until[TIME_TEXT_SIZE];

	for (size_t i = 0; i < move->notices->count; i++) {
		const struct move_notice *row = &move->notices->rows[i];

		if (!is_waited_for(row))
			continue;
		strbuf_adds(&text, text.len ? "; " : "waits before memory is sent: ");
		if (row->before == MOVE_BEFORE_ASKED) {
			strbuf_addf(&text, "party '%s' has %llu ms to answer its notice",
				    row->party, (unsigned long long)row->timeout_ms);
			continue;
		}
		time_text(row->until_ms, until);
		strbuf_addf(&text, "party '%s' has asked for a delay until %s (%s)", row->party,
			    until, row->reason[0] ? row->reason : "without a reason");
	}
	if (text.len)
		move_set_reason(move, "%s; `migrctl move release %s' lets it go on",
				strbuf_str(&text), move->row.id);
	return text.len > 0;
}

static void step(struct move *move)
{
	if (!move_waits_for_parties(move) || move->facts.cancel_requested ||
	    move_src_roll_back_if_cut(move))
		return;
	end_delays(move);
	if (!tell(move))
		move_end_notices(move);
}

void move_end_notices(struct move *move)
{
	for (size_t i = 0; i < move->notices->count; i++)
		if (is_waited_for(&move->notices->rows[i]))
			move->notices->rows[i].before = MOVE_BEFORE_RELEASED;
	move->facts.notices_over = true;
	move_note(move, "notices-over", "memory has waited for parties for %llu ms",
		  (unsigned long long)(clock_monotonic_us() - move->stamps[MOVE_STAMP_TOLD]) /
			  1000);
	move->reason[0] = '\0';
	machine_step(&move->machine);
	machine_save(&move->machine); /* unless the next state is being recorded already */
}

static bool is_ready(const struct move *move)
{
	return move->facts.notices_over;
}

const struct move_part move_part_notice = {
	.name = "notice",
	.wanted = move_has_notices,
	.start = start,
	.is_ready = is_ready,
	.step = step,
};

/* ---- a party's own request ---------------------------------------------------------- */

static bool may_ask(const struct move *move, const char *party, const struct move_notice *row,
		    struct err *err)
{
	if (!row || row->before == MOVE_BEFORE_NONE || !row->may_delay_s)
		return err_set(err, ERR_FORBIDDEN,
			       "'%s' is no party that may delay this move: one is named in a "
			       "section [notify NAME] with may_delay_s, and asks with a "
			       "certificate "
			       "of that name; nothing was changed",
			       party);
	if (move_is_final(move) || move->facts.cancel_requested || move->facts.notices_over ||
	    (move->machine.state != MOVE_STATE_TRANSFER &&
	     move->machine.state != MOVE_STATE_PREPARE && move->machine.state != MOVE_STATE_BEGIN))
		return err_set(err, ERR_TOO_LATE, "the move is %s, and waits for no party any more",
			       move_state_name(move));
	if (!move_waits_for_parties(move))
		return err_set(err, ERR_CONFLICT,
			       "the move does not wait for parties yet: '%s' will be told when it "
			       "does",
			       party);
	if (!is_waited_for(row))
		return err_set(err, ERR_TOO_LATE, "the move waits for '%s' no more", party);
	return true;
}

static bool take_request(struct move *move, struct move_notice *row,
			 const struct notice_answer *wish, struct err *err)
{
	struct notify_judged judged = { .verdict = NOTIFY_GO };
	unsigned long long wanted = wish->delay_s, left = left_s(move, row);

	if (wish->delay_s > left)
		return err_set(err, ERR_CONFLICT,
			       "'%s' may delay the move for %llu s since it was told, so for %llu "
			       "s "
			       "more, and asks for %llu s",
			       row->party, (unsigned long long)row->may_delay_s, left, wanted);
	if (wish->delay_s)
		judged.verdict = NOTIFY_DELAY;
	judged.delay_s = wish->delay_s;
	snprintf(judged.reason, sizeof(judged.reason), "%s", wish->reason);
	if (wish->delay_s)
		snprintf(judged.words, sizeof(judged.words), "it asked for a delay of %llu s (%s)",
			 wanted, wish->reason[0] ? wish->reason : "without a reason");
	else
		snprintf(judged.words, sizeof(judged.words), "it lets the move go on");
	take_answer(move, row, &judged);
	return true;
}

bool move_delay(struct move *move, const char *party, const struct notice_answer *wish,
		struct err *err)
{
	struct move_notice *row = move_notices_find(move->notices, party);

	if (!may_ask(move, party, row, err) || !take_request(move, row, wish, err)) {
		move->moves->notice_counts[MOVE_NOTICE_REFUSED]++;
		return false;
	}
	machine_save(&move->machine);
	machine_step(&move->machine);
	return true;
}
