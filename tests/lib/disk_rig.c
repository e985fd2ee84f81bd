/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk_rig.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

const struct transfer_features disk_rig_features = {
	.capabilities = { "events", "return-path", "late-block-activate", "pause-before-switchover",
			  "auto-converge" },
	.capability_count = 5,
	.connections = 64,
	.cpus = 2,
};
static char members[512];

char *disk_rig_path(const char *name)
{
	return xasprintf("%s/images/%s", rig.dir, name);
}

bool disk_rig_is_there(const char *name)
{
	CLEANUP(free_charp) char *path = disk_rig_path(name);

	return access(path, F_OK) == 0;
}

void disk_rig_write(const char *name)
{
	CLEANUP(free_charp) char *path = disk_rig_path(name);
	struct err err;

	ck_assert_msg(file_write(path, "old", 3, 0600, &err), "%s", err.msg);
}

/* D0 and D1 are local; S is shared, and goes its own way. */
void disk_rig_define(void)
{
	CLEANUP(free_charp) char *dir = disk_rig_path("");

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(members, sizeof(members),
		 ",\"disks\":[{\"id\":\"d0\",\"path\":\"%sd0\",\"format\":\"raw\"},"
		 "{\"id\":\"s\",\"path\":\"%ss\",\"format\":\"raw\",\"shared\":true},"
		 "{\"id\":\"d1\",\"path\":\"%sd1\",\"format\":\"raw\"}]",
		 dir, dir, dir);
	rig.more_members = members;
}

/* ---- the source ---------------------------------------------------------------- */

void disk_rig_prepare(void)
{
	disk_rig_define();
	disk_rig_write("d0");
	disk_rig_write("d1");
	disk_rig_write("s");
	fake_peer_features = &disk_rig_features;
	fake_qmp_result("query-block", "[" DISK_RIG_BLOCK("s") "," DISK_RIG_BLOCK(
					       "d0") "," DISK_RIG_BLOCK("d1") "]");
	fake_qmp_result("query-named-block-nodes",
			"[" DISK_RIG_NODE("d1") "," DISK_RIG_NODE("d0") "," DISK_RIG_NODE("s") "]");
}

void disk_rig_begin(const struct move_options *options)
{
	disk_rig_prepare();
	rig_start_move_with(options);
	for (int i = 0; i < 40 && !fake_peer_pending("prepare"); i++)
		rig_advance(50);
}

void disk_rig_answer_prepare(void)
{
	char reply[200];

	snprintf(reply, sizeof(reply),
		 "{\"data_address\":\"192.0.2.1:8441\",\"token\":\"%064d\",\"compared\":true,"
		 "\"channels\":[\"ram\",\"disks\"]}",
		 1);
	fake_peer_answer("prepare", reply);
}

/* Two mirrors copy. */
void disk_rig_copy_with(const struct move_options *options)
{
	disk_rig_begin(options);
	disk_rig_answer_prepare();
	trace_clear();
	fake_stream_becomes(STREAM_CHANNEL_READY);
	ck_assert_str_eq(rig_state(), "transfer");
	ck_assert_uint_eq(trace_count("qmp blockdev-mirror"), 2);
}

void disk_rig_copy(void)
{
	disk_rig_copy_with(&(struct move_options){ .downtime_limit_ms = 300 });
}

void disk_rig_mirrors(const char *status)
{
	fake_qemu_job("migrd-d0", status, NULL);
	fake_qemu_job("migrd-d1", status, NULL);
}

void disk_rig_send_memory(void)
{
	disk_rig_copy();
	disk_rig_mirrors("ready");
	ck_assert_uint_eq(trace_count("qmp migrate"), 1);
	fake_qemu_migrates("active");
}

/* The guest stands still, and the mirrors were told to end. */
void disk_rig_settle(void)
{
	disk_rig_send_memory();
	fake_qemu_migrates("pre-switchover");
	ck_assert_str_eq(rig_state(), "handover");
	ck_assert_uint_eq(trace_count("qmp block-job-cancel"), 2);
}

void disk_rig_assert_gone(void)
{
	ck_assert(fake_jobs_are_none(&fake_qemu()->jobs));
	ck_assert(disk_rig_is_there("d0"));
	ck_assert(disk_rig_is_there("d1"));
}

/* The move has ended as STATE, the guest runs here, and of the mirrors nothing is left. */
void disk_rig_assert_back(const char *state)
{
	ck_assert_str_eq(rig_state(), "rollback");
	rig_peer_says("drop", "refused");
	rig_advance(1000);
	ck_assert_str_eq(rig_state(), state);
	ck_assert(rig_guest_runs());
	ck_assert_uint_eq(trace_count("peer go run"), 0);
	ck_assert_uint_eq(trace_count("qmp migrate-continue"), 0);
	disk_rig_assert_gone();
}

/* A late answer of query-jobs must not make an error of a good move. */
void disk_rig_assert_done(void)
{
	fake_qemu_migrates("completed");
	ck_assert_uint_eq(trace_count("peer go run"), 1);
	rig_peer_says("go", "taken");
	rig_run();
	ck_assert_str_eq(rig_state(), "done");
	ck_assert_str_eq(rig_error(), "");
	ck_assert(!disk_rig_is_there("d0"));
	ck_assert(!disk_rig_is_there("d1"));
	ck_assert(disk_rig_is_there("s"));
}

void disk_rig_cancel(void)
{
	struct err err;

	ck_assert_msg(move_cancel(rig_move(), "ops", &err), "%s", err.msg);
	rig_run();
}

/* The destination is there. */
void disk_rig_let_flow(void)
{
	if (fake_peer_pending("fate"))
		fake_peer_answer("fate", "{\"state\":\"transfer\",\"final\":false,"
					 "\"verdict\":\"none\"}");
	rig_run();
}

/* D0 has copied all but LEFT bytes of 100 MiB. */
void disk_rig_leave(uint64_t left)
{
	struct fake_job *job = fake_jobs_find(&fake_qemu()->jobs, "migrd-d0");

	job->total = UINT64_C(100) << 20;
	job->done = job->total - left;
	rig_advance(600);
	disk_rig_let_flow();
}
