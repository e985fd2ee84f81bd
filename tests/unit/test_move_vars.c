/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest with UEFI firmware: its variables are copied, and what it writes to them while its memory
 * is sent would be lost, so that ends the move. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "move/priv.h"
#include "move_rig.h"

#define JOB "migrd-" VM_DEF_VARS_ID

static const struct transfer_features there = {
	.capabilities = { "events", "return-path", "late-block-activate",
			  "pause-before-switchover" },
	.capability_count = 4,
	.connections = 64,
	.cpus = 2,
};
static char members[512];

static char *path_of(const char *name)
{
	return xasprintf("%s/images/%s", rig.dir, name);
}

static void write_file(const char *name)
{
	CLEANUP(free_charp) char *path = path_of(name);
	struct err err;

	ck_assert_msg(file_write(path, "v", 1, 0600, &err), "%s", err.msg);
}

static bool vars_are_there(void)
{
	CLEANUP(free_charp) char *path = path_of("vars");

	return access(path, F_OK) == 0;
}

static void define(void)
{
	CLEANUP(free_charp) char *dir = path_of("");

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(members, sizeof(members),
		 ",\"firmware\":{\"code\":\"%scode\",\"vars\":\"%svars\"}", dir, dir);
	rig.more_members = members;
	write_file("code");
	write_file("vars");
	fake_peer_features = &there;
	fake_qmp_result("query-block", "[]");
	fake_qmp_result("query-named-block-nodes",
			"[{\"node-name\":\"" VM_DEF_VARS_ID "-node\",\"image\":{\"format\":\"raw\","
			"\"virtual-size\":540672,\"actual-size\":540672}}]");
}

static void bring_to_copying(void)
{
	define();
	rig_start_move();
	for (int i = 0; i < 40 && !fake_peer_pending("prepare"); i++)
		rig_advance(50);
	fake_peer_answer("prepare", "{\"data_address\":\"192.0.2.1:8441\",\"token\":"
				    "\"00000000000000000000000000000000000000000000000000000000"
				    "00000001\",\"compared\":true,"
				    "\"channels\":[\"ram\",\"disks\"]}");
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_ptr_nonnull(strstr(fake_qmp_args("blockdev-mirror"),
				     "\"device\":\"" VM_DEF_VARS_ID "-node\""));
}

/* The guest writes BYTES to the variables. */
static void guest_writes(uint64_t bytes)
{
	fake_jobs_find(&fake_qemu()->jobs, JOB)->done += bytes;
}

static void bring_to_memory(void)
{
	bring_to_copying();
	guest_writes(540672);
	fake_qemu_job(JOB, "ready", NULL);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
}

static void settle(void)
{
	fake_qemu_migrates("pre-switchover");
	ck_assert_str_eq(rig_state(), "handover");
	fake_qemu_job(JOB, "concluded", NULL);
}

static void assert_moved(void)
{
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 1);
	fake_qemu_migrates("completed");
	rig_peer_says("go", "taken");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert(!vars_are_there());
}

static void assert_back(const char *words)
{
	const char *text;

	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), "failed");
	text = move_row(rig_move())->error_text;
	ck_assert_str_eq(rig_error(), "busy");
	ck_assert_msg(strstr(text, words) != NULL, "%s", text);
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	ck_assert(rig_guest_runs());
	ck_assert(vars_are_there());
}

START_TEST(variables_are_copied)
{
	bring_to_memory();
	settle();
	assert_moved();
}
END_TEST

START_TEST(variables_written_before_memory_began_are_copied)
{
	bring_to_copying();
	guest_writes(540672);
	rig_advance(1500);
	guest_writes(65536);
	fake_qemu_job(JOB, "ready", NULL);
	fake_qemu_migrates("active");
	settle();
	assert_moved();
}
END_TEST

START_TEST(variables_written_while_memory_flows_end_the_move)
{
	bring_to_memory();
	guest_writes(65536);
	settle();
	assert_back("the guest wrote to the variables");
}
END_TEST

/* What they were when memory began is on disk. */
START_TEST(restart_while_memory_flows_knows_it)
{
	bring_to_memory();
	rig_restart();
	rig_advance(600);
	if (_i == 1)
		guest_writes(65536);
	settle();
	if (_i == 1)
		assert_back("the guest wrote to the variables");
	else
		assert_moved();
}
END_TEST

START_TEST(restart_while_the_variables_are_copied_goes_on)
{
	bring_to_copying();
	guest_writes(540672);
	rig_restart();
	rig_advance(1000);
	guest_writes(65536);
	fake_qemu_job(JOB, "ready", NULL);
	rig_advance(1000);
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
	settle();
	assert_moved();
}
END_TEST

START_TEST(memory_begins_when_the_record_is_on_disk)
{
	bring_to_copying();
	guest_writes(540672);
	rig_disk_hold();
	fake_qemu_job(JOB, "ready", NULL);
	ck_assert_uint_eq(trace_count("qmp migrate"), 0);
	rig_disk_go_on();
	rig_run();
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
}
END_TEST

/* An older migrd sent memory before it wrote so. */
START_TEST(restart_that_cannot_know_ends_the_move)
{
	bring_to_copying();
	guest_writes(540672);
	fake_qemu_job(JOB, "ready", NULL);
	fake_qemu_migrates("active");
	rig_move()->facts.vars_copied = 0;
	machine_save(&rig_move()->machine);
	rig_run();
	rig_restart();
	rig_advance(600);
	settle();
	assert_back("cannot know");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("move_vars");
	TCase *tc = rig_add_case(s, "variables");

	tcase_add_test(tc, variables_are_copied);
	tcase_add_test(tc, variables_written_before_memory_began_are_copied);
	tcase_add_test(tc, variables_written_while_memory_flows_end_the_move);
	tcase_add_loop_test(tc, restart_while_memory_flows_knows_it, 0, 2);
	tcase_add_test(tc, restart_while_the_variables_are_copied_goes_on);
	tcase_add_test(tc, memory_begins_when_the_record_is_on_disk);
	tcase_add_test(tc, restart_that_cannot_know_ends_the_move);
	return s;
}
