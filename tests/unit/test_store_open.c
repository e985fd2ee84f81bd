/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fault of the state directory is reported, not repaired, and a kill loses nothing that
 * was answered. */
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "store/upgrade.h"
#include "store_rig.h"

/* ---- what is wrong with a state directory ---- */

struct bytes {
	char *data;
	size_t len;
};

static struct bytes read_db(void)
{
	struct bytes bytes;
	struct err err = { 0 };

	ck_assert_msg(file_read(rig_path("migrd.db"), 64u << 20, &bytes.data, &bytes.len, &err),
		      "%s", err.msg);
	return bytes;
}

static void write_db(const void *data, size_t len)
{
	struct err err = { 0 };

	ck_assert_msg(file_write(rig_path("migrd.db"), data, len, 0600, &err), "%s", err.msg);
}

/* Opening must fail with STORE and WORDS, and must not change the file. */
static void assert_refused_untouched(const char *words)
{
	struct bytes before = read_db(), after;
	struct err err = rig_open_fails();

	rig_assert_says(&err, ERR_STORE, words);
	rig_assert_says(&err, ERR_STORE, rig_path("migrd.db"));
	after = read_db();
	ck_assert_uint_eq(before.len, after.len);
	ck_assert_int_eq(memcmp(before.data, after.data, before.len), 0);
	free(before.data);
	free(after.data);
}

static void make_db(void)
{
	rig_open();
	rig_put_both();
	rig_put_ended_moves(100);
	store_close(rig.store);
	rig.store = NULL;
}

static void exec_sql(const char *sql)
{
	sqlite3 *sqlite = NULL;

	ck_assert_int_eq(sqlite3_open(rig_path("migrd.db"), &sqlite), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sqlite);
}

/* A downgraded daemon would misread the newer schema. */
START_TEST(newer_schema_is_refused)
{
	make_db();
	exec_sql("PRAGMA user_version = 20");
	assert_refused_untouched("was written by a newer migrd (schema 20, this one knows 19)");
}
END_TEST

/* A wrong state_dir must not be filled with our tables. */
START_TEST(database_of_another_program_is_refused)
{
	exec_sql("CREATE TABLE t (a)");
	assert_refused_untouched("is a database of another program");
}
END_TEST

/* A broken disk or a wrong restore may leave random bytes. */
START_TEST(garbage_file_is_refused)
{
	char noise[8192];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 31 + 7);
	write_db(noise, sizeof(noise));
	assert_refused_untouched("is broken (file is not a database)");
}
END_TEST

/* SQLite would take an empty file for a new database, and running guests would be forgotten. */
START_TEST(empty_file_is_refused)
{
	write_db("", 0);
	assert_refused_untouched("is broken (it is cut off)");
}
END_TEST

/* The cuts are at a page, within a page and within the header. */
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

/* Damage in the middle must be found at the start, not when the row is needed. */
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

/* A changed value in a file that SQLite finds intact. */
START_TEST(changed_value_is_refused)
{
	static const struct {
		const char *change, *words;
	} cases[] = {
		{ "UPDATE vm SET generation = generation + 1", "of 'vm' is not as it was written" },
		{ "UPDATE vm SET definition = NULL", "of 'vm' is not as it was written" },
		{ "UPDATE move SET verdict = 'refused' WHERE rowid = 1",
		  "row 1 of 'move' is not as it was written" },
		{ "UPDATE move SET detail = substr(detail, 1, 1) WHERE rowid = 1",
		  "row 1 of 'move' is not as it was written" },
		{ "INSERT INTO hook VALUES ('h', 'h', 'done', 1, '', NULL, NULL, 1, 1, 1, 0)",
		  "of 'hook' is not as it was written" },
		{ "INSERT INTO maintenance VALUES ('m', 'done', 1, '', '', NULL, NULL, NULL, 1, 1, "
		  "1, 0)",
		  "of 'maintenance' is not as it was written" },
		{ "INSERT INTO answer VALUES ('a k', 'x', 200, NULL, 1, 0)",
		  "of 'answer' is not as it was written" },
		{ "INSERT INTO vmbackup VALUES ('b', 'u', 'vm1', NULL, 'done', 1, '', '', NULL, 1, "
		  "1, 1, 0)",
		  "of 'vmbackup' is not as it was written" },
		{ "INSERT INTO webhook VALUES ('w', NULL, '', 'ada', 0, 1, 1, 0)",
		  "of 'webhook' is not as it was written" },
		{ "INSERT INTO delivery VALUES ('w-1', 'w', 1, 'waiting', 'vm', NULL, 0, 0, '', 1, "
		  "1, 0, 0, 0)",
		  "of 'delivery' is not as it was written" },
	};
	struct bytes whole;

	make_db();
	whole = read_db();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_db(whole.data, whole.len);
		exec_sql(cases[i].change);
		assert_refused_untouched(cases[i].words);
	}
	write_db(whole.data, whole.len);
	rig_open();
	free(whole.data);
}
END_TEST

