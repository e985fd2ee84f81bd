/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move_rig.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "move/priv.h"
#include "peer/client.h"
#include "store/identity.h"
#include "tests/lib/reply_check.h"

#define DEFINITION                                                                   \
	"{\"name\":\"vm1\",\"uuid\":\"" RIG_VM_UUID "\",\"machine\":\"pc-q35-7.2\"," \
	"\"memory_mib\":64,\"accel\":\"tcg\"%s}"

struct move_rig rig;

/* ---- the rules ------------------------------------------------------- */

static bool is_move_out(void)
{
	return rig_move() && move_is_out(rig_move());
}

static bool disk_says(const char *state)
{
	return strcmp(rig.disk.state, state) == 0;
}

static bool is_final_on_disk(void)
{
	return !rig.disk.state[0] || disk_says("done") || disk_says("failed") ||
	       disk_says("cancelled") || disk_says("lost");
}

/* Its QEMU has given the guest away. */
static bool is_given_away(void)
{
	const char *mig = fake_qemu()->mig;

	return mig && (strcmp(mig, "completed") == 0 || strncmp(mig, "postcopy-", 9) == 0);
}

/* The destination has all that the guest needs to run. */
static bool is_loaded(void)
{
	const char *mig = fake_qemu()->mig;

	return mig && (strcmp(mig, "completed") == 0 || strncmp(mig, "postcopy-", 9) == 0);
}

/* When the source's QEMU has sent all, its guest goes on only after a refusal of the other host
 * or the decision of a person; never after `taken'. */
static void check_cont_on_source(void)
{
	if (is_given_away())
		ck_assert_msg(rig.is_resolved || strcmp(rig.heard, "refused") == 0,
			      "cont after completed, and the other host said '%s'", rig.heard);
	ck_assert_str_ne(rig.heard, "taken");
}

/* An incoming guest runs only after go or the decision of a person, and once it is on disk that
 * this host owns it. */
static void check_cont_on_destination(void)
{
	ck_assert_msg(rig.go_came || rig.is_resolved, "cont without go");
	ck_assert_str_eq(rig.disk.verdict, "taken");
	ck_assert_str_eq(rig.disk.vm_role, "owned");
	ck_assert_msg(!rig.told || strcmp(rig.told, "refused") != 0, "cont after a refusal");
	ck_assert(is_loaded());
}

static void before_qmp(const char *command)
{
	if (strcmp(command, "migrate") == 0)
		ck_assert(disk_says("transfer") || disk_says("fetch"));
	if (strcmp(command, "migrate-start-postcopy") == 0)
		ck_assert_int_ne(fake_qemu()->run, QMP_RUN_RUNNING);
	if (strcmp(command, "cont") != 0 || is_final_on_disk())
		return;
	if (is_move_out())
		check_cont_on_source();
	else
		check_cont_on_destination();
}

