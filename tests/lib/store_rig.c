/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_rig.h"

#include <check.h>
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

struct rig rig;

const char *rig_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
	return path;
}

void rig_open(void)
{
	struct err err = { 0 };

	rig.store = store_open_blocking(rig.loop, rig.dir, &err);
	ck_assert_msg(rig.store != NULL, "%s", err.msg);
}

void rig_reopen(void)
{
	store_close(rig.store);
	rig_open();
}

static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(rig.dir, sizeof(rig.dir), "%.40s/migrd-store-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert(mkdtemp(rig.dir) != NULL);
}

void rig_set_up_closed(void)
{
	make_dir();
	rig.is_real_loop = false;
	rig.loop = loop_new_sim();
	rig.store = NULL;
}

void rig_set_up(void)
{
	rig_set_up_closed();
	rig_open();
}

void rig_set_up_real(void)
{
	make_dir();
	rig.is_real_loop = true;
	rig.loop = loop_new();
	rig_open();
}

void rig_tear_down(void)
{
	struct err err = { 0 };

	rig_free_loaded();
	free(rig.entries);
	rig.entries = NULL;
	store_close(rig.store);
	loop_free(rig.loop);
	ck_assert_msg(dir_remove(rig.dir, &err), "%s", err.msg);
}

void rig_limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

struct answer {
	bool is_there;
	struct err err;
};

static void on_done(void *data, const struct err *err)
{
	struct answer *answer = data;

	ck_assert(!answer->is_there);
	answer->is_there = true;
	if (err)
		answer->err = *err;
	if (rig.is_real_loop)
		loop_stop(rig.loop);
}

void rig_run(void)
{
	if (rig.is_real_loop)
		loop_run(rig.loop);
	else
		loop_sim_run(rig.loop);
}

struct err rig_commit(const struct store_txn *txn)
{
	struct answer answer = { 0 };

	store_commit(rig.store, txn, on_done, &answer);
	ck_assert(!answer.is_there);
	rig_run();
	ck_assert(answer.is_there);
	return answer.err;
}

void rig_commit_ok(const struct store_txn *txn)
{
	struct err err = rig_commit(txn);

	ck_assert_msg(!err_is_set(&err), "%s", err.msg);
}

static char definition[] = "{\"name\":\"vm1\"}";
static char detail[] = "{\"x\":\"\xc3\xa9\"}";

const struct store_vm rig_vm1 = {
	.uuid = "018f0000-0000-7000-8000-000000000001",
	.name = "vm1",
	.role = "owned",
	.intent = "started",
	.generation = UINT64_MAX - 1,
	.definition = definition,
	.qemu_pid = 4242,
	.qemu_start_time = UINT64_MAX - 2,
	.boot_id = "6a1b0000-0000-4000-8000-000000000009",
	.created_ms = 1790000000001,
	.started_ms = 1790000000002,
	.monitor = "/run/vm0.sock",
};

const struct store_move rig_move1 = {
	.id = "018f0000-0000-7000-8000-0000000000a1",
	.kind = "MIGRATION_OUT",
	.vm_uuid = "018f0000-0000-7000-8000-000000000001",
	.vm_name = "vm1",
	.peer = "b",
	.generation = 7,
	.state = "transfer",
	.verdict = "taken",
	.is_final = false,
	.error_code = "qemu-error",
	.error_text = "it's \"odd\"",
	.idempotency_key = "key-1",
	.detail = detail,
	.created_ms = 1790000000003,
	.updated_ms = 1790000000004,
	.ended_ms = 1790000000005,
};

static void each_vm(void *data, void *row)
{
	const struct store_vm *vm = row;

	(void)data;
	ck_assert(rig.vm_count < ARRAY_LEN(rig.vms));
	rig.vms[rig.vm_count++] = *vm;
}

static void each_move(void *data, void *row)
{
	const struct store_move *move = row;

	(void)data;
	ck_assert(rig.move_count < ARRAY_LEN(rig.moves));
	rig.moves[rig.move_count++] = *move;
}