/* Rows from before the sums are accepted as they are. */
START_TEST(rows_of_an_older_schema_get_their_sums)
{
	make_db();
	exec_sql("ALTER TABLE vm DROP COLUMN sum; ALTER TABLE move DROP COLUMN sum;"
		 "ALTER TABLE vm DROP COLUMN save_id; ALTER TABLE vm DROP COLUMN saved_in;"
		 "ALTER TABLE vm DROP COLUMN qemu_is_second; ALTER TABLE vm DROP COLUMN reverting;"
		 "ALTER TABLE vm DROP COLUMN seen_boot; ALTER TABLE vm DROP COLUMN autostart_due;"
		 "DROP TABLE save; DROP TABLE refresh; DROP TABLE policy; DROP TABLE queue; "
		 "DROP TABLE hold; DROP TABLE evacuation; DROP TABLE hook; DROP TABLE maintenance; "
		 "DROP TABLE answer; DROP TABLE delivery; DROP TABLE webhook; DROP TABLE vmbackup; "
		 "PRAGMA user_version = 5");
	for (int i = 0; i < 2; i++) {
		rig_open();
		store_close(rig.store);
		rig.store = NULL;
	}
	exec_sql("UPDATE vm SET intent = 'stopped'");
	assert_refused_untouched("of 'vm' is not as it was written");
}
END_TEST

/* A log without its database means that a wrong file was removed. */
START_TEST(database_gone_but_log_there_is_refused)
{
	struct err err = { 0 };

	ck_assert(file_write(rig_path("migrd.db-wal"), "x", 1, 0600, &err));
	err = rig_open_fails();
	rig_assert_says(&err, ERR_STORE, "is gone, but its log");
}
END_TEST

/* A crash while the first database is made must not need a person's help. */
START_TEST(half_made_database_is_made_again)
{
	struct err err = { 0 };

	ck_assert(file_write(rig_path("migrd.db.new"), "half", 4, 0600, &err));
	rig_open();
	rig_put_both();
	ck_assert_int_ne(access(rig_path("migrd.db.new"), F_OK), 0);
}
END_TEST

/* Only the daemon's user may read the definitions of VMs. */
START_TEST(directory_open_to_others_is_refused)
{
	struct err err;

	ck_assert_int_eq(chmod(rig.dir, 0750), 0);
	err = rig_open_fails();
	rig_assert_says(&err, ERR_STORE, "is open to other users (mode 0750)");
	rig_assert_says(&err, ERR_STORE, "chmod 0700");
}
END_TEST

/* Only root can give a directory to another user; other users take "/", which is root's. */
START_TEST(directory_of_another_user_is_refused)
{
	struct err err = { 0 };

	if (geteuid() != 0) {
		ck_assert(store_open_blocking(rig.loop, "/", &err) == NULL);
		rig_assert_says(&err, ERR_STORE, "belongs to user 0");
		return;
	}
	ck_assert_int_eq(chown(rig.dir, 12345, 12345), 0);
	err = rig_open_fails();
	rig_assert_says(&err, ERR_STORE, "belongs to user 12345, but migrd runs as user 0");
}
END_TEST

