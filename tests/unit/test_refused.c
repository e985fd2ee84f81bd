/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which commands a user may send to QEMU through migrd. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "guard/refused.h"

static struct refused_verdict verdict;

static enum refused_class qmp(const char *name)
{
	refused_judge_qmp(name, NULL, &verdict);
	return verdict.class;
}

static enum refused_class hmp(const char *line)
{
	refused_judge_hmp(line, &verdict);
	return verdict.class;
}

static enum refused_class hmp_by_qmp(const char *line)
{
	CLEANUP(json_putp) struct json_object *args = json_object_new_object();

	json_add_str(args, "command-line", line);
	refused_judge_qmp("human-monitor-command", args, &verdict);
	return verdict.class;
}

#define QUERY   REFUSED_CLASS_QUERY
#define MODIFY  REFUSED_CLASS_MODIFY
#define REFUSED REFUSED_CLASS_REFUSED
#define UNKNOWN REFUSED_CLASS_UNKNOWN

static const struct {
	const char *name;
	enum refused_class class;
	const char *instead; /* part of the suggestion */
} qmp_cases[] = {
	{ "cont", REFUSED, "'migrctl vm resume vm1'" },
	{ "stop", REFUSED, "'migrctl vm pause vm1'" },
	{ "quit", REFUSED, "'migrctl vm stop vm1'" },
	{ "system_reset", REFUSED, "'migrctl vm reset vm1'" },
	{ "system_powerdown", REFUSED, "'migrctl vm shutdown vm1'" },
	{ "migrate", REFUSED, "'migrctl move start vm1 --to HOST'" },
	{ "migrate_cancel", REFUSED, "'migrctl move cancel vm1'" },
	{ "migrate-set-parameters", REFUSED, "'migrctl move set vm1'" },
	{ "migrate-incoming", REFUSED, "moves are migrd's own" },
	{ "migrate-of-the-future", REFUSED, "moves are migrd's own" },
	{ "device_add", REFUSED, "'migrctl vm attach vm1 FILE'" },
	{ "device_del", REFUSED, "'migrctl vm detach vm1 ID'" },
	{ "netdev_add", REFUSED, "vm attach" },
	{ "object-add", REFUSED, "vm attach" },
	{ "chardev-change", REFUSED, "vm attach" },
	{ "blockdev-add", REFUSED, "disks" },
	{ "eject", REFUSED, "'migrctl vm eject vm1 ID'" },
	{ "blockdev-change-medium", REFUSED, "'migrctl vm insert vm1 ID FILE'" },
	{ "blockdev-set-active", REFUSED, "disks" },
	{ "block-job-cancel", REFUSED, "disks" },
	{ "job-dismiss", REFUSED, "disks" },
	{ "snapshot-load", REFUSED, "another state" },
	{ "pmemsave", REFUSED, "a file of the host" },
	{ "dump-guest-memory", REFUSED, "a file of the host" },
	{ "qmp_capabilities", REFUSED, "the monitor" },
	{ "qom-set", REFUSED, "can do what" },
	{ "add-fd", REFUSED, "descriptors" },
	{ "set-action", REFUSED, "'actions'" },
	{ "query-block", QUERY, NULL },
	{ "query-migrate", QUERY, NULL },
	{ "query-of-the-future", QUERY, NULL },
	{ "x-query-roms", QUERY, NULL },
	{ "x-query-virtio", REFUSED, "for the developers" },
	{ "qom-get", QUERY, NULL },
	{ "inject-nmi", MODIFY, NULL },
	{ "balloon", MODIFY, NULL },
	{ "block_resize", MODIFY, NULL },
	{ "set_password", MODIFY, NULL },
	{ "chardev-send-break", MODIFY, NULL },
	{ "of-the-future", UNKNOWN, NULL },
	{ "CONT", UNKNOWN, NULL }, /* QEMU does not know such a command either */
	{ "", UNKNOWN, NULL },
};

START_TEST(qmp_command_is_judged_with_what_to_do_instead)
{
	const char *instead = qmp_cases[_i].instead;
	struct err err = { 0 };

	ck_assert_msg(qmp(qmp_cases[_i].name) == qmp_cases[_i].class, "%s is %s",
		      qmp_cases[_i].name, refused_class_name(verdict.class));
	ck_assert_str_eq(verdict.word, qmp_cases[_i].name);
	ck_assert_int_eq(refused_allows(&verdict, "vm1", &err), !instead);
	if (instead) {
		ck_assert_int_eq(err.code, ERR_FORBIDDEN);
		ck_assert_msg(strstr(err.msg, instead), "%s", err.msg);
	}
}
END_TEST

