/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: what was answered is on disk, and what is wrong with a state
 * directory is said instead of repaired. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/db.h"
#include "store/store.h"
#include "store/upgrade.h"

/* ---- rig ---- */

static char dir[64];
static struct loop *loop;
static bool is_real_loop;
static struct store *store;

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void open_store(void)
{
	struct err err = { 0 };

	store = store_open_blocking(loop, dir, &err);
	ck_assert_msg(store != NULL, "%s", err.msg);
}

static void reopen_store(void)
{
	store_close(store);
	open_store();
}

static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/migrd-store-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert(mkdtemp(dir) != NULL);
}

static void set_up_dir(void)
{
	make_dir();
	is_real_loop = false;
	loop = loop_new_sim();
	store = NULL;
}

static void set_up(void)
{
	set_up_dir();
	open_store();
}

static void set_up_real(void)
{
	make_dir();
	is_real_loop = true;
	loop = loop_new();
	open_store();
}

static void tear_down(void)
{
	struct err err = { 0 };

	store_close(store);
	loop_free(loop);
	ck_assert_msg(dir_remove(dir, &err), "%s", err.msg);
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
	if (is_real_loop)
		loop_stop(loop);
}

static void run_loop(void)
{
	if (is_real_loop)
		loop_run(loop);
	else
		loop_sim_run(loop);
}

static struct err commit(const struct store_txn *txn)
{
	struct answer answer = { 0 };

	store_commit(store, txn, on_done, &answer);
	ck_assert(!answer.is_there);
	run_loop();
	ck_assert(answer.is_there);
	return answer.err;
}

static void commit_ok(const struct store_txn *txn)
{
	struct err err = commit(txn);

	ck_assert_msg(!err_is_set(&err), "%s", err.msg);
}

static char definition[] = "{\"name\":\"vm1\"}";
static char detail[] = "{\"x\":\"\xc3\xa9\"}";

static const struct store_vm vm1 = {
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
};