/* The state that asks a question is on disk before the question is out. */
static void before_peer(const char *verb, struct json_object *body)
{
	enum { FATE = 3 };
	static const struct {
		const char *verb, *state;
	} rules[] = {
		{ "prepare", "prepare" },
		{ "go", "handover" },
		{ "drop", "rollback" },
		{ "fate", "transfer" },
		{ "recover", "fetch" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		bool may_ask = disk_says("stuck") ||
			       (i == FATE && (is_final_on_disk() || disk_says("prepare") ||
					      disk_says("begin") || disk_says("fetch")));

		if (strcmp(rules[i].verb, verb) == 0 && !may_ask)
			ck_assert_str_eq(rig.disk.state, rules[i].state);
	}
	if (strcmp(verb, "settle") == 0)
		ck_assert(is_final_on_disk());
	if (strcmp(verb, "fate") != 0 && strcmp(verb, "vms") != 0 && strcmp(verb, "probe") != 0 &&
	    strcmp(verb, "capacity") != 0)
		ck_assert_int_eq(json_get_int(body, "generation", 0), RIG_GENERATION);
	if (strcmp(verb, "go") == 0)
		ck_assert(is_loaded());
}

/* A verdict is on disk before it is told, and never changes afterwards. */
static void check_told(const char *verdict)
{
	ck_assert_str_eq(rig.disk.verdict, verdict);
	if (rig.told)
		ck_assert_str_eq(rig.told, verdict);
	rig.told = strcmp(verdict, "taken") == 0 ? "taken" : "refused";
}

/* ---- what is kept to be shown ------------------------------------------- */

/* A kept text must be the same as a new one.  Each step of a test begins with kept texts,
 * since the step before ended here.  Only the newest moves are checked: a test that fills
 * the history changes no others one by one. */
#define TEXTS_CHECKED 16

static void check_texts(void)
{
	struct move *move = rig.moves ? moves_first(rig.moves) : NULL;

	for (unsigned i = 0; move && i < TEXTS_CHECKED; i++, move = move_next(move)) {
		CLEANUP(json_putp) struct json_object *obj = move_json(move);
		const char *fresh =
			json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE);
		size_t len;
		const char *text = move_text(move, MOVE_TEXT_MOVE, move_json, &len);

		reply_check(obj, move_reply_fields);
		ck_assert_str_eq(text, fresh);
		ck_assert_uint_eq(len, strlen(fresh));
	}
}

/* ---- the daemon ------------------------------------------------------- */

void rig_run(void)
{
	loop_sim_run(rig.loop);
	check_texts();
}

/* Advances in up to 8 steps, so that the texts are checked between timers too. */
void rig_advance(uint64_t ms)
{
	const uint64_t step = ms / 8 + 1;

	for (; ms > step; ms -= step) {
		loop_sim_advance_ms(rig.loop, step);
		check_texts();
	}
	loop_sim_advance_ms(rig.loop, ms);
	check_texts();
}

static void add_vm(void *data, void *row)
{
	vms_add_row(data, row);
}

static void add_move(void *data, void *row)
{
	moves_add_row(data, row);
}

static void on_recovered(void *data, const struct err *err)
{
	(void)data;
	(void)err;
	if (rig.begin) {
		rig.begin();
		return;
	}
	moves_recover(rig.moves);
	vms_settle(rig.vms);
}

static void on_vm_changed(void *data, const char *name, const struct vm *vm)
{
	(void)data;
	(void)name;
	(void)vm;
	rig.changed++;
}

static void on_vm_event(void *data, const struct vm *vm, const struct qmp_event *event,
			unsigned left_out)
{
	(void)data;
	(void)vm;
	(void)event;
	rig.told_events++;
	rig.left_out = left_out;
}

static void add_hold(void *data, void *row)
{
	(void)data;
	holds_add_row(rig.holds, row);
}

static void count_lost_start(void *data, const struct move *move, const char *reason)
{
	(void)data;
	ck_assert(move_is_final(move));
	ck_assert_ptr_nonnull(strstr(reason, "host 'b'"));
	rig.starts_lost++;
}