static const struct {
	const char *line;
	enum refused_class class;
	const char *word;
} hmp_cases[] = {
	{ "cont", REFUSED, "cont" },
	{ "c", REFUSED, "c" },
	{ "q", REFUSED, "q" },
	{ "s", REFUSED, "s" },
	{ " \t\f c", REFUSED, "c" },
	{ "\r\nc", REFUSED, "c" },
	{ "c\vx", REFUSED, "c" },
	{ "cont/x", REFUSED, "cont" },
	{ "stop\ninfo name", REFUSED, "stop" },
	{ "migrate -d tcp:192.0.2.1:4444", REFUSED, "migrate" },
	{ "migrate_set_parameter max-bandwidth 1", REFUSED, "migrate_set_parameter" },
	{ "device_del net0", REFUSED, "device_del" },
	{ "drive_add 0 if=none", REFUSED, "drive_add" },
	{ "chardev-add socket", REFUSED, "chardev-add" },
	{ "pmemsave 0 4096 /etc/passwd", REFUSED, "pmemsave" },
	{ "screendump /tmp/x", REFUSED, "screendump" },
	{ "logfile /tmp/x", REFUSED, "logfile" },
	{ "gdbserver", REFUSED, "gdbserver" },
	{ "savevm", REFUSED, "savevm" },
	{ "loadvm x", REFUSED, "loadvm" },
	{ "qemu-io boot-node \"write 0 512\"", REFUSED, "qemu-io" },
	{ "o/w 0x604 0x2000", REFUSED, "o" },
	{ "qom-set /machine/peripheral/net0 realized off", REFUSED, "qom-set" },
	{ "info network", QUERY, "info network" },
	{ "  info  status ", QUERY, "info status" },
	{ "info", QUERY, "info" },
	{ "info  virtio ", REFUSED, "info virtio" },
	{ "help cont", QUERY, "help" },
	{ "?", QUERY, "?" },
	{ "p $rip", QUERY, "p" },
	{ "p/x 10", QUERY, "p" },
	{ "xp /4xw 0", MODIFY, "xp" },
	{ "x/1xw 0", MODIFY, "x" },
	{ "nmi", MODIFY, "nmi" },
	{ "set_password vnc secret", MODIFY, "set_password" },
	{ "co", UNKNOWN, "co" }, /* QEMU has no abbreviations */
	{ "cont;info", UNKNOWN, "cont;info" },
	{ "cont|c", UNKNOWN, "cont|c" },
	{ "infonetwork", UNKNOWN, "infonetwork" },
	{ "", UNKNOWN, "" },
	{ "  ", UNKNOWN, "" },
	{ "/", UNKNOWN, "" },
};

/* QEMU's own way to read the line decides which command it is, not its looks. */
START_TEST(hmp_line_is_judged_by_its_first_word)
{
	ck_assert_msg(hmp(hmp_cases[_i].line) == hmp_cases[_i].class, "'%s' is %s",
		      hmp_cases[_i].line, refused_class_name(verdict.class));
	ck_assert_str_eq(verdict.word, hmp_cases[_i].word);
}
END_TEST

START_TEST(hmp_inside_qmp_is_judged_by_its_line)
{
	CLEANUP(json_putp) struct json_object *odd = json_object_new_object();

	ck_assert_int_eq(hmp_by_qmp("c"), REFUSED);
	ck_assert_str_eq(verdict.word, "human-monitor-command c");
	ck_assert_int_eq(hmp_by_qmp("info network"), QUERY);
	ck_assert_int_eq(hmp_by_qmp("nmi"), MODIFY);
	/* QEMU refuses the command without a line. */
	json_add_int(odd, "command-line", 1);
	refused_judge_qmp("human-monitor-command", odd, &verdict);
	ck_assert_int_eq(verdict.class, MODIFY);
}
END_TEST

/* A long word is cut to the log's size, and arguments are not logged. */
START_TEST(long_word_is_cut_and_arguments_left_out)
{
	char line[1024];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	ck_assert_int_eq(hmp(line), UNKNOWN);
	ck_assert_int_eq(qmp(line), UNKNOWN);
	ck_assert_int_eq(hmp_by_qmp(line), UNKNOWN);
	ck_assert_uint_lt(strlen(verdict.word), sizeof(verdict.word));
	hmp("set_password vnc secret");
	ck_assert_ptr_null(strstr(verdict.word, "secret"));
}
END_TEST

static const char *const versions[] = { "7.2", "10.0", "11.1" };

/* Each command of each QEMU has a row: a new one needs a decision. */
START_TEST(no_command_of_qemu_is_unclassified)
{
	static const char *const kinds[] = { "qmp", "hmp" };
	const char *dir = getenv("srcdir");
	const char *kind = kinds[_i % 2];
	CLEANUP(free_charp)
	char *path = xasprintf("%s/tests/data/qmp/%s/commands-%s.txt", dir ? dir : ".",
			       versions[_i / 2], kind);
	CLEANUP(free_charp) char *text = NULL;
	struct err err = { 0 };
	unsigned count = 0;
	size_t len;
	char *at;

	ck_assert_msg(file_read(path, 1 << 20, &text, &len, &err), "%s", err.msg);
	at = text;
	for (char *name; (name = strsep(&at, "\n"));) {
		if (!*name)
			continue;
		count++;
		ck_assert_msg((_i % 2 ? hmp(name) : qmp(name)) != UNKNOWN,
			      "QEMU %s has '%s' (%s): give it a row in guard/refused_rows.c",
			      versions[_i / 2], name, kind);
	}
	ck_assert_uint_gt(count, 80);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("refused");
	TCase *tc = tcase_create("refused");

	tcase_add_loop_test(tc, qmp_command_is_judged_with_what_to_do_instead, 0,
			    ARRAY_LEN(qmp_cases));
	tcase_add_loop_test(tc, hmp_line_is_judged_by_its_first_word, 0, ARRAY_LEN(hmp_cases));
	tcase_add_test(tc, hmp_inside_qmp_is_judged_by_its_line);
	tcase_add_test(tc, long_word_is_cut_and_arguments_left_out);
	tcase_add_loop_test(tc, no_command_of_qemu_is_unclassified, 0, 2 * ARRAY_LEN(versions));
	suite_add_tcase(s, tc);
	return s;
}