static const struct store_move move1 = {
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

static struct store_vm vms[4];
static struct store_move moves[STORE_HISTORY_MAX + 100];
static size_t vm_count, move_count;

static void each_vm(void *data, struct store_vm *vm)
{
	(void)data;
	ck_assert(vm_count < ARRAY_LEN(vms));
	vms[vm_count++] = *vm;
}

static void each_move(void *data, struct store_move *move)
{
	(void)data;
	ck_assert(move_count < ARRAY_LEN(moves));
	moves[move_count++] = *move;
}

static void free_loaded(void)
{
	for (size_t i = 0; i < vm_count; i++)
		store_vm_fini(&vms[i]);
	for (size_t i = 0; i < move_count; i++)
		store_move_fini(&moves[i]);
	vm_count = move_count = 0;
}

static void load(void)
{
	struct err err = { 0 };

	free_loaded();
	ck_assert_msg(store_load_vms_blocking(store, each_vm, NULL, &err), "%s", err.msg);
	ck_assert_msg(store_load_moves_blocking(store, each_move, NULL, &err), "%s", err.msg);
}

static void assert_text_same(const char *a, const char *b)
{
	if (a && b)
		ck_assert_str_eq(a, b);
	else
		ck_assert_ptr_eq(a, b);
}

/* Byte for byte, apart from the owned text: a member that the table of columns
 * forgets is seen here. */
static void assert_vm_same(const struct store_vm *a, const struct store_vm *b)
{
	struct store_vm x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	assert_text_same(x.definition, y.definition);
	x.definition = y.definition = NULL;
	ck_assert_str_eq(x.name, y.name);
	ck_assert_mem_eq(&x, &y, sizeof(x));
}

static void assert_move_same(const struct store_move *a, const struct store_move *b)
{
	struct store_move x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	assert_text_same(x.detail, y.detail);
	x.detail = y.detail = NULL;
	ck_assert_str_eq(x.state, y.state);
	ck_assert_mem_eq(&x, &y, sizeof(x));
}

static struct store_timeline_entry *entries;
static size_t entry_count;

static void on_timeline(void *data, const struct store_timeline_entry *list, size_t count,
			const struct err *err)
{
	(void)data;
	ck_assert(err == NULL);
	free(entries);
	entries = xcalloc(count + 1, sizeof(*entries));
	if (count)
		memcpy(entries, list, count * sizeof(*entries));
	entry_count = count;
	if (is_real_loop)
		loop_stop(loop);
}

static void load_timeline(const char *move_id)
{
	entry_count = SIZE_MAX;
	store_timeline(store, move_id, on_timeline, NULL);
	ck_assert_uint_eq(entry_count, SIZE_MAX);
	run_loop();
	ck_assert_uint_ne(entry_count, SIZE_MAX);
}

static void put_both(void)
{
	commit_ok(&(struct store_txn){ .put_vm = &vm1,
				       .put_move = &move1,
				       .timeline_move = move1.id,
				       .timeline_event = "state",
				       .timeline_detail = "begin -> prepare" });
}

static struct err open_fails(void)
{
	struct err err = { 0 };

	ck_assert(store_open_blocking(loop, dir, &err) == NULL);
	ck_assert(err_is_set(&err));
	return err;
}

static void assert_says(const struct err *err, enum err_code code, const char *words)
{
	ck_assert_str_eq(err_name(err->code), err_name(code));
	ck_assert_msg(strstr(err->msg, words) != NULL, "'%s' does not say '%s'", err->msg, words);
}

/* ---- rows ---- */

/* A restart decides by these values: each must come back as it was. */
START_TEST(put_every_member_reads_back_same)
{
	put_both();

	reopen_store();

	load();
	ck_assert_uint_eq(vm_count, 1);
	assert_vm_same(&vms[0], &vm1);
	ck_assert_uint_eq(move_count, 1);
	assert_move_same(&moves[0], &move1);
	load_timeline(move1.id);
	ck_assert_uint_eq(entry_count, 1);
	ck_assert_str_eq(entries[0].event, "state");
	ck_assert_str_eq(entries[0].detail, "begin -> prepare");
	ck_assert(entries[0].at_ms > 0 && entries[0].at_ms <= clock_wall_ms());
}
END_TEST

/* "Nothing there" must not become an empty text. */
START_TEST(put_null_text_reads_back_null)
{
	struct store_vm vm = vm1;
	struct store_move move = move1;

	vm.definition = NULL;
	move.detail = NULL;
	commit_ok(&(struct store_txn){ .put_vm = &vm, .put_move = &move });
	load();
	ck_assert(vms[0].definition == NULL && moves[0].detail == NULL);
}
END_TEST

/* A state change must not take the move's history with it. */
START_TEST(put_again_updates_and_keeps_timeline)
{
	struct store_move move;
	struct store_vm vm;

	memcpy(&move, &move1, sizeof(move)); /* the padding too */
	memcpy(&vm, &vm1, sizeof(vm));
	put_both();
	snprintf(move.state, sizeof(move.state), "%s", "handover");
	snprintf(vm.name, sizeof(vm.name), "%s", "renamed");
	commit_ok(&(struct store_txn){ .put_vm = &vm, .put_move = &move });

	load();
	ck_assert_uint_eq(vm_count, 1);
	assert_vm_same(&vms[0], &vm);
	ck_assert_uint_eq(move_count, 1);
	assert_move_same(&moves[0], &move);
	load_timeline(move1.id);
	ck_assert_uint_eq(entry_count, 1);
}
END_TEST

/* The source forgets the VM, and its record of the move stays. */
START_TEST(delete_vm_keeps_move)
{
	put_both();
	commit_ok(&(struct store_txn){ .delete_vm = vm1.uuid });
	load();
	ck_assert_uint_eq(vm_count, 0);
	ck_assert_uint_eq(move_count, 1);
}
END_TEST

/* One change may hand a name from one VM to another. */
START_TEST(delete_and_put_same_name_works_in_one_change)
{
	struct store_vm vm = vm1;

	put_both();
	vm.uuid[0] = 'f';
	commit_ok(&(struct store_txn){ .delete_vm = vm1.uuid, .put_vm = &vm });
	load();
	ck_assert_uint_eq(vm_count, 1);
	ck_assert_str_eq(vms[0].uuid, vm.uuid);
}
END_TEST

/* Two VMs of one name: the second is refused, and nothing of that change stays. */
START_TEST(vm_name_taken_answers_exists_and_changes_nothing)
{
	struct store_vm vm = vm1;
	struct err err;

	commit_ok(&(struct store_txn){ .put_vm = &vm1 });
	vm.uuid[0] = 'f';
	err = commit(&(struct store_txn){ .put_vm = &vm, .put_move = &move1 });

	assert_says(&err, ERR_EXISTS, "there is a VM with the name 'vm1' already");
	load();
	ck_assert_uint_eq(vm_count, 1);
	ck_assert_uint_eq(move_count, 0);
}
END_TEST

/* A repeated request must not start a second move. */
START_TEST(idempotency_key_taken_answers_exists)
{
	struct store_move move = move1;
	struct err err;

	put_both();
	move.id[0] = 'f';
	err = commit(&(struct store_txn){ .put_move = &move });
	assert_says(&err, ERR_EXISTS, "idempotency key 'key-1'");

	move.idempotency_key[0] = '\0';
	commit_ok(&(struct store_txn){ .put_move = &move });
	move.id[0] = 'e';
	commit_ok(&(struct store_txn){ .put_move = &move });
}
END_TEST

/* An entry that nobody could ever read is a mistake worth hearing of. */
START_TEST(timeline_of_unknown_move_answers_not_found)
{
	struct err err = commit(&(struct store_txn){
		.put_vm = &vm1, .timeline_move = move1.id, .timeline_event = "state" });

	assert_says(&err, ERR_NOT_FOUND, move1.id);
	load();
	ck_assert_uint_eq(vm_count, 0);
	load_timeline(move1.id);
	ck_assert_uint_eq(entry_count, 0);
}
END_TEST

/* An empty change still answers: a caller may have nothing to say. */
START_TEST(empty_change_is_answered)
{
	commit_ok(&(struct store_txn){ 0 });
}
END_TEST

/* ---- order ---- */

static char order[32];

static void on_ordered(void *data, const struct err *err)
{
	ck_assert(err == NULL);
	strbuf_add(data, "x", 1);
	if (is_real_loop && ((struct strbuf *)data)->len == 20)
		loop_stop(loop);
}

static struct strbuf answered = STRBUF_INIT;

static void on_numbered(void *data, const struct err *err)
{
	ck_assert(err == NULL);
	ck_assert_ptr_eq(data, &order[answered.len]);
	on_ordered(&answered, err);
}

/* The state machine writes state after state: the last one must win. */
START_TEST(commits_are_done_in_the_order_of_the_calls)
{
	struct store_move move = move1;

	strbuf_clear(&answered);
	for (size_t i = 0; i < 20; i++) {
		snprintf(move.state, sizeof(move.state), "s%zu", i);
		store_commit(store,
			     &(struct store_txn){ .put_move = &move,
						  .timeline_move = move.id,
						  .timeline_event = move.state },
			     on_numbered, &order[i]);
	}
	run_loop();

	ck_assert_uint_eq(answered.len, 20);
	load();
	ck_assert_str_eq(moves[0].state, "s19");
	load_timeline(move.id);
	ck_assert_uint_eq(entry_count, 20);
	for (size_t i = 0; i < 20; i++) {
		snprintf(move.state, sizeof(move.state), "s%zu", i);
		ck_assert_str_eq(entries[i].event, move.state);
	}
	strbuf_fini(&answered);
	answered = (struct strbuf)STRBUF_INIT;
}
END_TEST

static void on_done_commit_again(void *data, const struct err *err)
{
	struct store_vm vm = vm1;

	ck_assert(err == NULL);
	*(int *)data += 1;
	vm.generation = (uint64_t) * (int *)data;
	if (*(int *)data < 3)
		store_commit(store, &(struct store_txn){ .put_vm = &vm }, on_done_commit_again,
			     data);
}

/* An orderly end loses nothing, not even what an answer asks for on the way. */
START_TEST(close_finishes_what_was_queued_and_what_follows)
{
	int count = 0;

	store_commit(store, &(struct store_txn){ .put_vm = &vm1 }, on_done_commit_again, &count);
	store_commit(store, &(struct store_txn){ .put_move = &move1 }, NULL, NULL);
	reopen_store();

	ck_assert_int_eq(count, 3);
	load();
	ck_assert_uint_eq(vms[0].generation, 2);
	ck_assert_uint_eq(move_count, 1);
}
END_TEST

/* ---- bounds ---- */

/* A move that asks again for days keeps how it began and how it stands. */
START_TEST(timeline_over_limit_keeps_first_and_last)
{
	char event[32];

	put_both();
	for (int i = 2; i <= STORE_TIMELINE_MAX + 50; i++) {
		snprintf(event, sizeof(event), "e%d", i);
		store_commit(store,
			     &(struct store_txn){ .timeline_move = move1.id,
						  .timeline_event = event },
			     NULL, NULL);
	}
	load_timeline(move1.id);
	ck_assert_uint_eq(entry_count, STORE_TIMELINE_MAX);
	ck_assert_str_eq(entries[0].event, "state");
	ck_assert_str_eq(entries[99].event, "e100");
	ck_assert_str_eq(entries[100].event, "e151");
	ck_assert_str_eq(entries[STORE_TIMELINE_MAX - 1].event, "e1050");
}
END_TEST

/* Long text is cut between two characters: the API must stay valid UTF-8. */
START_TEST(timeline_long_text_is_cut_at_a_character)
{
	char text[401];

	text[0] = 'x';
	for (size_t i = 1; i < sizeof(text) - 1; i += 3)
		memcpy(&text[i], "\xe2\x82\xac", 3);
	text[sizeof(text) - 1] = '\0';
	put_both();
	commit_ok(&(struct store_txn){
		.timeline_move = move1.id, .timeline_event = text, .timeline_detail = text });
	load_timeline(move1.id);
	ck_assert_uint_eq(strlen(entries[1].event), 61);
	ck_assert_uint_eq(strlen(entries[1].detail), 253);
	ck_assert_int_eq(strncmp(entries[1].detail, text, 253), 0);
}
END_TEST

static void put_ended_moves(uint32_t count)
{
	struct store_move move = move1;

	move.is_final = true;
	move.idempotency_key[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		snprintf(move.id, sizeof(move.id), "018f0000-0000-7000-8000-%012u", i);
		move.created_ms = move.ended_ms = i;
		store_commit(store,
			     &(struct store_txn){ .put_move = &move,
						  .timeline_move = move.id,
						  .timeline_event = "state" },
			     NULL, NULL);
	}
}

/* The history is bounded, and what is still under way is never part of it. */
START_TEST(ended_moves_over_limit_are_deleted_oldest_first)
{
	put_both();
	put_ended_moves(STORE_HISTORY_MAX + 70);
	loop_sim_run(loop);
	load();
	ck_assert_uint_eq(move_count, STORE_HISTORY_MAX + 1);

	store_idle(store);
	loop_sim_run(loop);
	load();
	ck_assert_uint_eq(move_count, STORE_HISTORY_MAX + 1);
	ck_assert_str_eq(moves[0].id, "018f0000-0000-7000-8000-000000000070");
	ck_assert_str_eq(moves[STORE_HISTORY_MAX].id, move1.id);
	load_timeline("018f0000-0000-7000-8000-000000000069");
	ck_assert_uint_eq(entry_count, 0);
	load_timeline(move1.id);
	ck_assert_uint_eq(entry_count, 1);
}
END_TEST

static off_t wal_bytes(void)
{
	struct stat st = { 0 };

	return stat(path_of("migrd.db-wal"), &st) == 0 ? st.st_size : 0;
}

static void put_large(size_t count, enum err_code expected)
{
	CLEANUP(free_charp) char *text = xcalloc(1, (1u << 20) + 1);
	struct store_vm vm = vm1;

	vm.definition = text;
	for (size_t i = 0; i < count; i++) {
		struct err err;

		memset(text, 'a' + (int)(i % 26), 1u << 20); /* the same again costs no page */
		err = commit(&(struct store_txn){ .put_vm = &vm });
		ck_assert_msg(err.code == expected, "%s", err.msg);
	}
}

/* No commit pays for a checkpoint while moves run, until the log is too large. */
START_TEST(log_is_checkpointed_when_idle_or_over_its_limit)
{
	put_large(8, ERR_NONE);
	ck_assert_int_gt(wal_bytes(), 8 << 20);
	store_idle(store);
	loop_sim_run(loop);
	ck_assert_int_eq(wal_bytes(), 0);

	put_large(100, ERR_NONE);
	ck_assert_int_lt(wal_bytes(), 68 << 20);
	load();
	ck_assert_uint_eq(strlen(vms[0].definition), 1u << 20);
}
END_TEST

/* ---- what is wrong with a state directory ---- */

struct bytes {
	char *data;
	size_t len;
};

static struct bytes read_db(void)
{
	struct bytes bytes;
	struct err err = { 0 };

	ck_assert_msg(file_read(path_of("migrd.db"), 64u << 20, &bytes.data, &bytes.len, &err),
		      "%s", err.msg);
	return bytes;
}

static void write_db(const void *data, size_t len)
{
	struct err err = { 0 };

	ck_assert_msg(file_write(path_of("migrd.db"), data, len, 0600, &err), "%s", err.msg);
}

/* Opening answers STORE with WORDS, and the file is as it was before. */
static void assert_refused_untouched(const char *words)
{
	struct bytes before = read_db(), after;
	struct err err = open_fails();

	assert_says(&err, ERR_STORE, words);
	assert_says(&err, ERR_STORE, path_of("migrd.db"));
	after = read_db();
	ck_assert_uint_eq(before.len, after.len);
	ck_assert_int_eq(memcmp(before.data, after.data, before.len), 0);
	free(before.data);
	free(after.data);
}

static void make_db(void)
{
	open_store();
	put_both();
	put_ended_moves(100);
	store_close(store);
	store = NULL;
}

static void exec_sql(const char *sql)
{
	sqlite3 *sqlite = NULL;

	ck_assert_int_eq(sqlite3_open(path_of("migrd.db"), &sqlite), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sqlite);
}

/* A downgrade would read what it does not understand. */
START_TEST(newer_schema_is_refused)
{
	make_db();
	exec_sql("PRAGMA user_version = 7");
	assert_refused_untouched("was written by a newer migrd (schema 7, this one knows 1)");
}
END_TEST

/* A wrong state_dir must not be filled with our tables. */
START_TEST(database_of_another_program_is_refused)
{
	exec_sql("CREATE TABLE t (a)");
	assert_refused_untouched("is a database of another program");
}
END_TEST

/* Not a database at all: noise, as a broken disk or a wrong restore leaves it. */
START_TEST(garbage_file_is_refused)
{
	char noise[8192];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 31 + 7);
	write_db(noise, sizeof(noise));
	assert_refused_untouched("is broken (file is not a database)");
}
END_TEST