START_TEST(missing_directory_is_made_private)
{
	struct stat st;

	ck_assert_int_eq(rmdir(rig.dir), 0);
	rig_open();
	ck_assert_int_eq(stat(rig.dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(rig_path("migrd.db"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* Two daemons on one database would both own the same guests. */
START_TEST(second_process_is_refused_with_pid_of_first)
{
	char words[64];
	pid_t child;
	int status;

	snprintf(words, sizeof(words), "in use by another migrd (process %d)", getpid());
	child = fork();
	if (child == 0) {
		struct err err = { 0 };

		if (store_db_open(rig.dir, &err))
			_exit(1);
		_exit(err.code == ERR_BUSY && strstr(err.msg, words) ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	rig_put_both();
}
END_TEST

/* A kill does not test a power cut, so the settings that make a commit durable are checked. */
START_TEST(open_database_syncs_every_commit)
{
	static const struct {
		const char *sql;
		int64_t value;
	} settings[] = {
		{ "PRAGMA synchronous", 2 }, /* FULL */
		{ "PRAGMA wal_autocheckpoint", 0 },
		{ "PRAGMA foreign_keys", 1 },
		{ "SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1 },
	};
	struct err err = { 0 };
	struct store_db *db = store_db_open(rig.dir, &err);

	ck_assert_msg(db != NULL, "%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		int64_t value = -1;

		ck_assert_msg(store_sql_int(db, settings[i].sql, &value, &err), "%s", err.msg);
		ck_assert_msg(value == settings[i].value, "%s", settings[i].sql);
	}
	store_db_free(db);
}
END_TEST

/* ---- upgrades ---- */

/* An upgrade that fails half-way changes neither the schema, nor its number, nor the rows. */
START_TEST(upgrade_failing_leaves_state_before_it)
{
	static const struct store_upgrade bad[] = {
		{ 1, "001-first", "" },
		{ 2, "002-adopted", "" },
		{ 3, "003-attaching", "" },
		{ 4, "004-identity", "" },
		{ 5, "005-settled", "" },
		{ 6, "006-sum", "" },
		{ 7, "007-save", "" },
		{ 8, "008-refresh", "" },
		{ 9, "009-policy", "" },
		{ 10, "010-queue", "" },
		{ 11, "011-hold", "" },
		{ 12, "012-evacuation", "" },
		{ 13, "013-hook", "" },
		{ 14, "014-maintenance", "" },
		{ 15, "015-answer", "" },
		{ 16, "016-webhook", "" },
		{ 17, "017-vmbackup", "" },
		{ 18, "018-autostart", "" },
		{ 19, "019-reverting", "" },
		{ 20, "020-good", "CREATE TABLE good (a INTEGER) STRICT;" },
		{ 21, "021-bad", "CREATE TABLE bad (a INTEGER) STRICT; DROP TABLE vm; oops;" },
	};
	struct err err = { 0 };
	struct store_db *db;
	int64_t version = 0, count = 0;

	make_db();
	db = store_db_open(rig.dir, &err);
	ck_assert(db != NULL);
	ck_assert(!store_upgrade_run(db, bad, ARRAY_LEN(bad), &err));
	rig_assert_says(&err, ERR_STORE, "upgrade 021-bad");

	ck_assert(store_sql_int(db, "PRAGMA user_version", &version, &err));
	ck_assert_int_eq(version, 20);
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
	struct store_move move = rig_move1;

	snprintf(move.id, sizeof(move.id), "018f0000-0000-7000-8000-%012u", report_next);
	move.idempotency_key[0] = '\0';
	move.created_ms = report_next;
	move.generation = report_next;
	store_commit(rig.store,
		     &(struct store_txn){ { store_put_move(&move),
					    store_put_notes(&(struct store_notes){
						    move.id, rig_entry("state", ""), 1 }) } },
		     on_reported, NULL);
	if (report_next % 16 == 15)
		store_idle(rig.store);
}

static void commit_for_ever(int fd)
{
	struct err err = { 0 };

	report_fd = fd;
	rig.loop = loop_new();
	rig.store = store_open_blocking(rig.loop, rig.dir, &err);
	if (!rig.store)
		_exit(1);
	commit_next();
	loop_run(rig.loop);
	_exit(1);
}

/* Every change that was answered is there after a kill, in order, without gaps. */
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

	rig_open();
	rig_load();
	ck_assert_uint_ge(rig.move_count, count);
	for (size_t i = 0; i < rig.move_count; i++)
		ck_assert_uint_eq(rig.moves[i].generation, i);
}
END_TEST

/* ---- suite ---- */

Suite *suite(void)
{
	Suite *s = suite_create("store_open");
	TCase *closed = rig_add_case(s, "closed", rig_set_up_closed);
	TCase *open = rig_add_case(s, "open", rig_set_up);

	tcase_add_test(closed, newer_schema_is_refused);
	tcase_add_test(closed, database_of_another_program_is_refused);
	tcase_add_test(closed, garbage_file_is_refused);
	tcase_add_test(closed, empty_file_is_refused);
	tcase_add_test(closed, truncated_file_is_refused);
	tcase_add_test(closed, damaged_page_is_refused);
	tcase_add_test(closed, changed_value_is_refused);
	tcase_add_test(closed, rows_of_an_older_schema_get_their_sums);
	tcase_add_test(closed, database_gone_but_log_there_is_refused);
	tcase_add_test(closed, half_made_database_is_made_again);
	tcase_add_test(closed, directory_open_to_others_is_refused);
	tcase_add_test(closed, directory_of_another_user_is_refused);
	tcase_add_test(closed, missing_directory_is_made_private);
	tcase_add_test(closed, upgrade_failing_leaves_state_before_it);
	tcase_add_test(closed, open_database_syncs_every_commit);
	tcase_add_loop_test(closed, killed_while_committing_keeps_all_that_was_answered, 0, 5);
	tcase_add_test(open, second_process_is_refused_with_pid_of_first);
	return s;
}
