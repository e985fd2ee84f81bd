/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU is asked before it is adopted: its answers, and whether each possible change is seen.
 */
#include "adopt/changes.h"
#include "adopt_rig.h"
#include "base/file.h"
#include "guard/refused.h"

/* ---- facts --------------------------------------------------------------------------------- */

static bool take(const char *command, const char *path, const char *json, struct err *err)
{
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(json);

	return adopt_facts_take(facts, command, path, obj, err);
}

START_TEST(answers_are_taken_as_they_are)
{
	struct err err;

	facts->device_count = 0;
	ck_assert(take("query-name", NULL, "{}", &err));
	ck_assert_str_eq(facts->name, "");
	ck_assert(take("qom-get", "/machine", "\"pc-i440fx-7.2-machine\"", &err));
	ck_assert_str_eq(facts->machine, "pc-i440fx-7.2");
	ck_assert(take("query-migrate", NULL, "{\"status\":\"active\"}", &err));
	ck_assert_int_eq(facts->migration, QMP_MIG_ACTIVE);
	ck_assert(take("qom-list", "/machine/unattached",
		       "[{\"name\":\"type\",\"type\":\"string\"},{\"name\":\"irq[0]\",\"type\":"
		       "\"child<irq>\"},{\"name\":\"device[12]\",\"type\":\"child<VGA>\"}]",
		       &err));
	ck_assert_uint_eq(facts->device_count, 1);
	ck_assert_str_eq(facts->devices[0].type, "VGA");
	ck_assert_uint_eq(facts->devices[0].number, 12);
	ck_assert(!take("qom-get", "/machine", "\"nonsense\"", &err));
	ck_assert(!take("query-cpus-fast", NULL, "{}", &err) || facts->vcpus);
	ck_assert(!take("query-memory-size-summary", NULL, "[]", &err));
	ck_assert(take("query-block", NULL,
		       "[{\"device\":\"\",\"qdev\":\"/machine/peripheral/a/x\",\"inserted\":{"
		       "\"file\":\"/f\",\"drv\":\"raw\",\"ro\":true,\"bps\":7,\"cache\":{"
		       "\"direct\":true}}},{\"device\":\"cd\"}]",
		       &err));
	ck_assert_uint_eq(facts->blocks.count, 2);
	ck_assert(facts->blocks.list[0].readonly && facts->blocks.list[0].direct);
	ck_assert_uint_eq(facts->blocks.list[0].limits[0], 7);
	ck_assert(!facts->blocks.list[1].has_medium);
	ck_assert(take("human-monitor-command", "info network",
		       "\"hub 0\\r\\n \\\\ n0: index=0,type=tap,ifname=tap3,script=no\\r\\n"
		       "c: index=0,type=nic,model=e1000e\\r\\n\"",
		       &err));
	ck_assert_uint_eq(facts->nets.count, 1);
	ck_assert_str_eq(adopt_backend_find(facts, "n0")->ifname, "tap3");
	ck_assert(take("human-monitor-command", "info usernet",
		       "\"Hub -1 (n0):\\r\\n  Protocol[State]    FD  Source Address  Port\\r\\n"
		       "  TCP[HOST_FORWARD]  14       127.0.0.1 2222  10.0.2.15    22     0     0"
		       "\\r\\n  TCP[ESTABLISHED]   15       10.0.2.15 44444  1.2.3.4    80    0   0"
		       "\\r\\n  UDP[HOST_FORWARD]  16               * 5353  10.0.2.15    53     0  "
		       "   0"
		       "\\r\\n\"",
		       &err));
	ck_assert_uint_eq(facts->forwards.count, 2);
	ck_assert_str_eq(facts->forwards.list[0].type, "tcp:2222-22");
	ck_assert_str_eq(facts->forwards.list[1].type, "udp:5353-53");
	ck_assert(take("query-vnc-servers", NULL,
		       "[{\"id\":\"default\",\"server\":[{\"service\":\"5977\"}]}]", &err));
	ck_assert(adopt_vnc_listens(facts, "default", "5977"));
	ck_assert(take("qom-list", "/objects",
		       "[{\"name\":\"type\",\"type\":\"string\"},"
		       "{\"name\":\"io0\",\"type\":\"child<iothread>\"}]",
		       &err));
	ck_assert_str_eq(adopt_object_find(facts, "io0")->type, "iothread");
}
END_TEST

/* ---- what can have changed -------------------------------------------------------- */

static bool is_question(bool is_hmp, const char *command)
{
	struct refused_verdict verdict;

	if (is_hmp)
		refused_judge_hmp(command, &verdict);
	else
		refused_judge_qmp(command, NULL, &verdict);
	return verdict.class == REFUSED_CLASS_QUERY;
}

static char *read_text(const char *name)
{
	const char *dir = getenv("srcdir");
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir ? dir : ".", name);
	struct err err = { 0 };
	char *text = NULL;
	size_t len;

	ck_assert_msg(file_read(path, 1 << 20, &text, &len, &err), "%s", err.msg);
	return text;
}

/* A change that adopt/changes.c does not list would be lost: the VM would be adopted without
 * it. */
START_TEST(what_qemu_can_change_has_a_row)
{
	static const char *const files[] = { "7.2/commands-qmp",  "7.2/commands-hmp",
					     "10.0/commands-qmp", "10.0/commands-hmp",
					     "11.1/commands-qmp", "11.1/commands-hmp" };
	CLEANUP(free_charp) char *name = xasprintf("tests/data/qmp/%s.txt", files[_i]);
	CLEANUP(free_charp) char *text = read_text(name);
	char *at = text;

	for (char *command; (command = strsep(&at, "\n"));) {
		if (*command && !is_question(_i % 2, command))
			ck_assert_msg(adopt_change_find(command),
				      "%s has '%s': give it a row in adopt/changes.c", files[_i],
				      command);
	}
}
END_TEST

/* Each row of adopt/changes.c names the question that reads the change, or why none does, and
 * the documentation says the same. */
START_TEST(each_change_is_read_or_explained_and_documented)
{
	CLEANUP(free_charp) char *doc = read_text("doc/api.md");

	for (size_t i = 0; i < adopt_change_count; i++) {
		const struct adopt_change *change = &adopt_changes[i];
		CLEANUP(free_charp) char *row = NULL;

		ck_assert_msg(!change->now == (change->why != NULL), "%s", change->commands);
		ck_assert_msg(!change->now || adopt_facts_asks(change->now), "%s", change->now);
		if (!change->what)
			continue;
		row = change->now ? xasprintf("| %s | `%s` |", change->what, change->now)
				  : xasprintf("| %s | %s |", change->what, change->why);
		ck_assert_msg(strstr(doc, row), "doc/api.md lacks: %s", row);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("adopt_facts");
	TCase *tc = tcase_create("facts");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, answers_are_taken_as_they_are);
	tcase_add_loop_test(tc, what_qemu_can_change_has_a_row, 0, 6);
	tcase_add_test(tc, each_change_is_read_or_explained_and_documented);
	suite_add_tcase(s, tc);
	return s;
}