/* SQLite would take it for a new one, and forget guests that run. */
START_TEST(empty_file_is_refused)
{
	write_db("", 0);
	assert_refused_untouched("is broken (it is cut off)");
}
END_TEST

/* Cut anywhere: at a page, within a page, within the header. */
START_TEST(truncated_file_is_refused)
{
	static const size_t cuts[] = { 8192, 10000, 4096, 60 };
	struct bytes whole;

	make_db();
	whole = read_db();
	ck_assert_uint_gt(whole.len, 16384);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		write_db(whole.data, cuts[i]);
		assert_refused_untouched("is broken");
	}
	free(whole.data);
}
END_TEST

/* Damage in the middle is found at the start, not when the row is needed. */
START_TEST(damaged_page_is_refused)
{
	struct bytes whole;

	make_db();
	whole = read_db();
	memset(whole.data + 4096, 0xa5, 4096);
	write_db(whole.data, whole.len);
	free(whole.data);
	assert_refused_untouched("is broken");
}
END_TEST

/* A log without its database says that somebody removed the wrong file. */
START_TEST(database_gone_but_log_there_is_refused)
{
	struct err err = { 0 };

	ck_assert(file_write(path_of("migrd.db-wal"), "x", 1, 0600, &err));
	err = open_fails();
	assert_says(&err, ERR_STORE, "is gone, but its log");
}
END_TEST