static void make_objects(void)
{
	rig.peers = fake_peer_new(rig.loop);
	rig.notify = fake_notify_new(rig.loop, rig.dir);
	rig.vms = vms_new(&(struct vms_env){
		.qemu = { .loop = rig.loop,
			  .binary = "qemu",
			  .run_dir = rig.dir,
			  .log_dir = rig.dir,
			  .start_timeout_ms = 1000 },
		.store = rig.store,
		.monitor_wait_ms = 5000,
		.changed = on_vm_changed,
		.event = on_vm_event,
	});
	rig.policies = policies_new(rig.store);
	rig.holds = holds_new(
		&(struct holds_env){ .loop = rig.loop, .store = rig.store, .host_id = "a" });
	rig.moves = moves_new(&(struct moves_env){
		.loop = rig.loop,
		.store = rig.store,
		.vms = rig.vms,
		.policies = rig.policies,
		.holds = rig.holds,
		.peers = rig.peers,
		.notify = rig.notify,
		.host_id = "a",
		.run_dir = rig.dir,
		.stream_program = "migrd-stream",
		.ca_file = "ca.pem",
		.cert_file = "host.pem",
		.key_file = "host-key.pem",
		.data_address = "192.0.2.9:8441",
		.link_timeout_ms = 20000,
		.handover_link_timeout_ms = 3000,
		.offer_timeout_ms = 120000,
		.limits = { .in_max = 4 },
		.offers_max = 2,
		.offers_memory_percent = 75,
		.hold_max_s = 3600,
		.outage_ping_ms = rig.outage_ping_ms,
		.outage_ping_min_ms = rig.forbids_outage_ping ? 0 : 10,
		.prepare_timeout_ms = 30000,
		.stuck_after_ms = 30000,
		.storage = { .dirs = rig.dir, .qemu_img = "qemu-img" },
		.start_lost = count_lost_start,
	});
}

void rig_start_again(void)
{
	struct err err;

	rig.store = store_open_blocking(rig.loop, rig.dir, &err);
	ck_assert_msg(rig.store != NULL, "%s", err.msg);
	if (rig.is_identified)
		ck_assert(store_identify_blocking(rig.store, rig.dir, &err));
	make_objects();
	ck_assert(store_load_blocking(rig.store, STORE_HOLD, add_hold, NULL, &err));
	ck_assert(store_load_blocking(rig.store, STORE_VM, add_vm, rig.vms, &err));
	ck_assert(store_load_blocking(rig.store, STORE_MOVE, add_move, rig.moves, &err));
	vms_recover(rig.vms, on_recovered, NULL);
	rig_run();
}

/* Ends as main() does; commits under way are answered, and find no move or VM any more. */
void rig_crash(void)
{
	moves_clear(rig.moves);
	vms_clear(rig.vms);
	holds_end(rig.holds);
	peer_clients_free(rig.peers);
	notify_free(rig.notify);
	store_close(rig.store);
	rig_disk_lose();
	rig_run();
	moves_free(TAKE_PTR(rig.moves));
	policies_free(TAKE_PTR(rig.policies));
	holds_free(TAKE_PTR(rig.holds));
	vms_free(rig.vms);
}

void rig_restart(void)
{
	rig_crash();
	rig_start_again();
}

void rig_set_up(void)
{
	memset(&rig, 0, sizeof(rig));
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/migrd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rig.dir));
	trace_clear();
	rig.loop = loop_new_sim();
	fake_qemu_init(rig.loop);
	fake_stream_init(rig.loop);
	fake_qemu_before = before_qmp;
	fake_peer_before = before_peer;
	rig_start_again();
	fake_notify_clear();
	trace_clear();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