void rig_free_loaded(void)
{
	for (size_t i = 0; i < rig.vm_count; i++)
		store_vm_fini(&rig.vms[i]);
	for (size_t i = 0; i < rig.move_count; i++)
		store_move_fini(&rig.moves[i]);
	rig.vm_count = rig.move_count = 0;
}

void rig_load(void)
{
	struct err err = { 0 };

	rig_free_loaded();
	ck_assert_msg(store_load_blocking(rig.store, STORE_VM, each_vm, NULL, &err), "%s", err.msg);
	ck_assert_msg(store_load_blocking(rig.store, STORE_MOVE, each_move, NULL, &err), "%s", err.msg);
}

static void assert_text_same(const char *a, const char *b)
{
	if (a && b)
		ck_assert_str_eq(a, b);
	else
		ck_assert_ptr_eq(a, b);
}

void rig_assert_vm_same(const struct store_vm *a, const struct store_vm *b)
{
	struct store_vm x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	assert_text_same(x.definition, y.definition);
	x.definition = y.definition = NULL;
	ck_assert_str_eq(x.name, y.name);
	ck_assert_mem_eq(&x, &y, sizeof(x));
}

void rig_assert_move_same(const struct store_move *a, const struct store_move *b)
{
	struct store_move x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	assert_text_same(x.detail, y.detail);
	x.detail = y.detail = NULL;
	ck_assert_str_eq(x.state, y.state);
	ck_assert_mem_eq(&x, &y, sizeof(x));
}

static void on_timeline(void *data, const struct store_timeline_entry *list, size_t count,
			const struct err *err)
{
	(void)data;
	ck_assert(err == NULL);
	free(rig.entries);
	rig.entries = xcalloc(count + 1, sizeof(*rig.entries));
	if (count)
		memcpy(rig.entries, list, count * sizeof(*rig.entries));
	rig.entry_count = count;
	if (rig.is_real_loop)
		loop_stop(rig.loop);
}

void rig_load_timeline(const char *move_id)
{
	rig.entry_count = SIZE_MAX;
	store_timeline(rig.store, move_id, on_timeline, NULL);
	ck_assert_uint_eq(rig.entry_count, SIZE_MAX);
	rig_run();
	ck_assert_uint_ne(rig.entry_count, SIZE_MAX);
}

const struct store_timeline_entry *rig_entry(const char *event, const char *words)
{
	static struct store_timeline_entry entry;

	entry.at_ms = clock_wall_ms();
	snprintf(entry.event, sizeof(entry.event), "%s", event);
	snprintf(entry.detail, sizeof(entry.detail), "%s", words);
	return &entry;
}

void rig_put_both(void)
{
	rig_commit_ok(&(struct store_txn){
		{ store_put_vm(&rig_vm1), store_put_move(&rig_move1),
		  store_put_notes(&(struct store_notes){
			  rig_move1.id, rig_entry("state", "begin -> prepare"), 1 }) } });
}

struct err rig_open_fails(void)
{
	struct err err = { 0 };

	ck_assert(store_open_blocking(rig.loop, rig.dir, &err) == NULL);
	ck_assert(err_is_set(&err));
	return err;
}

void rig_assert_says(const struct err *err, enum err_code code, const char *words)
{
	ck_assert_str_eq(err_name(err->code), err_name(code));
	ck_assert_msg(strstr(err->msg, words) != NULL, "'%s' does not say '%s'", err->msg, words);
}

void rig_put_ended_moves(uint32_t count)
{
	struct store_move move = rig_move1;

	move.is_final = true;
	move.settled = true;
	move.idempotency_key[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		snprintf(move.id, sizeof(move.id), "018f0000-0000-7000-8000-%012u", i);
		move.created_ms = move.ended_ms = i;
		store_commit(rig.store,
			     &(struct store_txn){
				     { store_put_move(&move),
				       store_put_notes(&(struct store_notes){
					       move.id, rig_entry("state", ""), 1 }) } },
			     NULL, NULL);
	}
}

TCase *rig_add_case(Suite *suite, const char *name, SFun set_up)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up, rig_tear_down);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(suite, tc);
	return tc;
}