/* A crash while the first database is made must not need a person. */
START_TEST(half_made_database_is_made_again)
{
	struct err err = { 0 };

	ck_assert(file_write(path_of("migrd.db.new"), "half", 4, 0600, &err));
	open_store();
	put_both();
	ck_assert_int_ne(access(path_of("migrd.db.new"), F_OK), 0);
}
END_TEST

/* What a VM definition holds is nobody else's. */
START_TEST(directory_open_to_others_is_refused)
{
	struct err err;

	ck_assert_int_eq(chmod(dir, 0750), 0);
	err = open_fails();
	assert_says(&err, ERR_STORE, "is open to other users (mode 0750)");
	assert_says(&err, ERR_STORE, "chmod 0700");
}
END_TEST

/* Only root can make this directory; others have "/", which is root's. */
START_TEST(directory_of_another_user_is_refused)
{
	struct err err = { 0 };

	if (geteuid() != 0) {
		ck_assert(store_open_blocking(loop, "/", &err) == NULL);
		assert_says(&err, ERR_STORE, "belongs to user 0");
		return;
	}
	ck_assert_int_eq(chown(dir, 12345, 12345), 0);
	err = open_fails();
	assert_says(&err, ERR_STORE, "belongs to user 12345, but migrd runs as user 0");
}
END_TEST