#define SIDE_BOTH true
#define SIDE_SRC  (move->side == MOVE_SRC)
#define SIDE_DST  (move->side == MOVE_DST)
#define IS_UNSET(type, name, side)                      \
	ck_assert_msg(SIDE_##side || !move->facts.name, \
		      "'" #name "' is a fact of the other side (move/facts.h)");

/* A fact may be set only on the side that its line in move/facts.h names. */
static void assert_sides(void)
{
	for (const struct move *move = rig.moves ? moves_first(rig.moves) : NULL; move;
	     move = move_next(move)) {
		MOVE_DURABLE_FACTS(IS_UNSET)
		MOVE_OTHER_FACTS(IS_UNSET)
	}
}

void rig_tear_down(void)
{
	assert_sides();
	rig_disk_go_on();
	rig_crash();
	fake_qemu_fini();
	fake_stream_fini();
	loop_free(rig.loop);
	nftw(rig.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TCase *rig_add_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, rig_set_up, rig_tear_down);
	suite_add_tcase(suite, tc);
	return tc;
}

/* ---- the VM ----------------------------------------------------------- */

static struct err act_result;

static void on_act(void *data, const struct err *err)
{
	(void)data;
	ck_assert_int_eq(act_result.code, ERR_CODE_COUNT);
	act_result = (struct err){ 0 };
	if (err)
		act_result = *err;
}

struct vm *rig_vm(void)
{
	return vm_find(rig.vms, "vm1");
}

void rig_act_begin(enum vm_action action)
{
	act_result.code = ERR_CODE_COUNT;
	vm_act(rig_vm(), action, on_act, NULL);
	ck_assert_int_eq(act_result.code, ERR_CODE_COUNT);
}

struct err rig_act_result(void)
{
	return act_result;
}

struct err rig_act(enum vm_action action)
{
	rig_act_begin(action);
	rig_run();
	return act_result;
}

static struct json_object *definition(void)
{
	CLEANUP(free_charp)
	char *text = xasprintf(DEFINITION, rig.more_members ? rig.more_members : "");
	struct json_object *obj = json_tokener_parse(text);

	ck_assert_ptr_nonnull(obj);
	return obj;
}

void rig_create_vm(void)
{
	CLEANUP(json_putp) struct json_object *obj = definition();
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();
	struct err err;

	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	ck_assert(vm_def_normalize(def, &err));
	act_result.code = ERR_CODE_COUNT;
	vm_create(rig.vms, def, on_act, NULL);
	free(def);
	faults_free(faults);
	rig_run();
}

void rig_run_vm(void)
{
	rig_create_vm();
	ck_assert_int_eq(act_result.code, ERR_NONE);
	ck_assert_int_eq(rig_act(VM_ACTION_START).code, ERR_NONE);
	ck_assert_str_eq(vm_state(rig_vm()), "running");
}

void rig_resolved_there(void)
{
	rig.is_resolved = true;
}

enum err_code rig_resolve(enum move_keep keep, const char *assert_dead)
{
	const struct move_resolution resolution = { keep, assert_dead, "root", "" };
	struct err err = { 0 };
	bool ok;

	rig.is_resolved = true;
	ok = move_resolve(rig_move(), &resolution, &err);
	rig.is_resolved = ok;
	rig_run();
	return ok ? ERR_NONE : err.code;
}

bool rig_guest_runs(void)
{
	return fake_qemu()->is_alive && fake_qemu()->run == QMP_RUN_RUNNING;
}

/* ---- a move away ------------------------------------------------------ */

struct move *rig_move(void)
{
	return rig.moves ? moves_find(rig.moves, rig.move_id) : NULL;
}

const char *rig_state(void)
{
	return move_state_name(rig_move());
}

const char *rig_error(void)
{
	return move_row(rig_move())->error_code;
}

static void on_started(void *data, struct move *move, const struct err *err)
{
	(void)data;
	ck_assert_msg(move != NULL, "%s", err ? err->msg : "");
	snprintf(rig.move_id, sizeof(rig.move_id), "%s", move_row(move)->id);
	ck_assert_uint_eq(trace_count("qmp"), 0); /* not before its record is on disk */
}

void rig_start_move(void)
{
	rig_start_move_with(&(struct move_options){ .downtime_limit_ms = 300 });
}

void rig_start_move_with(const struct move_options *options)
{
	const struct move_wish wish = { "vm1", "b", .options = *options,
					.may_start = rig.is_stopped };

	if (!rig_vm() && rig.is_stopped)
		rig_create_vm();
	else if (!rig_vm())
		rig_run_vm();
	trace_clear();
	moves_start(rig.moves, &wish, on_started, NULL);
	rig_run();
	if (rig_move()) /* test_move_converge.c has the deadline */
		rig_move()->policy.deadline_s = rig_move()->policy.deadline_s_per_gib = 0;
}

static void on_timeline(void *data, const struct store_timeline_entry *entries, size_t count,
			const struct err *err)
{
	struct strbuf *text = data;

	ck_assert(!err);
	for (size_t i = 0; i < count; i++)
		strbuf_addf(text, "%s %s;", entries[i].event, entries[i].detail);
	strbuf_adds(text, ".");
}

char *rig_timeline(void)
{
	struct strbuf text = STRBUF_INIT;
	char *copy;

	store_timeline(rig.store, rig.move_id, on_timeline, &text);
	rig_run();
	ck_assert_uint_gt(text.len, 0);
	copy = xstrdup(strbuf_str(&text));
	strbuf_fini(&text);
	return copy;
}

void rig_completes(void)
{
	fake_qemu_migrates("device");
	fake_qemu_migrates("completed");
}

void rig_peer_says(const char *verb, const char *verdict)
{
	char reply[64];

	for (int i = 0; i < 40 && !fake_peer_pending(verb); i++)
		rig_advance(50); /* it is asked again and again */
	snprintf(rig.heard, sizeof(rig.heard), "%s", verdict);
	snprintf(reply, sizeof(reply), "{\"verdict\":\"%s\"}", verdict);
	fake_peer_answer(verb, reply);
}

void rig_answer_prepare(void)
{
	char reply[200];

	snprintf(reply, sizeof(reply),
		 "{\"data_address\":\"192.0.2.1:8441\",\"token\":\"%064d\",\"channels\":[\"ram\"]%"
		 "s}",
		 1, rig.is_to_be_started ? ",\"autostart_due\":true" : "");
	fake_peer_answer("prepare", reply);
}

static void bring_to_prepare(void)
{
	if (!rig_move() || move_is_final(rig_move()))
		rig_start_move();
}

static void bring_to_transfer(void)
{
	rig_answer_prepare();
	fake_stream_becomes(STREAM_CHANNEL_READY);
}

static void bring_to_handover(void)
{
	fake_qemu_migrates("device");
}

static void bring_to_confirm(void)
{
	fake_qemu_migrates("completed");
	fake_qmp_hold("query-migrate"); /* its last question */
	rig_peer_says("go", "taken");
}

void rig_bring_to(const char *state)
{
	static const struct {
		const char *state;
		void (*step)(void);
	} steps[] = {
		{ "prepare", bring_to_prepare },
		{ "transfer", bring_to_transfer },
		{ "handover", bring_to_handover },
		{ "confirm", bring_to_confirm },
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		steps[i].step();
		ck_assert_str_eq(rig_state(), steps[i].state);
		if (strcmp(steps[i].state, state) == 0)
			return;
	}
	ck_abort_msg("no such state: %s", state);
}

/* ---- a move to here --------------------------------------------------- */

static enum err_code offer_answer;
static char verdict_answer[STORE_ENUM_SIZE];

/* Answers as api/peer.c does. */
static void on_prepared(void *data, struct move *move)
{
	const struct store_move *row;

	(void)data;
	if (!move)
		return;
	row = move_row(move);
	offer_answer = row->error_code[0] ? err_from_name(row->error_code) : ERR_NONE;
	if (offer_answer == ERR_NONE)
		ck_assert_str_ne(rig.disk.state, "prepare");
}

static void on_looked(void *data, struct move *move, const struct preflight_reasons *reasons,
		      const struct err *err)
{
	(void)data;
	(void)move;
	(void)reasons;
	offer_answer = err ? err->code : ERR_NONE;
}

enum err_code rig_offer_to_look(const char *id)
{
	CLEANUP(json_putp) struct json_object *obj = definition();
	const struct move_offer offer = {
		.id = id,
		.run = true,
		.source = "b",
		.generation = RIG_GENERATION,
		.definition = obj,
		.plan = rig.plan,
		.options = { .downtime_limit_ms = 300 },
	};
	struct err err = { 0 };

	return moves_offer(rig.moves, &offer, on_looked, NULL, &err) ? ERR_NONE : err.code;
}

enum err_code rig_offer_of(const char *source, uint64_t generation)
{
	CLEANUP(json_putp) struct json_object *obj = definition();
	const struct move_offer offer = {
		.id = RIG_MOVE_ID,
		.run = !rig.is_stopped,
		.stopped = rig.is_stopped,
		.autostart_due = rig.is_to_be_started,
		.source = source,
		.generation = generation,
		.definition = obj,
		.plan = rig.plan,
		.options = { .downtime_limit_ms = 300 },
	};
	struct err err = { 0 };
	struct move *move = moves_offered(rig.moves, &offer, &err);

	snprintf(rig.move_id, sizeof(rig.move_id), "%s", RIG_MOVE_ID);
	if (!move)
		return err.code;
	offer_answer = ERR_CODE_COUNT;
	move_when(move, MOVE_PREPARED, on_prepared, NULL);
	ck_assert_int_eq(offer_answer, ERR_CODE_COUNT);
	rig_run();
	return offer_answer;
}

enum err_code rig_offer(void)
{
	return rig_offer_of("b", RIG_GENERATION);
}

enum err_code rig_offered(void)
{
	return offer_answer;
}

static void on_verdict(void *data, struct move *move)
{
	const char *verdict;

	(void)data;
	if (!move)
		return;
	verdict = verdict_names[move_verdict(move)];
	if (strcmp(move_row(move)->verdict, verdict_names[VERDICT_UNKNOWN]) != 0)
		check_told(verdict);
	snprintf(verdict_answer, sizeof(verdict_answer), "%s", verdict);
	trace_add("answer %s", verdict);
}

static const char *wait_for_verdict(struct move *move, const struct err *err)
{
	verdict_answer[0] = '\0';
	if (!move)
		return err_name(err->code);
	move_when(move, MOVE_VERDICT, on_verdict, NULL);
	ck_assert_str_eq(verdict_answer, "");
	rig_run();
	return verdict_answer;
}

static const char *go(const struct move_claim *claim)
{
	struct err err = { 0 };

	rig.go_came = true;
	snprintf(rig.move_id, sizeof(rig.move_id), "%s", claim->id);
	return wait_for_verdict(moves_go(rig.moves, claim, &err), &err);
}

static struct move_claim claim_of(const char *id, const char *source, uint64_t generation)
{
	return (struct move_claim){ .id = id,
				    .source = source,
				    .vm_uuid = RIG_VM_UUID,
				    .generation = generation,
				    .run = true };
}

const char *rig_go(bool run)
{
	struct move_claim claim = claim_of(RIG_MOVE_ID, "b", RIG_GENERATION);

	claim.run = run;
	return go(&claim);
}

const char *rig_go_switched(void)
{
	struct move_claim claim = claim_of(RIG_MOVE_ID, "b", RIG_GENERATION);

	claim.switched = true;
	return go(&claim);
}

const char *rig_go_of(const char *id, const char *source, uint64_t generation)
{
	struct move_claim claim = claim_of(id, source, generation);

	return go(&claim);
}

const char *rig_drop_of(const char *id, const char *source, uint64_t generation)
{
	struct err err = { 0 };

	snprintf(rig.move_id, sizeof(rig.move_id), "%s", id);
	return wait_for_verdict(moves_drop(rig.moves,
					   &(struct move_claim){ .id = id,
								 .source = source,
								 .vm_uuid = RIG_VM_UUID,
								 .generation = generation },
					   &err),
				&err);
}

const char *rig_drop(void)
{
	return rig_drop_of(RIG_MOVE_ID, "b", RIG_GENERATION);
}

const char *rig_verdict(void)
{
	return verdict_answer;
}

void rig_loads(void)
{
	fake_stream_becomes(STREAM_CHANNEL_READY);
	fake_stream_becomes(STREAM_CHANNEL_OPEN);
	fake_qemu_migrates("active");
	fake_qemu_migrates("completed");
}