START_TEST(missing_directory_is_made_private)
{
	struct stat st;

	ck_assert_int_eq(rmdir(dir), 0);
	open_store();
	ck_assert_int_eq(stat(dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(path_of("migrd.db"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* Two daemons on one state would both own the same guests. */
START_TEST(second_process_is_refused_with_pid_of_first)
{
	char words[64];
	pid_t child;
	int status;

	snprintf(words, sizeof(words), "in use by another migrd (process %d)", getpid());
	child = fork();
	if (child == 0) {
		struct err err = { 0 };

		if (store_db_open(dir, &err))
			_exit(1);
		_exit(err.code == ERR_BUSY && strstr(err.msg, words) ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	put_both();
}
END_TEST

/* ---- upgrades ---- */

/* An upgrade that fails half way leaves the schema, the number and the rows. */
START_TEST(upgrade_failing_leaves_state_before_it)
{
	static const struct store_upgrade bad[] = {
		{ 1, "001-first", "" },
		{ 2, "002-good", "CREATE TABLE good (a INTEGER) STRICT;" },
		{ 3, "003-bad", "CREATE TABLE bad (a INTEGER) STRICT; DROP TABLE vm; oops;" },
	};
	struct err err = { 0 };
	struct store_db *db;
	int64_t version = 0, count = 0;

	make_db();
	db = store_db_open(dir, &err);
	ck_assert(db != NULL);
	ck_assert(!store_upgrade_run(db, bad, ARRAY_LEN(bad), &err));
	assert_says(&err, ERR_STORE, "upgrade 003-bad");

	ck_assert(store_sql_int(db, "PRAGMA user_version", &version, &err));
	ck_assert_int_eq(version, 2);
	ck_assert(store_sql_int(db, "SELECT count(*) FROM good", &count, &err));
	ck_assert(!store_sql_int(db, "SELECT count(*) FROM bad", &count, &err));
	ck_assert(store_sql_int(db, "SELECT count(*) FROM vm", &count, &err));
	ck_assert_int_eq(count, 1);
	store_db_free(db);
}
END_TEST

/* ---- crashes ---- */

#define KILL_AFTER 50

static int report_fd;
static uint32_t report_next;

static void commit_next(void);

static void on_reported(void *data, const struct err *err)
{
	(void)data;
	if (err || write(report_fd, &report_next, sizeof(report_next)) < 0)
		_exit(1);
	report_next++;
	commit_next();
}

static void commit_next(void)
{
	struct store_move move = move1;

	snprintf(move.id, sizeof(move.id), "018f0000-0000-7000-8000-%012u", report_next);
	move.idempotency_key[0] = '\0';
	move.created_ms = report_next;
	move.generation = report_next;
	store_commit(store,
		     &(struct store_txn){ .put_move = &move,
					  .timeline_move = move.id,
					  .timeline_event = "state" },
		     on_reported, NULL);
	if (report_next % 16 == 15)
		store_idle(store);
}

static void commit_for_ever(int fd)
{
	struct err err = { 0 };

	report_fd = fd;
	loop = loop_new();
	store = store_open_blocking(loop, dir, &err);
	if (!store)
		_exit(1);
	commit_next();
	loop_run(loop);
	_exit(1);
}

/* The promise itself: whatever was answered is there, in order, without gaps. */
START_TEST(killed_while_committing_keeps_all_that_was_answered)
{
	uint32_t number = 0, count = 0;
	int fds[2], status;
	pid_t child;

	ck_assert_int_eq(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		close(fds[0]);
		commit_for_ever(fds[1]);
	}
	close(fds[1]);
	while (read(fds[0], &number, sizeof(number)) == sizeof(number)) {
		ck_assert_uint_eq(number, count);
		if (++count == (uint32_t)(KILL_AFTER + _i * 7))
			kill(child, SIGKILL);
	}
	close(fds[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	ck_assert_uint_ge(count, KILL_AFTER);

	open_store();
	load();
	ck_assert_uint_ge(move_count, count);
	for (size_t i = 0; i < move_count; i++)
		ck_assert_uint_eq(moves[i].generation, i);
}
END_TEST

/* ---- a full disk ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No space: the old state stays, and when there is room again work goes on. */
START_TEST(disk_full_answers_no_space_and_recovers)
{
	put_both();
	limit_files(512 * 1024);
	put_large(3, ERR_NO_SPACE);
	load();
	assert_vm_same(&vms[0], &vm1);
	store_idle(store);
	put_large(1, ERR_NO_SPACE);

	limit_files(RLIM_INFINITY);
	put_large(2, ERR_NONE);
	reopen_store();
	load();
	ck_assert_uint_eq(strlen(vms[0].definition), 1u << 20);
	ck_assert_uint_eq(move_count, 1);
}
END_TEST

/* ---- fault points ---- */

#ifdef ENABLE_FAULT_INJECTION
static void plan_faults(const char *plan)
{
	struct err err = { 0 };

	setenv("MIGRD_FAULTS", plan, 1);
	ck_assert_msg(fault_init(&err), "%s", err.msg);
}

static const struct fault_case {
	const char *point;
	bool is_written; /* after the commit: the answer is lost, not the change */
} fault_cases[] = {
	{ "store.commit", false },
	{ "store.move.transfer.before", false },
	{ "store.move.transfer.after", true },
	{ "store.committed", true },
};

/* Every point answers an error once, and the next change works. */
START_TEST(fault_at_each_point_answers_once_and_recovers)
{
	const struct fault_case *c = &fault_cases[_i];
	char plan[64];
	struct err err;

	snprintf(plan, sizeof(plan), "%s:error", c->point);
	plan_faults(plan);
	err = commit(&(struct store_txn){ .put_vm = &vm1, .put_move = &move1 });
	ck_assert(err_is_set(&err));
	load();
	ck_assert_uint_eq(vm_count, c->is_written ? 1 : 0);
	ck_assert_uint_eq(move_count, c->is_written ? 1 : 0);

	put_both();
	load();
	ck_assert_uint_eq(move_count, 1);
}
END_TEST

/* A crash at each point: after it, all of the change is there, or nothing. */
START_TEST(crash_at_each_point_keeps_all_or_nothing)
{
	const struct fault_case *c = &fault_cases[_i];
	char plan[64];
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		snprintf(plan, sizeof(plan), "%s:crash", c->point);
		plan_faults(plan);
		open_store();
		put_both();
		_exit(1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 99);
	open_store();
	load();
	ck_assert_uint_eq(vm_count, c->is_written ? 1 : 0);
	ck_assert_uint_eq(move_count, c->is_written ? 1 : 0);
}
END_TEST
#endif

/* ---- suite ---- */

static void tear_down_all(void)
{
	free_loaded();
	free(entries);
	entries = NULL;
	tear_down();
}

static void add_rows(TCase *tc)
{
	tcase_add_test(tc, put_every_member_reads_back_same);
	tcase_add_test(tc, put_null_text_reads_back_null);
	tcase_add_test(tc, put_again_updates_and_keeps_timeline);
	tcase_add_test(tc, delete_vm_keeps_move);
	tcase_add_test(tc, delete_and_put_same_name_works_in_one_change);
	tcase_add_test(tc, vm_name_taken_answers_exists_and_changes_nothing);
	tcase_add_test(tc, idempotency_key_taken_answers_exists);
	tcase_add_test(tc, timeline_of_unknown_move_answers_not_found);
	tcase_add_test(tc, empty_change_is_answered);
	tcase_add_test(tc, commits_are_done_in_the_order_of_the_calls);
	tcase_add_test(tc, close_finishes_what_was_queued_and_what_follows);
	tcase_add_test(tc, timeline_over_limit_keeps_first_and_last);
	tcase_add_test(tc, timeline_long_text_is_cut_at_a_character);
	tcase_add_test(tc, disk_full_answers_no_space_and_recovers);
}

static TCase *add_case(Suite *s, const char *name, SFun set_up_fn)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up_fn, tear_down_all);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
	return tc;
}

static void add_refusals(TCase *tc)
{
	tcase_add_test(tc, newer_schema_is_refused);
	tcase_add_test(tc, database_of_another_program_is_refused);
	tcase_add_test(tc, garbage_file_is_refused);
	tcase_add_test(tc, empty_file_is_refused);
	tcase_add_test(tc, truncated_file_is_refused);
	tcase_add_test(tc, damaged_page_is_refused);
	tcase_add_test(tc, database_gone_but_log_there_is_refused);
	tcase_add_test(tc, half_made_database_is_made_again);
	tcase_add_test(tc, directory_open_to_others_is_refused);
	tcase_add_test(tc, directory_of_another_user_is_refused);
	tcase_add_test(tc, missing_directory_is_made_private);
	tcase_add_test(tc, upgrade_failing_leaves_state_before_it);
	tcase_add_loop_test(tc, killed_while_committing_keeps_all_that_was_answered, 0, 5);
}

static Suite *make_suite(void)
{
	Suite *s = suite_create("store");
	TCase *sim = add_case(s, "sim", set_up);
	TCase *closed = add_case(s, "closed", set_up_dir);

	add_rows(sim);
	add_rows(add_case(s, "real", set_up_real));
	tcase_add_test(sim, ended_moves_over_limit_are_deleted_oldest_first);
	tcase_add_test(sim, log_is_checkpointed_when_idle_or_over_its_limit);
	tcase_add_test(sim, second_process_is_refused_with_pid_of_first);
	add_refusals(closed);
#ifdef ENABLE_FAULT_INJECTION
	tcase_add_loop_test(sim, fault_at_each_point_answers_once_and_recovers, 0,
			    (int)ARRAY_LEN(fault_cases));
	tcase_add_loop_test(closed, crash_at_each_point_keeps_all_or_nothing, 0,
			    (int)ARRAY_LEN(fault_cases));
#endif
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	log_set_level(LOG_LEVEL_ERROR);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
